//! What a worker does to keep its tables healthy.

use std::num::NonZeroU64;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub struct Maintenance {
    /// Whether anything is done at all.
    pub enabled: bool,
    /// Commits that go into one log compaction file; none: no such files.
    pub log_compaction_commits: Option<NonZeroU64>,
    /// None: files are not merged.
    pub compaction: Option<Compaction>,
    pub vacuum: VacuumMode,
    pub vacuum_interval: Duration,
}

/// How small data files are merged.
#[derive(Debug, Clone, PartialEq)]
pub struct Compaction {
    /// What a merged file is to have.
    pub target_bytes: u64,
    /// Fewer small files of one partition are left alone.
    pub min_files: usize,
    pub scope: CompactionScope,
    /// How long nothing was added to a partition that counts as cold.
    pub cold: Duration,
    /// How often small files are looked for.
    pub interval: Duration,
    /// What merging holds in memory at most.
    pub memory_bytes: u64,
    /// What is read of data files in a second at most; none: as fast as it goes.
    pub bytes_per_second: Option<NonZeroU64>,
    pub order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompactionScope {
    /// Partitions to which nothing is added any more; of a table without partitions, files that are as old.
    Cold,
    All,
}

/// How the rows of merged files lie.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Order {
    /// As they came.
    #[default]
    None,
    /// By these columns, the first one first.
    By(Vec<String>),
    /// Near each other in all of these columns.
    ZOrder(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VacuumMode {
    Off,
    /// Only tells what would be deleted.
    DryRun,
    Delete,
}

impl Default for Maintenance {
    fn default() -> Self {
        Maintenance {
            enabled: true,
            log_compaction_commits: NonZeroU64::new(10),
            compaction: None,
            vacuum: VacuumMode::Off,
            vacuum_interval: Duration::from_secs(24 * 3600),
        }
    }
}

impl Default for Compaction {
    fn default() -> Self {
        Compaction {
            target_bytes: 128 << 20,
            min_files: 8,
            scope: CompactionScope::Cold,
            cold: Duration::from_secs(3600),
            interval: Duration::from_secs(600),
            memory_bytes: 128 << 20,
            bytes_per_second: NonZeroU64::new(32 << 20),
            order: Order::None,
        }
    }
}
