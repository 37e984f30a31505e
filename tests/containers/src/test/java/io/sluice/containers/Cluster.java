package io.sluice.containers;

import com.github.dockerjava.api.DockerClient;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.Network;
import org.testcontainers.containers.wait.strategy.Wait;
import org.testcontainers.kafka.KafkaContainer;
import org.testcontainers.utility.DockerImageName;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.s3.S3Client;

/**
 * A broker, a worker, an S3 server and DynamoDB, under the names and with the keys of deploy/compose; each is started by the first test that
 * asks for it and shared by all. Testcontainers takes them away at the end.
 */
final class Cluster {
  static final String BUCKET = "lake";
  static final String KEY_ID = "sluice";
  static final String KEY = "sluice-on-a-laptop";

  private static final int S3_PORT = 7070;
  /** To versitygw a folder is a bucket. */
  private static final String S3_COMMAND = "mkdir -p /data/" + BUCKET + " && exec versitygw --port :" + S3_PORT + " posix /data";

  private static final int DYNAMODB_PORT = 8000;

  private static final Network NETWORK = network();
  private static KafkaContainer kafka;
  private static Worker worker;
  private static GenericContainer<?> s3Server;
  private static S3Client s3;
  private static DynamoDbClient dynamodb;

  private Cluster() {}

  /** For what the tests leave. */
  static Path folder() throws IOException {
    return Files.createDirectories(Path.of(System.getProperty("sluice.root"), "target/containers"));
  }

  /** Publishes ports on loopback only, where the Docker engine is on this machine. */
  private static Network network() {
    String host = DockerClientFactory.instance().dockerHostIpAddress();
    if (!List.of("localhost", "127.0.0.1").contains(host)) {
      return Network.newNetwork();
    }
    Map<String, String> loopback = Map.of("com.docker.network.bridge.host_binding_ipv4", "127.0.0.1");
    return Network.builder().createNetworkCmdModifier(create -> create.withOptions(loopback)).build();
  }

  static synchronized KafkaContainer kafka() {
    if (kafka == null) {
      DockerImageName image = Images.of("kafka").asCompatibleSubstituteFor("apache/kafka");
      KafkaContainer starting = new KafkaContainer(image).withNetwork(NETWORK).withListener("kafka:19092");
      starting.start();
      kafka = starting;
    }
    return kafka;
  }

  /** The shared worker. */
  static synchronized Worker worker() throws Exception {
    if (worker == null) {
      worker = worker("sluice");
    }
    return worker;
  }

  /** Another worker, in a group of this name. */
  static Worker worker(String group) throws Exception {
    kafka();
    Worker starting = new Worker(Images.connect(), NETWORK, group);
    starting.start();
    return starting;
  }

  static Admin admin() {
    return Admin.create(Map.of("bootstrap.servers", kafka().getBootstrapServers()));
  }

  static synchronized S3Client s3() {
    if (s3 == null) {
      s3Server =
          started(
              new GenericContainer<>(Images.of("s3"))
                  .withEnv("ROOT_ACCESS_KEY", KEY_ID)
                  .withEnv("ROOT_SECRET_KEY", KEY)
                  .withCreateContainerCmdModifier(create -> create.withEntrypoint("sh", "-c", S3_COMMAND)),
              "s3",
              S3_PORT);
      s3 =
          S3Client.builder()
              .endpointOverride(endpoint(s3Server, S3_PORT))
              .forcePathStyle(true)
              .region(Region.US_EAST_1)
              .credentialsProvider(credentials())
              .httpClient(UrlConnectionHttpClient.create())
              .build();
    }
    return s3;
  }

  /** The S3 server stops to answer, and keeps what it has; or goes on. */
  static void holdS3(boolean held) {
    DockerClient docker = s3Server.getDockerClient();
    if (held) {
      docker.pauseContainerCmd(s3Server.getContainerId()).exec();
    } else {
      docker.unpauseContainerCmd(s3Server.getContainerId()).exec();
    }
  }

  static synchronized DynamoDbClient dynamodb() {
    if (dynamodb == null) {
      GenericContainer<?> server =
          started(
              new GenericContainer<>(Images.of("dynamodb"))
                  .withCommand(
                      "-jar", "DynamoDBLocal.jar", "-inMemory", "-sharedDb", "-disableTelemetry", "-port", String.valueOf(DYNAMODB_PORT)),
              "dynamodb",
              DYNAMODB_PORT);
      dynamodb =
          DynamoDbClient.builder()
              .endpointOverride(endpoint(server, DYNAMODB_PORT))
              .region(Region.US_EAST_1)
              .credentialsProvider(credentials())
              .httpClient(UrlConnectionHttpClient.create())
              .build();
    }
    return dynamodb;
  }

  private static GenericContainer<?> started(GenericContainer<?> container, String name, int port) {
    container.withNetwork(NETWORK).withNetworkAliases(name).withExposedPorts(port).waitingFor(Wait.forListeningPort()).start();
    return container;
  }

  private static AwsCredentialsProvider credentials() {
    return StaticCredentialsProvider.create(AwsBasicCredentials.create(KEY_ID, KEY));
  }

  private static URI endpoint(GenericContainer<?> server, int port) {
    return URI.create("http://" + server.getHost() + ":" + server.getMappedPort(port));
  }
}
