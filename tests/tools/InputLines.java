import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The lines of a file as they stand, byte for byte, in memory for one line. */
final class InputLines implements AutoCloseable {
    private final InputStream in;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream(512);
    private long number;

    InputLines(String path) throws IOException {
        in = new BufferedInputStream(Files.newInputStream(Path.of(path)), 1 << 20);
    }

    /** The next line without its line break, or null at the end. */
    byte[] next() throws IOException {
        line.reset();
        int c = in.read();
        if (c < 0) {
            return null;
        }
        for (; c >= 0 && c != '\n'; c = in.read()) {
            line.write(c);
        }
        number++;
        return line.toByteArray();
    }

    /** The next line that is not blank, made the JSON object numbered {@code id}: {@code demo_id} is put in as its first field. */
    byte[] nextNumbered(long id) throws IOException {
        byte[] text = next();
        while (text != null && new String(text, StandardCharsets.ISO_8859_1).isBlank()) {
            text = next();
        }
        if (text == null) {
            return null;
        }
        int open = skipBlank(text, 0);
        if (text[open] != '{') {
            throw new IOException("line " + number + " is not a JSON object");
        }
        int first = skipBlank(text, open + 1);
        boolean empty = first < text.length && text[first] == '}';
        byte[] head = ("{\"demo_id\":" + id + (empty ? "" : ",")).getBytes(StandardCharsets.US_ASCII);
        byte[] out = new byte[head.length + text.length - open - 1];
        System.arraycopy(head, 0, out, 0, head.length);
        System.arraycopy(text, open + 1, out, head.length, text.length - open - 1);
        return out;
    }

    private static int skipBlank(byte[] text, int at) {
        while (at < text.length && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r')) {
            at++;
        }
        return at;
    }

    @Override
    public void close() throws IOException {
        in.close();
    }
}
