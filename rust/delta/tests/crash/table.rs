//! A table as its files and its lock table have it. Reading it repairs nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sluice_core::offsets::TopicPartition;
use sluice_delta::store::commit_version;

use crate::servers::Place;

pub struct Seen {
    folder: PathBuf,
    /// The actions of each commit that is decided, by its version.
    pub commits: BTreeMap<u64, Vec<Value>>,
}

impl Seen {
    pub fn look(place: &Place) -> Seen {
        let folder = place.folder();
        let log = folder.join("_delta_log");
        let actions = |name: &str| {
            let text = fs::read_to_string(log.join(name)).ok()?;
            Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
        };
        let names = fs::read_dir(&log).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let mut commits: BTreeMap<u64, Vec<Value>> = names
            .filter_map(|name| {
                let name = name.to_str()?;
                Some((commit_version(&format!("_delta_log/{name}"))?, actions(name)?))
            })
            .collect();
        if place.name == "dynamodb" {
            for item in place.items() {
                let name = |attribute: &str| item[attribute]["S"].as_str().unwrap();
                let version = commit_version(&format!("_delta_log/{}", name("fileName"))).unwrap();
                commits.entry(version).or_insert_with(|| actions(name("tempPath")).unwrap());
            }
        }
        assert!(commits.keys().copied().eq(0..commits.len() as u64), "versions {:?}", commits.keys());
        Seen { folder, commits }
    }

    fn of_all<'a>(&'a self, action: &'a str) -> impl Iterator<Item = &'a Value> {
        self.commits.values().flatten().map(move |line| &line[action]).filter(|action| !action.is_null())
    }

    pub fn held(&self, id: i32) -> Option<i64> {
        let app_id = TopicPartition::new("t", id).app_id("k");
        let of_partition = self.of_all("txn").filter(|txn| txn["appId"] == app_id.as_str());
        of_partition.map(|txn| txn["version"].as_i64().unwrap()).last()
    }

    /// Column `v` of every file that a commit refers to, sorted.
    pub fn rows(&self) -> Vec<i64> {
        let mut rows = Vec::new();
        for add in self.of_all("add") {
            let file = File::open(self.folder.join(add["path"].as_str().unwrap())).unwrap();
            assert_eq!(file.metadata().unwrap().len(), add["size"].as_u64().unwrap(), "I3");
            for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
                rows.extend(batch.unwrap()["v"].as_primitive::<Int64Type>().values());
            }
        }
        rows.sort_unstable();
        rows
    }
}
