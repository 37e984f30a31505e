//! Log compaction files: several commits in one file, for readers who then have fewer files to read (PROTOCOL.md, "Log Compaction Files").
//!
//! Not by the kernel, whose writer forgets removed files after some time, as a checkpoint may. Here that would be wrong: the file may
//! have been added before the first of these commits, and would be there again. Its readers of such files are switched off, besides.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroU64;

use buoyant_kernel::snapshot::SnapshotRef;
use object_store::ObjectStoreExt;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sluice_core::{Code, Error, Result};

use super::engine::LogWriter;
use super::listing::{Kind, LOG, LogFile};
use super::{Maintained, Progress, known_features};
use crate::store::{commit_name, commit_path, root_path, store_error};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactedLog {
    /// Written now.
    pub files: u64,
    pub bytes: u64,
    /// Those that are in them.
    pub commits: u64,
}

/// Puts so many commits each into one file, as far as there are as many since the last checkpoint. Before it, readers do not need them.
pub fn compact_log(
    maintained: &Maintained,
    snapshot: &SnapshotRef,
    commits: NonZeroU64,
    progress: &dyn Progress,
) -> Result<CompactedLog> {
    known_features(snapshot, &format!("cannot compact the log of {}", maintained.uri()))?;
    let checkpoint = snapshot.log_segment().checkpoint_version;
    let files = maintained.log_files(checkpoint.map_or(0, |version| version + 1))?;
    let due = due(&files, snapshot.version(), commits);
    let mut done = CompactedLog::default();
    progress.begin("log compaction files", due.len() as u64);
    for (from, to) in due.into_iter().take_while(|_| !progress.is_stopped()) {
        let bytes = compact(maintained, from, to)?;
        done.files += 1;
        done.bytes += bytes;
        done.commits += to - from + 1;
        progress.advance(1);
    }
    Ok(done)
}

/// The version that is the last one of the next file.
pub(crate) fn due_at(maintained: &Maintained, snapshot: &SnapshotRef, commits: NonZeroU64) -> Result<u64> {
    let checkpoint = snapshot.log_segment().checkpoint_version;
    let files = maintained.log_files(checkpoint.map_or(0, |version| version + 1))?;
    let from = next_from(&files, snapshot.version()).unwrap_or(snapshot.version() + 1);
    Ok(from.saturating_add(commits.get().max(2) - 1))
}

/// The first version that is in no such file.
fn next_from(files: &[LogFile], newest: u64) -> Option<u64> {
    let (mut first, mut compacted) = (None, None);
    for file in files.iter().filter(|file| file.version <= newest) {
        match file.kind {
            Kind::Commit => first = first.or(Some(file.version)),
            Kind::Compacted(to) if file.version < to && file.size > 0 => compacted = compacted.max(Some(to)),
            _ => {}
        }
    }
    compacted.map(|to| to + 1).or(first)
}

/// First and last versions of the files to write: right behind what is in such a file already, so that none has a commit twice.
fn due(files: &[LogFile], newest: u64, commits: NonZeroU64) -> Vec<(u64, u64)> {
    let mut wanted = Vec::new();
    let Some(mut from) = next_from(files, newest) else { return wanted };
    // One commit has nothing to be put together with.
    let more = commits.get().max(2) - 1;
    while let Some(to) = from.checked_add(more).filter(|to| *to <= newest) {
        wanted.push((from, to));
        from = to + 1;
    }
    wanted
}

