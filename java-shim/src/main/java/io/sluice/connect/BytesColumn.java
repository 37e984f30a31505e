package io.sluice.connect;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.connect.data.Schema;

/** A column of byte strings. A row is written with {@link #write} and ended with {@link #endRow}. */
abstract class BytesColumn extends Column {
  private static final VarHandle I32 = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle I64 = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private final Size size;
  private int[] ends = new int[1];
  private byte[] data = new byte[0];
  private int used;
  private int usualBytes;

  BytesColumn(Schema schema, Size size) {
    super(schema);
    this.size = size;
  }

  static class BinaryColumn extends BytesColumn {
    BinaryColumn(Schema schema, Size size) {
      super(schema, size);
    }

    @Override
    void appendValue(Object value) {
      if (value instanceof byte[] bytes) {
        write(bytes);
      } else if (value instanceof ByteBuffer bytes) {
        write(bytes);
      } else {
        throw wrongClass(value);
      }
      endRow();
    }
  }

  /** Keys or values as they are in Kafka. */
  static final class RawColumn extends BinaryColumn {
    RawColumn(Size size) {
      super(Schema.OPTIONAL_BYTES_SCHEMA, size);
    }

    @Override
    void appendValue(Object value) {
      super.appendValue(value instanceof String text ? text.getBytes(StandardCharsets.UTF_8) : value);
    }
  }

  static final class StringColumn extends BytesColumn {
    StringColumn(Schema schema, Size size) {
      super(schema, size);
    }

    @Override
    void appendValue(Object value) {
      if (!(value instanceof String text)) {
        throw wrongClass(value);
      }
      write(utf8(text));
      endRow();
    }
  }

  /** Refuses what is not Unicode, of which {@code getBytes} makes question marks. */
  static byte[] utf8(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    for (byte one : utf8) {
      if (one == '?') {
        demandPairedSurrogates(text);
        break;
      }
    }
    return utf8;
  }

  private static void demandPairedSurrogates(String text) {
    for (int i = 0; i < text.length(); i++) {
      char unit = text.charAt(i);
      if (Character.isHighSurrogate(unit) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
        i++;
      } else if (Character.isSurrogate(unit)) {
        throw new Refusal(ErrorCode.RECORD_ENCODING, "the text has half a surrogate pair at position " + i + " and so is not Unicode");
      }
    }
  }

  final void write(byte[] source) {
    System.arraycopy(source, 0, room(source.length), used, source.length);
    used += source.length;
  }

  /** Leaves the buffer's position alone. */
  final void write(ByteBuffer source) {
    int length = source.remaining();
    source.duplicate().get(room(length), used, length);
    used += length;
  }

  final void writeByte(int value) {
    room(1)[used++] = (byte) value;
  }

  final void writeI32(int value) {
    I32.set(room(Integer.BYTES), used, value);
    used += Integer.BYTES;
  }

  final void writeI64(long value) {
    I64.set(room(Long.BYTES), used, value);
    used += Long.BYTES;
  }

  final void endRow() {
    int row = addRow();
    size.bytes += used - ends[row];
    ends[row + 1] = used;
  }

  @Override
  final void fillNull(int row) {
    ends[row + 1] = used;
  }

  @Override
  final void truncate(int row) {
    size.bytes -= ends[rows()] - ends[row];
    used = ends[row];
    super.truncate(row);
  }

  @Override
  final void clear() {
    usualBytes = usual(usualBytes, used);
    super.clear();
    used = 0;
    if (isOversized(data.length, usualBytes)) {
      data = new byte[usualBytes];
    }
  }

  @Override
  final void resize(int rows) {
    ends = Arrays.copyOf(ends, rows + 1);
  }

  @Override
  final void addData(List<Object> buffers) {
    buffers.add(ends);
    buffers.add(data);
  }

  private byte[] room(int length) {
    int needed = Math.addExact(used, length);
    if (needed > data.length) {
      data = Arrays.copyOf(data, grown(data.length, needed));
    }
    return data;
  }
}
