//! What upkeep of a worker's table is made of. Blocks; not for threads of the runtime.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use buoyant_kernel::snapshot::SnapshotRef;
use sluice_core::Result;
use sluice_core::settings::{Compaction, Compression, Maintenance, VacuumMode};
use sluice_core::task::Written;
use tokio::sync::mpsc;
use tracing::info;

use super::checkpoint::{self, checkpoint};
use super::checksum::checksum;
use super::clean_log::{Clean, clean_log};
use super::compact::{self, Ended, compact};
use super::compact_log::{self, compact_log};
use super::keep::ask;
use super::rewrite::{Rewrite, Rewriting};
use super::vacuum::{Vacuuming, vacuum};
use super::{Maintained, Progress};
use crate::budget::Budget;
use crate::measure::TableMeter;
use crate::measure::maintenance::{Deleted, Duty, Work};
use crate::serve::{Request, What};

/// Clean-up lists the whole log.
const BETWEEN_CLEAN_UPS: Duration = Duration::from_secs(3600);

/// How long files are merged before the log has its turn again.
const SLICE: Duration = Duration::from_secs(300);

/// What a task wants of a table's upkeep.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub maintenance: Maintenance,
    /// Of merged files.
    pub compression: Compression,
    /// How often rows are committed.
    pub commit_interval: Duration,
}

pub(crate) struct Duties {
    pub table: Maintained,
    pub budget: Arc<Budget>,
    pub meter: Arc<TableMeter>,
    /// The way to the table, as long as a task has it open.
    pub requests: mpsc::WeakUnboundedSender<Request>,
    cleaned: Mutex<Option<Instant>>,
}

impl Default for Wanted {
    fn default() -> Self {
        let (maintenance, commit_interval) = (Maintenance::default(), Duration::ZERO);
        Wanted { maintenance, compression: Compression::Zstd, commit_interval }
    }
}

/// How things are afterwards.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is nothing to do to the log before this version.
    Log {
        next: u64,
    },
    Compaction {
        more: bool,
    },
    Vacuum,
}

impl Progress for Duties {
    /// Nobody has the table open any more.
    fn is_stopped(&self) -> bool {
        self.requests.strong_count() == 0
    }
}

/// Some time.
struct Slice<'a> {
    of: &'a Duties,
    end: Instant,
}

impl Progress for Slice<'_> {
    fn is_stopped(&self) -> bool {
        self.of.is_stopped() || self.of.table.world.now() >= self.end
    }
}

impl Duties {
    pub fn new(
        table: Maintained,
        budget: Arc<Budget>,
        meter: Arc<TableMeter>,
        requests: mpsc::WeakUnboundedSender<Request>,
    ) -> Self {
        Duties { table, budget, meter, requests, cleaned: Mutex::default() }
    }

    /// None: there is something to do.
    pub fn look(&self, duty: Duty, wanted: &Wanted) -> Result<Option<Found>> {
        match duty {
            Duty::Log => {
                let snapshot = self.table.newest()?;
                let next = self.log_due_at(&snapshot, &wanted.maintenance)?;
                Ok((next > snapshot.version()).then_some(Found::Log { next }))
            }
            Duty::Compaction => match &wanted.maintenance.compaction {
                Some(compaction) if compact::is_due(&self.table, compaction, &self.budget)? => Ok(None),
                _ => Ok(Some(Found::Compaction { more: false })),
            },
            Duty::Vacuum => Ok(None),
        }
    }

    pub fn attend(&self, duty: Duty, wanted: &Wanted) -> Result<Found> {
        match duty {
            Duty::Log => self.keep_log(&wanted.maintenance),
            Duty::Compaction => {
                let compaction = wanted.maintenance.compaction.as_ref();
                let more = compaction.map(|compaction| self.compact(compaction, wanted.compression));
                Ok(Found::Compaction { more: more.transpose()?.unwrap_or(false) })
            }
            Duty::Vacuum => {
                self.vacuum(wanted.maintenance.vacuum)?;
                Ok(Found::Vacuum)
            }
        }
    }

    fn log_due_at(&self, snapshot: &SnapshotRef, wishes: &Maintenance) -> Result<u64> {
        let checkpoint = checkpoint::due_at(snapshot);
        self.meter.since_checkpoint(Some(checkpoint::commits_since(snapshot)));
        let last = snapshot.log_segment().checkpoint_version;
        match wishes.log_compaction_commits {
            // A file that is due no sooner than the checkpoint is not needed, and not looked for.
            Some(commits) if last.is_some_and(|last| last.saturating_add(commits.get()) >= checkpoint) => {
                Ok(checkpoint)
            }
            Some(commits) if checkpoint > snapshot.version() => {
                Ok(checkpoint.min(compact_log::due_at(&self.table, snapshot, commits)?))
            }
            _ => Ok(checkpoint),
        }
    }

