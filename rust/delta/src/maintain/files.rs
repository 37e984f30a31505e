//! The data files of a version.

use std::collections::BTreeMap;

use buoyant_kernel::actions::deletion_vector::DeletionVectorDescriptor;

/// A data file as the log has it.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveFile {
    /// `path` of the `add` action: a URI reference.
    pub path: String,
    pub size: u64,
    /// Milliseconds since the epoch.
    pub modified: i64,
    /// By physical names.
    pub partition_values: BTreeMap<String, Option<String>>,
    pub num_records: Option<u64>,
    pub deletion_vector: Option<DeletionVectorDescriptor>,
    pub base_row_id: Option<i64>,
    pub default_row_commit_version: Option<i64>,
}
