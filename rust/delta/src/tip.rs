//! A snapshot without the log behind it. The kernel's own has the path of every commit since the last checkpoint, and is copied
//! for each commit: after many commits, that is what a commit would cost.

use std::sync::Arc;

use buoyant_kernel as delta_kernel;
use delta_kernel::log_segment::LogSegment;
use delta_kernel::log_segment_files::LogSegmentFiles;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::table_configuration::TableConfiguration;
use delta_kernel::{DeltaResult, Snapshot};

/// The same version with its last commit only. To commit on, and to read the log on from; never for what reads it back: offsets,
/// files, a checkpoint.
pub fn tip_of(snapshot: &SnapshotRef) -> DeltaResult<SnapshotRef> {
    let (configuration, log) = (snapshot.table_configuration(), snapshot.log_segment());
    // None where the log was cleaned up to the last checkpoint: then there is no more to it.
    let Some(last) = &log.listed.latest_commit_file else { return Ok(snapshot.clone()) };
    let listed = LogSegmentFiles {
        ascending_commit_files: vec![last.clone()],
        latest_commit_file: Some(last.clone()),
        max_published_version: log.listed.max_published_version,
        ..LogSegmentFiles::default()
    };
    let mut log = LogSegment::try_new(listed, log.log_root.clone(), Some(log.end_version), None)?;
    // Whoever reads the log on lists it from there.
    log.checkpoint_version = last.version.checked_sub(1);
    Ok(Arc::new(Snapshot::try_new(log, configuration.clone())?))
}

/// `tip` with the protocol and the metadata of another snapshot of its table.
pub fn configured_as(tip: &Snapshot, other: &Snapshot) -> DeltaResult<SnapshotRef> {
    let configuration = other.table_configuration();
    let configuration = TableConfiguration::try_new(
        configuration.metadata().clone(),
        configuration.protocol().clone(),
        configuration.table_root().clone(),
        tip.version(),
    )?;
    Ok(Arc::new(Snapshot::try_new(tip.log_segment().clone(), configuration)?))
}
