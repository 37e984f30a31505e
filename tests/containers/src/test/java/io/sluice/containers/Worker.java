package io.sluice.containers;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.Network;
import org.testcontainers.containers.wait.strategy.Wait;

/** A Connect worker of our image, and its REST interface. */
final class Worker extends GenericContainer<Worker> {
  private static final int REST = 8083;
  private static final int EXPORTER = 9404;
  private static final int OK = 200;
  private static final int REBALANCING = 409;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final HttpClient http = HttpClient.newHttpClient();

  Worker(String image, Network network, String group) throws IOException {
    super(image);
    Path log = Files.createTempFile(Cluster.folder(), "worker-" + group + "-", ".log");
    withLogConsumer(frame -> append(log, frame.getBytes()));
    withNetwork(network);
    withExposedPorts(REST, EXPORTER);
    withEnv("CONNECT_BOOTSTRAP_SERVERS", "kafka:19092");
    withEnv("CONNECT_GROUP_ID", group);
    withEnv("CONNECT_CONNECTOR_CLIENT_CONFIG_OVERRIDE_POLICY", "All");
    // The tasks of a killed worker soon run elsewhere, and metrics are soon counted.
    withEnv("CONNECT_SESSION_TIMEOUT_MS", "6000");
    withEnv("CONNECT_HEARTBEAT_INTERVAL_MS", "1000");
    withEnv("CONNECT_SCHEDULED_REBALANCE_MAX_DELAY_MS", "0");
    withEnv("CONNECT_OFFSET_FLUSH_INTERVAL_MS", "1000");
    withEnv("CLIENT_METADATA_MAX_AGE_MS", "2000");
    withEnv("KAFKA_HEAP_OPTS", "-Xms256m -Xmx512m");
    withEnv("JMX_EXPORTER", String.valueOf(EXPORTER));
    withEnv("SECRET_S3_KEY_ID", Cluster.KEY_ID);
    withEnv("SECRET_S3_KEY", Cluster.KEY);
    waitingFor(Wait.forHttp("/health").forPort(REST).withStartupTimeout(Duration.ofMinutes(3)));
  }

  private static void append(Path log, byte[] output) {
    try {
      Files.write(log, output, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** As {@code kill -9} does. */
  void kill() {
    getDockerClient().killContainerCmd(getContainerId()).exec();
  }

  /** Creates the connector or changes its settings. */
  void put(String connector, Map<String, String> config) throws Exception {
    request("PUT", REST, "/connectors/" + connector + "/config", JSON.writeValueAsString(config));
  }

  void delete(String connector) throws Exception {
    request("DELETE", REST, "/connectors/" + connector, null);
  }

  void restart(String connector) throws Exception {
    request("POST", REST, "/connectors/" + connector + "/restart?includeTasks=true", null);
  }

  /** Waits until the connector is stopped, as altering its offsets wants it. */
  void stop(String connector) throws Exception {
    request("PUT", REST, "/connectors/" + connector + "/stop", null);
    Await.until("end of the tasks of " + connector, () -> {
      JsonNode status = status(connector);
      boolean stopped = status.path("connector").path("state").asText().equals("STOPPED") && status.path("tasks").isEmpty();
      return stopped ? "stopped" : null;
    });
  }

  void resume(String connector) throws Exception {
    request("PUT", REST, "/connectors/" + connector + "/resume", null);
  }

  /** Of a connector that is stopped. */
  void alterOffset(String connector, String topic, int partition, long offset) throws Exception {
    Map<String, Object> at = Map.of("kafka_topic", topic, "kafka_partition", partition);
    Map<String, Object> body = Map.of("offsets", List.of(Map.of("partition", at, "offset", Map.of("kafka_offset", offset))));
    Await.until("alteration of offsets", () -> {
      HttpResponse<String> response = send("PATCH", REST, "/connectors/" + connector + "/offsets", JSON.writeValueAsString(body));
      if (response.statusCode() == OK) {
        return "altered";
      }
      // Tasks that are still leaving the group are an error of the server's.
      assertTrue(response.statusCode() == REBALANCING || response.statusCode() / 100 == 5, response.body());
      return null;
    });
  }

  /** Waits until so many tasks run, and none does not. */
  void runs(String connector, int tasks) throws Exception {
    List<String> running = Collections.nCopies(tasks, "RUNNING");
    Await.until(connector + " with " + tasks + " running tasks", () -> {
      List<String> states = new ArrayList<>();
      status(connector).path("tasks").forEach(task -> states.add(task.path("state").asText()));
      return states.equals(running) ? states : null;
    });
  }

  /** The trace of the first task that has failed; null where none has. */
  String failure(String connector) throws Exception {
    for (JsonNode task : status(connector).path("tasks")) {
      if (task.path("state").asText().equals("FAILED")) {
        return task.path("trace").asText();
      }
    }
    return null;
  }

  /** What the JMX exporter serves. */
  String exported() throws Exception {
    return request("GET", EXPORTER, "/metrics", null);
  }

  private JsonNode status(String connector) throws Exception {
    HttpResponse<String> response = send("GET", REST, "/connectors/" + connector + "/status", null);
    // A connector that was put a moment ago may have none yet.
    return response.statusCode() == OK ? JSON.readTree(response.body()) : JSON.createObjectNode();
  }

  private String request(String method, int port, String path, String body) throws Exception {
    return Await.until(method + " " + path, () -> {
      HttpResponse<String> response = send(method, port, path, body);
      if (response.statusCode() == REBALANCING) {
        return null;
      }
      if (response.statusCode() / 100 != 2) {
        throw new AssertionError(method + " " + path + ": " + response.statusCode() + " " + response.body());
      }
      return response.body();
    });
  }

  private HttpResponse<String> send(String method, int port, String path, String body) throws Exception {
    URI uri = URI.create("http://" + getHost() + ":" + getMappedPort(port) + path);
    HttpRequest request =
        HttpRequest.newBuilder(uri)
            .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body))
            .header("Content-Type", "application/json")
            .timeout(Duration.ofSeconds(90))
            .build();
    return http.send(request, BodyHandlers.ofString());
  }
}
