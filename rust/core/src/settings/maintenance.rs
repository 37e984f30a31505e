//! What a worker does to keep its tables healthy.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use super::choices::Compression;
use super::reader::{Reader, SettingError};
use super::{aliases, declare};
use crate::computed::column_names;

/// A smaller target makes files that are small again.
const SMALLEST_TARGET: u64 = 1 << 20;

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

impl Maintenance {
    /// None after an error, which the reader keeps.
    pub(super) fn read(read: &mut Reader, target_file_bytes: u64) -> Option<Maintenance> {
        let enabled = read.boolean(declare::MAINTENANCE_ENABLED);
        let log_compaction_commits = read.long(declare::MAINTENANCE_LOG_COMPACTION_COMMITS);
        if log_compaction_commits == 1 {
            let why = "a file for one commit saves nothing: it has to be 0 or at least 2";
            read.invalid(declare::MAINTENANCE_LOG_COMPACTION_COMMITS, why);
        }
        let compacts = read.boolean(declare::COMPACTION_ENABLED);
        let compaction = Compaction::read(read, target_file_bytes);
        let vacuum = read.choice(declare::VACUUM_MODE);
        let vacuum_interval = Duration::from_millis(read.long(declare::VACUUM_INTERVAL_MS));
        Some(Maintenance {
            enabled,
            log_compaction_commits: NonZeroU64::new(log_compaction_commits),
            compaction: Some(compaction?).filter(|_| compacts),
            vacuum: vacuum?,
            vacuum_interval,
        })
    }
}

impl Maintenance {
    /// That of a connector's settings, whatever else is in them, and how its files are compressed.
    pub fn parse(given: &BTreeMap<String, String>) -> Result<(Maintenance, Compression), Vec<SettingError>> {
        let (given, mut errors) = aliases::resolve(given);
        let mut read = Reader::new(&given);
        let target_file_bytes = read.long(declare::TARGET_FILE_BYTES);
        let maintenance = Maintenance::read(&mut read, target_file_bytes);
        let compression = read.choice(declare::PARQUET_COMPRESSION);
        errors.append(&mut read.errors);
        maintenance.zip(compression).filter(|_| errors.is_empty()).ok_or(errors)
    }
}

impl Compaction {
    fn read(read: &mut Reader, target_file_bytes: u64) -> Option<Compaction> {
        let target_bytes = match read.long(declare::COMPACTION_TARGET_FILE_BYTES) {
            0 => target_file_bytes,
            given => given,
        };
        if (1..SMALLEST_TARGET).contains(&target_bytes) {
            let why = format!("it has to be 0 or at least {SMALLEST_TARGET}");
            read.invalid(declare::COMPACTION_TARGET_FILE_BYTES, why);
        }
        let min_files = read.long(declare::COMPACTION_MIN_FILES);
        let scope = read.choice(declare::COMPACTION_SCOPE);
        let cold = Duration::from_millis(read.long(declare::COMPACTION_COLD_MS));
        let interval = Duration::from_millis(read.long(declare::COMPACTION_INTERVAL_MS));
        let memory_bytes = read.long(declare::COMPACTION_MEMORY_BYTES);
        let bytes_per_second = NonZeroU64::new(read.long(declare::COMPACTION_MAX_BYTES_PER_SECOND));
        Some(Compaction {
            target_bytes,
            min_files: usize::try_from(min_files).unwrap_or(usize::MAX),
            scope: scope?,
            cold,
            interval,
            memory_bytes,
            bytes_per_second,
            order: order(read),
        })
    }
}

/// Where both are given, the first is a table's own and the second everybody's: all else is refused.
fn order(read: &mut Reader) -> Order {
    let by = read.text(declare::COMPACTION_ORDER_BY, column_names);
    let z = read.text(declare::COMPACTION_Z_ORDER_BY, column_names);
    by.map(Order::By).or(z.map(Order::ZOrder)).unwrap_or_default()
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
