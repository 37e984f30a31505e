//! Small data files become large ones. The rows stay what they are.

mod ahead;
mod merge;
mod object;
mod order;
mod pace;
mod plan;
mod read;
#[cfg(test)]
mod tests;
mod tracking;
mod widened;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use buoyant_kernel::Snapshot;
use buoyant_kernel::snapshot::SnapshotRef;
use serde_json::{Map, Value, json};
use sluice_core::schema::Schema;
use sluice_core::settings::{Compaction, CompactionScope, Compression, Order};
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};
use tracing::{debug, info};

use self::merge::{Memory, Merged, Merger, Unclaimed};
pub(crate) use self::order::find_columns;
use self::plan::{Aims, Candidates, MOST_FILES, small_bytes};
use super::files::{LiveFile, ORDER_TAG, each_live_file};
use super::rewrite::{Rewrite, Rewritten};
use super::{Maintained, Progress, Quiet};
use crate::budget::Budget;
use crate::features::{self, Protocol};
use crate::kernel::kernel_error;
use crate::writer::discard;

/// What goes into one commit: so much that a table gets few versions, and so little that not much was for nothing where
/// somebody else changes what was read.
const COMMIT_BYTES: u64 = 1 << 30;
const COMMIT_TIME: Duration = Duration::from_secs(60);

/// How often a newer version is planned for, as long as nothing lands.
const TRIES: u32 = 5;
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// What compaction did.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Compacted {
    pub commits: u64,
    /// Of the last commit.
    pub version: Option<u64>,
    pub removed_files: u64,
    pub removed_bytes: u64,
    pub added_files: u64,
    pub added_bytes: u64,
    /// In the added files.
    pub rows: u64,
    /// Rows that deletion vectors had taken away already, and that are in no file now.
    pub deleted_rows: u64,
    /// How often somebody else changed what was read.
    pub conflicts: u64,
    /// How often rows that should be in order did not go into memory together, so that only parts of them are.
    pub split_runs: u64,
    /// Groups of files that would not have become fewer.
    pub fruitless: u64,
    pub ended: Ended,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Nothing is left to merge.
    #[default]
    Done,
    Stopped,
    /// Rows on their way into tables need the memory.
    NoMemory,
    /// Others kept changing what was read.
    Conflicts(String),
}

enum Round {
    Ended(Ended),
    /// From the newest version on.
    Again(Why),
}

enum Why {
    Overlap(String),
    /// Something could not be read that newer versions may not have any more.
    Failed(Error),
}

/// Merges files by `settings` until no more are to be merged. `commit` puts a rewrite up for commit; when it fails, the files
/// stay, as it may have landed. Blocks; for a thread with a permit to encode where rows are encoded beside it.
pub fn compact(
    table: &Maintained,
    settings: &Compaction,
    compression: Compression,
    budget: Option<&Arc<Budget>>,
    commit: &mut dyn FnMut(Rewrite) -> Result<Rewritten>,
    progress: &dyn Progress,
) -> Result<Compacted> {
    let mut work =
        Work { table, settings, compression, budget, commit, progress, done: Compacted::default() };
    let (mut tries, mut commits) = (0, 0);
    loop {
        let why = match work.round()? {
            Round::Ended(ended) => {
                work.done.ended = ended;
                return Ok(work.done);
            }
            Round::Again(why) => why,
        };
        tries = if work.done.commits > commits { 1 } else { tries + 1 };
        commits = work.done.commits;
        match why {
            Why::Overlap(why) if tries == TRIES => {
                work.done.ended = Ended::Conflicts(why);
                return Ok(work.done);
            }
            Why::Failed(error) if tries == TRIES => return Err(error),
            Why::Overlap(why) => info!("compaction of {} starts again: {why}", table.uri()),
            Why::Failed(error) => info!("compaction of {} starts again: {error}", table.uri()),
        }
        table.world.pause(table.world.backoff(tries, LONGEST_BACKOFF));
    }
}

