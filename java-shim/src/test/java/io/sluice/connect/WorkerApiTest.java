package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.invoke.MethodType;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * What the plugin's class files use of Kafka, each class, method and field, looked up in the API of other workers. What one lacks stands
 * here by name: a use of it has to be guarded, as {@link OldWorkerTest} shows that these are.
 */
class WorkerApiTest {
  private static final Set<String> METRICS = // KIP-877, Kafka 4.1
      Set.of(
          "ShownMetrics: SinkTaskContext.pluginMetrics",
          "ShownMetrics: class PluginMetrics",
          "WorkerMetrics: class PluginMetrics",
          "WorkerMetrics: PluginMetrics.addMetric",
          "WorkerMetrics: PluginMetrics.metricName",
          "WorkerMetrics: PluginMetrics.removeMetric");
  private static final Set<String> ORIGIN = // KIP-793, Kafka 3.6
      Set.of("Origin$1: SinkRecord.originalTopic", "Origin$1: SinkRecord.originalKafkaPartition", "Origin$1: SinkRecord.originalKafkaOffset");
  /** Name classes in their signatures that an old worker lacks: whoever walks over their methods fails. Connect sees none of them. */
  private static final Set<String> UNWALKABLE = Set.of("WorkerMetrics");

  @Test
  void the_oldest_worker_lacks_what_is_guarded_and_nothing_else() throws Exception {
    assertEquals(new TreeSet<>(METRICS), lacking("oldest"));
    assertEquals(UNWALKABLE, unwalkable("oldest"));
  }

  @Test
  void a_worker_that_is_too_old_lacks_the_original_place_of_records_as_well() throws Exception {
    Set<String> both = new TreeSet<>(METRICS);
    both.addAll(ORIGIN);
    assertEquals(both, lacking("tooOld"));
    assertEquals(UNWALKABLE, unwalkable("tooOld"));
  }

  @Test
  void the_newest_worker_lacks_nothing_and_wants_nothing_more() throws Exception {
    assertEquals(Set.of(), lacking("newest"));
    assertEquals(Set.of(), unwalkable("newest"));
  }

  private static Set<String> lacking(String worker) throws Exception {
    Set<String> lacking = new TreeSet<>();
    int found = 0;
    try (PluginLoader loader = loader(worker)) {
      for (Path file : classFiles()) {
        String user = name(file);
        for (ClassFile.Use use : ClassFile.uses(Files.readAllBytes(file))) {
          if (use.owner().startsWith("[") || !(use.owner().startsWith("org.apache.kafka.") || use.owner().startsWith("io.sluice."))) {
            continue;
          }
          String owner = use.owner().substring(use.owner().lastIndexOf('.') + 1);
          if (has(loader, use)) {
            found++;
          } else {
            lacking.add(user + ": " + (use.member() == null ? "class " + owner : owner + "." + use.member()));
          }
        }
      }
    }
    assertTrue(found > 500, "only " + found + " uses were found: the test tests nothing");
    return lacking;
  }

  /** Classes whose members cannot be listed, or that leave a method of the worker's without a body. */
  private static Set<String> unwalkable(String worker) throws Exception {
    Set<String> unwalkable = new TreeSet<>();
    try (PluginLoader loader = loader(worker)) {
      for (Path file : classFiles()) {
        try {
          Class<?> type = Class.forName("io.sluice.connect." + name(file), false, loader);
          int members = type.getDeclaredMethods().length + type.getDeclaredConstructors().length + type.getDeclaredFields().length;
          boolean isAbstract = Modifier.isAbstract(type.getModifiers());
          if (members == 0 && !type.isInterface() || !isAbstract && Arrays.stream(type.getMethods()).anyMatch(WorkerApiTest::isAbstract)) {
            unwalkable.add(name(file));
          }
        } catch (NoClassDefFoundError e) {
          unwalkable.add(name(file));
        }
      }
    }
    return unwalkable;
  }

  private static boolean isAbstract(Method method) {
    return Modifier.isAbstract(method.getModifiers());
  }

  private static boolean has(PluginLoader loader, ClassFile.Use use) {
    Class<?> owner;
    try {
      owner = Class.forName(use.owner(), false, loader);
    } catch (ClassNotFoundException e) {
      return false;
    }
    if (use.member() == null) {
      return true;
    }
    Set<Class<?>> seen = new HashSet<>();
    Deque<Class<?>> left = new ArrayDeque<>(List.of(owner, Object.class));
    while (!left.isEmpty()) {
      Class<?> type = left.pop();
      if (!seen.add(type)) {
        continue;
      }
      try {
        if (declares(type, use)) {
          return true;
        }
      } catch (NoClassDefFoundError e) { // one of ours that is in the other list
        return true;
      }
      left.addAll(List.of(type.getInterfaces()));
      if (type.getSuperclass() != null) {
        left.add(type.getSuperclass());
      }
    }
    return false;
  }

  private static boolean declares(Class<?> type, ClassFile.Use use) {
    if (!use.descriptor().startsWith("(")) {
      return Arrays.stream(type.getDeclaredFields()).anyMatch(f -> f.getName().equals(use.member()) && f.getType().descriptorString().equals(use.descriptor()));
    }
    if (use.member().equals("<init>")) {
      return Arrays.stream(type.getDeclaredConstructors()).anyMatch(c -> descriptor(void.class, c.getParameterTypes()).equals(use.descriptor()));
    }
    return Arrays.stream(type.getDeclaredMethods())
        .anyMatch(m -> m.getName().equals(use.member()) && descriptor(m.getReturnType(), m.getParameterTypes()).equals(use.descriptor()));
  }

  private static String descriptor(Class<?> result, Class<?>[] parameters) {
    return MethodType.methodType(result, parameters).toMethodDescriptorString();
  }

  private static PluginLoader loader(String worker) throws IOException {
    return PluginLoader.withKafka(System.getProperty("sluice.api." + worker));
  }

  private static List<Path> classFiles() throws IOException {
    Path classes = Path.of(NativeLibrary.class.getProtectionDomain().getCodeSource().getLocation().getPath());
    try (Stream<Path> files = Files.walk(classes)) {
      return files.filter(file -> file.toString().endsWith(".class")).toList();
    }
  }

  private static String name(Path classFile) {
    String file = classFile.getFileName().toString();
    return file.substring(0, file.length() - ".class".length());
  }
}
