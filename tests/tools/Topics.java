import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;

/**
 * <pre>
 * Topics BOOTSTRAP create TOPIC PARTITIONS [KEY=VALUE ...]   topic settings
 * Topics BOOTSTRAP delete TOPIC
 * Topics BOOTSTRAP ends TOPIC        JSON: {"partition": end offset}
 * Topics BOOTSTRAP group GROUP       JSON: {"topic-partition": committed offset}
 * </pre>
 */
final class Topics {
    public static void main(String[] args) throws Exception {
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", args[0], "request.timeout.ms", 30_000))) {
            switch (args[1]) {
                case "create" -> {
                    Map<String, String> settings = List.of(args).subList(4, args.length).stream()
                        .map(pair -> pair.split("=", 2)).collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
                    NewTopic topic = new NewTopic(args[2], Optional.of(Integer.parseInt(args[3])), Optional.of((short) 1));
                    admin.createTopics(List.of(topic.configs(settings))).all().get();
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
                default -> throw new IllegalArgumentException("unknown command " + args[1]);
            }
        }
    }

    private static void print(Map<String, Long> offsets) {
        System.out.println(new TreeMap<>(offsets).entrySet().stream()
            .map(e -> "\"" + e.getKey() + "\":" + e.getValue()).collect(Collectors.joining(",", "{", "}")));
    }
}
