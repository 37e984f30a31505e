//! Rows to Parquet files: row groups by size, a new file when one is large enough or the schema changes.

use std::io;
use std::sync::Arc;

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use sluice_core::settings::Compression;
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};
use tracing::{debug, warn};

use crate::dictionary::columns_of_many_values;
use crate::fail_point::FailPoint;
use crate::partition::{PartitionValue, split};
use crate::physical::Layout;
use crate::stats::{FOOTER_TEXT_BYTES, Observed, without_footer};
use crate::store::{DataFile, Store, store_error};
use crate::unit::StagedFile;
use crate::world::World;

/// Encoded size at which a row group is closed and written out: what one open file holds in memory at most.
const ROW_GROUP_BYTES: usize = 32 << 20;
/// Larger pages make buffers that are handed back to the kernel and faulted in again for each page.
const PAGE_BYTES: usize = 256 << 10;
/// What all open files of a unit hold in memory at most: above it, the largest row group is written out.
const UNIT_BYTES: usize = 256 << 20;
/// Each partition has a file of its own. With more of them, the one written to longest ago is finished.
const OPEN_FILES: usize = 64;

/// The files of one staged unit.
pub struct UnitWriter {
    store: Arc<dyn Store>,
    world: Arc<dyn World>,
    compression: Compression,
    target_bytes: u64,
    unit_bytes: usize,
    unit: String,
    layout: Option<Arc<Layout>>,
    created: usize,
    /// The one written to longest ago comes first.
    open: Vec<OpenFile>,
    finished: Vec<StagedFile>,
}

struct OpenFile {
    name: String,
    layout: Arc<Layout>,
    partition: Vec<PartitionValue>,
    rows: u64,
    observed: Vec<Observed>,
    parquet: ArrowWriter<Box<dyn DataFile>>,
    /// Bytes in memory.
    held: usize,
}

impl OpenFile {
    fn weigh(&mut self) {
        self.held = self.parquet.memory_size() + self.parquet.inner().buffered();
    }
}

impl UnitWriter {
    pub fn new(
        store: Arc<dyn Store>,
        world: Arc<dyn World>,
        compression: Compression,
        target_bytes: u64,
    ) -> Self {
        UnitWriter {
            unit: world.uuid().to_string(),
            store,
            world,
            compression,
            target_bytes,
            unit_bytes: UNIT_BYTES,
            layout: None,
            created: 0,
            open: vec![],
            finished: vec![],
        }
    }

    /// `rows` were made for `table`: its columns, in their order.
    pub fn write(&mut self, table: &Arc<TableInfo>, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let layout = self.layout_for(table)?;
        if layout.partition_columns.is_empty() {
            return self.write_partition(&layout, vec![], rows);
        }
        split(&layout.partition_columns, rows)?
            .into_iter()
            .try_for_each(|(partition, rows)| self.write_partition(&layout, partition, &rows))
    }

    fn layout_for(&mut self, table: &Arc<TableInfo>) -> Result<Arc<Layout>> {
        if let Some(layout) = &self.layout
            && (Arc::ptr_eq(&layout.table, table) || layout.table == *table)
        {
            return Ok(layout.clone());
        }
        self.finish_open()?;
        Ok(self.layout.insert(Arc::new(Layout::new(table.clone())?)).clone())
    }

    fn write_partition(
        &mut self,
        layout: &Arc<Layout>,
        partition: Vec<PartitionValue>,
        rows: &RecordBatch,
    ) -> Result<()> {
        let rows = rows.project(&layout.columns).map_err(|e| parquet_error("rows", e.into()))?;
        let open = self.open.iter().position(|file| file.partition == partition);
        let mut file = match open {
            Some(open) => self.open.remove(open),
            None => {
                if self.open.len() == OPEN_FILES {
                    let oldest = self.open.remove(0);
                    self.finish_file(oldest)?;
                }
                self.open_file(layout, partition, &rows)?
            }
        };
        // The writer takes names from its own schema, not from the rows.
        file.parquet.write(&rows).map_err(|e| parquet_error(&file.name, e))?;
        file.rows += rows.num_rows() as u64;
        layout.stats.observe(&rows, &mut file.observed);
        let bytes = file.parquet.bytes_written() + file.parquet.in_progress_size();
        if bytes as u64 >= self.target_bytes {
            return self.finish_file(file);
        }
        file.weigh();
        self.open.push(file);
        self.bound_memory()
    }

