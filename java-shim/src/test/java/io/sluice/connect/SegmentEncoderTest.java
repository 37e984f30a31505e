package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SegmentEncoderTest {
  private final Partitions partitions = new Partitions();
  private final SegmentEncoder encoder = new SegmentEncoder(partitions, Origin.ofThisWorker(), InputMode.RAW, Needs.NOTHING, new Registry(new FakeNative(), FakeNative.HANDLE));

  @BeforeEach
  void assign() {
    partitions.add(new TopicPartition("t", 0));
  }

  @Test
  void arrays_live_on_over_calls_and_flush_ticks() {
    encoder.encode(records(1000, 100));
    Object[] first = encoder.buffers();
    encoder.encode(List.of());
    assertEquals(0, encoder.buffers().length);
    encoder.encode(records(1000, 100));
    for (int buffer : new int[] {0, 1, 2, 10, 11}) {
      assertSame(first[buffer], encoder.buffers()[buffer], "buffer " + buffer);
    }
  }

  @Test
  void memory_of_one_large_batch_is_given_back() {
    encoder.encode(records(10_000, 1000));
    Object large = encoder.buffers()[11];
    for (int i = 0; i < 50; i++) {
      encoder.encode(records(10, 10));
    }
    assertNotSame(large, encoder.buffers()[11]);
    assertTrue(((byte[]) encoder.buffers()[11]).length < 1 << 20);
    assertTrue(((int[]) encoder.buffers()[0]).length < 10_000);
  }

  @Test
  void a_large_batch_is_cut_at_64_mib() {
    encoder.encode(records(130, 1 << 20));
    assertEquals(3, encoder.meta()[2]);
    assertEquals(64, encoder.meta()[SegmentEncoder.META_HEAD + 2]);
    assertEquals(64, encoder.meta()[SegmentEncoder.META_HEAD + SegmentEncoder.META_SEGMENT + 2]);
  }

  @Test
  void partitions_are_found_again_after_others() {
    assertEquals(1, partitions.add(new TopicPartition("t", 1)));
    assertEquals(0, partitions.add(new TopicPartition("t", 0)));
    assertEquals(0, partitions.id("t", 0));
    assertEquals(1, partitions.id("t", 1));
    assertEquals(Partitions.UNKNOWN, partitions.id("u", 1));
    assertEquals(1, partitions.id("t", 1));
  }

  private static List<SinkRecord> records(int count, int bytes) {
    byte[] value = new byte[bytes];
    List<SinkRecord> records = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      records.add(new SinkRecord("t", 0, null, null, null, value, i));
    }
    return records;
  }
}
