//! Drives real tasks on real tables in a temporary folder, without a JVM, with faults where a test wants them.
#![allow(dead_code)]

pub mod fast;
pub mod outage;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use buoyant_kernel::Snapshot;
use buoyant_kernel_engine::DefaultEngineBuilder;
use buoyant_kernel_engine::executor::tokio::TokioMultiThreadExecutor;
use fast::Fast;
use object_store::local::LocalFileSystem;
use outage::{FaultyFile, FaultyObjects, Outages, Part};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use sluice_core::connect::Registry;
use sluice_core::crossing::{Needs, encode_raw, read_batch};
use sluice_core::metrics::Metric;
use sluice_core::offsets::TopicPartition;
use sluice_core::settings::{Settings, StoreSettings};
use sluice_core::task::{Actions, BadRow, Task};
use sluice_core::{Error, Result};
use sluice_delta::audit::{Audit, audit};
use sluice_delta::budget::Budget;
use sluice_delta::store::{Claim, DataFile, LocalStore, Store};
use sluice_delta::world::Tokio;
use sluice_delta::{BLOCKING_THREADS, Hub, TaskTables};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use url::Url;

pub const SCHEMA: &str = r#"{"type":"struct","fields":[
    {"name":"v","type":"long","nullable":false,"metadata":{}},
    {"name":"w","type":"string","nullable":true,"metadata":{}}]}"#;

/// Settings of a task that has no schema of its own.
pub const WHATEVER_THE_TABLE_HAS: [(&str, &str); 2] =
    [("delta.schema.json", ""), ("delta.table.auto.create", "false")];

/// Of one that does nothing but commit, besides.
pub const COMMITS_ONLY: [(&str, &str); 3] =
    [WHATEVER_THE_TABLE_HAS[0], WHATEVER_THE_TABLE_HAS[1], ("delta.maintenance.enabled", "false")];

/// What a store does instead of what it should, once each, in this order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// The commit lands and the reply is lost.
    ClaimLandsAndFails,
    /// The commit lands, and a retry inside the store's client makes it look as if somebody else had won.
    ClaimLandsAndLooksTaken,
    /// Nothing happens.
    ClaimFails,
    DiskFull,
    /// A data file takes long to finish.
    FinishesLate,
}

impl Fault {
    fn is_of_a_file(self) -> bool {
        matches!(self, Fault::DiskFull | Fault::FinishesLate)
    }
}

pub type Faults = Arc<Mutex<VecDeque<Fault>>>;

struct FaultyStore {
    inner: LocalStore,
    faults: Faults,
    outages: Arc<Outages>,
}

impl FaultyStore {
    fn next(&self, applies: impl Fn(Fault) -> bool) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        faults.pop_front_if(|fault| applies(*fault))
    }
}

fn timeout() -> Error {
    Error::new(sluice_core::Code::StoreIo, "the store did not answer in time")
}

impl Store for FaultyStore {
    fn root(&self) -> &Url {
        self.inner.root()
    }

    fn objects(&self) -> Arc<dyn object_store::ObjectStore> {
        Arc::new(FaultyObjects { inner: self.inner.objects(), outages: self.outages.clone() })
    }

    fn prepare(&self) -> Result<()> {
        self.inner.prepare()
    }

    fn create(&self, name: &str) -> Result<Box<dyn DataFile>> {
        self.outages.check(Part::Create)?;
        let file = self.inner.create(name)?;
        Ok(match self.next(Fault::is_of_a_file) {
            Some(Fault::FinishesLate) => Box::new(LateFile(file)),
            Some(_) => Box::new(FullFile(file)),
            None => Box::new(FaultyFile { inner: file, outages: self.outages.clone() }),
        })
    }

    fn replace(&self, name: &str) -> Result<Box<dyn DataFile>> {
        self.outages.check(Part::Create)?;
        let inner = self.inner.replace(name)?;
        Ok(Box::new(FaultyFile { inner, outages: self.outages.clone() }))
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.inner.delete(name)
    }

