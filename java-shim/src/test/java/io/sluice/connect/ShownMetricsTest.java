package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import javax.management.AttributeNotFoundException;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.metrics.JmxReporter;
import org.apache.kafka.common.metrics.KafkaMetric;
import org.apache.kafka.common.metrics.KafkaMetricsContext;
import org.apache.kafka.common.metrics.MetricConfig;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.metrics.internals.PluginMetricsImpl;
import org.apache.kafka.common.utils.Time;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ShownMetricsTest {
  private static final Map<String, String> SETTINGS = Map.of("name", "flights: *", "sluice.task.id", "2");
  private static final String TASK = "kafka.connect:type=plugins,connector=\"flights: \\*\",task=2";
  private static final TopicPartition A0 = new TopicPartition("a", 0);

  private final MBeanServer server = ManagementFactory.getPlatformMBeanServer();
  private final FakeNative core = new FakeNative();
  private final FakeContext context = new FakeContext();
  private final DeltaSinkTask task = new DeltaSinkTask(() -> core);

  @AfterEach
  void stop() {
    task.stop();
  }

  /** A worker of Kafka 4.1 and one from before show the same, to the letter. */
  @Test
  void the_workers_own_metrics_and_the_mbeans_have_the_same_names() throws Exception {
    core.statsReply = FakeNative.measured(41, "s3://lake/events/", "plain");
    start();
    Map<String, Object> ours = shown();
    task.stop();
    assertEquals(Map.of(), shown());

    try (Metrics worker = new Metrics(new MetricConfig(), List.of(new JmxReporter()), Time.SYSTEM, new KafkaMetricsContext("kafka.connect"))) {
      LinkedHashMap<String, String> tags = new LinkedHashMap<>();
      tags.put("connector", "flights: *");
      tags.put("task", "2");
      try (PluginMetricsImpl plugin = new PluginMetricsImpl(worker, tags)) {
        FakeContext newer = new FakeContext();
        newer.metrics = plugin;
        DeltaSinkTask task = new DeltaSinkTask(() -> core);
        task.initialize(newer);
        task.start(SETTINGS);
        assertEquals(ours, shown());
        assertEquals(Set.of("rows made", "files"), meanings(worker));
        task.stop();
        assertEquals(ours, shown(), "the worker takes them away, and until then they are what they were last");
      }
      assertEquals(Map.of(), shown());
    }
    assertEquals(
        Map.of(
            TASK + " sluice-rows-total", 41L,
            TASK + ",table=\"s3://lake/events/\",kind=new sluice-files-total", 1L << 40,
            TASK + ",table=plain,kind=new sluice-files-total", 1L << 40),
        ours);
  }

  @Test
  void series_come_and_go() throws Exception {
    start();
    assertEquals(2, shown().size());
    core.statsReply = FakeNative.measured(42, "y", "z");
    assertEquals(2, shown().size(), "nobody has asked");
    task.preCommit(Map.of());
    assertEquals(Set.of(TASK + " sluice-rows-total", TASK + ",table=y,kind=new sluice-files-total", TASK + ",table=z,kind=new sluice-files-total"), shown().keySet());
    core.statsReply = FakeNative.measured(42);
    context.assigned.add(A0);
    task.open(List.of(A0));
    assertEquals(Map.of(TASK + " sluice-rows-total", 42L), shown());
  }

  @Test
  void one_scrape_is_one_call() throws Exception {
    List<Long> calls = new ArrayList<>();
    Measurements measurements =
        new Measurements(
            () -> {
              calls.add(System.nanoTime());
              return core.statsReply;
            });
    List<Series> all = new ArrayList<>(measurements.values().keySet());
    for (int i = 0; i < 1_000; i++) {
      for (Series series : all) {
        measurements.value(series);
      }
    }
    long took = System.nanoTime() - calls.get(0);
    assertTrue(calls.size() <= 2 + took / 500_000_000, calls.size() + " calls in " + took + " ns");
    core.statsReply = FakeNative.measured(43);
    Thread.sleep(600);
    assertEquals(43L, measurements.value(new Series("sluice-rows-total", new LinkedHashMap<>())));
    assertNull(measurements.value(all.get(1)), "it is gone");
  }

  @Test
  void another_copy_of_the_plugin_keeps_its_mbeans() throws Exception {
    start();
    FakeNative other = new FakeNative();
    other.statsReply = FakeNative.measured(7, "x");
    DeltaSinkTask second = new DeltaSinkTask(() -> other);
    second.initialize(new FakeContext());
    second.start(SETTINGS);
    assertEquals(41L, shown().get(TASK + " sluice-rows-total"));
    second.stop();
    assertEquals(41L, shown().get(TASK + " sluice-rows-total"));

    Set<ObjectName> before = server.queryNames(new ObjectName("io.sluice:*"), null);
    ShownMetrics process = ShownMetrics.ofProcess(() -> core.statsReply);
    process.refresh();
    ShownMetrics another = ShownMetrics.ofProcess(() -> other.statsReply);
    another.refresh();
    assertEquals(2, server.queryNames(new ObjectName("io.sluice:type=process,table=x,kind=new,*"), null).size());
    process.close();
    another.close();
    assertEquals(before, server.queryNames(new ObjectName("io.sluice:*"), null));
  }

  @Test
  void an_mbean_can_only_be_read() throws Exception {
    start();
    ObjectName name = new ObjectName(TASK);
    assertEquals("rows made", server.getMBeanInfo(name).getAttributes()[0].getDescription());
    assertThrows(AttributeNotFoundException.class, () -> server.getAttribute(name, "nothing"));
    assertFalse(server.getMBeanInfo(name).getAttributes()[0].isWritable());
  }

  /** A task that cannot be measured runs all the same. */
  @Test
  void what_the_native_side_says_wrongly_fails_no_task() throws Exception {
    core.statsReply = new byte[] {0, 9};
    start();
    task.open(List.of());
    assertEquals(Map.of(), shown());
  }

  private void start() {
    task.initialize(context);
    task.start(SETTINGS);
  }

  /** By MBean and attribute. */
  private Map<String, Object> shown() throws Exception {
    Map<String, Object> shown = new TreeMap<>();
    for (ObjectName name : server.queryNames(new ObjectName("kafka.connect:type=plugins,*"), null)) {
      for (var attribute : server.getMBeanInfo(name).getAttributes()) {
        shown.put(name + " " + attribute.getName(), server.getAttribute(name, attribute.getName()));
      }
    }
    return shown;
  }

  private static Set<String> meanings(Metrics worker) {
    Set<String> meanings = new TreeSet<>();
    for (KafkaMetric metric : worker.metrics().values()) {
      if (metric.metricName().group().equals("plugins")) {
        meanings.add(metric.metricName().description());
      }
    }
    return meanings;
  }
}
