//! What the maintenance of a table is counted by.

use std::time::Duration;

use sluice_core::task::Written;

/// What is done together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Checkpoints, checksum files, log compaction, clean-up.
    Log,
    Compaction,
    Vacuum,
}

impl Duty {
    pub const ALL: [Duty; 3] = [Duty::Log, Duty::Compaction, Duty::Vacuum];

    pub fn name(self) -> &'static str {
        match self {
            Duty::Log => "log",
            Duty::Compaction => "compaction",
            Duty::Vacuum => "vacuum",
        }
    }
}

/// What was done, of whichever duty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    pub checkpoints: u64,
    pub checksums: u64,
    pub log_compactions: u64,
    pub log_deleted: Deleted,
    /// Commits of merged files.
    pub merges: u64,
    /// Merges that gave way to another writer.
    pub overlaps: u64,
    /// What merged files took the place of.
    pub merged: Written,
    pub merged_into: Written,
    pub vacuumed: Deleted,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    pub files: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct MaintenanceCounts {
    pub work: Work,
    pub of_duties: [DutyCounts; Duty::ALL.len()],
    /// Commits since the newest checkpoint, as it was last seen.
    pub since_checkpoint: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct DutyCounts {
    pub done: u64,
    pub failures: u64,
    pub time: Duration,
}

impl MaintenanceCounts {
    /// Of the same table, opened in another way.
    pub fn add(&mut self, more: &MaintenanceCounts) {
        self.work.add(&more.work);
        for (counts, more) in self.of_duties.iter_mut().zip(&more.of_duties) {
            counts.done += more.done;
            counts.failures += more.failures;
            counts.time += more.time;
        }
        self.since_checkpoint = match (self.since_checkpoint, more.since_checkpoint) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

impl Work {
    pub fn add(&mut self, more: &Work) {
        self.checkpoints += more.checkpoints;
        self.checksums += more.checksums;
        self.log_compactions += more.log_compactions;
        self.log_deleted.add(more.log_deleted);
        self.merges += more.merges;
        self.overlaps += more.overlaps;
        self.merged.add(more.merged);
        self.merged_into.add(more.merged_into);
        self.vacuumed.add(more.vacuumed);
    }
}

impl Deleted {
    fn add(&mut self, more: Deleted) {
        self.files += more.files;
        self.bytes += more.bytes;
    }
}
