package io.sluice.connect;

import java.util.Arrays;
import java.util.List;
import org.apache.kafka.connect.sink.SinkRecord;

/** One segment of a batch in the layout of docs/crossing.md. Its arrays live on from call to call. */
final class Segment {
  private final PayloadSchema keySchema;
  private final PayloadSchema valueSchema;
  private final Column.Size size = new Column.Size();
  private final Extras extras;
  private final Column keys; // null: absent
  private final Column values; // null: absent
  private int[] seqs = new int[0];
  private int[] partitions = new int[0];
  private long[] offsets = new long[0];
  private int rows;
  private int usualRows;

  Segment(PayloadSchema keySchema, PayloadSchema valueSchema, Needs needs, Registry registry) {
    this.keySchema = keySchema;
    this.valueSchema = valueSchema;
    extras = new Extras(needs, registry, size);
    keys = keySchema.column(size);
    values = valueSchema.column(size);
  }

  boolean holds(PayloadSchema key, PayloadSchema value) {
    return valueSchema.id == value.id && keySchema.id == key.id;
  }

  boolean hasSchemasOf(Segment other) {
    return holds(other.keySchema, other.valueSchema);
  }

  int keyId() {
    return keySchema.id;
  }

  int valueId() {
    return valueSchema.id;
  }

  int rows() {
    return rows;
  }

  /** What the rows hold beyond a fixed width. */
  long bytes() {
    return size.bytes;
  }

  /** Either the whole record, or nothing of it and a {@link Refusal}. */
  void append(int seq, int partition, long offset, SinkRecord record) {
    try {
      if (keys != null) {
        appendKey(record);
      }
      if (values != null) {
        values.append(record.value(), record.valueSchema());
      }
      extras.append(record);
    } catch (Refusal e) {
      truncate(rows);
      throw e;
    }
    appendPlace(seq, partition, offset);
  }

  void appendPlace(int seq, int partition, long offset) {
    if (rows == seqs.length) {
      resizeRows(Column.grown(seqs.length, rows + 1));
    }
    seqs[rows] = seq;
    partitions[rows] = partition;
    offsets[rows] = offset;
    rows++;
  }

  /** Removes the rows from this one on. */
  void truncate(int row) {
    if (keys != null) {
      keys.truncate(row);
    }
    if (values != null) {
      values.truncate(row);
    }
    extras.truncate(row);
    rows = row;
  }

  /** The buffers, good until the next {@link #clear}. */
  void addBuffers(List<Object> buffers) {
    buffers.add(seqs);
    buffers.add(partitions);
    buffers.add(offsets);
    extras.addBuffers(buffers);
    if (keys != null) {
      keys.addBuffers(buffers);
    }
    if (values != null) {
      values.addBuffers(buffers);
    }
  }

  /** Removes all rows; gives memory back when the arrays are more than four times what was lately used. */
  void clear() {
    usualRows = Column.usual(usualRows, rows);
    if (keys != null) {
      keys.clear();
    }
    if (values != null) {
      values.clear();
    }
    extras.clear();
    size.bytes = 0;
    rows = 0;
    if (Column.isOversized(seqs.length, usualRows)) {
      resizeRows(usualRows);
    }
  }

  private void appendKey(SinkRecord record) {
    try {
      keys.append(record.key(), record.keySchema());
    } catch (Refusal e) {
      throw e.of("the key");
    }
  }

  private void resizeRows(int capacity) {
    seqs = Arrays.copyOf(seqs, capacity);
    partitions = Arrays.copyOf(partitions, capacity);
    offsets = Arrays.copyOf(offsets, capacity);
  }
}
