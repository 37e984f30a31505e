package io.sluice.connect;

import java.io.IOException;
import java.io.InputStream;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.CodeSource;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.apache.kafka.connect.errors.ConnectException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Loads {@code libsluice.so}, once for each class loader. The JVM refuses a file that another class loader has loaded, and two hard
 * links share one image with its state; so each class loader loads a copy of its own, which is deleted as soon as it is mapped.
 */
final class NativeLibrary {
  /** Names the library's file; then no other place is looked at. */
  static final String PATH = "sluice.native.path";
  /** Folder for the copy, tried first. It must allow execution. */
  static final String TMP_DIR = "sluice.native.tmp.dir";

  private static final Logger LOG = LoggerFactory.getLogger(NativeLibrary.class);
  private static final String FILE = "libsluice.so";
  private static final int ELF_HEADER = 64;
  private static final int ELF_MAGIC = 0x464C457F;

  private static boolean loaded;
  private static String failure;
  private static ShownMetrics metrics;

  private final Platform platform;
  private final Path pluginFolder; // null when the class loader does not tell
  private final List<String> tried = new ArrayList<>();

  NativeLibrary(Platform platform, Path pluginFolder) {
    this.platform = platform;
    this.pluginFolder = pluginFolder;
  }

  /** Not from a static initialiser: a worker must be able to list and validate the connector where the library cannot load. */
  static synchronized NativeCalls load() {
    if (!loaded) {
      if (failure == null) {
        failure = new NativeLibrary(Platform.ofThisJvm(), pluginFolder()).tryLoad();
      }
      if (failure != null) {
        throw new ConnectException(failure);
      }
      loaded = true;
      LogPump.start();
      metrics = ShownMetrics.ofProcess(Native.CALLS::processStats);
      metrics.refresh();
    }
    return Native.CALLS;
  }

  /** Of what the tasks share: tables and kinds of requests may be new. */
  static void refreshMetrics() {
    ShownMetrics ofProcess = metrics;
    if (ofProcess != null) {
      ofProcess.refresh();
    }
  }

  /** Null when the library is loaded and agrees with this jar, else the error. */
  String tryLoad() {
    try {
      return loadFirst() ? init() : unavailable("not found or not loadable. Tried " + String.join("; ", tried));
    } catch (LinkageError e) {
      return unavailable("it is not Sluice's library or another version's: " + e.getMessage() + ". Tried " + String.join("; ", tried));
    }
  }

  private static String init() {
    Reply reply = new Reply(Native.init(Native.CROSSING_VERSION));
    if (reply.status() != Reply.OK) {
      return reply.error();
    }
    LOG.info("Native library {} loaded for plugin version {}", reply.str(), Version.CURRENT);
    return null;
  }

  private String unavailable(String reason) {
    return Errors.text(ErrorCode.NATIVE_UNAVAILABLE, "native library (" + platform + "): " + reason);
  }

  private boolean loadFirst() {
    String named = System.getProperty(PATH);
    if (named != null) {
      return loadFile(Path.of(named));
    }
    for (String folder : platform.folders()) {
      if ((pluginFolder != null && loadFile(pluginFolder.resolve(folder).resolve(FILE))) || loadResource(folder + "/" + FILE)) {
        return true;
      }
    }
    return false;
  }

  private boolean loadFile(Path file) {
    return loadCopy(file.toString(), () -> Files.newInputStream(file));
  }

  private boolean loadResource(String name) {
    return loadCopy(
        "resource " + name,
        () -> {
          InputStream content = NativeLibrary.class.getResourceAsStream("/" + name);
          if (content == null) {
            throw new NoSuchFileException(name);
          }
          return content;
        });
  }

  private interface Content {
    InputStream open() throws IOException;
  }

  private boolean loadCopy(String source, Content content) {
    for (Path folder : copyFolders()) {
      try (InputStream bytes = content.open()) {
        loadCopy(bytes, folder);
        return true;
      } catch (NoSuchFileException e) {
        tried.add(source + ": no such file");
        return false;
      } catch (IOException | UnsatisfiedLinkError e) {
        tried.add(source + " copied into " + folder + ": " + e);
      }
    }
    return false;
  }

  private static void loadCopy(InputStream bytes, Path folder) throws IOException {
    Path own = folder.resolve("sluice-" + UUID.randomUUID());
    try {
      Files.createDirectory(own, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    } catch (IOException e) {
      throw new IOException("cannot create a folder there: " + e, e);
    }
    Path copy = own.resolve(FILE);
    try {
      Files.copy(bytes, copy);
      demandWhole(copy);
      System.load(copy.toAbsolutePath().toString());
    } finally {
      Files.deleteIfExists(copy);
      Files.deleteIfExists(own);
    }
  }

  /** A library that is cut short is mapped all the same, and the first touch of what is missing kills the worker. */
  private static void demandWhole(Path library) throws IOException {
    ByteBuffer header = ByteBuffer.allocate(ELF_HEADER).order(ByteOrder.LITTLE_ENDIAN);
    try (FileChannel file = FileChannel.open(library)) {
      while (header.hasRemaining() && file.read(header) >= 0) {}
      if (header.hasRemaining() || header.getInt(0) != ELF_MAGIC) {
        return; // for the system's loader to refuse
      }
      long sections = header.getLong(40); // their table is the file's last part
      int size = header.getShort(58) & 0xffff;
      int count = header.getShort(60) & 0xffff;
      if (file.size() < sections + (long) size * count) {
        throw new IOException("the library is cut short: it has " + file.size() + " of " + (sections + (long) size * count) + " bytes");
      }
    }
  }

  private Set<Path> copyFolders() {
    Set<Path> folders = new LinkedHashSet<>();
    for (String property : List.of(TMP_DIR, "java.io.tmpdir")) {
      if (System.getProperty(property) != null) {
        folders.add(Path.of(System.getProperty(property)));
      }
    }
    if (pluginFolder != null) {
      folders.add(pluginFolder);
    }
    return folders;
  }

  /** The folder of the jar that this class is in. */
  private static Path pluginFolder() {
    CodeSource source = NativeLibrary.class.getProtectionDomain().getCodeSource();
    try {
      return source == null ? null : Path.of(source.getLocation().toURI()).getParent();
    } catch (URISyntaxException | IllegalArgumentException e) {
      LOG.debug("No plugin folder", e);
      return null;
    }
  }
}
