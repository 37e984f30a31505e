package io.sluice.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;

/** Tables in the worker's own file system. */
@NeedsDocker
class LocalTableTest {
  /** I1, while tasks are restarted and their number changes. */
  @Test
  void rowsAreInALocalTableExactlyOnce() throws Exception {
    Worker worker = Cluster.worker();
    Topic topic = Topic.created("local", 3);
    Table table = new LocalTable(worker, "local");
    Map<String, String> config = Config.local(topic, table);
    config.put("tasks.max", "2");
    worker.put("local", config);
    worker.runs("local", 2);
    Future<?> sending = topic.sending(0, 10_000);
    Await.until("rows of each partition", () -> table.offsets().size() == 3 ? "there" : null);
    worker.restart("local");
    config.put("tasks.max", "3");
    worker.put("local", config);
    worker.runs("local", 3);
    sending.get(2, TimeUnit.MINUTES);
    table.reachesTheEnd(worker, "local", topic);
    table.holdsExactly(0, 10_000);
    worker.delete("local");
  }

  @Test
  void aBadRecordGoesToTheDeadLetterQueueAndItsNeighboursIntoTheTable() throws Exception {
    Worker worker = Cluster.worker();
    Topic topic = Topic.created("with-bad-records", 1);
    Topic dead = Topic.created("dead-letters", 1);
    Table table = new LocalTable(worker, "with-bad-records");
    Map<String, String> config = Config.local(topic, table);
    config.put("errors.tolerance", "all");
    config.put("errors.deadletterqueue.topic.name", dead.name());
    config.put("errors.deadletterqueue.topic.replication.factor", "1");
    config.put("errors.deadletterqueue.context.headers.enable", "true");
    topic.send(0, 20);
    worker.put("with-bad-records", config);
    table.reachesTheEnd(worker, "with-bad-records", topic);
    topic.send(List.of("{\"id\": \"no number\", \"text\": \"a\"}", "no JSON"));
    topic.send(20, 40);
    table.reachesTheEnd(worker, "with-bad-records", topic);
    table.holdsExactly(0, 40);

    List<String> told = new ArrayList<>();
    for (ConsumerRecord<String, String> letter : dead.records(2)) {
      Map<String, String> headers = new HashMap<>();
      letter.headers().forEach(header -> headers.put(header.key(), new String(header.value(), StandardCharsets.UTF_8)));
      String message = headers.get("__connect.errors.exception.message");
      assertTrue(message.contains(letter.value().equals("no JSON") ? "RECORD_NOT_JSON" : "RECORD_TYPE"), message);
      told.add(headers.get("__connect.errors.topic") + " " + headers.get("__connect.errors.offset") + " " + letter.value());
    }
    assertEquals(
        List.of("with-bad-records 20 {\"id\": \"no number\", \"text\": \"a\"}", "with-bad-records 21 no JSON"), told);
    worker.delete("with-bad-records");
  }

  @Test
  void aFieldThatComesLaterBecomesAColumn() throws Exception {
    Worker worker = Cluster.worker();
    Topic topic = Topic.created("evolving", 1);
    Table table = new LocalTable(worker, "evolving");
    topic.send(0, 10);
    worker.put("evolving", Config.local(topic, table));
    table.reachesTheEnd(worker, "evolving", topic);
    table.holdsExactly(0, 10);
    topic.send(List.of("{\"id\": 10, \"place\": {\"city\": \"Aachen\"}, \"price\": 1.5}", "{\"id\": 11, \"place\": {\"city\": null, \"zip\": 7}}"));
    table.reachesTheEnd(worker, "evolving", topic);
    List<Map<String, String>> rows = table.rows();
    assertEquals(12, rows.size());
    assertEquals(new TreeSet<>(List.of("id", "place", "price", "text")), new TreeSet<>(rows.get(0).keySet()));
    assertEquals(null, rows.get(9).get("price"));
    assertEquals("number 9", rows.get(9).get("text"));
    assertEquals("1.5", rows.get(10).get("price"));
    assertEquals("{city=Aachen, zip=null}", rows.get(10).get("place"));
    assertEquals("{city=null, zip=7}", rows.get(11).get("place"));
    worker.delete("evolving");
  }