/// Whether there is anything to merge.
pub(crate) fn is_due(table: &Maintained, settings: &Compaction, budget: &Arc<Budget>) -> Result<bool> {
    let mut commit = |_: Rewrite| Ok(Rewritten::Overlaps("nothing is committed".into()));
    let (compression, done) = (Compression::None, Compacted::default());
    let work = Work {
        table,
        settings,
        compression,
        budget: Some(budget),
        commit: &mut commit,
        progress: &Quiet,
        done,
    };
    let snapshot = table.newest()?;
    let (_, bins) = work.plan(&snapshot, &mut work.merger(&snapshot)?)?;
    Ok(!bins.is_empty())
}

struct Work<'a> {
    table: &'a Maintained,
    settings: &'a Compaction,
    compression: Compression,
    budget: Option<&'a Arc<Budget>>,
    commit: &'a mut dyn FnMut(Rewrite) -> Result<Rewritten>,
    progress: &'a dyn Progress,
    done: Compacted,
}

/// What goes into one commit.
struct Group {
    begun: Instant,
    removed: Vec<LiveFile>,
    bytes: u64,
    added: Unclaimed,
    rows: u64,
    deleted: u64,
}

impl<'a> Work<'a> {
    /// Plans once, for the newest version, and merges.
    fn round(&mut self) -> Result<Round> {
        let snapshot = self.table.newest()?;
        let (table, progress, memory) = (self.table, self.progress, self.memory());
        let mut merger = self.merger(&snapshot)?;
        let (aims, bins) = match self.plan(&snapshot, &mut merger) {
            Ok(planned) => planned,
            Err(error) => return self.failed(&snapshot, error),
        };
        progress.begin("files to merge", bins.iter().map(|bin| bin.len() as u64).sum());
        let mut group = self.group();
        for bin in bins {
            if progress.is_stopped() {
                return self.land(&snapshot, group, aims.order.as_ref(), Ended::Stopped);
            }
            let room = self.budget.map(|budget| budget.spare(memory.0 as usize));
            let Some(_room) = room.map_or(Some(None), |room| room.map(Some)) else {
                return self.land(&snapshot, group, aims.order.as_ref(), Ended::NoMemory);
            };
            let merged = match merger.merge(&bin, memory) {
                Ok(Some(merged)) => merged,
                Ok(None) => return self.land(&snapshot, group, aims.order.as_ref(), Ended::Stopped),
                Err(error) => return self.failed(&snapshot, error),
            };
            let has_to_change = bin.iter().any(|file| aims.has_to_change(file));
            if merged.added.len() >= bin.len() && !has_to_change {
                debug!("{} files of {} would not become fewer", bin.len(), table.uri());
                self.done.fruitless += 1;
                continue;
            }
            self.done.split_runs += u64::from(merged.runs > 1);
            group.add(bin, merged);
            if group.is_full(self.table.world.now()) {
                let full = std::mem::replace(&mut group, self.group());
                match self.land(&snapshot, full, aims.order.as_ref(), Ended::Done)? {
                    Round::Ended(_) => {}
                    again => return Ok(again),
                }
            }
        }
        self.land(&snapshot, group, aims.order.as_ref(), Ended::Done)
    }

