package io.sluice.connect;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.Config;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigValue;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.sink.SinkConnector;

/** Kafka Connect sink for Delta Lake. Works without the native library: only tasks and {@link #alterOffsets} load it. */
public final class DeltaSinkConnector extends SinkConnector {
  /** Added to each task's settings: the task's number, counted from 0. */
  static final String TASK_ID = "sluice.task.id";

  private static final String VALUE_CONVERTER = "value.converter";
  // As Connect lets one name them: in full, by simple name, and by simple name without its ending.
  private static final Set<String> RAW_CONVERTERS =
      Set.of(
          "org.apache.kafka.connect.converters.ByteArrayConverter", "ByteArrayConverter", "ByteArray",
          "org.apache.kafka.connect.storage.StringConverter", "StringConverter", "String");

  private final Supplier<NativeCalls> library;
  private Map<String, String> settings = Map.of();

  public DeltaSinkConnector() {
    this(NativeLibrary::load);
  }

  DeltaSinkConnector(Supplier<NativeCalls> library) {
    this.library = library;
  }

  @Override
  public String version() {
    return Version.CURRENT;
  }

  @Override
  public ConfigDef config() {
    return Settings.configDef();
  }

  /** Every error as a {@code ConfigValue}, none thrown. */
  @Override
  public Config validate(Map<String, String> given) {
    List<ConfigValue> values = new ArrayList<>(Settings.validate(given));
    String converter = given.get(VALUE_CONVERTER);
    boolean raw = values.stream().anyMatch(value -> value.name().equals(Settings.INPUT_MODE) && "raw".equals(value.value()));
    if (raw && converter != null && !RAW_CONVERTERS.contains(converter.trim())) {
      ConfigValue refused = new ConfigValue(VALUE_CONVERTER);
      refused.value(converter);
      refused.addErrorMessage(
          "with " + Settings.INPUT_MODE + "=raw, values have to reach Sluice as they are in Kafka: set"
              + " org.apache.kafka.connect.converters.ByteArrayConverter");
      values.add(refused);
    }
    return new Config(values);
  }

  @Override
  public void start(Map<String, String> given) {
    settings = new HashMap<>(given);
  }

  @Override
  public Class<? extends Task> taskClass() {
    return DeltaSinkTask.class;
  }

  @Override
  public List<Map<String, String>> taskConfigs(int maxTasks) {
    List<Map<String, String>> tasks = new ArrayList<>();
    for (int id = 0; id < maxTasks; id++) {
      Map<String, String> task = new HashMap<>(settings);
      task.put(TASK_ID, Integer.toString(id));
      tasks.add(task);
    }
    return tasks;
  }

  /**
   * Writes the offsets into the tables, before Connect alters the consumer group's. Called by workers from Kafka 3.6 on, while the
   * connector is stopped, on an instance that was never started; again when Connect could not alter the group.
   */
  @Override
  public boolean alterOffsets(Map<String, String> given, Map<TopicPartition, Long> offsets) {
    new Reply(library.get().alterOffsets(Request.alterOffsets(given, offsets))).demandOk();
    return true;
  }

  @Override
  public void stop() {}
}
