//! How the Delta kernel writes into a log when Sluice lets it: each file appears whole and durable, and only as long as the commit that
//! it goes with is the one that was read. What the kernel's own engine writes may be lost in a power failure.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use buoyant_kernel as delta_kernel;
use bytes::Bytes;
use delta_kernel::engine::arrow_data::EngineDataArrowExt;
use delta_kernel::engine::arrow_utils::to_json_bytes;
use delta_kernel::schema::SchemaRef;
use delta_kernel::{
    DeltaResult, DeltaResultIterator, DeltaResultIteratorStatic, Engine, EngineData, Error as KernelError,
    FileDataReadResultIterator, FileMeta, FileSize, FileSlice, FilteredEngineData, JsonHandler,
    ParquetFooter, ParquetHandler, PredicateRef, StorageHandler,
};
use object_store::{ObjectMeta, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use sluice_core::{Code, Error, Result};
use url::Url;

use super::Maintained;
use crate::kernel::Handlers;
use crate::store::{DataFile, Store, commit_name, object_path, root_path, store_error};
use crate::world::World;

/// How much of a checkpoint is encoded before it is written, which is what it costs in memory.
const ROW_GROUP_BYTES: usize = 8 << 20;

/// What is written into the log beside the commits, for one version.
#[derive(Clone)]
pub(crate) struct LogWriter {
    store: Arc<dyn Store>,
    world: Arc<dyn World>,
    version: u64,
    commit: ObjectMeta,
    written: Arc<Written>,
}

#[derive(Debug, Default)]
struct Written {
    files: AtomicU64,
    bytes: AtomicU64,
    /// The kernel's own type for errors does not hold ours.
    error: Mutex<Option<Error>>,
}

impl LogWriter {
    /// Remembers the version's commit, which has to be there.
    pub fn of(maintained: &Maintained, version: u64) -> Result<LogWriter> {
        let (store, world) = (maintained.store.clone(), maintained.world.clone());
        let commit = commit_meta(&*store, &*world, version)?.ok_or_else(|| gone(&*store, version))?;
        Ok(LogWriter { store, world, version, commit, written: Arc::default() })
    }

    /// Files and bytes that are finished.
    pub fn written(&self) -> (u64, u64) {
        (self.written.files.load(Ordering::Relaxed), self.written.bytes.load(Ordering::Relaxed))
    }

    pub fn create(&self, name: &str) -> Result<Box<dyn DataFile>> {
        self.store.replace(name)
    }

    /// Another table may be at the place by now: what is of the old one would be taken for its own.
    pub fn finish(&self, mut file: Box<dyn DataFile>) -> Result<u64> {
        let now = commit_meta(&*self.store, &*self.world, self.version)?;
        if !now.is_some_and(|now| same(&now, &self.commit)) {
            return Err(gone(&*self.store, self.version));
        }
        let size = file.finish()?;
        self.written.files.fetch_add(1, Ordering::Relaxed);
        self.written.bytes.fetch_add(size, Ordering::Relaxed);
        Ok(size)
    }

    pub fn is_there(&self, name: &str) -> Result<bool> {
        Ok(meta(&*self.store, &*self.world, name)?.is_some())
    }

    /// An engine that writes by this, and is `real` for the rest.
    pub fn engine(&self, real: &dyn Engine) -> impl Engine + use<> {
        Handlers {
            evaluation: real.evaluation_handler(),
            storage: Arc::new(LogStorage { real: real.storage_handler(), writer: self.clone() }),
            parquet: Arc::new(LogParquet { real: real.parquet_handler(), writer: self.clone() }),
            json: Arc::new(LogJson { real: real.json_handler(), writer: self.clone() }),
        }
    }

    /// The error of ours behind the kernel's last one.
    pub fn error(&self) -> Option<Error> {
        self.written.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn name(&self, url: &Url) -> DeltaResult<String> {
        let name = url.as_str().strip_prefix(self.store.root().as_str());
        name.map(str::to_owned).ok_or_else(|| KernelError::generic(format!("{url} is not of the table")))
    }

    fn failed(&self, error: Error) -> KernelError {
        let text = error.to_string();
        *self.written.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        KernelError::IOError(io::Error::other(text))
    }

    fn whole(&self, url: &Url, bytes: &[u8]) -> DeltaResult<FileSize> {
        let name = self.name(url)?;
        let written = self.create(&name).and_then(|mut file| {
            file.write_all(bytes).map_err(|e| store_error(&format!("cannot write {name}"), &e))?;
            self.finish(file)
        });
        written.map_err(|e| self.failed(e))
    }
}

fn meta(store: &dyn Store, world: &dyn World, name: &str) -> Result<Option<ObjectMeta>> {
    let (path, objects) = (object_path(&root_path(store)?, name)?, store.objects());
    match world.wait(async { objects.head(&path).await }) {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(e) => Err(store_error(&format!("cannot look for {name}"), &e)),
    }
}

fn commit_meta(store: &dyn Store, world: &dyn World, version: u64) -> Result<Option<ObjectMeta>> {
    meta(store, world, &commit_name(version))
}

/// Under the DynamoDB lock a commit may be put in its place several times, so that only its time is another.
fn same(one: &ObjectMeta, other: &ObjectMeta) -> bool {
    match (&one.e_tag, &other.e_tag) {
        (Some(one_tag), Some(other_tag)) => one_tag == other_tag && one.size == other.size,
        _ => one.last_modified == other.last_modified && one.size == other.size,
    }
}

fn gone(store: &dyn Store, version: u64) -> Error {
    let message = format!("{} of table {} is gone or another one", commit_name(version), store.root());
    Error::new(Code::TableReplaced, message)
}

struct LogParquet {
    real: Arc<dyn ParquetHandler>,
    writer: LogWriter,
}

impl LogParquet {
    fn write(
        &self,
        name: &str,
        mut data: DeltaResultIteratorStatic<Box<dyn EngineData>>,
    ) -> DeltaResult<Box<dyn DataFile>> {
        let none = || KernelError::generic(format!("there is nothing to write into {name}"));
        let first = data.next().ok_or_else(none)??.try_into_record_batch()?;
        let properties = WriterProperties::builder()
            .set_created_by(crate::ENGINE_INFO.to_owned())
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .build();
        // As the kernel writes: readers are not all of Arrow.
        let options = ArrowWriterOptions::new().with_skip_arrow_metadata(true).with_properties(properties);
        let mut file = self.writer.create(name).map_err(|e| self.writer.failed(e))?;
        let mut writer = ArrowWriter::try_new_with_options(&mut *file, first.schema(), options)?;
        writer.write(&first)?;
        for batch in data {
            writer.write(&batch?.try_into_record_batch()?)?;
        }
        writer.close()?;
        Ok(file)
    }
}

impl ParquetHandler for LogParquet {
    fn read_parquet_files(
        &self,
        files: &[FileMeta],
        schema: SchemaRef,
        predicate: Option<PredicateRef>,
    ) -> DeltaResult<FileDataReadResultIterator> {
        self.real.read_parquet_files(files, schema, predicate)
    }

    /// Does not replace one that is there: another one made a checkpoint of this version meanwhile, and somebody may be reading it.
    fn write_parquet_file(
        &self,
        url: Url,
        data: DeltaResultIteratorStatic<Box<dyn EngineData>>,
    ) -> DeltaResult<()> {
        let name = self.writer.name(&url)?;
        let file = self.write(&name, data)?;
        if self.writer.is_there(&name).map_err(|e| self.writer.failed(e))? {
            return Err(KernelError::FileAlreadyExists(name));
        }
        self.writer.finish(file).map(|_| ()).map_err(|e| self.writer.failed(e))
    }

    fn read_parquet_footer(&self, file: &FileMeta) -> DeltaResult<ParquetFooter> {
        self.real.read_parquet_footer(file)
    }
}

struct LogJson {
    real: Arc<dyn JsonHandler>,
    writer: LogWriter,
}

impl JsonHandler for LogJson {
    fn parse_json(&self, texts: Box<dyn EngineData>, schema: SchemaRef) -> DeltaResult<Box<dyn EngineData>> {
        self.real.parse_json(texts, schema)
    }

    fn read_json_files(
        &self,
        files: &[FileMeta],
        schema: SchemaRef,
        predicate: Option<PredicateRef>,
    ) -> DeltaResult<FileDataReadResultIterator> {
        self.real.read_json_files(files, schema, predicate)
    }

    fn write_json_file(
        &self,
        url: &Url,
        data: DeltaResultIterator<'_, FilteredEngineData>,
        _overwrite: bool,
    ) -> DeltaResult<FileSize> {
        self.writer.whole(url, &to_json_bytes(data)?)
    }
}

struct LogStorage {
    real: Arc<dyn StorageHandler>,
    writer: LogWriter,
}

impl StorageHandler for LogStorage {
    fn list_from(&self, path: &Url) -> DeltaResult<Box<dyn Iterator<Item = DeltaResult<FileMeta>>>> {
        self.real.list_from(path)
    }

    fn read_files(&self, files: Vec<FileSlice>) -> DeltaResult<Box<dyn Iterator<Item = DeltaResult<Bytes>>>> {
        self.real.read_files(files)
    }

    fn copy_atomic(&self, _from: &Url, to: &Url) -> DeltaResult<()> {
        Err(KernelError::generic(format!("{to} is not for upkeep to write")))
    }

    /// Where two write the same file at once without replacing, the later one stays: both are of the same version, and say the same.
    fn put(&self, path: &Url, data: Bytes, overwrite: bool) -> DeltaResult<()> {
        let name = self.writer.name(path)?;
        if !overwrite && self.writer.is_there(&name).map_err(|e| self.writer.failed(e))? {
            return Err(KernelError::FileAlreadyExists(name));
        }
        self.writer.whole(path, &data).map(|_| ())
    }

    fn head(&self, path: &Url) -> DeltaResult<FileMeta> {
        self.real.head(path)
    }

    fn delete(&self, path: &Url) -> DeltaResult<()> {
        Err(KernelError::generic(format!("{path} is not for upkeep to delete")))
    }
}
