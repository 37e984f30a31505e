package io.sluice.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;

/**
 * Two connectors in two workers write one table on S3 at the same time, and one of the workers is killed on the way. I1 and I5: no commit
 * takes another's place, and nothing is written twice.
 */
@NeedsDocker
class SharedTableTest {
  private static final int EACH = 30_000;
  /** Enough to have met one another. */
  private static final long TURNS = 10;

  private interface Settings {
    Map<String, String> of(Topic topic, Table table) throws Exception;
  }

  @Test
  void byConditionalPut() throws Exception {
    survivesAKill("by-put", new S3Table("by-put"), Config::onS3);
  }

  @Test
  void underTheLockInDynamoDb() throws Exception {
    Cluster.dynamodb();
    Table table = new S3Table("locked");
    survivesAKill("locked", table, Config::locked);
    // Each version was claimed in the lock table, and none is left half done.
    Await.until("complete entry for each version in the lock table", () -> {
      List<String> complete = new ArrayList<>();
      for (Map<String, AttributeValue> item : Cluster.dynamodb().scanPaginator(scan -> scan.tableName("delta_log").consistentRead(true)).items()) {
        if (item.get("tablePath").s().equals(table.uri) && item.get("complete").s().equals("true")) {
          complete.add(item.get("fileName").s());
        }
      }
      return complete.stream().sorted().toList().equals(table.versions()) ? complete : null;
    });
  }

  private static void survivesAKill(String name, Table table, Settings settings) throws Exception {
    Worker shared = Cluster.worker();
    Topic one = Topic.created(name + "-one", 2);
    Topic two = Topic.created(name + "-two", 2);
    Worker killed = Cluster.worker(name);
    Worker successor = null;
    try {
      shared.put(one.name(), settings.of(one, table));
      killed.put(two.name(), settings.of(two, table));
      shared.runs(one.name(), 1);
      killed.runs(two.name(), 1);
      Future<?> sendingOne = one.sending(0, EACH);
      Future<?> sendingTwo = two.sending(EACH, 2 * EACH);
      Await.until("commits of both workers in turn", () -> table.turns() >= TURNS ? "there" : null);
      killed.kill();
      assertTrue(table.offsets().values().stream().mapToLong(Long::longValue).sum() < 2 * EACH, "all was written before the kill");
      successor = Cluster.worker(name);
      sendingOne.get(2, TimeUnit.MINUTES);
      sendingTwo.get(2, TimeUnit.MINUTES);
      table.reachesTheEnd(shared, one.name(), one);
      table.reachesTheEnd(successor, two.name(), two);
      table.holdsExactly(0, 2 * EACH);
      assertEquals(one.partitions() + two.partitions(), table.offsets().size());
      shared.delete(one.name());
    } finally {
      killed.stop();
      if (successor != null) {
        successor.stop();
      }
    }
  }
}
