//! Rows to Parquet files: row groups by size, a new file when one is large enough or the schema changes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use arrow_array::RecordBatch;
use parquet::errors::ParquetError;
use sluice_core::settings::Compression;
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};
use tracing::{debug, warn};

use crate::fail_point::FailPoint;
use crate::open_file::{OpenFile, ParquetFile, extension};
use crate::partition::{PartitionValue, split};
use crate::physical::Layout;
use crate::store::{Store, store_error};
use crate::unit::StagedFile;
use crate::world::World;

/// What all files of a unit hold in memory at most: above it, the largest row group is written out.
const UNIT_BYTES: usize = 256 << 20;
/// Each partition has a file of its own. With more of them in the store at once, the one written to longest ago is finished.
const OPEN_FILES: usize = 64;

type Partition = Vec<PartitionValue>;

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
    writes: u64,
    open: BTreeMap<Partition, OpenFile>,
    /// Bytes in memory.
    held: usize,
    finished: Vec<StagedFile>,
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
            writes: 0,
            open: BTreeMap::new(),
            held: 0,
            finished: vec![],
        }
    }

    /// Holds no more than this in memory.
    pub fn within(self, unit_bytes: usize) -> Self {
        UnitWriter { unit_bytes, ..self }
    }

    /// `rows` were made for `table`: its columns, in their order.
    pub fn write(&mut self, table: &Arc<TableInfo>, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let layout = self.layout_for(table)?;
        let project =
            |rows: &RecordBatch| rows.project(&layout.columns).map_err(|e| parquet_error("rows", e.into()));
        if layout.partition_columns.is_empty() {
            return self.write_partition(&layout, vec![], project(rows)?);
        }
        split(&layout.partition_columns, rows)?
            .into_iter()
            .try_for_each(|(partition, rows)| self.write_partition(&layout, partition, project(&rows)?))
    }

    /// `rows` are of one partition, with the columns of the layout's files, in their order. A writer is given one layout only.
    pub(crate) fn write_as_laid_out(
        &mut self,
        layout: &Arc<Layout>,
        partition: &[PartitionValue],
        rows: RecordBatch,
    ) -> Result<()> {
        match rows.num_rows() {
            0 => Ok(()),
            _ => self.write_partition(layout, partition.to_vec(), rows),
        }
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
        partition: Partition,
        rows: RecordBatch,
    ) -> Result<()> {
        let mut file = self.take(&partition).unwrap_or_else(|| OpenFile::new(layout));
        self.writes += 1;
        file.last_write = self.writes;
        file.write(rows)?;
        if file.is_due(self.target_bytes) {
            let started = self.open.iter().filter(|(_, file)| file.parquet.is_some());
            if started.clone().count() == OPEN_FILES
                && let Some((oldest, _)) = started.min_by_key(|(_, file)| file.last_write)
            {
                self.finish_one(oldest.clone())?;
            }
            self.start(&partition, &mut file)?;
        }
        if file.parquet.as_ref().is_some_and(|parquet| parquet.bytes() >= self.target_bytes) {
            return self.finish_file(partition, file);
        }
        self.put(partition, file);
        self.bound_memory()
    }

    fn take(&mut self, partition: &Partition) -> Option<OpenFile> {
        let file = self.open.remove(partition)?;
        self.held -= file.held;
        Some(file)
    }

    fn put(&mut self, partition: Partition, mut file: OpenFile) {
        self.held += file.weigh();
        self.open.insert(partition, file);
    }

    /// Bytes in memory.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Writes out the largest row group, and where that is not enough, finishes the file.
    fn bound_memory(&mut self) -> Result<()> {
        while self.held > self.unit_bytes {
            let largest = self.open.iter().max_by_key(|(_, file)| file.held);
            let Some(partition) = largest.map(|(partition, _)| partition.clone()) else { break };
            let Some(mut file) = self.take(&partition) else { break };
            let flushed = file.parquet.as_mut().map_or(Ok(false), ParquetFile::flush)?;
            match flushed {
                true => self.put(partition, file),
                false => self.finish_file(partition, file)?,
            }
        }
        Ok(())
    }

    fn start(&mut self, partition: &Partition, file: &mut OpenFile) -> Result<()> {
        let folder = file.layout.folder(partition);
        let (number, unit, extension) = (self.created, &self.unit, extension(self.compression));
        let name = format!("{folder}part-{number:05}-{unit}-c000{extension}.parquet");
        self.created += 1;
        let data_file = self.store.create(&name)?;
        file.start(name, data_file, self.compression)
    }

    fn finish_one(&mut self, partition: Partition) -> Result<()> {
        self.take(&partition).map_or(Ok(()), |file| self.finish_file(partition, file))
    }

    fn finish_file(&mut self, partition: Partition, mut file: OpenFile) -> Result<()> {
        if file.parquet.is_none() {
            self.start(&partition, &mut file)?;
        }
        let Some(mut parquet) = file.parquet else { return Ok(()) };
        let footer = parquet.finish()?;
        self.world.reached(FailPoint::FileEncoded);
        let size = parquet.file().finish()?;
        self.world.reached(FailPoint::FileFinished);
        debug!("finished file {} with {} rows, {size} bytes", parquet.name, file.rows);
        let layout = file.layout;
        let names = layout.partition_columns.iter().map(|column| column.physical.clone());
        self.finished.push(StagedFile {
            stats: layout.stats.of_file(&footer, &file.observed)?,
            partition_values: names.zip(partition).collect(),
            name: parquet.name,
            size,
            rows: file.rows,
            modified: self.world.epoch_millis(),
            table: layout.table.clone(),
        });
        Ok(())
    }

    /// What is written from now on goes to other files.
    pub(crate) fn finish_open(&mut self) -> Result<()> {
        self.held = 0;
        let mut open: Vec<_> = std::mem::take(&mut self.open).into_iter().collect();
        open.sort_by_key(|(_, file)| file.last_write);
        open.into_iter().try_for_each(|(partition, file)| self.finish_file(partition, file))
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
        discard(&*self.store, &self.finished);
    }
}

