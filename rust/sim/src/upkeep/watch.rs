//! Sees what is put into a table's folder and what is deleted there, and holds against it what the commits say.

use std::collections::HashMap;

use object_store::path::Path;
use serde_json::Value;

use super::Upkeep;
use super::actions::{self, Key, State};
use super::log::{Files, Name};
use crate::bucket::{Bucket, Change, Put};
use crate::machine::{Millis, ProcessId, Sim};

type Checked<T> = Result<T, String>;

/// What was done to tables.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// Commits that move rows into other files.
    pub merges: u64,
    pub checkpoints: u64,
    pub checksums: u64,
    pub log_compactions: u64,
    /// Files of the log.
    pub log_deleted: u64,
    /// Data files.
    pub vacuumed: u64,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        let Tally { merges, checkpoints, checksums, log_compactions, log_deleted, vacuumed } = other;
        self.merges += merges;
        self.checkpoints += checkpoints;
        self.checksums += checksums;
        self.log_compactions += log_compactions;
        self.log_deleted += log_deleted;
        self.vacuumed += vacuumed;
    }
}

/// How much too early something may seem old: times of files are in whole seconds.
const SLACK: i64 = 1_000;

pub struct Watch {
    sim: Sim,
    /// Below the bucket's root.
    table: String,
    upkeep: Upkeep,
    /// The table forgets offsets.
    forgets: bool,
    /// By version.
    said: Vec<Vec<(Key, Value)>>,
    landed: Vec<Millis>,
    newest: State,
    /// Of files that are not live any more, as the `remove` says.
    removed_at: HashMap<String, i64>,
    files: Files,
    pub tally: Tally,
}

impl Watch {
    pub fn new(sim: Sim, table: &str, upkeep: Upkeep, forgets: bool) -> Watch {
        Watch {
            sim,
            table: table.to_owned(),
            upkeep,
            forgets,
            said: Vec::new(),
            landed: Vec::new(),
            newest: State::default(),
            removed_at: HashMap::new(),
            files: Files::default(),
            tally: Tally::default(),
        }
    }

    /// A commit has landed.
    pub fn commit(&mut self, actions: &[Value]) {
        let said: Vec<_> = actions.iter().filter_map(actions::read).collect();
        let is_merge = actions.iter().any(|action| action["commitInfo"]["operation"] == "OPTIMIZE");
        self.tally.merges += u64::from(is_merge);
        for ((kind, path), said) in &said {
            match *kind {
                "add" => drop(self.removed_at.remove(path)),
                "remove" => {
                    let at = said["deletionTimestamp"].as_i64().unwrap_or(0);
                    self.removed_at.insert(path.clone(), at);
                }
                _ => {}
            }
        }
        said.iter().for_each(|said| self.newest.take(said.clone()));
        self.said.push(said);
        self.landed.push(self.sim.now());
    }

    /// When files were removed that are not live any more, as the log says.
    pub fn removed_at(&self) -> &HashMap<String, i64> {
        &self.removed_at
    }

    fn at(&self, version: u64) -> Checked<State> {
        let of_version = self.said.get(..=version as usize);
        let said = of_version.ok_or_else(|| format!("upkeep: there is no version {version} yet"))?;
        let mut state = State::default();
        said.iter().flatten().for_each(|said| state.take(said.clone()));
        Ok(state)
    }

    /// What app ids have, unless the table may forget it.
    pub fn txns(&self) -> Option<Vec<(String, i64)>> {
        let txns = self.newest.of_kind("txn");
        let txns = txns.filter_map(|(app_id, said)| Some((app_id.to_owned(), said["version"].as_i64()?)));
        (!self.forgets).then(|| txns.collect())
    }

    /// Whether readers may count on reading a version.
    pub fn is_retained(&self, version: u64) -> bool {
        let Ok(state) = self.at(version) else { return false };
        let now = self.sim.epoch_millis();
        let is_kept = |(path, _): (&str, &Value)| {
            let removed = self.removed_at.get(path);
            removed.is_none_or(|at| now + SLACK < at + self.upkeep.file_retention as i64)
        };
        let is_newest = version as usize + 1 == self.said.len();
        (is_newest || (self.sim.now() as i64) < self.log_until(version)) && state.of_kind("add").all(is_kept)
    }

    fn log_until(&self, version: u64) -> i64 {
        let landed = self.landed.get(version as usize).copied().unwrap_or_default();
        (landed + self.upkeep.log_retention) as i64 - SLACK
    }

