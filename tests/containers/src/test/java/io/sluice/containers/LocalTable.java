package io.sluice.containers;

import com.github.dockerjava.api.exception.NotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;

/** A table in the file system of a worker's container. */
final class LocalTable extends Table {
  private final Worker worker;

  LocalTable(Worker worker, String name) throws IOException {
    super("/tmp/tables/" + name);
    this.worker = worker;
  }

  @Override
  void copy(String folder, Path to) throws Exception {
    try (TarArchiveInputStream archive =
        new TarArchiveInputStream(worker.getDockerClient().copyArchiveFromContainerCmd(worker.getContainerId(), uri + "/" + folder).exec())) {
      for (TarArchiveEntry entry = archive.getNextEntry(); entry != null; entry = archive.getNextEntry()) {
        // All names begin with that of the folder.
        Path inside = Path.of(entry.getName());
        if (entry.isFile()) {
          Path file = to.resolve(inside.subpath(1, inside.getNameCount()).toString());
          Files.createDirectories(file.getParent());
          Files.copy(archive, file, StandardCopyOption.REPLACE_EXISTING);
        }
      }
    } catch (NotFoundException e) {
      // Not created yet.
      return;
    }
  }
}
