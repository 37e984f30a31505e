import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.delta.kernel.data.ColumnVector;
import io.delta.kernel.types.StructType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Records that {@link Produce} numbers by partition: what the value says, and what Kafka says in the columns {@code _kafka_partition}
 * and {@code _kafka_offset}.
 */
final class Sequences {
    private final int partition;
    private final int sequence;
    private final int kafkaPartition;
    private final int kafkaOffset;
    private final long[] sent;
    private final BitSet[] seen;
    private final long[] rows;
    /** Of the files that are known to be an append's: merged ones have rows of many versions. */
    private final Map<String, Long> versions;
    /** By table version, for each partition the lowest and the highest sequence. */
    private final TreeMap<Long, long[][]> spans = new TreeMap<>();
    private final Map<String, long[]> lastInFile = new HashMap<>();
    private final List<String> examples = new ArrayList<>();
    private long duplicates;
    private long unknown;
    private long misplaced;
    private long disordered;

    /** {@code sent} is the number of records of each partition. */
    Sequences(StructType schema, Path table, long[] sent) throws IOException {
        partition = schema.indexOf("partition");
        sequence = schema.indexOf("sequence");
        kafkaPartition = schema.indexOf("_kafka_partition");
        kafkaOffset = schema.indexOf("_kafka_offset");
        this.sent = sent;
        seen = Stream.generate(BitSet::new).limit(sent.length).toArray(BitSet[]::new);
        rows = new long[sent.length];
        versions = versions(table);
    }

    static long[] sent(String list) {
        return Stream.of(list.split(",")).mapToLong(Long::parseLong).toArray();
    }

    /** In which version each file was added with new rows, by its name, as far as the log goes back. */
    private static Map<String, Long> versions(Path table) throws IOException {
        ObjectMapper json = new ObjectMapper();
        Map<String, Long> versions = new HashMap<>();
        try (Stream<Path> log = Files.list(table.resolve("_delta_log"))) {
            for (Path commit : log.filter(file -> file.getFileName().toString().matches("\\d{20}\\.json")).toList()) {
                long version = Long.parseLong(commit.getFileName().toString().substring(0, 20));
                for (String line : Files.readAllLines(commit)) {
                    JsonNode add = json.readTree(line).path("add");
                    if (add.path("dataChange").asBoolean()) {
                        versions.put(name(add.path("path").asText()), version);
                    }
                }
            }
        }
        return versions;
    }

    private static String name(String path) {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    void row(String path, ColumnVector[] columns, int row) {
        String file = name(path);
        int p = columns[partition].getInt(row);
        long n = columns[sequence].getLong(row);
        if (p < 0 || p >= sent.length || n < 0 || n >= sent[p]) {
            unknown++;
            example("never sent: partition " + p + ", sequence " + n + " in " + file);
            return;
        }
        rows[p]++;
        if (seen[p].get((int) n)) {
            duplicates++;
            String version = versions.containsKey(file) ? "version " + versions.get(file) : "a merge, or of before the log";
            example("twice: partition " + p + ", sequence " + n + ", again in " + file + " of " + version);
        }
        seen[p].set((int) n);
        // The producer's order is the partition's, and nothing else is in the topic: a record's sequence is its offset.
        if (columns[kafkaPartition].getInt(row) != p || columns[kafkaOffset].getLong(row) != n) {
            misplaced++;
            example("partition " + p + ", sequence " + n + " says that it came from another place, in " + file);
        }
        if (!versions.containsKey(file)) {
            return;
        }
        long[] last = lastInFile.computeIfAbsent(file, name -> filled(-1));
        if (n <= last[p]) {
            disorder("partition " + p + ": " + n + " after " + last[p] + " in " + file);
        }
        last[p] = n;
        long[][] span = spans.computeIfAbsent(versions.get(file), version -> new long[][] {filled(Long.MAX_VALUE), filled(-1)});
        span[0][p] = Math.min(span[0][p], n);
        span[1][p] = Math.max(span[1][p], n);
    }

    private long[] filled(long value) {
        long[] values = new long[sent.length];
        java.util.Arrays.fill(values, value);
        return values;
    }

    private void disorder(String what) {
        disordered++;
        example("out of order: " + what);
    }

    private void example(String what) {
        if (examples.size() < 20) {
            examples.add(what);
        }
    }

    Map<String, Object> found() {
        long[] highest = filled(-1);
        spans.forEach((version, span) -> {
            for (int p = 0; p < sent.length; p++) {
                if (span[0][p] <= highest[p]) {
                    disorder("partition " + p + ": version " + version + " has " + span[0][p] + ", an earlier one " + highest[p]);
                }
                highest[p] = Math.max(highest[p], span[1][p]);
            }
        });
        long missing = 0;
        for (int p = 0; p < sent.length; p++) {
            long here = sent[p] - seen[p].cardinality();
            if (here > 0) {
                example("missing: " + here + " of partition " + p + ", the first of sequence " + seen[p].nextClearBit(0));
            }
            missing += here;
        }
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("partitions", rows);
        found.put("duplicates", duplicates);
        found.put("missing", missing);
        found.put("unknown", unknown);
        found.put("misplaced", misplaced);
        found.put("disordered", disordered);
        found.put("examples", examples);
        return found;
    }
}
