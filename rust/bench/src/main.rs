//! What the work itself costs: our JSON decoder and Parquet writer on one thread, with the data in memory.
//! `bare-loop CONNECTOR.json EVENTS.jsonl` prints rows per CPU second and bytes per row as JSON. `cargo xtask bench` runs it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::{Value, json};
use sluice_core::Result;
use sluice_core::decode::json::{JsonDecoder, JsonOptions};
use sluice_core::schema::Schema;
use sluice_core::settings::Compression;
use sluice_core::table::TableInfo;
use sluice_delta::UnitWriter;
use sluice_delta::store::{Claim, DataFile, Store};
use sluice_delta::world::Tokio;
use url::Url;

/// What a worker hands over at once with `max.poll.records=5000`.
const BATCH: usize = 5_000;
/// A file as large as a commit interval of one second makes it.
const FILE_ROWS: usize = 200_000;
const ROUNDS: usize = 5;

fn main() {
    let mut args = std::env::args().skip(1);
    let mut file =
        || std::fs::read_to_string(args.next().expect("CONNECTOR.json EVENTS.jsonl")).expect("a file");
    let connector: Value = serde_json::from_str(&file()).expect("a connector");
    let schema = connector["config"]["delta.schema.json"].as_str().expect("a schema in the connector");
    let schema = Schema::parse(schema).expect("a valid schema");
    let table = std::sync::Arc::new(TableInfo::unpartitioned(schema.clone()));
    let events = file();
    let events: Vec<&[u8]> = events.lines().map(str::as_bytes).collect();

    let mut decoder = JsonDecoder::new(&schema, JsonOptions::default()).expect("a schema that JSON can fill");
    let mut decode = |batch: &[&[u8]]| {
        batch.iter().for_each(|event| decoder.push(event).expect("a valid event"));
        decoder.finish()
    };
    let decoding = best(|| events.chunks(BATCH).for_each(|batch| drop(decode(batch))));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let world = Tokio::world(runtime.handle().clone());
    let nowhere =
        Arc::new(Nowhere { root: Url::parse("memory:///").expect("a URL"), written: Arc::default() });
    let both = best(|| {
        nowhere.written.store(0, Ordering::Relaxed);
        for rows in events.chunks(FILE_ROWS) {
            let mut writer = UnitWriter::new(nowhere.clone(), world.clone(), Compression::Zstd, u64::MAX);
            for batch in rows.chunks(BATCH) {
                writer.write(&table, &decode(batch)).expect("a written batch");
            }
            writer.finish().expect("a finished file");
        }
    });
    let rows = events.len() as f64;
    let bytes = nowhere.written.load(Ordering::Relaxed) as f64;
    println!("{}", json!({"decode": rows / decoding, "both": rows / both, "bytes_per_row": bytes / rows}));
}

/// CPU seconds of the quickest round: the others were disturbed.
fn best(mut round: impl FnMut()) -> f64 {
    let seconds = (0..ROUNDS).map(|_| {
        let start = cpu_seconds();
        round();
        cpu_seconds() - start
    });
    seconds.fold(f64::INFINITY, f64::min)
}

/// Of this thread alone, so that a busy machine does not count.
fn cpu_seconds() -> f64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux's schedstat");
    let nanos = schedule.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok());
    nanos.expect("nanoseconds on the CPU") / 1e9
}

/// Takes data files and keeps nothing but their size.
struct Nowhere {
    root: Url,
    written: Arc<AtomicU64>,
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
