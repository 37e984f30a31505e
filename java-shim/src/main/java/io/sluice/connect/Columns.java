package io.sluice.connect;

import io.sluice.connect.Column.Size;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;

/** Makes the column for a schema that {@link SchemaDescriptor} has accepted. */
final class Columns {
  private Columns() {}

  /** Connect's own logical types by their name; all other named schemas by their type, as the core knows the names. */
  static Column of(Schema schema, Size size) {
    if (schema == null) {
      return new AnyColumn(size);
    }
    String name = schema.name() == null ? "" : schema.name();
    return switch (schema.type()) {
      case INT8 -> new FixedColumns.ByteColumn(schema);
      case INT16 -> new FixedColumns.ShortColumn(schema);
      case INT32 -> switch (name) {
        case Date.LOGICAL_NAME -> new LogicalColumns.DateColumn(schema);
        case Time.LOGICAL_NAME -> new LogicalColumns.TimeColumn(schema);
        default -> new FixedColumns.IntColumn(schema);
      };
      case INT64 -> name.equals(Timestamp.LOGICAL_NAME) ? new LogicalColumns.TimestampColumn(schema) : new FixedColumns.LongColumn(schema);
      case FLOAT32 -> new FixedColumns.FloatColumn(schema);
      case FLOAT64 -> new FixedColumns.DoubleColumn(schema);
      case BOOLEAN -> new FixedColumns.BooleanColumn(schema);
      case STRING -> new BytesColumn.StringColumn(schema, size);
      case BYTES -> name.equals(Decimal.LOGICAL_NAME) ? new LogicalColumns.DecimalColumn(schema, size) : new BytesColumn.BinaryColumn(schema, size);
      case ARRAY -> new ListColumn(schema, size, of(schema.valueSchema(), size));
      case MAP -> new MapColumn(schema, size, of(schema.keySchema(), size), of(schema.valueSchema(), size));
      case STRUCT -> new StructColumn(schema, size);
    };
  }
}
