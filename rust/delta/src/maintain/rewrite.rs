//! Files in the place of others that hold the same rows, in one commit.

use serde_json::Value;

use super::files::LiveFile;
use crate::unit::StagedFile;

/// What is put up for commit.
#[derive(Debug)]
pub struct Rewrite {
    /// The version whose files were read.
    pub version: u64,
    /// As they were read.
    pub removed: Vec<LiveFile>,
    pub added: Vec<StagedFile>,
    /// `operationParameters` of the commit, an object; its operation is OPTIMIZE.
    pub parameters: Value,
    /// `operationMetrics` of the commit, an object of texts.
    pub metrics: Value,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Rewritten {
    Landed(u64),
    /// Somebody else changed what was read: nothing is committed, and the added files are nobody's. Start again.
    Overlaps(String),
}
