// Generated from rust/core/src/error.rs by `cargo xtask generate`; do not edit.
package io.sluice.connect;

/** Why a record, a task or a connector was refused, and what to do about it. */
public enum ErrorCode {
  CONFIG_UNKNOWN_KEY(
      ErrorClass.CONFIG,
      "A delta.* setting that Sluice does not know.",
      "Correct the spelling; the message names the nearest setting. All settings are in "
          + "docs/configuration.md."),

  CONFIG_INVALID(
      ErrorClass.CONFIG,
      "A setting's value cannot be used, or two settings contradict each other.",
      "Correct the value; the message says what is allowed."),

  CONFIG_MISSING(
      ErrorClass.CONFIG,
      "A setting that has no default is not given.",
      "Add the setting that the message names."),

  SCHEMA_INVALID(
      ErrorClass.CONFIG,
      "delta.schema.json or delta.schema.file is not a Delta schema, or has a type that raw JSON "
          + "cannot fill.",
      "Give the schema as Delta writes it (schemaString of the table's metaData action); see "
          + "docs/json.md."),

  SCHEMA_MISMATCH(
      ErrorClass.FATAL,
      "The schema in the settings does not fit the table's.",
      "Change one of the two: each column of the settings must be in the table with the same "
          + "type."),

  COLUMN_MISMATCH(
      ErrorClass.FATAL,
      "A computed column (metadata, key, derived, or a function in delta.partition.by) does not "
          + "fit the table, or its source has a type that it cannot be made from.",
      "The message names the column and both types. Change the setting or the table; see "
          + "docs/columns.md."),

  SCHEMA_UNCLEAR(
      ErrorClass.FATAL,
      "The records do not give columns that a Delta table can have.",
      "The message names the field and says what to do. Mend it before Sluice, or give "
          + "delta.schema.json or delta.schema.file; see docs/evolution.md."),

  TABLE_MISSING(
      ErrorClass.FATAL,
      "There is no Delta table at delta.table.uri.",
      "Create the table, or set delta.table.auto.create=true."),

  TABLE_UNSUPPORTED(
      ErrorClass.FATAL,
      "The table uses a feature that Sluice cannot write correctly.",
      "The message names the feature. Write to another table, or remove the feature."),

  TABLE_REPLACED(
      ErrorClass.FATAL,
      "The table was dropped and created again, or its log went backwards, while a task was "
          + "writing to it.",
      "Make sure that this is the table you mean, then restart the task: it starts from the new "
          + "table's offsets, and where that holds none, from the consumer group's. To fill the new "
          + "table from the start, reset the connector's offsets first; see docs/offsets.md."),

  OFFSET_BELOW_TABLE(
      ErrorClass.FATAL,
      "Kafka delivers records below the offset that the table holds, and Connect was told to go "
          + "on from there. The topic was deleted and created again, or lost its end.",
      "If the topic is a new one, stop the connector, reset its offsets (DELETE "
          + "/connectors/NAME/offsets) and resume it: the rows of the old topic stay, and the new one "
          + "is read from its start; see docs/offsets.md. If the topic lost records that are in the "
          + "table, wait until it has grown past the table's offset."),

  PREDECESSOR_RUNS(
      ErrorClass.FATAL,
      "The job that the table is taken over from (delta.kafka-delta-ingest.app.id), or the "
          + "connector (delta.offsets.from.connector), has written to the table since its offset was "
          + "read: it still runs.",
      "Stop it, then restart the task: where the table holds no offset of the connector's own, "
          + "the task starts from what the other wrote last. Where the message says that both have "
          + "written, compare the rows from the offset that it names on."),

  OFFSETS_OF_ANOTHER(
      ErrorClass.FATAL,
      "The table holds another connector's offset of a topic's partition, and none of this "
          + "connector's own: a connector that was renamed, or two that write the same records. "
          + "Nothing was written.",
      "If the connector was renamed, set delta.offsets.from.connector to its old name: it goes "
          + "on where that one stopped. If both are to write the topic's records, set "
          + "delta.offsets.other.connectors=ignore. See docs/offsets.md."),

  OFFSETS_RESET(
      ErrorClass.FATAL,
      "The connector's offsets were reset with Connect's REST interface, and this task, which "
          + "had not stopped, noticed it.",
      "Nothing, if it was a task of before the reset: the connector goes on without it when it "
          + "is resumed. If it is the connector's own task, restart it: it starts where the consumer "
          + "group stands."),

  OFFSETS_UNALTERABLE(
      ErrorClass.FATAL,
      "Connect was asked to alter offsets of the connector in a way that Sluice cannot carry "
          + "out. No table was changed.",
      "The message says why and what to do instead; see docs/offsets.md."),

  TABLE_CORRUPT(
      ErrorClass.FATAL,
      "The Delta log cannot be read.",
      "The message names the file. Repair the table, then restart the task."),

