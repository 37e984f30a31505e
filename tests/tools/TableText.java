import io.delta.kernel.data.ColumnVector;
import io.delta.kernel.types.*;
import java.time.Instant;
import java.time.LocalDate;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.StringJoiner;

/** A value of a table as text that a test can compare: null, or {@code {name=value, ...}}, {@code [a, b]}, ISO-8601, plain decimals. */
final class TableText {
    private TableText() {}

    /** {@code type} is the table's: under column mapping the vectors of nested columns still have the files' names. */
    static String of(ColumnVector column, DataType type, int row) {
        if (column.isNullAt(row)) {
            return null;
        }
        if (type instanceof StructType struct) {
            StringJoiner out = new StringJoiner(", ", "{", "}");
            for (int i = 0; i < struct.length(); i++) {
                out.add(struct.at(i).getName() + "=" + of(column.getChild(i), struct.at(i).getDataType(), row));
            }
            return out.toString();
        }
        if (type instanceof ArrayType list) {
            StringJoiner out = new StringJoiner(", ", "[", "]");
            var array = column.getArray(row);
            for (int i = 0; i < array.getSize(); i++) {
                out.add(of(array.getElements(), list.getElementType(), i));
            }
            return out.toString();
        }
        if (type instanceof MapType entries) {
            StringJoiner out = new StringJoiner(", ", "{", "}");
            var map = column.getMap(row);
            for (int i = 0; i < map.getSize(); i++) {
                out.add(of(map.getKeys(), entries.getKeyType(), i) + "=" + of(map.getValues(), entries.getValueType(), i));
            }
            return out.toString();
        }
        if (type instanceof StringType) {
            return column.getString(row);
        } else if (type instanceof BooleanType) {
            return String.valueOf(column.getBoolean(row));
        } else if (type instanceof LongType) {
            return String.valueOf(column.getLong(row));
        } else if (type instanceof IntegerType) {
            return String.valueOf(column.getInt(row));
        } else if (type instanceof ShortType) {
            return String.valueOf(column.getShort(row));
        } else if (type instanceof ByteType) {
            return String.valueOf(column.getByte(row));
        } else if (type instanceof DoubleType) {
            return String.valueOf(column.getDouble(row));
        } else if (type instanceof FloatType) {
            return String.valueOf(column.getFloat(row));
        } else if (type instanceof DecimalType) {
            return column.getDecimal(row).toPlainString();
        } else if (type instanceof DateType) {
            return LocalDate.ofEpochDay(column.getInt(row)).toString();
        } else if (type instanceof TimestampType) {
            return Instant.EPOCH.plus(column.getLong(row), ChronoUnit.MICROS).toString();
        } else if (type instanceof TimestampNTZType) {
            String text = Instant.EPOCH.plus(column.getLong(row), ChronoUnit.MICROS).toString();
            return text.substring(0, text.length() - 1);
        } else if (type instanceof BinaryType) {
            return Base64.getEncoder().encodeToString(column.getBinary(row));
        }
        throw new IllegalArgumentException("no text for type " + type);
    }
}