    /// Bytes in memory.
    pub fn held(&self) -> usize {
        self.open.iter().map(|file| file.held).sum()
    }

    /// Writes out the largest row group, and where that is not enough, finishes the file.
    fn bound_memory(&mut self) -> Result<()> {
        while self.held() > self.unit_bytes {
            let Some(largest) = (0..self.open.len()).max_by_key(|file| self.open[*file].held) else { break };
            let file = &mut self.open[largest];
            if file.parquet.in_progress_rows() > 0 {
                file.parquet.flush().map_err(|e| parquet_error(&file.name, e))?;
                file.weigh();
            } else {
                let file = self.open.remove(largest);
                self.finish_file(file)?;
            }
        }
        Ok(())
    }

    fn open_file(
        &mut self,
        layout: &Arc<Layout>,
        partition: Vec<PartitionValue>,
        rows: &RecordBatch,
    ) -> Result<OpenFile> {
        let (codec, label) = match self.compression {
            Compression::Zstd => (Codec::ZSTD(ZstdLevel::default()), ".zstd"),
            Compression::Snappy => (Codec::SNAPPY, ".snappy"),
            Compression::Lz4 => (Codec::LZ4_RAW, ".lz4raw"),
            Compression::None => (Codec::UNCOMPRESSED, ""),
        };
        let folder = layout.folder(&partition);
        let name = format!("{folder}part-{:05}-{}-c000{label}.parquet", self.created, self.unit);
        self.created += 1;
        let mut properties = WriterProperties::builder()
            .set_created_by(crate::ENGINE_INFO.to_owned())
            .set_compression(codec)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_statistics_truncate_length(Some(FOOTER_TEXT_BYTES))
            // By default also by rows, which makes small ones where rows are small.
            .set_max_row_group_row_count(None)
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .set_data_page_size_limit(PAGE_BYTES);
        for column in columns_of_many_values(layout.schema.fields(), rows.columns()) {
            properties = properties.set_column_dictionary_enabled(column, false);
        }
        for column in without_footer(layout.schema.fields()) {
            properties = properties.set_column_statistics_enabled(column, EnabledStatistics::None);
        }
        let options =
            ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true);
        let file = self.store.create(&name)?;
        let parquet = ArrowWriter::try_new_with_options(file, layout.schema.clone(), options)
            .map_err(|e| parquet_error(&name, e))?;
        let observed = layout.stats.nothing_observed();
        Ok(OpenFile { name, layout: layout.clone(), partition, rows: 0, observed, parquet, held: 0 })
    }

    fn finish_file(&mut self, mut file: OpenFile) -> Result<()> {
        let footer = file.parquet.finish().map_err(|e| parquet_error(&file.name, e))?;
        self.world.reached(FailPoint::FileEncoded);
        let size = file.parquet.inner_mut().finish()?;
        self.world.reached(FailPoint::FileFinished);
        debug!("finished file {} with {} rows, {size} bytes", file.name, file.rows);
        let layout = file.layout;
        let names = layout.partition_columns.iter().map(|column| column.physical.clone());
        self.finished.push(StagedFile {
            stats: layout.stats.of_file(&footer, &file.observed)?,
            partition_values: names.zip(file.partition).collect(),
            name: file.name,
            size,
            rows: file.rows,
            modified: self.world.epoch_millis(),
            table: layout.table.clone(),
        });
        Ok(())
    }

    fn finish_open(&mut self) -> Result<()> {
        std::mem::take(&mut self.open).into_iter().try_for_each(|file| self.finish_file(file))
    }

    /// All files, durable.
    pub fn finish(mut self) -> Result<Vec<StagedFile>> {
        match self.finish_open() {
            Ok(()) => Ok(self.finished),
            Err(error) => {
                self.discard();
                Err(error)
            }
        }
    }

    /// Takes away what was written; nothing refers to it.
    pub fn discard(self) {
        for (file, name) in self.finished.iter().map(|file| &file.name).enumerate() {
            if let Err(error) = self.store.delete(name) {
                let left = self.finished.len() - file;
                warn!("{error}; {left} files stay that no commit refers to, VACUUM takes them away");
                return;
            }
        }
    }
}