    fn keep_log(&self, wishes: &Maintenance) -> Result<Found> {
        let mut snapshot = self.table.newest()?;
        if checkpoint::due_at(&snapshot) <= snapshot.version() {
            self.checkpoint(&snapshot)?;
            snapshot = self.table.newest()?;
            self.clean_log(&snapshot)?;
        } else if let Some(commits) = wishes.log_compaction_commits {
            let done = compact_log(&self.table, &snapshot, commits, self)?;
            self.meter.worked(&Work { log_compactions: done.files, ..Work::default() });
        }
        Ok(Found::Log { next: self.log_due_at(&snapshot, wishes)? })
    }

    fn checkpoint(&self, snapshot: &SnapshotRef) -> Result<()> {
        let done = checkpoint(&self.table, snapshot, self)?;
        if done.written {
            let (uri, version, bytes) = (self.table.uri(), done.version, done.bytes);
            info!("checkpoint of version {version} of table {uri}: {bytes} bytes");
        }
        self.meter.worked(&Work { checkpoints: done.written.into(), ..Work::default() });
        let done = checksum(&self.table, done.version)?;
        self.meter.worked(&Work { checksums: done.written.into(), ..Work::default() });
        Ok(())
    }

    fn clean_log(&self, snapshot: &SnapshotRef) -> Result<()> {
        let mut cleaned = self.cleaned.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.table.world.now();
        if cleaned.is_some_and(|last| now - last < BETWEEN_CLEAN_UPS) {
            return Ok(());
        }
        let done = clean_log(&self.table, snapshot, Clean::Delete, self)?;
        *cleaned = Some(now);
        let deleted = Deleted { files: done.names.len() as u64, bytes: done.bytes };
        if deleted.files > 0 {
            let (uri, from) = (self.table.uri(), done.from.unwrap_or_default());
            info!("cleaned up the log of table {uri}, {} files: it begins at version {from}", deleted.files);
        }
        self.meter.worked(&Work { log_deleted: deleted, ..Work::default() });
        Ok(())
    }

    /// Whether there may be more to merge.
    fn compact(&self, compaction: &Compaction, compression: Compression) -> Result<bool> {
        let uri = self.table.uri();
        let mut commit = |rewrite: Rewrite| {
            let rewriting = Box::new(Rewriting::new(rewrite, self.table.world.uuid()));
            self.table.world.wait(ask(&self.requests, |reply| What::Rewrite(rewriting, reply)))
        };
        let budget = Some(&self.budget);
        let slice = Slice { of: self, end: self.table.world.now() + SLICE };
        let done = compact(&self.table, compaction, compression, budget, &mut commit, &slice)?;
        if done.commits > 0 {
            let (files, merged) = (done.removed_files, done.added_files);
            info!("merged {files} files of table {uri} into {merged}, {} rows", done.rows);
        }
        match &done.ended {
            Ended::Done | Ended::Stopped => {}
            Ended::NoMemory => info!("merging files of {uri} goes on later: rows need the memory"),
            Ended::Conflicts(why) => info!("merging files of {uri} goes on later: {why}"),
        }
        let sum = |files, bytes| Written { files, bytes, rows: done.rows };
        self.meter.worked(&Work {
            merges: done.commits,
            overlaps: done.conflicts,
            merged: sum(done.removed_files, done.removed_bytes),
            merged_into: sum(done.added_files, done.added_bytes),
            ..Work::default()
        });
        Ok(done.ended == Ended::Stopped)
    }

    fn vacuum(&self, mode: VacuumMode) -> Result<()> {
        let vacuuming = Vacuuming { delete: mode == VacuumMode::Delete, ..Vacuuming::default() };
        let done = vacuum(&self.table, &vacuuming, self)?;
        let (uri, found) = (self.table.uri(), done.found);
        let deleted = Deleted { files: done.deleted.files, bytes: done.deleted.bytes };
        match mode {
            VacuumMode::Delete => {
                info!("vacuumed table {uri}: {} files, {} bytes", deleted.files, deleted.bytes);
            }
            _ => info!(
                "vacuum of table {uri} would delete {} files, {} bytes (delta.vacuum.mode=dry-run)",
                found.files, found.bytes
            ),
        }
        self.meter.worked(&Work { vacuumed: deleted, ..Work::default() });
        Ok(())
    }
}
