package io.sluice.connect;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
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
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Kafka Connect sink for Delta Lake. Works without the native library: only tasks and {@link #alterOffsets} need it. {@link #validate}
 * asks it where it can be loaded.
 */
public final class DeltaSinkConnector extends SinkConnector {
  /** Added to each task's settings: the task's number, counted from 0. */
  static final String TASK_ID = "sluice.task.id";

  private static final Logger LOG = LoggerFactory.getLogger(DeltaSinkConnector.class);
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
    List<ConfigValue> values = byJava(given);
    try {
      return new Config(byCore(library.get(), given, values));
    } catch (RuntimeException e) {
      LOG.warn("The settings are checked by fewer rules than a task will check them by: the native library did not check them", e);
      values.stream()
          .filter(value -> value.name().equals(Settings.VALIDATE_CONNECTIVITY) && Boolean.TRUE.equals(value.value()))
          .forEach(value -> value.addErrorMessage(value.name() + ": it takes the native library: " + e.getMessage()));
      return new Config(values);
    }
  }

  /** By the rules of the core, which are more, and in its words. */
  private static List<ConfigValue> byCore(NativeCalls calls, Map<String, String> given, List<ConfigValue> byJava) {
    Reply reply = new Reply(calls.validate(Request.validate(given))).demandOk();
    Map<String, List<String>> errors = new LinkedHashMap<>();
    for (int left = reply.count(); left > 0; left--) {
      errors.computeIfAbsent(reply.str(), name -> new ArrayList<>()).add(reply.str());
    }
    List<ConfigValue> values = new ArrayList<>();
    for (ConfigValue value : byJava) {
      List<String> told = errors.remove(value.name());
      values.add(told == null ? value : new ConfigValue(value.name(), value.value(), value.recommendedValues(), told));
    }
    errors.forEach((name, told) -> values.add(new ConfigValue(name, null, new ArrayList<>(), told))); // the value may be a secret
    return values;
  }

  private static List<ConfigValue> byJava(Map<String, String> given) {
    List<ConfigValue> values = new ArrayList<>(Settings.validate(given));
    String converter = given.get(VALUE_CONVERTER);
    boolean raw = values.stream().anyMatch(value -> value.name().equals(Settings.INPUT_MODE) && "raw".equals(value.value()));
    if (raw && converter != null && !RAW_CONVERTERS.contains(converter.trim())) {
      ConfigValue refused = new ConfigValue(VALUE_CONVERTER); // as a value the worker would expect a Class
      refused.addErrorMessage(
          VALUE_CONVERTER + ": with " + Settings.INPUT_MODE + "=raw, values have to reach Sluice as they are in Kafka: set"
              + " org.apache.kafka.connect.converters.ByteArrayConverter");
      values.add(refused);
    }
    return values;
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
