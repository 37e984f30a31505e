package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;
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

  @Test
  void typed_structs_with_key_headers_and_metadata() throws IOException {
    Schema inner = SchemaBuilder.struct().name("inner").optional().field("x", Schema.INT32_SCHEMA).field("s", Schema.OPTIONAL_STRING_SCHEMA).build();
    Schema schema =
        SchemaBuilder.struct().name("all").version(3).doc("Every kind")
            .field("i8", Schema.OPTIONAL_INT8_SCHEMA).field("i16", Schema.OPTIONAL_INT16_SCHEMA)
            .field("i32", Schema.OPTIONAL_INT32_SCHEMA).field("i64", Schema.INT64_SCHEMA)
            .field("f32", Schema.OPTIONAL_FLOAT32_SCHEMA).field("f64", Schema.OPTIONAL_FLOAT64_SCHEMA)
            .field("flag", Schema.OPTIONAL_BOOLEAN_SCHEMA).field("text", Schema.OPTIONAL_STRING_SCHEMA)
            .field("bytes", Schema.OPTIONAL_BYTES_SCHEMA).field("decimal", Decimal.builder(2).parameter("connect.decimal.precision", "9").optional().build())
            .field("date", Date.builder().optional().build()).field("time", Time.builder().optional().build())
            .field("timestamp", Timestamp.builder().optional().build())
            .field("list", SchemaBuilder.array(inner).optional().build())
            .field("map", SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.OPTIONAL_INT64_SCHEMA).optional().build())
            .field("inner", inner)
            .build();
    Struct full =
        new Struct(schema).put("i8", (byte) -8).put("i16", (short) -1600).put("i32", 32).put("i64", Long.MIN_VALUE).put("f32", 0.5f).put("f64", -2.25)
            .put("flag", true).put("text", "Zürich \uD83D\uDE80?").put("bytes", ByteBuffer.wrap(new byte[] {1, 2, 3, 4}).position(1).limit(3))
            .put("decimal", new BigDecimal("-12.34")).put("date", new java.util.Date(-86_400_000)).put("time", new java.util.Date(86_399_999))
            .put("timestamp", new java.util.Date(-1))
            .put("list", Arrays.asList(new Struct(inner).put("x", 1).put("s", "a"), null, new Struct(inner).put("x", 2)))
            .put("map", Collections.singletonMap("k", null)).put("inner", new Struct(inner).put("x", 7));
    Struct sparse = new Struct(schema).put("i64", 1L);
    String row = "{'i8':-8,'i16':-1600,'i32':32,'i64':-9223372036854775808,'f32':0.5,'f64':-2.25,'flag':true,'text':'Zürich \uD83D\uDE80?','bytes':'0203','decimal':'fb2e',"
        + "'date':-1,'time':86399999,'timestamp':-1,'list':[{'x':1,'s':'a'},null,{'x':2,'s':null}],'map':[['k',null]],'inner':{'x':7,'s':null}}";
    String sparseRow = "{'i8':null,'i16':null,'i32':null,'i64':1,'f32':null,'f64':null,'flag':null,'text':null,'bytes':null,'decimal':null,"
        + "'date':null,'time':null,'timestamp':null,'list':null,'map':null,'inner':null}";
    Schema keySchema = SchemaBuilder.struct().field("id", Schema.INT32_SCHEMA).build();
    segment(0, 16, 17);
    segment(0, 0, 0);
    typed(0, 0, "topic-a", 12L, new Struct(keySchema).put("id", 4), full, "{'id':4}", row, "0b020b02090161060500000000000000" + "0b02090161" + "0b020a010900");
    typed(0, 0, "topic-b", null, new Struct(keySchema).put("id", 5), sparse, "{'id':5}", sparseRow, "0b00");
    typed(1, 0, "topic-a", 13L, null, null, null, "null", "0b00");
    records.get(0).headers().addLong("a", 5).add("a", Arrays.asList(new byte[] {9}, null), null);
    check("put-typed", SegmentEncoder.SEGMENT_BYTES, InputMode.CONNECT, Needs.of(15));
  }

  @Test
  void schemaless_values() throws IOException {
    segment(0, 0, 2);
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("n", null);
    map.put("t", true);
    map.put("i8", (byte) -1);
    map.put("i16", (short) -2);
    map.put("i32", 3);
    map.put("f32", 1.5f);
    map.put("f64", 1.5);
    map.put("s", "é");
    map.put("d", new BigDecimal("1.50"));
    map.put("big", BigInteger.valueOf(255));
    map.put("when", new java.util.Date(1));
    map.put("m", Map.of(1, false));
    map.put("struct", new Struct(SchemaBuilder.struct().field("d", Date.SCHEMA).field("t", Time.SCHEMA).field("ts", Timestamp.SCHEMA).build())
        .put("d", new java.util.Date(86_400_000)).put("t", new java.util.Date(2)).put("ts", new java.util.Date(3)));
    any(0, map,
        "0c0d" + "016e00" + "017402" + "02693803ff" + "0369313604feff" + "036933320503000000" + "03663332070000c03f" + "0366363408000000000000f83f" + "01730902c3a9"
            + "01640e02000000020096" + "036269670e000000000200ff" + "047768656e0f0100000000000000" + "016d0d01050100000001"
            + "067374727563740c03" + "01641101000000" + "01741202000000" + "027473130300000000000000");
    any(0, Map.of(), "0c00");
    check("put-any", SegmentEncoder.SEGMENT_BYTES, InputMode.AUTO, Needs.NOTHING);
  }

  @Test
  void two_schemas_take_turns() throws IOException {
    Schema one = SchemaBuilder.struct().field("a", Schema.INT32_SCHEMA).build();
    Schema two = SchemaBuilder.struct().field("a", Schema.INT32_SCHEMA).field("b", Schema.OPTIONAL_STRING_SCHEMA).build();
    segment(0, 0, 16);
    segment(0, 0, 17);
    for (int i = 0; i < 3; i++) {
      typed(0, new Struct(one).put("a", i), "{'a':" + i + "}");
      typed(1, new Struct(two).put("a", i).put("b", "x"), "{'a':" + i + ",'b':'x'}");
    }
    check("put-schemas", SegmentEncoder.SEGMENT_BYTES, InputMode.CONNECT, Needs.NOTHING);
  }

  private void typed(int segment, Struct value, String clear) throws IOException {
    add(segment, clear);
    records.add(new SinkRecord("flights", 0, null, null, value.schema(), value, records.size()));
  }

  private void any(int segment, Object value, String hex) throws IOException {
    add(segment, "'" + hex + "'");
    records.add(new SinkRecord("flights", 0, null, null, null, value, records.size()));
  }

  private void typed(
      int segment, int partition, String topic, Long timestamp, Struct key, Struct value, String clearKey, String clearValue, String headers)
      throws IOException {
    ObjectNode row = add(segment, clearValue);
    JsonNode payload = row.remove("value");
    row.put("topic", topic.equals("topic-a") ? 0 : 1).put("timestamp", timestamp).put("timestampType", timestamp == null ? -1 : 0).put("headers", headers);
    if (clearKey != null) {
      row.set("key", clear(clearKey));
    }
    row.set("value", payload);
    TimestampType type = timestamp == null ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME;
    records.add(
        new SinkRecord(topic, 9, key == null ? null : key.schema(), key, value == null ? null : value.schema(), value, 0, timestamp, type, null,
            "flights", partition, records.size()));
  }

  private ObjectNode add(int segment, String clearValue) throws IOException {
    ObjectNode row = ((ArrayNode) segments.get(segment).get("rows")).addObject();
    row.put("seq", records.size()).put("partition", 0).put("offset", (long) records.size()).set("value", clear(clearValue));
    return row;
  }

  private static JsonNode clear(String text) throws IOException {
    return JSON.readTree(text.replace('\'', '"'));
  }

  private void segment(int flags) {
    segment(flags, 0, flags == 0 ? 1 : 0);
  }

  private void segment(int flags, int key, int value) {
    segments.addObject().put("flags", flags).put("key", key).put("value", value).putArray("rows");
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
    check(name, segmentBytes, InputMode.RAW, Needs.NOTHING);
  }

  private void check(String name, int segmentBytes, InputMode mode, Needs needs) throws IOException {
    FakeNative core = new FakeNative();
    SegmentEncoder encoder =
        new SegmentEncoder(partitions, Origin.ofThisWorker(), mode, needs, new Registry(core, FakeNative.HANDLE), segmentBytes);
    encoder.encode(List.of(new SinkRecord("flights", 0, null, null, null, "an earlier batch, of which nothing may remain", 0)));
    encoder.encode(records);

    ObjectNode clear = JSON.createObjectNode().put("records", records.size()).set("segments", segments);
    BatchReader batch = new BatchReader(encoder.meta(), encoder.buffers(), core.schemas);
    assertEquals(clear.toString(), batch.clear.toString());
    byte[] json = json(clear);
    assertEquals(text(TestFiles.goldenOr(name + ".json", json)), text(json));
    byte[] dump = BatchReader.dump(encoder.meta(), batch.slots, core.schemas);
    assertArrayEquals(TestFiles.goldenOr(name + ".bin", dump), dump);
  }

  private static byte[] json(JsonNode node) throws JsonProcessingException {
    return (JSON.writeValueAsString(node).replace("{\"seq\"", "\n{\"seq\"") + "\n").getBytes(StandardCharsets.UTF_8);
  }

  private static String text(byte[] utf8) {
    return new String(utf8, StandardCharsets.UTF_8);
  }
}
