package io.sluice.connect;

import org.apache.kafka.connect.sink.SinkRecord;

/** A record that cannot be handed over. */
record RefusedRecord(SinkRecord record, Refusal reason) {
  String message(Origin origin) {
    return Errors.badRecord(record, origin, reason.code().name(), reason.path(), reason.getMessage());
  }
}
