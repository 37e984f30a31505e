//! What upkeep of a worker's table is made of. Blocks; not for threads of the runtime.

use std::num::NonZeroU64;
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
use super::clean_log::clean_log;
use super::compact::{self, Ended, compact};
use super::compact_log::{self, compact_log};
use super::keep::ask;
use super::rewrite::{Rewrite, Rewriting};
use super::schedule::Duty;
use super::vacuum::{Vacuuming, vacuum};
use super::{Maintained, Progress};
use crate::budget::Budget;
use crate::measure::TableMeter;
use crate::measure::maintenance::{Job, Work};
use crate::serve::{Request, What};

/// Clean-up lists the whole log.
const BETWEEN_CLEAN_UPS: Duration = Duration::from_secs(3600);

/// What a task wants of a table's upkeep.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub maintenance: Maintenance,
    /// Of merged files.
    pub compression: Compression,
}

pub(crate) struct Duties {
    pub table: Maintained,
    pub budget: Arc<Budget>,
    pub meter: Arc<TableMeter>,
    /// The way to the table, as long as a task has it open.
    pub requests: mpsc::WeakUnboundedSender<Request>,
    cleaned: Mutex<Option<Instant>>,
}

/// How things are afterwards.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is nothing to do to the log before this version.
    Log {
        next: u64,
    },
    Compaction,
    Vacuum,
}

