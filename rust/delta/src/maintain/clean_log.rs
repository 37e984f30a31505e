//! Deleting what of a log nobody may want to read any more, step by step as PROTOCOL.md, "Metadata Cleanup", has it. What goes beyond
//! that, or another source, is said where it is done.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use buoyant_kernel::Snapshot;
use buoyant_kernel::snapshot::SnapshotRef;
use object_store::ObjectStoreExt;
use serde_json::Value;
use sluice_core::table::interval;
use sluice_core::{Code, Error, Result};

use super::listing::{Kind, LogFile, Naming, SIDECARS};
use super::{Maintained, Progress, known_features};
use crate::features::{self, Protocol};
use crate::log::read_commit;
use crate::store::{UNFINISHED, delete_all, is_unfinished, object_path, root_path, store_error};

const DAY: i64 = 86_400_000;

const LAST_CHECKPOINT: &str = "_delta_log/_last_checkpoint";

/// Where the table does not say: `delta.logRetentionDuration` of Delta's documentation.
const RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// However short a time the table asks for. A writer who does not know of a commit that is gone could take its version once more, and
/// its rows would be lost; Sluice's look again after ten minutes.
const LEAST_RETENTION: Duration = Duration::from_secs(3600);

/// How many files are deleted before the next question whether to go on.
const AT_ONCE: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clean {
    /// Only tells what would be deleted.
    DryRun,
    Delete,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanedLog {
    /// The checkpoint from which versions can be read afterwards.
    pub from: Option<u64>,
    /// Why versions before it, or all, stay, where that is not for their age.
    pub kept: Option<String>,
    pub commits: u64,
    pub checkpoints: u64,
    pub checksums: u64,
    pub compacted: u64,
    pub sidecars: u64,
    /// What killed processes left of files that were not whole.
    pub unfinished: u64,
    pub bytes: u64,
    /// What was deleted, or would be, below the table's root.
    pub names: Vec<String>,
}

/// Goes by the properties of the snapshot, which has to be the newest.
pub fn clean_log(
    maintained: &Maintained,
    snapshot: &SnapshotRef,
    clean: Clean,
    progress: &dyn Progress,
) -> Result<CleanedLog> {
    let doing = format!("cannot clean up the log of {}", maintained.uri());
    known_features(snapshot, &doing)?;
    let table = Table::of(snapshot, &doing)?;
    if !table.wants_it {
        let why = "its property delta.enableExpiredLogCleanup is false";
        return Ok(CleanedLog { kept: Some(why.to_owned()), ..CleanedLog::default() });
    }
    let files = maintained.log_files(0)?;
    let now = now(maintained, files.iter().map(|file| file.modified));
    let cleaning = Cleaning { maintained, table, clean, progress };
    let mut cleaned = CleanedLog::default();
    cleaning.clean_unfinished(now, &mut cleaned)?;
    let kept = |why: &str, cleaned| CleanedLog { kept: Some(why.to_owned()), ..cleaned };
    let Some(cutoff) = cleaning.cutoff_commit(&files, midnight(now, cleaning.table.retention))? else {
        return Ok(kept("no version is older than its property delta.logRetentionDuration says", cleaned));
    };
    let cutoff = cleaning.named_checkpoint()?.map_or(cutoff, |named| cutoff.min(named));
    let Some(checkpoint) = cleaning.cutoff_checkpoint(&files, cutoff)? else {
        let why = "there is no whole checkpoint before its property delta.logRetentionDuration ends, or before the one that \
                   _last_checkpoint names";
        return Ok(kept(why, cleaned));
    };
    if cleaning.table.protected.is_some_and(|version| checkpoint < version) {
        let why = "the table feature checkpointProtection guards versions that are not to be deleted yet";
        return Ok(kept(why, cleaned));
    }
    cleaned.from = Some(checkpoint);
    cleaning.clean_versions(files, checkpoint, &mut cleaned)?;
    if !progress.is_stopped() {
        cleaning.clean_sidecars(checkpoint, now, &mut cleaned)?;
    }
    Ok(cleaned)
}

/// What the table says of its log.
struct Table {
    wants_it: bool,
    retention: Duration,
    /// The first version that has its time in its commit.
    in_commit_timestamps: Option<u64>,
    /// What comes before is deleted as a whole or not at all.
    protected: Option<u64>,
}

impl Table {
    fn of(snapshot: &Snapshot, doing: &str) -> Result<Table> {
        let protocol =
            Protocol::of(snapshot).map_err(|e| Error::new(Code::TableCorrupt, format!("{doing}: {e}")))?;
        let has = protocol.features();
        let properties = features::in_effect(snapshot.metadata_configuration(), &protocol);
        let is = |key: &str, value: &str| {
            properties.get(key).is_some_and(|given| given.trim().eq_ignore_ascii_case(value))
        };
        let illegible = |key: &str, text: &str| {
            Error::new(Code::TableUnsupported, format!("{doing}: its property {key} is {text:?}"))
        };
        let version = |key: &str| -> Result<u64> {
            let Some(text) = properties.get(key) else { return Ok(0) };
            text.trim().parse().map_err(|_| illegible(key, text))
        };
        let key = "delta.logRetentionDuration";
        let retention = match properties.get(key) {
            Some(text) => interval(text).ok_or_else(|| illegible(key, text))?,
            None => RETENTION,
        };
        let timed = is("delta.enableInCommitTimestamps", "true");
        let in_commit_timestamps =
            timed.then(|| version("delta.inCommitTimestampEnablementVersion")).transpose()?;
        // protocol_rfcs/checkpoint-protection.md, (a) and (c): all before that version is deleted in one go, or nothing. That all of
        // their protocols are known would do as well, and would take reading all commits.
        let protected = has
            .contains("checkpointProtection")
            .then(|| version("delta.requireCheckpointProtectionBeforeVersion"))
            .transpose()?;
        let wants_it = !is("delta.enableExpiredLogCleanup", "false");
        Ok(Table { wants_it, retention: retention.max(LEAST_RETENTION), in_commit_timestamps, protected })
    }
}

/// Not later than the store's own clock said last: with a clock of ours that is fast, what is young would look old. Where nothing is
/// written to a table, nothing is added that would have to go.
fn now(maintained: &Maintained, modified: impl Iterator<Item = i64>) -> i64 {
    let ours = maintained.world.epoch_millis();
    modified.max().map_or(ours, |newest| newest.min(ours))
}

/// Step 1: "midnight UTC of that day".
fn midnight(now: i64, retention: Duration) -> i64 {
    let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
    let then = now.saturating_sub(retention);
    then.saturating_sub(then.rem_euclid(DAY))
}

struct Cleaning<'a> {
    maintained: &'a Maintained,
    table: Table,
    clean: Clean,
    progress: &'a dyn Progress,
}

