use std::fs;
use std::path::Path;

use buoyant_kernel::Snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use url::Url;

use super::super::{Audit, Kind, audit};
use crate::kernel::engine;
use crate::store::{LocalStore, commit_name};
use crate::world::Tokio;

/// A table in a temporary folder.
pub struct History {
    pub folder: TempDir,
    pub runtime: Runtime,
    versions: u64,
}

impl History {
    /// Version 0 creates the table.
    pub fn new() -> History {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let mut history =
            History { folder: tempfile::tempdir().unwrap(), runtime: runtime.unwrap(), versions: 0 };
        fs::create_dir(history.root().join("_delta_log")).unwrap();
        let schema = json!({"type": "struct", "fields": [
            {"name": "v", "type": "long", "nullable": true, "metadata": {}}]});
        history.commit(&[
            json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
            json!({"metaData": {"id": "0", "format": {"provider": "parquet", "options": {}},
                "schemaString": schema.to_string(), "partitionColumns": [], "configuration": {}}}),
        ]);
        history
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the next version and the data files that it adds.
    pub fn commit(&mut self, actions: &[Value]) -> u64 {
        let version = self.versions;
        self.versions += 1;
        for action in actions {
            if let Some(path) = action["add"]["path"].as_str()
                && !self.root().join(path).exists()
            {
                fs::write(self.root().join(path), "12345").unwrap();
            }
        }
        self.write(version, actions);
        version
    }

    /// Writes a version's commit anew.
    pub fn write(&self, version: u64, actions: &[Value]) {
        let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
        fs::write(self.root().join(commit_name(version)), text).unwrap();
    }

    pub fn read(&self, version: u64) -> Vec<Value> {
        let text = fs::read_to_string(self.root().join(commit_name(version))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn delete(&self, version: u64) {
        fs::remove_file(self.root().join(commit_name(version))).unwrap();
    }

    /// One interval of partition 0 and its file.
    pub fn take(&mut self, from: i64, to: i64, rows: i64) -> u64 {
        self.take_of(0, from, to, rows)
    }

    pub fn take_of(&mut self, partition: i32, from: i64, to: i64, rows: i64) -> u64 {
        let version = self.versions;
        self.commit(&[
            origin(version, json!([interval(partition, from, to, rows)])),
            txn(&app_id(partition), to),
            add(&format!("part-{version}.parquet"), rows),
        ])
    }

    /// What a user did by Connect's REST interface.
    pub fn alter(&mut self, from: Option<i64>, to: Option<i64>) -> u64 {
        let info = json!({"commitInfo": {"sluice": {"commit": format!("c{}", self.versions), "units": [],
            "alterations": [{"connector": "k", "topic": "t", "partition": 0, "fromOffset": from, "toOffset": to}]}}});
        self.commit(&[info, txn(&app_id(0), to.unwrap_or(-1))])
    }

    pub fn store(&self) -> LocalStore {
        LocalStore::new(Url::from_directory_path(self.root()).unwrap()).unwrap()
    }

    /// Writes a checkpoint of a version.
    pub fn checkpoint(&self, version: u64) {
        let store = self.store();
        let engine = engine(&store, &Tokio::world(self.runtime.handle().clone()));
        let root = Url::from_directory_path(self.root()).unwrap();
        let snapshot = Snapshot::builder_for(root.as_str()).at_version(version).build(&engine).unwrap();
        snapshot.checkpoint(&engine, None).unwrap();
    }

    pub fn audit(&self) -> Audit {
        audit(&self.store(), self.runtime.handle()).unwrap()
    }

    pub fn kinds(&self) -> Vec<Kind> {
        kinds(&self.audit())
    }
}

pub fn kinds(audit: &Audit) -> Vec<Kind> {
    audit.findings.iter().map(|finding| finding.kind).collect()
}

pub fn app_id(partition: i32) -> String {
    format!("sluice/k/t/{partition}")
}

pub fn interval(partition: i32, from: i64, to: i64, rows: i64) -> Value {
    json!({"topic": "t", "partition": partition, "fromOffset": from, "toOffset": to, "rows": rows})
}

pub fn origin(version: u64, intervals: Value) -> Value {
    json!({"commitInfo": {"timestamp": 1_795_324_286_970_u64 + version, "operation": "STREAMING UPDATE",
        "engineInfo": "sluice/0.1.0", "sluice": {"commit": format!("c{version}"),
        "units": [{"connector": "k", "task": "3", "intervals": intervals}]}}})
}

pub fn txn(app_id: &str, version: i64) -> Value {
    json!({"txn": {"appId": app_id, "version": version, "lastUpdated": 1_795_324_286_970_u64}})
}

pub fn add(path: &str, rows: i64) -> Value {
    json!({"add": {"path": path, "size": 5, "partitionValues": {}, "modificationTime": 0, "dataChange": true,
        "stats": json!({"numRecords": rows}).to_string()}})
}

pub fn remove(path: &str, data_change: bool) -> Value {
    json!({"remove": {"path": path, "deletionTimestamp": 0, "dataChange": data_change}})
}
