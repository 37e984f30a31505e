//! A checkpoint: the whole state of a version in one file, or on tables with v2Checkpoint in several, so that readers need not go through
//! all commits.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Arc;

use buoyant_kernel as delta_kernel;
use delta_kernel::Snapshot;
use delta_kernel::actions::Metadata;
use delta_kernel::checkpoint::{CheckpointSpec, V2CheckpointConfig};
use delta_kernel::snapshot::{CheckpointWriteResult, SnapshotRef};
use delta_kernel::table_configuration::TableConfiguration;
use delta_kernel::table_features::TableFeature;
use serde_json::Value;
use sluice_core::table::interval;
use sluice_core::{Code, Error, Result};

use super::engine::LogWriter;
use super::{Maintained, Progress, kernel_failed, known_features};

/// Commits between checkpoints where the table does not say: what Delta's documentation says.
const INTERVAL: u64 = 10;

/// File actions in one sidecar, about. Where a table with v2Checkpoint has fewer, they are in the checkpoint itself.
const FILES_OF_A_SIDECAR: u64 = 50_000;

/// For how long removed files are told of: the property by which a table says so.
const REMOVED_RETENTION: &str = "delta.deletedFileRetentionDuration";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpointed {
    pub version: u64,
    /// False: the version has a checkpoint of somebody else's.
    pub written: bool,
    /// Sidecars, the checkpoint and `_last_checkpoint`.
    pub files: u64,
    pub bytes: u64,
}

/// Whether so many commits came since the last checkpoint that the table is to have another one. `snapshot` is as the log gives it: not
/// the tip of one.
pub fn due(snapshot: &Snapshot) -> bool {
    due_at(snapshot) <= snapshot.version()
}

/// The version that is to have the next one, or a later one.
pub fn due_at(snapshot: &Snapshot) -> u64 {
    let interval = snapshot.table_properties().checkpoint_interval.map_or(INTERVAL, NonZero::get);
    snapshot.log_segment().checkpoint_version.unwrap_or(0).saturating_add(interval)
}

pub(crate) fn commits_since(snapshot: &Snapshot) -> u64 {
    snapshot.version() - snapshot.log_segment().checkpoint_version.unwrap_or(0)
}

/// Makes a checkpoint of a snapshot that is as the log gives it. It is there, whole and durable, before `_last_checkpoint` names it:
/// a reader that is sent to a checkpoint that is not there has no other way.
pub fn checkpoint(
    maintained: &Maintained,
    snapshot: &SnapshotRef,
    progress: &dyn Progress,
) -> Result<Checkpointed> {
    let version = snapshot.version();
    let doing = format!("cannot make a checkpoint of version {version} of {}", maintained.uri());
    known_features(snapshot, &doing)?;
    let log = snapshot.log_segment();
    let first = log.listed.ascending_commit_files.first().map(|commit| commit.version);
    if log.listed.checkpoint_parts.is_empty() && first != Some(0) {
        return Err(Error::new(
            Code::TableCorrupt,
            format!("{doing}: commits before version {first:?} are missing"),
        ));
    }
    let snapshot = with_legible_retention(snapshot, &doing)?;
    let spec = has_v2(&snapshot).then(|| CheckpointSpec::V2(sidecars(&snapshot)));
    let writer = LogWriter::of(maintained, version)?;
    progress.begin("checkpoint", 1);
    let outcome = snapshot.checkpoint(&writer.engine(&maintained.engine), spec.as_ref());
    let (outcome, _) = outcome.map_err(|e| writer.error().unwrap_or_else(|| kernel_failed(&doing, &e)))?;
    progress.advance(1);
    let written = matches!(outcome, CheckpointWriteResult::Written);
    let (files, bytes) = writer.written();
    Ok(Checkpointed { version, written, files, bytes })
}

fn has_v2(snapshot: &Snapshot) -> bool {
    snapshot.table_configuration().is_feature_supported(&TableFeature::V2Checkpoint)
}

/// By what the last checkpoint had. Where nobody knows, there may be many.
fn sidecars(snapshot: &Snapshot) -> V2CheckpointConfig {
    let last = snapshot.log_segment().checkpoint_hint().and_then(|hint| serde_json::to_value(hint).ok());
    let files = last.as_ref().and_then(|last| last["numOfAddFiles"].as_u64());
    match files {
        Some(few) if few < FILES_OF_A_SIDECAR => V2CheckpointConfig::NoSidecar,
        _ => V2CheckpointConfig::WithSidecar {
            file_actions_per_sidecar_hint: usize::try_from(FILES_OF_A_SIDECAR).ok(),
        },
    }
}

/// The kernel forgets removed files after a week where it does not understand how long the table wants to know of them, as with
/// "interval 1 day 12 hours". VACUUM would then delete them early.
fn with_legible_retention(snapshot: &SnapshotRef, doing: &str) -> Result<SnapshotRef> {
    let given = snapshot.metadata_configuration().get(REMOVED_RETENTION);
    let (Some(text), None) = (given, snapshot.table_properties().deleted_file_retention_duration) else {
        return Ok(snapshot.clone());
    };
    let Some(retention) = interval(text) else {
        let message = format!(
            "{doing}: its property {REMOVED_RETENTION} is {text:?}, which is no interval of fixed length"
        );
        return Err(Error::new(Code::TableUnsupported, message));
    };
    let legible = format!("interval {} microseconds", retention.as_micros());
    let real = snapshot.table_configuration();
    let metadata = with_property(real.metadata(), REMOVED_RETENTION, legible)
        .map_err(|e| Error::new(Code::TableCorrupt, format!("{doing}: {e}")))?;
    TableConfiguration::try_new(
        metadata,
        real.protocol().clone(),
        real.table_root().clone(),
        snapshot.version(),
    )
    .and_then(|configuration| Snapshot::try_new(snapshot.log_segment().clone(), configuration))
    .map(Arc::new)
    .map_err(|e| kernel_failed(doing, &e))
}

fn with_property(metadata: &Metadata, key: &str, value: String) -> serde_json::Result<Metadata> {
    let mut configuration: HashMap<_, _> = metadata.configuration().clone();
    configuration.insert(key.to_owned(), value);
    let mut metadata: Value = serde_json::to_value(metadata)?;
    metadata["configuration"] = serde_json::to_value(configuration)?;
    serde_json::from_value(metadata)
}
