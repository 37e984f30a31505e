//! Every setting, declared once. The parser, the Java `ConfigDef`, the documentation and the JSON schema are made
//! from [`SETTINGS`] and [`RULES`].

use super::choices::{
    BillingMode, Choice, CommitLock, CompactionScope, Compression, Evolution, InputMode, JsonStrings,
    KeyMode, NullValues, OtherConnectors, PathScheme, PathStyle, RawCompression, RawFormat, RawFraming,
    RegistryApi, ServerSideEncryption, UnknownFields, Unmatched, VacuumMode,
};

/// Settings with this prefix are ours; all others are Connect's, but for those of [`SETTINGS`] without it.
pub const PREFIX: &str = "delta.";
/// `delta.tables.<table>.<rest>` is `delta.<rest>` for one table: its name, then the name of one of [`OF_A_TABLE`]
/// without [`PREFIX`].
pub const TABLES_PREFIX: &str = "delta.tables.";

/// The settings that may differ from table to table.
pub const OF_A_TABLE: &[&str] = &[
    TABLE_AUTO_CREATE,
    TABLE_PROPERTIES,
    PARTITION_BY,
    SCHEMA_JSON,
    SCHEMA_FILE,
    SCHEMA_EVOLUTION,
    SCHEMA_UNKNOWN_FIELDS,
    METADATA_COLUMNS,
    METADATA_PREFIX,
    METADATA_STRUCT,
    KEY_MODE,
    KEY_PREFIX,
    DERIVED_COLUMNS,
    KAFKA_DELTA_INGEST_APP_ID,
    MAINTENANCE_ENABLED,
    MAINTENANCE_LOG_COMPACTION_COMMITS,
    COMPACTION_ENABLED,
    COMPACTION_TARGET_FILE_BYTES,
    COMPACTION_MIN_FILES,
    COMPACTION_SCOPE,
    COMPACTION_COLD_MS,
    COMPACTION_INTERVAL_MS,
    COMPACTION_MEMORY_BYTES,
    COMPACTION_MAX_BYTES_PER_SECOND,
    COMPACTION_ORDER_BY,
    COMPACTION_Z_ORDER_BY,
    VACUUM_MODE,
    VACUUM_INTERVAL_MS,
];

#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub name: &'static str,
    pub kind: Kind,
    pub default: Default,
    pub group: &'static str,
    pub importance: Importance,
    pub title: &'static str,
    /// Markdown, ASCII, whole sentences.
    pub doc: &'static str,
}

/// The type of a value and what it must satisfy.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A blank text counts as not given.
    Text(TextRule),
    /// A text that is never printed.
    Password,
    Boolean,
    Int(Number),
    Long(Number),
    OneOf(&'static [&'static str]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextRule {
    TableUri,
    AbsolutePath,
    SchemaJson,
    Any,
    /// A notation of its own; the text says which, for the documentation's table.
    Notation(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub struct Number {
    pub min: i64,
    pub unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Milliseconds,
    Bytes,
    Records,
    Commits,
    Files,
    BytesPerSecond,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    Required,
    None,
    Value(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// A rule between settings. A setting counts as given when it is present and not blank.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// The error is the second one's.
    NotBoth(&'static str, &'static str),
    /// The first is given only with the second. The error is the first one's.
    OnlyWith(&'static str, &'static str),
}

impl Setting {
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Password)
    }
}

impl Importance {
    pub fn name(self) -> &'static str {
        match self {
            Importance::High => "HIGH",
            Importance::Medium => "MEDIUM",
            Importance::Low => "LOW",
        }
    }
}

impl Unit {
    /// As it ends a setting's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Unit::Milliseconds => "ms",
            Unit::Bytes => "bytes",
            Unit::Records => "records",
            Unit::Commits => "commits",
            Unit::Files => "files",
            Unit::BytesPerSecond => "bytes.per.second",
        }
    }
}

impl Rule {
    pub fn message(&self) -> String {
        match self {
            Rule::NotBoth(first, _) => format!("cannot be given together with {first}; give one of the two"),
            Rule::OnlyWith(_, second) => format!("means nothing without {second}; give both, or none"),
        }
    }
}

