package io.sluice.connect;

import java.util.List;
import org.apache.kafka.connect.data.Schema;

/**
 * A node of a key's or value's tree, in the layout of docs/crossing.md. Its arrays live on from call to call. An append that is refused
 * leaves parts behind, which {@link #truncate} removes.
 */
abstract class Column {
  static final int MAX_DEPTH = 64;
  private static final int LEAST_CAPACITY = 64;

  /** What the columns of a segment hold beyond a fixed width for each row. */
  static final class Size {
    long bytes;
  }

  private final Schema schema;
  private final boolean optional;
  private final Bits validity = new Bits();
  private int rows;
  private int capacity;
  private int usualRows;
  private boolean hasNulls;

  Column(Schema schema) {
    this.schema = schema;
    optional = schema.isOptional();
  }

  final int rows() {
    return rows;
  }

  final void append(Object value) {
    if (value != null) {
      appendValue(value);
    } else if (optional) {
      appendNull();
    } else {
      throw new Refusal(ErrorCode.RECORD_SCHEMA, "the schema requires a value, and there is none");
    }
  }

  /** For the root of a tree: {@code given} is what the record says of the value. */
  void append(Object value, Schema given) {
    append(value);
  }

  /** Also taken where the schema requires a value: below a parent that is null. */
  final void appendNull() {
    int row = addRow();
    validity.unset(row);
    hasNulls = true;
    fillNull(row);
  }

  /** Removes the rows from this one on. */
  void truncate(int row) {
    validity.unset(row, rows);
    rows = row;
  }

  /** Removes all rows; gives memory back when the arrays are more than four times what was lately used. */
  void clear() {
    usualRows = usual(usualRows, rows);
    validity.unset(0, rows);
    rows = 0;
    hasNulls = false;
    if (isOversized(capacity, usualRows)) {
      setCapacity(usualRows);
    }
  }

  /** Good until the next {@link #clear}. */
  final void addBuffers(List<Object> buffers) {
    buffers.add(hasNulls ? validity.words() : null);
    addData(buffers);
  }

  /** The buffers without validity. */
  abstract void addData(List<Object> buffers);

  abstract void appendValue(Object value);

  abstract void fillNull(int row);

  abstract void resize(int rows);

  /** The new row, with room for it in all arrays. */
  final int addRow() {
    if (rows == capacity) {
      setCapacity(grown(capacity, rows + 1));
    }
    validity.set(rows);
    return rows++;
  }

  final Refusal wrongClass(Object value) {
    String expected = schema.name() == null ? schema.type().name() : schema.name() + " (" + schema.type() + ")";
    return new Refusal(ErrorCode.RECORD_SCHEMA, "the schema says " + expected + ", and the value is a " + value.getClass().getName());
  }

  static int usual(int before, int now) {
    return Math.max(now, before - before / 8);
  }

  static boolean isOversized(int capacity, int usual) {
    return capacity / 4 > Math.max(usual, LEAST_CAPACITY);
  }

  static int grown(int capacity, int needed) {
    return (int) Math.max(needed, Math.min(Math.max(LEAST_CAPACITY, capacity * 2L), Integer.MAX_VALUE - 8));
  }

  private void setCapacity(int rows) {
    validity.resize(rows);
    resize(rows);
    capacity = rows;
  }
}
