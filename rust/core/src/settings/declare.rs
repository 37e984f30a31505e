//! Every setting, declared once. The parser, the Java `ConfigDef`, the documentation and the JSON schema are made
//! from [`SETTINGS`] and [`RULES`].

use super::choices::{
    Choice, Compression, Evolution, InputMode, JsonStrings, KeyMode, NullValues, RawFormat, UnknownFields,
    Unmatched,
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
pub const RAW_JSON_STRINGS: &str = "delta.raw.json.strings";
pub const COMMIT_INTERVAL_MS: &str = "delta.commit.interval.ms";
pub const COMMIT_MAX_BYTES: &str = "delta.commit.max.bytes";
pub const COMMIT_MAX_RECORDS: &str = "delta.commit.max.records";
pub const TARGET_FILE_BYTES: &str = "delta.target.file.bytes";
pub const PARQUET_COMPRESSION: &str = "delta.parquet.compression";
pub const STORE_RETRY_TIMEOUT_MS: &str = "delta.store.retry.timeout.ms";

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
              `file:///data/events`. In a URL, characters outside ASCII and the characters `%`, `?` and `#` are \
              percent-encoded; a path is taken as it stands. Relative paths and paths with `..` are refused. Only \
              local file systems are supported so far: any other scheme is refused. Every worker that may run a \
              task must see the same file system there.\n\n\
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
              columns; docs/json.md says what each column type takes. A record without a value (a tombstone) \
              makes no row.",
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
        name: COMMIT_INTERVAL_MS,
        kind: Kind::Long(Number { min: 100, unit: Unit::Milliseconds }),
        default: Default::Value("60000"),
        group: "Commits",
        importance: Importance::High,
        title: "Commit interval",
        doc: "The longest time, in milliseconds, that a record waits before its rows are put up for commit. It is \
              also how late readers of the table see new rows. Each commit adds a version to the table and at \
              least one file for each task that has rows, so a shorter interval means more and smaller files. \
              Commits also happen earlier, when `delta.commit.max.bytes` or `delta.commit.max.records` is \
              reached.",
    },
    Setting {
        name: COMMIT_MAX_BYTES,
        kind: Kind::Long(Number { min: 1 << 20, unit: Unit::Bytes }),
        default: Default::Value("268435456"),
        group: "Commits",
        importance: Importance::Medium,
        title: "Bytes per commit",
        doc: "Commit as soon as this many bytes of record values were taken since the last commit, counted for \
              each task and table, as the values are in Kafka and before compression into Parquet.",
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
        doc: "A Parquet file that has grown to about this many bytes is finished and another one is begun. A \
              commit before that makes a smaller file.",
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
];

pub const RULES: &[Rule] = &[
    Rule::NotBoth(SCHEMA_JSON, SCHEMA_FILE),
    Rule::NotBoth(TOPIC2TABLE_MAP, ROUTE_BY),
    Rule::OnlyWith(ROUTE_MAP, ROUTE_BY),
    Rule::OnlyWith(METADATA_STRUCT, METADATA_COLUMNS),
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
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.'),
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
