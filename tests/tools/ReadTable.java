import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.delta.kernel.Scan;
import io.delta.kernel.Snapshot;
import io.delta.kernel.Table;
import io.delta.kernel.data.ColumnVector;
import io.delta.kernel.data.ColumnarBatch;
import io.delta.kernel.data.FilteredColumnarBatch;
import io.delta.kernel.data.Row;
import io.delta.kernel.defaults.engine.DefaultEngine;
import io.delta.kernel.engine.Engine;
import io.delta.kernel.internal.InternalScanFileUtils;
import io.delta.kernel.internal.data.ScanStateRow;
import io.delta.kernel.internal.util.Utils;
import io.delta.kernel.types.StructType;
import io.delta.kernel.utils.CloseableIterator;
import io.delta.kernel.utils.FileStatus;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;

/**
 * Reads a whole Delta table with Delta Kernel, which shares no code with Sluice, and prints what it found as one JSON object.
 *
 * <pre>
 * ReadTable TABLE                     rows, files, bytes, version, non-null values per column
 * ReadTable TABLE generate FIRST N    also compares every row with the generated event of its demo_id
 * ReadTable TABLE numbered FILE N     also compares every row with the line of the file that its demo_id numbers
 * ReadTable TABLE sequences N,N,...   of a table of numbered records, of which each partition has so many; see {@link Sequences}
 * ReadTable TABLE rows                prints the rows, one JSON array of Java's toString() or null for each
 * </pre>
 *
 * Memory: 8 bytes and 1 bit for each record that is expected; one batch of rows.
 */
final class ReadTable {
    private final Engine engine = DefaultEngine.create(new Configuration());
    private final Snapshot snapshot;
    private final StructType schema;
    private long rows;
    private long files;
    private long bytes;
    /** The one whose rows are being read. */
    private String file;

    private interface RowReader {
        void read(ColumnVector[] columns, int row) throws IOException;
    }

    private ReadTable(String path) {
        snapshot = Table.forPath(engine, path).getLatestSnapshot(engine);
        schema = snapshot.getSchema();
    }

    public static void main(String[] args) throws Exception {
        ReadTable table = new ReadTable(args[0]);
        String mode = args.length > 1 ? args[1] : "count";
        ObjectMapper json = new ObjectMapper();
        if (mode.equals("rows")) {
            table.scan((columns, row) -> {
                List<String> values = new ArrayList<>();
                for (int c = 0; c < columns.length; c++) {
                    values.add(TableText.of(columns[c], table.schema.at(c).getDataType(), row));
                }
                System.out.println(json.writeValueAsString(values));
            });
            return;
        }
        Map<String, Object> found = switch (mode) {
            case "count" -> table.count();
            case "generate" -> table.compare(Expected.generated(table.schema, Long.parseLong(args[2]), Integer.parseInt(args[3])));
            case "sequences" -> table.sequences(new Sequences(table.schema, Path.of(args[0]), Sequences.sent(args[2])));
            case "numbered" -> table.compare(Expected.fromFile(table.schema, args[2], Integer.parseInt(args[3])));
            default -> throw new IllegalArgumentException("unknown mode " + mode);
        };
        System.out.println(json.writeValueAsString(found));
    }

    private Map<String, Object> count() throws IOException {
        long[] nonNull = new long[schema.length()];
        scan((columns, row) -> {
            for (int c = 0; c < columns.length; c++) {
                nonNull[c] += columns[c].isNullAt(row) ? 0 : 1;
            }
        });
        return summary(nonNull);
    }

    private Map<String, Object> sequences(Sequences sequences) throws IOException {
        scan((columns, row) -> sequences.row(file, columns, row));
        Map<String, Object> found = summary(new long[schema.length()]);
        found.putAll(sequences.found());
        return found;
    }

