package io.sluice.connect;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.Date;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.header.Headers;

/** Values whose type is only known from their Java class, as tagged bytes; docs/crossing.md has the tags. */
final class AnyColumn extends BytesColumn {
  private static final int NULL = 0;
  private static final int FALSE = 1;
  private static final int TRUE = 2;
  private static final int I8 = 3;
  private static final int I16 = 4;
  private static final int I32 = 5;
  private static final int I64 = 6;
  private static final int F32 = 7;
  private static final int F64 = 8;
  private static final int TEXT = 9;
  private static final int BYTES = 10;
  private static final int LIST = 11;
  private static final int MAP = 12;
  private static final int MAP_WITH_OTHER_KEYS = 13;
  private static final int DECIMAL = 14;
  private static final int INSTANT = 15;
  private static final int DATE = 17;
  private static final int TIME = 18;
  private static final int TIMESTAMP = 19;

  private static final int NAMES = 256;
  private static final int LONGEST_NAME = 128;

  // By hash, one in each place: maps and structs have the same names record after record.
  private final String[] names = new String[NAMES];
  private final byte[][] namesAsUtf8 = new byte[NAMES][];

  AnyColumn(Size size) {
    super(Schema.OPTIONAL_BYTES_SCHEMA, size);
  }

  @Override
  void append(Object value, Schema given) {
    value(value, given, 0);
    endRow();
  }

  @Override
  void appendValue(Object value) {
    append(value, null);
  }

  /** A list of lists of name and value. */
  void appendHeaders(Headers headers) {
    writeByte(LIST);
    varint(headers.size());
    for (Header header : headers) {
      try {
        writeByte(LIST);
        varint(2);
        value(header.key(), null, 2);
        value(header.value(), header.schema(), 2);
      } catch (Refusal e) {
        throw e.of("the header " + header.key());
      }
    }
    endRow();
  }

  /** {@code schema} may be null; {@code depth} counts the lists and maps around the value. */
  private void value(Object value, Schema schema, int depth) {
    if (value == null) {
      writeByte(NULL);
    } else if (value instanceof String text) {
      writeByte(TEXT);
      bytes(utf8(text));
    } else if (value instanceof Long number) {
      writeByte(I64);
      writeI64(number);
    } else if (value instanceof Integer number) {
      writeByte(I32);
      writeI32(number);
    } else if (value instanceof Double number) {
      writeByte(F64);
      writeI64(Double.doubleToRawLongBits(number));
    } else if (value instanceof Boolean flag) {
      writeByte(flag ? TRUE : FALSE);
    } else if (value instanceof Map<?, ?> map) {
      map(map, schema, deeper(depth));
    } else if (value instanceof List<?> list) {
      list(list, schema, deeper(depth));
    } else if (value instanceof Struct struct) {
      struct(struct, deeper(depth));
    } else if (value instanceof BigDecimal decimal) {
      decimal(decimal.scale(), decimal.unscaledValue());
    } else if (value instanceof BigInteger integer) {
      decimal(0, integer);
    } else if (value instanceof Date date) {
      date(date, schema == null ? null : schema.name());
    } else if (value instanceof byte[] bytes) {
      writeByte(BYTES);
      bytes(bytes);
    } else if (value instanceof ByteBuffer bytes) {
      writeByte(BYTES);
      varint(bytes.remaining());
      write(bytes);
    } else if (value instanceof Float number) {
      writeByte(F32);
      writeI32(Float.floatToRawIntBits(number));
    } else if (value instanceof Short number) {
      writeByte(I16);
      writeByte(number);
      writeByte(number >> 8);
    } else if (value instanceof Byte number) {
      writeByte(I8);
      writeByte(number);
    } else {
      throw new Refusal(ErrorCode.RECORD_ENCODING, "a " + value.getClass().getName() + " is not one of Connect's types");
    }
  }

  private void list(List<?> list, Schema schema, int depth) {
    Schema elements = schema != null && schema.type() == Schema.Type.ARRAY ? schema.valueSchema() : null;
    writeByte(LIST);
    varint(list.size());
    int index = 0;
    try {
      for (Object element : list) {
        value(element, elements, depth);
        index++;
      }
    } catch (Refusal e) {
      throw e.inElement(index);
    }
  }

  private void map(Map<?, ?> map, Schema schema, int depth) {
    boolean described = schema != null && schema.type() == Schema.Type.MAP;
    Schema keys = described ? schema.keySchema() : null;
    Schema values = described ? schema.valueSchema() : null;
    boolean textKeys = hasTextKeys(map);
    writeByte(textKeys ? MAP : MAP_WITH_OTHER_KEYS);
    varint(map.size());
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      try {
        if (textKeys) {
          name((String) entry.getKey());
        } else {
          key(entry.getKey(), keys, depth);
        }
        value(entry.getValue(), values, depth);
      } catch (Refusal e) {
        throw e.inField(String.valueOf(entry.getKey()));
      }
    }
  }

  private void key(Object key, Schema schema, int depth) {
    if (key == null) {
      throw MapColumn.nullKey();
    }
    value(key, schema, depth);
  }

  private static boolean hasTextKeys(Map<?, ?> map) {
    for (Object key : map.keySet()) {
      if (!(key instanceof String)) {
        return false;
      }
    }
    return true;
  }

  /** As a map of its fields. */
  private void struct(Struct struct, int depth) {
    List<Field> fields = struct.schema().fields();
    writeByte(MAP);
    varint(fields.size());
    for (Field field : fields) {
      try {
        name(field.name());
        Object value = struct.get(field);
        if (value == null && !field.schema().isOptional()) {
          throw new Refusal(ErrorCode.RECORD_SCHEMA, "the schema requires a value, and there is none");
        }
        value(value, field.schema(), depth);
      } catch (Refusal e) {
        throw e.inField(field.name());
      }
    }
  }

  private void name(String name) {
    int place = name.hashCode() & NAMES - 1;
    byte[] utf8;
    if (name.equals(names[place])) {
      utf8 = namesAsUtf8[place];
    } else {
      utf8 = utf8(name);
      if (utf8.length <= LONGEST_NAME) {
        names[place] = name;
        namesAsUtf8[place] = utf8;
      }
    }
    bytes(utf8);
  }

  private void decimal(int scale, BigInteger unscaled) {
    writeByte(DECIMAL);
    writeI32(scale);
    bytes(unscaled.toByteArray());
  }

  private void date(Date date, String schemaName) {
    if (org.apache.kafka.connect.data.Date.LOGICAL_NAME.equals(schemaName)) {
      writeByte(DATE);
      writeI32(LogicalColumns.days(date));
    } else if (Time.LOGICAL_NAME.equals(schemaName)) {
      writeByte(TIME);
      writeI32(LogicalColumns.millisOfDay(date));
    } else {
      writeByte(Timestamp.LOGICAL_NAME.equals(schemaName) ? TIMESTAMP : INSTANT);
      writeI64(date.getTime());
    }
  }

  private void bytes(byte[] bytes) {
    varint(bytes.length);
    write(bytes);
  }

  private void varint(int value) {
    int left = value;
    for (; left > 0x7f; left >>>= 7) {
      writeByte(left & 0x7f | 0x80);
    }
    writeByte(left);
  }

  private static int deeper(int depth) {
    if (depth == MAX_DEPTH) {
      throw Refusal.tooDeep();
    }
    return depth + 1;
  }
}
