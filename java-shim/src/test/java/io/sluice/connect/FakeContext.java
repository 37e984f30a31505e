package io.sluice.connect;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.metrics.PluginMetrics;
import org.apache.kafka.connect.errors.IllegalWorkerStateException;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkTaskContext;

/** Like a worker's: refuses to seek or pause a partition that is not assigned. */
final class FakeContext implements SinkTaskContext {
  final Set<TopicPartition> assigned = new LinkedHashSet<>();
  final Set<TopicPartition> paused = new LinkedHashSet<>();
  final List<String> rewinds = new ArrayList<>();
  final List<Long> timeouts = new ArrayList<>();
  ErrantRecordReporter reporter;
  PluginMetrics metrics; // null: as an older worker
  int commitRequests;

  @Override
  public Map<String, String> configs() {
    return Map.of();
  }

  @Override
  public void offset(Map<TopicPartition, Long> offsets) {
    offsets.forEach(this::offset);
  }

  @Override
  public void offset(TopicPartition partition, long offset) {
    demandAssigned(partition);
    rewinds.add(partition + "@" + offset);
  }

  @Override
  public void timeout(long timeoutMs) {
    timeouts.add(timeoutMs);
  }

  @Override
  public Set<TopicPartition> assignment() {
    return assigned;
  }

  @Override
  public void pause(TopicPartition... partitions) {
    for (TopicPartition partition : partitions) {
      demandAssigned(partition);
      paused.add(partition);
    }
  }

  @Override
  public void resume(TopicPartition... partitions) {
    for (TopicPartition partition : partitions) {
      demandAssigned(partition);
      paused.remove(partition);
    }
  }

  @Override
  public void requestCommit() {
    commitRequests++;
  }

  @Override
  public ErrantRecordReporter errantRecordReporter() {
    return reporter;
  }

  @Override
  public PluginMetrics pluginMetrics() {
    return metrics;
  }

  private void demandAssigned(TopicPartition partition) {
    if (!assigned.contains(partition)) {
      throw new IllegalWorkerStateException(partition + " is not assigned");
    }
  }
}
