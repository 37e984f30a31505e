//! The newest commits.

use futures::TryFutureExt;
use object_store::ObjectStoreExt;
use serde::Serialize;
use sluice_core::Result;

use crate::log::{Commit, UnitOrigin};
use crate::store::{Store, commit_path, root_path, store_error};

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recent {
    pub version: u64,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
    pub operation: Option<String>,
    pub engine: Option<String>,
    /// Of Sluice's commits.
    pub writers: Vec<Writer>,
    pub added_files: u64,
    pub added_bytes: u64,
    pub removed_files: u64,
    /// Rows of the files that were added; none where a file does not say.
    pub rows: Option<u64>,
    /// Whether only what was there is moved: a compaction, or nothing but metadata.
    pub data_change: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Writer {
    pub connector: String,
    pub tasks: Vec<String>,
}

/// At most `count`, the newest first, as far as they are still there.
pub async fn recent(store: &dyn Store, newest: u64, count: u64) -> Result<Vec<Recent>> {
    let (root, objects) = (root_path(store)?, store.objects());
    let mut commits = Vec::new();
    // One after the other: a commit may name very many files.
    for version in (0..=newest).rev().take(usize::try_from(count).unwrap_or(usize::MAX)) {
        let path = commit_path(&root, version);
        let text = objects.get(&path).and_then(|found| found.bytes()).await;
        match text {
            Ok(text) => commits.push(Recent::of(version, &Commit::parse(version, &text)?)),
            Err(object_store::Error::NotFound { .. }) => break,
            Err(error) => return Err(store_error(&format!("cannot read {path}"), &error)),
        }
    }
    Ok(commits)
}

impl Recent {
    fn of(version: u64, commit: &Commit) -> Recent {
        let info = &commit.info;
        let units = commit.origin.as_ref().map(|origin| &origin.units[..]).unwrap_or_default();
        Recent {
            version,
            timestamp: info.in_commit_timestamp.or(info.timestamp),
            operation: info.operation.clone(),
            engine: info.engine_info.clone().or_else(|| info.client_version.clone()),
            writers: writers(units),
            added_files: commit.adds.len() as u64,
            added_bytes: commit.adds.iter().map(|add| add.size).sum(),
            removed_files: commit.removes.len() as u64,
            rows: commit.adds.iter().map(|add| add.num_records()).sum(),
            data_change: commit.adds.iter().any(|add| add.data_change)
                || commit.removes.iter().any(|remove| remove.data_change),
        }
    }
}

fn writers(units: &[UnitOrigin]) -> Vec<Writer> {
    let mut writers: Vec<Writer> = Vec::new();
    for unit in units {
        match writers.iter_mut().find(|writer| writer.connector == unit.connector) {
            Some(writer) if writer.tasks.contains(&unit.task) => {}
            Some(writer) => writer.tasks.push(unit.task.clone()),
            None => {
                writers.push(Writer { connector: unit.connector.clone(), tasks: vec![unit.task.clone()] })
            }
        }
    }
    writers
}