  @Test
  void structsOfAConverterBecomeTypedColumns() throws Exception {
    Worker worker = Cluster.worker();
    Topic topic = Topic.created("structs", 1);
    Table table = new LocalTable(worker, "structs");
    Map<String, String> config = Config.local(topic, table);
    config.put("value.converter", "org.apache.kafka.connect.json.JsonConverter");
    config.put("value.converter.schemas.enable", "true");
    config.put("delta.input.mode", "connect");
    String schema =
        "{\"type\": \"struct\", \"fields\": [{\"field\": \"id\", \"type\": \"int64\"},"
            + " {\"field\": \"day\", \"type\": \"int32\", \"optional\": true, \"name\": \"org.apache.kafka.connect.data.Date\", \"version\": 1},"
            + " {\"field\": \"tags\", \"type\": \"array\", \"optional\": true, \"items\": {\"type\": \"string\"}}]}";
    topic.send(
        List.of(
            "{\"schema\": " + schema + ", \"payload\": {\"id\": 1, \"day\": 20787, \"tags\": [\"a\", \"b\"]}}",
            "{\"schema\": " + schema + ", \"payload\": {\"id\": 2, \"day\": null, \"tags\": []}}"));
    worker.put("structs", config);
    table.reachesTheEnd(worker, "structs", topic);
    List<Map<String, String>> rows = table.rows();
    List<String> texts = rows.stream().map(row -> row.get("id") + " " + row.get("day") + " " + row.get("tags")).toList();
    assertEquals(List.of("1 2026-11-30 [a, b]", "2 null []"), texts);
    worker.delete("structs");
  }

  @Test
  void anOffsetThatIsAlteredByRestIsWrittenIntoTheTable() throws Exception {
    Worker worker = Cluster.worker();
    Topic topic = Topic.created("altered", 1);
    Table table = new LocalTable(worker, "altered");
    topic.send(0, 50);
    worker.put("altered", Config.local(topic, table));
    table.reachesTheEnd(worker, "altered", topic);
    worker.stop("altered");
    topic.send(50, 60);
    worker.alterOffset("altered", topic.name(), 0, 55);
    assertEquals(55, table.offsets().get("sluice/altered/altered/0"));
    worker.resume("altered");
    table.reachesTheEnd(worker, "altered", topic);
    List<Long> ids = table.rows().stream().map(row -> Long.valueOf(row.get("id"))).toList();
    assertEquals(LongStream.concat(LongStream.range(0, 50), LongStream.range(55, 60)).boxed().toList(), ids);
    worker.delete("altered");
  }

  /** I1: the table's offset counts, when Kafka has none any more and under another name too. */
  @Test
  void aConnectorThatIsDeletedIsTakenOver() throws Exception {
    Worker worker = Cluster.worker();
    Topic topic = Topic.created("taken-over", 2);
    Table table = new LocalTable(worker, "taken-over");
    Map<String, String> config = Config.local(topic, table);
    topic.send(0, 100);
    worker.put("old-name", config);
    table.reachesTheEnd(worker, "old-name", topic);

    worker.delete("old-name");
    try (Admin admin = Cluster.admin()) {
      Await.until("end of the consumer group", () -> {
        try {
          return admin.deleteConsumerGroups(List.of("connect-old-name")).all().get() == null ? "gone" : null;
        } catch (ExecutionException e) {
          return null; // its consumers are still leaving it
        }
      });
    }
    topic.send(100, 150);
    worker.put("old-name", config);
    table.reachesTheEnd(worker, "old-name", topic);
    table.holdsExactly(0, 150);

    worker.delete("old-name");
    topic.send(150, 200);
    worker.put("new-name", config);
    String failure = Await.until("failure of a connector of another name", () -> worker.failure("new-name"));
    assertTrue(failure.contains("OFFSETS_OF_ANOTHER") && failure.contains("old-name"), failure);
    config.put("delta.offsets.from.connector", "old-name");
    worker.put("new-name", config);
    worker.runs("new-name", 1);
    table.reachesTheEnd(worker, "new-name", topic);
    table.holdsExactly(0, 200);
    worker.delete("new-name");
  }

  @Test
  void theJmxExporterServesTheMetrics() throws Exception {
    Worker worker = Cluster.worker();
    Topic topic = Topic.created("measured", 1);
    Table table = new LocalTable(worker, "measured");
    worker.put("measured", Config.local(topic, table));
    topic.send(0, 25);
    table.reachesTheEnd(worker, "measured", topic);
    // Metrics are looked through when Connect asks for offsets.
    Await.until("25 rows in sluice_rows_written_total", () -> sum(worker, "sluice_rows_written_total") == 25 ? "there" : null);
    assertEquals(25, sum(worker, "sluice_records_total"));
    assertEquals(0, sum(worker, "sluice_records_errant_total"));
    assertEquals(25, sum(worker, "sluice_partition_committed_offset"));
    assertTrue(sum(worker, "sluice_commits_total") >= 1);
    worker.delete("measured");
  }

  /** Of the metric's series of the connector. */
  private static double sum(Worker worker, String metric) throws Exception {
    return worker
        .exported()
        .lines()
        .filter(line -> line.startsWith(metric + "{") && line.contains("connector=\"measured\""))
        .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
        .sum();
  }
}
