package io.sluice.connect;

/** The only native methods; docs/crossing.md says what goes through them. */
final class Native {
  static final int CROSSING_VERSION = 4;

  /** For code that has called {@link NativeLibrary#load}. */
  static final NativeCalls CALLS =
      new NativeCalls() {
        @Override
        public byte[] start(byte[] request) {
          return Native.start(request);
        }

        @Override
        public byte[] open(long task, byte[] partitions) {
          return Native.open(task, partitions);
        }

        @Override
        public byte[] put(long task, int[] meta, Object[] buffers) {
          return Native.put(task, meta, buffers);
        }

        @Override
        public byte[] registerSchema(long task, byte[] descriptor) {
          return Native.registerSchema(task, descriptor);
        }

        @Override
        public byte[] registerTopic(long task, byte[] topic) {
          return Native.registerTopic(task, topic);
        }

        @Override
        public byte[] preCommit(long task, int[] partitions, long[] positions) {
          return Native.preCommit(task, partitions, positions);
        }

        @Override
        public byte[] close(long task, int[] partitions) {
          return Native.close(task, partitions);
        }

        @Override
        public byte[] stop(long task) {
          return Native.stop(task);
        }

        @Override
        public byte[] stats(long task) {
          return Native.stats(task);
        }

        @Override
        public byte[] processStats() {
          return Native.processStats();
        }

        @Override
        public byte[] alterOffsets(byte[] request) {
          return Native.alterOffsets(request);
        }

        @Override
        public byte[] validate(byte[] request) {
          return Native.validate(request);
        }
      };

  private Native() {}

  static native byte[] init(int crossingVersion);

  static native byte[] start(byte[] request);

  static native byte[] open(long task, byte[] partitions);

  static native byte[] put(long task, int[] meta, Object[] buffers);

  static native byte[] registerSchema(long task, byte[] descriptor);

  static native byte[] registerTopic(long task, byte[] topic);

  static native byte[] preCommit(long task, int[] partitions, long[] positions);

  static native byte[] close(long task, int[] partitions);

  static native byte[] stop(long task);

  static native byte[] stats(long task);

  static native byte[] processStats();

  static native byte[] alterOffsets(byte[] request);

  static native byte[] validate(byte[] request);

  static native byte[] drainLogs(int timeoutMs, byte[] levels);
}
