import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * <pre>
 * Topics BOOTSTRAP create TOPIC[,TOPIC...] PARTITIONS [KEY=VALUE ...]   topic settings
 * Topics BOOTSTRAP delete TOPIC
 * Topics BOOTSTRAP ends TOPIC        JSON: {"partition": end offset}
 * Topics BOOTSTRAP group GROUP       JSON: {"topic-partition": committed offset}
 * Topics BOOTSTRAP move GROUP TOPIC-PARTITION=OFFSET ...   of a group without members
 * Topics BOOTSTRAP forget GROUP      removes the group with its offsets, which nobody may be in
 * Topics BOOTSTRAP records TOPIC     each record up to the present end, a line of JSON: {"value": hexadecimal or null, "headers": {...}}
 * </pre>
 */
final class Topics {
    public static void main(String[] args) throws Exception {
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", args[0], "request.timeout.ms", 30_000))) {
            switch (args[1]) {
                case "create" -> {
                    Map<String, String> settings = List.of(args).subList(4, args.length).stream()
                        .map(pair -> pair.split("=", 2)).collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
                    Optional<Integer> partitions = Optional.of(Integer.parseInt(args[3]));
                    admin.createTopics(Stream.of(args[2].split(","))
                        .map(name -> new NewTopic(name, partitions, Optional.of((short) 1)).configs(settings)).toList()).all().get();
                }
                case "delete" -> admin.deleteTopics(List.of(args[2])).all().get();
                case "ends" -> {
                    var partitions = admin.describeTopics(List.of(args[2])).allTopicNames().get().get(args[2]).partitions();
                    var ends = admin.listOffsets(partitions.stream()
                        .collect(Collectors.toMap(p -> new TopicPartition(args[2], p.partition()), p -> OffsetSpec.latest()))).all().get();
                    print(ends.entrySet().stream()
                        .collect(Collectors.toMap(e -> String.valueOf(e.getKey().partition()), e -> e.getValue().offset())));
                }
                case "group" -> {
                    var offsets = admin.listConsumerGroupOffsets(args[2]).partitionsToOffsetAndMetadata().get();
                    print(offsets.entrySet().stream().filter(e -> e.getValue() != null)
                        .collect(Collectors.toMap(e -> e.getKey().toString(), e -> e.getValue().offset())));
                }
                case "move" -> admin.alterConsumerGroupOffsets(args[2], List.of(args).subList(3, args.length).stream()
                    .map(pair -> pair.split("=", 2))
                    .collect(Collectors.toMap(pair -> partition(pair[0]), pair -> new OffsetAndMetadata(Long.parseLong(pair[1])))))
                    .all().get();
                case "forget" -> admin.deleteConsumerGroups(List.of(args[2])).all().get();
                case "records" -> printRecords(args[0], args[2]);
                default -> throw new IllegalArgumentException("unknown command " + args[1]);
            }
        }
    }

    private static TopicPartition partition(String text) {
        int dash = text.lastIndexOf('-');
        return new TopicPartition(text.substring(0, dash), Integer.parseInt(text.substring(dash + 1)));
    }

    private static void printRecords(String bootstrap, String topic) throws Exception {
        ObjectMapper json = new ObjectMapper();
        try (var consumer = new KafkaConsumer<>(
            Map.<String, Object>of("bootstrap.servers", bootstrap), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions =
                consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    Map<String, String> headers = new TreeMap<>();
                    record.headers().forEach(header -> headers.put(header.key(), new String(header.value(), StandardCharsets.UTF_8)));
                    Map<String, Object> shown = new TreeMap<>();
                    shown.put("headers", headers);
                    shown.put("value", record.value() == null ? null : HexFormat.of().formatHex(record.value()));
                    System.out.println(json.writeValueAsString(shown));
                }
            }
        }
    }

    private static void print(Map<String, Long> offsets) {
        System.out.println(new TreeMap<>(offsets).entrySet().stream()
            .map(e -> "\"" + e.getKey() + "\":" + e.getValue()).collect(Collectors.joining(",", "{", "}")));
    }
}
