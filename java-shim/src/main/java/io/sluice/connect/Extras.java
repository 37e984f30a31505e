package io.sluice.connect;

import io.sluice.connect.FixedColumns.ByteColumn;
import io.sluice.connect.FixedColumns.IntColumn;
import io.sluice.connect.FixedColumns.LongColumn;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.sink.SinkRecord;

/** The columns of a segment that the core has asked for with {@link Needs}; the others are null. */
final class Extras {
  private final Registry registry;
  private final IntColumn topics;
  private final LongColumn timestamps;
  private final ByteColumn timestampTypes;
  private final AnyColumn headers;
  private final List<Column> columns;

  Extras(Needs needs, Registry registry, Column.Size size) {
    this.registry = registry;
    topics = needs.topic ? new IntColumn(Schema.INT32_SCHEMA) : null;
    timestamps = needs.timestamp ? new LongColumn(Schema.OPTIONAL_INT64_SCHEMA) : null;
    timestampTypes = needs.timestamp ? new ByteColumn(Schema.INT8_SCHEMA) : null;
    headers = needs.headers ? new AnyColumn(size) : null;
    columns = Stream.of(topics, timestamps, timestampTypes, headers).filter(Objects::nonNull).toList();
  }

  void append(SinkRecord record) {
    if (topics != null) {
      topics.add(registry.topic(record.topic()));
    }
    if (timestamps != null) {
      timestamps.append(record.timestamp());
      TimestampType type = record.timestampType();
      timestampTypes.add((byte) (type == null ? TimestampType.NO_TIMESTAMP_TYPE : type).id);
    }
    if (headers != null) {
      headers.appendHeaders(record.headers());
    }
  }

  void truncate(int row) {
    columns.forEach(column -> column.truncate(row));
  }

  void clear() {
    columns.forEach(Column::clear);
  }

  void addBuffers(List<Object> buffers) {
    addData(topics, 1, buffers);
    if (timestamps == null) {
      addData(null, 2, buffers);
    } else {
      timestamps.addBuffers(buffers);
    }
    addData(timestampTypes, 1, buffers);
    addData(headers, 2, buffers);
  }

  private static void addData(Column column, int count, List<Object> buffers) {
    if (column != null) {
      column.addData(buffers);
      return;
    }
    for (int i = 0; i < count; i++) {
      buffers.add(null);
    }
  }
}