    pub fn changed(&mut self, change: &Change, bucket: &Bucket) -> Checked<()> {
        let path = match change {
            Change::Put(path) | Change::Deleted { path, .. } => path,
        };
        let Some(name) = path.as_ref().strip_prefix(&format!("{}/", self.table)).map(str::to_owned) else {
            return Ok(());
        };
        match change {
            Change::Put(path) => self.put(&name, path, bucket),
            Change::Deleted { put, by, .. } => self.deleted(&name, *put, *by),
        }
        .map_err(|broken| format!("{broken}, at {name}"))
    }

    fn put(&mut self, name: &str, path: &Path, bucket: &Bucket) -> Checked<()> {
        let Some(content) = bucket.read(path) else { return Ok(()) };
        match Name::of(name) {
            Name::Commit(version) => {
                self.files.commits.insert(version);
                Ok(())
            }
            Name::Checkpoint(version) => {
                self.trace(|| format!("has a checkpoint of version {version}"));
                let mut all = actions::of_parquet(content)?;
                let sidecar = |action: &Value| Some(action.pointer("/sidecar/path")?.as_str()?.to_owned());
                let sidecars: Vec<String> = all.iter().filter_map(sidecar).collect();
                for sidecar in &sidecars {
                    let path = Path::from(format!("{}/_delta_log/_sidecars/{sidecar}", self.table));
                    let missing = || format!("upkeep: sidecar {sidecar} is not there");
                    all.extend(actions::of_parquet(bucket.read(&path).ok_or_else(missing)?)?);
                }
                self.check_checkpoint(version, &all)?;
                self.tally.checkpoints += 1;
                self.files.checkpoints.insert(version, sidecars);
                Ok(())
            }
            Name::LastCheckpoint => {
                let hint: Value =
                    serde_json::from_slice(&content).map_err(|e| format!("upkeep: no hint: {e}"))?;
                self.files.hinted = hint["version"].as_u64();
                self.files.check_hint()
            }
            Name::Checksum(version) => {
                self.tally.checksums += 1;
                self.check_checksum(version, &content)
            }
            Name::Compacted(from, to) => {
                self.tally.log_compactions += 1;
                self.check_compacted(from, to, &content)
            }
            Name::Sidecar | Name::Other | Name::Data => Ok(()),
        }
    }

    fn trace(&self, line: impl FnOnce() -> String) {
        self.sim.trace(|| format!("{} {}", self.table, line()));
    }

    fn deleted(&mut self, name: &str, put: Put, by: ProcessId) -> Checked<()> {
        let name_says = Name::of(name);
        match &name_says {
            Name::Data => self.tally.vacuumed += 1,
            Name::Other => {}
            _ => self.tally.log_deleted += 1,
        }
        match name_says {
            Name::Commit(version) => {
                self.trace(|| format!("loses commit {version} by process {by}"));
                self.files.commits.remove(&version);
                self.check_log()
            }
            Name::Checkpoint(version) => {
                self.trace(|| format!("loses checkpoint {version} by process {by}"));
                self.files.checkpoints.remove(&version);
                self.files.check_hint()?;
                self.check_log()
            }
            Name::Sidecar if self.files.has_sidecar(name) => {
                Err("upkeep: a sidecar is deleted whose checkpoint is there".into())
            }
            Name::Data => {
                self.trace(|| format!("loses {name} by process {by}"));
                self.check_data(name, put, by)
            }
            _ => Ok(()),
        }
    }

    fn check_data(&self, name: &str, put: Put, by: ProcessId) -> Checked<()> {
        let now = self.sim.epoch_millis();
        let is_old = |since: i64| now + SLACK >= since + self.upkeep.file_retention as i64;
        if self.newest.0.contains_key(&("add", name.to_owned())) {
            return Err("upkeep: a live file is deleted".into());
        }
        match self.removed_at.get(name) {
            Some(at) if !is_old(*at) => {
                Err(format!("upkeep: a file is deleted {} ms after it was removed", now - at))
            }
            // Who has put it may know that nothing will refer to it.
            None if by != put.by && !is_old(put.modified) => Err(format!(
                "upkeep: a file that no commit refers to is deleted, {} ms after process {} put it",
                now - put.modified,
                put.by
            )),
            _ => Ok(()),
        }
    }

