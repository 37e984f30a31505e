package io.sluice.connect;

import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;

/** A Connect schema as the core gets it. Two schemas with the same descriptor are the same to it. */
final class SchemaDescriptor {
  private static final int ANY = 12;
  private static final int OPTIONAL = 1;
  private static final int HAS_VERSION = 2;
  private static final int HAS_NAME = 4;
  private static final int HAS_DOC = 8;
  private static final int HAS_PARAMETERS = 16;

  private SchemaDescriptor() {}

  /** Refuses a schema that is too deep, as a recursive one is. */
  static byte[] of(Schema schema) {
    Request descriptor = new Request();
    write(descriptor, schema, 1);
    return descriptor.bytes();
  }

  private static void write(Request descriptor, Schema schema, int depth) {
    if (depth > Column.MAX_DEPTH) {
      throw Refusal.tooDeep();
    }
    if (schema == null) {
      descriptor.u8(ANY).u8(OPTIONAL);
      return;
    }
    descriptor.u8(kind(schema.type()));
    writeAttributes(descriptor, schema);
    switch (schema.type()) {
      case STRUCT -> {
        descriptor.u32(schema.fields().size());
        for (Field field : schema.fields()) {
          try {
            descriptor.str(field.name());
            write(descriptor, field.schema(), depth + 1);
          } catch (Refusal e) {
            throw e.inField(field.name());
          }
        }
      }
      case ARRAY -> writeEntry(descriptor, schema.valueSchema(), depth + 1);
      case MAP -> {
        writeEntry(descriptor, schema.keySchema(), depth + 1);
        writeEntry(descriptor, schema.valueSchema(), depth + 1);
      }
      default -> {}
    }
  }

  private static void writeEntry(Request descriptor, Schema schema, int depth) {
    try {
      write(descriptor, schema, depth);
    } catch (Refusal e) {
      throw e.inField("[]");
    }
  }

  private static void writeAttributes(Request descriptor, Schema schema) {
    Map<String, String> parameters = schema.parameters() == null ? Map.of() : schema.parameters();
    descriptor.u8(
        (schema.isOptional() ? OPTIONAL : 0)
            | (schema.version() != null ? HAS_VERSION : 0)
            | (schema.name() != null ? HAS_NAME : 0)
            | (schema.doc() != null ? HAS_DOC : 0)
            | (parameters.isEmpty() ? 0 : HAS_PARAMETERS));
    if (schema.version() != null) {
      descriptor.u32(schema.version());
    }
    if (schema.name() != null) {
      descriptor.str(schema.name());
    }
    if (schema.doc() != null) {
      descriptor.str(schema.doc());
    }
    if (!parameters.isEmpty()) {
      descriptor.strings(new TreeMap<>(parameters));
    }
  }

  private static int kind(Schema.Type type) {
    return switch (type) {
      case INT8 -> 0;
      case INT16 -> 1;
      case INT32 -> 2;
      case INT64 -> 3;
      case FLOAT32 -> 4;
      case FLOAT64 -> 5;
      case BOOLEAN -> 6;
      case STRING -> 7;
      case BYTES -> 8;
      case ARRAY -> 9;
      case MAP -> 10;
      case STRUCT -> 11;
    };
  }
}
