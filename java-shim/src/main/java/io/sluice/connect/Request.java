package io.sluice.connect;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;

/** Writes the requests of docs/crossing.md. */
final class Request {
  private ByteBuffer buffer = ByteBuffer.allocate(1024).order(ByteOrder.LITTLE_ENDIAN);

  private Request() {}

  static byte[] start(boolean hasReporter, Map<String, String> settings) {
    Map<String, String> given = new LinkedHashMap<>(settings);
    given.values().removeIf(value -> value == null); // Connect's way to write "not set"
    Request request = new Request();
    request.room(1).put((byte) (hasReporter ? 1 : 0));
    request.u32(given.size());
    given.forEach((key, value) -> request.str(key).str(value));
    return request.bytes();
  }

  static byte[] open(Collection<TopicPartition> opened, Partitions partitions) {
    Request request = new Request().u32(opened.size());
    for (TopicPartition partition : opened) {
      request.u32(partitions.add(partition)).str(partition.topic()).u32(partition.partition());
    }
    return request.bytes();
  }

  private Request u32(int value) {
    room(Integer.BYTES).putInt(value);
    return this;
  }

  private Request str(String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    u32(utf8.length);
    room(utf8.length).put(utf8);
    return this;
  }

  private ByteBuffer room(int bytes) {
    if (buffer.remaining() < bytes) {
      int capacity = Math.max(buffer.capacity() * 2, buffer.position() + bytes);
      buffer = ByteBuffer.allocate(capacity).order(ByteOrder.LITTLE_ENDIAN).put(buffer.flip());
    }
    return buffer;
  }

  private byte[] bytes() {
    return Arrays.copyOf(buffer.array(), buffer.position());
  }
}
