package io.sluice.connect;

import java.math.BigDecimal;
import java.util.Date;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Schema;

/** The columns of Connect's own logical types, whose Java values are not of the schema's type. */
final class LogicalColumns {
  private static final long DAY_MS = 86_400_000;

  private LogicalColumns() {}

  static final class DateColumn extends FixedColumns.IntColumn {
    DateColumn(Schema schema) {
      super(schema);
    }

    @Override
    void appendValue(Object value) {
      if (!(value instanceof Date date)) {
        throw wrongClass(value);
      }
      add(days(date));
    }
  }

  static final class TimeColumn extends FixedColumns.IntColumn {
    TimeColumn(Schema schema) {
      super(schema);
    }

    @Override
    void appendValue(Object value) {
      if (!(value instanceof Date time)) {
        throw wrongClass(value);
      }
      add(millisOfDay(time));
    }
  }

  static final class TimestampColumn extends FixedColumns.LongColumn {
    TimestampColumn(Schema schema) {
      super(schema);
    }

    @Override
    void appendValue(Object value) {
      if (!(value instanceof Date timestamp)) {
        throw wrongClass(value);
      }
      add(timestamp.getTime());
    }
  }

  static final class DecimalColumn extends BytesColumn {
    private final int scale;

    DecimalColumn(Schema schema, Size size) {
      super(schema, size);
      String given = schema.parameters() == null ? null : schema.parameters().get(Decimal.SCALE_FIELD);
      try {
        scale = Integer.parseInt(given);
      } catch (NumberFormatException e) {
        throw new Refusal(ErrorCode.RECORD_SCHEMA, "the schema is a Decimal whose scale is " + given);
      }
    }

    @Override
    void appendValue(Object value) {
      if (!(value instanceof BigDecimal decimal)) {
        throw wrongClass(value);
      }
      if (decimal.scale() != scale) {
        throw new Refusal(
            ErrorCode.RECORD_SCHEMA, "the schema says a decimal of scale " + scale + ", and the value's scale is " + decimal.scale());
      }
      write(decimal.unscaledValue().toByteArray());
      endRow();
    }
  }

  /** Since the epoch. */
  static int days(Date date) {
    long days = Math.floorDiv(date.getTime(), DAY_MS);
    if (days * DAY_MS != date.getTime() || days != (int) days) {
      throw new Refusal(ErrorCode.RECORD_ENCODING, "a Date has to be midnight UTC of some day, and this one is " + date.getTime() + " ms");
    }
    return (int) days;
  }

  static int millisOfDay(Date time) {
    if (time.getTime() < 0 || time.getTime() >= DAY_MS) {
      throw new Refusal(ErrorCode.RECORD_ENCODING, "a Time has to be on 1 January 1970 UTC, and this one is " + time.getTime() + " ms");
    }
    return (int) time.getTime();
  }
}
