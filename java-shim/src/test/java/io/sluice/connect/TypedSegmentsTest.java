package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class TypedSegmentsTest {
  private static final Schema A = SchemaBuilder.struct().field("a", Schema.INT32_SCHEMA).field("s", Schema.OPTIONAL_STRING_SCHEMA).build();

  private final FakeNative core = new FakeNative();
  private final Partitions partitions = new Partitions();
  private final List<SinkRecord> records = new ArrayList<>();
  private List<RefusedRecord> refused;

  @BeforeEach
  void assign() {
    partitions.add(new TopicPartition("t", 0));
  }

  @Test
  void a_schema_is_known_by_what_it_says() {
    Schema same = SchemaBuilder.struct().field("a", Schema.INT32_SCHEMA).field("s", Schema.OPTIONAL_STRING_SCHEMA).build();
    for (int i = 0; i < 4; i++) {
      add(new Struct(i % 2 == 0 ? A : same).put("a", i));
    }
    JsonNode batch = encode(InputMode.CONNECT);
    assertEquals(1, batch.get("segments").size());
    assertEquals(1, core.schemas.size());
    assertEquals("[0, 1, 2, 3]", batch.get("segments").get(0).findValuesAsText("a").toString());
  }

  @Test
  void more_schemas_than_may_be_open_still_give_every_record() {
    for (int i = 0; i < 40; i++) {
      Schema schema = SchemaBuilder.struct().field("f" + i % 10, Schema.INT32_SCHEMA).build();
      add(new Struct(schema).put("f" + i % 10, i));
    }
    JsonNode batch = encode(InputMode.CONNECT);
    assertEquals(10, core.schemas.size());
    assertEquals(40, batch.findValues("seq").size());
    assertEquals(40, batch.get("segments").size(), "ten in turn, of which eight may be open");
  }

  @Test
  void auto_mode_takes_each_value_as_what_it_is() {
    add("text");
    add(new Struct(A).put("a", 1));
    add(Map.of("k", 1));
    add(new byte[] {'x'});
    add(null);
    JsonNode batch = encode(InputMode.AUTO);
    assertEquals("[1, 16, 2, 0]", valueIds(batch));
    assertEquals("[0, 3]", batch.get("segments").get(0).findValuesAsText("seq").toString());
  }

  @Test
  void the_tombstones_of_raw_converters_stay_with_the_raw_values() {
    records.add(new SinkRecord("t", 0, null, null, Schema.OPTIONAL_BYTES_SCHEMA, new byte[] {'x'}, 0));
    records.add(new SinkRecord("t", 0, null, null, Schema.OPTIONAL_BYTES_SCHEMA, null, 1));
    assertEquals("[1]", valueIds(encode(InputMode.AUTO)));
  }

  @Test
  void values_without_fields_are_refused() {
    add(17L);
    add(List.of(1));
    add("text");
    encode(InputMode.CONNECT);
    assertRefused(0, "RECORD_NOT_STRUCT", "", "java.lang.Long");
    assertRefused(1, "RECORD_NOT_STRUCT", "", "List");
    assertRefused(2, "RECORD_NOT_STRUCT", "", "HoistField$Value");
  }

  @Test
  void half_a_record_leaves_nothing_behind() {
    Schema list = SchemaBuilder.array(A).build();
    Schema map = SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.BOOLEAN_SCHEMA).build();
    Schema schema = SchemaBuilder.struct().field("m", map).field("l", list).field("b", Schema.BOOLEAN_SCHEMA).build();
    for (int i = 0; i < 70; i++) {
      List<Struct> elements = new ArrayList<>(List.of(new Struct(A).put("a", i).put("s", "s" + i), new Struct(A).put("a", -1)));
      add(new Struct(schema).put("m", Map.of("k", true)).put("l", elements).put("b", i % 3 == 0));
      if (i % 2 == 1) {
        elements.set(1, new Struct(A)); // without a, and behind Connect's back: it checks when it is put
      }
    }
    JsonNode batch = encode(InputMode.CONNECT);
    assertRefused(0, "RECORD_SCHEMA", "l[1].a", "requires a value");
    JsonNode rows = batch.get("segments").get(0).get("rows");
    assertEquals(35, rows.size());
    for (int i = 0; i < 35; i++) {
      String value = "{\"m\":[[\"k\",true]],\"l\":[{\"a\":" + 2 * i + ",\"s\":\"s" + 2 * i + "\"},{\"a\":-1,\"s\":null}],\"b\":" + (2 * i % 3 == 0) + "}";
      assertEquals(value, rows.get(i).get("value").toString());
    }
  }

  @Test
  void what_is_not_exact_is_refused_with_its_field() {
    Schema schema =
        SchemaBuilder.struct().field("d", Decimal.builder(2).optional().build())
            .field("date", org.apache.kafka.connect.data.Date.builder().optional().build())
            .field("time", Time.builder().optional().build()).field("s", Schema.OPTIONAL_STRING_SCHEMA)
            .field("m", SchemaBuilder.map(Schema.OPTIONAL_STRING_SCHEMA, Schema.OPTIONAL_INT32_SCHEMA).optional().build()).build();
    add(new Struct(schema).put("d", new BigDecimal("1.234")));
    add(new Struct(schema).put("date", new Date(1)));
    add(new Struct(schema).put("time", new Date(86_400_000)));
    add(new Struct(schema).put("s", "really?\uD83D"));
    add(new Struct(schema).put("m", Collections.singletonMap(null, 1)));
    add(Map.of("a", List.of(1, Map.of("b", Thread.State.NEW))));
    encode(InputMode.CONNECT);
    assertRefused(0, "RECORD_SCHEMA", "d", "scale is 3");
    assertRefused(1, "RECORD_ENCODING", "date", "midnight");
    assertRefused(2, "RECORD_ENCODING", "time", "1970");
    assertRefused(3, "RECORD_ENCODING", "s", "surrogate");
    assertRefused(4, "RECORD_ENCODING", "m.null", "null");
    assertRefused(5, "RECORD_ENCODING", "a[1].b", "java.lang.Thread$State");
  }

  @Test
  void a_struct_inside_with_another_schema_is_refused_and_one_that_says_the_same_is_not() {
    Schema schema = SchemaBuilder.struct().field("in", SchemaBuilder.array(A).build()).build();
    Schema swapped = SchemaBuilder.struct().field("s", Schema.OPTIONAL_STRING_SCHEMA).field("a", Schema.INT32_SCHEMA).build();
    Schema same = SchemaBuilder.struct().field("a", Schema.INT32_SCHEMA).field("s", Schema.OPTIONAL_STRING_SCHEMA).build();
    List<Struct> elements = new ArrayList<>(List.of(new Struct(A).put("a", 1)));
    add(new Struct(schema).put("in", elements));
    elements.set(0, new Struct(swapped).put("a", 1));
    encode(InputMode.CONNECT);
    assertRefused(0, "RECORD_SCHEMA", "in[0]", "another schema");
    elements.set(0, new Struct(same).put("a", 1));
    assertEquals("{\"in\":[{\"a\":1,\"s\":null}]}", encode(InputMode.CONNECT).at("/segments/0/rows/0/value").toString());
  }

  @Test
  void depth_is_bounded() {
    Schema deepest = SchemaBuilder.struct().field("leaf", Schema.INT32_SCHEMA).build();
    Schema schema = deepest;
    Struct value = new Struct(deepest).put("leaf", 1);
    Object list = List.of();
    for (int level = 3; level <= 64; level++) {
      schema = SchemaBuilder.struct().field("f", schema).build();
      value = new Struct(schema).put("f", value);
      list = List.of(list);
    }
    add(value);
    add(new Struct(SchemaBuilder.struct().field("f", schema).build()).put("f", value));
    add(Map.of("l", list));
    add(Map.of("l", List.of(list)));
    assertEquals("[16, 2, 0]", valueIds(encode(InputMode.CONNECT)));
    assertRefused(0, "RECORD_TOO_DEEP", "f." + "f.".repeat(62) + "leaf", "64 levels");
    assertRefused(1, "RECORD_TOO_DEEP", "l" + "[0]".repeat(63), "64 levels");
  }

  @Test
  void arrays_of_a_schema_live_on_through_calls_without_it() {
    add(new Struct(A).put("a", 1));
    SegmentEncoder encoder = encoder(InputMode.CONNECT, SegmentEncoder.SEGMENT_BYTES);
    encoder.encode(records);
    Object[] first = encoder.buffers();
    encoder.encode(List.of());
    encoder.encode(List.of(new SinkRecord("t", 0, null, null, null, Map.of(), 1)));
    encoder.encode(records);
    assertSame(first[0], encoder.buffers()[0]);
    assertSame(first[11], encoder.buffers()[11]);
  }

  @Test
  void a_segment_is_cut_by_what_its_lists_and_texts_hold() {
    Schema schema = SchemaBuilder.struct().field("l", SchemaBuilder.array(Schema.INT64_SCHEMA).build()).field("s", Schema.STRING_SCHEMA).build();
    for (int i = 0; i < 10; i++) {
      add(new Struct(schema).put("l", List.of(1L, 2L)).put("s", "1234")); // 20 bytes
    }
    SegmentEncoder encoder = encoder(InputMode.CONNECT, 60);
    encoder.encode(records);
    JsonNode batch = new BatchReader(encoder.meta(), encoder.buffers(), core.schemas).clear;
    assertEquals("[16, 16, 16, 16]", valueIds(batch));
    assertEquals(10, batch.findValues("l").size());
  }

  private void add(Object value) {
    Schema schema = value instanceof Struct struct ? struct.schema() : null;
    records.add(new SinkRecord("t", 0, null, null, schema, value, records.size()));
  }

  private JsonNode encode(InputMode mode) {
    SegmentEncoder encoder = encoder(mode, SegmentEncoder.SEGMENT_BYTES);
    encoder.encode(records);
    refused = encoder.refused();
    return new BatchReader(encoder.meta(), encoder.buffers(), core.schemas).clear;
  }

  private SegmentEncoder encoder(InputMode mode, int segmentBytes) {
    return new SegmentEncoder(partitions, Origin.ofThisWorker(), mode, Needs.NOTHING, new Registry(core, FakeNative.HANDLE), segmentBytes);
  }

  private void assertRefused(int index, String code, String path, String reason) {
    RefusedRecord one = refused.get(index);
    String message = one.message(Origin.ofThisWorker());
    assertEquals(code, one.reason.code().name(), message);
    assertEquals(path, one.reason.path());
    assertTrue(message.contains(reason), message);
  }

  private static String valueIds(JsonNode batch) {
    List<Integer> ids = new ArrayList<>();
    batch.get("segments").forEach(segment -> ids.add(segment.get("value").asInt()));
    return ids.toString();
  }
}
