package io.sluice.connect;

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

  byte[] startReply = ReplyBytes.ok().i64(HANDLE).done();
  byte[] openReply = ReplyBytes.actions(0, 1000).done();
  byte[] putReply = ReplyBytes.actions(0, 1000).i32(0).done();
  byte[] preCommitReply = ReplyBytes.ok().i32(0).done();
  byte[] closeReply = ReplyBytes.ok().done();
  byte[] stopReply = ReplyBytes.ok().done();
  byte[] statsReply = ReplyBytes.ok().i32(2).str("rows.total").i64(41).str("buffer.bytes").i64(1L << 40).done();

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

  private void call(long task, String name) {
    if (task != HANDLE) {
      throw new AssertionError(name + " with handle " + task);
    }
    calls.add(name);
  }
}
