package io.sluice.connect;

import org.apache.kafka.connect.data.Schema;

/** As what a segment's keys or values cross: by one of the built-in ids, or by a Connect schema that the core has registered. */
final class PayloadSchema {
  static final PayloadSchema ABSENT = new PayloadSchema(0, null);
  static final PayloadSchema RAW = new PayloadSchema(1, null);
  static final PayloadSchema ANY = new PayloadSchema(2, null);

  final int id;
  private final Schema connect;

  PayloadSchema(int id, Schema connect) {
    this.id = id;
    this.connect = connect;
  }

  /** Null where there is nothing to hold. */
  Column column(Column.Size size) {
    if (this == ABSENT) {
      return null;
    }
    return this == RAW ? new BytesColumn.RawColumn(size) : Columns.of(connect, size);
  }
}
