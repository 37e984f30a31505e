//! Files in the place of others that hold the same rows, in one commit. Whoever else removed, or put back in another way, any
//! file that was read has won: then nothing is committed. (delta-rs overlooks removes without `dataChange`, and commits the
//! rows of two compactions.)

use std::collections::HashSet;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use sluice_core::{Code, Error, Result};
use tracing::info;
use uuid::Uuid;

use super::files::LiveFile;
use super::lease::LEASE_APP_ID;
use crate::actions::{commit_info, lines};
use crate::log::{Commit, Domain, Origin, read_commit};
use crate::store::Claim;
use crate::table::{Current, TableState};
use crate::unit::StagedFile;

const OPERATION: &str = "OPTIMIZE";
const ROW_TRACKING: &str = "rowTracking";
const ROW_TRACKING_DOMAIN: &str = "delta.rowTracking";
const HIGH_WATER_MARK: &str = "rowIdHighWaterMark";

/// What is put up for commit.
#[derive(Debug)]
pub struct Rewrite {
    /// The `id` of the table's metadata.
    pub table_id: String,
    /// The version whose files were read.
    pub version: u64,
    /// As they were read.
    pub removed: Vec<LiveFile>,
    pub added: Vec<StagedFile>,
    /// Of `added`, each.
    pub tags: Map<String, Value>,
    /// `operationParameters` of the commit, an object of texts.
    pub parameters: Value,
    /// `operationMetrics` of the commit, an object of texts.
    pub metrics: Value,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Rewritten {
    Landed(u64),
    /// Somebody else changed what was read: nothing is committed, and the added files are nobody's. Start again.
    Overlaps(String),
}

/// A rewrite on its way. After an error the same one again settles what became of it.
pub(crate) struct Rewriting {
    rewrite: Rewrite,
    /// By it the commit is found in the log.
    id: String,
    removed: HashSet<String>,
    /// Up to this version the log was looked through.
    seen: u64,
    /// It may have landed.
    tried: bool,
}

impl Rewriting {
    pub fn new(rewrite: Rewrite, id: Uuid) -> Self {
        let removed = rewrite.removed.iter().map(|file| same(&file.path)).collect();
        Rewriting { id: id.to_string(), removed, seen: rewrite.version, tried: false, rewrite }
    }

