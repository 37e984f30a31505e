package io.sluice.connect;

import org.apache.kafka.connect.sink.SinkRecord;

/** A record that cannot be handed over. */
final class RefusedRecord {
  final SinkRecord record;
  final Refusal reason;

  RefusedRecord(SinkRecord record, Refusal reason) {
    this.record = record;
    this.reason = reason;
  }

  String message(Origin origin) {
    return Errors.badRecord(record, origin, reason.code().name(), reason.path(), reason.getMessage());
  }
}
