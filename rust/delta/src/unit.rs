//! What one task puts up for commit, and what becomes of it.

use std::sync::Arc;

use arrow_array::StructArray;
use arrow_array::cast::AsArray;
use buoyant_kernel as delta_kernel;
use delta_kernel::engine::arrow_expression::evaluate_expression::to_json;
use sluice_core::offsets::Interval;
use sluice_core::settings::OtherConnectors;
use sluice_core::table::TableInfo;
use sluice_core::task::Written;
use sluice_core::{Code, Error, Result};

use crate::partition::add_path;

/// Files for one table and the intervals that their rows cover. Without files it only moves offsets.
#[derive(Debug)]
pub struct StagedUnit {
    pub connector: String,
    pub task: String,
    pub files: Vec<StagedFile>,
    pub intervals: Vec<Interval>,
    /// Of partitions of which the table holds another connector's offset and none of its own.
    pub other_connectors: OtherConnectors,
}

impl StagedUnit {
    pub fn written(&self) -> Written {
        let mut written = Written::default();
        self.files
            .iter()
            .for_each(|file| written.add(Written { files: 1, rows: file.rows, bytes: file.size }));
        written
    }
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
    /// By physical names.
    pub partition_values: Vec<(String, Option<String>)>,
    /// One row, as the Delta kernel takes it.
    pub stats: StructArray,
}

impl StagedFile {
    /// `path` of the `add` action.
    pub fn add_path(&self) -> String {
        add_path(&self.name)
    }

    /// `stats` of the `add` action.
    pub fn stats_json(&self) -> Result<String> {
        let json = to_json(&self.stats)
            .map_err(|e| Error::new(Code::NativePanic, format!("statistics of {}: {e}", self.name)))?;
        Ok(json.as_string::<i32>().value(0).to_owned())
    }
}

/// What became of a unit. A conflict or an unknown outcome never gets this far: it is settled before.
#[derive(Debug)]
pub enum Outcome {
    Committed { version: u64, table: Arc<TableInfo> },
    Fenced { reason: String },
    Failed(Error),
}