impl Cleaning<'_> {
    /// Step 1: "the newest commit not newer than the `cutOffTimestamp`".
    fn cutoff_commit(&self, files: &[LogFile], cutoff: i64) -> Result<Option<u64>> {
        let commits: Vec<_> = files.iter().filter(|file| file.kind == Kind::Commit).collect();
        let timed = self.table.in_commit_timestamps.unwrap_or(u64::MAX);
        let (untimed, timed) = commits.split_at(commits.partition_point(|commit| commit.version < timed));
        // "In-Commit Timestamps": from that version on the commit's own time counts, which only rises.
        let (mut low, mut high) = (0, timed.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.in_commit_timestamp(timed[middle].version)? <= cutoff {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if let Some(last) = low.checked_sub(1) {
            return Ok(Some(timed[last].version));
        }
        // The file's time may go back; a commit is taken for later than the one before it, as by every reader that travels in time.
        let (mut time, mut newest) = (i64::MIN, None);
        for commit in untimed {
            time = commit.modified.max(time.saturating_add(1));
            if time <= cutoff {
                newest = Some(commit.version);
            }
        }
        Ok(newest)
    }

    fn in_commit_timestamp(&self, version: u64) -> Result<i64> {
        let commit = read_commit(&*self.maintained.store, &*self.maintained.world, version)?;
        commit.info.in_commit_timestamp.ok_or_else(|| {
            let message = format!("version {version} of {} has no inCommitTimestamp", self.maintained.uri());
            Error::new(Code::TableCorrupt, message)
        })
    }

    /// What `_last_checkpoint` names stays, though there be a newer one that was made without it being told: there are readers that
    /// go straight to it, and have no other way when it is gone.
    fn named_checkpoint(&self) -> Result<Option<u64>> {
        let Maintained { store, world, .. } = self.maintained;
        let (path, objects) = (object_path(&root_path(&**store)?, LAST_CHECKPOINT)?, store.objects());
        match world.wait(async { objects.get(&path).await?.bytes().await }) {
            // Who cannot read it does without.
            Ok(text) => {
                Ok(serde_json::from_slice::<Value>(&text).ok().and_then(|hint| hint["version"].as_u64()))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(store_error(&format!("cannot read {LAST_CHECKPOINT}"), &error)),
        }
    }

    /// Step 2: "the newest checkpoint that is not newer than the `cutOffCommit`". Everything later is read by way of it, so that it has
    /// to be whole, with the commit of its version and each one behind it.
    fn cutoff_checkpoint(&self, files: &[LogFile], cutoff: u64) -> Result<Option<u64>> {
        let commits: HashSet<u64> =
            files.iter().filter(|file| file.kind == Kind::Commit).map(|file| file.version).collect();
        let newest = commits.iter().max().copied().unwrap_or_default();
        let mut by_version: BTreeMap<u64, Vec<&LogFile>> = BTreeMap::new();
        for file in files.iter().filter(|file| file.version <= cutoff) {
            if let Kind::Checkpoint(_) = file.kind {
                by_version.entry(file.version).or_default().push(file);
            }
        }
        let sidecars: HashSet<String> =
            self.maintained.in_folder(SIDECARS)?.into_iter().map(|(name, _, _)| name).collect();
        for (version, checkpoints) in by_version.into_iter().rev() {
            let whole = self.is_whole(&checkpoints, &sidecars)?
                && (version..=newest).all(|version| commits.contains(&version));
            if whole && self.is_readable(version) {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    /// Whether of the checkpoints of one version every one is there with all that belongs to it: which one a reader takes is its own choice.
    fn is_whole(&self, checkpoints: &[&LogFile], sidecars: &HashSet<String>) -> Result<bool> {
        let mut parts: BTreeMap<u32, HashSet<u32>> = BTreeMap::new();
        for file in checkpoints {
            if file.size == 0 {
                return Ok(false);
            }
            if let Kind::Checkpoint(Naming::Part { number, of }) = file.kind {
                parts.entry(of).or_default().insert(number);
            }
        }
        if !parts.iter().all(|(of, numbers)| (1..=*of).all(|number| numbers.contains(&number))) {
            return Ok(false);
        }
        match self.maintained.sidecars_of(checkpoints) {
            Ok(referenced) => Ok(referenced.is_subset(sidecars)),
            Err(error) if error.code == Code::TableCorrupt => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is_readable(&self, version: u64) -> bool {
        let read = self.maintained.at(version);
        read.is_ok_and(|snapshot| snapshot.log_segment().checkpoint_version == Some(version))
    }

    /// Step 3. The oldest first, so that what is left is without a hole if this is the end of it, but for [`AT_ONCE`]; of checkpoints a
    /// hole does not matter, and they come after the commits for `checkpointProtection`, (d). A compaction file tells of commits
    /// that go first of all.
    fn clean_versions(&self, files: Vec<LogFile>, checkpoint: u64, cleaned: &mut CleanedLog) -> Result<()> {
        let mut old = [const { Vec::new() }; 4];
        for file in files {
            let (rank, count, is_old) = match file.kind {
                Kind::Compacted(_) => (0, &mut cleaned.compacted, file.version <= checkpoint),
                Kind::Commit => (1, &mut cleaned.commits, file.version < checkpoint),
                Kind::Checksum => (2, &mut cleaned.checksums, file.version < checkpoint),
                Kind::Checkpoint(_) => (3, &mut cleaned.checkpoints, file.version < checkpoint),
            };
            if is_old {
                *count += 1;
                cleaned.bytes += file.size;
                old[rank].push(file.name());
            }
        }
        old.into_iter().try_for_each(|names| self.delete(names, cleaned))
    }

    /// Steps 4 and 5. Listed before the checkpoints are: a checkpoint that comes after that has younger sidecars, or those of one
    /// before it.
    fn clean_sidecars(&self, checkpoint: u64, now: i64, cleaned: &mut CleanedLog) -> Result<()> {
        let yesterday = midnight(now, Duration::from_millis(DAY as u64));
        let mut old = self.maintained.in_folder(SIDECARS)?;
        old.retain(|(_, modified, _)| *modified < yesterday);
        if old.is_empty() {
            return Ok(());
        }
        let files = self.maintained.log_files(checkpoint)?;
        let left: Vec<_> = files.iter().filter(|file| matches!(file.kind, Kind::Checkpoint(_))).collect();
        let referenced = self.maintained.sidecars_of(&left)?;
        old.retain(|(name, _, _)| !referenced.contains(name));
        cleaned.sidecars = old.len() as u64;
        cleaned.bytes += old.iter().map(|(_, _, size)| size).sum::<u64>();
        self.delete(old.into_iter().map(|(name, _, _)| format!("{SIDECARS}/{name}")).collect(), cleaned)
    }

    /// Not the protocol's: what Sluice itself leaves on a local file system, by the rule for sidecars.
    fn clean_unfinished(&self, now: i64, cleaned: &mut CleanedLog) -> Result<()> {
        let yesterday = midnight(now, Duration::from_millis(DAY as u64));
        let mut old = self.maintained.in_folder(UNFINISHED)?;
        old.retain(|(name, modified, _)| is_unfinished(name) && *modified < yesterday);
        cleaned.unfinished = old.len() as u64;
        cleaned.bytes += old.iter().map(|(_, _, size)| size).sum::<u64>();
        self.delete(old.into_iter().map(|(name, _, _)| format!("{UNFINISHED}/{name}")).collect(), cleaned)
    }

    fn delete(&self, names: Vec<String>, cleaned: &mut CleanedLog) -> Result<()> {
        if self.clean == Clean::Delete {
            self.progress.begin("files of the log", names.len() as u64);
            for names in names.chunks(AT_ONCE) {
                if self.progress.is_stopped() {
                    break;
                }
                delete_all(&*self.maintained.store, &*self.maintained.world, names)?;
                self.progress.advance(names.len() as u64);
            }
        }
        cleaned.names.extend(names);
        Ok(())
    }
}
