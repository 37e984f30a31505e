package io.sluice.connect;

import java.util.Arrays;
import org.apache.kafka.connect.sink.SinkRecord;

/** The text of an error: its code, the reason, and what to do. */
final class Errors {
  private Errors() {}

  static String text(ErrorCode code, String reason) {
    return code.name() + ": " + reason + " | " + code.remedy();
  }

  static String text(String code, String reason) {
    return Arrays.stream(ErrorCode.values())
        .filter(known -> known.name().equals(code))
        .findFirst()
        .map(known -> text(known, reason))
        .orElse(code + ": " + reason);
  }

  /** Names a bad record by its original place, and its field where there is one. */
  static String badRecord(SinkRecord record, Origin origin, String code, String fieldPath, String reason) {
    String field = fieldPath.isEmpty() ? "" : ", field " + fieldPath;
    return text(
        code,
        reason + " (topic " + origin.topic(record) + ", partition " + origin.partition(record) + ", offset "
            + origin.offset(record) + field + ")");
  }
}
