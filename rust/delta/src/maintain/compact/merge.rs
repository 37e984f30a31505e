//! Writes the rows of some files to others.

use std::mem::take;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{ArrowError, Field as ArrowField, Schema as ArrowSchema};
use arrow_select::filter::filter_record_batch;
use arrow_select::interleave::interleave_record_batch;
use buoyant_kernel as delta_kernel;
use delta_kernel::expressions::Scalar;
use delta_kernel::schema::{DataType, PrimitiveType};
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::{DeltaResult, Engine};
use roaring::RoaringTreemap;
use sluice_core::settings::Compression;
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};

use super::super::files::LiveFile;
use super::super::{Maintained, Progress};
use super::ahead::Ahead;
use super::order::{Place, Sorter};
use super::pace::Pace;
use super::read::{Piece, Source};
use super::tracking;
use crate::kernel::kernel_error;
use crate::partition::PartitionValue;
use crate::physical::Layout;
use crate::store::Store;
use crate::unit::StagedFile;
use crate::writer::{UnitWriter, discard};

/// Rows that were sorted are handed on by so many.
const SORTED_ROWS: usize = 4096;
/// However much memory there is: texts of more do not go into one array.
const MOST_RUN_BYTES: u64 = 1 << 30;
/// Rows by which it is told how large a file becomes in memory.
const PROBED_ROWS: usize = 50_000;

/// What may be held in memory.
#[derive(Debug, Clone, Copy)]
pub struct Memory(pub u64);

impl Memory {
    /// Rows that are sorted together. As much again are their keys, and what is written of them.
    pub fn run_bytes(self) -> u64 {
        (self.0 / 2).min(MOST_RUN_BYTES)
    }

    /// What is encoded, beside `read` bytes of a file: one of its row groups, whole at worst.
    fn unit_bytes(self, is_sorted: bool, read: u64) -> usize {
        let quarter = self.0 / 4;
        let left = if is_sorted { quarter } else { self.0.saturating_sub(read) };
        usize::try_from(left.max(quarter)).unwrap_or(usize::MAX)
    }
}

pub struct Merger<'a> {
    table: &'a Maintained,
    progress: &'a dyn Progress,
    compression: Compression,
    target_bytes: u64,
    layout: Arc<Layout>,
    source: Source<'a>,
    is_tracked: bool,
    pub sorter: Option<Sorter>,
    pub pace: Pace,
    /// Of each of the layout's columns: what type its value has, where it is a partition column.
    constants: Vec<Option<PrimitiveType>>,
}

/// Files that no commit refers to. Taken away when this is dropped.
pub struct Unclaimed {
    store: Arc<dyn Store>,
    files: Vec<StagedFile>,
}

impl Unclaimed {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Unclaimed { store, files: vec![] }
    }

    pub fn append(&mut self, mut more: Unclaimed) {
        self.files.append(&mut more.files);
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// A commit may refer to them from now on.
    pub fn claim(mut self) -> Vec<StagedFile> {
        take(&mut self.files)
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        discard(&*self.store, &self.files);
    }
}

pub struct Merged {
    pub added: Unclaimed,
    pub rows: u64,
    pub deleted: u64,
    /// Sorted one by one as they did not go into memory together; 1: all were.
    pub runs: u64,
}

#[derive(Default)]
struct Counts {
    rows: u64,
    deleted: u64,
    runs: u64,
}

/// Where rows go.
struct Sink<'a> {
    layout: &'a Arc<Layout>,
    writer: &'a mut UnitWriter,
    partition: Vec<PartitionValue>,
    sorter: Option<&'a Sorter>,
    run: Vec<RecordBatch>,
    run_bytes: u64,
    most_run_bytes: u64,
    runs: u64,
}

