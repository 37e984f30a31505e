package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.Test;

/** Random schemas and random values come out of a batch as they went in, also through an encoder that has been used before. */
class RandomRecordsTest {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private final Random random = new Random(20_261_122);
  private final RandomData data = new RandomData(random, false);
  private final FakeNative core = new FakeNative();
  private final Partitions partitions = new Partitions();

  @Test
  void structs() {
    partitions.add(new TopicPartition("t", 0));
    SegmentEncoder encoder = encoder(InputMode.CONNECT);
    List<Schema> schemas = new ArrayList<>();
    for (int batch = 0; batch < 400; batch++) {
      schemas.add(data.struct(0).build());
      List<SinkRecord> records = new ArrayList<>();
      List<JsonNode> expected = new ArrayList<>();
      for (int rows = random.nextInt(150); rows > 0; rows--) {
        Schema schema = schemas.get(Math.max(0, schemas.size() - 1 - random.nextInt(3)));
        Object value = data.value(schema);
        records.add(new SinkRecord("t", 0, null, null, schema, value, records.size()));
        expected.add(clear(schema, value));
      }
      encoder.encode(records);
      assertEquals(List.of(), encoder.refused());
      JsonNode read = new BatchReader(encoder.meta(), encoder.buffers(), core.schemas).clear;
      assertEquals(expected.size(), read.findValues("seq").size());
      for (JsonNode segment : read.get("segments")) {
        for (JsonNode row : segment.get("rows")) {
          assertEquals(expected.get(row.get("seq").asInt()), row.get("value"));
        }
      }
    }
  }