pub const TABLE_URI: &str = "delta.table.uri";
pub const TABLE_AUTO_CREATE: &str = "delta.table.auto.create";
pub const TABLE_PROPERTIES: &str = "delta.table.properties";
pub const PARTITION_BY: &str = "delta.partition.by";
pub const TOPIC2TABLE_MAP: &str = "delta.topic2table.map";
pub const ROUTE_BY: &str = "delta.route.by";
pub const ROUTE_MAP: &str = "delta.route.map";
pub const ROUTE_UNMATCHED: &str = "delta.route.unmatched";
pub const SCHEMA_EVOLUTION: &str = "delta.schema.evolution";
pub const METADATA_COLUMNS: &str = "delta.metadata.columns";
pub const METADATA_PREFIX: &str = "delta.metadata.prefix";
pub const METADATA_STRUCT: &str = "delta.metadata.struct";
pub const KEY_MODE: &str = "delta.key.mode";
pub const KEY_PREFIX: &str = "delta.key.prefix";
pub const DERIVED_COLUMNS: &str = "delta.derived.columns";
pub const NULL_VALUES: &str = "behavior.on.null.values";
pub const SCHEMA_JSON: &str = "delta.schema.json";
pub const SCHEMA_FILE: &str = "delta.schema.file";
pub const SCHEMA_UNKNOWN_FIELDS: &str = "delta.schema.unknown.fields";
pub const INPUT_MODE: &str = "delta.input.mode";
pub const RAW_FORMAT: &str = "delta.raw.format";
pub const RAW_FRAMING: &str = "delta.raw.framing";
pub const RAW_SCHEMA: &str = "delta.raw.schema";
pub const RAW_SCHEMA_FILE: &str = "delta.raw.schema.file";
pub const RAW_MESSAGE: &str = "delta.raw.message";
pub const RAW_VALUE_COMPRESSION: &str = "delta.raw.value.compression";
pub const RAW_CSV_COLUMNS: &str = "delta.raw.csv.columns";
pub const RAW_CSV_DELIMITER: &str = "delta.raw.csv.delimiter";
pub const RAW_CSV_QUOTE: &str = "delta.raw.csv.quote";
pub const RAW_CSV_NULL: &str = "delta.raw.csv.null";
pub const RAW_VALUE_COLUMN: &str = "delta.raw.value.column";
pub const RAW_JSON_STRINGS: &str = "delta.raw.json.strings";
pub const OFFSETS_FROM_CONNECTOR: &str = "delta.offsets.from.connector";
pub const OFFSETS_OTHER_CONNECTORS: &str = "delta.offsets.other.connectors";
pub const KAFKA_DELTA_INGEST_APP_ID: &str = "delta.kafka-delta-ingest.app.id";
pub const COMMIT_INTERVAL_MS: &str = "delta.commit.interval.ms";
pub const COMMIT_MAX_BYTES: &str = "delta.commit.max.bytes";
pub const COMMIT_MAX_RECORDS: &str = "delta.commit.max.records";
pub const TARGET_FILE_BYTES: &str = "delta.target.file.bytes";
pub const MEMORY_BUDGET_BYTES: &str = "delta.memory.budget.bytes";
pub const PARQUET_COMPRESSION: &str = "delta.parquet.compression";
pub const COMMIT_LOCK: &str = "delta.commit.lock";
pub const STORE_PROXY_URL: &str = "delta.store.proxy.url";
pub const STORE_CA_FILE: &str = "delta.store.ca.file";
pub const STORE_CONNECT_TIMEOUT_MS: &str = "delta.store.connect.timeout.ms";
pub const STORE_REQUEST_TIMEOUT_MS: &str = "delta.store.request.timeout.ms";
pub const STORE_RETRY_TIMEOUT_MS: &str = "delta.store.retry.timeout.ms";
pub const STORE_UPLOAD_PART_BYTES: &str = "delta.store.upload.part.bytes";
pub const S3_REGION: &str = "delta.s3.region";
pub const S3_ENDPOINT: &str = "delta.s3.endpoint";
pub const S3_PATH_STYLE_ACCESS: &str = "delta.s3.path.style.access";
pub const S3_ACCESS_KEY_ID: &str = "delta.s3.access.key.id";
pub const S3_SECRET_ACCESS_KEY: &str = "delta.s3.secret.access.key";
pub const S3_SESSION_TOKEN: &str = "delta.s3.session.token";
pub const S3_PROFILE: &str = "delta.s3.profile";
pub const S3_ROLE_ARN: &str = "delta.s3.role.arn";
pub const S3_ROLE_SESSION_NAME: &str = "delta.s3.role.session.name";
pub const S3_ROLE_EXTERNAL_ID: &str = "delta.s3.role.external.id";
pub const S3_WEB_IDENTITY_TOKEN_FILE: &str = "delta.s3.web.identity.token.file";
pub const S3_SSE: &str = "delta.s3.sse";
pub const S3_SSE_KMS_KEY_ID: &str = "delta.s3.sse.kms.key.id";
pub const S3_SSE_BUCKET_KEY: &str = "delta.s3.sse.bucket.key";
pub const DYNAMODB_TABLE: &str = "delta.dynamodb.table";
pub const DYNAMODB_REGION: &str = "delta.dynamodb.region";
pub const DYNAMODB_ENDPOINT: &str = "delta.dynamodb.endpoint";
pub const DYNAMODB_ACCESS_KEY_ID: &str = "delta.dynamodb.access.key.id";
pub const DYNAMODB_SECRET_ACCESS_KEY: &str = "delta.dynamodb.secret.access.key";
pub const DYNAMODB_SESSION_TOKEN: &str = "delta.dynamodb.session.token";
pub const DYNAMODB_PATH_SCHEME: &str = "delta.dynamodb.path.scheme";
pub const DYNAMODB_TABLE_AUTO_CREATE: &str = "delta.dynamodb.table.auto.create";
pub const DYNAMODB_BILLING_MODE: &str = "delta.dynamodb.billing.mode";
pub const DYNAMODB_TTL_MS: &str = "delta.dynamodb.ttl.ms";
pub const AZURE_ACCOUNT_NAME: &str = "delta.azure.account.name";
pub const AZURE_ACCOUNT_KEY: &str = "delta.azure.account.key";
pub const AZURE_SAS_TOKEN: &str = "delta.azure.sas.token";
pub const AZURE_TENANT_ID: &str = "delta.azure.tenant.id";
pub const AZURE_CLIENT_ID: &str = "delta.azure.client.id";
pub const AZURE_CLIENT_SECRET: &str = "delta.azure.client.secret";
pub const AZURE_FEDERATED_TOKEN_FILE: &str = "delta.azure.federated.token.file";
pub const AZURE_ENDPOINT: &str = "delta.azure.endpoint";
pub const GCS_SERVICE_ACCOUNT_FILE: &str = "delta.gcs.service.account.file";
pub const GCS_SERVICE_ACCOUNT_KEY: &str = "delta.gcs.service.account.key";
pub const GCS_ENDPOINT: &str = "delta.gcs.endpoint";
pub const REGISTRY_URL: &str = "delta.registry.url";
pub const REGISTRY_API: &str = "delta.registry.api";
pub const REGISTRY_USERNAME: &str = "delta.registry.username";
pub const REGISTRY_PASSWORD: &str = "delta.registry.password";
pub const REGISTRY_BEARER_TOKEN: &str = "delta.registry.bearer.token";
pub const REGISTRY_OAUTH_TOKEN_URL: &str = "delta.registry.oauth.token.url";
pub const REGISTRY_OAUTH_CLIENT_ID: &str = "delta.registry.oauth.client.id";
pub const REGISTRY_OAUTH_CLIENT_SECRET: &str = "delta.registry.oauth.client.secret";
pub const REGISTRY_OAUTH_SCOPE: &str = "delta.registry.oauth.scope";
pub const REGISTRY_CA_FILE: &str = "delta.registry.ca.file";
pub const REGISTRY_TLS_CERT_FILE: &str = "delta.registry.tls.cert.file";
pub const REGISTRY_TLS_KEY_FILE: &str = "delta.registry.tls.key.file";
pub const REGISTRY_REQUEST_TIMEOUT_MS: &str = "delta.registry.request.timeout.ms";
pub const MAINTENANCE_ENABLED: &str = "delta.maintenance.enabled";
pub const MAINTENANCE_LOG_COMPACTION_COMMITS: &str = "delta.maintenance.log.compaction.commits";
pub const COMPACTION_ENABLED: &str = "delta.compaction.enabled";
pub const COMPACTION_TARGET_FILE_BYTES: &str = "delta.compaction.target.file.bytes";
pub const COMPACTION_MIN_FILES: &str = "delta.compaction.min.files";
pub const COMPACTION_SCOPE: &str = "delta.compaction.scope";
pub const COMPACTION_COLD_MS: &str = "delta.compaction.cold.ms";
pub const COMPACTION_INTERVAL_MS: &str = "delta.compaction.interval.ms";
pub const COMPACTION_MEMORY_BYTES: &str = "delta.compaction.memory.bytes";
pub const COMPACTION_MAX_BYTES_PER_SECOND: &str = "delta.compaction.max.bytes.per.second";
pub const COMPACTION_ORDER_BY: &str = "delta.compaction.order.by";
pub const COMPACTION_Z_ORDER_BY: &str = "delta.compaction.z.order.by";
pub const VACUUM_MODE: &str = "delta.vacuum.mode";
pub const VACUUM_INTERVAL_MS: &str = "delta.vacuum.interval.ms";
pub const VALIDATE_CONNECTIVITY: &str = "delta.validate.connectivity";