impl<'a> Merger<'a> {
    pub fn new(
        table: &'a Maintained,
        snapshot: &SnapshotRef,
        info: Arc<TableInfo>,
        settings: &sluice_core::settings::Compaction,
        compression: Compression,
        progress: &'a dyn Progress,
    ) -> Result<Self> {
        let tracked = tracking::columns(&info)?;
        let layout = Layout::with_longs(info, &tracked)?;
        let schema = snapshot.schema();
        let constant = |place: &usize| {
            let column = layout.partition_columns.iter().find(|column| column.place == *place)?;
            match schema.field(&column.field.name)?.data_type() {
                DataType::Primitive(primitive) => Some(primitive.clone()),
                _ => None,
            }
        };
        Ok(Merger {
            source: Source::new(table, snapshot, &tracked)?,
            is_tracked: !tracked.is_empty(),
            sorter: Sorter::new(&settings.order, &layout)?,
            pace: Pace::new(&*table.world, settings.bytes_per_second),
            constants: layout.columns.iter().map(constant).collect(),
            layout: Arc::new(layout),
            table,
            progress,
            compression,
            target_bytes: settings.target_bytes,
        })
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How many bytes of memory one of the file becomes.
    pub fn growth(&mut self, file: &LiveFile) -> Result<f64> {
        let (mut bytes, mut rows, mut decoded) = (0, 0, 0);
        let (pace, world) = (&mut self.pace, &*self.table.world);
        self.source.read(file, None, |piece| {
            pace.read(world, piece.bytes, || self.progress.is_stopped());
            bytes += piece.bytes;
            rows += piece.rows.num_rows();
            decoded += piece.rows.get_array_memory_size();
            Ok(rows < PROBED_ROWS)
        })?;
        Ok((decoded as f64 / bytes.max(1) as f64).max(1.0))
    }

    /// Files of one partition. None: stopped. On any end but success nothing is left of it.
    pub fn merge(&mut self, files: &[LiveFile], memory: Memory) -> Result<Option<Merged>> {
        let (store, world) = (self.table.store.clone(), self.table.world.clone());
        let largest = files.iter().map(|file| file.size).max().unwrap_or(0);
        let mut writer = UnitWriter::new(store.clone(), world, self.compression, self.target_bytes)
            .within(memory.unit_bytes(self.sorter.is_some(), largest));
        let counts = match self.write(files, memory, &mut writer) {
            Ok(Some(counts)) => counts,
            stopped => {
                writer.discard();
                return stopped.map(|_| None);
            }
        };
        let added = Unclaimed { store, files: writer.finish()? };
        let written: u64 = added.files.iter().map(|file| file.rows).sum();
        if written != counts.rows {
            let message = format!("{written} rows were written of {}: nothing is committed", counts.rows);
            return Err(Error::new(Code::NativePanic, message));
        }
        Ok(Some(Merged { added, rows: counts.rows, deleted: counts.deleted, runs: counts.runs }))
    }

    fn write(
        &mut self,
        files: &[LiveFile],
        memory: Memory,
        writer: &mut UnitWriter,
    ) -> Result<Option<Counts>> {
        let partition = self.partition(files);
        let constants = self.constants(&partition)?;
        let Merger { table, progress, layout, source, is_tracked, sorter, pace, .. } = self;
        let mut sink = Sink {
            layout,
            writer,
            partition,
            sorter: sorter.as_ref(),
            run: vec![],
            run_bytes: 0,
            most_run_bytes: memory.run_bytes(),
            runs: 0,
        };
        let mut counts = Counts::default();
        let mut ahead = Ahead::new(table, files, memory.0 / 8);
        for file in files {
            let vector = deletion_vector(table, file)?;
            let (mut read, mut kept, mut stopped) = (0, 0, false);
            source.read(file, ahead.next(), |Piece { rows, position, bytes }| {
                pace.read(&*table.world, bytes, || progress.is_stopped());
                if progress.is_stopped() {
                    stopped = true;
                    return Ok(false);
                }
                read += rows.num_rows() as u64;
                let rows = if *is_tracked { tracking::fill(file, position, &rows)? } else { rows };
                let rows = without(vector.as_ref(), position, rows).map_err(broken)?;
                kept += rows.num_rows() as u64;
                sink.take(with_constants(&constants, rows).map_err(broken)?)?;
                Ok(true)
            })?;
            if stopped {
                return Ok(None);
            }
            check(file, read, kept)?;
            counts.rows += kept;
            counts.deleted += read - kept;
            progress.advance(1);
        }
        sink.end_run()?;
        counts.runs = sink.runs;
        Ok(Some(counts))
    }

    /// As the log has them: another text for the same value would be another partition for some readers.
    fn partition(&self, files: &[LiveFile]) -> Vec<PartitionValue> {
        let values = files.first().map(|file| &file.partition_values);
        let value = |name: &String| values.and_then(|values| values.get(name).cloned().flatten());
        self.layout.partition_columns.iter().map(|column| value(&column.physical)).collect()
    }

    /// The partition columns that files of the table have among the others: place, name, value.
    fn constants(&self, partition: &[PartitionValue]) -> Result<Vec<(usize, String, Scalar)>> {
        let value = |(place, data_type): (usize, &PrimitiveType)| {
            let columns = self.layout.partition_columns.iter().zip(partition);
            let (column, text) = columns
                .into_iter()
                .find(|(column, _)| column.place == self.layout.columns[place])
                .map(|(column, text)| (column, text.as_deref().unwrap_or_default()))?;
            Some(data_type.parse_scalar(text).map(|value| (place, column.physical.clone(), value)))
        };
        let columns = self.constants.iter().enumerate();
        columns
            .filter_map(|(place, data_type)| value((place, data_type.as_ref()?)))
            .collect::<DeltaResult<_>>()
            .map_err(|e| kernel_error("cannot read a partition's values", &e))
    }
}

impl Sink<'_> {
    fn take(&mut self, rows: RecordBatch) -> Result<()> {
        if self.sorter.is_none() {
            return self.writer.write_as_laid_out(self.layout, &self.partition, rows);
        }
        let bytes = rows.get_array_memory_size() as u64;
        if !self.run.is_empty() && self.run_bytes + bytes > self.most_run_bytes {
            self.end_run()?;
            // Another run has its own files, in which few values lie between the least and the largest.
            self.writer.finish_open()?;
        }
        self.run_bytes += bytes;
        self.run.push(rows);
        Ok(())
    }