  @Test
  void values_without_schema() {
    partitions.add(new TopicPartition("t", 0));
    SegmentEncoder encoder = encoder(InputMode.AUTO);
    for (int batch = 0; batch < 300; batch++) {
      List<SinkRecord> records = new ArrayList<>();
      List<JsonNode> expected = new ArrayList<>();
      for (int rows = 1 + random.nextInt(40); rows > 0; rows--) {
        Map<String, Object> value = new LinkedHashMap<>();
        ArrayNode entries = JSON.arrayNode();
        for (int fields = random.nextInt(200) == 0 ? 200 : random.nextInt(5); fields > 0; fields--) {
          String name = data.text() + fields;
          entries.add(JSON.arrayNode().add(name).add(any(value, name, 0)));
        }
        records.add(new SinkRecord("t", 0, null, null, null, value, records.size()));
        expected.add(tagged(12, entries));
      }
      encoder.encode(records);
      assertEquals(List.of(), encoder.refused());
      JsonNode rows = new BatchReader(encoder.meta(), encoder.buffers(), core.schemas).clear.at("/segments/0/rows");
      for (JsonNode row : rows) {
        ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(row.get("value").asText())).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(expected.get(row.get("seq").asInt()), readAny(bytes));
        assertEquals(0, bytes.remaining());
      }
      assertEquals(records.size(), rows.size());
    }
  }

  private SegmentEncoder encoder(InputMode mode) {
    return new SegmentEncoder(partitions, Origin.ofThisWorker(), mode, Needs.NOTHING, new Registry(core, FakeNative.HANDLE));
  }

  private static JsonNode clear(Schema schema, Object value) {
    if (value == null) {
      return JSON.nullNode();
    } else if (value instanceof java.util.Date date) {
      boolean isDate = Date.LOGICAL_NAME.equals(schema.name());
      return JSON.numberNode(isDate ? Math.floorDiv(date.getTime(), 86_400_000L) : date.getTime());
    } else if (value instanceof BigDecimal decimal) {
      return JSON.textNode(HexFormat.of().formatHex(decimal.unscaledValue().toByteArray()));
    } else if (value instanceof byte[] bytes) {
      return JSON.textNode(HexFormat.of().formatHex(bytes));
    } else if (value instanceof ByteBuffer bytes) {
      byte[] copy = new byte[bytes.remaining()];
      bytes.duplicate().get(copy);
      return JSON.textNode(HexFormat.of().formatHex(copy));
    } else if (value instanceof Float || value instanceof Double) {
      return JSON.numberNode(((Number) value).doubleValue());
    } else if (value instanceof Number number) {
      return JSON.numberNode(number.longValue());
    } else if (value instanceof Boolean flag) {
      return JSON.booleanNode(flag);
    } else if (value instanceof String text) {
      return JSON.textNode(text);
    } else if (value instanceof List<?> list) {
      ArrayNode array = JSON.arrayNode();
      list.forEach(element -> array.add(clear(schema.valueSchema(), element)));
      return array;
    } else if (value instanceof Map<?, ?> map) {
      ArrayNode array = JSON.arrayNode();
      map.forEach((key, one) -> array.add(JSON.arrayNode().add(clear(schema.keySchema(), key)).add(clear(schema.valueSchema(), one))));
      return array;
    }
    ObjectNode object = JSON.objectNode();
    for (Field field : schema.fields()) {
      object.set(field.name(), clear(field.schema(), ((Struct) value).get(field)));
    }
    return object;
  }

  /** Puts a random value into the map or list, and says how it is to be read. */
  @SuppressWarnings("unchecked")
  private JsonNode any(Object parent, String name, int depth) {
    Object value;
    JsonNode read;
    switch (random.nextInt(depth < 4 ? 15 : 12)) {
      case 0: value = null; read = tagged(0, null); break;
      case 1: value = random.nextBoolean(); read = tagged((boolean) value ? 2 : 1, null); break;
      case 2: value = (byte) random.nextInt(); read = tagged(3, JSON.numberNode((long) (byte) value)); break;
      case 3: value = (short) random.nextInt(); read = tagged(4, JSON.numberNode((long) (short) value)); break;
      case 4: value = random.nextInt(); read = tagged(5, JSON.numberNode((long) (int) value)); break;
      case 5: value = random.nextLong(); read = tagged(6, JSON.numberNode((long) value)); break;
      case 6: value = random.nextFloat(); read = tagged(7, JSON.numberNode((double) (float) value)); break;
      case 7: value = random.nextGaussian(); read = tagged(8, JSON.numberNode((double) value)); break;
      case 8: value = data.text(); read = tagged(9, JSON.textNode((String) value)); break;
      case 9: value = data.bytes(); read = tagged(10, clear(null, value)); break;
      case 10:
        value = new BigDecimal(new BigInteger(200, random), random.nextInt(20) - 10);
        read = tagged(14, JSON.arrayNode().add((long) ((BigDecimal) value).scale()).add(clear(null, value)));
        break;
      case 11: value = new java.util.Date(random.nextLong()); read = tagged(15, JSON.numberNode(((java.util.Date) value).getTime())); break;
      case 12: {
        List<Object> list = new ArrayList<>();
        ArrayNode elements = JSON.arrayNode();
        for (int size = random.nextInt(4); size > 0; size--) {
          elements.add(any(list, null, depth + 1));
        }
        value = list;
        read = tagged(11, elements);
        break;
      }
      case 13: {
        Map<String, Object> map = new LinkedHashMap<>();
        ArrayNode entries = JSON.arrayNode();
        for (int size = random.nextInt(4); size > 0; size--) {
          String key = data.text() + size;
          entries.add(JSON.arrayNode().add(key).add(any(map, key, depth + 1)));
        }
        value = map;
        read = tagged(12, entries);
        break;
      }
      default: {
        long key = random.nextLong();
        value = Map.of(key, true);
        read = tagged(13, JSON.arrayNode().add(JSON.arrayNode().add(tagged(6, JSON.numberNode(key))).add(tagged(2, null))));
      }
    }
    if (name == null) {
      ((List<Object>) parent).add(value);
    } else {
      ((Map<String, Object>) parent).put(name, value);
    }
    return read;
  }

  private static JsonNode tagged(int tag, JsonNode content) {
    return JSON.arrayNode().add((long) tag).add(content);
  }

  private static JsonNode readAny(ByteBuffer in) {
    int tag = in.get();
    return tagged(
        tag,
        switch (tag) {
          case 0, 1, 2 -> null;
          case 3 -> JSON.numberNode((long) in.get());
          case 4 -> JSON.numberNode((long) in.getShort());
          case 5 -> JSON.numberNode((long) in.getInt());
          case 6, 15 -> JSON.numberNode(in.getLong());
          case 7 -> JSON.numberNode((double) in.getFloat());
          case 8 -> JSON.numberNode(in.getDouble());
          case 9 -> JSON.textNode(new String(readBytes(in), StandardCharsets.UTF_8));
          case 10 -> clear(null, readBytes(in));
          case 14 -> JSON.arrayNode().add((long) in.getInt()).add(clear(null, readBytes(in)));
          case 11, 12, 13 -> {
            ArrayNode items = JSON.arrayNode();
            for (int left = varint(in); left > 0; left--) {
              if (tag == 11) {
                items.add(readAny(in));
              } else {
                JsonNode key = tag == 12 ? JSON.textNode(new String(readBytes(in), StandardCharsets.UTF_8)) : readAny(in);
                items.add(JSON.arrayNode().add(key).add(readAny(in)));
              }
            }
            yield items;
          }
          default -> throw new AssertionError("tag " + tag);
        });
  }

  private static byte[] readBytes(ByteBuffer in) {
    byte[] bytes = new byte[varint(in)];
    in.get(bytes);
    return bytes;
  }

  private static int varint(ByteBuffer in) {
    int value = 0;
    for (int shift = 0; ; shift += 7) {
      byte one = in.get();
      value |= (one & 0x7f) << shift;
      if (one >= 0) {
        return value;
      }
    }
  }
}
