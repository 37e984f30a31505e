import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** {@code WriteEvents FILE COUNT}: the first events of {@link DemoEvent}, one a line. */
final class WriteEvents {
    public static void main(String[] args) throws IOException {
        try (BufferedWriter file = Files.newBufferedWriter(Path.of(args[0]))) {
            long count = Long.parseLong(args[1]);
            for (long id = 0; id < count; id++) {
                file.write(DemoEvent.json(id));
                file.write('\n');
            }
        }
    }
}
