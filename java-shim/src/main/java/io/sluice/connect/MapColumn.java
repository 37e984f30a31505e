package io.sluice.connect;

import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;

final class MapColumn extends RepeatedColumn {
  private final Column keys;
  private final Column values;

  MapColumn(Schema schema, Size size, Column keys, Column values) {
    super(schema, size, List.of(keys, values));
    this.keys = keys;
    this.values = values;
  }

  @Override
  void appendValue(Object value) {
    if (!(value instanceof Map<?, ?> map)) {
      throw wrongClass(value);
    }
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      try {
        if (entry.getKey() == null) {
          throw nullKey();
        }
        keys.append(entry.getKey());
        values.append(entry.getValue());
      } catch (Refusal e) {
        throw e.inField(String.valueOf(entry.getKey()));
      }
    }
    endRow();
  }

  static Refusal nullKey() {
    return new Refusal(ErrorCode.RECORD_ENCODING, "a key of the map is null");
  }
}
