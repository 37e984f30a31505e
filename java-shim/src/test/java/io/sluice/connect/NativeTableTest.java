package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.StringJoiner;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Records go through the real task and native library into a table that it creates, and an independent reader finds them there. */
class NativeTableTest {
  private static final TopicPartition ORDERS = new TopicPartition("orders", 0);

  @TempDir Path folder;
  private final List<SinkRecord> records = new ArrayList<>();

  @Test
  void typed_values_create_a_table_of_their_types() throws Exception {
    Schema line = SchemaBuilder.struct().optional().field("sku", Schema.STRING_SCHEMA).field("count", Schema.OPTIONAL_INT16_SCHEMA).build();
    Schema schema =
        SchemaBuilder.struct().name("order")
            .field("id", Schema.INT64_SCHEMA)
            .field("price", Decimal.builder(2).parameter("connect.decimal.precision", "9").build())
            .field("day", Date.builder().optional().build())
            .field("at", Timestamp.builder().optional().build())
            .field("shipped", SchemaBuilder.int64().name("io.debezium.time.MicroTimestamp").optional().build())
            .field("due", SchemaBuilder.int32().name("io.debezium.time.Date").optional().build())
            .field("state", SchemaBuilder.string().optional().defaultValue("new").build())
            .field("lines", SchemaBuilder.array(line).optional().build())
            .field("tags", SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.OPTIONAL_FLOAT64_SCHEMA).optional().build())
            .build();
    record(
        new Struct(schema).put("id", 1L).put("price", new BigDecimal("-12.34")).put("day", new java.util.Date(-86_400_000))
            .put("at", new java.util.Date(1)).put("shipped", -1L).put("due", 1).put("state", "paid")
            .put("lines", Arrays.asList(new Struct(line).put("sku", "a").put("count", (short) 2), null, new Struct(line).put("sku", "b")))
            .put("tags", Collections.singletonMap("x", null)));
    record(new Struct(schema).put("id", 2L).put("price", new BigDecimal("0.00")));
    assertEquals(
        List.of(
            "[\"1\",\"-12.34\",\"1969-12-31\",\"1970-01-01T00:00:00.001Z\",\"1969-12-31T23:59:59.999999\",\"1970-01-02\",\"paid\","
                + "\"[{sku=a, count=2}, null, {sku=b, count=null}]\",\"{x=null}\"]",
            "[\"2\",\"0.00\",null,null,null,null,\"new\",null,null]"),
        written(Map.of()));
  }

  @Test
  void values_without_schema_create_a_table_too() throws Exception {
    Map<String, Object> first = new LinkedHashMap<>();
    first.put("id", 1L);
    first.put("none", null);
    first.put("ok", true);
    first.put("price", new BigDecimal("1.50"));
    first.put("data", new byte[] {1, 2});
    first.put("at", new java.util.Date(1));
    first.put("list", List.of(Map.of("x", 1), Map.of("x", 2)));
    record(first);
    record(Map.of("id", 2L));
    assertEquals(
        List.of(
            "[\"1\",\"true\",\"1.50\",\"AQI=\",\"1970-01-01T00:00:00.001Z\",\"[{x=1}, {x=2}]\"]", "[\"2\",null,null,null,null,null]"),
        written(Map.of()));
  }

  @Test
  void keys_headers_and_metadata_become_columns() throws Exception {
    Schema keySchema = SchemaBuilder.struct().field("id", Schema.INT32_SCHEMA).build();
    Schema schema = SchemaBuilder.struct().field("v", Schema.STRING_SCHEMA).build();
    Struct value = new Struct(schema).put("v", "x");
    add("renamed", keySchema, new Struct(keySchema).put("id", 7), value, 5L);
    records.get(0).headers().addString("a", "é").addLong("a", 5).addBytes("b", null);
    add(ORDERS.topic(), null, null, value, null);
    add(ORDERS.topic(), keySchema, new Struct(keySchema).put("id", 8), null, 6L); // a tombstone
    add(ORDERS.topic(), null, Map.of("id", 9), value, 7L);
    assertEquals(
        List.of(
            "[\"x\",\"7\",\"orders\",\"0\",\"0\",\"1970-01-01T00:00:00.005Z\",\"CreateTime\","
                + "\"[{key=a, value=w6k=}, {key=a, value=NQ==}, {key=b, value=null}]\"]",
            "[\"x\",null,\"orders\",\"0\",\"1\",null,null,\"[]\"]",
            "[\"x\",\"9\",\"orders\",\"0\",\"3\",\"1970-01-01T00:00:00.007Z\",\"CreateTime\",\"[]\"]"),
        written(Map.of("delta.key.mode", "columns", "delta.metadata.columns", "topic,partition,offset,timestamp,timestamp.type,headers")));
  }

  @Test
  void random_schemas_and_values_are_read_back() throws Exception {
    Random random = new Random(4);
    RandomData data = new RandomData(random, true);
    Map<TopicPartition, List<String>> expected = new HashMap<>();
    List<TopicPartition> topics = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      topics.add(new TopicPartition("t" + i, 0));
    }
    try (RealTask task = new RealTask(settings("${topic}"), topics)) {
      for (TopicPartition topic : topics) {
        SchemaBuilder builder = SchemaBuilder.struct();
        for (int i = 0; i < 12; i++) {
          builder.field("f" + i, data.schema(0));
        }
        Schema schema = builder.build();
        List<String> rows = new ArrayList<>();
        List<SinkRecord> batch = new ArrayList<>();
        for (int row = 0; row < 500; row++) {
          Struct value = (Struct) data.value(schema);
          batch.add(new SinkRecord(topic.topic(), 0, null, null, schema, value, row));
          rows.add(row(value));
        }
        expected.put(topic, rows);
        for (int from = 0; from < batch.size(); ) {
          int to = Math.min(batch.size(), from + 1 + random.nextInt(200));
          task.put(batch.subList(from, to));
          from = to;
        }
      }
      task.commit();
    }
    for (TopicPartition topic : topics) {
      assertEquals(sorted(expected.get(topic)), texts(RealTask.rows(folder.resolve(topic.topic()))), topic.topic());
    }
  }

  /** The table is made from a struct's schema; what follows has none, but for the struct inside, which crosses as tagged bytes. */
  @Test
  void random_values_without_schema_fill_the_table_that_typed_ones_made() throws Exception {
    RandomData data = new RandomData(new Random(5), true);
    List<String> expected = new ArrayList<>();
    SchemaBuilder inner = SchemaBuilder.struct();
    for (int i = 0; i < 30; i++) {
      inner.field("f" + i, data.schema(0));
    }
    Schema innerSchema = inner.build();
    Schema schema = SchemaBuilder.struct().field("value", innerSchema).build();
    try (RealTask task = new RealTask(settings("orders"), List.of(ORDERS))) {
      for (int row = 0; row < 500; row++) {
        Struct value = (Struct) data.value(innerSchema);
        if (row == 0) {
          record(new Struct(schema).put("value", value));
          task.put(records);
          records.clear();
        } else {
          records.add(new SinkRecord(ORDERS.topic(), 0, null, null, null, Map.of("value", value), row));
        }
        expected.add(row(new Struct(schema).put("value", value)));
      }
      task.put(records);
      task.commit();
    }
    assertEquals(sorted(expected), texts(RealTask.rows(folder.resolve("orders"))));
  }

  private void record(Object value) {
    records.add(new SinkRecord(ORDERS.topic(), 0, null, null, value instanceof Struct struct ? struct.schema() : null, value, records.size()));
  }

  private void add(String topic, Schema keySchema, Object key, Struct value, Long timestamp) {
    TimestampType type = timestamp == null ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME;
    Schema schema = value == null ? null : value.schema();
    records.add(new SinkRecord(topic, 0, keySchema, key, schema, value, 0, timestamp, type, null, ORDERS.topic(), 0, records.size()));
  }

  private Map<String, String> settings(String table) {
    return Map.of("delta.table.uri", folder.resolve(table).toString(), "delta.table.auto.create", "true", "delta.input.mode", "connect");
  }

  /** The table's rows after these records, in the records' order. */
  private List<String> written(Map<String, String> more) throws Exception {
    Map<String, String> settings = new HashMap<>(settings("orders"));
    settings.putAll(more);
    try (RealTask task = new RealTask(settings, List.of(ORDERS))) {
      task.put(records);
      task.commit();
    }
    return RealTask.rows(folder.resolve("orders")).stream().map(JsonNode::toString).toList();
  }

  private static List<String> texts(List<JsonNode> rows) {
    return sorted(rows.stream().map(JsonNode::toString).toList());
  }

  private static List<String> sorted(List<String> rows) {
    return rows.stream().sorted().toList();
  }

  private static String row(Struct value) {
    ArrayNode row = JsonNodeFactory.instance.arrayNode();
    value.schema().fields().forEach(field -> row.add(text(field.schema(), value.get(field))));
    return row.toString();
  }

  /** As tests/tools/TableText writes what the reader finds. */
  private static String text(Schema schema, Object value) {
    if (value == null) {
      return null;
    } else if (value instanceof BigDecimal decimal) {
      return decimal.toPlainString();
    } else if (value instanceof java.util.Date date) {
      return switch (schema.name()) {
        case Date.LOGICAL_NAME -> LocalDate.ofEpochDay(date.getTime() / 86_400_000).toString();
        case Time.LOGICAL_NAME -> String.valueOf(date.getTime());
        default -> Instant.ofEpochMilli(date.getTime()).toString();
      };
    } else if (value instanceof byte[] bytes) {
      return Base64.getEncoder().encodeToString(bytes);
    } else if (value instanceof ByteBuffer bytes) {
      byte[] copy = new byte[bytes.remaining()];
      bytes.duplicate().get(copy);
      return Base64.getEncoder().encodeToString(copy);
    } else if (value instanceof List<?> list) {
      StringJoiner out = new StringJoiner(", ", "[", "]");
      list.forEach(element -> out.add(text(schema.valueSchema(), element)));
      return out.toString();
    } else if (value instanceof Map<?, ?> map) {
      StringJoiner out = new StringJoiner(", ", "{", "}");
      map.forEach((key, one) -> out.add(key + "=" + text(schema.valueSchema(), one)));
      return out.toString();
    } else if (value instanceof Struct struct) {
      StringJoiner out = new StringJoiner(", ", "{", "}");
      for (Field field : schema.fields()) {
        out.add(field.name() + "=" + text(field.schema(), struct.get(field)));
      }
      return out.toString();
    }
    return value.toString();
  }
}
