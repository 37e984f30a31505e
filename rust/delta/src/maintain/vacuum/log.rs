//! What the log refers to.

use std::ops::RangeInclusive;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch, StructArray};
use buoyant_kernel as delta_kernel;
use delta_kernel::actions::LOG_REMOVE_SCHEMA;
use delta_kernel::actions::deletion_vector::DeletionVectorDescriptor;
use delta_kernel::engine::arrow_data::EngineDataArrowExt;
use delta_kernel::scan::StatsOptions;
use delta_kernel::schema::{DataType, StructField, StructType};
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::{DeltaResult, Error as KernelError};
use object_store::ObjectStoreExt;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sluice_core::{Code, Error, Result};
use url::Url;

use super::super::{Maintained, Progress};
use super::check_protocol;
use super::seen::{Mark, Seen};
use crate::kernel::kernel_error;
use crate::store::{commit_name, commit_path, root_path, store_error};

/// Marks what the log refers to.
pub struct Referring<'a> {
    maintained: &'a Maintained,
    root: Url,
    /// The path of the root, decoded.
    folder: String,
    /// The newest version that is marked.
    version: u64,
}

/// An action of a commit.
#[derive(Deserialize)]
struct Action {
    add: Option<File>,
    remove: Option<File>,
    cdc: Option<File>,
    protocol: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    path: String,
    deletion_vector: Option<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    storage_type: String,
    path_or_inline_dv: String,
    offset: Option<i32>,
    size_in_bytes: i32,
    cardinality: i64,
}

impl<'a> Referring<'a> {
    pub fn new(maintained: &'a Maintained, version: u64) -> Result<Self> {
        let root = maintained.store.root().clone();
        let folder = decoded(root.path()).ok_or_else(|| {
            Error::new(Code::ConfigInvalid, format!("table URI {root} names no place in its store"))
        })?;
        Ok(Referring { maintained, root, folder, version })
    }

    /// Marks the files of the version, and those that were removed; what was removed later than a time is needed by who
    /// reads older versions. False: it was stopped.
    pub fn mark_snapshot(
        &self,
        snapshot: &SnapshotRef,
        removed_before: i64,
        seen: &mut Seen,
        progress: &dyn Progress,
    ) -> Result<bool> {
        let marked = self
            .mark_files(snapshot, seen, progress)
            .and_then(|done| Ok(done && self.mark_removed(snapshot, removed_before, seen, progress)?));
        let doing = format!("cannot read the Delta table {}", self.maintained.uri());
        marked.map_err(|e| kernel_error(&doing, &e))
    }

