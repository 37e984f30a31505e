package io.sluice.connect;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;

/** Gives each topic-partition a number, counted from 0, that stays the same for the life of the task. */
final class Partitions {
  static final int UNKNOWN = -1;

  private final Map<TopicPartition, Integer> ids = new HashMap<>();
  private final List<TopicPartition> byId = new ArrayList<>();
  private TopicPartition last = new TopicPartition("", -1);
  private int lastId = UNKNOWN;

  int add(TopicPartition partition) {
    Integer known = ids.putIfAbsent(partition, byId.size());
    if (known != null) {
      return known;
    }
    byId.add(partition);
    return byId.size() - 1;
  }

  /** Cheap when the same partition is asked for as the time before; {@link #UNKNOWN} when it was never added. */
  int id(String topic, int partition) {
    if (partition != last.partition() || !topic.equals(last.topic())) {
      TopicPartition asked = new TopicPartition(topic, partition);
      Integer id = ids.get(asked);
      if (id == null) {
        return UNKNOWN;
      }
      last = asked;
      lastId = id;
    }
    return lastId;
  }

  int id(TopicPartition partition) {
    return ids.getOrDefault(partition, UNKNOWN);
  }

  TopicPartition byId(int id) {
    if (id < 0 || id >= byId.size()) {
      throw Reply.invalid("partition id " + id + " was never given");
    }
    return byId.get(id);
  }
}
