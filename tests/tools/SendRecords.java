import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
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
 * "headers": [[name, any]]}}, of which only the topic has to be there. A text is sent as its UTF-8, null and what is missing as
 * null, anything else as JSON; {@code "valueHex"} instead of a value are its bytes. The partition is 0 when not given. Topics that are not there are created with the partitions that
 * the records name.
 *
 * <p>A line {@code {"transaction": "begin"}} puts the records after it into a transaction, which ends with {@code "commit"} or
 * {@code "abort"}. Then all records have to be in transactions.
 */
final class SendRecords {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        List<JsonNode> given = new ArrayList<>();
        try (InputLines lines = new InputLines(args[1])) {
            for (byte[] line = lines.next(); line != null; line = lines.next()) {
                given.add(JSON.readTree(line));
            }
        }
        createTopics(args[0], given);
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", args[0], "acks", "all", "linger.ms", 5));
        boolean transactions = given.stream().anyMatch(line -> line.has("transaction"));
        if (transactions) {
            settings.put("transactional.id", "send-records-" + ProcessHandle.current().pid());
        }
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            if (transactions) {
                producer.initTransactions();
            }
            List<Future<?>> sent = new ArrayList<>();
            for (JsonNode line : given) {
                switch (line.path("transaction").asText()) {
                    case "begin" -> producer.beginTransaction();
                    case "commit" -> producer.commitTransaction();
                    case "abort" -> {
                        producer.flush(); // what is not sent yet would never be
                        producer.abortTransaction();
                    }
                    default -> sent.add(producer.send(record(line)));
                }
            }
            for (Future<?> one : sent) {
                one.get();
            }
        }
    }

    private static void createTopics(String bootstrap, List<JsonNode> given) throws Exception {
        Map<String, Integer> partitions = new HashMap<>();
        given.stream().filter(line -> line.has("topic")).forEach(
            line -> partitions.merge(line.get("topic").asText(), line.path("partition").asInt() + 1, Math::max));
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
            partitions.keySet().removeAll(admin.listTopics().names().get());
            admin.createTopics(partitions.entrySet().stream()
                .map(topic -> new NewTopic(topic.getKey(), topic.getValue(), (short) 1)).toList()).all().get();
        }
    }

    private static ProducerRecord<byte[], byte[]> record(JsonNode line) throws Exception {
        Long timestamp = line.has("timestamp") ? line.get("timestamp").asLong() : null;
        var record = new ProducerRecord<>(line.get("topic").asText(), line.path("partition").asInt(), timestamp,
            bytes(line.path("key")), line.has("valueHex") ? hex(line, "valueHex") : bytes(line.path("value")));
        for (JsonNode header : line.path("headers")) {
            record.headers().add(header.get(0).asText(), bytes(header.get(1)));
        }
        return record;
    }

    private static byte[] hex(JsonNode line, String name) {
        return HexFormat.of().parseHex(line.get(name).asText());
    }

    private static byte[] bytes(JsonNode node) throws Exception {
        if (node.isMissingNode() || node.isNull()) {
            return null;
        }
        return node.isTextual() ? node.asText().getBytes(StandardCharsets.UTF_8) : JSON.writeValueAsBytes(node);
    }
}
