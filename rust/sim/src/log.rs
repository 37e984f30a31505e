//! What a table's log says in the end, and a checkpoint of it as another writer makes one.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_json::ReaderBuilder;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use crate::machine::Millis;

/// The kinds of actions that count, each with the field that tells one from another of its kind.
const KINDS: [(&str, Option<&str>); 6] = [
    ("protocol", None),
    ("metaData", None),
    ("txn", Some("appId")),
    ("add", Some("path")),
    ("remove", Some("path")),
    ("domainMetadata", Some("domain")),
];

#[derive(Default)]
pub struct Log {
    /// By kind and id.
    actions: BTreeMap<(&'static str, String), Value>,
    /// When the `txn` of an app id was set.
    set_at: BTreeMap<String, Millis>,
}

impl Log {
    pub fn take(&mut self, action: &Value, now: Millis) {
        for (kind, id) in KINDS {
            let Some(of_kind) = action.get(kind) else { continue };
            let id = id.and_then(|id| of_kind[id].as_str()).unwrap_or_default().to_owned();
            if kind == "txn" {
                self.set_at.insert(id.clone(), now);
            }
            match kind {
                "add" => drop(self.actions.remove(&("remove", id.clone()))),
                "remove" => drop(self.actions.remove(&("add", id.clone()))),
                _ => {}
            }
            self.actions.insert((kind, id), action.clone());
        }
    }

    pub fn metadata(&self) -> Option<&Value> {
        self.actions.get(&("metaData", String::new()))?.get("metaData")
    }

    /// App ids whose `txn` was set before this time.
    pub fn set_before(&self, time: Millis) -> Vec<String> {
        self.set_at.iter().filter(|(_, at)| **at < time).map(|(app_id, _)| app_id.clone()).collect()
    }

    pub fn forget(&mut self, app_id: &str) {
        self.set_at.remove(app_id);
        self.actions.remove(&("txn", app_id.to_owned()));
    }

    /// The content of a classic checkpoint.
    pub fn checkpoint(&self) -> Result<Vec<u8>, ArrowError> {
        let schema = Arc::new(schema());
        let mut decoder = ReaderBuilder::new(schema.clone()).build_decoder()?;
        decoder.serialize(&self.actions.values().collect::<Vec<_>>())?;
        let mut file = Vec::new();
        let mut parquet = ArrowWriter::try_new(&mut file, schema, None)?;
        decoder.flush()?.iter().try_for_each(|actions| parquet.write(actions))?;
        parquet.close()?;
        Ok(file)
    }
}

fn field(name: &str, of: DataType) -> Field {
    Field::new(name, of, true)
}

fn texts(name: &str) -> Field {
    let entry = Fields::from(vec![Field::new("key", DataType::Utf8, false), field("value", DataType::Utf8)]);
    field(name, DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entry), false)), false))
}

fn schema() -> Schema {
    use DataType::{Boolean, Int32, Int64, Utf8};
    let list = |name: &str| field(name, DataType::List(Arc::new(field("element", Utf8))));
    let action = |name: &str, fields: Vec<Field>| field(name, DataType::Struct(fields.into()));
    Schema::new(vec![
        action("txn", vec![field("appId", Utf8), field("version", Int64), field("lastUpdated", Int64)]),
        action(
            "add",
            vec![
                field("path", Utf8),
                texts("partitionValues"),
                field("size", Int64),
                field("modificationTime", Int64),
                field("dataChange", Boolean),
                field("stats", Utf8),
            ],
        ),
        action(
            "remove",
            vec![
                field("path", Utf8),
                field("deletionTimestamp", Int64),
                field("dataChange", Boolean),
                field("extendedFileMetadata", Boolean),
                texts("partitionValues"),
                field("size", Int64),
            ],
        ),
        action(
            "domainMetadata",
            vec![field("domain", Utf8), field("configuration", Utf8), field("removed", Boolean)],
        ),
        action(
            "metaData",
            vec![
                field("id", Utf8),
                action("format", vec![field("provider", Utf8), texts("options")]),
                field("schemaString", Utf8),
                list("partitionColumns"),
                texts("configuration"),
                field("createdTime", Int64),
            ],
        ),
        action(
            "protocol",
            vec![
                field("minReaderVersion", Int32),
                field("minWriterVersion", Int32),
                list("readerFeatures"),
                list("writerFeatures"),
            ],
        ),
    ])
}
