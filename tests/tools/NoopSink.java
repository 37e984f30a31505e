import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.sink.SinkConnector;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;

/** Counts records and does nothing else: what Connect itself costs. Its one task writes the count to {@code count.file}. */
public final class NoopSink extends SinkConnector {
    private static final String COUNT_FILE = "count.file";
    private Map<String, String> settings;

    @Override
    public void start(Map<String, String> given) {
        settings = given;
    }

    @Override
    public Class<? extends Task> taskClass() {
        return Counter.class;
    }

    @Override
    public List<Map<String, String>> taskConfigs(int maxTasks) {
        return Collections.nCopies(1, settings);
    }

    @Override
    public void stop() {}

    @Override
    public ConfigDef config() {
        return new ConfigDef().define(COUNT_FILE, ConfigDef.Type.STRING, ConfigDef.Importance.HIGH, "Where the count goes.");
    }

    @Override
    public String version() {
        return "1";
    }

    /** Public with a public constructor, as Connect makes it by reflection. */
    public static final class Counter extends SinkTask {
        private static final long WRITE_MILLIS = 50;
        private Path file;
        private long count;
        private long written;
        private long lastWrite = System.currentTimeMillis();

        @Override
        public void start(Map<String, String> settings) {
            file = Path.of(settings.get(COUNT_FILE));
        }

        @Override
        public void put(Collection<SinkRecord> records) {
            count += records.size();
            if (count == written) {
                return;
            }
            long now = System.currentTimeMillis();
            if (now - lastWrite < WRITE_MILLIS) {
                context.timeout(WRITE_MILLIS);
                return;
            }
            try {
                Files.writeString(file, Long.toString(count));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            lastWrite = now;
            written = count;
        }

        @Override
        public void stop() {}

        @Override
        public String version() {
            return "1";
        }
    }
}
