//! A version's checksum: what its state comes to, for readers to check theirs by, and to have the offsets from without the log.

use buoyant_kernel::snapshot::{ChecksumWriteResult, SnapshotRef};
use sluice_core::Result;

use super::engine::LogWriter;
use super::{Maintained, kernel_failed, known_features};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    pub version: u64,
    /// False: the version has one of somebody else's, which stays.
    pub written: bool,
    pub bytes: u64,
}

/// Writes the checksum of a version that has a checkpoint, by that: of what is only in commits the kernel does not know every
/// operation. Of others too, where it can.
pub fn checksum(maintained: &Maintained, version: u64) -> Result<Checksum> {
    let snapshot: SnapshotRef = maintained.at(version)?;
    let doing = format!("cannot write the checksum of version {version} of {}", maintained.uri());
    known_features(&snapshot, &doing)?;
    let writer = LogWriter::of(maintained, version)?;
    let outcome = snapshot.write_checksum(&writer.engine(&maintained.engine));
    let (outcome, _) = outcome.map_err(|e| writer.error().unwrap_or_else(|| kernel_failed(&doing, &e)))?;
    let written = matches!(outcome, ChecksumWriteResult::Written);
    Ok(Checksum { version, written, bytes: writer.written().1 })
}
