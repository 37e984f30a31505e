import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.connector.Connector;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;
import org.apache.kafka.connect.sink.SinkTaskContext;

/**
 * {@code TryPlugin FOLDER TABLE COUNT}: a task of the plugin in the folder, as its package has it, writes the first events of {@link
 * DemoEvent} into a new table, without a worker and a broker: for JVMs of other architectures and C libraries. Nothing is said of where
 * the native library is, so the plugin has to pick the right one by itself.
 */
final class TryPlugin {
    private static final TopicPartition PARTITION = new TopicPartition("t", 0);
    private static final int BATCH = 500;
    private static final long PATIENCE_MILLIS = 120_000;

    private final Set<TopicPartition> paused = new LinkedHashSet<>();
    private final SinkTask task;

    public static void main(String[] args) throws Exception {
        Path table = Path.of(args[1]);
        int count = Integer.parseInt(args[2]);
        try (URLClassLoader plugin = new URLClassLoader(jars(Path.of(args[0])), TryPlugin.class.getClassLoader())) {
            Connector connector =
                plugin.loadClass("io.sluice.connect.DeltaSinkConnector").asSubclass(Connector.class).getConstructor().newInstance();
            connector.start(
                Map.of("name", "trial", "topics", "t", "delta.table.uri", table.toString(), "delta.table.auto.create", "true",
                    "delta.input.mode", "raw", "delta.commit.interval.ms", "100"));
            SinkTask task = (SinkTask) connector.taskClass().getConstructor().newInstance();
            new TryPlugin(task).write(connector.taskConfigs(1).get(0), count);
            connector.stop();
        }
        System.out.println(count + " records on " + System.getProperty("os.arch") + ", Java " + System.getProperty("java.version"));
        System.exit(0); // the native library's threads do not hold a JVM up, but those of a trial that failed might
    }

    private TryPlugin(SinkTask task) {
        this.task = task;
    }

    private void write(Map<String, String> settings, int count) throws InterruptedException {
        task.initialize(new Worker());
        task.start(settings);
        task.open(List.of(PARTITION));
        for (int first = 0; first < count; first += BATCH) {
            proceed();
            task.put(events(first, Math.min(count, first + BATCH)));
        }
        Map<TopicPartition, OffsetAndMetadata> all = Map.of(PARTITION, new OffsetAndMetadata(count));
        long end = System.currentTimeMillis() + PATIENCE_MILLIS;
        while (committed(all) < count) {
            demand(System.currentTimeMillis() < end, "offset " + count + " is not committed");
            Thread.sleep(10);
            task.put(List.of());
        }
        task.close(List.of(PARTITION));
        task.stop();
    }

    private long committed(Map<TopicPartition, OffsetAndMetadata> all) {
        OffsetAndMetadata offset = task.preCommit(new HashMap<>(all)).get(PARTITION);
        return offset == null ? 0 : offset.offset();
    }

    /** As long as the task wants no records. */
    private void proceed() throws InterruptedException {
        long end = System.currentTimeMillis() + PATIENCE_MILLIS;
        task.put(List.of());
        while (!paused.isEmpty()) {
            demand(System.currentTimeMillis() < end, "the task stays paused");
            Thread.sleep(10);
            task.put(List.of());
        }
    }

    private static List<SinkRecord> events(int first, int end) {
        List<SinkRecord> records = new ArrayList<>();
        for (int id = first; id < end; id++) {
            byte[] value = DemoEvent.json(id).getBytes(StandardCharsets.UTF_8);
            records.add(new SinkRecord(PARTITION.topic(), PARTITION.partition(), null, null, null, value, id));
        }
        return records;
    }

    private static URL[] jars(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            URL[] jars = files.filter(file -> file.toString().endsWith(".jar")).map(TryPlugin::url).toArray(URL[]::new);
            demand(jars.length > 0, "there is no jar in " + folder);
            return jars;
        }
    }

    private static URL url(Path file) {
        try {
            return file.toUri().toURL();
        } catch (MalformedURLException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void demand(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }

    private final class Worker implements SinkTaskContext {
        @Override
        public Map<String, String> configs() {
            return Map.of();
        }

        @Override
        public void offset(Map<TopicPartition, Long> offsets) {
            offsets.forEach(this::offset);
        }

        /** A new table has no offsets to go back to. */
        @Override
        public void offset(TopicPartition partition, long offset) {
            demand(offset == 0, partition + " is wanted again from offset " + offset);
        }

        @Override
        public void timeout(long timeoutMs) {}

        @Override
        public Set<TopicPartition> assignment() {
            return Set.of(PARTITION);
        }

        @Override
        public void pause(TopicPartition... partitions) {
            paused.addAll(List.of(partitions));
        }

        @Override
        public void resume(TopicPartition... partitions) {
            paused.removeAll(List.of(partitions));
        }

        @Override
        public void requestCommit() {}

        @Override
        public ErrantRecordReporter errantRecordReporter() {
            return (record, error) -> {
                throw new IllegalStateException("record at offset " + record.kafkaOffset() + " is bad", error);
            };
        }

        /** Null, as on a worker that has no metrics for plugins. */
        @Override
        public org.apache.kafka.common.metrics.PluginMetrics pluginMetrics() {
            return null;
        }
    }
}
