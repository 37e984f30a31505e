package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.StreamSupport;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigValue;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.runtime.AbstractHerder;
import org.apache.kafka.connect.runtime.rest.entities.ConfigInfos;
import org.apache.kafka.connect.sink.SinkConnector;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** None of this loads the native library; there is none where these tests run. */
class DeltaSinkConnectorTest {
  private static final String BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter";

  private final DeltaSinkConnector connector = new DeltaSinkConnector();
  private final Map<String, String> settings = new HashMap<>();

  @BeforeEach
  void good() {
    settings.put("name", "flights");
    settings.put("connector.class", DeltaSinkConnector.class.getName());
    settings.put("topics", "flights");
    settings.put("delta.table.uri", "file:///data/flights");
  }

  @Test
  void a_worker_finds_it_as_a_service() {
    assertTrue(
        StreamSupport.stream(ServiceLoader.load(SinkConnector.class).spliterator(), false)
            .anyMatch(found -> found instanceof DeltaSinkConnector));
    assertEquals(DeltaSinkTask.class, connector.taskClass());
  }

  @Test
  void its_version_is_the_workspace_s() throws IOException {
    String cargo = Files.readString(Path.of(System.getProperty("sluice.root"), "Cargo.toml"));
    assertTrue(cargo.contains("\nversion = \"" + connector.version() + "\"\n"), connector.version());
    assertEquals(connector.version(), new DeltaSinkTask().version());
  }

  @Test
  void good_settings_have_no_errors() {
    settings.put("value.converter", BYTES);
    assertEquals(Map.of(), errors());
    settings.put("value.converter", "ByteArray"); // as Connect lets one write it
    settings.put("delta.schema.json", "{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]}");
    settings.put("delta.table.auto.create", "true");
    assertEquals(Map.of(), errors());
  }

  @Test
  void an_unknown_key_names_the_nearest() {
    settings.put("delta.comit.intervall.ms", "1000");
    assertEquals(Set.of("delta.comit.intervall.ms"), errors().keySet());
    assertTrue(errors().toString().contains("delta.commit.interval.ms"), errors().toString());
  }

  @Test
  void schema_is_given_once() {
    settings.put("delta.schema.json", "{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]}");
    settings.put("delta.schema.file", "/etc/schema.json");
    assertEquals(Set.of("delta.schema.file"), errors().keySet());
  }

  @Test
  void a_table_may_be_created_from_the_records_alone() {
    settings.put("delta.table.auto.create", "true");
    assertEquals(Map.of(), errors());
  }

  @Test
  void raw_mode_needs_raw_values() {
    settings.put("value.converter", "org.apache.kafka.connect.json.JsonConverter");
    assertEquals(Map.of(), errors(), "auto mode takes both");
    settings.put("delta.input.mode", "raw");
    assertEquals(Set.of("value.converter"), errors().keySet());
    assertTrue(errors().toString().contains(BYTES));
  }

  @Test
  void wrong_and_missing_values_are_told_not_thrown() {
    settings.remove("delta.table.uri");
    settings.put("delta.table.auto.create", "perhaps");
    settings.put("delta.input.mode", "nonsense");
    settings.put("delta.commit.interval.ms", null);
    assertTrue(errors().keySet().containsAll(Set.of("delta.table.uri", "delta.table.auto.create", "delta.input.mode")), errors().toString());
    assertFalse(validate(Map.of()).isEmpty());
  }

  @Test
  void a_worker_s_answer_has_our_errors() {
    settings.put("delta.nonsense", "1");
    settings.put("delta.input.mode", "raw");
    settings.put("value.converter", "org.apache.kafka.connect.json.JsonConverter");
    ConfigInfos infos =
        AbstractHerder.generateResult(
            DeltaSinkConnector.class.getName(),
            connector.config().configKeys(),
            connector.validate(settings).configValues(),
            List.of());
    assertEquals(2, infos.errorCount());
  }

  @Test
  void each_task_gets_all_settings_and_its_number() {
    settings.put("unrelated", "kept");
    connector.start(settings);
    List<Map<String, String>> tasks = connector.taskConfigs(3);
    connector.stop();
    assertEquals(3, tasks.size());
    for (int id = 0; id < 3; id++) {
      Map<String, String> expected = new HashMap<>(settings);
      expected.put("sluice.task.id", Integer.toString(id));
      assertEquals(expected, tasks.get(id));
    }
  }

  @Test
  void every_declared_key_is_known_and_the_reverse() {
    assertEquals(new HashSet<>(Settings.NAMES), connector.config().names());
  }

  @Test
  void altered_offsets_go_to_the_tables_first() {
    FakeNative core = new FakeNative();
    DeltaSinkConnector stopped = new DeltaSinkConnector(() -> core);
    Map<TopicPartition, Long> offsets = new LinkedHashMap<>();
    offsets.put(new TopicPartition("t", 3), 1L << 40);
    offsets.put(new TopicPartition("u", 0), null);
    Map<String, String> given = new HashMap<>(Map.of("name", "k"));
    given.put("delta.schema.json", null);
    assertTrue(stopped.alterOffsets(given, offsets));
    Request expected = new Request().strings(Map.of("name", "k")).u32(2);
    expected.str("t").u32(3).u8(1).i64(1L << 40).str("u").u32(0).u8(0);
    assertArrayEquals(expected.bytes(), core.alterRequest);
  }

  /** Then Connect leaves the group's offsets alone and answers with the message. */
  @Test
  void what_keeps_the_tables_from_being_altered_is_thrown() {
    FakeNative core = new FakeNative();
    core.alterReply = ReplyBytes.error(Reply.FATAL, ErrorCode.STORE_DENIED, "no key");
    DeltaSinkConnector denied = new DeltaSinkConnector(() -> core);
    ConnectException thrown = assertThrows(ConnectException.class, () -> denied.alterOffsets(settings, Map.of()));
    assertTrue(thrown.getMessage().startsWith("STORE_DENIED: no key | "), thrown.getMessage());
    ConnectException missing = new ConnectException("NATIVE_UNAVAILABLE: none");
    DeltaSinkConnector bare =
        new DeltaSinkConnector(
            () -> {
              throw missing;
            });
    assertSame(missing, assertThrows(ConnectException.class, () -> bare.alterOffsets(settings, Map.of())));
  }

  private Map<String, List<String>> errors() {
    return validate(settings);
  }

  private Map<String, List<String>> validate(Map<String, String> given) {
    Map<String, List<String>> errors = new TreeMap<>();
    for (ConfigValue value : connector.validate(given).configValues()) {
      if (!value.errorMessages().isEmpty()) {
        errors.put(value.name(), value.errorMessages());
      }
    }
    return errors;
  }
}
