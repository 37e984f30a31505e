package io.sluice.connect;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;

/** Writes the requests of docs/crossing.md, and other messages in their form. */
final class Request {
  private ByteBuffer buffer = ByteBuffer.allocate(1024).order(ByteOrder.LITTLE_ENDIAN);

  static byte[] start(boolean hasReporter, Map<String, String> settings) {
    return new Request().u8(hasReporter ? 1 : 0).settings(settings).bytes();
  }

  static byte[] validate(Map<String, String> settings) {
    return new Request().settings(settings).bytes();
  }

  /** A null is a reset. */
  static byte[] alterOffsets(Map<String, String> settings, Map<TopicPartition, Long> offsets) {
    Request request = new Request().settings(settings).u32(offsets.size());
    offsets.forEach(
        (partition, offset) -> {
          request.str(partition.topic()).u32(partition.partition()).u8(offset == null ? 0 : 1);
          if (offset != null) {
            request.i64(offset);
          }
        });
    return request.bytes();
  }

  static byte[] open(Collection<TopicPartition> opened, Partitions partitions) {
    Request request = new Request().u32(opened.size());
    for (TopicPartition partition : opened) {
      request.u32(partitions.add(partition)).str(partition.topic()).u32(partition.partition());
    }
    return request.bytes();
  }

  Request u8(int value) {
    room(1).put((byte) value);
    return this;
  }

  Request u32(int value) {
    room(Integer.BYTES).putInt(value);
    return this;
  }

  Request i64(long value) {
    room(Long.BYTES).putLong(value);
    return this;
  }

  Request str(String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    u32(utf8.length);
    room(utf8.length).put(utf8);
    return this;
  }

  Request strings(Map<String, String> pairs) {
    u32(pairs.size());
    pairs.forEach((key, value) -> str(key).str(value));
    return this;
  }

  private Request settings(Map<String, String> settings) {
    Map<String, String> given = new LinkedHashMap<>(settings);
    given.values().removeIf(value -> value == null); // Connect's way to write "not set"
    return strings(given);
  }

  byte[] bytes() {
    return Arrays.copyOf(buffer.array(), buffer.position());
  }

  private ByteBuffer room(int bytes) {
    if (buffer.remaining() < bytes) {
      int capacity = Math.max(buffer.capacity() * 2, buffer.position() + bytes);
      buffer = ByteBuffer.allocate(capacity).order(ByteOrder.LITTLE_ENDIAN).put(buffer.flip());
    }
    return buffer;
  }
}
