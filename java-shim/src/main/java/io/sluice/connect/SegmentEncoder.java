package io.sluice.connect;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.sink.SinkRecord;

/** Writes the records of one {@code put()} as the segments of docs/crossing.md. Not for use by two threads at once. */
final class SegmentEncoder {
  static final int MAGIC = 0x534C4331;
  static final int SEGMENT_BYTES = 64 << 20;
  static final int META_HEAD = 4;
  static final int META_SEGMENT = 5;
  static final int FLAG_REFUSED = 1;

  private static final int SCHEMA_ABSENT = 0;
  private static final int SCHEMA_RAW = 1;
  private static final int NOT_RAW = -1;

  private final Partitions partitions;
  private final Origin origin;
  private final int segmentBytes;
  private final List<Segment> segments = new ArrayList<>(); // for rows; those in use come first
  private final Segment refused = new Segment();
  private final List<SinkRecord> refusedRecords = new ArrayList<>();
  private int used;
  private int[] meta;
  private Object[] buffers;

  SegmentEncoder(Partitions partitions, Origin origin) {
    this(partitions, origin, SEGMENT_BYTES);
  }

  SegmentEncoder(Partitions partitions, Origin origin, int segmentBytes) {
    this.partitions = partitions;
    this.origin = origin;
    this.segmentBytes = segmentBytes;
  }

  /** After this, {@link #meta}, {@link #buffers} and {@link #refused} tell of these records, until the next call. */
  void encode(Collection<SinkRecord> records) {
    clear();
    Segment segment = null;
    int seq = 0;
    for (SinkRecord record : records) {
      int partition = partitionOf(record);
      long offset = origin.offset(record);
      Object value = record.value();
      if (value instanceof String text) {
        value = text.getBytes(StandardCharsets.UTF_8);
      }
      int length = length(value);
      if (length == NOT_RAW) {
        refused.row(seq, partition, offset);
        refusedRecords.add(record);
      } else {
        if (segment == null || (segment.bytes() > 0 && (long) segment.bytes() + length > segmentBytes)) {
          segment = segment(used++);
        }
        segment.row(seq, partition, offset);
        if (value instanceof byte[] bytes) {
          segment.value(bytes);
        } else if (value instanceof ByteBuffer bytes) {
          segment.value(bytes);
        } else {
          segment.noValue();
        }
      }
      seq++;
    }
    while (segments.size() > Math.max(1, used)) {
      segments.remove(segments.size() - 1);
    }
    describe(seq);
  }

  int[] meta() {
    return meta;
  }

  Object[] buffers() {
    return buffers;
  }

  /** The records whose value is none of bytes, string and null. */
  List<SinkRecord> refused() {
    return refusedRecords;
  }

  private void clear() {
    segments.forEach(Segment::clear);
    refused.clear();
    refusedRecords.clear();
    used = 0;
  }

  private int partitionOf(SinkRecord record) {
    int id = partitions.id(origin.topic(record), origin.partition(record));
    if (id == Partitions.UNKNOWN) {
      throw new ConnectException(
          "record of topic " + origin.topic(record) + ", partition " + origin.partition(record) + ", offset "
              + origin.offset(record) + ": this task was never assigned that partition. A worker older than Kafka 3.6 does not tell a"
              + " record's original topic: remove the transform that changes topic or partition, or upgrade the worker");
    }
    return id;
  }

  private static int length(Object value) {
    if (value == null) {
      return 0;
    } else if (value instanceof byte[] bytes) {
      return bytes.length;
    } else if (value instanceof ByteBuffer bytes) {
      return bytes.remaining();
    }
    return NOT_RAW;
  }

  private Segment segment(int index) {
    if (index == segments.size()) {
      segments.add(new Segment());
    }
    return segments.get(index);
  }

  private void describe(int records) {
    boolean anyRefused = refused.rows() > 0;
    int count = used + (anyRefused ? 1 : 0);
    meta = new int[META_HEAD + META_SEGMENT * count];
    meta[0] = MAGIC;
    meta[1] = Native.CROSSING_VERSION;
    meta[2] = count;
    meta[3] = records;
    buffers = new Object[Segment.BUFFERS * count];
    for (int i = 0; i < used; i++) {
      describe(i, segments.get(i), false);
    }
    if (anyRefused) {
      describe(count - 1, refused, true);
    }
  }

  private void describe(int index, Segment segment, boolean isRefused) {
    int at = META_HEAD + META_SEGMENT * index;
    meta[at] = SCHEMA_ABSENT;
    meta[at + 1] = SCHEMA_RAW;
    meta[at + 2] = segment.rows();
    meta[at + 3] = Segment.BUFFERS;
    meta[at + 4] = isRefused ? FLAG_REFUSED : 0;
    segment.writeTo(buffers, Segment.BUFFERS * index, isRefused);
  }
}
