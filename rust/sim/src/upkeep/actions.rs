//! What the actions of a log say, whoever wrote them and in whichever form: commits, checkpoints, log compaction files.

use std::collections::BTreeMap;

use arrow_json::LineDelimitedWriter;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};

/// Its kind and what tells it from others of its kind.
pub type Key = (&'static str, String);

/// The kinds of actions that count, each with the field that tells one from another of its kind, and with what it says.
const KINDS: [(&str, Option<&str>, &[&str]); 6] = [
    (
        "add",
        Some("path"),
        &[
            "size",
            "partitionValues",
            "modificationTime",
            "baseRowId",
            "defaultRowCommitVersion",
            "deletionVector",
        ],
    ),
    ("remove", Some("path"), &["deletionTimestamp"]),
    ("txn", Some("appId"), &["version"]),
    ("domainMetadata", Some("domain"), &["configuration", "removed"]),
    ("metaData", None, &["id", "schemaString", "partitionColumns", "configuration"]),
    ("protocol", None, &["minReaderVersion", "minWriterVersion", "readerFeatures", "writerFeatures"]),
];

/// None: it has no part in what a version is.
pub fn read(action: &Value) -> Option<(Key, Value)> {
    KINDS.iter().find_map(|(kind, id, fields)| {
        let of_kind = action.get(*kind).filter(|of_kind| !of_kind.is_null())?;
        let id = id.and_then(|id| of_kind[id].as_str()).unwrap_or_default().to_owned();
        let said = fields.iter().map(|field| ((*field).to_owned(), plain(&of_kind[*field])));
        let mut said: Map<String, Value> = said.filter(|(_, value)| !value.is_null()).collect();
        if *kind == "add" {
            let stats = of_kind["stats"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
            said.insert("numRecords".into(), stats.map_or(Value::Null, |stats| stats["numRecords"].clone()));
        }
        Some(((*kind, id), said.into()))
    })
}

/// Without what says nothing, and in order.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), plain(value)));
            fields.filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>().into()
        }
        Value::Array(values) => {
            let mut values: Vec<_> = values.iter().map(plain).collect();
            values.sort_by_key(Value::to_string);
            values.into()
        }
        Value::Bool(false) => Value::Null,
        other => other.clone(),
    }
}

/// What actions add up to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State(pub BTreeMap<Key, Value>);

impl State {
    pub fn take(&mut self, (key, said): (Key, Value)) {
        let other = match key.0 {
            "add" => Some("remove"),
            "remove" => Some("add"),
            _ => None,
        };
        if let Some(other) = other {
            self.0.remove(&(other, key.1.clone()));
        }
        self.0.insert(key, said);
    }

    pub fn of_kind<'a>(&'a self, kind: &'static str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.0
            .range((kind, String::new())..)
            .take_while(move |((of, _), _)| *of == kind)
            .map(|((_, id), said)| (id.as_str(), said))
    }
}

/// The actions of a file with one on each line.
pub fn of_lines(text: &[u8]) -> Result<Vec<Value>, String> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(|e| format!("no action: {e}"))).collect()
}

/// The actions of a checkpoint's file.
pub fn of_parquet(file: Bytes) -> Result<Vec<Value>, String> {
    let failed = |e: &dyn std::fmt::Display| format!("no checkpoint: {e}");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| failed(&e))?;
    let mut text = LineDelimitedWriter::new(Vec::new());
    for batch in reader.build().map_err(|e| failed(&e))? {
        text.write(&batch.map_err(|e| failed(&e))?).map_err(|e| failed(&e))?;
    }
    text.finish().map_err(|e| failed(&e))?;
    of_lines(&text.into_inner())
}