    fn merger(&self, snapshot: &SnapshotRef) -> Result<Merger<'a>> {
        let info = writable(self.table, snapshot)?;
        let (table, settings, progress) = (self.table, self.settings, self.progress);
        let merger = Merger::new(table, snapshot, info, settings, self.compression, progress)?;
        self.check_clustering(snapshot, &merger)?;
        Ok(merger)
    }

    /// What is merged with what.
    fn plan(&self, snapshot: &SnapshotRef, merger: &mut Merger<'_>) -> Result<(Aims, Vec<Vec<LiveFile>>)> {
        let order = merger.sorter.as_ref().map(|sorter| sorter.tag.clone());
        let mut aims = self.aims(order);
        let mut candidates = Candidates::new(aims.clone());
        each_live_file(self.table, snapshot, &mut |file| candidates.add(file))?;
        let candidates = candidates.cold();
        if !candidates.is_any_due() {
            return Ok((aims, vec![]));
        }
        if let Some(file) = typical(candidates.files()).filter(|_| aims.order.is_some()) {
            let bytes = self.memory().run_bytes() as f64 / merger.growth(file)?;
            aims.go_into_memory((bytes as u64).max(1));
        }
        let bins = candidates.plan(&aims);
        Ok((aims, bins))
    }

    fn memory(&self) -> Memory {
        let limit = self.budget.map_or(usize::MAX, |budget| budget.limit() / 4);
        Memory(self.settings.memory_bytes.min(limit as u64))
    }

    fn aims(&self, order: Option<Arc<str>>) -> Aims {
        let target = self.settings.target_bytes.max(1);
        let cold = i64::try_from(self.settings.cold.as_millis()).unwrap_or(i64::MAX);
        let is_cold_only = self.settings.scope == CompactionScope::Cold;
        Aims {
            bin_bytes: target,
            small_bytes: small_bytes(target),
            min_files: self.settings.min_files,
            cold_since: is_cold_only.then(|| self.table.world.epoch_millis().saturating_sub(cold)),
            order,
        }
    }

    fn group(&self) -> Group {
        Group {
            begun: self.table.world.now(),
            removed: vec![],
            bytes: 0,
            added: Unclaimed::new(self.table.store.clone()),
            rows: 0,
            deleted: 0,
        }
    }

    /// Where others have moved on, files may be gone.
    fn failed(&self, snapshot: &SnapshotRef, error: Error) -> Result<Round> {
        match self.table.newest() {
            Ok(newest) if newest.version() > snapshot.version() => Ok(Round::Again(Why::Failed(error))),
            _ => Err(error),
        }
    }

    fn land(
        &mut self,
        snapshot: &SnapshotRef,
        group: Group,
        tag: Option<&Arc<str>>,
        ended: Ended,
    ) -> Result<Round> {
        if group.removed.is_empty() {
            return Ok(Round::Ended(ended));
        }
        let mut rewrite = group.rewrite(snapshot, &self.settings.order);
        rewrite.tags.extend(tag.map(|tag| (ORDER_TAG.to_owned(), Value::String(tag.to_string()))));
        let (counted, added) = (Compacted::of(&rewrite), rewrite.added.clone());
        match (self.commit)(rewrite)? {
            Rewritten::Landed(version) => {
                self.done.add(counted, version);
                Ok(Round::Ended(ended))
            }
            Rewritten::Overlaps(why) => {
                self.done.conflicts += 1;
                discard(&*self.table.store, &added);
                Ok(Round::Again(Why::Overlap(why)))
            }
        }
    }

    /// A commit of ours does not go through the kernel, which refuses such files.
    fn check_clustering(&self, snapshot: &SnapshotRef, merger: &Merger<'_>) -> Result<()> {
        let doing = format!("cannot read the clustering columns of {}", self.table.uri());
        let columns = snapshot.get_physical_clustering_columns(&self.table.engine);
        let columns = columns.map_err(|e| kernel_error(&doing, &e))?.unwrap_or_default();
        let layout = merger.layout();
        match columns.iter().find(|column| !layout.stats.contains(column.path())) {
            None => Ok(()),
            Some(column) => Err(unsupported(
                self.table,
                &format!("its clustering column {column} gets no statistics by the table's properties"),
            )),
        }
    }
}

impl Group {
    fn add(&mut self, bin: Vec<LiveFile>, merged: Merged) {
        self.bytes += bin.iter().map(|file| file.size).sum::<u64>();
        self.removed.extend(bin);
        self.added.append(merged.added);
        self.rows += merged.rows;
        self.deleted += merged.deleted;
    }

    fn is_full(&self, now: Instant) -> bool {
        let time = now.saturating_duration_since(self.begun);
        self.bytes >= COMMIT_BYTES || self.removed.len() >= MOST_FILES || time >= COMMIT_TIME
    }

