package io.sluice.connect;

import java.lang.management.ManagementFactory;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import javax.management.MalformedObjectNameException;
import javax.management.ObjectName;
import org.apache.kafka.connect.sink.SinkTaskContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Shows what the native side measures. Which metrics there are, it says itself; series come and go with partitions and tables. */
final class ShownMetrics {
  private static final Logger LOG = LoggerFactory.getLogger(ShownMetrics.class);

  private final Measurements measurements;
  private final MetricsPlace place;
  private final boolean worker; // closes what it shows with the task
  private final Set<Series> shown = new HashSet<>();

  private ShownMetrics(Supplier<byte[]> stats, MetricsPlace place, boolean worker) {
    this.measurements = new Measurements(stats);
    this.place = place;
    this.worker = worker;
  }

  /** With the worker's own metrics, or where it is older than Kafka 4.1, under the same names. */
  static ShownMetrics ofTask(SinkTaskContext context, String connector, String task, Supplier<byte[]> stats) {
    MetricsPlace worker = workers(context);
    if (worker != null) {
      return new ShownMetrics(stats, worker, true);
    }
    String name = "kafka.connect:type=plugins,connector=" + MBeans.quoted(String.valueOf(connector)) + ",task=" + MBeans.quoted(String.valueOf(task));
    return new ShownMetrics(stats, new MBeans(name), false);
  }

  /** What the tasks of the process share: once for each loaded library. */
  static ShownMetrics ofProcess(Supplier<byte[]> stats) {
    return new ShownMetrics(stats, new MBeans(free("io.sluice:type=process,library=")), false);
  }

  private static MetricsPlace workers(SinkTaskContext context) {
    try {
      var metrics = context.pluginMetrics();
      return metrics == null ? null : new WorkerMetrics(metrics);
    } catch (NoSuchMethodError | NoClassDefFoundError | UnsupportedOperationException e) {
      return null;
    }
  }

  /** With the lowest number that no other copy of the plugin has. */
  private static String free(String prefix) {
    for (int number = 0; ; number++) {
      try {
        if (ManagementFactory.getPlatformMBeanServer().queryNames(new ObjectName(prefix + number + ",*"), null).isEmpty()) {
          return prefix + number;
        }
      } catch (MalformedObjectNameException e) {
        throw new IllegalArgumentException(prefix, e);
      }
    }
  }

  /** Shows series that are new, and takes away what is gone. Called by the task's thread, and never throws: metrics fail no task. */
  synchronized void refresh() {
    try {
      Map<Series, Long> now = measurements.values();
      for (Series series : now.keySet()) {
        if (shown.add(series)) {
          place.add(series, measurements.meaning(series), () -> measurements.value(series));
        }
      }
      shown.removeIf(
          series -> {
            boolean gone = !now.containsKey(series);
            if (gone) {
              place.remove(series);
            }
            return gone;
          });
    } catch (RuntimeException | LinkageError e) { // of a worker with another API of metrics
      LOG.warn("Metrics may be missing", e);
    }
  }

  synchronized void close() {
    if (!worker) {
      shown.forEach(place::remove);
    }
    shown.clear();
  }
}
