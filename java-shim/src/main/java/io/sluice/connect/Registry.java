package io.sluice.connect;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;

/** Gives schemas and topics the ids under which the core knows them. The core gives equal ones the same id. */
final class Registry {
  private static final int KNOWN = 256; // beyond these, they are asked for again

  private final NativeCalls calls;
  private final long task;
  private final Map<Schema, PayloadSchema> schemas = new IdentityHashMap<>(); // equality would walk through a schema for each record
  private final Map<String, Integer> topics = new HashMap<>();

  Registry(NativeCalls calls, long task) {
    this.calls = calls;
    this.task = task;
  }

  /** Refuses a schema that is too deep. */
  PayloadSchema schema(Schema schema) {
    PayloadSchema known = schemas.get(schema);
    if (known == null) {
      known = new PayloadSchema(id(calls.registerSchema(task, SchemaDescriptor.of(schema))), schema);
      remember(schemas, schema, known);
    }
    return known;
  }

  int topic(String topic) {
    Integer known = topics.get(topic);
    if (known == null) {
      known = id(calls.registerTopic(task, topic.getBytes(StandardCharsets.UTF_8)));
      remember(topics, topic, known);
    }
    return known;
  }

  private static int id(byte[] reply) {
    return new Reply(reply).demandOk().i32();
  }

  private static <K, V> void remember(Map<K, V> all, K key, V value) {
    if (all.size() == KNOWN) {
      all.clear();
    }
    all.put(key, value);
  }
}