    fn rewrite(self, snapshot: &Snapshot, order: &Order) -> Rewrite {
        let (by, z) = match order {
            Order::None => (vec![], vec![]),
            Order::By(columns) => (columns.clone(), vec![]),
            Order::ZOrder(columns) => (vec![], columns.clone()),
        };
        let mut parameters = json!({"predicate": "[]", "auto": "false", "clusterBy": "[]",
            "zOrderBy": json!(z).to_string()});
        if !by.is_empty() {
            parameters["orderBy"] = json!(by).to_string().into();
        }
        let added = self.added.claim();
        let sizes = || added.iter().map(|file| file.size);
        let vectors = self.removed.iter().filter(|file| file.deletion_vector.is_some()).count();
        let metrics: BTreeMap<&str, u64> = [
            ("numRemovedFiles", self.removed.len() as u64),
            ("numRemovedBytes", self.bytes),
            ("numDeletionVectorsRemoved", vectors as u64),
            ("numAddedFiles", added.len() as u64),
            ("numAddedBytes", sizes().sum()),
            ("minFileSize", sizes().min().unwrap_or(0)),
            ("maxFileSize", sizes().max().unwrap_or(0)),
            ("numOutputRows", self.rows),
            ("numDeletedRows", self.deleted),
        ]
        .into();
        let text = |(name, value): (&str, u64)| (name.to_owned(), Value::String(value.to_string()));
        Rewrite {
            table_id: snapshot.table_configuration().metadata().id().to_owned(),
            version: snapshot.version(),
            removed: self.removed,
            added,
            tags: Map::new(),
            parameters,
            metrics: Value::Object(metrics.into_iter().map(text).collect()),
        }
    }
}

impl Compacted {
    fn of(rewrite: &Rewrite) -> Self {
        let (removed, added) = (&rewrite.removed, &rewrite.added);
        Compacted {
            removed_files: removed.len() as u64,
            removed_bytes: removed.iter().map(|file| file.size).sum(),
            deleted_rows: removed.iter().map(LiveFile::deleted).sum(),
            added_files: added.len() as u64,
            added_bytes: added.iter().map(|file| file.size).sum(),
            rows: added.iter().map(|file| file.rows).sum(),
            ..Compacted::default()
        }
    }

    fn add(&mut self, commit: Compacted, version: u64) {
        self.commits += 1;
        self.version = Some(version);
        self.removed_files += commit.removed_files;
        self.removed_bytes += commit.removed_bytes;
        self.deleted_rows += commit.deleted_rows;
        self.added_files += commit.added_files;
        self.added_bytes += commit.added_bytes;
        self.rows += commit.rows;
    }
}

/// The table, if we would write to it.
fn writable(table: &Maintained, snapshot: &Snapshot) -> Result<Arc<TableInfo>> {
    let metadata = snapshot.table_configuration().metadata();
    let protocol = Protocol::of(snapshot)
        .map_err(|e| Error::new(Code::TableCorrupt, format!("protocol of {}: {e}", table.uri())))?;
    let info = TableInfo {
        schema: Schema::parse(metadata.schema_string()).map_err(|e| unsupported(table, &e.message))?,
        partition_by: metadata.partition_columns().to_vec(),
        properties: features::in_effect(metadata.configuration(), &protocol),
    };
    match features::refusal(&protocol, &info) {
        Some(reason) => Err(unsupported(table, &reason)),
        None => Ok(Arc::new(info)),
    }
}

fn unsupported(table: &Maintained, why: &str) -> Error {
    Error::new(
        Code::TableUnsupported,
        format!("cannot merge files of the Delta table {}: {why}", table.uri()),
    )
}

/// A file by which it is told how large they become in memory: the larger, the better it is compressed.
fn typical<'a>(files: impl Iterator<Item = &'a LiveFile>) -> Option<&'a LiveFile> {
    files.filter(|file| file.num_records > Some(0)).max_by_key(|file| (file.size, &file.path))
}
