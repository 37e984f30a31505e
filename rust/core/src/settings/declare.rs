//! Every setting, declared once. The parser, the Java `ConfigDef`, the documentation and the JSON schema are made
//! from [`SETTINGS`] and [`RULES`].

use super::choices::{Choice, Compression, InputMode, JsonStrings, RawFormat, UnknownFields};

/// Settings with this prefix are ours; all others are Connect's.
pub const PREFIX: &str = "delta.";

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
    /// When `setting` is `value`, one of `one_of` must be given. The error is `setting`'s.
    Needs { setting: &'static str, value: &'static str, one_of: &'static [&'static str] },
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
            Rule::Needs { value, one_of, .. } => format!("{value} needs {} to be given", one_of.join(" or ")),
        }
    }
}

pub const TABLE_URI: &str = "delta.table.uri";
pub const TABLE_AUTO_CREATE: &str = "delta.table.auto.create";
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
              `/data/${topic}` each topic has its own table. Without `${topic}`, all topics that the connector \
              reads go into the one table.",
    },
    Setting {
        name: TABLE_AUTO_CREATE,
        kind: Kind::Boolean,
        default: Default::Value("false"),
        group: "Table",
        importance: Importance::Medium,
        title: "Create the table",
        doc: "Whether a table that is not there is created, with the schema of `delta.schema.json` or \
              `delta.schema.file`, one of which is then needed. With `false` a missing table fails the task, so \
              that a misspelt location is not taken for a new table.",
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
              \"metadata\":{}}]}`. It is needed to create a table. A table that is there is checked against it: \
              each of its columns must be in the table with the same type. Rows are always made for the table's \
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
        name: SCHEMA_UNKNOWN_FIELDS,
        kind: Kind::OneOf(UnknownFields::WORDS),
        default: Default::Value("ignore"),
        group: "Schema",
        importance: Importance::Medium,
        title: "Fields without a column",
        doc: "What becomes of a field that the table has no column for. `ignore` leaves the field out and counts \
              it. `fail` makes the whole record an errant record with the code `RECORD_UNKNOWN_FIELD`.",
    },
    Setting {
        name: INPUT_MODE,
        kind: Kind::OneOf(InputMode::WORDS),
        default: Default::Value("raw"),
        group: "Input",
        importance: Importance::Medium,
        title: "Input mode",
        doc: "In which form Connect hands records over. `raw`: the value is bytes or a string, and Sluice decodes \
              it natively; set `value.converter` to Connect's `ByteArrayConverter`.",
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
];

pub const RULES: &[Rule] = &[
    Rule::NotBoth(SCHEMA_JSON, SCHEMA_FILE),
    Rule::Needs { setting: TABLE_AUTO_CREATE, value: "true", one_of: &[SCHEMA_JSON, SCHEMA_FILE] },
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
            assert!(name.starts_with(PREFIX), "{name}");
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
                Rule::NotBoth(first, second) => assert!(known(first) && known(second)),
                Rule::Needs { setting, one_of, .. } => {
                    assert!(known(setting) && one_of.iter().all(|n| known(n)))
                }
            }
        }
    }
}
