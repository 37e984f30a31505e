//! Tables whose logs are made by hand, and what they come to by a replay that knows nothing of the one that is tested.

mod checkpoints;
mod checksums;
mod cleaning;
mod compacting;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use arrow_array::RecordBatch;
use buoyant_kernel as delta_kernel;
use delta_kernel::Snapshot;
use delta_kernel::actions::get_all_actions_schema;
use delta_kernel::engine::arrow_data::EngineDataArrowExt;
use delta_kernel::log_segment::LogSegment;
use object_store::ObjectStore;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use sluice_core::Result;
use tempfile::TempDir;
use url::Url;

use super::{Maintained, Progress};
use crate::store::{Claim, DataFile, LocalStore, Store, commit_name};
use crate::world::of_tests;

pub const DAY: u64 = 86_400;

/// A table in a temporary folder, and all its commits.
pub struct Log {
    pub folder: TempDir,
    pub maintained: Maintained,
    pub commits: Vec<Vec<Value>>,
}

impl Log {
    /// Version 0 has this protocol, and properties.
    pub fn new(protocol: Value, properties: Value) -> Log {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalStore::new(Url::from_directory_path(folder.path()).unwrap()).unwrap());
        let maintained = Maintained::new(store, of_tests());
        let mut log = Log { folder, maintained, commits: vec![] };
        fs::create_dir(log.path("_delta_log")).unwrap();
        log.commit(&[json!({"protocol": protocol}), metadata(properties)]);
        log
    }

    pub fn simple() -> Log {
        Log::new(json!({"minReaderVersion": 1, "minWriterVersion": 2}), json!({}))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn commit(&mut self, actions: &[Value]) -> u64 {
        let version = self.commits.len() as u64;
        fs::write(self.path(&commit_name(version)), text(actions)).unwrap();
        self.commits.push(actions.to_vec());
        version
    }

    /// Each adds a file, and says how far it came.
    pub fn grow(&mut self, commits: u64) {
        for _ in 0..commits {
            let version = self.commits.len() as i64;
            self.commit(&[info(version), add(&format!("{version}.parquet")), txn("sluice/k/t/0", version)]);
        }
    }

    /// Makes a file look as if written so long ago.
    pub fn age(&self, name: &str, seconds: u64) {
        let then = SystemTime::UNIX_EPOCH + Duration::from_millis(ago(seconds));
        fs::File::options().append(true).open(self.path(name)).unwrap().set_modified(then).unwrap();
    }

    /// What is in the log, without what is in its folders.
    pub fn names(&self) -> Vec<String> {
        names(&self.path("_delta_log"))
    }

    /// What the commits up to a version come to.
    pub fn state(&self, version: u64) -> State {
        State::of(self.commits[..=version as usize].iter().flatten())
    }

    /// What a reader of a version sees, by the kernel.
    pub fn read(&self, version: u64) -> State {
        let snapshot = self.maintained.at(version).unwrap();
        self.replay(snapshot.log_segment())
    }

    pub fn newest(&self) -> Arc<Snapshot> {
        self.maintained.newest().unwrap()
    }

    /// By the kernel, of the commits, log compaction files and checkpoints that a segment names.
    pub fn replay(&self, segment: &LogSegment) -> State {
        let batches =
            segment.read_actions(&self.maintained.engine, get_all_actions_schema().clone()).unwrap();
        let mut state = State::default();
        // The newest come first.
        let batches: Vec<_> =
            batches.map(|batch| batch.unwrap().actions.try_into_record_batch().unwrap()).collect();
        for batch in batches.iter().rev() {
            lines(batch).iter().for_each(|action| state.add(action));
        }
        state
    }

    /// The actions in Parquet files of the log.
    pub fn actions(&self, names: &[String]) -> Vec<Value> {
        let read = |name: &String| {
            let file = fs::File::open(self.path(name)).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
            reader.flat_map(|batch| lines(&batch.unwrap())).collect::<Vec<_>>()
        };
        names.iter().flat_map(read).collect()
    }

    pub fn last_checkpoint(&self) -> Option<Value> {
        let text = fs::read(self.path("_delta_log/_last_checkpoint")).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// The same table in a store that does something else now and then.
    pub fn through(&self, hook: impl Fn(Step, &str) -> Result<()> + Send + Sync + 'static) -> Maintained {
        let url = Url::from_directory_path(self.folder.path()).unwrap();
        let inner = LocalStore::new(url).unwrap();
        Maintained::new(Arc::new(Hooked { inner, hook: Arc::new(hook) }), of_tests())
    }
}

pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return vec![] };
    let files = entries.map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file());
    let mut names: Vec<_> = files.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

pub fn text(actions: &[Value]) -> String {
    actions.iter().map(|action| format!("{action}\n")).collect()
}