    fn end_run(&mut self) -> Result<()> {
        let Some(sorter) = self.sorter.filter(|_| !self.run.is_empty()) else { return Ok(()) };
        let (batches, places) = (&self.run, sorter.sort(&self.run)?);
        let batches: Vec<&RecordBatch> = batches.iter().collect();
        for places in places.chunks(SORTED_ROWS) {
            let places: &[Place] = places;
            let rows = interleave_record_batch(&batches, places).map_err(broken)?;
            self.writer.write_as_laid_out(self.layout, &self.partition, rows)?;
        }
        self.run.clear();
        self.run_bytes = 0;
        self.runs += 1;
        Ok(())
    }
}

/// Whether the file has the rows that the log says.
fn check(file: &LiveFile, read: u64, kept: u64) -> Result<()> {
    let message = match file.num_records {
        Some(recorded) if recorded != read => format!("has {read} rows, its numRecords is {recorded}"),
        _ if read - kept != file.deleted() => {
            let (deleted, cardinality) = (read - kept, file.deleted());
            format!("has {deleted} deleted rows, and its deletion vector counts {cardinality}")
        }
        _ => return Ok(()),
    };
    Err(Error::new(Code::TableCorrupt, format!("{} {message}: it is left as it is", file.path)))
}

fn deletion_vector(table: &Maintained, file: &LiveFile) -> Result<Option<RoaringTreemap>> {
    let Some(vector) = &file.deletion_vector else { return Ok(None) };
    let read = vector.read(table.engine.storage_handler(), table.store.root());
    read.map(Some).map_err(|e| kernel_error(&format!("cannot read the deletion vector of {}", file.path), &e))
}

fn without(
    deleted: Option<&RoaringTreemap>,
    position: u64,
    rows: RecordBatch,
) -> std::result::Result<RecordBatch, ArrowError> {
    let Some(deleted) = deleted else { return Ok(rows) };
    let places = position..position + rows.num_rows() as u64;
    let kept: BooleanArray = places.map(|place| Some(!deleted.contains(place))).collect();
    filter_record_batch(&rows, &kept)
}

fn with_constants(
    constants: &[(usize, String, Scalar)],
    rows: RecordBatch,
) -> std::result::Result<RecordBatch, ArrowError> {
    if constants.is_empty() {
        return Ok(rows);
    }
    let mut fields = rows.schema().fields().to_vec();
    let mut columns = rows.columns().to_vec();
    for (place, name, value) in constants {
        let array: ArrayRef =
            value.to_array(rows.num_rows()).map_err(|e| ArrowError::ExternalError(Box::new(e)))?;
        fields.insert(*place, Arc::new(ArrowField::new(name, array.data_type().clone(), true)));
        columns.insert(*place, array);
    }
    RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), columns)
}

fn broken(error: ArrowError) -> Error {
    Error::new(Code::NativePanic, format!("merging rows: {error}"))
}
