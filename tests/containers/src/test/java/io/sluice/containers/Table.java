package io.sluice.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** A table, read from copies of its files: its log as it is, its rows by Delta Kernel, which shares no code with Sluice. */
abstract class Table {
  static final String LOG = "_delta_log";

  private static final ObjectMapper JSON = new ObjectMapper();

  /** The table as connectors know it. */
  final String uri;

  private final Path copy;

  Table(String uri) throws IOException {
    this.uri = uri;
    copy = Files.createTempDirectory(Cluster.folder(), uri.replaceAll("\\W+", "-"));
  }

  /** Copies what there is below a folder of the table, or all of it where that is empty. */
  abstract void copy(String folder, Path to) throws Exception;

  /** Waits until the table holds the end of each of the topic's partitions. */
  void reachesTheEnd(Worker worker, String connector, Topic topic) throws Exception {
    Map<String, Long> ends = new TreeMap<>();
    topic.ends().forEach((partition, end) -> ends.put("sluice/" + connector + "/" + topic.name() + "/" + partition, end));
    Await.until(uri + " with the offsets " + ends, () -> {
      String failure = worker.failure(connector);
      if (failure != null) {
        throw new AssertionError(connector + " failed: " + failure);
      }
      return offsets().entrySet().containsAll(ends.entrySet()) ? ends : null;
    });
  }

  /** By application, of the newest versions that have them. */
  Map<String, Long> offsets() throws Exception {
    Map<String, Long> offsets = new TreeMap<>();
    for (JsonNode action : actions()) {
      JsonNode txn = action.path("txn");
      if (txn.isObject()) {
        offsets.put(txn.path("appId").asText(), txn.path("version").asLong());
      }
    }
    return offsets;
  }

  /** How often the connector that committed was another than the one before. */
  long turns() throws Exception {
    long turns = 0;
    String before = null;
    for (JsonNode action : actions()) {
      JsonNode txn = action.path("txn");
      if (txn.isObject()) {
        String connector = txn.path("appId").asText().split("/")[1];
        turns += before == null || connector.equals(before) ? 0 : 1;
        before = connector;
      }
    }
    return turns;
  }

  /** The names of the log's versions, each of which there has to be. */
  List<String> versions() throws Exception {
    copy(LOG, copy.resolve(LOG));
    if (!Files.isDirectory(copy.resolve(LOG))) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(copy.resolve(LOG))) {
      List<String> names = files.map(file -> file.getFileName().toString()).filter(name -> name.matches("\\d{20}\\.json")).sorted().toList();
      assertEquals(LongStream.range(0, names.size()).mapToObj(version -> String.format("%020d.json", version)).toList(), names);
      return names;
    }
  }

  private List<JsonNode> actions() throws Exception {
    List<JsonNode> actions = new ArrayList<>();
    for (String version : versions()) {
      for (String line : Files.readAllLines(copy.resolve(LOG).resolve(version))) {
        actions.add(JSON.readTree(line));
      }
    }
    return actions;
  }

  /** The rows in the order of their id: each a text or null for each column. */
  List<Map<String, String>> rows() throws Exception {
    copy("", copy);
    JsonNode schema = null;
    for (JsonNode action : actions()) {
      JsonNode newer = action.path("metaData").path("schemaString");
      schema = newer.isTextual() ? JSON.readTree(newer.asText()) : schema;
    }
    List<Map<String, String>> rows = new ArrayList<>();
    for (String line : output("java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", System.getProperty("sluice.table.reader"),
        "ReadTable", copy.toString(), "rows")) {
      JsonNode values = JSON.readTree(line);
      Map<String, String> row = new LinkedHashMap<>();
      for (int column = 0; column < values.size(); column++) {
        row.put(schema.path("fields").path(column).path("name").asText(), values.get(column).textValue());
      }
      rows.add(row);
    }
    rows.sort(Comparator.comparingLong(row -> Long.parseLong(row.get("id"))));
    return rows;
  }

  /** I1: exactly the numbered records of this range, once each; and by the program where there is one, I4. */
  void holdsExactly(long from, long to) throws Exception {
    List<Map<String, String>> expected =
        LongStream.range(from, to).mapToObj(id -> Map.of("id", String.valueOf(id), "text", "number " + id)).toList();
    List<Map<String, String>> rows = rows();
    assertEquals(expected.size(), rows.size(), "rows");
    for (int i = 0; i < rows.size(); i++) {
      assertEquals(expected.get(i), rows.get(i));
    }
    String program = System.getProperty("sluice.program");
    if (program != null) {
      output(program, "audit", copy.toString());
    }
  }

  /** The lines of a program that has to succeed. */
  private static List<String> output(String... command) throws Exception {
    Path output = Files.createTempFile("sluice-containers", ".txt");
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile()).start();
      assertEquals(0, process.waitFor(), () -> String.join(" ", command) + "\n" + text(output));
      return Files.readAllLines(output);
    } finally {
      Files.delete(output);
    }
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.getMessage();
    }
  }
}