fn parquet_error(name: &str, error: ParquetError) -> Error {
    let doing = format!("cannot write {name}");
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(io) => store_error(&doing, &*io),
            Err(source) => Error::new(Code::StoreIo, format!("{doing}: {source}")),
        },
        // Not the store's: it would not pass.
        other => Error::new(Code::NativePanic, format!("{doing}: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow_array::{ArrayRef, Int64Array, StringArray};
    use object_store::ObjectStore;
    use sluice_core::schema::Schema;
    use tempfile::TempDir;
    use url::Url;

    use super::*;
    use crate::store::{Claim, LocalStore};
    use crate::world::of_tests;

    /// A local store that counts open files.
    struct Counting {
        inner: LocalStore,
        open: Arc<AtomicUsize>,
        most: AtomicUsize,
    }

    struct Counted(Box<dyn DataFile>, Arc<AtomicUsize>);

    impl Store for Counting {
        fn root(&self) -> &Url {
            self.inner.root()
        }

        fn objects(&self) -> Arc<dyn ObjectStore> {
            self.inner.objects()
        }

        fn prepare(&self) -> Result<()> {
            self.inner.prepare()
        }

        fn create(&self, name: &str) -> Result<Box<dyn DataFile>> {
            let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(open, Ordering::Relaxed);
            Ok(Box::new(Counted(self.inner.create(name)?, self.open.clone())))
        }

        fn delete(&self, name: &str) -> Result<()> {
            self.inner.delete(name)
        }

        fn claim(&self, version: u64, commit: &[u8]) -> Result<Claim> {
            self.inner.claim(version, commit)
        }
    }

    impl Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    impl DataFile for Counted {
        fn finish(&mut self) -> Result<u64> {
            self.0.finish()
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn store() -> (TempDir, Arc<Counting>) {
        let folder = tempfile::tempdir().unwrap();
        let inner = LocalStore::new(Url::from_directory_path(folder.path()).unwrap()).unwrap();
        (folder, Arc::new(Counting { inner, open: Arc::default(), most: AtomicUsize::new(0) }))
    }

    /// `p: long, v: string`, partitioned by `p`.
    fn table() -> Arc<TableInfo> {
        let schema = r#"{"type":"struct","fields":[{"name":"p","type":"long","nullable":true},
            {"name":"v","type":"string","nullable":true}]}"#;
        let mut table = TableInfo::unpartitioned(Schema::parse(schema).unwrap());
        table.partition_by = vec!["p".into()];
        Arc::new(table)
    }

    fn rows(partitions: impl Iterator<Item = i64> + Clone) -> RecordBatch {
        let texts = partitions.clone().enumerate().map(|(row, _)| Some(format!("{row}{}", "x".repeat(1000))));
        let columns: [ArrayRef; 2] =
            [Arc::new(partitions.collect::<Int64Array>()), Arc::new(texts.collect::<StringArray>())];
        RecordBatch::try_new(table().schema.arrow(), columns.into()).unwrap()
    }

    fn files(folder: &TempDir) -> usize {
        let folders = std::fs::read_dir(folder.path()).unwrap();
        folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
    }

    #[test]
    fn of_2000_partitions_in_a_batch_few_are_open_at_once() {
        let (folder, store) = store();
        let mut writer = UnitWriter::new(store.clone(), of_tests(), Compression::None, u64::MAX);
        writer.write(&table(), &rows((0..6000).map(|n| n * 7 % 2000))).unwrap();
        // The last ones are still open, so that these rows go to the same files.
        writer.write(&table(), &rows((5990..6000).map(|n| n * 7 % 2000))).unwrap();
        assert_eq!(writer.open.len(), OPEN_FILES);
        let staged = writer.finish().unwrap();
        assert_eq!(store.most.load(Ordering::Relaxed), OPEN_FILES);
        assert_eq!(store.open.load(Ordering::Relaxed), 0);
        assert_eq!(staged.len(), 2000);
        assert_eq!(staged.iter().map(|file| file.rows).sum::<u64>(), 6010);
        assert_eq!(files(&folder), 2000);
    }

    #[test]
    fn row_groups_are_written_out_when_all_files_together_hold_too_much() {
        let (_folder, store) = store();
        let mut writer = UnitWriter::new(store, of_tests(), Compression::None, u64::MAX);
        writer.unit_bytes = 1 << 20;
        for _ in 0..20 {
            writer.write(&table(), &rows((0..2000).map(|n| n % 5))).unwrap();
            let held: usize = writer.open.iter().map(|file| file.parquet.memory_size()).sum();
            assert!(held <= 1 << 20, "{held} bytes");
        }
        assert!(writer.open.iter().any(|file| file.parquet.flushed_row_groups().len() > 1));
        assert_eq!(writer.finish().unwrap().len(), 5);
    }

    #[test]
    fn row_groups_are_closed_by_size_however_many_rows_they_have() {
        let (_folder, store) = store();
        let mut writer = UnitWriter::new(store, of_tests(), Compression::None, u64::MAX);
        let columns: [ArrayRef; 2] = [
            Arc::new(Int64Array::from(vec![1; 400_000])),
            Arc::new(StringArray::from(vec!["the same"; 400_000])),
        ];
        let rows = RecordBatch::try_new(table().schema.arrow(), columns.into()).unwrap();
        for _ in 0..4 {
            writer.write(&table(), &rows).unwrap();
        }
        assert!(writer.open[0].parquet.flushed_row_groups().is_empty());
        assert_eq!(writer.finish().unwrap()[0].rows, 1_600_000);
    }

    #[test]
    fn nothing_is_left_of_a_discarded_unit() {
        let (folder, store) = store();
        let mut writer = UnitWriter::new(store, of_tests(), Compression::Zstd, u64::MAX);
        writer.write(&table(), &rows(0..100)).unwrap();
        assert!(!writer.open.is_empty() && !writer.finished.is_empty());
        writer.discard();
        assert_eq!(files(&folder), 0);
    }

    #[test]
    fn rows_for_another_schema_go_to_another_file() {
        let (_folder, store) = store();
        let mut writer = UnitWriter::new(store, of_tests(), Compression::Zstd, u64::MAX);
        let mut other = (*table()).clone();
        other.properties.insert("delta.appendOnly".into(), "true".into());
        writer.write(&table(), &rows(0..1)).unwrap();
        writer.write(&table(), &rows(0..1)).unwrap();
        writer.write(&Arc::new(other.clone()), &rows(0..1)).unwrap();
        let staged = writer.finish().unwrap();
        assert_eq!(staged.iter().map(|file| file.rows).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(*staged[1].table, other);
    }

    #[test]
    fn an_empty_text_is_null_in_partitions_and_refused_where_null_is() {
        let (_folder, store) = store();
        let mut table = (*table()).clone();
        table.partition_by = vec!["v".into()];
        table.schema.fields[1].nullable = false;
        let columns: [ArrayRef; 2] =
            [Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec![""]))];
        let rows = RecordBatch::try_new(table.schema.arrow(), columns.into()).unwrap();
        let mut writer = UnitWriter::new(store, of_tests(), Compression::Zstd, u64::MAX);
        let error = writer.write(&Arc::new(table), &rows).unwrap_err();
        assert_eq!(error.code, Code::RecordNull);
        assert!(error.message.starts_with("column v: "), "{error}");
    }
}