    private Map<String, Object> compare(Expected expected) throws IOException {
        int idColumn = schema.indexOf("demo_id");
        long[] nonNull = new long[schema.length()];
        long[] sums = new long[schema.length()];
        long[] hashes = new long[schema.length()];
        BitSet seen = new BitSet(expected.hashes.length);
        long[] count = new long[3]; // duplicates, ids never sent, wrong values
        long[] range = {Long.MAX_VALUE, Long.MIN_VALUE};
        scan((columns, row) -> {
            for (int c = 0; c < columns.length; c++) {
                hashes[c] = ValueHash.of(columns[c], row);
                sums[c] += hashes[c];
                nonNull[c] += hashes[c] == ValueHash.NULL ? 0 : 1;
            }
            long id = columns[idColumn].getLong(row);
            range[0] = Math.min(range[0], id);
            range[1] = Math.max(range[1], id);
            long index = id - expected.first;
            if (columns[idColumn].isNullAt(row) || index < 0 || index >= expected.hashes.length) {
                count[1]++;
                return;
            }
            count[0] += seen.get((int) index) ? 1 : 0;
            seen.set((int) index);
            count[2] += expected.hashes[(int) index] == ValueHash.combine(hashes) ? 0 : 1;
        });
        List<String> wrongColumns = new ArrayList<>();
        for (int c = 0; c < sums.length; c++) {
            if (sums[c] != expected.columnSums[c] || nonNull[c] != expected.nonNull[c]) {
                wrongColumns.add(schema.at(c).getName());
            }
        }
        Map<String, Object> found = summary(nonNull);
        found.put("distinct", seen.cardinality());
        found.put("duplicates", count[0]);
        found.put("missing", expected.hashes.length - seen.cardinality());
        found.put("unknown_ids", count[1]);
        found.put("wrong_rows", count[2]);
        found.put("wrong_columns", wrongColumns);
        found.put("min_id", rows == 0 ? null : range[0]);
        found.put("max_id", rows == 0 ? null : range[1]);
        return found;
    }

    private Map<String, Object> summary(long[] nonNull) {
        Map<String, Object> columns = new LinkedHashMap<>();
        for (int c = 0; c < nonNull.length; c++) {
            columns.put(schema.at(c).getName(), nonNull[c]);
        }
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("version", snapshot.getVersion());
        found.put("rows", rows);
        found.put("files", files);
        found.put("bytes", bytes);
        found.put("non_null", columns);
        return found;
    }

    private void scan(RowReader reader) throws IOException {
        Scan scan = snapshot.getScanBuilder().build();
        Row state = scan.getScanState(engine);
        StructType physical = ScanStateRow.getPhysicalDataReadSchema(engine, state);
        try (CloseableIterator<FilteredColumnarBatch> scanFiles = scan.getScanFiles(engine)) {
            while (scanFiles.hasNext()) {
                try (CloseableIterator<Row> fileRows = scanFiles.next().getRows()) {
                    while (fileRows.hasNext()) {
                        Row add = fileRows.next();
                        FileStatus status = InternalScanFileUtils.getAddFileStatus(add);
                        file = status.getPath();
                        files++;
                        bytes += status.getSize();
                        CloseableIterator<ColumnarBatch> data = engine.getParquetHandler()
                            .readParquetFiles(Utils.singletonCloseableIterator(status), physical, Optional.empty());
                        try (var batches = Scan.transformPhysicalData(engine, state, add, data)) {
                            while (batches.hasNext()) {
                                scan(batches.next(), reader);
                            }
                        }
                    }
                }
            }
        }
    }

    private void scan(FilteredColumnarBatch batch, RowReader reader) throws IOException {
        ColumnVector[] columns = new ColumnVector[schema.length()];
        Arrays.setAll(columns, batch.getData()::getColumnVector);
        Optional<ColumnVector> selection = batch.getSelectionVector();
        for (int row = 0; row < batch.getData().getSize(); row++) {
            if (selection.isEmpty() || !selection.get().isNullAt(row) && selection.get().getBoolean(row)) {
                rows++;
                reader.read(columns, row);
            }
        }
    }

    /** What was sent: a hash for each record, and for each column the sum of its hashes and the number of values. */
    private record Expected(long first, long[] hashes, long[] columnSums, long[] nonNull) {
        private interface Lines {
            byte[] line(int index) throws IOException;
        }

        static Expected generated(StructType schema, long first, int count) throws IOException {
            return of(schema, first, count, i -> DemoEvent.json(first + i).getBytes(StandardCharsets.UTF_8));
        }

        static Expected fromFile(StructType schema, String path, int count) throws IOException {
            try (InputLines lines = new InputLines(path)) {
                return of(schema, 0, count, lines::nextNumbered);
            }
        }

        private static Expected of(StructType schema, long first, int count, Lines lines) throws IOException {
            JsonFactory json = new JsonFactory();
            Expected expected = new Expected(first, new long[count], new long[schema.length()], new long[schema.length()]);
            for (int i = 0; i < count; i++) {
                byte[] line = lines.line(i);
                try (JsonParser parser = json.createParser(line)) {
                    parser.nextToken();
                    long[] fields = ValueHash.fields(parser, schema, line);
                    for (int c = 0; c < fields.length; c++) {
                        expected.columnSums[c] += fields[c];
                        expected.nonNull[c] += fields[c] == ValueHash.NULL ? 0 : 1;
                    }
                    expected.hashes[i] = ValueHash.combine(fields);
                } catch (IOException | RuntimeException e) {
                    throw new IOException("record " + i + ": " + e.getMessage(), e);
                }
            }
            return expected;
        }
    }
}
