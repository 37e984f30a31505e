package io.sluice.connect;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** Operating system, architecture and C library of this JVM, in the words of the plugin's native folders. */
record Platform(String os, String arch, String libc) {
  private static final String GNU = "gnu";
  private static final String MUSL = "musl";

  static Platform ofThisJvm() {
    String arch = System.getProperty("os.arch");
    return new Platform(
        System.getProperty("os.name").toLowerCase(Locale.ROOT),
        switch (arch) {
          case "amd64" -> "x86_64";
          case "arm64" -> "aarch64";
          default -> arch;
        },
        loadedLibc());
  }

  /** Where the library lies, the likelier first: a musl JVM may run glibc code through gcompat, and detection may err. */
  List<String> folders() {
    String other = libc.equals(MUSL) ? GNU : MUSL;
    return List.of(folder(libc), folder(other));
  }

  @Override
  public String toString() {
    return os + ", " + arch + ", " + libc + " libc, Java " + System.getProperty("java.version");
  }

  private String folder(String ofLibc) {
    return "native/" + os + "-" + arch + "-" + ofLibc;
  }

  private static String loadedLibc() {
    try {
      String loaded = Files.readString(Path.of("/proc/self/maps"));
      if (loaded.contains("/ld-musl-")) {
        return MUSL;
      } else if (loaded.contains("/libc.so.6") || loaded.contains("/libc-2.")) {
        return GNU;
      }
    } catch (IOException e) {
      // No /proc: look for musl's loader instead.
    }
    try (DirectoryStream<Path> loaders = Files.newDirectoryStream(Path.of("/lib"), "ld-musl-*.so.1")) {
      return loaders.iterator().hasNext() ? MUSL : GNU;
    } catch (IOException e) {
      return GNU;
    }
  }
}
