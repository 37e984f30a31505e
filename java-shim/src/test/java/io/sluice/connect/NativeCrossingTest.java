package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Array;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/** The real native methods, called as no code of ours calls them: each answer is a reply, and the JVM lives on. */
class NativeCrossingTest {
  private static final TopicPartition FLIGHTS = new TopicPartition("flights", 0);
  private static final long[] NO_HANDLES = {0, -1, 1L << 32, 7L << 32 | 1, Long.MIN_VALUE, Long.MAX_VALUE};
  private static final String SCHEMA =
      "{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":false,\"metadata\":{}}]}";

  private static final int RAW_BUFFERS = 12;

  // Stopped tasks take their unfinished files away in the background, which JUnit's own clean-up trips over.
  @TempDir(cleanup = CleanupMode.NEVER)
  Path folder;

  private final Partitions partitions = new Partitions();
  private final SegmentEncoder encoder = encoder(SegmentEncoder.SEGMENT_BYTES);
  private final Random random = new Random(7);
  private long task;

  @BeforeAll
  static void load() {
    assumeTrue(
        System.getProperty(NativeLibrary.PATH) != null, "no native library: give one with gradle -D" + NativeLibrary.PATH + "=FILE");
    NativeLibrary.load();
  }

  @BeforeEach
  void start() {
    partitions.add(FLIGHTS); // only Java's side of it: the core passes over rows of a partition that was not opened
    task = started(settings());
  }

