package io.sluice.containers;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/** Settings of connectors. */
final class Config {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Config() {}

  /** deploy/compose/connectors/orders.json, for this topic and table. */
  static Map<String, String> onS3(Topic topic, Table table) throws Exception {
    return deployed("orders.json", topic, table);
  }

  /** deploy/compose/connectors/orders-locked.json, for this topic and table. */
  static Map<String, String> locked(Topic topic, Table table) throws Exception {
    return deployed("orders-locked.json", topic, table);
  }

  static Map<String, String> local(Topic topic, Table table) throws Exception {
    Map<String, String> config = onS3(topic, table);
    config.keySet().removeIf(name -> name.startsWith("delta.s3."));
    return config;
  }

  private static Map<String, String> deployed(String name, Topic topic, Table table) throws Exception {
    Path file = Path.of(System.getProperty("sluice.root"), "deploy/compose/connectors", name);
    Map<String, String> config =
        JSON.convertValue(JSON.readTree(file.toFile()).path("config"), new TypeReference<TreeMap<String, String>>() {});
    config.putAll(Map.of("topics", topic.name(), "delta.table.uri", table.uri, "delta.commit.interval.ms", "200"));
    return config;
  }
}
