package io.sluice.connect;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/** What the native side measures, which is asked for all of it at once: a scrape reads series one by one. */
final class Measurements {
  /** So long is what was read good for. */
  private static final long FRESH_NANOS = 500_000_000;

  private final Supplier<byte[]> stats;
  private Map<Series, Long> values = Map.of();
  private Map<String, String> meanings = Map.of();
  private long readAt;

  Measurements(Supplier<byte[]> stats) {
    this.stats = stats;
  }

  /** Null when there is no such series any more. After the task has stopped, what it was last. */
  synchronized Long value(Series series) {
    if (values.isEmpty() || System.nanoTime() - readAt > FRESH_NANOS) {
      read();
    }
    return values.get(series);
  }

  /** All series there are now. */
  synchronized Map<Series, Long> values() {
    read();
    return values;
  }

  synchronized String meaning(Series series) {
    return meanings.getOrDefault(series.name(), "");
  }

  private void read() {
    readAt = System.nanoTime();
    Reply reply = new Reply(stats.get());
    if (reply.status() != Reply.OK) {
      return;
    }
    Map<Series, Long> read = new LinkedHashMap<>();
    Map<String, String> explained = new LinkedHashMap<>();
    for (int metrics = reply.count(); metrics > 0; metrics--) {
      String name = reply.str();
      explained.put(name, reply.str());
      String[] labels = new String[reply.count()];
      for (int i = 0; i < labels.length; i++) {
        labels[i] = reply.str();
      }
      for (int left = reply.count(); left > 0; left--) {
        LinkedHashMap<String, String> of = new LinkedHashMap<>();
        for (String label : labels) {
          of.put(label, reply.str());
        }
        read.put(new Series(name, of), reply.i64());
      }
    }
    values = read;
    meanings = explained;
  }
}
