//! What one task puts up for commit, and what becomes of it.

use sluice_core::error::Error;
use sluice_core::offsets::Interval;
use sluice_core::schema::Schema;

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
    /// The schema that its rows were converted to.
    pub schema: Schema,
}

/// What became of a unit. A conflict or an unknown outcome never gets this far: it is settled before.
#[derive(Debug)]
pub enum Outcome {
    Committed { version: u64 },
    Fenced { reason: String },
    Failed(Error),
}
