package io.sluice.connect;

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
  static final int MAX_OPEN = 8;

  private final Partitions partitions;
  private final Origin origin;
  private final Needs needs;
  private final Registry registry;
  private final Payloads payloads;
  private final int segmentBytes;
  private final List<Segment> used = new ArrayList<>(); // in this call
  private final List<Segment> open = new ArrayList<>(); // those in use that take more rows; the last one took a row last
  private final List<Segment> idle = new ArrayList<>(); // kept for their arrays
  private final Segment refusedRows;
  private final List<RefusedRecord> refused = new ArrayList<>();
  private int[] meta;
  private Object[] buffers;

  SegmentEncoder(Partitions partitions, Origin origin, InputMode mode, Needs needs, Registry registry) {
    this(partitions, origin, mode, needs, registry, SEGMENT_BYTES);
  }

  SegmentEncoder(Partitions partitions, Origin origin, InputMode mode, Needs needs, Registry registry, int segmentBytes) {
    this.partitions = partitions;
    this.origin = origin;
    this.needs = needs;
    this.registry = registry;
    this.segmentBytes = segmentBytes;
    payloads = new Payloads(mode, needs, registry);
    refusedRows = new Segment(PayloadSchema.ABSENT, PayloadSchema.ABSENT, Needs.NOTHING, registry);
  }

  /** After this, {@link #meta}, {@link #buffers} and {@link #refused} tell of these records, until the next call. */
  void encode(Collection<SinkRecord> records) {
    clear();
    Segment segment = null;
    int seq = 0;
    for (SinkRecord record : records) {
      int partition = partitionOf(record);
      long offset = origin.offset(record);
      try {
        segment = append(segment, seq, partition, offset, record);
      } catch (Refusal e) {
        refusedRows.appendPlace(seq, partition, offset);
        refused.add(new RefusedRecord(record, e));
      }
      seq++;
    }
    retireUnused();
    describe(seq);
  }

  int[] meta() {
    return meta;
  }

  Object[] buffers() {
    return buffers;
  }

  List<RefusedRecord> refused() {
    return refused;
  }

  private void clear() {
    idle.addAll(used);
    idle.forEach(Segment::clear);
    used.clear();
    open.clear();
    refusedRows.clear();
    refused.clear();
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

  /** The segment that took the record; the {@code last} one took the record before. */
  private Segment append(Segment last, int seq, int partition, long offset, SinkRecord record) {
    PayloadSchema key = payloads.key(record);
    PayloadSchema value = payloads.value(record);
    Segment segment = last != null && last.holds(key, value) ? last : segment(key, value);
    long before = segment.bytes();
    segment.append(seq, partition, offset, record);
    if (before > 0 && segment.bytes() > segmentBytes) {
      segment.truncate(segment.rows() - 1);
      open.remove(segment);
      segment = segment(key, value);
      segment.append(seq, partition, offset, record);
    }
    return segment;
  }

  private Segment segment(PayloadSchema key, PayloadSchema value) {
    Segment segment = take(open, key, value);
    if (segment == null) {
      segment = take(idle, key, value);
      if (segment == null) {
        segment = new Segment(key, value, needs, registry);
      }
      used.add(segment);
      if (open.size() == MAX_OPEN) {
        open.remove(0);
      }
    }
    open.add(segment);
    return segment;
  }

  private static Segment take(List<Segment> from, PayloadSchema key, PayloadSchema value) {
    for (int i = from.size() - 1; i >= 0; i--) {
      if (from.get(i).holds(key, value)) {
        return from.remove(i);
      }
    }
    return null;
  }

  /** Of what is not in use, keeps the last few for schemas that are not in use either. */
  private void retireUnused() {
    for (Segment segment : used) {
      idle.removeIf(segment::hasSchemasOf);
    }
    used.removeIf(segment -> segment.rows() == 0); // its first record was refused
    if (idle.size() > MAX_OPEN) {
      idle.subList(0, idle.size() - MAX_OPEN).clear();
    }
  }

  private void describe(int records) {
    boolean anyRefused = refusedRows.rows() > 0;
    int count = used.size() + (anyRefused ? 1 : 0);
    meta = new int[META_HEAD + META_SEGMENT * count];
    meta[0] = MAGIC;
    meta[1] = Native.CROSSING_VERSION;
    meta[2] = count;
    meta[3] = records;
    List<Object> all = new ArrayList<>();
    for (int i = 0; i < used.size(); i++) {
      describe(i, used.get(i), 0, all);
    }
    if (anyRefused) {
      describe(count - 1, refusedRows, FLAG_REFUSED, all);
    }
    buffers = all.toArray();
  }

  private void describe(int index, Segment segment, int flags, List<Object> all) {
    int before = all.size();
    segment.addBuffers(all);
    int at = META_HEAD + META_SEGMENT * index;
    meta[at] = segment.keyId();
    meta[at + 1] = segment.valueId();
    meta[at + 2] = segment.rows();
    meta[at + 3] = all.size() - before;
    meta[at + 4] = flags;
  }
}
