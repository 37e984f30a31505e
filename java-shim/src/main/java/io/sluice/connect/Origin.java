package io.sluice.connect;

import org.apache.kafka.connect.sink.SinkRecord;

/**
 * Where a record stood in Kafka before any transform. Workers older than 3.6 do not tell (KIP-793): there the record's own topic,
 * partition and offset are taken, which is right as long as no transform changes topic or partition.
 */
interface Origin {
  Origin KIP_793 =
      new Origin() {
        @Override
        public String topic(SinkRecord record) {
          return record.originalTopic();
        }

        @Override
        public int partition(SinkRecord record) {
          return record.originalKafkaPartition();
        }

        @Override
        public long offset(SinkRecord record) {
          return record.originalKafkaOffset();
        }
      };

  Origin CURRENT =
      new Origin() {
        @Override
        public String topic(SinkRecord record) {
          return record.topic();
        }

        @Override
        public int partition(SinkRecord record) {
          return record.kafkaPartition();
        }

        @Override
        public long offset(SinkRecord record) {
          return record.kafkaOffset();
        }
      };

  String topic(SinkRecord record);

  int partition(SinkRecord record);

  long offset(SinkRecord record);

  /** What the worker that runs this can tell. */
  static Origin ofThisWorker() {
    try {
      KIP_793.topic(new SinkRecord("", 0, null, null, null, null, 0));
      return KIP_793;
    } catch (NoSuchMethodError e) {
      return CURRENT;
    }
  }
}
