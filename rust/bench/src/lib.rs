//! What the benchmarks on one thread share: a store that keeps nothing, and CPU time.

pub mod avro;
pub mod protobuf;
pub mod usage;

use std::fs;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::Value;
use sluice_core::Result;
use sluice_core::schema::Schema;
use sluice_delta::store::{Claim, DataFile, Store};
use url::Url;

/// What a worker hands over at once: Kafka's default of `max.poll.records`.
pub const BATCH: usize = 500;
/// A file as large as a commit interval of one second makes it.
pub const FILE_ROWS: usize = 200_000;

/// The table's schema as a connector's JSON has it, and the text of the events.
pub fn input() -> (Value, Schema, String) {
    let mut args = std::env::args().skip(1);
    let mut file = || fs::read_to_string(args.next().expect("CONNECTOR.json EVENTS.jsonl")).expect("a file");
    let connector: Value = serde_json::from_str(&file()).expect("a connector");
    let schema = connector["config"]["delta.schema.json"].as_str().expect("a schema in the connector");
    let schema = Schema::parse(schema).expect("a valid schema");
    (connector, schema, file())
}

/// CPU seconds of this thread that `work` takes: a busy machine does not count.
pub fn seconds(work: impl FnOnce()) -> f64 {
    let start = usage::cpu_of_thread();
    work();
    usage::cpu_of_thread() - start
}

/// Takes data files and keeps nothing but their size.
pub struct Nowhere {
    root: Url,
    written: Arc<AtomicU64>,
}

impl Nowhere {
    pub fn new() -> Arc<Self> {
        Arc::new(Nowhere { root: Url::parse("memory:///").expect("a URL"), written: Arc::default() })
    }

    /// Since it was asked last.
    pub fn bytes_written(&self) -> u64 {
        self.written.swap(0, Ordering::Relaxed)
    }
}

impl Store for Nowhere {
    fn root(&self) -> &Url {
        &self.root
    }

    fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::new(InMemory::new())
    }

    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    fn create(&self, _: &str) -> Result<Box<dyn DataFile>> {
        Ok(Box::new(Counted(self.written.clone())))
    }

    fn replace(&self, name: &str) -> Result<Box<dyn DataFile>> {
        self.create(name)
    }

    fn delete(&self, _: &str) -> Result<()> {
        Ok(())
    }

    fn claim(&self, _: u64, _: &[u8]) -> Result<Claim> {
        Ok(Claim::Won)
    }
}

struct Counted(Arc<AtomicU64>);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DataFile for Counted {
    fn finish(&mut self) -> Result<u64> {
        Ok(self.0.load(Ordering::Relaxed))
    }
}
