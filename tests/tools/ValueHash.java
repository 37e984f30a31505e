import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.delta.kernel.data.ColumnVector;
import io.delta.kernel.types.ArrayType;
import io.delta.kernel.types.BinaryType;
import io.delta.kernel.types.BooleanType;
import io.delta.kernel.types.ByteType;
import io.delta.kernel.types.DataType;
import io.delta.kernel.types.DateType;
import io.delta.kernel.types.DecimalType;
import io.delta.kernel.types.DoubleType;
import io.delta.kernel.types.FloatType;
import io.delta.kernel.types.IntegerType;
import io.delta.kernel.types.LongType;
import io.delta.kernel.types.MapType;
import io.delta.kernel.types.ShortType;
import io.delta.kernel.types.StringType;
import io.delta.kernel.types.StructType;
import io.delta.kernel.types.TimestampNTZType;
import io.delta.kernel.types.TimestampType;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Base64;

/** The same 64-bit hash for a value in JSON text and for that value in a table's column: equal values, equal hashes. */
final class ValueHash {
    static final long NULL = 0x5bd1e995_9e3779b9L;

    private ValueHash() {}

    /** Hashes of a JSON object's fields in the schema's order; what is absent or has no column counts as null or nothing. */
    static long[] fields(JsonParser json, StructType schema, byte[] line) throws IOException {
        long[] hashes = new long[schema.length()];
        Arrays.fill(hashes, NULL);
        if (json.currentToken() != JsonToken.START_OBJECT) {
            throw new IOException("not a JSON object");
        }
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            int column = schema.indexOf(json.currentName());
            json.nextToken();
            if (column < 0) {
                json.skipChildren();
            } else {
                hashes[column] = of(json, schema.at(column).getDataType(), line);
            }
        }
        return hashes;
    }

    private static long of(JsonParser json, DataType type, byte[] line) throws IOException {
        if (json.currentToken() == JsonToken.VALUE_NULL) {
            return NULL;
        }
        if (type instanceof StructType struct) {
            return combine(fields(json, struct, line));
        }
        if (type instanceof ArrayType array) {
            long hash = 1;
            while (json.nextToken() != JsonToken.END_ARRAY) {
                hash = combine(hash, of(json, array.getElementType(), line));
            }
            return mix(hash);
        }
        if (type instanceof MapType map) {
            long sum = 1;
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                long key = ofText(json.currentName());
                json.nextToken();
                sum += combine(key, of(json, map.getValueType(), line));
            }
            return mix(sum);
        }
        if (type instanceof StringType) {
            return ofText(json.currentToken().isStructStart() ? source(json, line) : json.getText());
        }
        String text = json.getText();
        if (type instanceof BooleanType) {
            return mix(json.getBooleanValue() ? 1 : 0);
        } else if (type instanceof LongType || type instanceof IntegerType || type instanceof ShortType || type instanceof ByteType) {
            return mix(json.currentToken() == JsonToken.VALUE_NUMBER_INT ? json.getLongValue() : new BigDecimal(text).longValueExact());
        } else if (type instanceof DoubleType) {
            return ofDouble(Double.parseDouble(text));
        } else if (type instanceof FloatType) {
            return ofDouble(Float.parseFloat(text));
        } else if (type instanceof DecimalType) {
            return ofDecimal(new BigDecimal(text));
        } else if (type instanceof TimestampType) {
            return ofMicros(OffsetDateTime.parse(text).toLocalDateTime(), OffsetDateTime.parse(text).getOffset());
        } else if (type instanceof TimestampNTZType) {
            return ofMicros(LocalDateTime.parse(text), ZoneOffset.UTC);
        } else if (type instanceof DateType) {
            return mix(LocalDate.parse(text).toEpochDay());
        } else if (type instanceof BinaryType) {
            return Arrays.hashCode(Base64.getDecoder().decode(text));
        }
        throw new IOException("no hash for type " + type);
    }

    static long of(ColumnVector column, int row) {
        if (column.isNullAt(row)) {
            return NULL;
        }
        DataType type = column.getDataType();
        if (type instanceof StructType struct) {
            long[] hashes = new long[struct.length()];
            for (int i = 0; i < hashes.length; i++) {
                hashes[i] = of(column.getChild(i), row);
            }
            return combine(hashes);
        }
        if (type instanceof ArrayType) {
            var array = column.getArray(row);
            long hash = 1;
            for (int i = 0; i < array.getSize(); i++) {
                hash = combine(hash, of(array.getElements(), i));
            }
            return mix(hash);
        }
        if (type instanceof MapType) {
            var map = column.getMap(row);
            long sum = 1;
            for (int i = 0; i < map.getSize(); i++) {
                sum += combine(of(map.getKeys(), i), of(map.getValues(), i));
            }
            return mix(sum);
        }
        if (type instanceof StringType) {
            return ofText(column.getString(row));
        } else if (type instanceof BooleanType) {
            return mix(column.getBoolean(row) ? 1 : 0);
        } else if (type instanceof LongType || type instanceof TimestampType || type instanceof TimestampNTZType) {
            return mix(column.getLong(row));
        } else if (type instanceof IntegerType || type instanceof DateType) {
            return mix(column.getInt(row));
        } else if (type instanceof ShortType) {
            return mix(column.getShort(row));
        } else if (type instanceof ByteType) {
            return mix(column.getByte(row));
        } else if (type instanceof DoubleType) {
            return ofDouble(column.getDouble(row));
        } else if (type instanceof FloatType) {
            return ofDouble(column.getFloat(row));
        } else if (type instanceof DecimalType) {
            return ofDecimal(column.getDecimal(row));
        } else if (type instanceof BinaryType) {
            return Arrays.hashCode(column.getBinary(row));
        }
        throw new IllegalArgumentException("no hash for type " + type);
    }

    /** The hash of a row, from those of its columns. */
    static long combine(long[] hashes) {
        long hash = 1;
        for (long part : hashes) {
            hash = combine(hash, part);
        }
        return mix(hash);
    }

    private static long combine(long hash, long part) {
        return mix(hash * 31 + part);
    }

    /** The JSON text of an object or array, as it stands in the line. */
    private static String source(JsonParser json, byte[] line) throws IOException {
        int from = (int) json.currentTokenLocation().getByteOffset();
        json.skipChildren();
        int to = (int) json.currentLocation().getByteOffset();
        return new String(line, from, to - from, StandardCharsets.UTF_8);
    }

    private static long ofText(String text) {
        long hash = 7;
        for (int i = 0; i < text.length(); i++) {
            hash = hash * 0x100000001b3L ^ text.charAt(i);
        }
        return mix(hash);
    }

    private static long ofDouble(double value) {
        return mix(Double.doubleToLongBits(value + 0.0)); // makes -0.0 the same as 0.0
    }

    private static long ofDecimal(BigDecimal value) {
        return ofText(value.signum() == 0 ? "0" : value.stripTrailingZeros().toPlainString());
    }

    private static long ofMicros(LocalDateTime time, ZoneOffset offset) {
        return mix(ChronoUnit.MICROS.between(java.time.Instant.EPOCH, time.toInstant(offset)));
    }

    private static long mix(long x) {
        x = (x ^ (x >>> 33)) * 0xff51afd7ed558ccdL;
        x = (x ^ (x >>> 33)) * 0xc4ceb9fe1a85ec53L;
        return x ^ (x >>> 33);
    }
}
