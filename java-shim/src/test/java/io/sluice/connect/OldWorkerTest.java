package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** The same class files on the API of workers that have no plugin metrics, and of one that does not know a record's original place. */
class OldWorkerTest {
  @Test
  void a_task_runs_on_kafka_3_5() throws Exception {
    assertEquals("t-0@5 by what it is now", run("tooOld"));
  }

  @Test
  void a_task_runs_on_kafka_3_6() throws Exception {
    assertEquals("t-0@5 by what it was", run("oldest"));
  }

  private static Object run(String worker) throws Exception {
    try (PluginLoader loader = PluginLoader.withKafka(System.getProperty("sluice.api." + worker))) {
      Object scenario = loader.loadClass("io.sluice.connect.OldWorkerTest$Scenario").getDeclaredConstructor().newInstance();
      return ((java.util.concurrent.Callable<?>) scenario).call();
    }
  }

  /** Runs inside the old worker's class loader; Callable is the JDK's and so common to both. */
  public static final class Scenario implements java.util.concurrent.Callable<String> {
    @Override
    public String call() {
      if (hasPluginMetrics()) {
        throw new AssertionError("this API has plugin metrics: the test tests nothing");
      }
      org.apache.kafka.common.TopicPartition partition = new org.apache.kafka.common.TopicPartition("t", 0);
      FakeNative core = new FakeNative();
      new DeltaSinkConnector().config(); // has a method that this API does not know
      DeltaSinkTask task = new DeltaSinkTask(() -> core);
      FakeContext context = new FakeContext();
      context.assigned.add(partition);
      task.initialize(context);
      task.start(java.util.Map.of("name", "old", "sluice.task.id", "0"));
      task.open(java.util.List.of(partition));
      task.put(java.util.List.of(new org.apache.kafka.connect.sink.SinkRecord("t", 0, null, null, null, "v", 5)));
      task.stop();
      String origin = Origin.ofThisWorker() == Origin.CURRENT ? "is now" : "was";
      return partition + "@" + ((long[]) core.buffers[2])[0] + " by what it " + origin;
    }

    private static boolean hasPluginMetrics() {
      try {
        return Class.forName("org.apache.kafka.common.metrics.PluginMetrics") != null;
      } catch (ClassNotFoundException e) {
        return false;
      }
    }
  }
}
