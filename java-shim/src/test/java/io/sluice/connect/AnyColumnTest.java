package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class AnyColumnTest {
  private static final int ROW = 6; // a map of one entry with a name of two bytes and true: 0c 01 02 name 02

  @Test
  void names_with_the_same_hash_stay_what_they_are() {
    assertEquals("Aa".hashCode(), "BB".hashCode());
    List<String> names = List.of("Aa", "BB", "BB", "Aa");
    AnyColumn column = new AnyColumn(new Column.Size());
    names.forEach(name -> column.append(Map.of(name, true)));
    List<Object> buffers = new ArrayList<>();
    column.addBuffers(buffers);
    byte[] data = (byte[]) buffers.get(2);
    for (int row = 0; row < names.size(); row++) {
      assertEquals(names.get(row), new String(data, row * ROW + 3, 2, StandardCharsets.UTF_8));
    }
  }
}
