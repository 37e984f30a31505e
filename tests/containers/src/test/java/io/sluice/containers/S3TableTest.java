package io.sluice.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** A table on the S3 server alone. */
@NeedsDocker
class S3TableTest {
  private static final Duration OUTAGE = Duration.ofSeconds(15);

  /** I1, when the store does not answer for a while. */
  @Test
  void rowsWaitWhileTheStoreDoesNotAnswer() throws Exception {
    Worker worker = Cluster.worker();
    Topic topic = Topic.created("outage", 2);
    Table table = new S3Table("outage");
    worker.put("outage", Config.onS3(topic, table));
    topic.send(0, 1_000);
    table.reachesTheEnd(worker, "outage", topic);
    Map<String, Long> before = table.offsets();
    Cluster.holdS3(true);
    try {
      topic.send(1_000, 2_000);
      Thread.sleep(OUTAGE.toMillis()); // so long is the outage
      assertNull(worker.failure("outage"));
    } finally {
      Cluster.holdS3(false);
    }
    table.reachesTheEnd(worker, "outage", topic);
    table.holdsExactly(0, 2_000);
    assertEquals(before.keySet(), table.offsets().keySet());
    worker.delete("outage");
  }
}
