package io.sluice.connect;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.errors.RetriableException;

/** Reads a reply of docs/crossing.md. A reply that is cut short or impossible is {@code CROSSING_INVALID}. */
final class Reply {
  static final int OK = 0;
  static final int RETRIABLE = 1;
  static final int RECORD = 2;
  static final int FATAL = 3;
  static final int CONFIG = 4;

  private final ByteBuffer bytes;
  private final int status;
  private final String error;

  Reply(byte[] reply) {
    if (reply == null) {
      throw invalid("the native side gave no reply");
    }
    bytes = ByteBuffer.wrap(reply).order(ByteOrder.LITTLE_ENDIAN);
    status = u8();
    if (status > CONFIG) {
      throw invalid("unknown status " + status);
    }
    error = status == OK ? null : Errors.text(str(), str());
  }

  int status() {
    return status;
  }

  /** Code, reason and remedy; null when the status is OK. */
  String error() {
    return error;
  }

  /** This reply, or an exception of the kind that its status asks for. */
  Reply demandOk() {
    switch (status) {
      case OK -> {}
      case RETRIABLE -> throw new RetriableException(error);
      case RECORD -> throw new DataException(error);
      default -> throw new ConnectException(error);
    }
    return this;
  }

  int u8() {
    try {
      return bytes.get() & 0xff;
    } catch (BufferUnderflowException e) {
      throw invalid("cut short");
    }
  }

  int i32() {
    try {
      return bytes.getInt();
    } catch (BufferUnderflowException e) {
      throw invalid("cut short");
    }
  }

  long i64() {
    try {
      return bytes.getLong();
    } catch (BufferUnderflowException e) {
      throw invalid("cut short");
    }
  }

  String str() {
    int length = count();
    String text = new String(bytes.array(), bytes.position(), length, StandardCharsets.UTF_8);
    bytes.position(bytes.position() + length);
    return text;
  }

  /** The length of a list or string: never more than the bytes that are left, as each item takes at least one. */
  int count() {
    int count = i32();
    if (count < 0 || count > bytes.remaining()) {
      throw invalid("a length of " + Integer.toUnsignedString(count) + " with " + bytes.remaining() + " bytes left");
    }
    return count;
  }

  static ConnectException invalid(String reason) {
    return new ConnectException(Errors.text(ErrorCode.CROSSING_INVALID, "reply from the native library: " + reason));
  }
}