/// Takes away files that no commit refers to.
pub(crate) fn discard(store: &dyn Store, files: &[StagedFile]) {
    for (file, name) in files.iter().map(|file| &file.name).enumerate() {
        if let Err(error) = store.delete(name) {
            let left = files.len() - file;
            warn!("{error}; {left} files stay that no commit refers to, VACUUM takes them away");
            return;
        }
    }
}

pub(crate) fn parquet_error(name: &str, error: ParquetError) -> Error {
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
    use crate::store::{Claim, DataFile, LocalStore};
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

        fn replace(&self, name: &str) -> Result<Box<dyn DataFile>> {
            self.inner.replace(name)
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
    fn few_rows_of_2000_partitions_wait_for_their_files() {
        let (folder, store) = store();
        let mut writer = UnitWriter::new(store.clone(), of_tests(), Compression::None, u64::MAX);
        for _ in 0..5 {
            writer.write(&table(), &rows((0..6000).map(|n| n * 7 % 2000))).unwrap();
        }
        assert_eq!((files(&folder), writer.open.len()), (0, 2000));
        assert!((30_000 * 1000..60_000 * 1000).contains(&writer.held()), "{}", writer.held());
        let staged = writer.finish().unwrap();
        assert_eq!(store.most.load(Ordering::Relaxed), 1);
        assert_eq!(staged.len(), 2000);
        assert!(staged.iter().all(|file| file.rows == 15));
        assert_eq!(files(&folder), 2000);
    }

    #[test]
    fn of_200_partitions_with_many_rows_few_are_open_at_once() {
        let (_folder, store) = store();
        let mut writer = UnitWriter::new(store.clone(), of_tests(), Compression::None, u64::MAX);
        // In two columns 256 KiB are due.
        for _ in 0..2 {
            (0..200).for_each(|n| writer.write(&table(), &rows(std::iter::repeat_n(n, 300))).unwrap());
        }
        // The last ones are still open, so that these rows go to the same files.
        writer.write(&table(), &rows(190..200)).unwrap();
        let open = writer.open.values().filter(|file| file.parquet.is_some()).count();
        assert_eq!((open, store.open.load(Ordering::Relaxed)), (OPEN_FILES, OPEN_FILES));
        let staged = writer.finish().unwrap();
        assert_eq!(store.most.load(Ordering::Relaxed), OPEN_FILES);
        assert_eq!(store.open.load(Ordering::Relaxed), 0);
        let largest = staged.iter().filter(|file| file.rows == 301).count();
        assert_eq!((largest, staged.iter().map(|file| file.rows).sum::<u64>()), (10, 120_010));
    }

    #[test]
    fn row_groups_are_written_out_when_all_files_together_hold_too_much() {
        let (_folder, store) = store();
        let mut writer = UnitWriter::new(store, of_tests(), Compression::None, u64::MAX);
        writer.unit_bytes = 2 << 20;
        for _ in 0..20 {
            writer.write(&table(), &rows((0..2000).map(|n| n % 5))).unwrap();
            let held: usize = writer.open.values_mut().map(OpenFile::weigh).sum();
            assert!(held <= 2 << 20 && held == writer.held(), "{held} bytes");
        }
        let row_groups = writer.open.values().flat_map(|file| &file.parquet).map(ParquetFile::row_groups);
        assert!(row_groups.max() > Some(1));
        assert_eq!(writer.finish().unwrap().len(), 5);
    }

    #[test]
    fn waiting_rows_alone_make_files_when_they_hold_too_much() {
        let (folder, store) = store();
        let mut writer = UnitWriter::new(store, of_tests(), Compression::None, u64::MAX);
        writer.unit_bytes = 1 << 20;
        writer.write(&table(), &rows(0..2000)).unwrap();
        assert!(writer.held() <= 1 << 20 && files(&folder) > 500, "{} files", files(&folder));
        assert_eq!(writer.finish().unwrap().iter().map(|file| file.rows).sum::<u64>(), 2000);
    }

    #[test]
    fn rows_that_come_one_by_one_take_no_more_memory_than_together() {
        let (_folder, store) = store();
        let held = |batches: &[i64]| {
            let mut writer = UnitWriter::new(store.clone(), of_tests(), Compression::None, u64::MAX);
            batches.iter().for_each(|count| writer.write(&table(), &rows((0..*count).map(|_| 1))).unwrap());
            writer.held()
        };
        let (single, together) = (held(&[1; 100]), held(&[100]));
        assert!(single < together * 5 / 4, "{single} bytes, and {together}");
    }

    #[test]
    fn a_large_value_counts_thrice_until_its_row_group_is_written_out() {
        let (_folder, store) = store();
        let mut writer = UnitWriter::new(store, of_tests(), Compression::None, u64::MAX);
        let columns: [ArrayRef; 2] =
            [Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec!["x".repeat(10 << 20)]))];
        writer
            .write(&table(), &RecordBatch::try_new(table().schema.arrow(), columns.into()).unwrap())
            .unwrap();
        // In its page, and as the least and the largest of its column.
        assert!((30 << 20..31 << 20).contains(&writer.held()), "{}", writer.held());
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
        let row_groups = writer.open.values().flat_map(|file| &file.parquet).map(ParquetFile::row_groups);
        assert_eq!(row_groups.collect::<Vec<_>>(), [0]);
        assert_eq!(writer.finish().unwrap()[0].rows, 1_600_000);
    }

    #[test]
    fn nothing_is_left_of_a_discarded_unit() {
        let (folder, store) = store();
        let mut writer = UnitWriter::new(store.clone(), of_tests(), Compression::Zstd, u64::MAX);
        writer.unit_bytes = 1 << 20;
        writer.write(&table(), &rows(0..2000)).unwrap();
        writer.unit_bytes = usize::MAX;
        writer.write(&table(), &rows(std::iter::repeat_n(1, 300))).unwrap();
        assert!(!writer.finished.is_empty() && writer.open.len() > 1);
        assert_eq!(store.open.load(Ordering::Relaxed), 1);
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
