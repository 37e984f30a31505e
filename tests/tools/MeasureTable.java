import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.delta.kernel.Scan;
import io.delta.kernel.ScanBuilder;
import io.delta.kernel.Snapshot;
import io.delta.kernel.Table;
import io.delta.kernel.data.ColumnVector;
import io.delta.kernel.data.ColumnarBatch;
import io.delta.kernel.data.FilteredColumnarBatch;
import io.delta.kernel.data.Row;
import io.delta.kernel.defaults.engine.DefaultEngine;
import io.delta.kernel.engine.Engine;
import io.delta.kernel.expressions.And;
import io.delta.kernel.expressions.Column;
import io.delta.kernel.expressions.Literal;
import io.delta.kernel.expressions.Predicate;
import io.delta.kernel.internal.InternalScanFileUtils;
import io.delta.kernel.internal.data.ScanStateRow;
import io.delta.kernel.internal.util.Utils;
import io.delta.kernel.types.StructType;
import io.delta.kernel.utils.CloseableIterator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;

/**
 * Opens a table of {@code small-files} with Delta Kernel and asks it what that program's output says, as {@code readers.py} of
 * {@code tests/upkeep} does with others: {@code MeasureTable TABLE QUERIES.json WARM [all]}. WARM is a small table of that
 * program, by which the code gets going. Prints one JSON object.
 */
final class MeasureTable {
    private static final List<String> COLUMNS = List.of("id", "kind", "amount");

    private final Engine engine = DefaultEngine.create(new Configuration());
    private final Snapshot snapshot;
    private long scanned;

    private interface Rows {
        boolean has(long id, String kind);
    }

    private MeasureTable(String path) {
        snapshot = Table.forPath(engine, path).getLatestSnapshot(engine);
    }

    public static void main(String[] args) throws Exception {
        ObjectMapper json = new ObjectMapper();
        boolean all = args.length > 3;
        JsonNode queries = json.readTree(Path.of(args[1]).toFile());
        measure(args[2], queries, all);
        System.out.println(json.writeValueAsString(measure(args[0], queries, all)));
    }

    private static Map<String, Object> measure(String path, JsonNode queries, boolean all) throws IOException {
        Map<String, Object> seconds = new LinkedHashMap<>();
        Map<String, Object> found = new LinkedHashMap<>();
        Map<String, Object> scanned = new LinkedHashMap<>();

        long start = System.nanoTime();
        MeasureTable table = new MeasureTable(path);
        long files = table.files();
        seconds.put("open", since(start));

        int day = (int) LocalDate.parse(queries.get("day").asText()).toEpochDay();
        String kind = queries.get("kind").asText();
        Predicate ofDay = and("=", column("day"), Literal.ofDate(day), "=", column("kind"), Literal.ofString(kind));
        long from = queries.get("from").asLong();
        long to = queries.get("to").asLong();
        Predicate inRange = and(">=", column("id"), Literal.ofLong(from), "<", column("id"), Literal.ofLong(to));
        start = System.nanoTime();
        found.put("day", table.sum(Optional.of(ofDay), (id, k) -> kind.equals(k)));
        seconds.put("day", since(start));
        scanned.put("day", table.scanned);
        start = System.nanoTime();
        found.put("range", table.sum(Optional.of(inRange), (id, k) -> id >= from && id < to));
        seconds.put("range", since(start));
        scanned.put("range", table.scanned);
        if (all) {
            start = System.nanoTime();
            found.put("all", table.sum(Optional.empty(), (id, k) -> true));
            seconds.put("all", since(start));
        }
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("version", table.snapshot.getVersion());
        told.put("files", files);
        told.put("seconds", seconds);
        told.put("found", found);
        told.put("scanned", scanned);
        told.put("peak", peak());
        return told;
    }

    private static double since(long start) {
        return (System.nanoTime() - start) / 1e9;
    }

    private static Column column(String name) {
        return new Column(name);
    }

    private static Predicate and(String first, Column of, Literal than, String second, Column and, Literal to) {
        return new And(new Predicate(first, of, than), new Predicate(second, and, to));
    }

    /** The most that was resident. */
    private static long peak() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
            }
        }
        throw new IOException("no VmHWM");
    }

    private long files() throws IOException {
        long files = 0;
        try (CloseableIterator<FilteredColumnarBatch> batches = snapshot.getScanBuilder().build().getScanFiles(engine)) {
            while (batches.hasNext()) {
                try (CloseableIterator<Row> rows = batches.next().getRows()) {
                    for (; rows.hasNext(); files++) {
                        rows.next();
                    }
                }
            }
        }
        return files;
    }

    /** Rows, the sum of ids, the sum of amounts. */
    private long[] sum(Optional<Predicate> predicate, Rows wanted) throws IOException {
        scanned = 0;
        StructType schema = snapshot.getSchema();
        StructType read = new StructType(COLUMNS.stream().map(schema::get).toList());
        ScanBuilder builder = snapshot.getScanBuilder().withReadSchema(read);
        Scan scan = predicate.map(builder::withFilter).orElse(builder).build();
        Row state = scan.getScanState(engine);
        StructType physical = ScanStateRow.getPhysicalDataReadSchema(engine, state);
        long[] sum = new long[3];
        try (CloseableIterator<FilteredColumnarBatch> scanFiles = scan.getScanFiles(engine)) {
            while (scanFiles.hasNext()) {
                try (CloseableIterator<Row> fileRows = scanFiles.next().getRows()) {
                    while (fileRows.hasNext()) {
                        scanned++;
                        Row file = fileRows.next();
                        var status = InternalScanFileUtils.getAddFileStatus(file);
                        CloseableIterator<ColumnarBatch> data = engine.getParquetHandler()
                            .readParquetFiles(Utils.singletonCloseableIterator(status), physical, Optional.empty());
                        try (var batches = Scan.transformPhysicalData(engine, state, file, data)) {
                            while (batches.hasNext()) {
                                add(batches.next(), wanted, sum);
                            }
                        }
                    }
                }
            }
        }
        return sum;
    }

    private static void add(FilteredColumnarBatch batch, Rows wanted, long[] sum) {
        ColumnarBatch data = batch.getData();
        ColumnVector[] columns = {data.getColumnVector(0), data.getColumnVector(1), data.getColumnVector(2)};
        Optional<ColumnVector> selection = batch.getSelectionVector();
        for (int row = 0; row < data.getSize(); row++) {
            boolean there = selection.isEmpty() || !selection.get().isNullAt(row) && selection.get().getBoolean(row);
            long id = columns[0].getLong(row);
            if (there && wanted.has(id, columns[1].getString(row))) {
                sum[0]++;
                sum[1] += id;
                sum[2] += columns[2].getLong(row);
            }
        }
    }
}
