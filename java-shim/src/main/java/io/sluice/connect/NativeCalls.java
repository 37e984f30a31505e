package io.sluice.connect;

/** The native methods of a task and of a connector, so that their logic can be tested without the native library. */
interface NativeCalls {
  byte[] start(byte[] request);

  byte[] open(long task, byte[] partitions);

  byte[] put(long task, int[] meta, Object[] buffers);

  byte[] registerSchema(long task, byte[] descriptor);

  byte[] registerTopic(long task, byte[] topic);

  byte[] preCommit(long task, int[] partitions, long[] positions);

  byte[] close(long task, int[] partitions);

  byte[] stop(long task);

  byte[] stats(long task);

  byte[] processStats();

  byte[] alterOffsets(byte[] request);

  byte[] validate(byte[] request);
}