  STORE_DENIED(
      ErrorClass.FATAL,
      "The store refused access.",
      "Give the worker's user, or on an object store its credentials, the right to read, write "
          + "and list at the table's place, then restart the task; see docs/stores.md."),

  STORE_MISSING(
      ErrorClass.FATAL,
      "There is no such bucket or container.",
      "Create it, or correct delta.table.uri; Sluice creates tables, not buckets."),

  STORE_UNCONDITIONAL(
      ErrorClass.FATAL,
      "The S3 server does not honour If-None-Match: *, by which versions of the log are claimed.",
      "Set delta.commit.lock=dynamodb for all writers of the table, or upgrade the server; see "
          + "docs/stores.md."),

  COMMIT_LOCK(
      ErrorClass.FATAL,
      "The table is written under another commit lock than delta.commit.lock says.",
      "The message names the sign. Give all writers of the table the same lock; see "
          + "docs/stores.md."),

  LOCK_TABLE(
      ErrorClass.FATAL,
      "The DynamoDB table of delta.commit.lock=dynamodb is missing or is not a lock table.",
      "Create it, set delta.dynamodb.table.auto.create=true, or correct delta.dynamodb.table; "
          + "see docs/stores.md."),

  STORE_FULL(
      ErrorClass.FATAL,
      "The store has no space left.",
      "Free or add space, then restart the task. No row is lost: Kafka still has those that are "
          + "not in the table."),

  STORE_IO(
      ErrorClass.FATAL,
      "The store or the lock table failed for longer than delta.store.retry.timeout.ms; for "
          + "longer than a minute where nothing has worked with the table since the worker started.",
      "Mend what the message says, then restart the task. No row is lost: Kafka still has those "
          + "that are not in the table."),

  RECORD_NOT_JSON(
      ErrorClass.RECORD,
      "The record's value is not one JSON object in UTF-8.",
      "Mend the producer; with a dead-letter queue (errors.deadletterqueue.topic.name) such "
          + "records go there."),

  RECORD_FRAMING(
      ErrorClass.RECORD,
      "The record's value does not begin with a schema's id as delta.raw.framing says.",
      "Set delta.raw.framing as the producer's serializer frames values, or mend the producer; "
          + "see docs/raw.md."),

  RECORD_AVRO(
      ErrorClass.RECORD,
      "The record's value is not what its Avro schema says.",
      "Mend the producer, or give Sluice the schema that the record was written with; see "
          + "docs/avro.md."),

  WRITER_SCHEMA(
      ErrorClass.RECORD,
      "The schema that the record was written with cannot be used.",
      "The message says why. Register a schema of the kind that delta.raw.format says, or mend "
          + "it."),

  RECORD_PROTOBUF(
      ErrorClass.RECORD,
      "The record's value is not a message of its Protobuf schema.",
      "Mend the producer, or name the message that it writes; the message of the error says what "
          + "was found and where. See docs/protobuf.md."),

  RECORD_CSV(
      ErrorClass.RECORD,
      "The record's value is not one row of delimiter-separated text with as many fields as "
          + "there are columns.",
      "Mend the producer, or the settings of the format: the message says what was found and "
          + "where; see docs/text.md."),

  RECORD_COMPRESSION(
      ErrorClass.RECORD,
      "The record's value cannot be decompressed, or would become far larger than its bytes.",
      "Mend the producer, or the setting of the compression; see docs/text.md."),

  RECORD_TYPE(
      ErrorClass.RECORD,
      "A field's JSON type does not fit its column.",
      "Mend the producer or change the column's type; see docs/json.md for what each type takes."),

  RECORD_RANGE(
      ErrorClass.RECORD,
      "A field's value is outside what its column can hold exactly.",
      "Mend the producer or widen the column; Sluice never rounds and never cuts."),

  RECORD_NULL(
      ErrorClass.RECORD,
      "A column that is not nullable has no value in the record.",
      "Mend the producer or make the column nullable."),

  RECORD_UNKNOWN_FIELD(
      ErrorClass.RECORD,
      "The record has a field that the table has no column for, and "
          + "delta.schema.unknown.fields=fail.",
      "Add the column, or set delta.schema.unknown.fields=ignore to count such fields instead."),

  RECORD_DUPLICATE_FIELD(
      ErrorClass.RECORD,
      "The record gives a field twice.",
      "Mend the producer: only it knows which of the two is meant."),

  RECORD_TOO_DEEP(
      ErrorClass.RECORD,
      "The record, or the schema that it carries, is nested deeper than 64 levels, as a "
          + "recursive schema is.",
      "Mend the producer."),

  RECORD_NOT_RAW(
      ErrorClass.RECORD,
      "In raw mode a record's value has to be bytes or a string, and this one is something else.",
      "Set value.converter=org.apache.kafka.connect.converters.ByteArrayConverter."),