    fn claim(&self, version: u64, commit: &[u8]) -> Result<Claim> {
        self.outages.note(format!("PUT {version}.json"));
        self.outages.check(Part::Claim)?;
        if let Err(lost) = self.outages.check(Part::ClaimReply) {
            return self.inner.claim(version, commit).and(Err(lost));
        }
        match self.next(|fault| !fault.is_of_a_file()) {
            None | Some(Fault::DiskFull | Fault::FinishesLate) => self.inner.claim(version, commit),
            Some(Fault::ClaimFails) => Err(timeout()),
            Some(Fault::ClaimLandsAndFails) => self.inner.claim(version, commit).and(Err(timeout())),
            Some(Fault::ClaimLandsAndLooksTaken) => self.inner.claim(version, commit).and(Ok(Claim::Taken)),
        }
    }
}

struct FullFile(Box<dyn DataFile>);

impl std::io::Write for FullFile {
    fn write(&mut self, _bytes: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl DataFile for FullFile {
    fn finish(&mut self) -> Result<u64> {
        self.0.finish()
    }
}

struct LateFile(Box<dyn DataFile>);

impl std::io::Write for LateFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl DataFile for LateFile {
    fn finish(&mut self) -> Result<u64> {
        std::thread::sleep(Duration::from_millis(100));
        self.0.finish()
    }
}

/// One table in a temporary folder, and the processes that write to it.
pub struct Rig {
    pub folder: TempDir,
    pub runtime: Runtime,
    pub faults: Faults,
    pub outages: Arc<Outages>,
    /// Of every process.
    pub budget: Arc<Budget>,
    /// How much faster time passes for what goes on in the background.
    pub times: u32,
}

impl Rig {
    pub fn new() -> Rig {
        outage::listen();
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).max_blocking_threads(BLOCKING_THREADS).enable_all();
        let runtime = runtime.build().unwrap();
        Rig {
            folder: tempfile::tempdir().unwrap(),
            runtime,
            faults: Faults::default(),
            outages: Arc::default(),
            budget: Budget::unlimited(),
            times: 1,
        }
    }

    pub fn table(&self) -> PathBuf {
        self.folder.path().join("table")
    }

    pub fn store_uri(&self) -> Url {
        Url::from_directory_path(self.table()).unwrap()
    }

    pub fn store(&self) -> LocalStore {
        LocalStore::new(self.store_uri()).unwrap()
    }

    /// The tables of one worker process.
    pub fn process(&self) -> Arc<Hub> {
        self.process_with(&[])
    }

    /// One that writes to the tables of others, too, each with its own faults.
    pub fn process_with(&self, others: &[&Rig]) -> Arc<Hub> {
        let rigs = [&[self], others].concat();
        let rigs: Vec<_> =
            rigs.iter().map(|rig| (rig.store_uri(), rig.faults.clone(), rig.outages.clone())).collect();
        let open = move |uri: &str, _: &StoreSettings| -> Result<Arc<dyn Store>> {
            let (uri, faults, outages) = rigs.iter().find(|(of, _, _)| of.as_str() == uri).unwrap().clone();
            Ok(Arc::new(FaultyStore { inner: LocalStore::new(uri)?, faults, outages }))
        };
        let world = Tokio::world(self.runtime.handle().clone());
        let world = Arc::new(Fast { begun: world.now(), world, times: self.times });
        Hub::with_stores(world, 2, self.budget.clone(), Box::new(open))
    }

    pub fn settings(&self, extra: &[(&str, &str)]) -> Settings {
        let table = self.table();
        let mut map: BTreeMap<String, String> = [
            ("name", "k"),
            ("delta.table.uri", table.to_str().unwrap()),
            ("delta.table.auto.create", "true"),
            ("delta.schema.json", SCHEMA),
            ("delta.commit.interval.ms", "100"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        for (key, value) in extra {
            match value.is_empty() {
                true => map.remove(*key),
                false => map.insert(key.to_string(), value.to_string()),
            };
        }
        Settings::parse(&map).unwrap()
    }

    pub fn tables(&self, process: &Arc<Hub>, settings: &Settings) -> TaskTables {
        process.tables_for(settings)
    }

    pub fn task(&self, process: &Arc<Hub>, extra: &[(&str, &str)]) -> Driver {
        Driver::new(process, self.settings(extra))
    }

    /// What the log was told of this table's outages: its warnings, and that it works again.
    pub fn told(&self) -> Vec<String> {
        outage::told(self.folder.path().to_str().unwrap())
    }

    /// All that it was told of this table, from INFO on.
    pub fn said(&self) -> Vec<String> {
        outage::said(self.folder.path().to_str().unwrap())
    }

    pub fn audit(&self) -> Audit {
        audit(&self.store(), self.runtime.handle()).unwrap()
    }

    /// Adds an action line as another writer would, as the next version.
    pub fn commit_by_hand(&self, actions: &str) {
        let log = self.table().join("_delta_log");
        let versions = std::fs::read_dir(&log).unwrap().flatten();
        let versions =
            versions.filter(|entry| entry.file_name().to_string_lossy().ends_with(".json")).count();
        assert_eq!(self.store().claim(versions as u64, actions.as_bytes()), Ok(Claim::Won));
    }

    /// A checkpoint as another writer makes it.
    pub fn checkpoint(&self) {
        let executor = Arc::new(TokioMultiThreadExecutor::new(self.runtime.handle().clone()));
        let engine =
            DefaultEngineBuilder::new(Arc::new(LocalFileSystem::new())).with_task_executor(executor).build();
        let snapshot = Snapshot::builder_for(self.store_uri()).build(&engine).unwrap();
        snapshot.checkpoint(&engine, None).unwrap();
    }

    pub fn log(&self) -> Vec<String> {
        let log = self.table().join("_delta_log");
        let mut files: Vec<_> = std::fs::read_dir(&log)
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .collect();
        files.sort();
        files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
    }

    /// All rows of all files that the table has, in the log's order.
    pub fn read(&self) -> Vec<RecordBatch> {
        let mut paths: Vec<String> = Vec::new();
        for line in self.log().iter().flat_map(|commit| commit.lines()) {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(removed) = action["remove"]["path"].as_str() {
                paths.retain(|path| path != removed);
            }
            paths.extend(action["add"]["path"].as_str().map(str::to_owned));
        }
        let mut batches = Vec::new();
        for path in paths {
            let file = std::fs::File::open(self.table().join(path)).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
            batches.extend(reader.map(|batch| batch.unwrap()));
        }
        batches
    }

    /// Column `v` of all rows, sorted.
    pub fn values(&self) -> Vec<i64> {
        let column = |batch: &RecordBatch| batch["v"].as_primitive::<Int64Type>().values().to_vec();
        let mut values: Vec<i64> = self.read().iter().flat_map(column).collect();
        values.sort_unstable();
        values
    }

    pub fn data_files(&self) -> usize {
        let files = std::fs::read_dir(self.table()).unwrap().flatten();
        files.filter(|entry| entry.path().extension().is_some_and(|e| e == "parquet")).count()
    }
}

/// A task and the part of Connect's worker that matters.
pub struct Driver {
    pub task: Task<TaskTables>,
    clock: Instant,
    /// Rewinds that Connect was asked for, all of them.
    pub rewinds: Vec<(i32, i64)>,
    /// By partition: where Connect's consumer is.
    consumed: BTreeMap<i32, i64>,
}

impl Driver {
    pub fn new(process: &Arc<Hub>, settings: Settings) -> Driver {
        let tables = process.tables_for(&settings);
        Driver {
            task: Task::new(settings, true, tables),
            clock: Instant::now(),
            rewinds: vec![],
            consumed: BTreeMap::new(),
        }
    }

    /// Connect's consumer stands there.
    pub fn seek(&mut self, id: i32, offset: i64) {
        self.consumed.insert(id, offset);
    }

    pub fn consumed(&self, id: i32) -> i64 {
        self.consumed[&id]
    }

    fn now(&self) -> u64 {
        self.clock.elapsed().as_millis() as u64
    }

    fn see(&mut self, actions: Actions) -> Actions {
        self.consumed.extend(actions.rewinds.iter().copied());
        self.rewinds.extend(&actions.rewinds);
        actions
    }

    pub fn tick(&mut self) -> Result<Actions> {
        let actions = self.task.tick(self.now())?;
        Ok(self.see(actions))
    }

    /// Opens partitions of topic `t` and waits until they run.
    pub fn open(&mut self, ids: &[i32]) -> Result<()> {
        let assigned = ids.iter().map(|id| (*id, TopicPartition::new("t", *id))).collect();
        let actions = self.task.open(self.now(), assigned)?;
        let mut pause = self.see(actions).pause;
        let deadline = Instant::now() + Duration::from_secs(20);
        while pause {
            assert!(Instant::now() < deadline, "the table's offsets do not come");
            std::thread::sleep(Duration::from_millis(2));
            pause = self.tick()?.pause;
        }
        Ok(())
    }

    pub fn put_json(&mut self, rows: &[(i32, i64, &str)]) -> Result<Vec<BadRow>> {
        let (meta, buffers) = encode_raw(rows.iter().map(|(id, o, text)| (*id, *o, Some(text.as_bytes()))));
        let batch = read_batch(&meta, &mut &buffers[..], &Registry::default(), Needs::default())?;
        let (actions, bad) = self.task.put(self.now(), &batch)?;
        self.consumed.extend(rows.iter().map(|(id, offset, _)| (*id, offset + 1)));
        self.see(actions);
        Ok(bad)
    }

    /// Rows whose value names partition and offset.
    pub fn put(&mut self, id: i32, offsets: std::ops::Range<i64>) -> Result<()> {
        let texts: Vec<_> =
            offsets.map(|offset| (offset, format!(r#"{{"v":{},"w":"x"}}"#, value(id, offset)))).collect();
        let rows: Vec<_> = texts.iter().map(|(offset, text)| (id, *offset, text.as_str())).collect();
        self.put_json(&rows).map(|bad| assert_eq!(bad, []))
    }

    pub fn total(&self, metric: &Metric) -> i64 {
        self.task.meter().samples(0).total(metric)
    }

    pub fn committed(&mut self, id: i32) -> Option<i64> {
        let consumed = *self.consumed.get(&id)?;
        self.task.pre_commit(&[(id, consumed)]).first().map(|(_, offset)| *offset)
    }

    /// Delivers a partition's rows as Kafka does, from where Connect's consumer stands, until the table holds them. Fails
    /// when a call takes long.
    pub fn deliver_until(&mut self, id: i32, to: i64) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.committed(id) != Some(to) {
            assert!(Instant::now() < deadline, "offset {to} is not committed: {:?}", self.committed(id));
            let before = Instant::now();
            let actions = self.tick()?;
            let from = self.consumed.get(&id).copied().unwrap_or(0);
            if !actions.pause && from < to {
                self.put(id, from..to.min(from + 10))?;
            }
            assert!(before.elapsed() < Duration::from_millis(500), "a call waited for the store");
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Ticks until the table holds the offset.
    pub fn until_committed(&mut self, id: i32, offset: i64) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.committed(id) != Some(offset) {
            assert!(Instant::now() < deadline, "offset {offset} is not committed: {:?}", self.committed(id));
            self.tick()?;
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Ticks until the task fails.
    pub fn until_failed(&mut self) -> Error {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            assert!(Instant::now() < deadline, "the task does not fail");
            if let Err(error) = self.tick() {
                return error;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ticks until Connect is asked for another rewind.
    pub fn until_rewound(&mut self) -> Result<(i32, i64)> {
        let seen = self.rewinds.len();
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.rewinds.len() == seen {
            assert!(Instant::now() < deadline, "no rewind");
            self.tick()?;
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(self.rewinds[seen])
    }
}

/// The actions of version 0 of a table that another writer made.
pub fn create_by_hand(extra: &[Value], configuration: Value, protocol: Value, schema: &str) -> Vec<Value> {
    let metadata = json!({
        "id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema,
        "partitionColumns": [],
        "configuration": configuration,
        "createdTime": 1_700_000_000_000_i64,
    });
    let info = json!({"timestamp": 1_700_000_000_000_i64, "inCommitTimestamp": 1_700_000_000_000_i64, "operation": "CREATE TABLE"});
    let mut actions =
        vec![json!({ "commitInfo": info }), json!({ "protocol": protocol }), json!({ "metaData": metadata })];
    actions.extend_from_slice(extra);
    actions
}

pub fn write_by_hand(rig: &Rig, actions: &[Value]) {
    std::fs::create_dir_all(rig.table().join("_delta_log")).unwrap();
    let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
    rig.commit_by_hand(&text);
}

/// A protocol with these features, the first ones for readers too.
pub fn features(of_readers: &[&str], of_writers: &[&str]) -> Value {
    let all = [of_readers, of_writers].concat();
    json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": of_readers, "writerFeatures": all})
}

pub fn value(id: i32, offset: i64) -> i64 {
    i64::from(id) * 1_000_000 + offset
}