    fn mark_files(
        &self,
        snapshot: &SnapshotRef,
        seen: &mut Seen,
        progress: &dyn Progress,
    ) -> DeltaResult<bool> {
        let scan = snapshot.clone().scan_builder().without_row_transforms();
        let scan = scan.with_stats(StatsOptions::none()).build()?;
        for metadata in scan.scan_metadata(&self.maintained.engine)? {
            let (data, selected) = metadata?.scan_files.into_parts();
            let batch = data.try_into_record_batch()?;
            let files = StructArray::from(batch);
            // Rows behind the end of `selected` are selected.
            let rows = (0..files.len()).filter(|row| selected.get(*row) != Some(&false));
            for row in rows {
                self.mark_row(&files, row, Mark::Needed, seen)?;
            }
            progress.advance(files.len() as u64);
            if progress.is_stopped() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// As they stand in the log, whatever came later: what is there again is marked as needed by that.
    fn mark_removed(
        &self,
        snapshot: &SnapshotRef,
        removed_before: i64,
        seen: &mut Seen,
        progress: &dyn Progress,
    ) -> DeltaResult<bool> {
        let engine = &self.maintained.engine;
        for batch in snapshot.log_segment().read_actions(engine, removes()?.into())? {
            let batch: RecordBatch = batch?.actions.try_into_record_batch()?;
            let removed = batch.column(0).as_struct();
            let times = column(removed, "deletionTimestamp")?.as_primitive::<Int64Type>();
            for row in (0..removed.len()).filter(|row| removed.is_valid(*row)) {
                // Without a time it may have been right now.
                let is_old = times.is_valid(row) && times.value(row) < removed_before;
                let mark = if is_old { Mark::Removed } else { Mark::Needed };
                self.mark_row(removed, row, mark, seen)?;
            }
            if progress.is_stopped() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn mark_row(&self, files: &StructArray, row: usize, mark: Mark, seen: &mut Seen) -> DeltaResult<()> {
        let paths = column(files, "path")?.as_string::<i32>();
        self.mark_path(paths.value(row), mark, seen);
        let vectors = column(files, "deletionVector")?.as_struct();
        if !vectors.is_valid(row) {
            return Ok(());
        }
        let text = |name: &str| Ok::<_, KernelError>(column(vectors, name)?.as_string::<i32>().value(row));
        let number = |name: &str| {
            let numbers = column(vectors, name)?.as_primitive::<Int32Type>();
            Ok::<_, KernelError>(numbers.is_valid(row).then(|| numbers.value(row)))
        };
        let cardinality = column(vectors, "cardinality")?.as_primitive::<Int64Type>().value(row);
        self.mark_vector(
            &Vector {
                storage_type: text("storageType")?.to_owned(),
                path_or_inline_dv: text("pathOrInlineDv")?.to_owned(),
                offset: number("offset")?,
                size_in_bytes: number("sizeInBytes")?.unwrap_or_default(),
                cardinality,
            },
            mark,
            seen,
        )
    }

    fn mark_vector(&self, vector: &Vector, mark: Mark, seen: &mut Seen) -> DeltaResult<()> {
        let Vector { storage_type, path_or_inline_dv, offset, size_in_bytes, cardinality } = vector;
        let descriptor = DeletionVectorDescriptor::try_new(
            storage_type.parse()?,
            path_or_inline_dv.as_str(),
            *offset,
            *size_in_bytes,
            *cardinality,
        )?;
        if let Some(url) = descriptor.absolute_path(&self.root)?
            && let Some(name) = self.below(&url)
        {
            seen.mark(&name, mark);
        }
        Ok(())
    }

    /// The path is a URI reference. Some writers do not encode what they should, and some name their own table in full, by
    /// another scheme too; a path that can be read in several ways is taken in each.
    fn mark_path(&self, path: &str, mark: Mark, seen: &mut Seen) {
        seen.mark(path, mark);
        if let Some(name) = decoded(path) {
            seen.mark(&name, mark);
        }
        if let Some(name) = self.root.join(path).ok().and_then(|url| self.below(&url)) {
            seen.mark(&name, mark);
        }
    }

    /// The name below the root of what a URL names, whatever its scheme. None: it is not below the root.
    fn below(&self, url: &Url) -> Option<String> {
        decoded(url.path())?.strip_prefix(&self.folder).map(str::to_owned)
    }

    /// Marks what the commits of these versions add and remove, as far as they are still there.
    pub fn mark_commits(&self, versions: RangeInclusive<u64>, seen: &mut Seen) -> Result<()> {
        versions.into_iter().try_for_each(|version| self.mark_commit(version, seen).map(|_| ()))
    }

    /// Marks what was committed since.
    pub fn mark_newer(&mut self, seen: &mut Seen) -> Result<()> {
        while self.mark_commit(self.version + 1, seen)? {
            self.version += 1;
        }
        Ok(())
    }

    /// False: there is no such commit.
    fn mark_commit(&self, version: u64, seen: &mut Seen) -> Result<bool> {
        let Maintained { store, world, .. } = self.maintained;
        let (path, objects) = (commit_path(&root_path(&**store)?, version), store.objects());
        let text = match world.wait(async { objects.get(&path).await?.bytes().await }) {
            Ok(text) => text,
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(store_error(&format!("cannot read {}", commit_name(version)), &error)),
        };
        let corrupt = |what: &dyn std::fmt::Display| {
            let message = format!("{} is not a Delta commit: {what}", commit_name(version));
            Error::new(Code::TableCorrupt, message)
        };
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            let Action { add, remove, cdc, protocol } =
                serde_json::from_slice(line).map_err(|e| corrupt(&e))?;
            if protocol.is_some() && version > self.version {
                check_protocol(self.maintained, &*self.maintained.newest()?)?;
            }
            for File { path, deletion_vector } in [add, remove, cdc].into_iter().flatten() {
                self.mark_path(&path, Mark::Needed, seen);
                if let Some(vector) = deletion_vector {
                    self.mark_vector(&vector, Mark::Needed, seen).map_err(|e| corrupt(&e))?;
                }
            }
        }
        Ok(true)
    }
}

/// What of removes is read.
fn removes() -> DeltaResult<StructType> {
    let remove = LOG_REMOVE_SCHEMA.field("remove").map(StructField::data_type);
    let Some(DataType::Struct(remove)) = remove else {
        return Err(KernelError::generic("removes are no struct"));
    };
    let read = remove.project_as_struct(&["path", "deletionTimestamp", "deletionVector"])?;
    StructType::try_new([StructField::nullable("remove", read)])
}

fn column<'a>(of: &'a StructArray, name: &str) -> DeltaResult<&'a arrow_array::ArrayRef> {
    of.column_by_name(name).ok_or_else(|| KernelError::generic(format!("no column {name}")))
}

fn decoded(path: &str) -> Option<String> {
    percent_decode_str(path).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