  @AfterEach
  void stop() throws Exception {
    expectOk(Native.stop(task));
    for (int tries = 1; Files.exists(folder); tries++) {
      try (Stream<Path> files = Files.walk(folder)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.deleteIfExists(file);
        }
      } catch (IOException | UncheckedIOException e) {
        if (tries == 100) {
          throw e;
        }
        Thread.sleep(50);
      }
    }
  }

  @Test
  void a_whole_life_ends_with_the_rows_in_the_table() throws Exception {
    int rows = 1000;
    openFlights();
    encoder.encode(rows(0, rows));
    expectOk(Native.put(task, encoder.meta(), encoder.buffers()));
    commitUpTo(rows);
    long running = task;
    Measurements measured = new Measurements(() -> Native.stats(running));
    assertEquals(rows, measured.value(series("sluice-rows-written-total")));
    assertEquals(0L, measured.value(series("sluice-records-errant-total", "reason", "RECORD_TYPE")));
    assertEquals(rows, measured.value(series("sluice-partition-committed-offset", "topic", FLIGHTS.topic(), "partition", "" + FLIGHTS.partition())));
    assertTrue(new Measurements(Native::processStats).value(series("sluice-resident-bytes")) > 1 << 20);
    expectOk(Native.close(task, new int[] {0}));
    expectOk(Native.stop(task));
    assertEquals(rows, rowsInTable());
    assertCode(ErrorCode.NATIVE_HANDLE, Native.put(task, encoder.meta(), encoder.buffers()));
  }

  @Test
  void another_version_of_the_crossing_is_refused() {
    assertCode(ErrorCode.CROSSING_INVALID, Native.init(Native.CROSSING_VERSION + 1));
    expectOk(Native.init(Native.CROSSING_VERSION));
    expectOk(Native.drainLogs(Integer.MIN_VALUE, new byte[0]));
    assertCode(ErrorCode.CROSSING_INVALID, Native.drainLogs(0, null));
  }

  @Test
  void altered_offsets_are_in_the_table_when_the_call_returns() throws Exception {
    a_whole_life_ends_with_the_rows_in_the_table();
    Map<TopicPartition, Long> back = Map.of(FLIGHTS, 3L);
    expectOk(Native.alterOffsets(Request.alterOffsets(settings(), back)));
    expectOk(Native.alterOffsets(Request.alterOffsets(settings(), back)));
    assertCode(ErrorCode.OFFSETS_UNALTERABLE, Native.alterOffsets(Request.alterOffsets(settings(), Map.of(FLIGHTS, -3L))));
    assertCode(ErrorCode.CONFIG_MISSING, Native.alterOffsets(Request.alterOffsets(Map.of("name", "k"), back)));
    byte[] cut = Request.alterOffsets(settings(), back);
    assertCode(ErrorCode.CROSSING_INVALID, Native.alterOffsets(Arrays.copyOf(cut, cut.length - 1)));
    try (Stream<Path> log = Files.list(folder.resolve("table/_delta_log"))) {
      List<String> altered = new ArrayList<>();
      for (Path commit : log.filter(file -> file.toString().endsWith(".json")).toList()) {
        Files.readAllLines(commit).stream().filter(line -> line.contains("\"version\":3,") && line.contains("/flights/0\"")).forEach(altered::add);
      }
      assertEquals(1, altered.size(), "asked twice, altered once");
    }
  }

  @Test
  void a_validation_tells_each_fault_at_its_setting() {
    byte[] good = Request.validate(settings());
    assertEquals(0, expectOk(Native.validate(good)).count());
    assertCode(ErrorCode.CROSSING_INVALID, Native.validate(Arrays.copyOf(good, good.length - 1)));
    Map<String, String> wrong = new HashMap<>(settings());
    wrong.put("delta.partition.by", "nowhere");
    Reply reply = expectOk(Native.validate(Request.validate(wrong)));
    assertEquals(1, reply.count());
    assertEquals("delta.partition.by", reply.str());
    assertEquals("delta.partition.by: the table has no column nowhere", reply.str());
  }

  @Test
  void null_in_any_place_is_refused() {
    encoder.encode(rows(0, 3));
    assertCode(ErrorCode.CROSSING_INVALID, Native.start(null));
    assertCode(ErrorCode.CROSSING_INVALID, Native.validate(null));
    assertCode(ErrorCode.CROSSING_INVALID, Native.open(task, null));
    assertCode(ErrorCode.CROSSING_INVALID, Native.put(task, null, null));
    assertCode(ErrorCode.CROSSING_INVALID, Native.put(task, null, encoder.buffers()));
    assertCode(ErrorCode.CROSSING_INVALID, Native.put(task, encoder.meta(), null));
    assertCode(ErrorCode.CROSSING_INVALID, Native.put(task, encoder.meta(), new Object[RAW_BUFFERS]));
    assertCode(ErrorCode.CROSSING_INVALID, Native.preCommit(task, null, new long[0]));
    assertCode(ErrorCode.CROSSING_INVALID, Native.preCommit(task, new int[0], null));
    assertCode(ErrorCode.CROSSING_INVALID, Native.preCommit(task, new int[2], new long[1]));
    assertCode(ErrorCode.CROSSING_INVALID, Native.close(task, null));
    assertCode(ErrorCode.CROSSING_INVALID, Native.registerSchema(task, null));
    assertCode(ErrorCode.CROSSING_INVALID, Native.registerTopic(task, null));
    assertCode(ErrorCode.CROSSING_INVALID, Native.alterOffsets(null));
    assertTakes(encoder.buffers());
  }

  @Test
  void a_buffer_of_another_class_is_refused_in_every_slot() {
    encoder.encode(rows(0, 3));
    Object[] others = {"text", 5, new Object[9], new short[99], new int[99], new long[99], new byte[99], new int[9][9], NativeCrossingTest.class};
    for (int slot = 0; slot < RAW_BUFFERS; slot++) {
      for (Object other : others) {
        Object right = encoder.buffers()[slot];
        if (right == null || right.getClass() == other.getClass()) { // null: absent, and its class may be right
          continue;
        }
        Object[] buffers = encoder.buffers().clone();
        buffers[slot] = other;
        assertCode(ErrorCode.CROSSING_INVALID, Native.put(task, encoder.meta(), buffers));
      }
    }
    assertCode(ErrorCode.CROSSING_INVALID, Native.put(task, encoder.meta(), "abcdefghijkl".split("")));
    assertTakes(encoder.buffers());
  }

  @Test
  void arrays_that_are_too_short_are_refused() {
    List<SinkRecord> records = new ArrayList<>(rows(0, 70));
    records.add(new SinkRecord(FLIGHTS.topic(), 0, null, null, null, null, 70)); // so that there is a validity buffer
    encoder.encode(records);
    Object[] exact = exact(encoder.buffers(), records.size());
    assertTakes(exact);
    for (int slot : new int[] {0, 1, 2, 9, 10, 11}) {
      Object[] buffers = exact.clone();
      buffers[slot] = shorter(exact[slot]);
      assertCode(ErrorCode.CROSSING_INVALID, Native.put(task, encoder.meta(), buffers));
    }
    for (int length = 0; length < RAW_BUFFERS; length++) {
      assertCode(ErrorCode.CROSSING_INVALID, Native.put(task, encoder.meta(), Arrays.copyOf(exact, length)));
    }
    for (int length = 0; length < encoder.meta().length; length++) {
      assertCode(ErrorCode.CROSSING_INVALID, Native.put(task, Arrays.copyOf(encoder.meta(), length), exact));
    }
  }

  @Test
  void typed_buffers_that_are_of_another_class_or_too_short_are_refused() {
    Map<String, String> settings = settings();
    settings.put("delta.input.mode", "connect");
    settings.put("delta.key.mode", "columns");
    settings.put("delta.route.by", "topic");
    settings.put("delta.table.uri", folder.resolve("${table}").toString());
    settings.put("delta.metadata.columns", "timestamp,headers");
    Reply reply = expectOk(Native.start(Request.start(true, settings)));
    long typed = reply.i64();
    assertEquals(InputMode.CONNECT, InputMode.of(reply.u8()));
    Needs needs = Needs.of(reply.u8());
    Schema key = SchemaBuilder.struct().field("id", Schema.INT32_SCHEMA).build();
    Schema value =
        SchemaBuilder.struct()
            .field("i8", Schema.OPTIONAL_INT8_SCHEMA).field("i16", Schema.INT16_SCHEMA).field("i32", Schema.INT32_SCHEMA)
            .field("i64", Schema.INT64_SCHEMA).field("f32", Schema.FLOAT32_SCHEMA).field("f64", Schema.FLOAT64_SCHEMA)
            .field("flag", Schema.BOOLEAN_SCHEMA).field("text", Schema.STRING_SCHEMA).field("list", SchemaBuilder.array(Schema.INT8_SCHEMA).build())
            .field("map", SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.INT16_SCHEMA).build())
            .build();
    List<SinkRecord> records = new ArrayList<>();
    for (int i = 0; i < 70; i++) {
      Struct struct =
          new Struct(value).put("i8", i == 3 ? null : (byte) i).put("i16", (short) i).put("i32", i).put("i64", (long) i).put("f32", 1f * i).put("f64", 1d * i)
              .put("flag", true).put("text", "x").put("list", List.of((byte) 1)).put("map", Map.of("k", (short) 1));
      Long timestamp = i == 3 ? null : (Long) (long) i;
      TimestampType type = i == 3 ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME;
      records.add(
          new SinkRecord(FLIGHTS.topic(), 0, key, new Struct(key).put("id", i), value, struct, i, timestamp, type));
    }
    SegmentEncoder encoder =
        new SegmentEncoder(partitions, Origin.ofThisWorker(), InputMode.CONNECT, needs, new Registry(Native.CALLS, typed));
    encoder.encode(records);
    List<BatchReader.Slot> slots =
        new BatchReader(encoder.meta(), encoder.buffers(), List.of(SchemaDescriptor.of(key), SchemaDescriptor.of(value))).slots;
    Object[] exact = slots.stream().map(slot -> slot.array == null ? null : resized(slot.array, slot.used)).toArray();
    assertEquals(9, slots.stream().limit(9).filter(slot -> slot.array != null).count(), "all extras");
    expectOk(Native.put(typed, encoder.meta(), exact));
    Object[] others = {"text", new Object[99], new boolean[999], new short[999], new int[999], new long[999], new byte[999], new float[999], new double[999]};
    for (int slot = 0; slot < exact.length; slot++) {
      if (exact[slot] == null) {
        continue;
      }
      Object[] buffers = exact.clone();
      for (Object other : others) {
        buffers[slot] = other;
        if (exact[slot].getClass() != other.getClass()) {
          assertCode(ErrorCode.CROSSING_INVALID, Native.put(typed, encoder.meta(), buffers));
        }
      }
      buffers[slot] = resized(exact[slot], slots.get(slot).used - 1);
      assertCode(ErrorCode.CROSSING_INVALID, Native.put(typed, encoder.meta(), buffers));
    }
    expectOk(Native.put(typed, encoder.meta(), exact));
    expectOk(Native.stop(typed));
  }

  @Test
  void a_wrong_handle_finds_no_task() {
    encoder.encode(List.of());
    for (long handle : NO_HANDLES) {
      assertNoTask(handle);
    }
    long stale = started(settings());
    expectOk(Native.stop(stale));
    expectOk(Native.stop(stale));
    assertNoTask(stale);
    long next = started(settings()); // in the place of the stale one
    assertNotEquals(stale, next);
    assertNoTask(stale);
    expectOk(Native.stats(next));
    expectOk(Native.stop(next));
    for (int i = 0; i < 10_000; i++) {
      long handle = random.nextLong();
      assertCode(ErrorCode.NATIVE_HANDLE, Native.put(handle, encoder.meta(), encoder.buffers()));
    }
  }

  @Test
  void random_requests_are_refused_or_understood() throws Exception {
    byte[] start = Request.start(true, settings());
    byte[] open = Request.open(List.of(FLIGHTS, new TopicPartition("flights", 1)), partitions);
    for (int i = 0; i < 20_000; i++) {
      Reply reply = survived(Native.start(i % 2 == 0 ? randomBytes() : damaged(start)));
      if (reply.status() == Reply.OK) {
        expectOk(Native.stop(reply.i64()));
      }
      if (i % 2 == 0) {
        survived(Native.open(task, randomBytes()));
      } else if (i % 500 == 1) { // these wait for the table
        survived(Native.open(task, damaged(open)));
      }
      survived(Native.close(task, new int[] {random.nextInt(), -1, Integer.MAX_VALUE}));
      survived(Native.preCommit(task, new int[] {random.nextInt(), -1}, new long[] {random.nextLong(), Long.MIN_VALUE}));
    }
  }

  @Test
  void random_batches_are_refused_or_taken() throws Exception {
    openFlights();
    encoder.encode(rows(0, 70));
    int accepted = 0;
    for (int i = 0; i < 50_000; i++) {
      int[] meta = encoder.meta().clone();
      Object[] buffers = exact(encoder.buffers(), 70);
      switch (random.nextInt(4)) {
        case 0 -> meta[random.nextInt(meta.length)] = oddInt();
        case 1 -> ((int[]) buffers[new int[] {0, 1, 10}[random.nextInt(3)]])[random.nextInt(70)] = oddInt();
        case 2 -> ((long[]) buffers[2])[random.nextInt(70)] = random.nextLong();
        default -> random.nextBytes((byte[]) buffers[11]);
      }
      accepted += survived(Native.put(task, meta, buffers)).status() == Reply.OK ? 1 : 0;
    }
    assertTrue(accepted > 1000 && accepted < 49_000, accepted + " of 50000 accepted");
  }

  @Test
  void calls_from_many_threads_and_a_stop_between_them() throws Exception {
    openFlights();
    encoder.encode(rows(0, 200));
    int[] meta = encoder.meta();
    Object[] buffers = exact(encoder.buffers(), 200);
    ExecutorService threads = Executors.newFixedThreadPool(8);
    // Connect has not got as far as the batch's end, so it is not told of it, and the batch may come again.
    List<Callable<byte[]>> calls =
        List.of(
            () -> Native.put(task, meta, buffers),
            () -> Native.preCommit(task, new int[] {0}, new long[] {199}),
            () -> Native.stats(task),
            () -> Native.close(task, new int[] {5}));
    List<Future<?>> running = new ArrayList<>();
    for (int thread = 0; thread < 8; thread++) {
      Callable<byte[]> call = calls.get(thread % calls.size());
      running.add(
          threads.submit(
              () -> {
                Reply reply = survived(call.call());
                for (int i = 0; reply.status() == Reply.OK && i < 1_000_000; i++) {
                  reply = survived(call.call());
                }
                assertTrue(reply.error().contains(ErrorCode.NATIVE_HANDLE.name()), reply.error());
                return null;
              }));
    }
    Thread.sleep(2000);
    expectOk(Native.stop(task));
    for (Future<?> one : running) {
      one.get();
    }
    threads.shutdown();
  }

  /** Each row has a kilobyte: to keep one buffer of each call would take 200 MB. */
  @Test
  void two_hundred_thousand_puts_keep_no_memory() throws Exception {
    String value = "{\"id\":1}" + " ".repeat(1000);
    encoder.encode(List.of(new SinkRecord(FLIGHTS.topic(), 0, null, null, null, value, 0)));
    long before = 0;
    for (int i = 0; i < 200_000; i++) {
      if (i == 20_000) {
        before = residentMegabytes();
      }
      expectOk(Native.put(task, encoder.meta(), encoder.buffers()));
    }
    long grown = residentMegabytes() - before;
    assertTrue(grown < 64, "grown by " + grown + " MB");
  }

  /** {@code -Xcheck:jni} complains when a call holds on to more references than the JVM expects; the build looks for that. */
  @Test
  void a_batch_of_many_segments_is_taken() throws Exception {
    openFlights();
    SegmentEncoder small = encoder(1);
    small.encode(rows(0, 5000));
    assertEquals(5000, small.meta()[2]);
    expectOk(Native.put(task, small.meta(), small.buffers()));
    commitUpTo(5000);
  }

  private SegmentEncoder encoder(int segmentBytes) {
    return new SegmentEncoder(partitions, Origin.ofThisWorker(), InputMode.RAW, Needs.NOTHING, new Registry(Native.CALLS, 0), segmentBytes);
  }

  private Map<String, String> settings() {
    Map<String, String> settings = new HashMap<>();
    settings.put("name", "crossing-test");
    settings.put(DeltaSinkConnector.TASK_ID, "0");
    settings.put("delta.table.uri", folder.resolve("table").toString());
    settings.put("delta.table.auto.create", "true");
    settings.put("delta.schema.json", SCHEMA);
    settings.put("delta.commit.interval.ms", "1000");
    return settings;
  }

  private static long started(Map<String, String> settings) {
    Reply reply = expectOk(Native.start(Request.start(true, settings)));
    long handle = reply.i64();
    assertNotEquals(0, handle);
    return handle;
  }

  private void openFlights() throws InterruptedException {
    expectOk(Native.open(task, Request.open(List.of(FLIGHTS), partitions)));
    encoder.encode(List.of());
    for (int tries = 0; expectOk(Native.put(task, encoder.meta(), encoder.buffers())).u8() != 0; tries++) {
      assertTrue(tries < 1000, "the table is not loaded");
      Thread.sleep(20);
    }
  }

  /** Ticks until the table holds the offset. */
  private void commitUpTo(long offset) throws InterruptedException {
    encoder.encode(List.of());
    for (int tries = 0; tries < 1000; tries++) {
      expectOk(Native.put(task, encoder.meta(), encoder.buffers()));
      Reply reply = expectOk(Native.preCommit(task, new int[] {0}, new long[] {offset}));
      if (reply.count() == 1) {
        assertEquals(0, reply.i32());
        if (reply.i64() == offset) {
          return;
        }
      }
      Thread.sleep(20);
    }
    throw new AssertionError("no commit up to offset " + offset);
  }

  private long rowsInTable() throws IOException {
    long rows = 0;
    ObjectMapper json = new ObjectMapper();
    try (Stream<Path> files = Files.list(folder.resolve("table/_delta_log"))) {
      for (Path file : files.filter(path -> path.toString().endsWith(".json")).toList()) {
        for (String line : Files.readAllLines(file)) {
          JsonNode add = json.readTree(line).get("add");
          rows += add == null ? 0 : json.readTree(add.get("stats").asText()).get("numRecords").asLong();
        }
      }
    }
    return rows;
  }

  private static List<SinkRecord> rows(int from, int count) {
    List<SinkRecord> records = new ArrayList<>();
    for (int i = from; i < from + count; i++) {
      records.add(new SinkRecord(FLIGHTS.topic(), FLIGHTS.partition(), null, null, null, "{\"id\":" + i + "}", i));
    }
    return records;
  }

  /** Arrays without room to spare. */
  private static Object[] exact(Object[] buffers, int rows) {
    Object[] exact = buffers.clone();
    exact[0] = Arrays.copyOf((int[]) buffers[0], rows);
    exact[1] = Arrays.copyOf((int[]) buffers[1], rows);
    exact[2] = Arrays.copyOf((long[]) buffers[2], rows);
    exact[9] = buffers[9] == null ? null : Arrays.copyOf((long[]) buffers[9], (rows + 63) / 64);
    exact[10] = Arrays.copyOf((int[]) buffers[10], rows + 1);
    exact[11] = Arrays.copyOf((byte[]) buffers[11], ((int[]) buffers[10])[rows]);
    return exact;
  }

  private static Object shorter(Object array) {
    return resized(array, Array.getLength(array) - 1);
  }

  private static Object resized(Object array, int length) {
    Object resized = Array.newInstance(array.getClass().getComponentType(), length);
    System.arraycopy(array, 0, resized, 0, length);
    return resized;
  }

  private int oddInt() {
    int[] odd = {0, 1, -1, 2, 69, 70, 71, Integer.MAX_VALUE, Integer.MIN_VALUE, random.nextInt()};
    return odd[random.nextInt(odd.length)];
  }

  private byte[] randomBytes() {
    byte[] bytes = new byte[random.nextInt(64)];
    random.nextBytes(bytes);
    return bytes;
  }

  private byte[] damaged(byte[] request) {
    byte[] damaged = Arrays.copyOf(request, random.nextInt(4) == 0 ? random.nextInt(request.length) : request.length);
    for (int changes = random.nextInt(3); changes > 0 && damaged.length > 0; changes--) {
      damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
    }
    return damaged;
  }

  private static Series series(String name, String... labels) {
    LinkedHashMap<String, String> of = new LinkedHashMap<>();
    for (int i = 0; i < labels.length; i += 2) {
      of.put(labels[i], labels[i + 1]);
    }
    return new Series(name, of);
  }

  private void assertNoTask(long handle) {
    assertCode(ErrorCode.NATIVE_HANDLE, Native.open(handle, Request.open(List.of(), partitions)));
    assertCode(ErrorCode.NATIVE_HANDLE, Native.put(handle, encoder.meta(), encoder.buffers()));
    assertCode(ErrorCode.NATIVE_HANDLE, Native.preCommit(handle, new int[0], new long[0]));
    assertCode(ErrorCode.NATIVE_HANDLE, Native.close(handle, new int[0]));
    assertCode(ErrorCode.NATIVE_HANDLE, Native.stats(handle));
    assertCode(ErrorCode.NATIVE_HANDLE, Native.registerSchema(handle, SchemaDescriptor.of(Schema.INT8_SCHEMA)));
    assertCode(ErrorCode.NATIVE_HANDLE, Native.registerTopic(handle, new byte[] {'t'}));
    expectOk(Native.stop(handle));
  }

  /** What was refused has done no harm. */
  private void assertTakes(Object[] buffers) {
    expectOk(Native.put(task, encoder.meta(), buffers));
  }

  private static Reply expectOk(byte[] bytes) {
    Reply reply = new Reply(bytes);
    assertEquals(Reply.OK, reply.status(), reply::error);
    return reply;
  }

  private static void assertCode(ErrorCode code, byte[] bytes) {
    Reply reply = new Reply(bytes);
    assertNotEquals(Reply.OK, reply.status(), "accepted, expected " + code);
    assertTrue(reply.error().startsWith(code.name() + ": "), reply.error());
  }

  /** Anything but a defect. */
  private static Reply survived(byte[] bytes) {
    Reply reply = new Reply(bytes);
    assertTrue(reply.error() == null || !reply.error().contains(ErrorCode.NATIVE_PANIC.name()), reply::error);
    return reply;
  }

  private static long residentMegabytes() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"), StandardCharsets.UTF_8)) {
      if (line.startsWith("VmRSS:")) {
        return Long.parseLong(line.replaceAll("\\D", "")) / 1024;
      }
    }
    throw new AssertionError("no VmRSS");
  }
}
