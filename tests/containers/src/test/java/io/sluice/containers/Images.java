package io.sluice.containers;

import com.github.dockerjava.api.DockerClient;
import com.github.dockerjava.api.async.ResultCallback;
import com.github.dockerjava.api.exception.NotFoundException;
import com.github.dockerjava.api.model.PullResponseItem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.opentest4j.TestAbortedException;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.images.builder.ImageFromDockerfile;
import org.testcontainers.utility.DockerImageName;

/** The images, by their properties; build.gradle has the public ones. */
final class Images {
  private static final int PULL_MINUTES = 15;
  private static final Map<String, Exception> UNAVAILABLE = new HashMap<>();
  private static String connect;

  private Images() {}

  /** That of the property {@code sluice.image.NAME}; without it the public one, or the test is skipped where that cannot be had. */
  static synchronized DockerImageName of(String name) {
    String given = System.getProperty("sluice.image." + name);
    if (given != null) {
      return DockerImageName.parse(given);
    }
    DockerImageName image = DockerImageName.parse(System.getProperty("sluice.image.public." + name));
    Exception cause = UNAVAILABLE.computeIfAbsent(name, key -> pulled(image));
    if (cause != null) {
      throw new TestAbortedException(
          "the image " + image + " cannot be had, and no -Dsluice.image." + name + "=IMAGE names another: " + root(cause), cause);
    }
    return image;
  }

  /** Once and not again and again for two minutes, as Testcontainers does it. */
  private static Exception pulled(DockerImageName image) {
    DockerClient docker = DockerClientFactory.instance().client();
    try {
      docker.inspectImageCmd(image.asCanonicalNameString()).exec();
      return null;
    } catch (NotFoundException e) {
      try (ResultCallback.Adapter<PullResponseItem> pull =
          docker.pullImageCmd(image.getUnversionedPart()).withTag(image.getVersionPart()).start()) {
        return pull.awaitCompletion(PULL_MINUTES, TimeUnit.MINUTES) ? null : new IOException("not fetched in " + PULL_MINUTES + " minutes");
      } catch (IOException | InterruptedException | RuntimeException failed) {
        return failed;
      }
    }
  }

  private static String root(Throwable thrown) {
    Throwable root = thrown;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    return root.getMessage();
  }

  /** That of the property {@code sluice.image.connect}; without it deploy/image with the plugin's zip and the JMX exporter. */
  static synchronized String connect() throws IOException {
    if (connect == null) {
      connect = System.getProperty("sluice.image.connect");
    }
    if (connect == null) {
      connect = built().get();
    }
    return connect;
  }

  private static ImageFromDockerfile built() throws IOException {
    Path root = Path.of(System.getProperty("sluice.root"));
    String zip = System.getProperty("sluice.plugin");
    if (zip == null) {
      throw new IllegalStateException("-Dsluice.plugin=ZIP has to name the plugin's zip; `cargo xtask containers` makes it");
    }
    ImageFromDockerfile image =
        // Kept for the next run, which finds most layers made.
        new ImageFromDockerfile("sluice-connect:of-tests-containers", false)
            .withTarget("debian")
            .withBuildArg("KAFKA", of("kafka").asCanonicalNameString())
            .withBuildArg("DEBIAN", of("debian").asCanonicalNameString())
            .withFileFromPath("sluice.zip", Path.of(zip))
            .withFileFromPath("jmx-exporter.yml", root.resolve("deploy/prometheus/jmx-exporter.yml"));
    Path exporter = Path.of(System.getProperty("sluice.jmx.exporter"));
    image.withFileFromPath(exporter.getFileName().toString(), exporter);
    try (Stream<Path> files = Files.list(root.resolve("deploy/image"))) {
      for (Path file : files.filter(file -> !file.toString().matches(".*(\\.zip|/jmx[^/]*)")).toList()) {
        image.withFileFromPath(file.getFileName().toString(), file);
      }
    }
    String network = System.getProperty("sluice.build.network");
    return network == null ? image : image.withBuildImageCmdModifier(build -> build.withNetworkMode(network));
  }
}
