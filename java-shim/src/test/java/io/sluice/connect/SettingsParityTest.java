package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

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

/** Validation finds fault with the same keys as Rust's reader of settings: both are tested with the same cases. */
class SettingsParityTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @Test
  void java_alone_finds_fault_with_the_same_keys() throws IOException {
    assertEquals("", differences(DeltaSinkConnectorTest.withoutLibrary(), false));
  }

  @Test
  void with_the_native_library_nothing_is_left_for_a_task_to_find() throws IOException {
    assumeTrue(
        System.getProperty(NativeLibrary.PATH) != null, "no native library: give one with gradle -D" + NativeLibrary.PATH + "=FILE");
    assertEquals("", differences(new DeltaSinkConnector(), true));
  }

  private static String differences(DeltaSinkConnector connector, boolean withLibrary) throws IOException {
    Path cases = TestFiles.golden("settings-cases.json");
    JsonNode all = JSON.readTree(cases.toFile());
    assertFalse(all.isEmpty());
    StringBuilder differences = new StringBuilder();
    for (JsonNode one : all) {
      Map<String, String> settings = JSON.convertValue(one.get("config"), new TypeReference<>() {});
      settings.remove("delta.validate.connectivity", "true"); // nothing is at the places that the cases name
      Set<String> expected = new TreeSet<>();
      if (withLibrary || !one.path("native_only").asBoolean()) { // a fault that only the native side looks for
        one.get("errors").fieldNames().forEachRemaining(expected::add);
      }
      expected.remove("name"); // Connect looks for it
      Set<String> actual =
          connector.validate(settings).configValues().stream()
              .filter(value -> !value.errorMessages().isEmpty())
              .map(value -> value.name())
              .collect(Collectors.toCollection(TreeSet::new));
      if (!actual.equals(expected)) {
        differences.append("\n").append(one.get("case").asText()).append(": wanted ").append(expected).append(", found ").append(actual);
      }
    }
    return differences.toString();
  }
}
