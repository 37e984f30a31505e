package io.sluice.connect;

import java.util.Arrays;
import java.util.List;
import org.apache.kafka.connect.data.Schema;

/** The columns whose values all have the same width. */
final class FixedColumns {
  private FixedColumns() {}

  static final class BooleanColumn extends Column {
    private final Bits values = new Bits();

    BooleanColumn(Schema schema) {
      super(schema);
    }

    @Override
    void appendValue(Object value) {
      if (!(value instanceof Boolean flag)) {
        throw wrongClass(value);
      }
      int row = addRow();
      if (flag) {
        values.set(row);
      }
    }

    @Override
    void fillNull(int row) {}

    @Override
    void truncate(int row) {
      values.unset(row, rows());
      super.truncate(row);
    }

    @Override
    void clear() {
      values.unset(0, rows());
      super.clear();
    }

    @Override
    void resize(int rows) {
      values.resize(rows);
    }

    @Override
    void addData(List<Object> buffers) {
      buffers.add(values.words());
    }
  }

  static final class ByteColumn extends Column {
    private byte[] values = new byte[0];

    ByteColumn(Schema schema) {
      super(schema);
    }

    void add(byte value) {
      int row = addRow();
      values[row] = value;
    }

    @Override
    void appendValue(Object value) {
      if (!(value instanceof Byte number)) {
        throw wrongClass(value);
      }
      add(number);
    }

    @Override
    void fillNull(int row) {
      values[row] = 0;
    }

    @Override
    void resize(int rows) {
      values = Arrays.copyOf(values, rows);
    }

    @Override
    void addData(List<Object> buffers) {
      buffers.add(values);
    }
  }

  static final class ShortColumn extends Column {
    private short[] values = new short[0];

    ShortColumn(Schema schema) {
      super(schema);
    }

    @Override
    void appendValue(Object value) {
      if (!(value instanceof Short number)) {
        throw wrongClass(value);
      }
      int row = addRow();
      values[row] = number;
    }

    @Override
    void fillNull(int row) {
      values[row] = 0;
    }

    @Override
    void resize(int rows) {
      values = Arrays.copyOf(values, rows);
    }

    @Override
    void addData(List<Object> buffers) {
      buffers.add(values);
    }
  }

  static class IntColumn extends Column {
    private int[] values = new int[0];

    IntColumn(Schema schema) {
      super(schema);
    }

    final void add(int value) {
      int row = addRow();
      values[row] = value;
    }

    @Override
    void appendValue(Object value) {
      if (!(value instanceof Integer number)) {
        throw wrongClass(value);
      }
      add(number);
    }

    @Override
    final void fillNull(int row) {
      values[row] = 0;
    }

    @Override
    final void resize(int rows) {
      values = Arrays.copyOf(values, rows);
    }

    @Override
    final void addData(List<Object> buffers) {
      buffers.add(values);
    }
  }

  static class LongColumn extends Column {
    private long[] values = new long[0];

    LongColumn(Schema schema) {
      super(schema);
    }

    final void add(long value) {
      int row = addRow();
      values[row] = value;
    }

    @Override
    void appendValue(Object value) {
      if (!(value instanceof Long number)) {
        throw wrongClass(value);
      }
      add(number);
    }

    @Override
    final void fillNull(int row) {
      values[row] = 0;
    }

    @Override
    final void resize(int rows) {
      values = Arrays.copyOf(values, rows);
    }

    @Override
    final void addData(List<Object> buffers) {
      buffers.add(values);
    }
  }

  static final class FloatColumn extends Column {
    private float[] values = new float[0];

    FloatColumn(Schema schema) {
      super(schema);
    }

    @Override
    void appendValue(Object value) {
      if (!(value instanceof Float number)) {
        throw wrongClass(value);
      }
      int row = addRow();
      values[row] = number;
    }

    @Override
    void fillNull(int row) {
      values[row] = 0;
    }

    @Override
    void resize(int rows) {
      values = Arrays.copyOf(values, rows);
    }

    @Override
    void addData(List<Object> buffers) {
      buffers.add(values);
    }
  }

  static final class DoubleColumn extends Column {
    private double[] values = new double[0];

    DoubleColumn(Schema schema) {
      super(schema);
    }

    @Override
    void appendValue(Object value) {
      if (!(value instanceof Double number)) {
        throw wrongClass(value);
      }
      int row = addRow();
      values[row] = number;
    }

    @Override
    void fillNull(int row) {
      values[row] = 0;
    }

    @Override
    void resize(int rows) {
      values = Arrays.copyOf(values, rows);
    }

    @Override
    void addData(List<Object> buffers) {
      buffers.add(values);
    }
  }
}
