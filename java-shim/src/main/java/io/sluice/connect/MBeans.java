package io.sluice.connect;

import java.lang.management.ManagementFactory;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import javax.management.Attribute;
import javax.management.AttributeList;
import javax.management.AttributeNotFoundException;
import javax.management.DynamicMBean;
import javax.management.JMException;
import javax.management.MBeanAttributeInfo;
import javax.management.MBeanInfo;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Metrics as Kafka's own reporter shows them by JMX: an MBean for each set of labels, with an attribute for each metric. */
final class MBeans implements MetricsPlace {
  private static final Logger LOG = LoggerFactory.getLogger(MBeans.class);
  /** What Kafka leaves as it is in a name. */
  private static final Pattern PLAIN = Pattern.compile("[\\w-%. \t]*");

  private final String prefix;
  private final Map<String, Bean> beans = new HashMap<>();

  /** {@code prefix}: the beginning of each MBean's name. */
  MBeans(String prefix) {
    this.prefix = prefix;
  }

  static String quoted(String value) {
    return PLAIN.matcher(value).matches() ? value : ObjectName.quote(value);
  }

  @Override
  public void add(Series series, String meaning, Supplier<Long> value) {
    Bean bean = beans.get(name(series));
    if (bean == null) {
      bean = new Bean();
      beans.put(name(series), bean);
      register(bean, name(series));
    }
    bean.metrics.put(series.name(), new Metric(meaning, value));
  }

  @Override
  public void remove(Series series) {
    Bean bean = beans.get(name(series));
    if (bean != null) {
      bean.metrics.remove(series.name());
      if (bean.metrics.isEmpty()) {
        unregister(bean);
        beans.remove(name(series));
      }
    }
  }

  private String name(Series series) {
    StringBuilder name = new StringBuilder(prefix);
    series.labels().forEach((label, value) -> name.append(',').append(label).append('=').append(quoted(value)));
    return name.toString();
  }

  /** A task runs without metrics rather than not at all: another copy of the plugin may hold the name. */
  private static void register(Bean bean, String name) {
    try {
      ObjectName registered = new ObjectName(name);
      server().registerMBean(bean, registered);
      bean.registered = registered;
    } catch (JMException e) {
      LOG.warn("No metrics as {}: {}", name, e.toString());
    }
  }

  private static void unregister(Bean bean) {
    if (bean.registered == null) {
      return;
    }
    try {
      server().unregisterMBean(bean.registered);
    } catch (JMException e) {
      LOG.warn("Cannot take back {}: {}", bean.registered, e.toString());
    }
  }

  private static MBeanServer server() {
    return ManagementFactory.getPlatformMBeanServer();
  }

  private record Metric(String meaning, Supplier<Long> value) {}

  private static final class Bean implements DynamicMBean {
    final Map<String, Metric> metrics = new ConcurrentHashMap<>();
    ObjectName registered; // null: another has the name

    @Override
    public Object getAttribute(String name) throws AttributeNotFoundException {
      Metric metric = metrics.get(name);
      if (metric == null) {
        throw new AttributeNotFoundException(name);
      }
      return metric.value().get();
    }

    @Override
    public AttributeList getAttributes(String[] names) {
      AttributeList list = new AttributeList();
      for (String name : names) {
        Metric metric = metrics.get(name);
        if (metric != null) {
          list.add(new Attribute(name, metric.value().get()));
        }
      }
      return list;
    }

    @Override
    public MBeanInfo getMBeanInfo() {
      Map<String, Metric> now = new LinkedHashMap<>(metrics);
      MBeanAttributeInfo[] attributes =
          now.entrySet().stream()
              .map(metric -> new MBeanAttributeInfo(metric.getKey(), "long", metric.getValue().meaning(), true, false, false))
              .toArray(MBeanAttributeInfo[]::new);
      return new MBeanInfo(getClass().getName(), "Metrics of Sluice", attributes, null, null, null);
    }

    @Override
    public void setAttribute(Attribute attribute) throws AttributeNotFoundException {
      throw new AttributeNotFoundException(attribute.getName() + " is read-only");
    }

    @Override
    public AttributeList setAttributes(AttributeList attributes) {
      return new AttributeList();
    }

    @Override
    public Object invoke(String action, Object[] parameters, String[] signature) {
      throw new UnsupportedOperationException(action);
    }
  }
}
