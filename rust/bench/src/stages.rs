//! What each stage on the way of a raw JSON record costs, on one thread with the data in memory: `stages CONNECTOR.json
//! EVENTS.jsonl` prints nanoseconds per row as JSON. The baseline, in the same rounds, is serde_json's check that the
//! record is JSON. `cargo xtask bench --stages` runs it.

use std::collections::{BTreeMap, VecDeque};
use std::iter;
use std::sync::Arc;
use std::task::Poll;

use arrow_array::RecordBatch;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use sluice_bench::{BATCH, FILE_ROWS, Nowhere, input, seconds};
use sluice_core::connect::Registry;
use sluice_core::crossing::{Needs, Slot, encode_raw, read_batch};
use sluice_core::decode::json::{JsonDecoder, JsonOptions};
use sluice_core::offsets::{Interval, TopicPartition};
use sluice_core::schema::Schema;
use sluice_core::settings::{Compression, Settings, TableSettings};
use sluice_core::table::TableInfo;
use sluice_core::task::driver::{Call, Put};
use sluice_core::task::{Event, Table, Tables, Task, Written};
use sluice_delta::UnitWriter;
use sluice_delta::world::Tokio;

const ROUNDS: usize = 7;

type Crossing = (Vec<i32>, Vec<Slot>);
type Stage<'a> = (&'static str, Box<dyn FnMut() + 'a>);

fn main() {
    let (connector, schema, text) = input();
    let events: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
    let table = Arc::new(TableInfo::unpartitioned(schema.clone()));
    let mut decoder = JsonDecoder::new(&schema, JsonOptions::default()).expect("a schema that JSON can fill");
    let mut decode = |batch: &[&[u8]]| {
        batch.iter().for_each(|event| decoder.push(event).expect("a valid event"));
        decoder.finish()
    };
    let decoded: Vec<RecordBatch> = events.chunks(BATCH).map(&mut decode).collect();
    let crossing: Vec<_> = (0..).zip(events.chunks(BATCH)).map(|(n, batch)| crossing(n, batch)).collect();
    let read = |(meta, buffers): &Crossing| {
        read_batch(meta, &mut &buffers[..], &Registry::default(), Needs::default()).expect("a batch")
    };
    let segments: Vec<_> = crossing.iter().map(read).collect();
    let through_task = |extra: &[(&str, &str)]| {
        let mut task = task(&connector, &schema, extra);
        for batch in &segments {
            let mut put = Put::new(batch);
            let taken = iter::repeat_with(|| put.step(&mut task, 0)).find(Poll::is_ready);
            assert!(matches!(taken, Some(Poll::Ready(Ok(_)))), "a batch that is taken");
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let world = Tokio::world(runtime.handle().clone());
    let write = |batches: &[RecordBatch]| {
        let mut writer = UnitWriter::new(Nowhere::new(), world.clone(), Compression::Zstd, u64::MAX);
        batches.iter().for_each(|batch| writer.write(&table, batch).expect("a written batch"));
        writer.finish().expect("a finished file");
    };
    let routed = [
        ("delta.table.uri", "/nowhere/${table}"),
        ("delta.route.by", "field(kind)"),
        ("delta.route.map", MAP),
    ];

    let mut stages: Vec<Stage<'_>> = vec![
        ("serde_json", Box::new(|| events.iter().for_each(|event| check(event)))),
        ("read the crossing", Box::new(|| crossing.iter().for_each(|batch| drop(read(batch))))),
        ("decode", Box::new(|| events.chunks(BATCH).for_each(|batch| drop(decode(batch))))),
        ("task (decode and offsets)", Box::new(|| through_task(&[]))),
        ("task, routed by a field", Box::new(|| through_task(&routed))),
        ("write Parquet", Box::new(|| decoded.chunks(FILE_ROWS / BATCH).for_each(&write))),
    ];
    let mut best = vec![f64::INFINITY; stages.len()];
    for _ in 0..ROUNDS {
        for ((_, stage), best) in stages.iter_mut().zip(&mut best) {
            *best = best.min(seconds(stage));
        }
    }
    let nanos =
        |((name, _), best): (&Stage<'_>, f64)| json!({"stage": name, "ns": best * 1e9 / events.len() as f64});
    println!("{}", Value::Array(stages.iter().zip(best).map(nanos).collect()));
}

/// The kinds of the demo's events.
const MAP: &str = "view=a; search=a; .*=b";

fn check(event: &[u8]) {
    serde_json::from_slice::<IgnoredAny>(event).expect("JSON");
}

/// What Java hands over of the `n`th batch.
fn crossing(n: i64, batch: &[&[u8]]) -> Crossing {
    let first = n * BATCH as i64;
    encode_raw((first..).zip(batch).map(|(offset, event)| (0, offset, Some(*event))))
}

/// A task whose tables keep nothing, ready for records.
fn task(connector: &Value, schema: &Schema, extra: &[(&str, &str)]) -> Task<NoTables> {
    let config = connector["config"].as_object().expect("a config");
    let ours = config.iter().filter(|(name, _)| name.starts_with("delta."));
    let ours = ours.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()));
    let all = ours.chain([("name", "bench")]).chain(extra.iter().copied());
    let settings: BTreeMap<_, _> = all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let settings = Settings::parse(&settings).expect("valid settings");
    let table = Arc::new(TableInfo::unpartitioned(schema.clone()));
    let mut task = Task::new(settings, true, NoTables(table));
    task.open(0, vec![(0, TopicPartition::new("bench", 0))]).expect("an open partition");
    task.tick(0).expect("tables that are loaded");
    task
}

/// Tables that are there at once and keep nothing.
struct NoTables(Arc<TableInfo>);

struct NoTable {
    info: Arc<TableInfo>,
    events: VecDeque<Event>,
}

impl Tables for NoTables {
    type Table = NoTable;
    type Room = ();

    fn open(&mut self, _: &str, _: &Arc<TableSettings>) -> NoTable {
        NoTable { info: self.0.clone(), events: VecDeque::new() }
    }

    fn room(&self, _: u64) -> Option<()> {
        Some(())
    }
}

impl Table for NoTable {
    fn load(&mut self, app_ids: Vec<String>) {
        let offsets = app_ids.into_iter().map(|app_id| (app_id, None)).collect();
        self.events.push_back(Event::Loaded { table: Some(self.info.clone()), offsets });
    }

    fn evolve(&mut self, _: Schema) {
        unreachable!("the events have the table's columns")
    }

    fn write(&mut self, _: &Arc<TableInfo>, rows: RecordBatch) {
        drop(rows);
    }

    fn backlog(&self) -> usize {
        0
    }

    fn lacks_memory(&self) -> bool {
        false
    }

    fn commit(&mut self, _: Vec<Interval>) {
        self.events.push_back(Event::Committed {
            version: 1,
            table: self.info.clone(),
            written: Written::default(),
        });
    }

    fn discard(&mut self) {}

    fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