  RECORD_NULL_VALUE(
      ErrorClass.RECORD,
      "The record has no value (a tombstone), and behavior.on.null.values is fail or dlq.",
      "Set behavior.on.null.values=ignore to count tombstones instead, or mend the producer."),

  RECORD_UNROUTED(
      ErrorClass.RECORD,
      "delta.route.by finds no table for the record.",
      "Give delta.route.map an entry for the value in the message, or set delta.route.unmatched."),

  RECORD_SCHEMA_UNKNOWN(
      ErrorClass.RECORD,
      "The schema registry does not have the schema that the record names by its id, or has one "
          + "that cannot be used.",
      "The message names the id. Mend the producer, or see that delta.registry.url is the "
          + "registry that it uses; see docs/registry.md."),

  RECORD_NOT_STRUCT(
      ErrorClass.RECORD,
      "A record's value has no fields: it is neither a struct nor a map.",
      "Give it a field's name with the transform "
          + "org.apache.kafka.connect.transforms.HoistField$Value."),

  RECORD_SCHEMA(
      ErrorClass.RECORD,
      "A value does not agree with the Connect schema that the record carries.",
      "Mend the converter or transform that made the record; the message says what the schema "
          + "asks for."),

  RECORD_ENCODING(
      ErrorClass.RECORD,
      "A value cannot be handed over exactly: it has no type of Connect's, or is not what its "
          + "type allows.",
      "Mend what made the record (the producer, a converter or a transform); the message says "
          + "what is wrong with the value."),

  ERRANT_REPORT_FAILED(
      ErrorClass.FATAL,
      "A bad record could not be handed to the errant-record reporter.",
      "See the cause, mend the dead-letter queue, then restart the task; the record is read "
          + "again."),

  REGISTRY_FULL(
      ErrorClass.FATAL,
      "A task's records came with more than 65,536 different Connect schemas, or under as many "
          + "different topic names.",
      "Mend what makes a new schema or topic name for ever more records (a converter or a "
          + "transformation), then restart the task."),

  REGISTRY_REFUSED(
      ErrorClass.FATAL,
      "The schema registry refused access, or what answers at delta.registry.url is not a schema "
          + "registry.",
      "The message has what was answered. Correct the settings of the registry, then restart the "
          + "task; see docs/registry.md."),

  BUSY(
      ErrorClass.RETRIABLE,
      "The rows of all tasks of the worker hold as much memory as delta.memory.budget.bytes "
          + "allows. Nothing of the batch was taken.",
      "Nothing: Connect delivers the batch again. If it lasts, the store is slower than the "
          + "topics."),

  TABLE_PENDING(
      ErrorClass.RETRIABLE,
      "A table that the batch needs is being opened, created or given new columns. Nothing of "
          + "the batch was taken.",
      "Nothing: Connect delivers the batch again. If it lasts, the store is slow."),

  REGISTRY_PENDING(
      ErrorClass.RETRIABLE,
      "A schema that the batch needs is being fetched from the schema registry. Nothing of the "
          + "batch was taken.",
      "Nothing: Connect delivers the batch again. If it lasts, the registry does not answer; the "
          + "worker's log says why."),

  NATIVE_UNAVAILABLE(
      ErrorClass.FATAL,
      "The native library could not be loaded on this worker.",
      "The message names operating system, architecture, libc and every place that was tried."),

  NATIVE_PANIC(
      ErrorClass.FATAL,
      "A defect in Sluice's native code. The task is stopped; the worker and its other tasks go "
          + "on.",
      "Please report it with the message, then restart the task."),

  NATIVE_HANDLE(
      ErrorClass.FATAL,
      "A call for a task that was never started or is already stopped.",
      "Restart the task; if it comes again, please report it."),

  CROSSING_INVALID(
      ErrorClass.FATAL,
      "The Java and the native side of the plugin do not agree on a message between them.",
      "Install one version of the plugin completely: the jar and the native library belong "
          + "together.");

  /** What Connect does with an error. */
  public enum ErrorClass {
    /** The same batch is delivered again. */
    RETRIABLE,
    /** The record goes to the errant-record reporter, or fails the task where there is none. */
    RECORD,
    /** The task fails until its operator restarts it. */
    FATAL,
    /** The connector's settings are refused. */
    CONFIG
  }

  private final ErrorClass errorClass;
  private final String meaning;
  private final String remedy;

  ErrorCode(ErrorClass errorClass, String meaning, String remedy) {
    this.errorClass = errorClass;
    this.meaning = meaning;
    this.remedy = remedy;
  }

  public ErrorClass errorClass() {
    return errorClass;
  }

  public String meaning() {
    return meaning;
  }

  public String remedy() {
    return remedy;
  }
}
