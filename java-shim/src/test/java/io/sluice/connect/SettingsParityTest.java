package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Java's validation finds fault with the same keys as Rust's reader of settings: both are tested with the same cases. */
class SettingsParityTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @Test
  void the_same_keys_have_errors() throws IOException {
    Path cases = TestFiles.golden("settings-cases.json");
    JsonNode all = JSON.readTree(cases.toFile());
    assertFalse(all.isEmpty());
    StringBuilder differences = new StringBuilder();
    for (JsonNode one : all) {
      Map<String, String> settings = JSON.convertValue(one.get("config"), new TypeReference<>() {});
      Set<String> expected = new TreeSet<>();
      if (!one.path("native_only").asBoolean()) { // a fault that only a task's native side looks for
        one.get("errors").fieldNames().forEachRemaining(expected::add);
      }
      Set<String> actual =
          new DeltaSinkConnector()
              .validate(settings).configValues().stream()
              .filter(value -> !value.errorMessages().isEmpty())
              .map(value -> value.name())
              .collect(Collectors.toCollection(TreeSet::new));
      if (!actual.equals(expected)) {
        differences.append("\n").append(one.get("case").asText()).append(": wanted ").append(expected).append(", found ").append(actual);
      }
    }
    assertEquals("", differences.toString());
  }
}
