import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.storage.Converter;

/** Makes the struct of a {@link DemoEvent} from its number, which is all that it reads of the JSON: structs at the least cost. */
public final class DemoStructs implements Converter {
    private static final byte[] BEFORE_ID = "{\"demo_id\":".getBytes(java.nio.charset.StandardCharsets.US_ASCII);
    private static final Schema PLACE = SchemaBuilder.struct()
        .field("lat", Schema.OPTIONAL_FLOAT64_SCHEMA)
        .field("lon", Schema.OPTIONAL_FLOAT64_SCHEMA)
        .field("city", Schema.OPTIONAL_STRING_SCHEMA)
        .optional().build();
    private static final Schema SCHEMA = SchemaBuilder.struct()
        .field("demo_id", Schema.INT64_SCHEMA)
        .field("id", Schema.INT64_SCHEMA)
        .field("time", Timestamp.builder().optional().build())
        .field("user", Schema.OPTIONAL_STRING_SCHEMA)
        .field("kind", Schema.OPTIONAL_STRING_SCHEMA)
        .field("url", Schema.OPTIONAL_STRING_SCHEMA)
        .field("mobile", Schema.OPTIONAL_BOOLEAN_SCHEMA)
        .field("price", Decimal.builder(2).optional().build())
        .field("seconds", Schema.OPTIONAL_FLOAT64_SCHEMA)
        .field("place", PLACE)
        .field("tags", SchemaBuilder.array(Schema.OPTIONAL_STRING_SCHEMA).optional().build())
        .field("referrer", Schema.OPTIONAL_STRING_SCHEMA)
        .build();

    @Override
    public void configure(Map<String, ?> settings, boolean isKey) {}

    @Override
    public byte[] fromConnectData(String topic, Schema schema, Object value) {
        throw new UnsupportedOperationException();
    }

    @Override
    public SchemaAndValue toConnectData(String topic, byte[] json) {
        long id = 0;
        for (int at = BEFORE_ID.length; json[at] != ','; at++) {
            id = id * 10 + json[at] - '0';
        }
        return new SchemaAndValue(SCHEMA, struct(id));
    }

    /** The same event as {@link DemoEvent#json}. */
    private static Struct struct(long id) {
        long r = DemoEvent.mix(id);
        Struct place = new Struct(PLACE)
            .put("lat", DemoEvent.pick(r, 8, 180_000_000) / 1e6 - 90)
            .put("lon", DemoEvent.pick(r, 9, 360_000_000) / 1e6 - 180)
            .put("city", DemoEvent.CITIES[DemoEvent.pick(r, 10, DemoEvent.CITIES.length)]);
        int count = DemoEvent.pick(r, 11, 4);
        List<String> tags = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            tags.add(DemoEvent.TAGS[DemoEvent.pick(r, 12 + i, DemoEvent.TAGS.length)]);
        }
        boolean referred = DemoEvent.pick(r, 16, 3) == 0;
        return new Struct(SCHEMA)
            .put("demo_id", id)
            .put("id", r)
            .put("time", new Date(DemoEvent.START_MILLIS + id * 37))
            .put("user", "user-" + DemoEvent.pick(r, 1, 1_000_000))
            .put("kind", DemoEvent.KINDS[DemoEvent.pick(r, 2, DemoEvent.KINDS.length)])
            .put("url", "https://shop.example/" + DemoEvent.KINDS[DemoEvent.pick(r, 3, DemoEvent.KINDS.length)] + "/item-"
                + DemoEvent.pick(r, 4, 100_000) + "?q=\"a\u00e4\"&page=" + DemoEvent.pick(r, 5, 40))
            .put("mobile", (r & 1) == 0)
            .put("price", BigDecimal.valueOf(DemoEvent.pick(r, 6, 10_000_000) - 100_000, 2))
            .put("seconds", DemoEvent.pick(r, 7, 1_000_000) / 997.0)
            .put("place", place)
            .put("tags", tags)
            .put("referrer", referred ? "https://search.example/" + DemoEvent.pick(r, 17, 1000) : null);
    }
}
