package io.sluice.connect;

import java.util.Arrays;
import java.util.List;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;

final class StructColumn extends Column {
  private final Schema schema;
  private final Field[] fields;
  private final Column[] children;
  private Schema lastSame; // known to say the same as `schema`

  StructColumn(Schema schema, Size size) {
    super(schema);
    this.schema = schema;
    lastSame = schema;
    fields = schema.fields().toArray(new Field[0]);
    children = new Column[fields.length];
    for (int i = 0; i < fields.length; i++) {
      try {
        children[i] = Columns.of(fields[i].schema(), size);
      } catch (Refusal e) {
        throw e.inField(fields[i].name());
      }
    }
  }

  @Override
  void appendValue(Object value) {
    if (!(value instanceof Struct struct)) {
      throw wrongClass(value);
    }
    demandSameSchema(struct.schema());
    int i = 0;
    try {
      for (; i < fields.length; i++) {
        children[i].append(struct.get(fields[i])); // the default where there is no value
      }
    } catch (Refusal e) {
      throw e.inField(fields[i].name());
    }
    addRow();
  }

  @Override
  void fillNull(int row) {
    for (Column child : children) {
      child.appendNull();
    }
  }

  @Override
  void truncate(int row) {
    super.truncate(row);
    for (Column child : children) {
      child.truncate(row);
    }
  }

  @Override
  void clear() {
    super.clear();
    for (Column child : children) {
      child.clear();
    }
  }

  @Override
  void resize(int rows) {}

  @Override
  void addData(List<Object> buffers) {
    for (Column child : children) {
      child.addBuffers(buffers);
    }
  }

  /** A struct is asked for fields by position alone: with another schema it would give the values of others. */
  private void demandSameSchema(Schema given) {
    if (given == schema || given == lastSame) {
      return;
    }
    if (!Arrays.equals(SchemaDescriptor.of(given), SchemaDescriptor.of(schema))) {
      throw new Refusal(ErrorCode.RECORD_SCHEMA, "the struct has another schema than its place in the record's schema says");
    }
    lastSame = given;
  }
}
