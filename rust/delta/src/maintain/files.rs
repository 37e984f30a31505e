//! The data files of a version.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, MapArray, RecordBatch, StringArray, StructArray};
use buoyant_kernel as delta_kernel;
use delta_kernel::actions::deletion_vector::DeletionVectorDescriptor;
use delta_kernel::engine::arrow_data::EngineDataArrowExt;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::{DeltaResult, Error as KernelError};
use sluice_core::Result;

use super::Maintained;
use crate::kernel::{KernelEngine, kernel_error};
use crate::log::num_records;

/// The tag of files whose rows were ordered: by what.
pub const ORDER_TAG: &str = "SLUICE_ORDER";

/// By physical names.
pub type PartitionValues = BTreeMap<String, Option<String>>;

/// A data file as the log has it. There may be a million of them: what many have alike is shared.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveFile {
    /// `path` of the `add` action: a URI reference.
    pub path: String,
    pub size: u64,
    /// Milliseconds since the epoch.
    pub modified: i64,
    pub partition_values: Arc<PartitionValues>,
    /// With those that the deletion vector takes away.
    pub num_records: Option<u64>,
    pub deletion_vector: Option<Box<DeletionVectorDescriptor>>,
    pub base_row_id: Option<i64>,
    pub default_row_commit_version: Option<i64>,
    /// What [`ORDER_TAG`] says.
    pub order: Option<Arc<str>>,
    /// Some engine has clustered it.
    pub is_clustered: bool,
}

impl LiveFile {
    pub fn deleted(&self) -> u64 {
        self.deletion_vector.as_ref().map_or(0, |vector| vector.cardinality.max(0).unsigned_abs())
    }
}

/// In no order that means anything.
pub fn each_live_file(
    table: &Maintained,
    snapshot: &SnapshotRef,
    take: &mut dyn FnMut(LiveFile),
) -> Result<()> {
    let doing = || format!("cannot list the files of version {} of {}", snapshot.version(), table.uri());
    list(&table.engine, snapshot, take).map_err(|e| kernel_error(&doing(), &e))
}

fn list(engine: &KernelEngine, snapshot: &SnapshotRef, take: &mut dyn FnMut(LiveFile)) -> DeltaResult<()> {
    let scan = snapshot.clone().scan_builder().without_row_transforms().build()?;
    let mut shared = Shared::default();
    for metadata in scan.scan_metadata(engine)? {
        let (data, selected) = metadata?.scan_files.into_parts();
        let batch = data.try_into_record_batch()?;
        let columns = Columns::of(&batch)?;
        // Rows behind the end of `selected` are selected.
        for row in (0..batch.num_rows()).filter(|row| selected.get(*row) != Some(&false)) {
            if columns.paths.is_valid(row) {
                take(columns.file(row, &mut shared)?);
            }
        }
    }
    Ok(())
}

/// What many files have alike.
#[derive(Default)]
struct Shared {
    partitions: HashSet<Arc<PartitionValues>>,
    orders: HashSet<Arc<str>>,
}

impl Shared {
    fn partition(&mut self, values: PartitionValues) -> Arc<PartitionValues> {
        if let Some(known) = self.partitions.get(&values) {
            return known.clone();
        }
        let values = Arc::new(values);
        self.partitions.insert(values.clone());
        values
    }

    fn order(&mut self, order: &str) -> Arc<str> {
        if let Some(known) = self.orders.get(order) {
            return known.clone();
        }
        let order: Arc<str> = order.into();
        self.orders.insert(order.clone());
        order
    }
}

/// Of a batch of the kernel's.
struct Columns<'a> {
    paths: &'a StringArray,
    sizes: &'a ArrayRef,
    modified: &'a ArrayRef,
    stats: &'a StringArray,
    vectors: &'a StructArray,
    partitions: &'a MapArray,
    base_row_ids: &'a ArrayRef,
    row_commit_versions: &'a ArrayRef,
    tags: &'a MapArray,
    clustering_providers: &'a ArrayRef,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> DeltaResult<Self> {
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| missing(name));
        let constants = column("fileConstantValues")?.as_struct();
        let constant = |name: &str| constants.column_by_name(name).ok_or_else(|| missing(name));
        Ok(Columns {
            paths: column("path")?.as_string(),
            sizes: column("size")?,
            modified: column("modificationTime")?,
            stats: column("stats")?.as_string(),
            vectors: column("deletionVector")?.as_struct(),
            partitions: constant("partitionValues")?.as_map(),
            base_row_ids: constant("baseRowId")?,
            row_commit_versions: constant("defaultRowCommitVersion")?,
            tags: constant("tags")?.as_map(),
            clustering_providers: constant("clusteringProvider")?,
        })
    }

    fn file(&self, row: usize, shared: &mut Shared) -> DeltaResult<LiveFile> {
        let tag = entries(self.tags, row).find(|(name, _)| *name == ORDER_TAG);
        let partition = entries(self.partitions, row);
        let owned = partition.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
        Ok(LiveFile {
            path: self.paths.value(row).to_owned(),
            size: long(self.sizes, row).unwrap_or(0).max(0).unsigned_abs(),
            modified: long(self.modified, row).unwrap_or(0),
            partition_values: shared.partition(owned.collect()),
            num_records: self.stats.is_valid(row).then(|| num_records(self.stats.value(row))).flatten(),
            deletion_vector: vector(self.vectors, row)?.map(Box::new),
            base_row_id: long(self.base_row_ids, row),
            default_row_commit_version: long(self.row_commit_versions, row),
            order: tag.and_then(|(_, order)| order).map(|order| shared.order(order)),
            is_clustered: self.clustering_providers.is_valid(row),
        })
    }
}

fn missing(name: &str) -> KernelError {
    KernelError::generic(format!("no column {name}"))
}

fn long(array: &ArrayRef, row: usize) -> Option<i64> {
    array.is_valid(row).then(|| array.as_primitive::<Int64Type>().value(row))
}

fn entries(maps: &MapArray, row: usize) -> impl Iterator<Item = (&str, Option<&str>)> {
    let (keys, values) = (maps.keys().as_string::<i32>(), maps.values().as_string::<i32>());
    let offsets = maps.value_offsets();
    let range = match maps.is_valid(row) {
        true => offsets[row] as usize..offsets[row + 1] as usize,
        false => 0..0,
    };
    range.map(move |entry| (keys.value(entry), values.is_valid(entry).then(|| values.value(entry))))
}

fn vector(vectors: &StructArray, row: usize) -> DeltaResult<Option<DeletionVectorDescriptor>> {
    let column = |name: &str| vectors.column_by_name(name).ok_or_else(|| missing(name));
    let (storage, path) = (column("storageType")?.as_string::<i32>(), column("pathOrInlineDv")?);
    let int = |name: &str| -> DeltaResult<Option<i32>> {
        let column = column(name)?;
        Ok(column.is_valid(row).then(|| column.as_primitive::<Int32Type>().value(row)))
    };
    if !vectors.is_valid(row) || !storage.is_valid(row) {
        return Ok(None);
    }
    let vector = DeletionVectorDescriptor::try_new(
        storage.value(row).parse()?,
        path.as_string::<i32>().value(row),
        int("offset")?,
        int("sizeInBytes")?.unwrap_or(0),
        long(column("cardinality")?, row).unwrap_or(0),
    )?;
    Ok(Some(vector))
}
