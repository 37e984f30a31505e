package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.Test;

/** The batches in tests/golden: what Java writes here is what Rust's tests read. docs/crossing.md has the files' format. */
class GoldenBatchTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final List<SinkRecord> records = new ArrayList<>();
  private final ArrayNode segments = JSON.createArrayNode();
  private final Partitions partitions = new Partitions();

  GoldenBatchTest() {
    partitions.add(new TopicPartition("flights", 0));
    partitions.add(new TopicPartition("flights", 1));
    partitions.add(new TopicPartition("zipcodes", 0));
  }

  @Test
  void empty() throws IOException {
    check("put-empty", SegmentEncoder.SEGMENT_BYTES);
  }

  @Test
  void raw() throws IOException {
    segment(0);
    for (int i = 0; i < 5; i++) {
      String value = "{\"id\":" + i + ",\"name\":\"n" + i + "\"}";
      row(0, "flights", 0, 1000 + i, value.getBytes(StandardCharsets.UTF_8), value);
    }
    check("put-raw", SegmentEncoder.SEGMENT_BYTES);
  }

  @Test
  void mixed_types_partitions_and_tombstones() throws IOException {
    segment(0);
    ByteBuffer window = ByteBuffer.wrap("xx{\"b\":1}yy".getBytes(StandardCharsets.UTF_8)).position(2).limit(9);
    row(0, "flights", 1, 5, "{\"s\":\"Zürich \uD83D\uDE80\"}", "{\"s\":\"Zürich \uD83D\uDE80\"}");
    row(0, "flights", 0, 9_000_000_000L, null, null);
    row(0, "zipcodes", 0, 0, window, "{\"b\":1}");
    row(0, "flights", 1, 7, new byte[0], "");
    row(0, "flights", 1, 8, window.slice().asReadOnlyBuffer(), "{\"b\":1}");
    for (int i = 0; i < 130; i++) { // more than two words of validity
      String value = i % 3 == 0 ? null : "{\"i\":" + i + "}";
      row(0, "zipcodes", 0, 10 + 2L * i, value, value);
    }
    check("put-mixed", SegmentEncoder.SEGMENT_BYTES);
    assertEquals(2, window.position(), "the buffer is left as it was");
  }

  @Test
  void all_tombstones() throws IOException {
    segment(0);
    row(0, "flights", 0, 1, null, null);
    row(0, "flights", 0, 2, null, null);
    check("put-tombstones", SegmentEncoder.SEGMENT_BYTES);
  }

  @Test
  void cut_into_segments() throws IOException {
    segment(0);
    row(0, "flights", 0, 1, "12345678", "12345678");
    row(0, "flights", 0, 2, "90123456", "90123456");
    row(0, "flights", 0, 3, null, null);
    segment(0);
    row(1, "flights", 0, 4, "larger than a whole segment", "larger than a whole segment");
    segment(0);
    row(2, "flights", 0, 5, null, null);
    row(2, "flights", 0, 6, "x", "x");
    check("put-segments", 16);
  }

  @Test
  void refused_rows() throws IOException {
    segment(0);
    segment(SegmentEncoder.FLAG_REFUSED);
    row(0, "flights", 0, 1, "{\"a\":1}", "{\"a\":1}");
    row(1, "flights", 1, 2, Map.of("a", 1), null);
    row(0, "flights", 0, 3, null, null);
    row(1, "flights", 0, 4, 17L, null);
    check("put-refused", SegmentEncoder.SEGMENT_BYTES);
  }

  @Test
  void only_refused_rows() throws IOException {
    segment(SegmentEncoder.FLAG_REFUSED);
    row(0, "zipcodes", 0, 2, true, null);
    check("put-all-refused", SegmentEncoder.SEGMENT_BYTES);
  }

  private void segment(int flags) {
    segments.addObject().put("flags", flags).putArray("rows");
  }

  /** A record, and where and how it is to be found in the batch. */
  private void row(int segment, String topic, int partition, long offset, Object value, String text) {
    ((ArrayNode) segments.get(segment).get("rows"))
        .addObject()
        .put("seq", records.size())
        .put("partition", partitions.id(topic, partition))
        .put("offset", offset)
        .put("value", text);
    records.add(new SinkRecord(topic, partition, null, null, null, value, offset));
  }

  private void check(String name, int segmentBytes) throws IOException {
    SegmentEncoder encoder = new SegmentEncoder(partitions, Origin.ofThisWorker(), segmentBytes);
    encoder.encode(List.of(new SinkRecord("flights", 0, null, null, null, "an earlier batch, of which nothing may remain", 0)));
    encoder.encode(records);

    ObjectNode clear = JSON.createObjectNode().put("records", records.size()).set("segments", segments);
    assertEquals(clear.toString(), inClear(encoder.meta(), encoder.buffers()).toString());
    byte[] json = json(clear);
    assertEquals(text(TestFiles.goldenOr(name + ".json", json)), text(json));
    byte[] dump = dump(encoder.meta(), encoder.buffers());
    assertArrayEquals(TestFiles.goldenOr(name + ".bin", dump), dump);
  }

  private static byte[] json(JsonNode node) throws JsonProcessingException {
    return (JSON.writeValueAsString(node).replace("{\"seq\"", "\n{\"seq\"") + "\n").getBytes(StandardCharsets.UTF_8);
  }

  private static String text(byte[] utf8) {
    return new String(utf8, StandardCharsets.UTF_8);
  }

  /** Reads a batch as docs/crossing.md says. */
  private static JsonNode inClear(int[] meta, Object[] buffers) {
    assertArrayEquals(new int[] {0x534C4331, 1}, Arrays.copyOf(meta, 2));
    assertEquals(4 + 5 * meta[2], meta.length);
    assertEquals(6 * meta[2], buffers.length);
    ObjectNode batch = JSON.createObjectNode().put("records", meta[3]);
    ArrayNode segments = batch.putArray("segments");
    for (int s = 0; s < meta[2]; s++) {
      int at = 4 + 5 * s;
      assertArrayEquals(new int[] {0, 1, meta[at + 2], 6}, Arrays.copyOfRange(meta, at, at + 4));
      int flags = meta[at + 4];
      ArrayNode rows = segments.addObject().put("flags", flags).putArray("rows");
      int from = 6 * s;
      for (int row = 0; row < meta[at + 2]; row++) {
        rows.addObject()
            .put("seq", ((int[]) buffers[from])[row])
            .put("partition", ((int[]) buffers[from + 1])[row])
            .put("offset", ((long[]) buffers[from + 2])[row])
            .put("value", flags == 0 ? value(buffers, from, row) : null);
      }
      if (flags != 0) {
        assertArrayEquals(new Object[3], Arrays.copyOfRange(buffers, from + 3, from + 6));
      }
    }
    return batch;
  }

  private static String value(Object[] buffers, int from, int row) {
    int[] ends = (int[]) buffers[from + 4];
    assertEquals(0, ends[0]);
    boolean present = buffers[from + 3] == null || (((long[]) buffers[from + 3])[row >> 6] >>> row & 1) == 1;
    if (!present) {
      assertEquals(ends[row], ends[row + 1], "no bytes without a value");
      return null;
    }
    return new String((byte[]) buffers[from + 5], ends[row], ends[row + 1] - ends[row], StandardCharsets.UTF_8);
  }

  private static byte[] dump(int[] meta, Object[] buffers) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(ints(meta.length));
    out.writeBytes(ints(meta));
    out.writeBytes(ints(buffers.length));
    for (int i = 0; i < buffers.length; i++) {
      int rows = meta[4 + 5 * (i / 6) + 2];
      Object buffer = buffers[i];
      if (buffer == null) {
        out.write(0);
        out.writeBytes(ints(0));
      } else if (buffer instanceof int[] ints) {
        int used = i % 6 == 4 ? rows + 1 : rows;
        out.write(1);
        out.writeBytes(ints(used));
        out.writeBytes(ints(Arrays.copyOf(ints, used)));
      } else if (buffer instanceof long[] longs) {
        int used = i % 6 == 3 ? (rows + 63) / 64 : rows;
        out.write(2);
        out.writeBytes(ints(used));
        for (int n = 0; n < used; n++) {
          out.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(longs[n]).array());
        }
      } else {
        int used = ((int[]) buffers[i - 1])[rows];
        out.write(3);
        out.writeBytes(ints(used));
        out.write((byte[]) buffer, 0, used);
      }
    }
    return out.toByteArray();
  }

  private static byte[] ints(int... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (int value : values) {
      bytes.putInt(value);
    }
    return bytes.array();
  }
}