/// In the order of the documentation; the settings of a group stand together.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: TABLE_URI,
        kind: Kind::Text(TextRule::TableUri),
        default: Default::Required,
        group: "Table",
        importance: Importance::High,
        title: "Table URI",
        doc: "Where the Delta table is: an absolute path on the worker such as `/data/events`, or a URL such as \
              `file:///data/events`, `s3://bucket/events` (or `s3a://`), `gs://bucket/events`, `az://container/events` or \
              `abfss://container@account.dfs.core.windows.net/events`. In a URL, characters outside ASCII and the \
              characters `%`, `?` and `#` are percent-encoded; a path is taken as it stands. Relative paths and paths \
              with `..` are refused. Every worker that may run a task must see the same file system at a path; \
              docs/stores.md has what each store needs.\n\n\
              `${topic}` stands for the record's original topic, before any transformation renamed it: with \
              `/data/${topic}` each topic has its own table. `${table}` stands for the name that \
              `delta.topic2table.map` or `delta.route.by` finds, and for the topic where neither is given. Without \
              a placeholder, all topics that the connector reads go into the one table.",
    },
    Setting {
        name: TABLE_AUTO_CREATE,
        kind: Kind::Boolean,
        default: Default::Value("false"),
        group: "Table",
        importance: Importance::Medium,
        title: "Create the table",
        doc: "Whether a table that is not there is created: with the schema of `delta.schema.json` or \
              `delta.schema.file`, else with the Connect schema of the first records, else with a schema inferred \
              from the first records; docs/evolution.md has the rules. With `false` a missing table fails the task, \
              so that a misspelt location is not taken for a new table.",
    },
    Setting {
        name: TABLE_PROPERTIES,
        kind: Kind::Text(TextRule::Notation("`name=value; name=value`")),
        default: Default::None,
        group: "Table",
        importance: Importance::Low,
        title: "Table properties",
        doc: "Properties of a table that Sluice creates, such as \
              `delta.enableDeletionVectors=true; delta.logRetentionDuration=interval 7 days`. A table that is there \
              keeps its own.",
    },
    Setting {
        name: PARTITION_BY,
        kind: Kind::Text(TextRule::Notation("columns and functions, with commas")),
        default: Default::None,
        group: "Table",
        importance: Importance::Medium,
        title: "Partition columns",
        doc: "How a table that Sluice creates is partitioned: columns such as `country`, and functions such as \
              `day(ts)`, `hour(ts)`, `bucket(16, id)`, `truncate(4, name)` or `date(kafka.timestamp)`, each of which \
              adds a column that it fills (`ts_day`). docs/columns.md has them all. A table that is there keeps its \
              own partitioning, which has to be the one given here.",
    },
    Setting {
        name: TOPIC2TABLE_MAP,
        kind: Kind::Text(TextRule::Notation("`topic=table; pattern=table,table`")),
        default: Default::None,
        group: "Routing",
        importance: Importance::Medium,
        title: "Topics to tables",
        doc: "Which tables the records of a topic go to, such as `orders=sales; eu_.*=sales,europe`. On the left \
              stands the original topic or a regular expression for all of it; the first entry that matches counts. \
              On the right stands one table or several, each of which gets every record: a name, which is put in \
              place of `${table}` in `delta.table.uri`, or a location of its own as `delta.table.uri` would have it. \
              A topic that no entry matches goes to the table of its own name.",
    },
    Setting {
        name: ROUTE_BY,
        kind: Kind::Text(TextRule::Notation("`field(path)`, `header(name)` or `topic`")),
        default: Default::None,
        group: "Routing",
        importance: Importance::Medium,
        title: "Route by value",
        doc: "Lets each record name its table: by a field of its value such as `field(meta.type)`, by the last header \
              of a name such as `header(type)`, or by `topic`, the topic that the record has after transformations \
              renamed it. What is found there goes through `delta.route.map`, or is the table's name itself where no \
              map is given. Not together with `delta.topic2table.map`. Offsets are then held by Connect, as \
              docs/exactly-once.md says, and each table skips what it already has.",
    },
    Setting {
        name: ROUTE_MAP,
        kind: Kind::Text(TextRule::Notation("`value=table; pattern=table,table`")),
        default: Default::None,
        group: "Routing",
        importance: Importance::Low,
        title: "Values to tables",
        doc: "Which tables a value of `delta.route.by` stands for, written as `delta.topic2table.map` is. A value that \
              no entry matches is unmatched.",
    },
    Setting {
        name: ROUTE_UNMATCHED,
        kind: Kind::OneOf(Unmatched::WORDS),
        default: Default::Value("fail"),
        group: "Routing",
        importance: Importance::Low,
        title: "Unmatched records",
        doc: "What becomes of a record that `delta.route.by` finds no table for: the field or header is missing or \
              null, or no entry of `delta.route.map` matches. `fail` fails the task, `skip` makes no row of it and \
              counts it, `dlq` makes it an errant record with the code `RECORD_UNROUTED`.",
    },
    Setting {
        name: SCHEMA_JSON,
        kind: Kind::Text(TextRule::SchemaJson),
        default: Default::None,
        group: "Schema",
        importance: Importance::Medium,
        title: "Schema",
        doc: "The table's schema as Delta itself writes it (`schemaString` of the table's metaData action), for \
              example `{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":false,\
              \"metadata\":{}}]}`. A table that Sluice creates gets it; without it, the first records say what \
              columns there are. A table that is there is checked against it: each of its columns must be in the \
              table with the same type, or is added where `delta.schema.evolution` allows it. Rows are always made for the table's \
              own schema. Not together with `delta.schema.file`.",
    },
    Setting {
        name: SCHEMA_FILE,
        kind: Kind::Text(TextRule::AbsolutePath),
        default: Default::None,
        group: "Schema",
        importance: Importance::Medium,
        title: "Schema file",
        doc: "The absolute path of a UTF-8 file that holds what `delta.schema.json` would hold. A task reads it \
              when it starts, so it must be on every worker that may run a task. Not together with \
              `delta.schema.json`.",
    },
    Setting {
        name: SCHEMA_EVOLUTION,
        kind: Kind::OneOf(Evolution::WORDS),
        default: Default::Value("none"),
        group: "Schema",
        importance: Importance::High,
        title: "Schema evolution",
        doc: "Whether the table's schema grows with the records. `none`: never. `add`: new fields become new columns, \
              at any depth, and a column that is not nullable becomes nullable when records stop having it. `widen`: \
              as `add`, and column types grow where the table has `delta.enableTypeWidening=true`. No column ever \
              becomes narrower or goes away. docs/evolution.md has the rules.",
    },
    Setting {
        name: SCHEMA_UNKNOWN_FIELDS,
        kind: Kind::OneOf(UnknownFields::WORDS),
        default: Default::Value("ignore"),
        group: "Schema",
        importance: Importance::Medium,
        title: "Fields without a column",
        doc: "What becomes of a field that the table has no column for, and that `delta.schema.evolution` adds none \
              for. `ignore` leaves the field out and counts \
              it. `fail` makes the whole record an errant record with the code `RECORD_UNKNOWN_FIELD`.",
    },
    Setting {
        name: INPUT_MODE,
        kind: Kind::OneOf(InputMode::WORDS),
        default: Default::Value("auto"),
        group: "Input",
        importance: Importance::Medium,
        title: "Input mode",
        doc: "In which form Connect hands records over. `raw`: the value is bytes or a string, and Sluice decodes \
              it natively; set `value.converter` to Connect's `ByteArrayConverter`. This is the cheapest way. \
              `connect`: the value is a Struct or a Map, from any converter and any transformation; docs/types.md \
              says what becomes of each type. `auto`: bytes and strings are taken as raw, everything else as \
              `connect`.",
    },
    Setting {
        name: NULL_VALUES,
        kind: Kind::OneOf(NullValues::WORDS),
        default: Default::Value("ignore"),
        group: "Input",
        importance: Importance::Medium,
        title: "Tombstones",
        doc: "What becomes of a record without a value. `ignore` makes no row of it and counts it. `fail` fails the \
              task. `dlq` makes it an errant record with the code `RECORD_NULL_VALUE`. With `ignore` and `dlq` the \
              offset moves past it.",
    },
    Setting {
        name: RAW_FORMAT,
        kind: Kind::OneOf(RawFormat::WORDS),
        default: Default::Value("json"),
        group: "Input",
        importance: Importance::Medium,
        title: "Raw format",
        doc: "How a raw value is decoded. `json`: each value is one JSON object in UTF-8, whose fields are the \
              columns; docs/json.md says what each column type takes. `avro`: each value is one record in Avro's \
              binary encoding, written with the schema that it names (`delta.raw.framing`) or with that of \
              `delta.raw.schema`; docs/avro.md says what each type becomes. `protobuf` and `json-schema` likewise: \
              docs/protobuf.md, docs/json-schema.md. `csv`: each value is one row of text with delimiters; `string` and \
              `bytes`: the value is one column as it is; docs/text.md. A record without a value (a tombstone) makes no row.",
    },
    Setting {
        name: RAW_FRAMING,
        kind: Kind::OneOf(RawFraming::WORDS),
        default: Default::Value("auto"),
        group: "Input",
        importance: Importance::Medium,
        title: "Framing",
        doc: "Where a record names the schema that it was written with. `confluent`: a zero byte and the schema's id in \
              four bytes stand before the value, as Confluent's serializers do. `confluent-header`: the header \
              `__value_schema_id` holds the schema's GUID, and a record without it is taken as `confluent`. `apicurio`: \
              a zero byte and Apicurio's global id in eight bytes; `apicurio-content`: its content id. `none`: nowhere, \
              all records have the schema of `delta.raw.schema`. `avro-single-object`: Avro's marker and the fingerprint of the \
              schema, which is `delta.raw.schema` or, where that is a union, one of its types. `avro-container`: each value is \
              a whole container file with its schema and one record. `auto` is `confluent` where `delta.registry.url` is \
              given, else `none`. docs/raw.md has more.",
    },
    Setting {
        name: RAW_SCHEMA,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "Input",
        importance: Importance::Medium,
        title: "Schema of raw records",
        doc: "The schema that all records were written with, where they do not name it themselves: an Avro schema as JSON, \
              the text of a `.proto` file, or a JSON Schema. Not together with `delta.raw.schema.file`.",
    },
    Setting {
        name: RAW_SCHEMA_FILE,
        kind: Kind::Text(TextRule::AbsolutePath),
        default: Default::None,
        group: "Input",
        importance: Importance::Medium,
        title: "File of that schema",
        doc: "The absolute path of a file that holds what `delta.raw.schema` would hold; for Protobuf it may be a descriptor \
              set, as `protoc --include_imports --descriptor_set_out` writes it. A task reads it when it starts, \
              so it must be on every worker that may run a task. Not together with `delta.raw.schema`.",
    },
    Setting {
        name: RAW_MESSAGE,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "Input",
        importance: Importance::Medium,
        title: "Protobuf message",
        doc: "The full name of the Protobuf message that all records are, such as `shop.Order`, where records do not say it \
              themselves (`delta.raw.framing=none`). Without it, the first message of the schema.",
    },
    Setting {
        name: RAW_VALUE_COMPRESSION,
        kind: Kind::OneOf(RawCompression::WORDS),
        default: Default::Value("none"),
        group: "Input",
        importance: Importance::Low,
        title: "Compression of values",
        doc: "How the producer compressed each value, below whatever Kafka itself compresses. `auto` goes by the first bytes \
              of each value and leaves others as they are. docs/text.md has the layouts and the limits.",
    },
    Setting {
        name: RAW_CSV_COLUMNS,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "Input",
        importance: Importance::Medium,
        title: "CSV columns",
        doc: "What the fields of a row are, in their order: names with commas between. Without it they are the table's columns. A table that Sluice \
              creates without `delta.schema.json` gets these columns, as strings.",
    },
    Setting {
        name: RAW_CSV_DELIMITER,
        kind: Kind::Text(TextRule::Any),
        default: Default::Value("comma"),
        group: "Input",
        importance: Importance::Low,
        title: "CSV delimiter",
        doc: "What stands between two fields: one ASCII character, or one of the words `comma`, `tab`, `space`.",
    },
    Setting {
        name: RAW_CSV_QUOTE,
        kind: Kind::Text(TextRule::Any),
        default: Default::Value("double"),
        group: "Input",
        importance: Importance::Low,
        title: "CSV quote",
        doc: "What stands around a field that has delimiters in it: `double` (`\"`), another ASCII character, or `none`.",
    },
    Setting {
        name: RAW_CSV_NULL,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "Input",
        importance: Importance::Low,
        title: "CSV null",
        doc: "The text of a field that is null, such as `NULL`, where it is not quoted. Without it, the empty field.",
    },
    Setting {
        name: RAW_VALUE_COLUMN,
        kind: Kind::Text(TextRule::Any),
        default: Default::Value("value"),
        group: "Input",
        importance: Importance::Low,
        title: "Value column",
        doc: "The column that the whole value goes to with `delta.raw.format=string` or `bytes`.",
    },
    Setting {
        name: RAW_JSON_STRINGS,
        kind: Kind::OneOf(JsonStrings::WORDS),
        default: Default::Value("strict"),
        group: "Input",
        importance: Importance::Low,
        title: "JSON strings",
        doc: "What a string column takes. `strict` takes JSON strings only; anything else makes the record an \
              errant record with the code `RECORD_TYPE`. `lenient` also takes numbers, booleans, objects and \
              arrays, as their JSON text, the way Spark's `from_json` does.",
    },
    Setting {
        name: REGISTRY_URL,
        kind: Kind::Text(TextRule::Notation("`http://host:port` or `https://host`, several with commas")),
        default: Default::None,
        group: "Schema registry",
        importance: Importance::High,
        title: "Registry",
        doc: "Where the schema registry is, such as `http://registry:8081`. Where the first of several does \
              not answer, the next one is asked. A path is kept: `http://apicurio:8080/apis/ccompat/v7` is the \
              API that Apicurio has for Confluent's clients. `http://user:password@host` is taken as \
              `delta.registry.username` and `delta.registry.password`, but Connect itself may print it. \
              docs/registry.md says what is asked, kept and tried again.",
    },
    Setting {
        name: REGISTRY_API,
        kind: Kind::OneOf(RegistryApi::WORDS),
        default: Default::Value("confluent"),
        group: "Schema registry",
        importance: Importance::Medium,
        title: "Registry API",
        doc: "What the registry is asked with. `confluent`: the API of Confluent's registry, which Apicurio, \
              Karapace and others have too. `apicurio`: Apicurio's own, for records whose ids are Apicurio's; \
              version 3, or 2 where `delta.registry.url` ends in `/apis/registry/v2`.",
    },
    Setting {
        name: REGISTRY_USERNAME,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "Schema registry",
        importance: Importance::Medium,
        title: "User",
        doc: "The user that the registry is told (HTTP basic authentication), with `delta.registry.password`. \
              In Confluent Cloud it is the API key.",
    },
    Setting {
        name: REGISTRY_PASSWORD,
        kind: Kind::Password,
        default: Default::None,
        group: "Schema registry",
        importance: Importance::Medium,
        title: "Password",
        doc: "The password that belongs to `delta.registry.username`. Give it by one of Connect's config \
              providers rather than in clear.",
    },
    Setting {
        name: REGISTRY_BEARER_TOKEN,
        kind: Kind::Password,
        default: Default::None,
        group: "Schema registry",
        importance: Importance::Low,
        title: "Bearer token",
        doc: "A fixed token that the registry is told (`Authorization: Bearer`). Nothing renews it.",
    },
    Setting {
        name: REGISTRY_OAUTH_TOKEN_URL,
        kind: Kind::Text(TextRule::Notation("`https://host/path`")),
        default: Default::None,
        group: "Schema registry",
        importance: Importance::Low,
        title: "OAuth token URL",
        doc: "Where tokens for the registry are fetched by OAuth's client credentials grant, with \
              `delta.registry.oauth.client.id` and `delta.registry.oauth.client.secret`. A token is renewed \
              before it expires, and once when the registry refuses it.",
    },
    Setting {
        name: REGISTRY_OAUTH_CLIENT_ID,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "Schema registry",
        importance: Importance::Low,
        title: "OAuth client id",
        doc: "The client that `delta.registry.oauth.token.url` gives tokens to.",
    },
    Setting {
        name: REGISTRY_OAUTH_CLIENT_SECRET,
        kind: Kind::Password,
        default: Default::None,
        group: "Schema registry",
        importance: Importance::Low,
        title: "OAuth client secret",
        doc: "The secret that the client `delta.registry.oauth.client.id` authenticates with.",
    },
    Setting {
        name: REGISTRY_OAUTH_SCOPE,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "Schema registry",
        importance: Importance::Low,
        title: "OAuth scope",
        doc: "The scopes that the token is asked for, with spaces between, where the identity provider wants \
              any.",
    },
    Setting {
        name: REGISTRY_CA_FILE,
        kind: Kind::Text(TextRule::AbsolutePath),
        default: Default::None,
        group: "Schema registry",
        importance: Importance::Low,
        title: "Certificate authorities",
        doc: "The absolute path of a PEM file with certificates that are trusted besides the system's, for the \
              registry and for `delta.registry.oauth.token.url`. It must be on every worker that may run a \
              task.",
    },
    Setting {
        name: REGISTRY_TLS_CERT_FILE,
        kind: Kind::Text(TextRule::AbsolutePath),
        default: Default::None,
        group: "Schema registry",
        importance: Importance::Low,
        title: "Client certificate",
        doc: "The absolute path of a PEM file with the certificate, and those up to its authority, that the \
              registry knows the worker by (mutual TLS). It is read again when a connection is refused, so \
              that a renewed one is found.",
    },
    Setting {
        name: REGISTRY_TLS_KEY_FILE,
        kind: Kind::Text(TextRule::AbsolutePath),
        default: Default::None,
        group: "Schema registry",
        importance: Importance::Low,
        title: "Client key",
        doc: "The absolute path of a PEM file with the private key of `delta.registry.tls.cert.file`, without \
              a password. It may be the same file.",
    },
    Setting {
        name: REGISTRY_REQUEST_TIMEOUT_MS,
        kind: Kind::Long(Number { min: 100, unit: Unit::Milliseconds }),
        default: Default::Value("10000"),
        group: "Schema registry",
        importance: Importance::Low,
        title: "Request time-out",
        doc: "How long, in milliseconds, one request to the registry may take before the next URL is asked, or \
              the same one again later.",
    },
    Setting {
        name: METADATA_COLUMNS,
        kind: Kind::Text(TextRule::Notation(
            "some of `topic`, `partition`, `offset`, `timestamp`, `timestamp.type`, `key`, `headers`",
        )),
        default: Default::None,
        group: "Columns",
        importance: Importance::Medium,
        title: "Metadata columns",
        doc: "What of a record's place in Kafka becomes columns, with commas between, such as \
              `topic,partition,offset`. Topic, partition and offset are the original ones. docs/columns.md has their \
              types.",
    },
    Setting {
        name: METADATA_PREFIX,
        kind: Kind::Text(TextRule::Any),
        default: Default::Value("_kafka_"),
        group: "Columns",
        importance: Importance::Low,
        title: "Prefix of metadata columns",
        doc: "What the names of `delta.metadata.columns` start with: `_kafka_offset` by default.",
    },
    Setting {
        name: METADATA_STRUCT,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "Columns",
        importance: Importance::Low,
        title: "One struct for metadata",
        doc: "The name of one struct column that holds `delta.metadata.columns` as its fields, without the prefix. \
              Without it they are columns of their own.",
    },
    Setting {
        name: KEY_MODE,
        kind: Kind::OneOf(KeyMode::WORDS),
        default: Default::Value("ignore"),
        group: "Columns",
        importance: Importance::Medium,
        title: "Record keys",
        doc: "What becomes of a record's key. `ignore` leaves it out. `columns` makes each field of a Struct or Map a \
              column, and any other key one column; docs/columns.md has the names.",
    },
    Setting {
        name: KEY_PREFIX,
        kind: Kind::Text(TextRule::Any),
        default: Default::Value("key_"),
        group: "Columns",
        importance: Importance::Low,
        title: "Prefix of key columns",
        doc: "What the names of key columns start with. All columns of the table that start with it are filled from \
              the key, and from nothing else.",
    },
    Setting {
        name: DERIVED_COLUMNS,
        kind: Kind::Text(TextRule::Notation("`name = function(...); name = ...`")),
        default: Default::None,
        group: "Columns",
        importance: Importance::Medium,
        title: "Derived columns",
        doc: "Columns that Sluice computes for each row, such as `event_date = date(ts); country = \
              field(address.country); ingested = kafka.timestamp`. docs/columns.md has the functions.",
    },
    Setting {
        name: OFFSETS_FROM_CONNECTOR,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "Offsets",
        importance: Importance::Low,
        title: "Take over from another connector",
        doc: "The name of the connector that filled the table until now, with the same topics of the same Kafka cluster: \
              what to set when a connector is renamed. A partition of which the table holds no offset of this \
              connector's own starts where that one stopped. Once the table holds an offset of its own the setting has \
              no effect, and it may stay. Delete the other connector first. docs/offsets.md has the steps.",
    },
    Setting {
        name: OFFSETS_OTHER_CONNECTORS,
        kind: Kind::OneOf(OtherConnectors::WORDS),
        default: Default::Value("fail"),
        group: "Offsets",
        importance: Importance::Low,
        title: "Offsets of other connectors",
        doc: "What to do when the table holds another connector's offset of a topic's partition and none of this one's: \
              a connector that was renamed would write every row again. `fail` fails the task. `ignore` lets both write \
              the topic's rows, each from its own offsets. Connectors with different topics share a table without this.",
    },
    Setting {
        name: KAFKA_DELTA_INGEST_APP_ID,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "Offsets",
        importance: Importance::Low,
        title: "Take over from kafka-delta-ingest",
        doc: "The `--app_id` of the kafka-delta-ingest job that filled the table until now. A partition of which the \
              table holds no offset of Sluice's own starts behind the last offset that the job wrote. Once the table \
              holds an offset of its own the setting has no effect, and it may stay. Stop the job first. Its offsets \
              do not say of which topic they are, so one topic of `topics` at most may lead to the table. \
              docs/kafka-delta-ingest.md has the steps.",
    },
    Setting {
        name: COMMIT_INTERVAL_MS,
        kind: Kind::Long(Number { min: 100, unit: Unit::Milliseconds }),
        default: Default::Value("60000"),
        group: "Commits",
        importance: Importance::High,
        title: "Commit interval",
        doc: "The longest time, in milliseconds, that a record waits before its rows are put up for commit. It is \
              also how late readers of the table see new rows. Each commit adds a version to the table and at \
              least one file for each task that has rows, so a shorter interval means more and smaller files. \
              Commits also happen earlier, when `delta.commit.max.bytes` or `delta.commit.max.records` is given and \
              reached, or memory is short.",
    },
    Setting {
        name: COMMIT_MAX_BYTES,
        kind: Kind::Long(Number { min: 0, unit: Unit::Bytes }),
        default: Default::Value("0"),
        group: "Commits",
        importance: Importance::Low,
        title: "Bytes per commit",
        doc: "Commit as soon as this many bytes of record values were taken since the last commit, counted for \
              each task and table, as the values are in Kafka and before compression into Parquet. `0` sets no limit: \
              rows that wait for the commit are in files already, which `delta.target.file.bytes` bounds by what they \
              have after compression, and a limit on the bytes before it makes smaller ones.",
    },
    Setting {
        name: COMMIT_MAX_RECORDS,
        kind: Kind::Long(Number { min: 0, unit: Unit::Records }),
        default: Default::Value("0"),
        group: "Commits",
        importance: Importance::Low,
        title: "Records per commit",
        doc: "Commit as soon as this many records were taken since the last commit, counted for each task and \
              table. `0` sets no limit.",
    },
    Setting {
        name: TARGET_FILE_BYTES,
        kind: Kind::Long(Number { min: 1 << 20, unit: Unit::Bytes }),
        default: Default::Value("134217728"),
        group: "Files",
        importance: Importance::Medium,
        title: "Target file size",
        doc: "A Parquet file that has grown to about this many bytes, compressed, is finished and another one is begun. \
              A commit before that makes a smaller file.",
    },
    Setting {
        name: PARQUET_COMPRESSION,
        kind: Kind::OneOf(Compression::WORDS),
        default: Default::Value("zstd"),
        group: "Files",
        importance: Importance::Low,
        title: "Parquet compression",
        doc: "How the pages of Parquet files are compressed. `zstd` makes the smallest files, `snappy` and `lz4` \
              cost less processor time, `none` does not compress.",
    },
    Setting {
        name: MEMORY_BUDGET_BYTES,
        kind: Kind::Long(Number { min: 0, unit: Unit::Bytes }),
        default: Default::Value("0"),
        group: "Memory",
        importance: Importance::Medium,
        title: "Memory budget",
        doc: "What the rows of all connectors of a worker may hold in native memory, outside the Java heap, from when \
              Connect hands them over until their files are in the store. The most that any connector of the worker has \
              asked for since it started counts. `0` asks for nothing; where nobody asks, it is a quarter of the \
              memory that the worker's container or machine has. Above half of it, the tasks that hold more than their \
              share commit early and pause their partitions; above all of it, no task takes rows. Nothing fails.",
    },
    Setting {
        name: COMMIT_LOCK,
        kind: Kind::OneOf(CommitLock::WORDS),
        default: Default::Value("store"),
        group: "Store",
        importance: Importance::High,
        title: "Commit lock",
        doc: "How a version of the table's log is claimed. `store`: by what the store itself offers, a hard link \
              on a file system, a conditional put on S3, Azure and Google Cloud. `dynamodb`: by an entry in \
              DynamoDB, as Spark's `S3DynamoDBLogStore` and old versions of delta-rs do; for tables on S3 that \
              such writers write too, and for S3 servers without conditional puts. All writers of a table have to \
              use the same lock; docs/stores.md says which one when.",
    },
    Setting {
        name: STORE_PROXY_URL,
        kind: Kind::Password,
        default: Default::None,
        group: "Store",
        importance: Importance::Low,
        title: "Proxy",
        doc: "The HTTP proxy that object stores and the lock table are reached through, such as \
              `http://proxy:3128`, with user and password where it asks for them. It is never printed.",
    },
    Setting {
        name: STORE_CA_FILE,
        kind: Kind::Text(TextRule::AbsolutePath),
        default: Default::None,
        group: "Store",
        importance: Importance::Low,
        title: "Certificate authorities",
        doc: "The absolute path of a PEM file with certificates that are trusted besides the system's, for stores \
              and proxies with certificates of one's own. It must be on every worker that may run a task.",
    },
    Setting {
        name: STORE_CONNECT_TIMEOUT_MS,
        kind: Kind::Long(Number { min: 100, unit: Unit::Milliseconds }),
        default: Default::Value("5000"),
        group: "Store",
        importance: Importance::Low,
        title: "Connect time-out",
        doc: "How long, in milliseconds, a connection to an object store or the lock table may take to be made.",
    },
    Setting {
        name: STORE_REQUEST_TIMEOUT_MS,
        kind: Kind::Long(Number { min: 1000, unit: Unit::Milliseconds }),
        default: Default::Value("30000"),
        group: "Store",
        importance: Importance::Low,
        title: "Request time-out",
        doc: "How long, in milliseconds, one request to an object store or the lock table may take before it is \
              tried again.",
    },
    Setting {
        name: STORE_RETRY_TIMEOUT_MS,
        kind: Kind::Long(Number { min: 0, unit: Unit::Milliseconds }),
        default: Default::Value("3600000"),
        group: "Store",
        importance: Importance::Medium,
        title: "Patience with the store",
        doc: "How long, in milliseconds, a task tries again what fails because the store or the lock table does not \
              answer, before it fails with `STORE_IO`. Meanwhile its partitions are paused, and no row is lost or kept \
              in memory; docs/operations.md says what the log tells. A table that nothing has worked with since the \
              worker started is tried for a minute at most, so that a misspelt location does not look like an outage. \
              `0` fails the task at once. A refused access and a full store always do.",
    },
    Setting {
        name: STORE_UPLOAD_PART_BYTES,
        kind: Kind::Long(Number { min: 5 << 20, unit: Unit::Bytes }),
        default: Default::Value("8388608"),
        group: "Store",
        importance: Importance::Low,
        title: "Upload part size",
        doc: "The size of the parts in which a file larger than this goes to an object store. Parts are made \
              larger where `delta.target.file.bytes` would need more than 10,000 of them.",
    },
    Setting {
        name: S3_REGION,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "S3",
        importance: Importance::Medium,
        title: "Region",
        doc: "The region of the bucket, such as `eu-central-1`. Without it, the worker's environment, its AWS \
              profile or the instance it runs on says which, else it is `us-east-1`.",
    },
    Setting {
        name: S3_ENDPOINT,
        kind: Kind::Text(TextRule::Notation("`http://host:port` or `https://host`")),
        default: Default::None,
        group: "S3",
        importance: Importance::Medium,
        title: "Endpoint",
        doc: "Where an S3 server other than AWS's is reached, such as `http://minio:9000`. Plain HTTP is used only \
              where the endpoint says so.",
    },
    Setting {
        name: S3_PATH_STYLE_ACCESS,
        kind: Kind::OneOf(PathStyle::WORDS),
        default: Default::Value("auto"),
        group: "S3",
        importance: Importance::Low,
        title: "Path style access",
        doc: "Whether the bucket's name stands in the path of a request instead of the host's name. `auto`: where \
              `delta.s3.endpoint` is given.",
    },
    Setting {
        name: S3_ACCESS_KEY_ID,
        kind: Kind::Password,
        default: Default::None,
        group: "S3",
        importance: Importance::Medium,
        title: "Access key id",
        doc: "A fixed access key. Without it, and without `delta.s3.profile` or a web identity, credentials come \
              from where AWS's own programs find them: the environment, profiles, web identity, the container, the \
              instance. They are fetched again before they expire.",
    },
    Setting {
        name: S3_SECRET_ACCESS_KEY,
        kind: Kind::Password,
        default: Default::None,
        group: "S3",
        importance: Importance::Medium,
        title: "Secret access key",
        doc: "The secret that belongs to `delta.s3.access.key.id`. Give it by one of Connect's config providers \
              rather than in clear.",
    },
    Setting {
        name: S3_SESSION_TOKEN,
        kind: Kind::Password,
        default: Default::None,
        group: "S3",
        importance: Importance::Low,
        title: "Session token",
        doc: "The session token of temporary keys. Nothing renews keys that are given here: when they expire, the \
              task fails.",
    },
    Setting {
        name: S3_PROFILE,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "S3",
        importance: Importance::Low,
        title: "Profile",
        doc: "The profile in the worker's AWS configuration files that credentials come from, with what it says of \
              roles and processes.",
    },
    Setting {
        name: S3_ROLE_ARN,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "S3",
        importance: Importance::Medium,
        title: "Role",
        doc: "The role to take on before S3 and DynamoDB are used, such as `arn:aws:iam::123456789012:role/lake`, \
              with the credentials found otherwise or with `delta.s3.web.identity.token.file`.",
    },
    Setting {
        name: S3_ROLE_SESSION_NAME,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "S3",
        importance: Importance::Low,
        title: "Role session name",
        doc: "The name of the session under `delta.s3.role.arn`, which AWS shows in its logs; `sluice` without it.",
    },
    Setting {
        name: S3_ROLE_EXTERNAL_ID,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "S3",
        importance: Importance::Low,
        title: "External id",
        doc: "The external id that the role of another account may ask for.",
    },
    Setting {
        name: S3_WEB_IDENTITY_TOKEN_FILE,
        kind: Kind::Text(TextRule::AbsolutePath),
        default: Default::None,
        group: "S3",
        importance: Importance::Low,
        title: "Web identity token file",
        doc: "The absolute path of the token that `delta.s3.role.arn` is taken on with. On EKS the environment \
              names it already, and this is not needed.",
    },
    Setting {
        name: S3_SSE,
        kind: Kind::OneOf(ServerSideEncryption::WORDS),
        default: Default::Value("none"),
        group: "S3",
        importance: Importance::Low,
        title: "Server-side encryption",
        doc: "What every object that is written asks for. `none` leaves it to the bucket, which encrypts by \
              default on AWS.",
    },
    Setting {
        name: S3_SSE_KMS_KEY_ID,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "S3",
        importance: Importance::Low,
        title: "KMS key",
        doc: "The key that `delta.s3.sse` encrypts with where it is `aws:kms` or `aws:kms:dsse`: its id or its ARN.",
    },
    Setting {
        name: S3_SSE_BUCKET_KEY,
        kind: Kind::Boolean,
        default: Default::Value("false"),
        group: "S3",
        importance: Importance::Low,
        title: "Bucket key",
        doc: "Whether an S3 bucket key is used with `aws:kms`, which makes far fewer requests to KMS.",
    },
    Setting {
        name: DYNAMODB_TABLE,
        kind: Kind::Text(TextRule::Any),
        default: Default::Value("delta_log"),
        group: "DynamoDB",
        importance: Importance::Medium,
        title: "Lock table",
        doc: "The DynamoDB table that holds the entries of `delta.commit.lock=dynamodb`. It has to be the one that \
              all writers of the tables use; `delta_log` is the default of Spark and of delta-rs.",
    },
    Setting {
        name: DYNAMODB_REGION,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "DynamoDB",
        importance: Importance::Medium,
        title: "Region of the lock table",
        doc: "The region of the lock table, that of `delta.s3.region` without it. Spark's default is `us-east-1`, \
              whatever the region of the bucket.",
    },
    Setting {
        name: DYNAMODB_ENDPOINT,
        kind: Kind::Text(TextRule::Notation("`http://host:port` or `https://host`")),
        default: Default::None,
        group: "DynamoDB",
        importance: Importance::Low,
        title: "Endpoint of the lock table",
        doc: "Where a DynamoDB other than AWS's is reached, such as `http://localhost:8000`.",
    },
    Setting {
        name: DYNAMODB_ACCESS_KEY_ID,
        kind: Kind::Password,
        default: Default::None,
        group: "DynamoDB",
        importance: Importance::Low,
        title: "Access key id for the lock table",
        doc: "A fixed access key for the lock table. Without it the credentials of S3 are used.",
    },
    Setting {
        name: DYNAMODB_SECRET_ACCESS_KEY,
        kind: Kind::Password,
        default: Default::None,
        group: "DynamoDB",
        importance: Importance::Low,
        title: "Secret access key for the lock table",
        doc: "The secret that belongs to the key of `delta.dynamodb.access.key.id`.",
    },
    Setting {
        name: DYNAMODB_SESSION_TOKEN,
        kind: Kind::Password,
        default: Default::None,
        group: "DynamoDB",
        importance: Importance::Low,
        title: "Session token for the lock table",
        doc: "The session token of temporary keys of `delta.dynamodb.access.key.id`.",
    },
    Setting {
        name: DYNAMODB_PATH_SCHEME,
        kind: Kind::OneOf(PathScheme::WORDS),
        default: Default::Value("auto"),
        group: "DynamoDB",
        importance: Importance::Medium,
        title: "Scheme in the lock table",
        doc: "How the table's location begins in the lock table, which all its writers have to agree on. Spark \
              writes what its tables are opened with, mostly `s3a`. `auto`: as `delta.table.uri` begins.",
    },
    Setting {
        name: DYNAMODB_TABLE_AUTO_CREATE,
        kind: Kind::Boolean,
        default: Default::Value("false"),
        group: "DynamoDB",
        importance: Importance::Low,
        title: "Create the lock table",
        doc: "Whether a lock table that is not there is created, with the keys that Spark gives it and with expiry \
              of completed entries. With `false` it fails the task, so that a misspelt name does not pass for a \
              lock.",
    },
    Setting {
        name: DYNAMODB_BILLING_MODE,
        kind: Kind::OneOf(BillingMode::WORDS),
        default: Default::Value("PAY_PER_REQUEST"),
        group: "DynamoDB",
        importance: Importance::Low,
        title: "Billing of the lock table",
        doc: "How a lock table that Sluice creates is billed. `PROVISIONED` begins with 5 read and 5 write units, \
              as Spark does.",
    },
    Setting {
        name: DYNAMODB_TTL_MS,
        kind: Kind::Long(Number { min: 60000, unit: Unit::Milliseconds }),
        default: Default::Value("86400000"),
        group: "DynamoDB",
        importance: Importance::Low,
        title: "Expiry of entries",
        doc: "How long, in milliseconds, a completed entry stays in the lock table before DynamoDB may delete it: \
              a day, as with Spark.",
    },
    Setting {
        name: AZURE_ACCOUNT_NAME,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "Azure",
        importance: Importance::Medium,
        title: "Storage account",
        doc: "The storage account of `az://` URLs. Those with `abfss://` name it themselves.",
    },
    Setting {
        name: AZURE_ACCOUNT_KEY,
        kind: Kind::Password,
        default: Default::None,
        group: "Azure",
        importance: Importance::Medium,
        title: "Account key",
        doc: "The storage account's key. Without a key, token or client, the managed identity of the machine or \
              pod is used.",
    },
    Setting {
        name: AZURE_SAS_TOKEN,
        kind: Kind::Password,
        default: Default::None,
        group: "Azure",
        importance: Importance::Medium,
        title: "SAS token",
        doc: "A shared access signature with the rights to read, write, create, list and delete in the container.",
    },
    Setting {
        name: AZURE_TENANT_ID,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "Azure",
        importance: Importance::Low,
        title: "Tenant",
        doc: "The tenant, which is the directory, of `delta.azure.client.id`.",
    },
    Setting {
        name: AZURE_CLIENT_ID,
        kind: Kind::Text(TextRule::Any),
        default: Default::None,
        group: "Azure",
        importance: Importance::Low,
        title: "Client id",
        doc: "The application that authenticates, with `delta.azure.client.secret` or \
              `delta.azure.federated.token.file`, or the managed identity to use of several.",
    },
    Setting {
        name: AZURE_CLIENT_SECRET,
        kind: Kind::Password,
        default: Default::None,
        group: "Azure",
        importance: Importance::Low,
        title: "Client secret",
        doc: "The secret that the application `delta.azure.client.id` authenticates with.",
    },
    Setting {
        name: AZURE_FEDERATED_TOKEN_FILE,
        kind: Kind::Text(TextRule::AbsolutePath),
        default: Default::None,
        group: "Azure",
        importance: Importance::Low,
        title: "Federated token file",
        doc: "The absolute path of the token of a workload identity, as on AKS.",
    },
    Setting {
        name: AZURE_ENDPOINT,
        kind: Kind::Text(TextRule::Notation("`http://host:port` or `https://host`")),
        default: Default::None,
        group: "Azure",
        importance: Importance::Low,
        title: "Endpoint",
        doc: "Where blobs are reached, if not at the storage account's usual address, such as \
              `http://127.0.0.1:10000/account` for an emulator.",
    },
    Setting {
        name: GCS_SERVICE_ACCOUNT_FILE,
        kind: Kind::Text(TextRule::AbsolutePath),
        default: Default::None,
        group: "Google Cloud",
        importance: Importance::Medium,
        title: "Service account file",
        doc: "The absolute path of a service account's JSON key file, or of other application credentials. Without \
              it they come from where Google's own programs find them: the file that \
              `GOOGLE_APPLICATION_CREDENTIALS` names, or the instance.",
    },
    Setting {
        name: GCS_SERVICE_ACCOUNT_KEY,
        kind: Kind::Password,
        default: Default::None,
        group: "Google Cloud",
        importance: Importance::Low,
        title: "Service account key",
        doc: "The content of a service account's JSON key file, where it cannot be a file.",
    },
    Setting {
        name: GCS_ENDPOINT,
        kind: Kind::Text(TextRule::Notation("`http://host:port` or `https://host`")),
        default: Default::None,
        group: "Google Cloud",
        importance: Importance::Low,
        title: "Endpoint",
        doc: "Where Cloud Storage is reached, if not at Google's usual address.",
    },
    Setting {
        name: MAINTENANCE_ENABLED,
        kind: Kind::Boolean,
        default: Default::Value("true"),
        group: "Maintenance",
        importance: Importance::Medium,
        title: "Maintenance",
        doc: "Whether the worker keeps the table healthy beside its commits: checkpoints as often as the table's \
              `delta.checkpointInterval` says, version checksum files, log compaction files, and the removal of log files \
              that are older than the table's `delta.logRetentionDuration`. `false` switches all of it off, and \
              `delta.compaction.enabled` and `delta.vacuum.mode` with it. What fails is logged, counted and tried again; \
              no commit waits for it or fails by it. Workers that write the same table take turns. Where tasks of a worker \
              that have the same table open differ in the settings of this section, those of the task that opened it last \
              count. docs/maintenance.md has the rest.",
    },
    Setting {
        name: MAINTENANCE_LOG_COMPACTION_COMMITS,
        kind: Kind::Long(Number { min: 0, unit: Unit::Commits }),
        default: Default::Value("10"),
        group: "Maintenance",
        importance: Importance::Low,
        title: "Commits of a log compaction file",
        doc: "How many commits one log compaction file holds, at least 2. Readers that know such files read one instead of \
              all those commits. `0` writes none.",
    },
    Setting {
        name: COMPACTION_ENABLED,
        kind: Kind::Boolean,
        default: Default::Value("false"),
        group: "Maintenance",
        importance: Importance::Medium,
        title: "Compaction",
        doc: "Whether small data files of a partition are merged into larger ones, in commits that change no row \
              (`dataChange=false`). A merge that meets any other change of the same files gives way and starts again. The \
              settings that follow say which files, and how.",
    },
    Setting {
        name: COMPACTION_TARGET_FILE_BYTES,
        kind: Kind::Long(Number { min: 0, unit: Unit::Bytes }),
        default: Default::Value("0"),
        group: "Maintenance",
        importance: Importance::Low,
        title: "Size of merged files",
        doc: "About how many bytes a merged file has, compressed. `0`: as `delta.target.file.bytes`; else 1 MiB at least.",
    },
    Setting {
        name: COMPACTION_MIN_FILES,
        kind: Kind::Long(Number { min: 2, unit: Unit::Files }),
        default: Default::Value("8"),
        group: "Maintenance",
        importance: Importance::Low,
        title: "Files worth a merge",
        doc: "A partition in which fewer small files can be merged is left alone.",
    },
    Setting {
        name: COMPACTION_SCOPE,
        kind: Kind::OneOf(CompactionScope::WORDS),
        default: Default::Value("cold"),
        group: "Maintenance",
        importance: Importance::Low,
        title: "Scope of compaction",
        doc: "Which files are merged. `cold`: those of partitions to which nothing was added for \
              `delta.compaction.cold.ms`, so that rows are merged once and nobody is in the way; in a table without \
              partitions, files that are as old. `all`: those of every partition.",
    },
    Setting {
        name: COMPACTION_COLD_MS,
        kind: Kind::Long(Number { min: 1000, unit: Unit::Milliseconds }),
        default: Default::Value("3600000"),
        group: "Maintenance",
        importance: Importance::Low,
        title: "When a partition is cold",
        doc: "How long, in milliseconds, nothing was added to a partition that counts as cold \
              (`delta.compaction.scope=cold`).",
    },
    Setting {
        name: COMPACTION_INTERVAL_MS,
        kind: Kind::Long(Number { min: 1000, unit: Unit::Milliseconds }),
        default: Default::Value("600000"),
        group: "Maintenance",
        importance: Importance::Low,
        title: "Compaction interval",
        doc: "How often, in milliseconds, small files are looked for. Each look reads the list of the table's files.",
    },
    Setting {
        name: COMPACTION_MEMORY_BYTES,
        kind: Kind::Long(Number { min: 1 << 24, unit: Unit::Bytes }),
        default: Default::Value("134217728"),
        group: "Maintenance",
        importance: Importance::Medium,
        title: "Memory of compaction",
        doc: "What merging holds in native memory at most. It is a part of `delta.memory.budget.bytes`, and never more \
              than a quarter of that; where rows that come in need it, merging goes on later. A worker works on one table \
              at a time. With an order, as many rows are ordered together as fit into it.",
    },
    Setting {
        name: COMPACTION_MAX_BYTES_PER_SECOND,
        kind: Kind::Long(Number { min: 0, unit: Unit::BytesPerSecond }),
        default: Default::Value("33554432"),
        group: "Maintenance",
        importance: Importance::Low,
        title: "Rate of compaction",
        doc: "How many bytes of data files merging reads in a second at most, so that it leaves processor, disk and \
              network to the records that come in. `0` sets no limit.",
    },
    Setting {
        name: COMPACTION_ORDER_BY,
        kind: Kind::Text(TextRule::Notation("columns, with commas")),
        default: Default::None,
        group: "Maintenance",
        importance: Importance::Low,
        title: "Order of merged files",
        doc: "Columns that the rows of merged files are ordered by, the first one first, such as `customer, \
              address.country`, so that readers skip more of them. Names with other characters than letters, digits, `_`, \
              `-`, `$` and `@` stand in backquotes. Without it rows stay as they came. The table has to have all of the \
              columns. Not together with `delta.compaction.z.order.by`.",
    },
    Setting {
        name: COMPACTION_Z_ORDER_BY,
        kind: Kind::Text(TextRule::Notation("columns, with commas")),
        default: Default::None,
        group: "Maintenance",
        importance: Importance::Low,
        title: "Z-order of merged files",
        doc: "Columns in all of which rows that are near each other come into the same merged files (Z-order), for queries \
              that ask for one of them or another. Written as `delta.compaction.order.by`, and not together with it.",
    },
    Setting {
        name: VACUUM_MODE,
        kind: Kind::OneOf(VacuumMode::WORDS),
        default: Default::Value("off"),
        group: "Maintenance",
        importance: Importance::Medium,
        title: "Vacuum",
        doc: "What becomes of files in the table's folder that no version within the table's \
              `delta.deletedFileRetentionDuration` refers to. `off`: nothing. `dry-run`: the log says how many there are, \
              and how large. `delete` deletes them: versions before that can no longer be read. docs/maintenance.md says \
              what is spared.",
    },
    Setting {
        name: VACUUM_INTERVAL_MS,
        kind: Kind::Long(Number { min: 1000, unit: Unit::Milliseconds }),
        default: Default::Value("86400000"),
        group: "Maintenance",
        importance: Importance::Low,
        title: "Vacuum interval",
        doc: "How often, in milliseconds, `delta.vacuum.mode` is done. Each time lists all files in the table's folder.",
    },
    Setting {
        name: VALIDATE_CONNECTIVITY,
        kind: Kind::Boolean,
        default: Default::Value("false"),
        group: "Validation",
        importance: Importance::Low,
        title: "Check the connections",
        doc: "Whether Connect, each time it validates the settings, also tries what they name, for 8 seconds at most: it reads the \
              files, lists the tables' logs with the credentials of the store, looks at the lock table of \
              `delta.commit.lock=dynamodb` and asks the schema registry. What fails is an error of the setting that names it. \
              Nothing is written. Connect validates before it creates or changes a connector: with `true`, it does neither \
              while one of these does not answer. docs/check.md has the rest.",
    },
];

