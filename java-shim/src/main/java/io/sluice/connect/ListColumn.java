package io.sluice.connect;

import java.util.List;
import org.apache.kafka.connect.data.Schema;

final class ListColumn extends RepeatedColumn {
  private final Column elements;

  ListColumn(Schema schema, Size size, Column elements) {
    super(schema, size, List.of(elements));
    this.elements = elements;
  }

  @Override
  void appendValue(Object value) {
    if (!(value instanceof List<?> list)) {
      throw wrongClass(value);
    }
    int index = 0;
    try {
      for (Object element : list) {
        elements.append(element);
        index++;
      }
    } catch (Refusal e) {
      throw e.inElement(index);
    }
    endRow();
  }
}
