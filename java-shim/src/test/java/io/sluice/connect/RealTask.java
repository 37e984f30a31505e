package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.sink.SinkRecord;

/** A task with the real native library, for a worker's part in its life: from records to the rows of a table. A bad record fails it. */
final class RealTask implements AutoCloseable {
  private static final int TRIES = 3000;

  private final FakeContext context = new FakeContext();
  private final DeltaSinkTask task = new DeltaSinkTask();
  private final Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();

  RealTask(Map<String, String> settings, List<TopicPartition> partitions) throws InterruptedException {
    assumeTrue(
        System.getProperty(NativeLibrary.PATH) != null, "no native library: give one with gradle -D" + NativeLibrary.PATH + "=FILE");
    Map<String, String> all = new HashMap<>(Map.of("name", "real-task", DeltaSinkConnector.TASK_ID, "0", "delta.commit.interval.ms", "100"));
    all.putAll(settings);
    context.assigned.addAll(partitions);
    task.initialize(context);
    task.start(all);
    task.open(partitions);
    proceed();
  }

  void put(List<SinkRecord> records) throws InterruptedException {
    task.put(records);
    records.forEach(one -> positions.put(new TopicPartition(one.originalTopic(), one.originalKafkaPartition()), new OffsetAndMetadata(one.originalKafkaOffset() + 1, DeltaSinkTask.COMMITTED_BY)));
    proceed();
  }

  /** Until all that was put is in its table. */
  void commit() throws InterruptedException {
    Map<TopicPartition, OffsetAndMetadata> durable = new HashMap<>();
    for (int tries = 0; !durable.equals(positions); tries++) {
      assertTrue(tries < TRIES, durable + " is durable of " + positions);
      Thread.sleep(10);
      task.put(List.of());
      durable.putAll(task.preCommit(positions));
    }
    assertEquals(List.of(), context.rewinds);
  }

  @Override
  public void close() {
    task.stop();
  }

  /** The rows as Delta's own Java reader finds them, in a process of its own: a text or null for each column. */
  static List<JsonNode> rows(Path table) throws IOException, InterruptedException {
    Path output = Files.createTempFile(table.getParent(), "rows", ".json");
    Process reader =
        new ProcessBuilder(
                "java", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", System.getProperty("sluice.table.reader"), "ReadTable", table.toString(), "rows")
            .redirectOutput(output.toFile())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    assertEquals(0, reader.waitFor());
    List<JsonNode> rows = new ArrayList<>();
    for (String line : Files.readAllLines(output)) {
      rows.add(new ObjectMapper().readTree(line));
    }
    return rows;
  }

  /** As long as the task wants no records. */
  private void proceed() throws InterruptedException {
    task.put(List.of());
    for (int tries = 0; !context.paused.isEmpty(); tries++) {
      assertTrue(tries < TRIES, "the task stays paused");
      Thread.sleep(10);
      task.put(List.of());
    }
  }
}
