package io.sluice.connect;

import java.nio.ByteBuffer;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.sink.SinkRecord;

/** Decides as what a record's key and value cross. */
final class Payloads {
  private final InputMode mode;
  private final Needs needs;
  private final Registry registry;

  Payloads(InputMode mode, Needs needs, Registry registry) {
    this.mode = mode;
    this.needs = needs;
    this.registry = registry;
  }

  PayloadSchema value(SinkRecord record) {
    Object value = record.value();
    if (isRaw(record.valueSchema(), value)) {
      return PayloadSchema.RAW;
    } else if (value == null) {
      return PayloadSchema.ABSENT;
    } else if (mode == InputMode.RAW) {
      throw new Refusal(ErrorCode.RECORD_NOT_RAW, "the value is a " + value.getClass().getName());
    } else if (value instanceof Struct struct) {
      return registry.schema(struct.schema());
    } else if (value instanceof Map) {
      return PayloadSchema.ANY;
    }
    throw new Refusal(ErrorCode.RECORD_NOT_STRUCT, "the value is a " + value.getClass().getName());
  }

  PayloadSchema key(SinkRecord record) {
    if (!needs.key) {
      return PayloadSchema.ABSENT;
    }
    Object key = record.key();
    if (isRaw(record.keySchema(), key)) {
      return PayloadSchema.RAW;
    } else if (key == null) {
      return PayloadSchema.ABSENT;
    }
    Schema schema = key instanceof Struct struct ? struct.schema() : record.keySchema();
    try {
      return schema == null ? PayloadSchema.ANY : registry.schema(schema);
    } catch (Refusal e) {
      throw e.of("the key");
    }
  }

  private boolean isRaw(Schema schema, Object data) {
    if (mode == InputMode.CONNECT) {
      return false;
    } else if (data == null) {
      return mode == InputMode.RAW || schema != null && (schema.type() == Schema.Type.BYTES || schema.type() == Schema.Type.STRING);
    }
    return data instanceof byte[] || data instanceof String || data instanceof ByteBuffer;
  }
}