    /// Each version within retention, and the newest one, can be read.
    fn check_log(&self) -> Checked<()> {
        let newest = self.said.len().saturating_sub(1) as u64;
        let placed = self.files.commits.last().copied().unwrap_or(0).min(newest);
        let now = self.sim.now() as i64;
        let retained = (0..=placed).rev().take_while(|v| *v == placed || now < self.log_until(*v));
        for version in retained {
            if let Some(missing) = self.files.missing_of(version) {
                let age = self.sim.now() - self.landed[version as usize];
                return Err(format!(
                    "upkeep: version {version} cannot be read {age} ms after it landed: {missing}"
                ));
            }
        }
        Ok(())
    }

    fn check_checkpoint(&self, version: u64, actions: &[Value]) -> Checked<()> {
        let mut found = State::default();
        for said in actions.iter().filter_map(actions::read) {
            if found.0.insert(said.0.clone(), said.1).is_some() {
                return Err(format!("upkeep: checkpoint {version} has {:?} twice", said.0));
            }
        }
        self.check_state(&format!("checkpoint {version}"), &self.at(version)?, &found)
    }

    fn check_compacted(&self, from: u64, to: u64, content: &[u8]) -> Checked<()> {
        let (mut expected, mut found) = (State::default(), State::default());
        let range = self.said.get(from as usize..=to as usize);
        let range = range.ok_or_else(|| format!("upkeep: versions {from} to {to} are not all there"))?;
        range.iter().flatten().for_each(|said| expected.take(said.clone()));
        actions::of_lines(content)?.iter().filter_map(actions::read).for_each(|said| found.take(said));
        self.check_state("a log compaction", &expected, &found)
    }

    /// Only what has expired may be missing.
    fn check_state(&self, what: &str, expected: &State, found: &State) -> Checked<()> {
        let now = self.sim.epoch_millis();
        let may_be_missing = |(kind, _): &Key, said: &Value| match *kind {
            "remove" => {
                let at = said["deletionTimestamp"].as_i64().unwrap_or(0);
                now + SLACK >= at + self.upkeep.file_retention as i64
            }
            "txn" => self.forgets,
            "domainMetadata" => said["removed"] == true,
            _ => false,
        };
        for (key, said) in &expected.0 {
            match found.0.get(key) {
                None if may_be_missing(key, said) => {}
                there if there == Some(said) => {}
                there => {
                    return Err(format!("upkeep: {what} says of {key:?} {there:?}, and the commits {said}"));
                }
            }
        }
        let more = found.0.iter().find(|(key, _)| !expected.0.contains_key(*key));
        more.map_or(Ok(()), |(key, said)| {
            Err(format!("upkeep: {what} says of {key:?} {said}, and no commit"))
        })
    }

    fn check_checksum(&self, version: u64, content: &[u8]) -> Checked<()> {
        let crc: Value = serde_json::from_slice(content).map_err(|e| format!("upkeep: no checksum: {e}"))?;
        let state = self.at(version)?;
        let differs = |what: &str, found: &Value, expected: &dyn std::fmt::Debug| {
            Err(format!("upkeep: the checksum of version {version} has {what} {found}, not {expected:?}"))
        };
        let sizes: Vec<i64> = state.of_kind("add").filter_map(|(_, add)| add["size"].as_i64()).collect();
        if crc["numFiles"].as_u64() != Some(sizes.len() as u64) {
            return differs("numFiles", &crc["numFiles"], &sizes.len());
        }
        let bytes = sizes.iter().sum::<i64>();
        if crc["tableSizeBytes"].as_i64() != Some(bytes) {
            return differs("tableSizeBytes", &crc["tableSizeBytes"], &bytes);
        }
        for (field, kind) in [("metadata", "metaData"), ("protocol", "protocol")] {
            let found = actions::read(&serde_json::json!({ kind: crc[field] })).map(|(_, said)| said);
            let expected = state.0.get(&(kind, String::new()));
            if found.as_ref() != expected {
                return differs(field, &crc[field], &expected);
            }
        }
        for (field, kind) in
            [("setTransactions", "txn"), ("domainMetadata", "domainMetadata"), ("allFiles", "add")]
        {
            let Some(listed) = crc[field].as_array() else { continue };
            let listed = listed.iter().filter_map(|of| actions::read(&serde_json::json!({ kind: of })));
            let found = State(listed.collect());
            let of_kind = state.0.iter().filter(|((of, _), _)| *of == kind);
            let expected = State(of_kind.map(|(key, said)| (key.clone(), said.clone())).collect());
            self.check_state(&format!("the checksum of version {version}"), &expected, &found)?;
        }
        Ok(())
    }
}
