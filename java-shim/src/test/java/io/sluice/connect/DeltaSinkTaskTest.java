package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class DeltaSinkTaskTest {
  private static final TopicPartition A0 = new TopicPartition("a", 0);
  private static final TopicPartition A1 = new TopicPartition("a", 1);
  private static final Map<String, String> SETTINGS = Map.of("name", "flights", "sluice.task.id", "2", "delta.table.uri", "file:///t");

  private final FakeNative core = new FakeNative();
  private final FakeContext context = new FakeContext();
  private final DeltaSinkTask task = new DeltaSinkTask(() -> core);

  @AfterEach
  void stop() {
    task.stop();
  }

  @Test
  void start_hands_over_all_settings_and_whether_there_is_a_reporter() {
    context.reporter = (record, error) -> CompletableFuture.completedFuture(null);
    start();

    Map<String, String> sent = new HashMap<>();
    Reply request = new Reply(prefixed(Arrays.copyOfRange(core.startRequest, 1, core.startRequest.length)));
    for (int left = request.count(); left > 0; left--) {
      sent.put(request.str(), request.str());
    }
    assertEquals(1, core.startRequest[0]);
    assertEquals(SETTINGS, sent);
  }

  @Test
  void settings_without_value_are_not_sent() {
    Map<String, String> settings = new HashMap<>(SETTINGS);
    settings.put("delta.schema.json", null);
    task.initialize(context);
    task.start(settings);
    assertFalse(new String(core.startRequest, StandardCharsets.UTF_8).contains("delta.schema.json"));
    assertEquals(0, core.startRequest[0], "no reporter");
  }

  @Test
  void start_refused_for_settings_is_a_config_exception_and_stop_is_harmless() {
    core.startReply = ReplyBytes.error(Reply.CONFIG, ErrorCode.CONFIG_MISSING, "delta.table.uri is not given");
    ConfigException e = assertThrows(ConfigException.class, this::start);
    assertTrue(e.getMessage().contains("CONFIG_MISSING: delta.table.uri is not given"), e.getMessage());
    assertTrue(e.getMessage().contains(ErrorCode.CONFIG_MISSING.remedy()), e.getMessage());

    task.close(List.of(A0));
    assertEquals(Map.of(), task.preCommit(Map.of(A0, new OffsetAndMetadata(1))));
    task.stop();
    task.stop();
    assertEquals(List.of("start"), core.calls);
  }

  @Test
  void stop_after_the_library_could_not_load() {
    DeltaSinkTask unlucky = new DeltaSinkTask(() -> { throw new ConnectException("NATIVE_UNAVAILABLE"); });
    unlucky.initialize(context);
    assertThrows(ConnectException.class, () -> unlucky.start(SETTINGS));
    unlucky.close(List.of(A0));
    unlucky.stop();
    assertEquals(List.of(), core.calls);
  }

  @Test
  void stop_makes_one_native_call_however_often_it_is_called_and_never_throws() {
    start();
    core.stopReply = ReplyBytes.error(Reply.FATAL, ErrorCode.NATIVE_PANIC, "boom");
    task.stop();
    task.stop();
    assertEquals(List.of("start", "stop"), core.calls);
  }

  @Test
  void open_numbers_partitions_once_and_for_all() {
    start();
    open(A0, A1);
    task.close(List.of(A0));
    open(A1, A0);

    Reply request = new Reply(prefixed(core.openRequest));
    assertEquals(2, request.count());
    assertEquals("1 a 1", request.i32() + " " + request.str() + " " + request.i32());
    assertEquals("0 a 0", request.i32() + " " + request.str() + " " + request.i32());
    assertEquals("close [0]", core.calls.get(2));
  }

  @Test
  void open_applies_rewinds_to_what_the_table_holds() {
    start();
    core.openReply = ReplyBytes.ok().u8(0).i32(1000).i32(1).i32(0).i64(17).done();
    open(A0);
    assertEquals(List.of("a-0@17"), context.rewinds);
  }

  @Test
  void each_put_is_one_native_call_even_when_empty_and_asks_for_the_next_tick() {
    start();
    open(A0);
    context.timeouts.clear();
    core.putReply = ReplyBytes.actions(0, 250).i32(0).done();
    task.put(List.of());
    task.put(List.of(record(A0, 5, "{}")));
    assertEquals(List.of("start", "open", "put", "put"), core.calls);
    assertEquals(List.of(250L, 250L), context.timeouts);
  }

  @Test
  void rewinds_of_partitions_that_are_no_longer_assigned_are_left_out() {
    start();
    open(A0, A1);
    context.assigned.remove(A1);
    core.putReply = ReplyBytes.ok().u8(0).i32(1000).i32(2).i32(1).i64(9).i32(0).i64(8).i32(0).done();
    task.put(List.of());
    assertEquals(List.of("a-0@8"), context.rewinds);
  }

  @Test
  void pause_covers_partitions_that_come_later_and_resume_lets_all_run() {
    start();
    open(A0);
    core.putReply = ReplyBytes.actions(1, 100).i32(0).done();
    task.put(List.of());
    assertEquals(Set.of(A0), context.paused);

    core.openReply = ReplyBytes.actions(1, 100).done();
    open(A1);
    assertEquals(Set.of(A0, A1), context.paused);

    core.putReply = ReplyBytes.actions(0, 100).i32(0).done();
    task.put(List.of());
    assertEquals(Set.of(), context.paused);
  }

  @Test
  void a_pause_that_is_not_ours_is_left_alone() {
    start();
    open(A0);
    context.paused.add(A0);
    task.put(List.of());
    assertEquals(Set.of(A0), context.paused);
  }

  @Test
  void asks_connect_to_commit_only_when_told() {
    start();
    open(A0);
    task.put(List.of());
    assertEquals(0, context.commitRequests);
    core.putReply = ReplyBytes.actions(2, 100).i32(0).done();
    task.put(List.of());
    assertEquals(1, context.commitRequests);
  }

  @Test
  void the_core_decides_what_is_sent() {
    core.startReply = FakeNative.started(InputMode.CONNECT, 1);
    start();
    open(A0);
    task.put(List.of(record(A0, 5, Map.of("k", 1))));
    assertArrayEquals(new int[] {SegmentEncoder.MAGIC, Native.CROSSING_VERSION, 1, 1, 0, 2, 1, 12, 0}, core.meta);
    assertEquals(List.of("a"), core.topics);
  }

  @Test
  void a_mode_or_needs_that_java_does_not_know_fail_the_start() {
    for (byte[] reply : List.of(ReplyBytes.ok().i64(FakeNative.HANDLE).u8(3).u8(0).done(), ReplyBytes.ok().i64(FakeNative.HANDLE).u8(0).u8(16).done())) {
      core.startReply = reply;
      ConnectException e = assertThrows(ConnectException.class, this::start);
      assertTrue(e.getMessage().startsWith("CROSSING_INVALID"), e.getMessage());
      task.stop();
      assertEquals("stop", core.calls.get(core.calls.size() - 1));
    }
  }

  @Test
  void busy_is_retriable_and_comes_back_soon() {
    start();
    open(A0);
    core.putReply = ReplyBytes.error(Reply.RETRIABLE, ErrorCode.BUSY, "256 MiB are waiting");
    RetriableException e = assertThrows(RetriableException.class, () -> task.put(List.of(record(A0, 1, "{}"))));
    assertTrue(e.getMessage().startsWith("BUSY: 256 MiB are waiting"), e.getMessage());
    assertEquals(200L, context.timeouts.get(context.timeouts.size() - 1));
  }

  @Test
  void a_batch_that_stays_refused_comes_back_ever_later_and_the_next_one_soon_again() {
    start();
    open(A0);
    context.timeouts.clear();
    byte[] taken = core.putReply;
    for (int refused : new int[] {5, 1}) {
      core.putReply = ReplyBytes.error(Reply.RETRIABLE, ErrorCode.BUSY, "full");
      for (int i = 0; i < refused; i++) {
        assertThrows(RetriableException.class, () -> task.put(List.of(record(A0, 1, "{}"))));
      }
      core.putReply = taken;
      task.put(List.of(record(A0, 1, "{}")));
    }
    context.timeouts.removeIf(ms -> ms == 1000); // of what was taken
    assertEquals(List.of(200L, 400L, 800L, 1600L, 1600L, 200L), context.timeouts);
  }

  @Test
  void busy_reports_no_refused_record_as_the_batch_comes_again() {
    List<SinkRecord> reported = new ArrayList<>();
    context.reporter = (record, error) -> { reported.add(record); return CompletableFuture.completedFuture(null); };
    start();
    open(A0);
    core.putReply = ReplyBytes.error(Reply.RETRIABLE, ErrorCode.BUSY, "full");
    assertThrows(RetriableException.class, () -> task.put(List.of(record(A0, 1, 12L))));
    assertEquals(List.of(), reported);
  }

  @Test
  void status_decides_the_exception() {
    start();
    open(A0);
    core.putReply = ReplyBytes.error(Reply.RECORD, ErrorCode.RECORD_TYPE, "x");
    assertEquals(DataException.class, assertThrows(ConnectException.class, () -> task.put(List.of())).getClass());
    for (int status : new int[] {Reply.FATAL, Reply.CONFIG}) {
      core.putReply = ReplyBytes.error(status, ErrorCode.STORE_DENIED, "x");
      assertEquals(ConnectException.class, assertThrows(ConnectException.class, () -> task.put(List.of())).getClass());
    }
  }

  @Test
  void bad_records_are_reported_as_they_are_and_awaited_together() throws Exception {
    List<SinkRecord> reported = new ArrayList<>();
    List<String> messages = new ArrayList<>();
    List<CompletableFuture<Void>> futures = List.of(new CompletableFuture<>(), new CompletableFuture<>());
    context.reporter =
        (record, error) -> {
          assertTrue(error instanceof DataException);
          messages.add(error.getMessage());
          reported.add(record);
          return futures.get(reported.size() - 1);
        };
    start();
    open(A0);
    core.putReply =
        ReplyBytes.actions(0, 100).i32(2)
            .i32(0).str("RECORD_TYPE").str("user.age").str("text where a long is wanted")
            .i32(2).str("RECORD_NOT_JSON").str("").str("empty")
            .done();
    List<SinkRecord> batch = List.of(record(A0, 5, "a"), record(A0, 6, "b"), record(A0, 7, "c"));

    CompletableFuture<Void> put = CompletableFuture.runAsync(() -> task.put(batch));
    futures.get(1).complete(null);
    assertThrows(java.util.concurrent.TimeoutException.class, () -> put.get(100, TimeUnit.MILLISECONDS), "one report is not durable yet");
    futures.get(0).complete(null);
    put.get(5, TimeUnit.SECONDS);

    assertEquals(2, reported.size());
    assertSame(batch.get(0), reported.get(0));
    assertSame(batch.get(2), reported.get(1));
    for (String part : List.of("RECORD_TYPE", "text where a long is wanted", "topic a", "partition 0", "offset 5", "user.age")) {
      assertTrue(messages.get(0).contains(part), part + " in " + messages.get(0));
    }
    assertFalse(messages.get(1).contains("field"), messages.get(1));
  }

  @Test
  void a_lost_report_fails_the_task_and_lets_no_offset_pass() {
    CompletableFuture<Void> lost = CompletableFuture.failedFuture(new IllegalStateException("no such topic dlq"));
    context.reporter = (record, error) -> lost;
    start();
    open(A0);
    core.putReply = ReplyBytes.actions(0, 100).i32(1).i32(0).str("RECORD_TYPE").str("x").str("y").done();
    assertReportFailureIsFinal("no such topic dlq");
  }

  @Test
  void a_report_that_is_not_tolerated_fails_the_task_and_lets_no_offset_pass() {
    context.reporter = (record, error) -> { throw new ConnectException("Tolerance exceeded in error handler"); };
    start();
    open(A0);
    core.putReply = ReplyBytes.actions(0, 100).i32(1).i32(0).str("RECORD_TYPE").str("x").str("y").done();
    assertReportFailureIsFinal("Tolerance exceeded");
  }

  private void assertReportFailureIsFinal(String reason) {
    ConnectException e = assertThrows(ConnectException.class, () -> task.put(List.of(record(A0, 5, "a"))));
    assertTrue(e.getMessage().startsWith("ERRANT_REPORT_FAILED: "), e.getMessage());
    assertTrue(e.getMessage().contains(reason), e.getMessage());
    assertEquals(Map.of(), task.preCommit(Map.of(A0, new OffsetAndMetadata(6))));
    task.close(List.of(A0));
    task.stop();
    assertEquals(List.of("start", "open", "put", "stop"), core.calls);
  }

  @Test
  void a_value_that_is_not_raw_fails_before_the_native_call_without_a_reporter() {
    start();
    open(A0);
    List<SinkRecord> batch = List.of(record(A0, 5, "a"), record(A0, 6, Map.of("k", 1)));
    DataException e = assertThrows(DataException.class, () -> task.put(batch));
    for (String part : List.of("RECORD_NOT_RAW", "topic a", "partition 0", "offset 6", "ByteArrayConverter")) {
      assertTrue(e.getMessage().contains(part), part + " in " + e.getMessage());
    }
    assertEquals(List.of("start", "open"), core.calls);
  }

  @Test
  void a_value_that_is_not_raw_is_reported_and_moves_the_offset() {
    List<SinkRecord> reported = new ArrayList<>();
    context.reporter = (record, error) -> { reported.add(record); return CompletableFuture.completedFuture(null); };
    start();
    open(A0);
    List<SinkRecord> batch = List.of(record(A0, 5, 1.5), record(A0, 6, "b"));
    task.put(batch);
    assertEquals(1, reported.size());
    assertSame(batch.get(0), reported.get(0));
    assertArrayEquals(new int[] {SegmentEncoder.MAGIC, Native.CROSSING_VERSION, 2, 2, 0, 1, 1, 12, 0, 0, 0, 1, 9, SegmentEncoder.FLAG_REFUSED}, core.meta);
    assertEquals(5L, ((long[]) core.buffers[14])[0]);
    task.put(List.of());
    assertEquals(1, reported.size(), "once");
  }

  @Test
  void records_that_a_transform_moved_keep_their_original_place() {
    start();
    open(A1);
    SinkRecord moved =
        new SinkRecord("renamed", 9, null, null, null, "x".getBytes(StandardCharsets.UTF_8), 0, null, TimestampType.NO_TIMESTAMP_TYPE, null, "a", 1, 77);
    task.put(List.of(moved));
    assertEquals(0, ((int[]) core.buffers[1])[0]);
    assertEquals(77L, ((long[]) core.buffers[2])[0]);
  }

  @Test
  void a_record_of_a_partition_that_was_never_assigned_is_an_error() {
    start();
    open(A0);
    ConnectException e = assertThrows(ConnectException.class, () -> task.put(List.of(record(A1, 5, "a"))));
    assertTrue(e.getMessage().contains("topic a, partition 1, offset 5"), e.getMessage());
    assertEquals(List.of("start", "open"), core.calls);
  }

  /** Found by {@code cargo xtask chaos --minutes 60 --seed 11}. */
  @Test
  void a_partition_that_connect_assigned_and_did_not_tell_of_is_opened_and_read_again_from_where_it_began() {
    start();
    open(A0);
    context.assigned.add(A1);
    List<SinkRecord> batch = List.of(record(A1, 5, "a"), record(A0, 7, "b"), record(A1, 6, "c"));
    core.putReply = ReplyBytes.error(Reply.RETRIABLE, ErrorCode.BUSY, "full");
    assertThrows(RetriableException.class, () -> task.put(batch));
    assertEquals(List.of("start", "open", "put"), core.calls, "not before its records are out of the way");

    core.putReply = ReplyBytes.actions(0, 1000).i32(0).done();
    core.openReply = ReplyBytes.ok().u8(0).i32(1000).i32(1).i32(1).i64(4).done();
    context.rewinds.clear();
    task.put(batch);
    assertEquals(1, core.meta[3], "rows");
    assertEquals(0, ((int[]) core.buffers[1])[0]);
    assertEquals(7, ((long[]) core.buffers[2])[0]);
    assertEquals(List.of("start", "open", "put", "put", "open"), core.calls);
    assertEquals(List.of("a-1@5", "a-1@4"), context.rewinds, "the table's offset comes last and counts");
    task.preCommit(Map.of(A0, new OffsetAndMetadata(8), A1, new OffsetAndMetadata(7)));
    assertEquals("preCommit [0] [8]", core.calls.remove(core.calls.size() - 1), "I2: Connect has not gone back yet");
    task.put(List.of(record(A1, 4, "z"), record(A1, 5, "a")));
    assertEquals(List.of("start", "open", "put", "put", "open", "put"), core.calls);
    assertEquals(2, core.meta[3], "rows");
  }

  @Test
  void a_partition_that_comes_back_untold_is_opened_again() {
    start();
    open(A0, A1);
    context.assigned.remove(A1);
    task.close(List.of(A1));
    context.assigned.add(A1);
    task.put(List.of());
    assertEquals(List.of("start", "open", "close [1]", "put", "open"), core.calls);
  }

  @Test
  void pre_commit_returns_what_the_table_holds_of_what_is_asked() {
    start();
    open(A0, A1);
    core.preCommitReply = ReplyBytes.ok().i32(2).i32(0).i64(40).i32(1).i64(7).done();
    TopicPartition stranger = new TopicPartition("b", 0);
    assertEquals(
        Map.of(A0, new OffsetAndMetadata(40, DeltaSinkTask.COMMITTED_BY)),
        task.preCommit(Map.of(A0, new OffsetAndMetadata(55), stranger, new OffsetAndMetadata(1))));
    assertEquals("preCommit [0] [55]", core.calls.get(2));
  }

  @Test
  void pre_commit_never_throws() {
    start();
    open(A0);
    Map<TopicPartition, OffsetAndMetadata> positions = Map.of(A0, new OffsetAndMetadata(55));
    core.preCommitReply = ReplyBytes.error(Reply.FATAL, ErrorCode.STORE_FULL, "x");
    assertEquals(Map.of(), task.preCommit(positions));
    core.preCommitReply = new byte[] {0, 1};
    assertEquals(Map.of(), task.preCommit(positions));
    core.preCommitReply = null;
    assertEquals(Map.of(), task.preCommit(positions));
  }

  @Test
  void an_impossible_reply_is_fatal_and_named() {
    start();
    open(A0);
    for (byte[] reply :
        List.of(
            new byte[0],
            new byte[] {9},
            ReplyBytes.ok().u8(0).i32(100).i32(1).i32(5).i64(1).i32(0).done(), // a partition id never given
            ReplyBytes.actions(0, 100).i32(-1).done(),
            ReplyBytes.actions(0, 100).i32(1).i32(0).str("C").str("f").str("m").done())) { // bad row without a reporter
      core.putReply = reply;
      ConnectException e = assertThrows(ConnectException.class, () -> task.put(List.of(record(A0, 1, "a"))));
      assertTrue(e.getMessage().startsWith("CROSSING_INVALID"), e.getMessage());
    }
  }

  @Test
  void an_impossible_reply_to_a_batch_that_was_taken_lets_no_offset_pass() {
    context.reporter = (record, error) -> CompletableFuture.completedFuture(null);
    start();
    open(A0);
    core.putReply = ReplyBytes.actions(0, 100).i32(1).i32(99).str("RECORD_TYPE").str("x").str("y").done();
    assertThrows(ConnectException.class, () -> task.put(List.of(record(A0, 5, "a"))));
    assertEquals(Map.of(), task.preCommit(Map.of(A0, new OffsetAndMetadata(6))));
    assertEquals(List.of("start", "open", "put"), core.calls);
  }

  private void start() {
    task.initialize(context);
    task.start(SETTINGS);
  }

  private void open(TopicPartition... partitions) {
    Collection<TopicPartition> opened = List.of(partitions);
    context.assigned.addAll(opened);
    task.open(opened);
  }

  private static SinkRecord record(TopicPartition partition, long offset, Object value) {
    return new SinkRecord(partition.topic(), partition.partition(), null, null, null, value, offset);
  }

  /** Makes a request readable with the reader for replies. */
  private static byte[] prefixed(byte[] request) {
    byte[] reply = new byte[request.length + 1];
    System.arraycopy(request, 0, reply, 1, request.length);
    return reply;
  }
}
