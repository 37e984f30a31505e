import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.LongStream;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Sends records, spread evenly over the topic's partitions. TOPIC may be several, {@code a,b,c}, with as many partitions each: records go to
 * them in turn, and in each {@link #RUN} to the same partition, so that a batch is not one record.
 *
 * <pre>
 * Produce BOOTSTRAP TOPIC generate FIRST COUNT [RATE]   events number FIRST to FIRST+COUNT-1
 * Produce BOOTSTRAP TOPIC repeated COUNT [RATE]         the first COUNT events, which are made only once, again and again without end
 * Produce BOOTSTRAP TOPIC numbered FILE [RATE]          the lines of a JSON-lines file, each given a first field demo_id (0, 1, ...)
 * Produce BOOTSTRAP TOPIC sequences COUNT PARTITIONS [RATE]
 *     {"id", "partition", "sequence", "text"}, the sequence counted from 0 in each partition; tried again for as long as it takes
 * Produce BOOTSTRAP TOPIC lines FILE [RATE]             the lines as they are; an empty line is a tombstone
 * Produce BOOTSTRAP TOPIC framed FILE COUNT [RATE]      records of any bytes, each with its length before it in four, again and again
 * </pre>
 *
 * RATE is records per second. Prints {@code produced N} twice a second, N being acknowledged records, and {@code done N};
 * before that {@code partitions N,N,...}, the acknowledged ones of each. Of one in {@link #SAMPLED} records it prints
 * {@code sent PARTITION OFFSET TIMESTAMP} once it is acknowledged.
 */
final class Produce {
    private interface Source {
        /** Value of the record number {@code i}, or {@link #END}. */
        byte[] value(long i) throws IOException;
    }

    private static final byte[] END = new byte[0];
    private static final Map<String, Object> ENDLESSLY =
        Map.of("delivery.timeout.ms", Integer.MAX_VALUE, "max.block.ms", 86_400_000L);
    private static final long PROGRESS_NANOS = 500_000_000;
    /** A prime: records of all partitions. */
    private static final long SAMPLED = 997;
    private static final long RUN = 200;

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        switch (args[2]) {
            case "generate" -> {
                long first = Long.parseLong(args[3]);
                long count = Long.parseLong(args[4]);
                send(args[0], topic, rate(args, 5),
                    i -> i < count ? DemoEvent.json(first + i).getBytes(StandardCharsets.UTF_8) : END);
            }
            case "repeated" -> {
                byte[][] events = LongStream.range(0, Long.parseLong(args[3]))
                    .mapToObj(id -> DemoEvent.json(id).getBytes(StandardCharsets.UTF_8)).toArray(byte[][]::new);
                send(args[0], topic, rate(args, 4), i -> events[(int) (i % events.length)]);
            }
            case "sequences" -> {
                long count = Long.parseLong(args[3]);
                long partitions = Long.parseLong(args[4]);
                send(args[0], topic, rate(args, 5), ENDLESSLY, i -> i < count ? sequence(i, partitions) : END);
            }
            case "numbered" -> {
                try (InputLines lines = new InputLines(args[3])) {
                    send(args[0], topic, rate(args, 4), i -> orEnd(lines.nextNumbered(i)));
                }
            }
            case "lines" -> {
                try (InputLines lines = new InputLines(args[3])) {
                    send(args[0], topic, rate(args, 4), i -> {
                        byte[] line = orEnd(lines.next());
                        return line != END && line.length == 0 ? null : line;
                    });
                }
            }
            case "framed" -> {
                List<byte[]> records = framed(args[3]);
                long count = Long.parseLong(args[4]);
                send(args[0], topic, rate(args, 5), i -> i < count ? records.get((int) (i % records.size())) : END);
            }
            default -> throw new IllegalArgumentException("unknown mode " + args[2]);
        }
    }

    private static List<byte[]> framed(String file) throws IOException {
        List<byte[]> records = new ArrayList<>();
        try (var input = new DataInputStream(new BufferedInputStream(new FileInputStream(file)))) {
            for (byte[] length = input.readNBytes(4); length.length == 4; length = input.readNBytes(4)) {
                records.add(input.readNBytes(ByteBuffer.wrap(length).getInt()));
            }
        }
        return records;
    }

    private static byte[] orEnd(byte[] line) {
        return line == null ? END : line;
    }

    private static byte[] sequence(long i, long partitions) {
        String text = "{\"id\":" + i + ",\"partition\":" + i % partitions + ",\"sequence\":" + i / partitions
            + ",\"text\":\"record " + i + " of all, made up to be of some length\"}";
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static long rate(String[] args, int at) {
        return args.length > at ? Long.parseLong(args[at]) : Long.MAX_VALUE;
    }

    private static void send(String bootstrap, String topic, long rate, Source source) throws Exception {
        send(bootstrap, topic, rate, Map.of(), source);
    }

    private static void send(String bootstrap, String topic, long rate, Map<String, Object> more, Source source) throws Exception {
        AtomicLong acknowledged = new AtomicLong();
        AtomicReference<Exception> failure = new AtomicReference<>();
        Map<String, Object> settings = new HashMap<>(more);
        settings.putAll(Map.of("bootstrap.servers", bootstrap, "acks", "all", "compression.type", "lz4",
            "linger.ms", 20, "batch.size", 256 * 1024, "buffer.memory", 64L << 20, "max.request.size", 16 << 20));
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            String[] topics = topic.split(",");
            int partitions = producer.partitionsFor(topics[0]).size();
            long run = topics.length > 1 ? RUN : 1;
            AtomicLongArray byPartition = new AtomicLongArray(partitions);
            long start = System.nanoTime();
            long nextReport = start + PROGRESS_NANOS;
            long i = 0;
            for (byte[] value = source.value(i); value != END && failure.get() == null; value = source.value(++i)) {
                int partition = (int) (i / topics.length / run % partitions);
                boolean sampled = i % SAMPLED == 0;
                producer.send(new ProducerRecord<>(topics[(int) (i % topics.length)], partition, null, value), (metadata, error) -> {
                    if (error == null) {
                        acknowledged.incrementAndGet();
                        byPartition.incrementAndGet(partition);
                        if (sampled) {
                            System.out.println("sent " + partition + " " + metadata.offset() + " " + metadata.timestamp());
                        }
                    } else {
                        failure.compareAndSet(null, error);
                    }
                });
                long now = System.nanoTime();
                while (rate != Long.MAX_VALUE && i >= (now - start) / 1e9 * rate) {
                    Thread.sleep(1);
                    now = System.nanoTime();
                }
                if (now >= nextReport) {
                    System.out.println("produced " + acknowledged);
                    nextReport = now + PROGRESS_NANOS;
                }
            }
            producer.flush();
            System.out.println("partitions " + byPartition.toString().replaceAll("[\\[\\] ]", ""));
        }
        if (failure.get() != null) {
            throw failure.get();
        }
        System.out.println("done " + acknowledged);
    }
}
