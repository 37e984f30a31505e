package io.sluice.connect;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Notes the calls in order and answers with the replies it is given. */
final class FakeNative implements NativeCalls {
  static final long HANDLE = (7L << 32) + 1;

  final List<String> calls = new ArrayList<>();
  byte[] startRequest;
  byte[] openRequest;
  int[] meta;
  Object[] buffers;

  /** The first one has id 16. */
  final List<byte[]> schemas = new ArrayList<>();
  /** The first one has id 0. */
  final List<String> topics = new ArrayList<>();

  byte[] startReply = started(InputMode.RAW, 0);
  byte[] openReply = ReplyBytes.actions(0, 1000).done();
  byte[] putReply = ReplyBytes.actions(0, 1000).i32(0).done();
  byte[] preCommitReply = ReplyBytes.ok().i32(0).done();
  byte[] alterRequest;
  byte[] alterReply = ReplyBytes.ok().done();
  byte[] validateRequest;
  byte[] validateReply = ReplyBytes.ok().i32(0).done();
  byte[] closeReply = ReplyBytes.ok().done();
  byte[] stopReply = ReplyBytes.ok().done();
  byte[] statsReply = measured(41, "x");

  /** A metric without labels, and one with a series for each table. */
  static byte[] measured(long rows, String... tables) {
    ReplyBytes reply = ReplyBytes.ok().i32(2).str("sluice-rows-total").str("rows made").i32(0).i32(1).i64(rows);
    reply.str("sluice-files-total").str("files").i32(2).str("table").str("kind").i32(tables.length);
    for (String table : tables) {
      reply.str(table).str("new").i64(1L << 40);
    }
    return reply.done();
  }

  static byte[] started(InputMode mode, int needs) {
    return ReplyBytes.ok().i64(HANDLE).u8(mode.ordinal()).u8(needs).done();
  }

  @Override
  public byte[] start(byte[] request) {
    calls.add("start");
    startRequest = request;
    return startReply;
  }

  @Override
  public byte[] open(long task, byte[] partitions) {
    call(task, "open");
    openRequest = partitions;
    return openReply;
  }

  @Override
  public byte[] put(long task, int[] meta, Object[] buffers) {
    call(task, "put");
    this.meta = meta;
    this.buffers = buffers;
    return putReply;
  }

  @Override
  public byte[] registerSchema(long task, byte[] descriptor) {
    int known = 0;
    while (known < schemas.size() && !Arrays.equals(schemas.get(known), descriptor)) {
      known++;
    }
    if (known == schemas.size()) {
      schemas.add(descriptor);
    }
    return ReplyBytes.ok().i32(16 + known).done();
  }

  @Override
  public byte[] registerTopic(long task, byte[] topic) {
    String name = new String(topic, StandardCharsets.UTF_8);
    if (!topics.contains(name)) {
      topics.add(name);
    }
    return ReplyBytes.ok().i32(topics.indexOf(name)).done();
  }

  @Override
  public byte[] preCommit(long task, int[] partitions, long[] positions) {
    call(task, "preCommit " + Arrays.toString(partitions) + " " + Arrays.toString(positions));
    return preCommitReply;
  }

  @Override
  public byte[] close(long task, int[] partitions) {
    call(task, "close " + Arrays.toString(partitions));
    return closeReply;
  }

  @Override
  public byte[] stop(long task) {
    call(task, "stop");
    return stopReply;
  }

  @Override
  public byte[] stats(long task) {
    return task == HANDLE ? statsReply : ReplyBytes.error(Reply.FATAL, ErrorCode.NATIVE_HANDLE, "no such task");
  }

  @Override
  public byte[] processStats() {
    throw new UnsupportedOperationException();
  }

  @Override
  public byte[] alterOffsets(byte[] request) {
    alterRequest = request;
    return alterReply;
  }

  @Override
  public byte[] validate(byte[] request) {
    validateRequest = request;
    return validateReply;
  }

  private void call(long task, String name) {
    if (task != HANDLE) {
      throw new AssertionError(name + " with handle " + task);
    }
    calls.add(name);
  }
}
