package io.sluice.connect;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** One segment of a batch in the layout of docs/crossing.md. Its arrays live on from call to call. */
final class Segment {
  static final int BUFFERS = 6;

  private int[] seqs = new int[0];
  private int[] partitions = new int[0];
  private long[] offsets = new long[0];
  private long[] validity = new long[0];
  private int[] ends = new int[1];
  private byte[] values = new byte[0];
  private int rows;
  private int bytes;
  private boolean hasNulls;
  private int usualRows;
  private int usualBytes;

  int rows() {
    return rows;
  }

  int bytes() {
    return bytes;
  }

  void row(int seq, int partition, long offset) {
    if (rows == seqs.length) {
      resizeRows(grown(seqs.length, rows + 1));
    }
    seqs[rows] = seq;
    partitions[rows] = partition;
    offsets[rows] = offset;
    validity[rows >> 6] |= 1L << rows;
    rows++;
    ends[rows] = bytes;
  }

  /** Makes the last row a tombstone. */
  void noValue() {
    validity[(rows - 1) >> 6] &= ~(1L << (rows - 1));
    hasNulls = true;
  }

  /** Gives the last row its value. */
  void value(byte[] value) {
    room(value.length);
    System.arraycopy(value, 0, values, bytes, value.length);
    valueEnds(value.length);
  }

  /** Gives the last row its value; leaves the buffer's position alone. */
  void value(ByteBuffer value) {
    int length = value.remaining();
    room(length);
    value.duplicate().get(values, bytes, length);
    valueEnds(length);
  }

  /** The buffers, good until the next {@link #clear}. A refused segment has coordinates only. */
  void writeTo(Object[] buffers, int from, boolean refused) {
    buffers[from] = seqs;
    buffers[from + 1] = partitions;
    buffers[from + 2] = offsets;
    buffers[from + 3] = refused || !hasNulls ? null : validity;
    buffers[from + 4] = refused ? null : ends;
    buffers[from + 5] = refused ? null : values;
  }

  /** Empties the segment; gives memory back when the arrays are more than four times what was lately used. */
  void clear() {
    usualRows = Math.max(rows, usualRows - usualRows / 8);
    usualBytes = Math.max(bytes, usualBytes - usualBytes / 8);
    Arrays.fill(validity, 0, (rows + 63) >> 6, 0);
    rows = 0;
    bytes = 0;
    hasNulls = false;
    if (seqs.length / 4 > usualRows) {
      resizeRows(usualRows);
    }
    if (values.length / 4 > usualBytes) {
      values = new byte[usualBytes];
    }
  }

  private void valueEnds(int length) {
    bytes += length;
    ends[rows] = bytes;
  }

  private void room(int length) {
    int needed = Math.addExact(bytes, length);
    if (needed > values.length) {
      values = Arrays.copyOf(values, grown(values.length, needed));
    }
  }

  private void resizeRows(int capacity) {
    seqs = Arrays.copyOf(seqs, capacity);
    partitions = Arrays.copyOf(partitions, capacity);
    offsets = Arrays.copyOf(offsets, capacity);
    validity = Arrays.copyOf(validity, (capacity + 63) >> 6);
    ends = Arrays.copyOf(ends, capacity + 1);
  }

  private static int grown(int capacity, int needed) {
    return (int) Math.max(needed, Math.min(Math.max(64L, capacity * 2L), Integer.MAX_VALUE - 8));
  }
}