pub const RULES: &[Rule] = &[
    Rule::NotBoth(SCHEMA_JSON, SCHEMA_FILE),
    Rule::NotBoth(RAW_SCHEMA, RAW_SCHEMA_FILE),
    Rule::NotBoth(TOPIC2TABLE_MAP, ROUTE_BY),
    Rule::NotBoth(OFFSETS_FROM_CONNECTOR, KAFKA_DELTA_INGEST_APP_ID),
    Rule::OnlyWith(ROUTE_MAP, ROUTE_BY),
    Rule::OnlyWith(METADATA_STRUCT, METADATA_COLUMNS),
    Rule::OnlyWith(S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY),
    Rule::OnlyWith(S3_SECRET_ACCESS_KEY, S3_ACCESS_KEY_ID),
    Rule::OnlyWith(S3_SESSION_TOKEN, S3_ACCESS_KEY_ID),
    Rule::NotBoth(S3_ACCESS_KEY_ID, S3_PROFILE),
    Rule::OnlyWith(S3_ROLE_SESSION_NAME, S3_ROLE_ARN),
    Rule::OnlyWith(S3_ROLE_EXTERNAL_ID, S3_ROLE_ARN),
    Rule::OnlyWith(S3_WEB_IDENTITY_TOKEN_FILE, S3_ROLE_ARN),
    Rule::OnlyWith(DYNAMODB_ACCESS_KEY_ID, DYNAMODB_SECRET_ACCESS_KEY),
    Rule::OnlyWith(DYNAMODB_SECRET_ACCESS_KEY, DYNAMODB_ACCESS_KEY_ID),
    Rule::OnlyWith(DYNAMODB_SESSION_TOKEN, DYNAMODB_ACCESS_KEY_ID),
    Rule::OnlyWith(AZURE_CLIENT_SECRET, AZURE_CLIENT_ID),
    Rule::NotBoth(AZURE_ACCOUNT_KEY, AZURE_SAS_TOKEN),
    Rule::NotBoth(GCS_SERVICE_ACCOUNT_FILE, GCS_SERVICE_ACCOUNT_KEY),
    Rule::OnlyWith(REGISTRY_USERNAME, REGISTRY_PASSWORD),
    Rule::OnlyWith(REGISTRY_PASSWORD, REGISTRY_USERNAME),
    Rule::OnlyWith(REGISTRY_USERNAME, REGISTRY_URL),
    Rule::OnlyWith(REGISTRY_BEARER_TOKEN, REGISTRY_URL),
    Rule::OnlyWith(REGISTRY_OAUTH_TOKEN_URL, REGISTRY_URL),
    Rule::OnlyWith(REGISTRY_OAUTH_TOKEN_URL, REGISTRY_OAUTH_CLIENT_ID),
    Rule::OnlyWith(REGISTRY_OAUTH_CLIENT_ID, REGISTRY_OAUTH_CLIENT_SECRET),
    Rule::OnlyWith(REGISTRY_OAUTH_CLIENT_ID, REGISTRY_OAUTH_TOKEN_URL),
    Rule::OnlyWith(REGISTRY_OAUTH_CLIENT_SECRET, REGISTRY_OAUTH_CLIENT_ID),
    Rule::OnlyWith(REGISTRY_OAUTH_SCOPE, REGISTRY_OAUTH_TOKEN_URL),
    Rule::NotBoth(REGISTRY_USERNAME, REGISTRY_BEARER_TOKEN),
    Rule::NotBoth(REGISTRY_USERNAME, REGISTRY_OAUTH_TOKEN_URL),
    Rule::NotBoth(REGISTRY_BEARER_TOKEN, REGISTRY_OAUTH_TOKEN_URL),
    Rule::OnlyWith(REGISTRY_CA_FILE, REGISTRY_URL),
    Rule::OnlyWith(REGISTRY_TLS_CERT_FILE, REGISTRY_URL),
    Rule::OnlyWith(REGISTRY_TLS_CERT_FILE, REGISTRY_TLS_KEY_FILE),
    Rule::OnlyWith(REGISTRY_TLS_KEY_FILE, REGISTRY_TLS_CERT_FILE),
    Rule::NotBoth(COMPACTION_ORDER_BY, COMPACTION_Z_ORDER_BY),
    Rule::OnlyWith(COMPACTION_TARGET_FILE_BYTES, COMPACTION_ENABLED),
    Rule::OnlyWith(COMPACTION_MIN_FILES, COMPACTION_ENABLED),
    Rule::OnlyWith(COMPACTION_SCOPE, COMPACTION_ENABLED),
    Rule::OnlyWith(COMPACTION_COLD_MS, COMPACTION_ENABLED),
    Rule::OnlyWith(COMPACTION_INTERVAL_MS, COMPACTION_ENABLED),
    Rule::OnlyWith(COMPACTION_MEMORY_BYTES, COMPACTION_ENABLED),
    Rule::OnlyWith(COMPACTION_MAX_BYTES_PER_SECOND, COMPACTION_ENABLED),
    Rule::OnlyWith(COMPACTION_ORDER_BY, COMPACTION_ENABLED),
    Rule::OnlyWith(COMPACTION_Z_ORDER_BY, COMPACTION_ENABLED),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_dotted_lower_case_and_end_in_their_unit() {
        let mut seen = std::collections::BTreeSet::new();
        for setting in SETTINGS {
            let name = setting.name;
            assert!(seen.insert(name), "{name} twice");
            assert!(name.starts_with(PREFIX) || name == NULL_VALUES, "{name}");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b)),
                "{name}"
            );
            if let Kind::Int(number) | Kind::Long(number) = setting.kind {
                assert!(name.ends_with(&format!(".{}", number.unit.suffix())), "{name}");
            }
        }
    }

    #[test]
    fn documentation_is_ascii_in_whole_sentences() {
        for setting in SETTINGS {
            assert!(setting.doc.is_ascii() && setting.title.is_ascii(), "{}", setting.name);
            assert!(setting.doc.ends_with('.'), "{}", setting.name);
            assert!(setting.doc.len() > 60, "{}", setting.name);
            assert!(!setting.doc.contains("  "), "{}", setting.name);
        }
    }

    #[test]
    fn settings_of_a_group_stand_together() {
        let mut groups: Vec<_> = SETTINGS.iter().map(|s| s.group).collect();
        groups.dedup();
        let runs = groups.len();
        groups.sort_unstable();
        groups.dedup();
        assert_eq!(runs, groups.len());
    }

    #[test]
    fn rules_name_declared_settings() {
        let known = |name: &str| SETTINGS.iter().any(|s| s.name == name);
        for rule in RULES {
            match rule {
                Rule::NotBoth(first, second) | Rule::OnlyWith(first, second) => {
                    assert!(known(first) && known(second))
                }
            }
        }
    }
}
