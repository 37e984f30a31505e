//! One table of error codes. `docs/errors.md` and the Java enum are made from it (`cargo xtask generate`).
//!
//! Conflict, unknown outcome and fenced are outcomes of a commit, not errors; they have no code.

use std::fmt;

/// What Connect does with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same batch is delivered again.
    Retriable,
    /// The record goes to the errant-record reporter, or fails the task where there is none.
    Record,
    /// The task fails until its operator restarts it.
    Fatal,
    /// The connector's settings are refused.
    Config,
}

impl Class {
    pub fn name(self) -> &'static str {
        match self {
            Class::Retriable => "RETRIABLE",
            Class::Record => "RECORD",
            Class::Fatal => "FATAL",
            Class::Config => "CONFIG",
        }
    }
}

macro_rules! codes {
    ($($variant:ident $name:literal $class:ident $meaning:literal $remedy:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($variant,)* }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            pub fn class(self) -> Class {
                match self { $(Code::$variant => Class::$class,)* }
            }

            pub fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning,)* }
            }

            pub fn remedy(self) -> &'static str {
                match self { $(Code::$variant => $remedy,)* }
            }
        }
    };
}

codes! {
    ConfigUnknownKey "CONFIG_UNKNOWN_KEY" Config
        "A `delta.*` setting that Sluice does not know."
        "Correct the spelling; the message names the nearest setting. All settings are in docs/configuration.md.";
    ConfigInvalid "CONFIG_INVALID" Config
        "A setting's value cannot be used, or two settings contradict each other."
        "Correct the value; the message says what is allowed.";
    ConfigMissing "CONFIG_MISSING" Config
        "A setting that has no default is not given."
        "Add the setting that the message names.";
    SchemaInvalid "SCHEMA_INVALID" Config
        "`delta.schema.json` or `delta.schema.file` is not a Delta schema, or has a type that raw JSON cannot fill."
        "Give the schema as Delta writes it (`schemaString` of the table's metaData action); see docs/json.md.";
    SchemaMismatch "SCHEMA_MISMATCH" Fatal
        "The schema in the settings does not fit the table's."
        "Change one of the two: each column of the settings must be in the table with the same type.";
    ColumnMismatch "COLUMN_MISMATCH" Fatal
        "A computed column (metadata, key, derived, or a function in `delta.partition.by`) does not fit the table, or its \
         source has a type that it cannot be made from."
        "The message names the column and both types. Change the setting or the table; see docs/columns.md.";
    SchemaUnclear "SCHEMA_UNCLEAR" Fatal
        "The records do not give columns that a Delta table can have."
        "The message names the field and says what to do. Mend it before Sluice, or give `delta.schema.json` or \
         `delta.schema.file`; see docs/evolution.md.";
    TableMissing "TABLE_MISSING" Fatal
        "There is no Delta table at `delta.table.uri`."
        "Create the table, or set `delta.table.auto.create=true`.";
    TableUnsupported "TABLE_UNSUPPORTED" Fatal
        "The table uses a feature that Sluice cannot write correctly."
        "The message names the feature. Write to another table, or remove the feature.";
    TableReplaced "TABLE_REPLACED" Fatal
        "The table was dropped and created again, or its log went backwards, while a task was writing to it."
        "Make sure that this is the table you mean, then restart the task: it starts from the new table's offsets, and \
         where that holds none, from the consumer group's. To fill the new table from the start, reset the connector's offsets \
         first; see docs/offsets.md.";
    OffsetBelowTable "OFFSET_BELOW_TABLE" Fatal
        "Kafka delivers records below the offset that the table holds, and Connect was told to go on from there. The \
         topic was deleted and created again, or lost its end."
        "If the topic is a new one, stop the connector, reset its offsets (DELETE /connectors/NAME/offsets) and resume it: the \
         rows of the old topic stay, and the new one is read from its start; see docs/offsets.md. If the topic lost records \
         that are in the table, wait until it has grown past the table's offset.";
    PredecessorRuns "PREDECESSOR_RUNS" Fatal
        "The job that the table is taken over from (`delta.kafka-delta-ingest.app.id`), or the connector \
         (`delta.offsets.from.connector`), has written to the table since its offset was read: it still runs."
        "Stop it, then restart the task: where the table holds no offset of the connector's own, the task starts from what \
         the other wrote last. Where the message says that both have written, compare the rows from the offset that it names on.";
    OffsetsOfAnother "OFFSETS_OF_ANOTHER" Fatal
        "The table holds another connector's offset of a topic's partition, and none of this connector's own: a connector that \
         was renamed, or two that write the same records. Nothing was written."
        "If the connector was renamed, set `delta.offsets.from.connector` to its old name: it goes on where that one stopped. \
         If both are to write the topic's records, set `delta.offsets.other.connectors=ignore`. See docs/offsets.md.";
    OffsetsReset "OFFSETS_RESET" Fatal
        "The connector's offsets were reset with Connect's REST interface, and this task, which had not stopped, noticed it."
        "Nothing, if it was a task of before the reset: the connector goes on without it when it is resumed. If it is the \
         connector's own task, restart it: it starts where the consumer group stands.";
    OffsetsUnalterable "OFFSETS_UNALTERABLE" Fatal
        "Connect was asked to alter offsets of the connector in a way that Sluice cannot carry out. No table was changed."
        "The message says why and what to do instead; see docs/offsets.md.";
    TableCorrupt "TABLE_CORRUPT" Fatal
        "The Delta log cannot be read."
        "The message names the file. Repair the table, then restart the task.";
    StoreDenied "STORE_DENIED" Fatal
        "The store refused access."
        "Give the worker's user, or on an object store its credentials, the right to read, write and list at the table's place, \
         then restart the task; see docs/stores.md.";
    StoreMissing "STORE_MISSING" Fatal
        "There is no such bucket or container."
        "Create it, or correct `delta.table.uri`; Sluice creates tables, not buckets.";
    StoreUnconditional "STORE_UNCONDITIONAL" Fatal
        "The S3 server does not honour `If-None-Match: *`, by which versions of the log are claimed."
        "Set `delta.commit.lock=dynamodb` for all writers of the table, or upgrade the server; see docs/stores.md.";
    CommitLock "COMMIT_LOCK" Fatal
        "The table is written under another commit lock than `delta.commit.lock` says."
        "The message names the sign. Give all writers of the table the same lock; see docs/stores.md.";
    LockTable "LOCK_TABLE" Fatal
        "The DynamoDB table of `delta.commit.lock=dynamodb` is missing or is not a lock table."
        "Create it, set `delta.dynamodb.table.auto.create=true`, or correct `delta.dynamodb.table`; see docs/stores.md.";
    StoreFull "STORE_FULL" Fatal
        "The store has no space left."
        "Free or add space, then restart the task. No row is lost: Kafka still has those that are not in the table.";
    StoreIo "STORE_IO" Fatal
        "The store or the lock table failed for longer than `delta.store.retry.timeout.ms`; for longer than a minute where \
         nothing has worked with the table since the worker started."
        "Mend what the message says, then restart the task. No row is lost: Kafka still has those that are not in the table.";
    RecordNotJson "RECORD_NOT_JSON" Record
        "The record's value is not one JSON object in UTF-8."
        "Mend the producer; with a dead-letter queue (`errors.deadletterqueue.topic.name`) such records go there.";
    RecordFraming "RECORD_FRAMING" Record
        "The record's value does not begin with a schema's id as `delta.raw.framing` says."
        "Set `delta.raw.framing` as the producer's serializer frames values, or mend the producer; see docs/raw.md.";
    RecordAvro "RECORD_AVRO" Record
        "The record's value is not what its Avro schema says."
        "Mend the producer, or give Sluice the schema that the record was written with; see docs/avro.md.";
    WriterSchema "WRITER_SCHEMA" Record
        "The schema that the record was written with cannot be used."
        "The message says why. Register a schema of the kind that `delta.raw.format` says, or mend it.";
    RecordProtobuf "RECORD_PROTOBUF" Record
        "The record's value is not a message of its Protobuf schema."
        "Mend the producer, or name the message that it writes; the message of the error says what was found and where. See \
         docs/protobuf.md.";
    RecordCsv "RECORD_CSV" Record
        "The record's value is not one row of delimiter-separated text with as many fields as there are columns."
        "Mend the producer, or the settings of the format: the message says what was found and where; see docs/text.md.";
    RecordCompression "RECORD_COMPRESSION" Record
        "The record's value cannot be decompressed, or would become far larger than its bytes."
        "Mend the producer, or the setting of the compression; see docs/text.md.";
    RecordType "RECORD_TYPE" Record
        "A field's JSON type does not fit its column."
        "Mend the producer or change the column's type; see docs/json.md for what each type takes.";
    RecordRange "RECORD_RANGE" Record
        "A field's value is outside what its column can hold exactly."
        "Mend the producer or widen the column; Sluice never rounds and never cuts.";
    RecordNull "RECORD_NULL" Record
        "A column that is not nullable has no value in the record."
        "Mend the producer or make the column nullable.";
    RecordUnknownField "RECORD_UNKNOWN_FIELD" Record
        "The record has a field that the table has no column for, and `delta.schema.unknown.fields=fail`."
        "Add the column, or set `delta.schema.unknown.fields=ignore` to count such fields instead.";
    RecordDuplicateField "RECORD_DUPLICATE_FIELD" Record
        "The record gives a field twice."
        "Mend the producer: only it knows which of the two is meant.";
    RecordTooDeep "RECORD_TOO_DEEP" Record
        "The record, or the schema that it carries, is nested deeper than 64 levels, as a recursive schema is."
        "Mend the producer.";
    RecordNotRaw "RECORD_NOT_RAW" Record
        "In raw mode a record's value has to be bytes or a string, and this one is something else."
        "Set `value.converter=org.apache.kafka.connect.converters.ByteArrayConverter`.";
    RecordNullValue "RECORD_NULL_VALUE" Record
        "The record has no value (a tombstone), and `behavior.on.null.values` is `fail` or `dlq`."
        "Set `behavior.on.null.values=ignore` to count tombstones instead, or mend the producer.";
    RecordUnrouted "RECORD_UNROUTED" Record
        "`delta.route.by` finds no table for the record."
        "Give `delta.route.map` an entry for the value in the message, or set `delta.route.unmatched`.";
    RecordSchemaUnknown "RECORD_SCHEMA_UNKNOWN" Record
        "The schema registry does not have the schema that the record names by its id, or has one that cannot be used."
        "The message names the id. Mend the producer, or see that `delta.registry.url` is the registry that it uses; see \
         docs/registry.md.";
    RecordNotStruct "RECORD_NOT_STRUCT" Record
        "A record's value has no fields: it is neither a struct nor a map."
        "Give it a field's name with the transform `org.apache.kafka.connect.transforms.HoistField$Value`.";
    RecordSchema "RECORD_SCHEMA" Record
        "A value does not agree with the Connect schema that the record carries."
        "Mend the converter or transform that made the record; the message says what the schema asks for.";
    RecordEncoding "RECORD_ENCODING" Record
        "A value cannot be handed over exactly: it has no type of Connect's, or is not what its type allows."
        "Mend what made the record (the producer, a converter or a transform); the message says what is wrong with the value.";
    ErrantReportFailed "ERRANT_REPORT_FAILED" Fatal
        "A bad record could not be handed to the errant-record reporter."
        "See the cause, mend the dead-letter queue, then restart the task; the record is read again.";
    RegistryFull "REGISTRY_FULL" Fatal
        "A task's records came with more than 65,536 different Connect schemas, or under as many different topic names."
        "Mend what makes a new schema or topic name for ever more records (a converter or a transformation), then restart \
         the task.";
    RegistryRefused "REGISTRY_REFUSED" Fatal
        "The schema registry refused access, or what answers at `delta.registry.url` is not a schema registry."
        "The message has what was answered. Correct the settings of the registry, then restart the task; see docs/registry.md.";
    Busy "BUSY" Retriable
        "The rows of all tasks of the worker hold as much memory as `delta.memory.budget.bytes` allows. Nothing of the batch was \
         taken."
        "Nothing: Connect delivers the batch again. If it lasts, the store is slower than the topics.";
    TablePending "TABLE_PENDING" Retriable
        "A table that the batch needs is being opened, created or given new columns. Nothing of the batch was taken."
        "Nothing: Connect delivers the batch again. If it lasts, the store is slow.";
    RegistryPending "REGISTRY_PENDING" Retriable
        "A schema that the batch needs is being fetched from the schema registry. Nothing of the batch was taken."
        "Nothing: Connect delivers the batch again. If it lasts, the registry does not answer; the worker's log says why.";
    NativeUnavailable "NATIVE_UNAVAILABLE" Fatal
        "The native library could not be loaded on this worker."
        "The message names operating system, architecture, libc and every place that was tried.";
    NativePanic "NATIVE_PANIC" Fatal
        "A defect in Sluice's native code. The task is stopped; the worker and its other tasks go on."
        "Please report it with the message, then restart the task.";
    NativeHandle "NATIVE_HANDLE" Fatal
        "A call for a task that was never started or is already stopped."
        "Restart the task; if it comes again, please report it.";
    CrossingInvalid "CROSSING_INVALID" Fatal
        "The Java and the native side of the plugin do not agree on a message between them."
        "Install one version of the plugin completely: the jar and the native library belong together.";
}

/// An error with what a user needs to mend it. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub code: Code,
    pub message: String,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error { code, message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Code::ALL.iter().map(|c| c.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
