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

/** None of this loads the native library. */
class DeltaSinkConnectorTest {
  private static final String BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter";

  private static final ConnectException MISSING = new ConnectException("NATIVE_UNAVAILABLE: none");

  private final DeltaSinkConnector connector = withoutLibrary();
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
    assertSame(MISSING, assertThrows(ConnectException.class, () -> connector.alterOffsets(settings, Map.of())));
  }

  static DeltaSinkConnector withoutLibrary() {
    return new DeltaSinkConnector(
        () -> {
          throw MISSING;
        });
  }

  @Test
  void what_the_core_finds_stands_at_its_setting_in_its_words() {
    FakeNative core = new FakeNative();
    core.validateReply =
        ReplyBytes.ok().i32(4)
            .str("delta.input.mode").str("delta.input.mode: no")
            .str("delta.schema.json").str("delta.schema.json: one")
            .str("delta.schema.json").str("delta.schema.json: two")
            .str("AWS_REGION").str("AWS_REGION: which?")
            .done();
    settings.put("delta.input.mode", "nonsense");
    settings.put("delta.table.auto.create", "perhaps");
    settings.put("AWS_REGION", "hunter2");
    settings.put("delta.schema.json", null);
    Map<String, List<String>> errors = new TreeMap<>();
    List<ConfigValue> values = new DeltaSinkConnector(() -> core).validate(settings).configValues();
    values.stream().filter(value -> !value.errorMessages().isEmpty()).forEach(value -> errors.put(value.name(), value.errorMessages()));
    assertEquals(Set.of("AWS_REGION", "delta.input.mode", "delta.schema.json", "delta.table.auto.create"), errors.keySet());
    assertEquals(List.of("delta.input.mode: no"), errors.get("delta.input.mode"), "Java's own words are gone");
    assertEquals(List.of("delta.schema.json: one", "delta.schema.json: two"), errors.get("delta.schema.json"));
    assertEquals(values.size(), values.stream().map(ConfigValue::name).distinct().count(), "each setting once");
    assertFalse(values.toString().contains("hunter2"), "who knows what it is");
    settings.remove("delta.schema.json");
    assertEquals(request(settings), request(core.validateRequest), "without what is not set");
  }

  /** Pairs in any order. */
  private static Set<String> request(Map<String, String> pairs) {
    return request(new Request().strings(pairs).bytes());
  }

  private static Set<String> request(byte[] bytes) {
    byte[] asReply = new byte[bytes.length + 1]; // behind a status: ok
    System.arraycopy(bytes, 0, asReply, 1, bytes.length);
    Reply request = new Reply(asReply);
    Set<String> pairs = new HashSet<>();
    for (int left = request.count(); left > 0; left--) {
      pairs.add(request.str() + "=" + request.str());
    }
    return pairs;
  }

  @Test
  void a_check_of_connections_that_cannot_be_made_is_an_error() {
    settings.put("delta.validate.connectivity", "true");
    assertEquals(Set.of("delta.validate.connectivity"), errors().keySet());
    assertTrue(errors().toString().contains("NATIVE_UNAVAILABLE: none"), errors().toString());
    settings.put("delta.validate.connectivity", "false");
    assertEquals(Map.of(), errors());
    FakeNative broken = new FakeNative();
    broken.validateReply = ReplyBytes.error(Reply.FATAL, ErrorCode.NATIVE_PANIC, "a defect");
    assertFalse(new DeltaSinkConnector(() -> broken).validate(settings).configValues().isEmpty(), "nothing is thrown");
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
