package io.sluice.connect;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.storage.Converter;

/**
 * What a record costs on the task's own thread: to be written into arrays (encode), and to be read from them, decoded and handed over (put).
 * Beside it, in the same process, what {@link JsonConverter} takes to make it. {@code cargo xtask bench --stages} runs it with CONNECTOR.json,
 * EVENTS.jsonl and a FOLDER for tables.
 */
final class CrossingBench {
  private static final int BATCH = 500;
  private static final int ROUNDS = 6;
  private static final TopicPartition PLACE = new TopicPartition("bench", 0);

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private final Map<String, Stage> stages = new LinkedHashMap<>();
  private final Map<String, String> raw = new HashMap<>();
  private final Path folder;
  private long putNanos;
  private long putBytes;
  private int tables;

  /** The least of all rounds, for a record. */
  private static final class Stage {
    double nanos = Double.POSITIVE_INFINITY;
    double heapBytes = Double.POSITIVE_INFINITY;
  }

  private CrossingBench(JsonNode connector, Path folder) {
    this.folder = folder;
    JsonNode config = connector.get("config");
    config.fieldNames().forEachRemaining(name -> raw.put(name, config.get(name).asText()));
    raw.keySet().removeIf(name -> !name.startsWith("delta."));
  }

  public static void main(String[] args) throws Exception {
    JsonNode connector = new ObjectMapper().readTree(Path.of(args[0]).toFile());
    List<byte[]> events = new ArrayList<>();
    for (String line : Files.readAllLines(Path.of(args[1]))) {
      events.add(line.getBytes(StandardCharsets.UTF_8));
    }
    CrossingBench bench = new CrossingBench(connector, Path.of(args[2]));
    Converter converter = new JsonConverter();
    converter.configure(Map.of("schemas.enable", "false"), false);
    Converter structs = (Converter) Class.forName("DemoStructs").getDeclaredConstructor().newInstance();
    Map<String, String> connect = new HashMap<>(bench.raw);
    connect.remove("delta.schema.json");
    connect.put("delta.input.mode", "connect");
    for (int round = 0; round < ROUNDS; round++) {
      bench.converted(converter, events);
      bench.crossed("raw", bench.raw, events, bytes -> new SchemaAndValue(null, bytes));
      bench.crossed("maps", connect, events, bytes -> converter.toConnectData(PLACE.topic(), bytes));
      bench.crossed("structs", connect, events, bytes -> structs.toConnectData(PLACE.topic(), bytes));
    }
    System.out.println(new ObjectMapper().writeValueAsString(bench.said()));
  }

  private interface Conversion {
    SchemaAndValue of(byte[] event);
  }

  private void converted(Converter converter, List<byte[]> events) {
    long nanos = nanos();
    long bytes = heapBytes();
    int made = 0;
    for (byte[] event : events) {
      made += converter.toConnectData(PLACE.topic(), event).value() == null ? 0 : 1;
    }
    took("JsonConverter", made, nanos() - nanos, heapBytes() - bytes);
  }

  private void crossed(String kind, Map<String, String> settings, List<byte[]> events, Conversion conversion) throws Exception {
    NativeCalls real = NativeLibrary.load();
    NativeCalls timed =
        (NativeCalls) Proxy.newProxyInstance(
            getClass().getClassLoader(), new Class<?>[] {NativeCalls.class},
            (proxy, method, args) -> {
              long nanos = nanos();
              long bytes = heapBytes();
              try {
                return method.invoke(real, args);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              } finally {
                if (method.getName().equals("put")) {
                  putNanos += nanos() - nanos;
                  putBytes += heapBytes() - bytes;
                }
              }
            });
    Map<String, String> all = new HashMap<>(settings);
    all.putAll(
        Map.of(
            "name", "bench", DeltaSinkConnector.TASK_ID, "0", "delta.table.uri", folder.resolve("table" + tables++).toString(),
            "delta.table.auto.create", "true", "delta.commit.interval.ms", "600000"));
    FakeContext context = new FakeContext();
    context.assigned.add(PLACE);
    DeltaSinkTask task = new DeltaSinkTask(() -> timed);
    task.initialize(context);
    task.start(all);
    task.open(List.of(PLACE));
    long nanos = 0;
    long bytes = 0;
    putNanos = 0;
    putBytes = 0;
    int records = 0;
    for (int from = 0; from < events.size(); from += BATCH) {
      List<SinkRecord> batch = new ArrayList<>(BATCH);
      for (byte[] event : events.subList(from, Math.min(from + BATCH, events.size()))) {
        SchemaAndValue value = conversion.of(event);
        batch.add(new SinkRecord(PLACE.topic(), 0, null, null, value.schema(), value.value(), records++));
      }
      proceed(task, context);
      if (from == 0) { // its table is made
        task.put(batch);
        putNanos = 0;
        putBytes = 0;
        continue;
      }
      nanos -= nanos();
      bytes -= heapBytes();
      task.put(batch);
      nanos += nanos();
      bytes += heapBytes();
    }
    task.stop();
    took(kind + " encode", records - BATCH, nanos - putNanos, bytes - putBytes);
    took(kind + " put", records - BATCH, putNanos, putBytes);
  }

  /** As long as the task wants no records. */
  private static void proceed(DeltaSinkTask task, FakeContext context) throws InterruptedException {
    while (!context.paused.isEmpty()) {
      Thread.sleep(5);
      task.put(List.of());
    }
  }

  private void took(String stage, int records, long nanos, long bytes) {
    Stage best = stages.computeIfAbsent(stage, name -> new Stage());
    best.nanos = Math.min(best.nanos, (double) nanos / records);
    best.heapBytes = Math.min(best.heapBytes, (double) bytes / records);
  }

  private List<Map<String, Object>> said() {
    List<Map<String, Object>> said = new ArrayList<>();
    stages.forEach((name, stage) -> said.add(Map.of("stage", name, "ns", stage.nanos, "heap_bytes", stage.heapBytes)));
    return said;
  }

  private static long nanos() {
    return THREADS.getCurrentThreadCpuTime();
  }

  private static long heapBytes() {
    return THREADS.getThreadAllocatedBytes(Thread.currentThread().getId());
  }
}