fn lines(batch: &RecordBatch) -> Vec<Value> {
    let mut writer = arrow_json::LineDelimitedWriter::new(Vec::new());
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    let text = String::from_utf8(writer.into_inner()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn metadata(properties: Value) -> Value {
    let mapped = |name: &str, id: i64| {
        json!({"name": name, "type": "long", "nullable": true, "metadata": {
            "delta.columnMapping.id": id, "delta.columnMapping.physicalName": format!("col-{name}")}})
    };
    let plain = |name: &str| json!({"name": name, "type": "long", "nullable": true, "metadata": {}});
    let fields = match properties.get("delta.columnMapping.mode") {
        Some(_) => [mapped("p", 1), mapped("v", 2)],
        None => [plain("p"), plain("v")],
    };
    let schema = json!({"type": "struct", "fields": fields});
    json!({"metaData": {"id": "0", "format": {"provider": "parquet", "options": {}}, "createdTime": 7,
        "schemaString": schema.to_string(), "partitionColumns": ["p"], "configuration": properties}})
}

pub fn info(timestamp: i64) -> Value {
    json!({"commitInfo": {"timestamp": timestamp, "operation": "WRITE"}})
}

pub fn txn(app_id: &str, version: i64) -> Value {
    json!({"txn": {"appId": app_id, "version": version, "lastUpdated": 1_795_324_286_970_u64}})
}

pub fn add(path: &str) -> Value {
    let stats = json!({"numRecords": 3, "minValues": {"v": 1}, "maxValues": {"v": 9}, "nullCount": {"v": 0}});
    json!({"add": {"path": path, "partitionValues": {"p": "1"}, "size": 100 + path.len(), "modificationTime": 5,
        "dataChange": true, "stats": stats.to_string()}})
}

/// Milliseconds since the epoch.
pub fn ago(seconds: u64) -> u64 {
    of_tests().epoch_millis() as u64 - seconds * 1000
}

/// Of a file that was removed so long ago.
pub fn remove(path: &str, seconds: u64) -> Value {
    json!({"remove": {"path": path, "deletionTimestamp": ago(seconds), "dataChange": true, "extendedFileMetadata": true,
        "partitionValues": {"p": "1"}, "size": 100 + path.len()}})
}

pub fn domain(name: &str, configuration: &str, removed: bool) -> Value {
    json!({"domainMetadata": {"domain": name, "configuration": configuration, "removed": removed}})
}

pub fn vector(action: Value, id: &str) -> Value {
    let mut action = action;
    for kind in ["add", "remove"] {
        if let Some(file) = action.get_mut(kind) {
            file["deletionVector"] = json!({"storageType": "u", "pathOrInlineDv": id, "offset": 1,
                "sizeInBytes": 36, "cardinality": 2});
        }
    }
    action
}

/// A table's state by the rules of action reconciliation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    pub protocol: Value,
    pub metadata: Value,
    pub txns: BTreeMap<String, Value>,
    pub domains: BTreeMap<String, Value>,
    pub adds: BTreeMap<(String, String), Value>,
    /// Tombstones.
    pub removes: BTreeMap<(String, String), Value>,
}

impl State {
    pub fn of<'a>(actions: impl IntoIterator<Item = &'a Value>) -> State {
        let mut state = State::default();
        actions.into_iter().for_each(|action| state.add(action));
        state
    }

    fn add(&mut self, action: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let key = |file: &Value| {
            let vector = &file["deletionVector"];
            let id = format!("{}{}{}", vector["storageType"], vector["pathOrInlineDv"], vector["offset"]);
            (text(&file["path"]), if vector.is_null() { String::new() } else { id })
        };
        let Some((kind, what)) = action.as_object().and_then(|action| action.iter().next()) else { return };
        let what = without_nulls(what);
        match kind.as_str() {
            "protocol" => self.protocol = what,
            "metaData" => self.metadata = what,
            "txn" => {
                self.txns.insert(text(&what["appId"]), what);
            }
            "domainMetadata" if what["removed"] == json!(true) => {
                self.domains.remove(&text(&what["domain"]));
            }
            "domainMetadata" => {
                self.domains.insert(text(&what["domain"]), what);
            }
            "add" => {
                self.removes.remove(&key(&what));
                self.adds.insert(key(&what), what);
            }
            "remove" => {
                self.adds.remove(&key(&what));
                self.removes.insert(key(&what), what);
            }
            _ => {}
        }
    }

    pub fn without_tombstones(self) -> State {
        State { removes: BTreeMap::new(), ..self }
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// A file is begun.
    Begin,
    /// It is about to be there.
    Finish,
    /// It is there.
    Finished,
}

type Hook = Arc<dyn Fn(Step, &str) -> Result<()> + Send + Sync>;

struct Hooked {
    inner: LocalStore,
    hook: Hook,
}

impl Store for Hooked {
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
        self.inner.create(name)
    }

    fn replace(&self, name: &str) -> Result<Box<dyn DataFile>> {
        (self.hook)(Step::Begin, name)?;
        let inner = self.inner.replace(name)?;
        Ok(Box::new(HookedFile { inner, name: name.to_owned(), hook: self.hook.clone() }))
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.inner.delete(name)
    }

    fn claim(&self, version: u64, commit: &[u8]) -> Result<Claim> {
        self.inner.claim(version, commit)
    }
}

struct HookedFile {
    inner: Box<dyn DataFile>,
    name: String,
    hook: Hook,
}

impl std::io::Write for HookedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

impl DataFile for HookedFile {
    fn finish(&mut self) -> Result<u64> {
        (self.hook)(Step::Finish, &self.name)?;
        let size = self.inner.finish()?;
        (self.hook)(Step::Finished, &self.name)?;
        Ok(size)
    }
}

/// What was done, in its order.
#[derive(Default, Clone)]
pub struct Noted(Arc<Mutex<Vec<String>>>);

impl Noted {
    pub fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Wants it to end after so many steps.
pub struct Ends(pub std::sync::atomic::AtomicI64);

impl Progress for Ends {
    fn is_stopped(&self) -> bool {
        self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) <= 0
    }
}
