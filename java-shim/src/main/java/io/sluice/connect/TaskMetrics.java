package io.sluice.connect;

import java.lang.management.ManagementFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import javax.management.Attribute;
import javax.management.AttributeList;
import javax.management.AttributeNotFoundException;
import javax.management.DynamicMBean;
import javax.management.JMException;
import javax.management.MBeanAttributeInfo;
import javax.management.MBeanInfo;
import javax.management.ObjectName;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The counters of one task as an MBean. Which there are, the native side says. */
final class TaskMetrics implements DynamicMBean {
  private static final Logger LOG = LoggerFactory.getLogger(TaskMetrics.class);

  private final Supplier<byte[]> stats;
  private ObjectName registered;

  private TaskMetrics(Supplier<byte[]> stats) {
    this.stats = stats;
  }

  /** A task runs without metrics rather than not at all: another copy of the plugin may hold the name. */
  static TaskMetrics register(String connector, String task, Supplier<byte[]> stats) {
    TaskMetrics metrics = new TaskMetrics(stats);
    try {
      ObjectName name = name(connector, task);
      ManagementFactory.getPlatformMBeanServer().registerMBean(metrics, name);
      metrics.registered = name;
    } catch (JMException e) {
      LOG.warn("No metrics for connector {}, task {}: {}", connector, task, e.toString());
    }
    return metrics;
  }

  static ObjectName name(String connector, String task) throws JMException {
    return new ObjectName(
        "io.sluice:type=task,connector=" + ObjectName.quote(String.valueOf(connector)) + ",task=" + ObjectName.quote(String.valueOf(task)));
  }

  void unregister() {
    if (registered != null) {
      try {
        ManagementFactory.getPlatformMBeanServer().unregisterMBean(registered);
      } catch (JMException e) {
        LOG.warn("Cannot take back {}: {}", registered, e.toString());
      }
      registered = null;
    }
  }

  @Override
  public Object getAttribute(String name) throws AttributeNotFoundException {
    Long value = read().get(name);
    if (value == null) {
      throw new AttributeNotFoundException(name);
    }
    return value;
  }

  @Override
  public AttributeList getAttributes(String[] names) {
    Map<String, Long> values = read();
    AttributeList list = new AttributeList();
    for (String name : names) {
      if (values.containsKey(name)) {
        list.add(new Attribute(name, values.get(name)));
      }
    }
    return list;
  }

  @Override
  public MBeanInfo getMBeanInfo() {
    MBeanAttributeInfo[] attributes =
        read().keySet().stream()
            .map(name -> new MBeanAttributeInfo(name, "long", name, true, false, false))
            .toArray(MBeanAttributeInfo[]::new);
    return new MBeanInfo(getClass().getName(), "Counters of a Sluice task", attributes, null, null, null);
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

  private Map<String, Long> read() {
    Map<String, Long> values = new LinkedHashMap<>();
    Reply reply = new Reply(stats.get());
    if (reply.status() == Reply.OK) {
      for (int left = reply.count(); left > 0; left--) {
        values.put(reply.str(), reply.i64());
      }
    }
    return values;
  }
}
