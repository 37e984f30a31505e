//! What one task puts up for commit, and what becomes of it.

use std::sync::Arc;

use sluice_core::error::Error;
use sluice_core::offsets::Interval;
use sluice_core::table::TableInfo;

/// Files for one table and the intervals that their rows cover. Without files it only moves offsets.
#[derive(Debug)]
pub struct StagedUnit {
    pub connector: String,
    pub task: String,
    pub files: Vec<StagedFile>,
    pub intervals: Vec<Interval>,
}

/// A finished, durable data file that no commit refers to yet.
#[derive(Debug, Clone)]
pub struct StagedFile {
    /// Relative to the table's root.
    pub name: String,
    pub size: u64,
    pub rows: u64,
    /// Milliseconds since the epoch.
    pub modified: i64,
    /// The table that its rows were made for.
    pub table: Arc<TableInfo>,
}

/// What became of a unit. A conflict or an unknown outcome never gets this far: it is settled before.
#[derive(Debug)]
pub enum Outcome {
    Committed { version: u64, table: Arc<TableInfo> },
    Fenced { reason: String },
    Failed(Error),
}
