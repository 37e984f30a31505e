import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Sends records with keys, headers and timestamps of their own.
 *
 * <pre>
 * SendRecords BOOTSTRAP FILE
 * </pre>
 *
 * Each line of the file is a record: {@code {"topic": text, "partition": number, "timestamp": ms, "key": any, "value": any,
 * "headers": {name: any}}}, of which only the topic has to be there. A text is sent as its UTF-8, null and what is missing as
 * null, anything else as JSON. The partition is 0 when not given.
 */
final class SendRecords {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "acks", "all", "linger.ms", 5);
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
            InputLines lines = new InputLines(args[1])) {
            List<Future<?>> sent = new ArrayList<>();
            for (byte[] line = lines.next(); line != null; line = lines.next()) {
                sent.add(producer.send(record(JSON.readTree(line))));
            }
            for (Future<?> one : sent) {
                one.get();
            }
        }
    }

    private static ProducerRecord<byte[], byte[]> record(JsonNode line) throws Exception {
        Long timestamp = line.has("timestamp") ? line.get("timestamp").asLong() : null;
        var record = new ProducerRecord<>(line.get("topic").asText(), line.path("partition").asInt(), timestamp,
            bytes(line.path("key")), bytes(line.path("value")));
        for (var header : line.path("headers").properties()) {
            record.headers().add(header.getKey(), bytes(header.getValue()));
        }
        return record;
    }

    private static byte[] bytes(JsonNode node) throws Exception {
        if (node.isMissingNode() || node.isNull()) {
            return null;
        }
        return node.isTextual() ? node.asText().getBytes(StandardCharsets.UTF_8) : JSON.writeValueAsBytes(node);
    }
}
