#!/bin/bash
# As Kafka's script of this name, as far as deploy/image/worker needs it.
# shellcheck disable=SC2086 # several options in each variable
exec java ${KAFKA_HEAP_OPTS:--Xmx2g} ${KAFKA_LOG4J_OPTS:-} ${KAFKA_OPTS:-} -cp '/opt/kafka/libs/*' \
  org.apache.kafka.connect.cli.ConnectDistributed "$@"
