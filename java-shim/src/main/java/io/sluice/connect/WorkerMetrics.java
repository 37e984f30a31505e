package io.sluice.connect;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.metrics.Gauge;
import org.apache.kafka.common.metrics.PluginMetrics;

/** A task's metrics among those of the worker (KIP-877, Kafka 4.1): its reporters have them, the one for JMX among others. */
final class WorkerMetrics implements MetricsPlace {
  private final PluginMetrics worker;
  private final Map<Series, MetricName> added = new HashMap<>();

  WorkerMetrics(PluginMetrics worker) {
    this.worker = worker;
  }

  @Override
  public void add(Series series, String meaning, Supplier<Long> value) {
    MetricName name = worker.metricName(series.name(), meaning, series.labels());
    Gauge<Long> gauge = (config, now) -> value.get();
    worker.addMetric(name, gauge);
    added.put(series, name);
  }

  @Override
  public void remove(Series series) {
    MetricName name = added.remove(series);
    if (name != null) {
      worker.removeMetric(name);
    }
  }
}