fn compact(maintained: &Maintained, from: u64, to: u64) -> Result<u64> {
    let writer = LogWriter::of(maintained, to)?;
    let mut state = Reconciled::default();
    let (root, objects) = (root_path(&*maintained.store)?, maintained.store.objects());
    for version in from..=to {
        let path = commit_path(&root, version);
        let text = maintained.world.wait(async { objects.get(&path).await?.bytes().await });
        let text = text.map_err(|e| store_error(&format!("cannot read {}", commit_name(version)), &e))?;
        let text = std::str::from_utf8(&text).map_err(|e| damaged(version, &e.to_string()))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            state.add(line).map_err(|why| damaged(version, &why))?;
        }
    }
    let name = format!("{LOG}/{from:020}.{to:020}.compacted.json");
    let mut file = writer.create(&name)?;
    for line in state.lines() {
        file.write_all(line.as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .map_err(|e| store_error(&format!("cannot write {name}"), &e))?;
    }
    writer.finish(file)
}

fn damaged(version: u64, why: &str) -> Error {
    Error::new(Code::TableCorrupt, format!("{} cannot be compacted: {why}", commit_name(version)))
}

/// What actions come to, by PROTOCOL.md, "Action Reconciliation". All that says that something is gone stays: what it takes away may have
/// come before the first of these commits.
#[derive(Default)]
struct Reconciled {
    /// Each action as it was written, with all its fields, and when.
    actions: HashMap<Key, (usize, String)>,
    seen: usize,
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Protocol,
    Metadata,
    Txn(String),
    Domain(String),
    /// A file as it is with a deletion vector, or with none: the last word on it is that it was added, or that it was removed.
    File(String, Option<(String, String, Option<i32>)>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    protocol: Option<IgnoredAny>,
    meta_data: Option<IgnoredAny>,
    txn: Option<Txn>,
    domain_metadata: Option<Domain>,
    add: Option<File>,
    remove: Option<File>,
    commit_info: Option<IgnoredAny>,
    cdc: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Txn {
    app_id: String,
}

#[derive(Deserialize)]
struct Domain {
    domain: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    path: String,
    deletion_vector: Option<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    storage_type: String,
    path_or_inline_dv: String,
    offset: Option<i32>,
}

impl Action {
    /// None: it is about a commit only, not about the table.
    fn key(self) -> Result<Option<Key>, String> {
        Ok(Some(match self {
            Action { protocol: Some(_), .. } => Key::Protocol,
            Action { meta_data: Some(_), .. } => Key::Metadata,
            Action { txn: Some(txn), .. } => Key::Txn(txn.app_id),
            Action { domain_metadata: Some(domain), .. } => Key::Domain(domain.domain),
            Action { add: Some(file), .. } | Action { remove: Some(file), .. } => {
                let vector =
                    file.deletion_vector.map(|of| (of.storage_type, of.path_or_inline_dv, of.offset));
                // Writers encode paths differently.
                let path = percent_decode_str(&file.path).decode_utf8().map_err(|e| e.to_string())?;
                Key::File(path.into_owned(), vector)
            }
            Action { commit_info: Some(_), .. } | Action { cdc: Some(_), .. } => return Ok(None),
            _ => return Err("it has an action that Sluice does not know".to_owned()),
        }))
    }
}

impl Reconciled {
    /// The next one.
    fn add(&mut self, line: &str) -> Result<(), String> {
        let several: HashMap<String, IgnoredAny> = serde_json::from_str(line).map_err(|e| e.to_string())?;
        if several.len() != 1 {
            return Err(format!("a line has {} actions", several.len()));
        }
        let action: Action = serde_json::from_str(line).map_err(|e| e.to_string())?;
        let Some(key) = action.key()? else { return Ok(()) };
        self.seen += 1;
        let last = (self.seen, line.to_owned());
        match self.actions.entry(key) {
            Entry::Occupied(mut known) => *known.get_mut() = last,
            Entry::Vacant(new) => {
                new.insert(last);
            }
        }
        Ok(())
    }

    /// In the order in which they were written: some readers take the last word on a path, others do not mind.
    fn lines(self) -> impl Iterator<Item = String> {
        let mut actions: Vec<_> = self.actions.into_values().collect();
        actions.sort_unstable_by_key(|(when, _)| *when);
        actions.into_iter().map(|(_, line)| line)
    }
}
