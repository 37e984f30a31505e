package io.sluice.containers;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.function.LongFunction;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** A topic of the test's own. */
record Topic(String name, int partitions) {
  private static final int RECORDS_A_SECOND = 1_500;

  static Topic created(String name, int partitions) throws Exception {
    try (Admin admin = Cluster.admin()) {
      admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
    }
    return new Topic(name, partitions);
  }

  /** The record of this number, for a table with the columns {@code id} and {@code text}. */
  static String numbered(long id) {
    return "{\"id\": " + id + ", \"text\": \"number " + id + "\"}";
  }

  /** Sends the records from one number to before another, in turn to the partitions. */
  void send(long from, long to) throws Exception {
    send(from, to, Topic::numbered, Integer.MAX_VALUE);
  }

  void send(List<String> values) throws Exception {
    send(0, values.size(), i -> values.get((int) i), Integer.MAX_VALUE);
  }

  /** Begins to send them, some each second. */
  Future<?> sending(long from, long to) {
    return CompletableFuture.runAsync(() -> {
      try {
        send(from, to, Topic::numbered, RECORDS_A_SECOND);
      } catch (Exception e) {
        throw new IllegalStateException(name + ": " + e.getMessage(), e);
      }
    });
  }

  private void send(long from, long to, LongFunction<String> value, int rate) throws Exception {
    Map<String, Object> settings = Map.of("bootstrap.servers", Cluster.kafka().getBootstrapServers(), "acks", "all", "linger.ms", 5);
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
      List<Future<?>> sent = new ArrayList<>();
      long start = System.nanoTime();
      for (long i = from; i < to; i++) {
        sent.add(producer.send(new ProducerRecord<>(name, (int) (i % partitions), null, value.apply(i))));
        while ((System.nanoTime() - start) / 1e9 * rate < i - from) {
          Thread.sleep(1);
        }
      }
      for (Future<?> one : sent) {
        one.get();
      }
    }
  }

  /** The offset at which each partition ends. */
  Map<Integer, Long> ends() {
    try (KafkaConsumer<String, String> consumer = consumer()) {
      Map<Integer, Long> ends = new HashMap<>();
      consumer.endOffsets(assigned()).forEach((partition, end) -> ends.put(partition.partition(), end));
      return ends;
    }
  }

  /** Waits for so many records. */
  List<ConsumerRecord<String, String>> records(int count) throws Exception {
    try (KafkaConsumer<String, String> consumer = consumer()) {
      consumer.assign(assigned());
      consumer.seekToBeginning(assigned());
      List<ConsumerRecord<String, String>> records = new ArrayList<>();
      return Await.until(count + " records in " + name, () -> {
        consumer.poll(Duration.ofMillis(200)).forEach(records::add);
        return records.size() >= count ? records : null;
      });
    }
  }

  private Collection<TopicPartition> assigned() {
    List<TopicPartition> all = new ArrayList<>();
    for (int partition = 0; partition < partitions; partition++) {
      all.add(new TopicPartition(name, partition));
    }
    return all;
  }

  private static KafkaConsumer<String, String> consumer() {
    Map<String, Object> settings =
        Map.of("bootstrap.servers", Cluster.kafka().getBootstrapServers(), "enable.auto.commit", false);
    return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
  }
}
