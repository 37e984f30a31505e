package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each load is in a class loader of its own, as a worker does it: loaded libraries and remembered failures go with the loader. */
class NativeLibraryTest {
  private static final String LIBRARY = System.getProperty(NativeLibrary.PATH);

  @TempDir Path folder;

  @BeforeEach
  void ownFolder() {
    System.setProperty(NativeLibrary.TMP_DIR, folder.toString());
  }

  @AfterEach
  void reset() {
    System.clearProperty(NativeLibrary.TMP_DIR);
    if (LIBRARY == null) {
      System.clearProperty(NativeLibrary.PATH);
    } else {
      System.setProperty(NativeLibrary.PATH, LIBRARY);
    }
  }

  @Test
  void two_class_loaders_load_two_copies_and_leave_no_file() throws Exception {
    assumeTrue(LIBRARY != null, "no native library: give one with gradle -D" + NativeLibrary.PATH + "=FILE");
    Object first = load();
    Object second = load();
    assertNotSame(first.getClass(), second.getClass());
    assertEquals(List.of(), filesIn(folder));
  }

  @Test
  void a_library_beside_the_jar_is_found() throws Exception {
    assumeTrue(LIBRARY != null, "no native library: give one with gradle -D" + NativeLibrary.PATH + "=FILE");
    Path plugin = folder.resolve("plugin");
    Path library = plugin.resolve(Platform.ofThisJvm().folders().get(0)).resolve("libsluice.so");
    Files.createDirectories(library.getParent());
    Files.copy(Path.of(LIBRARY), library);
    System.clearProperty(NativeLibrary.PATH);
    Object calls = load(PluginLoader.from(PluginLoader.jar(plugin.resolve("sluice.jar"))));
    assertEquals("io.sluice.connect.Native$1", calls.getClass().getName());
    assertNotSame(Native.CALLS.getClass(), calls.getClass());
  }

  @Test
  void nothing_anywhere_names_every_place() {
    System.clearProperty(NativeLibrary.PATH);
    String message = loadFails();
    Platform platform = Platform.ofThisJvm();
    assertTrue(message.startsWith("NATIVE_UNAVAILABLE: "), message);
    for (String part : List.of(platform.os(), platform.arch(), platform.libc() + " libc", "Java " + System.getProperty("java.version"))) {
      assertTrue(message.contains(part), part + " in " + message);
    }
    for (String place : platform.folders()) {
      assertTrue(message.contains("/" + place + "/libsluice.so: no such file"), place + " in " + message);
      assertTrue(message.contains("resource " + place + "/libsluice.so: no such file"), place + " in " + message);
    }
  }

  @Test
  void a_named_file_that_is_missing_is_the_only_place() {
    System.setProperty(NativeLibrary.PATH, folder.resolve("missing.so").toString());
    String message = loadFails();
    assertTrue(message.contains("Tried " + folder.resolve("missing.so") + ": no such file |"), message);
  }

  @Test
  void a_file_that_is_no_library_is_tried_in_every_folder() throws IOException {
    Path text = Files.writeString(folder.resolve("text.so"), "this is not an ELF file");
    System.setProperty(NativeLibrary.PATH, text.toString());
    String message = loadFails();
    assertTrue(message.contains("copied into " + folder + ": java.lang.UnsatisfiedLinkError"), message);
    assertTrue(message.contains("copied into " + System.getProperty("java.io.tmpdir") + ": java.lang.UnsatisfiedLinkError"), message);
    assertEquals(List.of(text), filesIn(folder));
  }

  @Test
  void a_library_that_is_cut_short_is_refused_before_it_can_kill_the_worker() throws IOException {
    byte[] whole = Files.readAllBytes(Path.of(System.getProperty("java.home"), "lib", "libprefs.so"));
    for (int bytes : new int[] {whole.length - 1, whole.length / 2, 64}) {
      Path cut = Files.write(folder.resolve("cut.so"), Arrays.copyOf(whole, bytes));
      System.setProperty(NativeLibrary.PATH, cut.toString());
      String message = loadFails();
      assertTrue(message.contains("cut short: it has " + bytes + " of " + whole.length + " bytes"), message);
    }
  }

  @Test
  void another_library_is_refused() {
    System.setProperty(NativeLibrary.PATH, Path.of(System.getProperty("java.home"), "lib", "libprefs.so").toString());
    String message = loadFails();
    assertTrue(message.contains("not Sluice's library"), message);
  }

  @Test
  void a_folder_that_cannot_be_written_is_passed_over_with_its_reason() throws IOException {
    System.setProperty(NativeLibrary.TMP_DIR, folder.resolve("missing").toString());
    System.setProperty(NativeLibrary.PATH, Files.writeString(folder.resolve("text.so"), "x").toString());
    String message = loadFails();
    assertTrue(message.contains("copied into " + folder.resolve("missing") + ": java.io.IOException: cannot create a folder there"), message);
  }

  @Test
  void the_failure_stays_the_same_and_is_never_a_linkage_error() throws Exception {
    System.clearProperty(NativeLibrary.PATH);
    try (PluginLoader loader = PluginLoader.ofClasses()) {
      String first = loadFails(loader);
      assertEquals(first, loadFails(loader));
    }
  }

  @Test
  void folders_of_this_platform() {
    assertEquals(List.of("native/linux-x86_64-musl", "native/linux-x86_64-gnu"), new Platform("linux", "x86_64", "musl").folders());
    assertEquals(List.of("native/linux-aarch64-gnu", "native/linux-aarch64-musl"), new Platform("linux", "aarch64", "gnu").folders());
  }

  private static Object load() throws Exception {
    return load(PluginLoader.ofClasses()); // stays open: a worker never closes a plugin's class loader
  }

  private static Object load(PluginLoader loader) throws Exception {
    Method load = loader.loadClass("io.sluice.connect.NativeLibrary").getDeclaredMethod("load");
    load.setAccessible(true);
    return load.invoke(null);
  }

  private static String loadFails() {
    try (PluginLoader loader = PluginLoader.ofClasses()) {
      return loadFails(loader);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static String loadFails(PluginLoader loader) {
    Throwable cause = assertThrows(InvocationTargetException.class, () -> load(loader)).getCause();
    assertEquals("org.apache.kafka.connect.errors.ConnectException", cause.getClass().getName(), cause::toString);
    return cause.getMessage();
  }

  private static List<Path> filesIn(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.toList();
    }
  }
}
