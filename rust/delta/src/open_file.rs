//! What one data file is made of: rows that wait for it, or an open Parquet file.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType as ArrowType;
use arrow_select::concat::concat_batches;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use sluice_core::Result;
use sluice_core::settings::Compression;

use crate::dictionary::columns_of_many_values;
use crate::physical::Layout;
use crate::stats::{FOOTER_TEXT_BYTES, Observed, without_footer};
use crate::store::DataFile;
use crate::writer::parquet_error;

/// Encoded size at which a row group is closed and written out: what one open file holds in memory at most.
const ROW_GROUP_BYTES: usize = 32 << 20;
/// Larger pages make buffers that are handed back to the kernel and faulted in again for each page.
const PAGE_BYTES: usize = 256 << 10;
/// What an open Parquet file takes for each of its columns besides what it tells: mostly zstd's contexts.
const COLUMN_BYTES: usize = 128 << 10;
/// Waiting rows are put together as long as they are fewer than this: each array has some hundred bytes of its own.
const SMALL_BYTES: usize = 16 << 10;

/// Its rows wait in memory until they take as much as an open Parquet file does. So a table that gets few rows in a commit interval, as one
/// of a hundred in a worker or each partition of many, has a file open only while that is written.
pub struct OpenFile {
    pub layout: Arc<Layout>,
    pub rows: u64,
    pub observed: Vec<Observed>,
    /// When it was written to, counted in writes of the unit.
    pub last_write: u64,
    waiting: Vec<RecordBatch>,
    waiting_bytes: usize,
    pub parquet: Option<ParquetFile>,
    /// What [`OpenFile::weigh`] found last.
    pub held: usize,
}

pub struct ParquetFile {
    pub name: String,
    writer: ArrowWriter<Box<dyn DataFile>>,
    /// What the row group's bounds take, which it does not tell: the least and the largest value of each column, whole.
    bounds_bytes: usize,
}

impl OpenFile {
    pub fn new(layout: &Arc<Layout>) -> Self {
        OpenFile {
            layout: layout.clone(),
            rows: 0,
            observed: layout.stats.nothing_observed(),
            last_write: 0,
            waiting: vec![],
            waiting_bytes: 0,
            parquet: None,
            held: 0,
        }
    }

    pub fn write(&mut self, rows: RecordBatch) -> Result<()> {
        self.rows += rows.num_rows() as u64;
        self.layout.stats.observe(&rows, &mut self.observed);
        match &mut self.parquet {
            Some(parquet) => parquet.write(&rows),
            None => self.wait(rows),
        }
    }

    fn wait(&mut self, mut rows: RecordBatch) -> Result<()> {
        if let Some(small) = self.waiting.pop_if(|last| last.get_array_memory_size() < SMALL_BYTES) {
            self.waiting_bytes -= small.get_array_memory_size();
            rows = concat_batches(&rows.schema(), [&small, &rows])
                .map_err(|e| parquet_error("rows", e.into()))?;
        }
        self.waiting_bytes += rows.get_array_memory_size();
        self.waiting.push(rows);
        Ok(())
    }

    /// Whether so many rows wait that a file is worth its own memory.
    pub fn is_due(&self, target_bytes: u64) -> bool {
        self.waiting_bytes as u64 >= target_bytes.min(self.bytes_when_open() as u64)
    }

    /// What waits goes to `file`.
    pub fn start(&mut self, name: String, file: Box<dyn DataFile>, compression: Compression) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let properties = properties(&self.layout, compression, &waiting);
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(file, self.layout.schema.clone(), options)
            .map_err(|e| parquet_error(&name, e))?;
        let parquet = self.parquet.insert(ParquetFile { name, writer, bounds_bytes: 0 });
        waiting.iter().try_for_each(|rows| parquet.write(rows))
    }

    /// Bytes in memory. Walks the columns.
    pub fn weigh(&mut self) -> usize {
        let parquet = self.parquet.as_ref();
        self.held = self.waiting_bytes + parquet.map_or(0, |file| self.bytes_when_open() + file.held());
        self.held
    }

    /// What a Parquet file that has just been opened takes.
    fn bytes_when_open(&self) -> usize {
        self.layout.columns_at_every_level * COLUMN_BYTES
    }
}

impl ParquetFile {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.bounds_bytes = self.bounds_bytes.max(2 * longest_values(rows.columns()));
        // The writer takes names from its own schema, not from the rows.
        self.writer.write(rows).map_err(|e| parquet_error(&self.name, e))
    }

    /// Of the file, as far as it is known.
    pub fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    fn held(&self) -> usize {
        self.bounds_bytes + self.writer.memory_size() + self.writer.inner().buffered()
    }

    /// Writes out the row group. False: there is none.
    pub fn flush(&mut self) -> Result<bool> {
        let any = self.writer.in_progress_rows() > 0;
        self.bounds_bytes = 0;
        self.writer.flush().map_err(|e| parquet_error(&self.name, e))?;
        Ok(any)
    }

    pub fn finish(&mut self) -> Result<ParquetMetaData> {
        self.writer.finish().map_err(|e| parquet_error(&self.name, e))
    }

    pub fn file(&mut self) -> &mut dyn DataFile {
        self.writer.inner_mut().as_mut()
    }

    #[cfg(test)]
    pub fn row_groups(&self) -> usize {
        self.writer.flushed_row_groups().len()
    }
}

/// The longest value of each column, together.
fn longest_values(columns: &[ArrayRef]) -> usize {
    let longest = |column: &ArrayRef| match column.data_type() {
        ArrowType::Utf8 => column.as_string::<i32>().offsets().lengths().max().unwrap_or(0),
        ArrowType::Binary => column.as_binary::<i32>().offsets().lengths().max().unwrap_or(0),
        ArrowType::Struct(_) => longest_values(column.as_struct().columns()),
        ArrowType::List(_) => longest_values(std::slice::from_ref(column.as_list::<i32>().values())),
        ArrowType::Map(..) => longest_values(column.as_map().entries().columns()),
        _ => 0,
    };
    columns.iter().map(longest).sum()
}

pub fn extension(compression: Compression) -> &'static str {
    match compression {
        Compression::Zstd => ".zstd",
        Compression::Snappy => ".snappy",
        Compression::Lz4 => ".lz4raw",
        Compression::None => "",
    }
}

fn properties(layout: &Layout, compression: Compression, first: &[RecordBatch]) -> WriterProperties {
    let codec = match compression {
        Compression::Zstd => Codec::ZSTD(ZstdLevel::default()),
        Compression::Snappy => Codec::SNAPPY,
        Compression::Lz4 => Codec::LZ4_RAW,
        Compression::None => Codec::UNCOMPRESSED,
    };
    let mut properties = WriterProperties::builder()
        .set_created_by(crate::ENGINE_INFO.to_owned())
        .set_compression(codec)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_statistics_truncate_length(Some(FOOTER_TEXT_BYTES))
        // By default also by rows, which makes small ones where rows are small.
        .set_max_row_group_row_count(None)
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_data_page_size_limit(PAGE_BYTES);
    let fields = layout.schema.fields();
    if let Some(first) = first.first() {
        for column in columns_of_many_values(fields, first.columns()) {
            properties = properties.set_column_dictionary_enabled(column, false);
        }
    }
    for column in without_footer(fields) {
        properties = properties.set_column_statistics_enabled(column, EnabledStatistics::None);
    }
    properties.build()
}
