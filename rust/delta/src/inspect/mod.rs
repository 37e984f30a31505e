//! A table as its newest version describes it. The names of the fields are public: `sluice inspect --json` prints them,
//! `docs/inspect.md` describes them.

mod recent;
mod sizes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use buoyant_kernel as delta_kernel;
use delta_kernel::engine::arrow_data::EngineDataArrowExt;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::{DeltaResult, Snapshot};
use serde::Serialize;
use serde_json::Value;
use sluice_core::offsets::{TopicPartition, offset_of};
use sluice_core::schema::Schema;
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};
use tokio::runtime::Handle;

use crate::features::{self, Protocol};
use crate::kernel::{KernelEngine, Txn, engine, kernel_error, newest_txns};
use crate::log::num_records;
use crate::store::{Store, has_log, root_path};
use crate::world::Tokio;
use sizes::Sizes;

pub use recent::{Recent, Writer};
pub use sizes::{Bucket, Quantiles};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    pub table: String,
    pub version: u64,
    pub id: String,
    pub name: Option<String>,
    pub description: Option<String>,
    /// Milliseconds since 1970, as all times.
    pub created: Option<i64>,
    pub protocol: ProtocolInfo,
    /// Why Sluice would not write to it.
    pub refusal: Option<String>,
    pub partition_columns: Vec<String>,
    pub properties: BTreeMap<String, String>,
    /// As Delta writes it.
    pub schema: Value,
    pub offsets: Vec<Offset>,
    pub other_app_ids: Vec<OtherAppId>,
    pub files: Files,
    pub log: Log,
    /// The newest first.
    pub commits: Vec<Recent>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProtocolInfo {
    pub min_reader_version: i32,
    pub min_writer_version: i32,
    pub features: Vec<String>,
}

