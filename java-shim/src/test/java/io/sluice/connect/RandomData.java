package io.sluice.connect;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;

/** Random schemas, and random values of them. */
final class RandomData {
  private static final String PRECISION = "connect.decimal.precision";
  private static final String[] PRECISIONS = {"5", "9", "18", "19", "38"};
  private static final Schema[] MAP_KEYS = {Schema.STRING_SCHEMA, Schema.INT64_SCHEMA, Schema.INT32_SCHEMA};
  private static final long YEAR_1 = -62_135_596_800_000L;
  private static final long YEAR_10000 = 253_402_300_800_000L;

  private final Random random;
  private final boolean forTables; // only what a Delta table can hold

  RandomData(Random random, boolean forTables) {
    this.random = random;
    this.forTables = forTables;
  }

  SchemaBuilder struct(int depth) {
    SchemaBuilder struct = SchemaBuilder.struct();
    for (int fields = random.nextInt(6) + (forTables ? 1 : 0); fields > 0; fields--) {
      struct.field("f" + fields, schema(depth + 1));
    }
    return struct;
  }

  Schema schema(int depth) {
    SchemaBuilder builder =
        switch (random.nextInt(depth < 4 ? 16 : 13)) {
          case 0 -> SchemaBuilder.int8();
          case 1 -> SchemaBuilder.int16();
          case 2 -> SchemaBuilder.int32().name("other.Type");
          case 3 -> SchemaBuilder.int64();
          case 4 -> SchemaBuilder.float32();
          case 5 -> SchemaBuilder.float64();
          case 6 -> SchemaBuilder.bool();
          case 7 -> SchemaBuilder.string();
          case 8 -> SchemaBuilder.bytes().doc("bytes");
          case 9 -> Decimal.builder(random.nextInt(5)).parameter(PRECISION, PRECISIONS[random.nextInt(PRECISIONS.length)]);
          case 10 -> Date.builder();
          case 11 -> Time.builder();
          case 12 -> Timestamp.builder();
          case 13 -> SchemaBuilder.array(schema(depth + 1));
          case 14 -> SchemaBuilder.map(MAP_KEYS[random.nextInt(MAP_KEYS.length)], schema(depth + 1));
          default -> struct(depth);
        };
    return random.nextBoolean() ? builder.optional().build() : builder.build();
  }

  Object value(Schema schema) {
    if (schema.isOptional() && random.nextInt(4) == 0) {
      return null;
    }
    String name = String.valueOf(schema.name());
    switch (name) {
      case Decimal.LOGICAL_NAME: return decimal(schema.parameters());
      case Date.LOGICAL_NAME: return new java.util.Date(86_400_000L * random.nextInt(-719_162, 2_932_897));
      case Time.LOGICAL_NAME: return new java.util.Date(random.nextInt(86_400_000));
      case Timestamp.LOGICAL_NAME: return new java.util.Date(forTables ? random.nextLong(YEAR_1, YEAR_10000) : random.nextLong());
      default: break;
    }
    return switch (schema.type()) {
      case INT8 -> (byte) random.nextInt();
      case INT16 -> (short) random.nextInt();
      case INT32 -> random.nextInt();
      case INT64 -> random.nextLong();
      case FLOAT32 -> random.nextFloat();
      case FLOAT64 -> random.nextInt(9) == 0 ? Double.NaN : random.nextGaussian();
      case BOOLEAN -> random.nextBoolean();
      case STRING -> text();
      case BYTES -> random.nextBoolean() ? bytes() : ByteBuffer.wrap(bytes()).asReadOnlyBuffer();
      case ARRAY -> {
        List<Object> list = new ArrayList<>();
        for (int size = random.nextInt(4); size > 0; size--) {
          list.add(value(schema.valueSchema()));
        }
        yield list;
      }
      case MAP -> {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (int size = random.nextInt(4); size > 0; size--) {
          Object key = value(schema.keySchema());
          map.put(key instanceof String text ? text + size : key, value(schema.valueSchema()));
        }
        yield map;
      }
      case STRUCT -> {
        Struct struct = new Struct(schema);
        schema.fields().forEach(field -> struct.put(field, value(field.schema())));
        yield struct;
      }
    };
  }

  private BigDecimal decimal(Map<String, String> parameters) {
    int bits = (int) (Integer.parseInt(parameters.get(PRECISION)) * Math.log(10) / Math.log(2)); // 2^bits is at most 10^precision
    BigInteger unscaled = new BigInteger(bits, random);
    return new BigDecimal(random.nextBoolean() ? unscaled : unscaled.negate(), Integer.parseInt(parameters.get(Decimal.SCALE_FIELD)));
  }

  String text() {
    String[] parts = {"", "a", "é", "€", "\uD83D\uDE80", "?", "long ".repeat(40)};
    return parts[random.nextInt(parts.length)] + parts[random.nextInt(parts.length)];
  }

  byte[] bytes() {
    byte[] bytes = new byte[random.nextInt(5)];
    random.nextBytes(bytes);
    return bytes;
  }
}
