//! The files of a table's log: what their names say, and which versions can be read by those that are there.

use std::collections::{BTreeMap, BTreeSet};

/// A file below the table's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    Commit(u64),
    Checkpoint(u64),
    Sidecar,
    LastCheckpoint,
    Checksum(u64),
    /// Of these versions, both included.
    Compacted(u64, u64),
    /// Hidden, or of no meaning.
    Other,
    Data,
}

impl Name {
    pub fn of(name: &str) -> Name {
        let Some(name) = name.strip_prefix("_delta_log/") else {
            let is_hidden = name.split('/').any(|part| part.starts_with(['_', '.']));
            return if is_hidden { Name::Other } else { Name::Data };
        };
        if name == "_last_checkpoint" {
            return Name::LastCheckpoint;
        }
        if name.starts_with("_sidecars/") {
            return Name::Sidecar;
        }
        let words: Vec<&str> = name.split('.').collect();
        let number = |word: &str| word.parse().ok().filter(|_| word.len() == 20);
        match *words {
            [version, "json"] => number(version).map(Name::Commit),
            [version, "crc"] => number(version).map(Name::Checksum),
            [version, "checkpoint", "parquet"] => number(version).map(Name::Checkpoint),
            [from, to, "compacted", "json"] => {
                number(from).zip(number(to)).map(|(from, to)| Name::Compacted(from, to))
            }
            _ => None,
        }
        .unwrap_or(Name::Other)
    }
}

/// What of a log is there.
#[derive(Debug, Default)]
pub struct Files {
    pub commits: BTreeSet<u64>,
    /// With their sidecars.
    pub checkpoints: BTreeMap<u64, Vec<String>>,
    /// What `_last_checkpoint` names.
    pub hinted: Option<u64>,
}

impl Files {
    /// What is missing to read a version.
    pub fn missing_of(&self, version: u64) -> Option<String> {
        let checkpoint = self.checkpoints.range(..=version).next_back().map(|(checkpoint, _)| *checkpoint);
        let from = checkpoint.map_or(0, |checkpoint| checkpoint + 1);
        let missing = (from..=version).find(|version| !self.commits.contains(version))?;
        let after = checkpoint.map_or("no checkpoint".into(), |version| format!("checkpoint {version}"));
        Some(format!("commit {missing} is not there, after {after}"))
    }

    /// `_last_checkpoint` names one that is there.
    pub fn check_hint(&self) -> Result<(), String> {
        match self.hinted {
            Some(version) if !self.checkpoints.contains_key(&version) => {
                Err(format!("upkeep: _last_checkpoint names checkpoint {version}, which is not there"))
            }
            _ => Ok(()),
        }
    }

    pub fn has_sidecar(&self, name: &str) -> bool {
        self.checkpoints.values().flatten().any(|sidecar| name.ends_with(sidecar.as_str()))
    }
}