    /// Why a later commit forbids it.
    fn forbidden_by(&self, version: u64, commit: &Commit) -> Option<String> {
        if commit.metadata_id.is_some() {
            return Some(format!("version {version} changed the table's metadata"));
        }
        if commit.has_protocol {
            return Some(format!("version {version} changed the table's protocol"));
        }
        let removed = commit.removes.iter().map(|remove| &remove.path);
        let mut touched = removed.chain(commit.adds.iter().map(|add| &add.path));
        let path = touched.find(|path| self.removed.contains(&same(path)))?;
        Some(format!("version {version} changed {path}"))
    }
}

/// A path in the log is a URI reference, and writers differ in what they escape.
fn same(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

impl TableState {
    /// One commit of a rewrite. After an error it may have landed all the same, or may land yet: its files stay. The same one
    /// again settles it.
    pub(crate) fn rewrite(&mut self, rewriting: &mut Rewriting) -> Result<Rewritten> {
        let mut races = 0;
        loop {
            if let Some(end) = self.settle(rewriting)? {
                return Ok(end);
            }
            let version = self.current()?.tip.version() + 1;
            let now = self.world.epoch_millis();
            let turn = self.offered_turn()?;
            let commit = rewrite_commit(self, rewriting, version, now, turn)?;
            rewriting.tried = true;
            match self.store.claim(version, &commit)? {
                Claim::Won => {
                    if let Some(turn) = turn {
                        self.lease.landed(turn);
                    }
                    if let Err(error) = self.advance("") {
                        tracing::warn!("after commit {version} to {}: {error}", self.uri());
                    }
                    let Rewrite { removed, added, .. } = &rewriting.rewrite;
                    let (uri, of, to) = (self.uri(), removed.len(), added.len());
                    info!("commit {version} to {uri} has {to} files in the place of {of} with the same rows");
                    return Ok(Rewritten::Landed(version));
                }
                Claim::Taken => {
                    races += 1;
                    self.lost_race(races);
                }
            }
        }
    }

    /// Reads the log up to its end. What became of the rewrite, if that is decided.
    fn settle(&mut self, rewriting: &mut Rewriting) -> Result<Option<Rewritten>> {
        let overlaps = |why: String| Ok(Some(Rewritten::Overlaps(why)));
        self.advance("")?;
        let current = self.current()?;
        let newest = current.tip.version();
        if current.metadata_id != rewriting.rewrite.table_id || newest < rewriting.seen {
            return overlaps("the table is another one: it was dropped and created again".into());
        }
        for version in rewriting.seen + 1..=newest {
            let commit = read_commit(&*self.store, &*self.world, version)?;
            if rewriting.tried && commit.origin.as_ref().is_some_and(|origin| origin.commit == rewriting.id) {
                return Ok(Some(Rewritten::Landed(version)));
            }
            // It has the version that ours was tried for, if it was, or a later one: ours is not there, and will not be.
            if let Some(why) = rewriting.forbidden_by(version, &commit) {
                return overlaps(why);
            }
            rewriting.seen = version;
        }
        Ok(None)
    }
}

fn rewrite_commit(
    state: &TableState,
    rewriting: &Rewriting,
    version: u64,
    now: i64,
    turn: Option<i64>,
) -> Result<Vec<u8>> {
    let (rewrite, current) = (&rewriting.rewrite, state.current()?);
    let timestamp = state.next_in_commit_timestamp(now)?;
    let mut info = commit_info(&*state.world, OPERATION, rewrite.parameters.clone(), now, timestamp);
    let origin = Origin { commit: rewriting.id.clone(), units: vec![], alterations: vec![] };
    info["commitInfo"]["isBlindAppend"] = false.into();
    info["commitInfo"]["readVersion"] = rewrite.version.into();
    info["commitInfo"]["operationMetrics"] = rewrite.metrics.clone();
    info["commitInfo"]["sluice"] = serde_json::to_value(origin).map_err(|e| broken(&e))?;
    let mut actions = vec![info];
    actions.extend(
        turn.map(|until| json!({"txn": {"appId": LEASE_APP_ID, "version": until, "lastUpdated": now}})),
    );
    actions.extend(rewrite.removed.iter().map(|file| remove_action(file, now)));
    let mut row_ids =
        current.protocol.features().contains(ROW_TRACKING).then(|| RowIds::after(current)).transpose()?;
    for file in &rewrite.added {
        let base = row_ids.as_mut().map(|ids| ids.give(file.rows)).transpose()?;
        actions.push(add_action(file, &rewrite.tags, base.map(|base| (base, version)))?);
    }
    actions.extend(row_ids.map(RowIds::domain));
    Ok(lines(&actions))
}

fn broken(error: &dyn std::fmt::Display) -> Error {
    Error::new(Code::NativePanic, format!("a commit of merged files: {error}"))
}

fn remove_action(file: &LiveFile, now: i64) -> Value {
    let mut remove = json!({
        "path": file.path,
        "deletionTimestamp": now,
        "dataChange": false,
        "extendedFileMetadata": true,
        "partitionValues": *file.partition_values,
        "size": file.size,
    });
    if let Some(vector) = &file.deletion_vector {
        remove["deletionVector"] = json!({
            "storageType": vector.storage_type.to_string(),
            "pathOrInlineDv": vector.path_or_inline_dv,
            "sizeInBytes": vector.size_in_bytes,
            "cardinality": vector.cardinality,
        });
        if let Some(offset) = vector.offset {
            remove["deletionVector"]["offset"] = offset.into();
        }
    }
    let tracked =
        [("baseRowId", file.base_row_id), ("defaultRowCommitVersion", file.default_row_commit_version)];
    for (key, value) in tracked {
        if let Some(value) = value {
            remove[key] = value.into();
        }
    }
    json!({ "remove": remove })
}

fn add_action(file: &StagedFile, tags: &Map<String, Value>, row_ids: Option<(i64, u64)>) -> Result<Value> {
    let values: Map<String, Value> =
        file.partition_values.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let mut add = json!({
        "path": file.add_path(),
        "partitionValues": values,
        "size": file.size,
        "modificationTime": file.modified,
        "dataChange": false,
        "stats": file.stats_json()?,
    });
    if !tags.is_empty() {
        add["tags"] = tags.clone().into();
    }
    if let Some((base, version)) = row_ids {
        add["baseRowId"] = base.into();
        add["defaultRowCommitVersion"] = version.into();
    }
    Ok(json!({ "add": add }))
}

/// Row ids for files, from behind the highest one that the table has given.
struct RowIds {
    highest: i64,
}

impl RowIds {
    fn after(current: &Current) -> Result<RowIds> {
        let Some(domain) = current.known.domain(ROW_TRACKING_DOMAIN) else {
            return Ok(RowIds { highest: -1 });
        };
        let highest = serde_json::from_str::<Value>(&domain.configuration)
            .ok()
            .and_then(|configuration| configuration.get(HIGH_WATER_MARK)?.as_i64());
        let highest = highest.ok_or_else(|| {
            let text = &domain.configuration;
            Error::new(Code::TableCorrupt, format!("{ROW_TRACKING_DOMAIN} has no {HIGH_WATER_MARK}: {text}"))
        })?;
        Ok(RowIds { highest })
    }

    /// The first of so many.
    fn give(&mut self, rows: u64) -> Result<i64> {
        let base = self.highest + 1;
        let rows = i64::try_from(rows).map_err(|e| broken(&e))?;
        self.highest = self.highest.checked_add(rows).ok_or_else(|| broken(&"no row ids are left"))?;
        Ok(base)
    }

    fn domain(self) -> Value {
        let domain = Domain {
            domain: ROW_TRACKING_DOMAIN.to_owned(),
            configuration: json!({ HIGH_WATER_MARK: self.highest }).to_string(),
            removed: false,
        };
        json!({ "domainMetadata": domain })
    }
}

#[cfg(test)]
mod tests;
