package io.sluice.connect;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Writes replies as the native side does. */
final class ReplyBytes {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

  static ReplyBytes ok() {
    return new ReplyBytes().u8(Reply.OK);
  }

  static byte[] error(int status, ErrorCode code, String message) {
    return new ReplyBytes().u8(status).str(code.name()).str(message).done();
  }

  /** Actions without rewinds. */
  static ReplyBytes actions(int flags, int nextCallMs) {
    return ok().u8(flags).i32(nextCallMs).i32(0);
  }

  ReplyBytes u8(int value) {
    bytes.write(value);
    return this;
  }

  ReplyBytes i32(int value) {
    bytes.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
    return this;
  }

  ReplyBytes i64(long value) {
    bytes.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
    return this;
  }

  ReplyBytes str(String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    i32(utf8.length);
    bytes.writeBytes(utf8);
    return this;
  }

  byte[] done() {
    return bytes.toByteArray();
  }
}
