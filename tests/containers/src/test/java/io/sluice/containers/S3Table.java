package io.sluice.containers;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.S3Object;

/** A table on the S3 server. */
final class S3Table extends Table {
  private final S3Client s3;
  private final String key;

  S3Table(String key) throws IOException {
    super("s3://" + Cluster.BUCKET + "/" + key);
    this.key = key;
    s3 = Cluster.s3();
  }

  @Override
  void copy(String folder, Path to) throws Exception {
    String prefix = folder.isEmpty() ? key + "/" : key + "/" + folder + "/";
    for (S3Object object : s3.listObjectsV2Paginator(list -> list.bucket(Cluster.BUCKET).prefix(prefix)).contents()) {
      Path file = to.resolve(object.key().substring(prefix.length()));
      // Once written, an object does not change.
      if (!object.key().endsWith("/") && !Files.exists(file)) {
        Files.createDirectories(file.getParent());
        s3.getObject(get -> get.bucket(Cluster.BUCKET).key(object.key()), file);
      }
    }
  }
}