/// Of a Kafka partition that Sluice writes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Offset {
    pub connector: String,
    pub topic: String,
    pub partition: i32,
    /// The next offset to read; none after a reset.
    pub offset: Option<i64>,
    pub last_updated: Option<i64>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherAppId {
    pub app_id: String,
    pub version: i64,
    pub last_updated: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Files {
    pub count: u64,
    pub bytes: u64,
    /// Without those that deletion vectors take away, and without those of [`Files::uncounted`].
    pub rows: u64,
    /// Files that do not say how many rows they have.
    pub uncounted: u64,
    pub deletion_vectors: u64,
    pub deleted_rows: u64,
    pub sizes: Option<Quantiles>,
    pub histogram: Vec<Bucket>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// The version of the checkpoint that the newest version is read from.
    pub checkpoint: Option<u64>,
    pub checkpoint_time: Option<i64>,
    pub checkpoint_bytes: u64,
    /// What a reader has to read besides.
    pub commits_since: u64,
    pub bytes_since: u64,
}

/// Milliseconds since 1970, as people read them.
pub fn utc(millis: i64) -> Option<String> {
    let at = chrono::DateTime::from_timestamp_millis(millis)?;
    Some(at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Reads the newest version. `commits`: how many commits are looked into. Blocks; not for threads of the runtime.
pub fn inspect(store: &dyn Store, runtime: &Handle, commits: u64) -> Result<Inspection> {
    let table = store.root().to_string();
    let root = root_path(store)?;
    if !runtime.block_on(has_log(&*store.objects(), &root, store.root()))? {
        return Err(Error::new(Code::TableMissing, format!("no Delta table at {table}: it has no commit")));
    }
    let engine = engine(store, &Tokio::world(runtime.clone()));
    let failed = |e: delta_kernel::Error| kernel_error(&format!("cannot read the Delta table {table}"), &e);
    let snapshot = Snapshot::builder_for(store.root().as_str()).build(&engine).map_err(failed)?;
    let metadata = snapshot.table_configuration().metadata();
    let protocol = Protocol::of(&snapshot)
        .map_err(|e| Error::new(Code::TableCorrupt, format!("protocol of {table}: {e}")))?;
    let refusal = refusal(&snapshot, &protocol);
    let schema = serde_json::from_str(metadata.schema_string())
        .map_err(|e| Error::new(Code::TableCorrupt, format!("schema of {table}: {e}")))?;
    let (offsets, other_app_ids) = app_ids(&snapshot, &engine).map_err(failed)?;
    let files = files(&snapshot, &engine).map_err(failed)?;
    let version = snapshot.version();
    Ok(Inspection {
        version,
        id: metadata.id().to_owned(),
        name: metadata.name().map(str::to_owned),
        description: metadata.description().map(str::to_owned),
        created: metadata.created_time(),
        protocol: ProtocolInfo {
            min_reader_version: protocol.min_reader_version,
            min_writer_version: protocol.min_writer_version,
            features: protocol.features().into_iter().collect(),
        },
        refusal,
        partition_columns: metadata.partition_columns().to_vec(),
        properties: metadata.configuration().clone().into_iter().collect(),
        schema,
        offsets,
        other_app_ids,
        files,
        log: log(&snapshot),
        commits: runtime.block_on(recent::recent(store, version, commits))?,
        table,
    })
}

fn refusal(snapshot: &Snapshot, protocol: &Protocol) -> Option<String> {
    let metadata = snapshot.table_configuration().metadata();
    let schema = match Schema::parse(metadata.schema_string()) {
        Ok(schema) => schema,
        Err(error) => return Some(error.message),
    };
    let info = TableInfo {
        schema,
        partition_by: metadata.partition_columns().to_vec(),
        properties: features::in_effect(metadata.configuration(), protocol),
    };
    features::refusal(protocol, &info)
}

fn app_ids(snapshot: &Snapshot, engine: &KernelEngine) -> DeltaResult<(Vec<Offset>, Vec<OtherAppId>)> {
    let (mut offsets, mut others) = (Vec::new(), Vec::new());
    for (app_id, Txn { version, last_updated }) in newest_txns(snapshot, engine)? {
        match TopicPartition::from_app_id(&app_id) {
            Some((connector, TopicPartition { topic, partition })) => offsets.push(Offset {
                connector,
                topic: topic.to_string(),
                partition,
                offset: offset_of(Some(version)),
                last_updated,
            }),
            None => others.push(OtherAppId { app_id, version, last_updated }),
        }
    }
    offsets.sort_unstable();
    others.sort_unstable();
    Ok((offsets, others))
}

#[derive(Default)]
struct Count {
    sizes: Sizes,
    rows: u64,
    uncounted: u64,
    deletion_vectors: u64,
    deleted_rows: u64,
}

/// Batch by batch: no file is kept.
fn files(snapshot: &SnapshotRef, engine: &KernelEngine) -> DeltaResult<Files> {
    let scan = snapshot.clone().scan_builder().without_row_transforms().build()?;
    let mut count = Count::default();
    for metadata in scan.scan_metadata(engine)? {
        let (data, selected) = metadata?.scan_files.into_parts();
        count.batch(&data.try_into_record_batch()?, &selected)?;
    }
    let Count { sizes, rows, uncounted, deletion_vectors, deleted_rows } = count;
    Ok(Files {
        count: sizes.count,
        bytes: sizes.bytes,
        rows: rows.saturating_sub(deleted_rows),
        uncounted,
        deletion_vectors,
        deleted_rows,
        sizes: sizes.quantiles(),
        histogram: sizes.histogram(),
    })
}

impl Count {
    /// Rows behind the end of `selected` are selected.
    fn batch(&mut self, batch: &RecordBatch, selected: &[bool]) -> DeltaResult<()> {
        let column = |name: &str| {
            batch
                .column_by_name(name)
                .ok_or_else(|| delta_kernel::Error::generic(format!("no column {name}")))
        };
        let (sizes, stats) = (column("size")?, column("stats")?.as_string::<i32>());
        let sizes = sizes.as_primitive::<Int64Type>();
        let vectors = column("deletionVector")?.as_struct();
        let deleted = vectors.column_by_name("cardinality").map(|column| column.as_primitive::<Int64Type>());
        for row in (0..batch.num_rows()).filter(|row| selected.get(*row) != Some(&false)) {
            self.sizes.add(sizes.value(row).max(0).unsigned_abs());
            match stats.is_valid(row).then(|| num_records(stats.value(row))).flatten() {
                Some(rows) => self.rows += rows,
                None => self.uncounted += 1,
            }
            if vectors.is_valid(row) {
                self.deletion_vectors += 1;
                self.deleted_rows += deleted.map_or(0, |deleted| deleted.value(row).max(0).unsigned_abs());
            }
        }
        Ok(())
    }
}

fn log(snapshot: &Snapshot) -> Log {
    let log = snapshot.log_segment();
    let checkpoint = &log.listed.checkpoint_parts;
    let commits = &log.listed.ascending_commit_files;
    Log {
        checkpoint: log.checkpoint_version,
        checkpoint_time: checkpoint.iter().map(|part| part.location.last_modified).max(),
        checkpoint_bytes: checkpoint.iter().map(|part| part.location.size).sum(),
        commits_since: commits.len() as u64,
        bytes_since: commits.iter().map(|commit| commit.location.size).sum(),
    }
}
