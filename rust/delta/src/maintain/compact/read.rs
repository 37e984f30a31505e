//! The rows of one data file, batch by batch, as the table's newest schema has them.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType as ArrowType, Field as ArrowField, Fields, Schema as ArrowSchema, TimeUnit};
use buoyant_kernel as delta_kernel;
use bytes::Bytes;
use delta_kernel::engine::arrow_utils::{fixup_parquet_read, parquet_read_plan};
use delta_kernel::schema::{DataType, SchemaRef, StructField, StructType};
use delta_kernel::snapshot::SnapshotRef;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type as ParquetType;
use parquet::errors::ParquetError;
use sluice_core::{Code, Error, Result};

use super::super::Maintained;
use super::super::files::LiveFile;
use super::object::ObjectFile;
use super::widened::{as_in_file, cast_to};
use crate::kernel::kernel_error;
use crate::store::store_error;

/// What a batch takes in the file, roughly; decoded it is several times as much.
const BATCH_BYTES: u64 = 1 << 20;
const BATCH_ROWS: u64 = 8192;

/// Some rows of a file, with those that are deleted.
pub struct Piece {
    pub rows: RecordBatch,
    /// Of the first row, in the file.
    pub position: u64,
    /// Of the file, by its share of rows.
    pub bytes: u64,
}

pub struct Source<'a> {
    table: &'a Maintained,
    /// Physical names and ids, without partition columns.
    schema: SchemaRef,
}

impl<'a> Source<'a> {
    /// `more`: columns that are not in the table's schema, of type long.
    pub fn new(table: &'a Maintained, snapshot: &SnapshotRef, more: &[String]) -> Result<Self> {
        let schema = || {
            let scan = snapshot.clone().scan_builder().without_row_transforms().build()?;
            let more = more.iter().map(|name| StructField::nullable(name, DataType::LONG));
            StructType::try_new(scan.physical_schema().fields().cloned().chain(more))
        };
        let schema = schema().map_err(|e| kernel_error(&format!("cannot read {}", table.uri()), &e))?;
        Ok(Source { table, schema: Arc::new(schema) })
    }

    /// `take` is given the rows in their order, until it says no. `whole`: what is in the file, if that is known. One row group at a time is in memory as it is in the file.
    pub fn read(
        &self,
        file: &LiveFile,
        whole: Option<Bytes>,
        mut take: impl FnMut(Piece) -> Result<bool>,
    ) -> Result<()> {
        let doing = format!("cannot read {}", file.path);
        let failed = |e: ParquetError| parquet_error(&doing, e);
        let world = &self.table.world;
        let mut reader = ObjectFile::new(&*self.table.store, file, whole)?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata =
            world.wait(ArrowReaderMetadata::load_async(&mut reader, options.clone())).map_err(failed)?;
        let metadata = with_micros(metadata, options).map_err(failed)?;
        let broken = |e: delta_kernel::Error| kernel_error(&doing, &e);
        let schema = as_in_file(&self.schema, metadata.schema().fields()).map_err(broken)?;
        let (order, mask) = parquet_read_plan(&schema, &metadata).map_err(broken)?;
        let all = metadata.metadata().file_metadata().num_rows().max(0).unsigned_abs();
        let batch_rows = (BATCH_BYTES * all / file.size.max(1)).clamp(1, BATCH_ROWS);
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
            .with_batch_size(batch_rows as usize);
        if let Some(mask) = mask {
            builder = builder.with_projection(mask);
        }
        let mut stream = builder.build().map_err(failed)?;
        let mut position = 0;
        // Fetched without a permit to encode, decoded with it.
        while let Some(row_group) = world.wait(stream.next_row_group()).map_err(failed)? {
            for batch in row_group {
                let batch = batch.map_err(|e| Error::new(Code::TableCorrupt, format!("{doing}: {e}")))?;
                let count = batch.num_rows() as u64;
                let rows =
                    fixup_parquet_read(batch, &order, None, None, Some(&schema)).map_err(broken)?.into();
                let rows = match Arc::ptr_eq(&schema, &self.schema) {
                    true => rows,
                    false => cast_to(&self.schema, rows).map_err(broken)?,
                };
                let upto =
                    |row: u64| (u128::from(file.size) * u128::from(row) / u128::from(all.max(1))) as u64;
                let bytes = upto(position + count).saturating_sub(upto(position));
                if !take(Piece { rows, position, bytes })? {
                    return Ok(());
                }
                position += count;
            }
        }
        if position != all {
            let message = format!("{doing}: it has {position} rows, and its footer says {all}");
            return Err(Error::new(Code::TableCorrupt, message));
        }
        Ok(())
    }
}

/// Times of 96 bits have nanoseconds, and as such only those of the years 1677 to 2262 would go into 64 bits: they are read as microseconds.
fn with_micros(
    metadata: ArrowReaderMetadata,
    options: ArrowReaderOptions,
) -> std::result::Result<ArrowReaderMetadata, ParquetError> {
    let columns = metadata.parquet_schema().columns();
    if !columns.iter().any(|column| column.physical_type() == ParquetType::INT96) {
        return Ok(metadata);
    }
    let schema = ArrowSchema::new(micros_of(metadata.schema().fields()));
    ArrowReaderMetadata::try_new(metadata.metadata().clone(), options.with_schema(Arc::new(schema)))
}

fn micros_of(fields: &Fields) -> Fields {
    fields.iter().map(micros).collect()
}

fn micros(field: &Arc<ArrowField>) -> Arc<ArrowField> {
    let data_type = match field.data_type() {
        ArrowType::Timestamp(TimeUnit::Nanosecond, zone) => {
            ArrowType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        ArrowType::Struct(fields) => ArrowType::Struct(micros_of(fields)),
        ArrowType::List(item) => ArrowType::List(micros(item)),
        ArrowType::Map(entries, sorted) => ArrowType::Map(micros(entries), *sorted),
        _ => return field.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

fn parquet_error(doing: &str, error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => store_error(doing, &*source),
        damaged => Error::new(Code::TableCorrupt, format!("{doing}: {damaged}")),
    }
}