impl Progress for Duties {
    /// Nobody has the table open any more.
    fn is_stopped(&self) -> bool {
        self.requests.strong_count() == 0
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
            Duty::Log => self.counted(Job::Checkpoint, || {
                let snapshot = self.table.newest()?;
                self.meter.since_checkpoint(Some(checkpoint::commits_since(&snapshot)));
                let next = self.log_due_at(&snapshot, &wanted.maintenance)?;
                Ok(((next > snapshot.version()).then_some(Found::Log { next }), Work::default()))
            }),
            Duty::Compaction => self.counted(Job::Compaction, || {
                let due = match &wanted.maintenance.compaction {
                    Some(compaction) => compact::is_due(&self.table, compaction, &self.budget)?,
                    None => false,
                };
                Ok(((!due).then_some(Found::Compaction), Work::default()))
            }),
            Duty::Vacuum => Ok(None),
        }
    }

    pub fn attend(&self, duty: Duty, wanted: &Wanted) -> Result<Found> {
        match duty {
            Duty::Log => self.keep_log(&wanted.maintenance),
            Duty::Compaction => {
                if let Some(compaction) = &wanted.maintenance.compaction {
                    self.counted(Job::Compaction, || self.compact(compaction, wanted.compression))?;
                }
                Ok(Found::Compaction)
            }
            Duty::Vacuum => {
                self.counted(Job::Vacuum, || self.vacuum(wanted.maintenance.vacuum))?;
                Ok(Found::Vacuum)
            }
        }
    }

    fn counted<T>(&self, job: Job, work: impl FnOnce() -> Result<(T, Work)>) -> Result<T> {
        let begun = self.table.world.now();
        let done = work();
        let time = self.table.world.now().saturating_duration_since(begun);
        match &done {
            Ok((_, work)) => self.meter.maintained(job, time, work),
            Err(_) => self.meter.maintenance_failed(job, time),
        }
        done.map(|(done, _)| done)
    }

    fn log_due_at(&self, snapshot: &SnapshotRef, wishes: &Maintenance) -> Result<u64> {
        let checkpoint = checkpoint::due_at(snapshot);
        match wishes.log_compaction_commits {
            Some(commits) if checkpoint > snapshot.version() => {
                Ok(checkpoint.min(compact_log::due_at(&self.table, snapshot, commits)?))
            }
            _ => Ok(checkpoint),
        }
    }

    fn keep_log(&self, wishes: &Maintenance) -> Result<Found> {
        let mut snapshot = self.table.newest()?;
        if checkpoint::due_at(&snapshot) <= snapshot.version() {
            self.counted(Job::Checkpoint, || self.checkpoint(&snapshot))?;
            self.counted(Job::Checksum, || self.checksum(snapshot.version()))?;
            if self.is_clean_up_due() {
                self.counted(Job::LogCleanUp, || self.clean_log())?;
            }
            snapshot = self.table.newest()?;
        } else if let Some(commits) = wishes.log_compaction_commits {
            self.counted(Job::LogCompaction, || self.compact_log(&snapshot, commits))?;
        }
        self.meter.since_checkpoint(Some(checkpoint::commits_since(&snapshot)));
        Ok(Found::Log { next: self.log_due_at(&snapshot, wishes)?.max(snapshot.version() + 1) })
    }

    fn checkpoint(&self, snapshot: &SnapshotRef) -> Result<((), Work)> {
        let done = checkpoint(&self.table, snapshot, self)?;
        if done.written {
            let (uri, version, bytes) = (self.table.uri(), done.version, done.bytes);
            info!("checkpoint of version {version} of table {uri}: {bytes} bytes");
        }
        Ok(((), Work { done: done.written.into(), ..Work::default() }))
    }

    fn checksum(&self, version: u64) -> Result<((), Work)> {
        let done = checksum(&self.table, version)?;
        Ok(((), Work { done: done.written.into(), ..Work::default() }))
    }

    fn compact_log(&self, snapshot: &SnapshotRef, commits: NonZeroU64) -> Result<((), Work)> {
        let done = compact_log(&self.table, snapshot, commits, self)?;
        Ok(((), Work { done: done.files, ..Work::default() }))
    }

    fn is_clean_up_due(&self) -> bool {
        let cleaned = self.cleaned.lock().unwrap_or_else(PoisonError::into_inner);
        cleaned.is_none_or(|last| self.table.world.now() - last >= BETWEEN_CLEAN_UPS)
    }

    fn clean_log(&self) -> Result<((), Work)> {
        let done = clean_log(&self.table, false, self)?;
        *self.cleaned.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.table.world.now());
        if done.files > 0 {
            let (uri, files, first) = (self.table.uri(), done.files, done.first_version);
            info!("cleaned up the log of table {uri}: {files} files; it begins at version {first:?}");
        }
        let work = Work {
            done: (done.files > 0).into(),
            deleted_files: done.files,
            deleted_bytes: done.bytes,
            ..Work::default()
        };
        Ok(((), work))
    }

    fn compact(&self, compaction: &Compaction, compression: Compression) -> Result<((), Work)> {
        let uri = self.table.uri();
        let mut commit = |rewrite: Rewrite| {
            let rewriting = Box::new(Rewriting::new(rewrite, self.table.world.uuid()));
            self.table.world.wait(ask(&self.requests, |reply| What::Rewrite(rewriting, reply)))
        };
        let budget = Some(&self.budget);
        let done = compact(&self.table, compaction, compression, budget, &mut commit, self)?;
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
        let work = Work {
            done: done.commits,
            overlaps: done.conflicts,
            merged: sum(done.removed_files, done.removed_bytes),
            merged_into: sum(done.added_files, done.added_bytes),
            ..Work::default()
        };
        Ok(((), work))
    }

    fn vacuum(&self, mode: VacuumMode) -> Result<((), Work)> {
        let vacuuming = Vacuuming { delete: mode == VacuumMode::Delete, ..Vacuuming::default() };
        let done = vacuum(&self.table, &vacuuming, self)?;
        let (uri, found, deleted) = (self.table.uri(), done.found, done.deleted);
        match mode {
            VacuumMode::Delete => info!("vacuumed table {uri}: {} files, {} bytes", deleted.files, deleted.bytes),
            _ => info!(
                "vacuum of table {uri} would delete {} files, {} bytes (delta.vacuum.mode=dry-run)",
                found.files, found.bytes
            ),
        }
        let work = Work {
            done: 1,
            deleted_files: deleted.files,
            deleted_bytes: deleted.bytes,
            ..Work::default()
        };
        Ok(((), work))
    }
}
