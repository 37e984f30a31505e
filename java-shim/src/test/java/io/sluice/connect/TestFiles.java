package io.sluice.connect;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Files that are shared with Rust's tests. */
final class TestFiles {
  static final boolean BLESS = Boolean.getBoolean("sluice.bless");

  private TestFiles() {}

  static Path golden(String name) {
    return Path.of(System.getProperty("sluice.root"), "tests", "golden", name);
  }

  /** The file's content, which with -Dsluice.bless=true is first made to be this. */
  static byte[] goldenOr(String name, byte[] actual) throws IOException {
    if (BLESS) {
      Files.createDirectories(golden(name).getParent());
      Files.write(golden(name), actual);
    }
    return Files.readAllBytes(golden(name));
  }
}
