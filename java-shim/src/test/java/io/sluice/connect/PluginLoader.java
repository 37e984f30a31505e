package io.sluice.connect;

import java.io.IOException;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;

/** Loads the plugin's classes itself, and Kafka's from its parent, as a worker's plugin class loader does. */
final class PluginLoader extends URLClassLoader {
  private final boolean ownKafka;

  private PluginLoader(boolean ownKafka, URL... places) {
    super(places, PluginLoader.class.getClassLoader());
    this.ownKafka = ownKafka;
  }

  static PluginLoader ofClasses() throws IOException {
    List<URL> places = classes();
    return from(places.toArray(new URL[0]));
  }

  static PluginLoader from(URL... places) {
    return new PluginLoader(false, places);
  }

  /** With the Kafka of these jars instead of the tests'. */
  static PluginLoader withKafka(String classPath) throws IOException {
    List<URL> places = classes();
    for (String jar : classPath.split(":")) {
      places.add(Path.of(jar).toUri().toURL());
    }
    return new PluginLoader(true, places.toArray(new URL[0]));
  }

  /** Writes the plugin's classes into a jar. */
  static URL jar(Path file) throws IOException {
    Path classes = Path.of(NativeLibrary.class.getProtectionDomain().getCodeSource().getLocation().getPath());
    try (OutputStream out = Files.newOutputStream(file);
        JarOutputStream jar = new JarOutputStream(out);
        Stream<Path> files = Files.walk(classes)) {
      for (Path one : files.filter(Files::isRegularFile).toList()) {
        jar.putNextEntry(new JarEntry(classes.relativize(one).toString()));
        Files.copy(one, jar);
        jar.closeEntry();
      }
      jar.putNextEntry(new JarEntry("io/sluice/connect/version.properties"));
      jar.write("version=test\n".getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }
    return file.toUri().toURL();
  }

  @Override
  protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
    if (!name.startsWith("io.sluice.") && !(ownKafka && name.startsWith("org.apache.kafka."))) {
      return super.loadClass(name, resolve);
    }
    synchronized (getClassLoadingLock(name)) {
      Class<?> loaded = findLoadedClass(name);
      return loaded == null ? findClass(name) : loaded;
    }
  }

  private static List<URL> classes() throws IOException {
    List<URL> places = new ArrayList<>();
    for (String place : System.getProperty("java.class.path").split(":")) {
      Path path = Path.of(place);
      if (Files.isDirectory(path)) {
        places.add(path.toUri().toURL());
      }
    }
    return places;
  }
}
