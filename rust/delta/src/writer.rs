//! Rows to Parquet files: row groups by size, a new file when one is large enough or the schema changes.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use sluice_core::settings::Compression;
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};
use uuid::Uuid;

use crate::dictionary::columns_of_many_values;
use crate::store::{DataFile, Store, store_error};
use crate::unit::StagedFile;

/// Encoded size at which a row group is closed and written out: what one open file holds in memory at most.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// The files of one staged unit.
pub struct UnitWriter {
    store: Arc<dyn Store>,
    compression: Compression,
    target_bytes: u64,
    unit: Uuid,
    open: Option<OpenFile>,
    finished: Vec<StagedFile>,
}

struct OpenFile {
    name: String,
    table: Arc<TableInfo>,
    rows: u64,
    parquet: ArrowWriter<Box<dyn DataFile>>,
}

impl UnitWriter {
    pub fn new(store: Arc<dyn Store>, compression: Compression, target_bytes: u64) -> Self {
        UnitWriter { store, compression, target_bytes, unit: Uuid::new_v4(), open: None, finished: vec![] }
    }

    /// `rows` were made for `table`.
    pub fn write(&mut self, table: &Arc<TableInfo>, rows: &RecordBatch) -> Result<()> {
        if self.open.as_ref().is_some_and(|open| open.table != *table) {
            self.finish_file()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let open = self.open_file(table.clone(), rows)?;
                self.open.insert(open)
            }
        };
        open.parquet.write(rows).map_err(|e| parquet_error(&open.name, e))?;
        open.rows += rows.num_rows() as u64;
        let bytes = open.parquet.bytes_written() + open.parquet.in_progress_size();
        if bytes as u64 >= self.target_bytes {
            self.finish_file()?;
        }
        Ok(())
    }

    fn open_file(&self, table: Arc<TableInfo>, rows: &RecordBatch) -> Result<OpenFile> {
        let (codec, label) = match self.compression {
            Compression::Zstd => (Codec::ZSTD(ZstdLevel::default()), ".zstd"),
            Compression::Snappy => (Codec::SNAPPY, ".snappy"),
            Compression::Lz4 => (Codec::LZ4_RAW, ".lz4raw"),
            Compression::None => (Codec::UNCOMPRESSED, ""),
        };
        let name = format!("part-{:05}-{}-c000{label}.parquet", self.finished.len(), self.unit);
        let mut properties = WriterProperties::builder()
            .set_created_by(crate::ENGINE_INFO.to_owned())
            .set_compression(codec)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES));
        for column in columns_of_many_values(rows) {
            properties = properties.set_column_dictionary_enabled(column, false);
        }
        let options =
            ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true);
        let file = self.store.create(&name)?;
        let parquet = ArrowWriter::try_new_with_options(file, rows.schema(), options)
            .map_err(|e| parquet_error(&name, e))?;
        Ok(OpenFile { name, table, rows: 0, parquet })
    }

    fn finish_file(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        open.parquet.finish().map_err(|e| parquet_error(&open.name, e))?;
        let size = open.parquet.inner_mut().finish()?;
        self.finished.push(StagedFile {
            name: open.name,
            size,
            rows: open.rows,
            modified: millis_since_epoch(),
            table: open.table,
        });
        Ok(())
    }

    /// All files, durable.
    pub fn finish(mut self) -> Result<Vec<StagedFile>> {
        self.finish_file()?;
        Ok(self.finished)
    }

    /// Takes away what was written; nothing refers to it.
    pub fn discard(self) {
        for file in &self.finished {
            if let Err(error) = self.store.delete(&file.name) {
                tracing::warn!("{error}; VACUUM takes the file away");
            }
        }
    }
}

fn millis_since_epoch() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

fn parquet_error(name: &str, error: ParquetError) -> Error {
    let doing = format!("cannot write {name}");
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(io) => store_error(&doing, &*io),
            Err(source) => Error::new(Code::StoreIo, format!("{doing}: {source}")),
        },
        other => Error::new(Code::StoreIo, format!("{doing}: {other}")),
    }
}
