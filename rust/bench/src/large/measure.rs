//! A task's handle on the table: opened for every partition, then committed with again and again.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sluice_core::decode::json::{JsonDecoder, JsonOptions};
use sluice_core::offsets::{Interval, TopicPartition};
use sluice_core::settings::{Maintenance, Settings, StoreSettings};
use sluice_core::table::TableInfo;
use sluice_core::task::{Event, Table};
use sluice_delta::budget::Budget;
use sluice_delta::fail_point::FailPoint;
use sluice_delta::store::{Claim, LocalStore, Store};
use sluice_delta::world::{Driven, Tokio, World};
use sluice_delta::{BLOCKING_THREADS, Hub, Spec};
use url::Url;

use crate::counted::{Counted, Requests};
use crate::{CONNECTOR, PARTITIONS, TOPIC, schema};
use sluice_bench::usage::{cpu_of_process, cpu_of_thread, memory};

const PATIENCE: Duration = Duration::from_secs(600);
/// Before the memory is looked at for the first time: so the first ones, which set everything up, are not growth.
const FIRST_COMMITS: usize = 20;
/// Partitions that a unit has rows of.
const OF_A_UNIT: usize = 10;

thread_local! {
    /// Whether the work of this thread has come to a commit.
    static COMMITS: Cell<bool> = const { Cell::new(false) };
}

/// The process's world, which also counts what committing costs: not what encoding the files does.
#[derive(Debug)]
struct Accounted {
    inner: Arc<dyn World>,
    /// CPU seconds of each piece of work that made a commit.
    commits: Arc<Mutex<Vec<f64>>>,
}

impl World for Accounted {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn epoch_millis(&self) -> i64 {
        self.inner.epoch_millis()
    }

    fn random(&self) -> u128 {
        self.inner.random()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.inner.sleep(time)
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.inner.spawn(future);
    }

    fn run(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let commits = self.commits.clone();
        self.inner.run(Box::new(move || {
            let before = cpu_of_thread();
            work();
            if COMMITS.take() {
                commits.lock().expect("no panic").push(cpu_of_thread() - before);
            }
        }))
    }

    fn drive(&self, future: Driven<'_>) {
        self.inner.drive(future);
    }

    fn reached(&self, point: FailPoint) {
        if point == FailPoint::CommitBegun {
            COMMITS.set(true);
        }
    }
}

pub fn measure(folder: &Path, commits: usize) -> Value {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .expect("a runtime");
    let cost_of_commits = Arc::default();
    let world: Arc<dyn World> = Arc::new(Accounted {
        inner: Tokio::world(runtime.handle().clone()),
        commits: Arc::clone(&cost_of_commits),
    });
    let requests = Arc::new(Requests::default());
    let counted = requests.clone();
    let open = move |uri: &str, _: &StoreSettings| -> sluice_core::Result<Arc<dyn Store>> {
        Ok(Arc::new(Counted { inner: LocalStore::new(url(uri))?, requests: counted.clone() }))
    };
    let hub = Hub::with_stores(world, 2, Budget::unlimited(), Box::new(open));
    let uri = Url::from_directory_path(std::fs::canonicalize(folder).expect("a folder")).expect("a URL");
    // Commits alone are measured.
    let maintenance = Maintenance { enabled: false, ..Maintenance::default() };
    let spec = Spec { schema: Some(schema()), maintenance, ..Spec::default() };
    let mut table = hub.tables_for(&settings(uri.as_str())).open_as(uri.as_str(), spec);

    let (before, _) = memory();
    let (cpu, clock) = (cpu_of_process(), Instant::now());
    let app_ids = (0..PARTITIONS as i32).map(|id| TopicPartition::new(TOPIC, id).app_id(CONNECTOR));
    table.load(app_ids.collect());
    let Event::Loaded { table: Some(info), offsets } = answer(&mut table) else {
        panic!("there is no table")
    };
    let (wall, cpu) = (clock.elapsed().as_secs_f64(), cpu_of_process() - cpu);
    let (after, peak) = memory();
    let opening = json!({
        "wall_seconds": wall, "cpu_seconds": cpu, "resident_before": before, "resident": after, "peak": peak,
        "requests": requests.take(), "offsets_found": offsets.iter().filter(|(_, held)| held.is_some()).count(),
    });

    let mut units =
        Units { table, held: offsets.into_iter().collect(), next: 0, row: row(), info, committed: 0 };
    let (mut first_memory, mut first_wall) = (0, Duration::ZERO);
    let clock = Instant::now();
    for done in 0..commits {
        if done == FIRST_COMMITS.min(commits - 1) {
            (first_memory, first_wall) = (memory().0, clock.elapsed());
        }
        units.commit();
    }
    let wall =
        (clock.elapsed() - first_wall).as_secs_f64() / commits.saturating_sub(FIRST_COMMITS).max(1) as f64;
    let steady = requests.take();
    let costs: Vec<f64> = std::mem::take(&mut *cost_of_commits.lock().expect("no panic"));
    let committing = json!({
        "commits": commits, "requests": steady, "wall_seconds": wall, "cpu_seconds": middle(&costs[FIRST_COMMITS.min(commits - 1)..]),
        "cpu_seconds_of_last_tenth": middle(&costs[commits - commits.div_ceil(10)..]),
        "resident_at_first": first_memory, "resident": memory().0,
    });

    let store = LocalStore::new(uri).expect("a store");
    let (cpu, clock) = (cpu_of_process(), Instant::now());
    assert_eq!(
        store.claim(units.committed + 1, b"{\"txn\":{\"appId\":\"other\",\"version\":1}}\n"),
        Ok(Claim::Won)
    );
    requests.take();
    units.commit();
    let behind_another = json!({
        "requests": requests.take(), "wall_seconds": clock.elapsed().as_secs_f64(), "cpu_seconds": cpu_of_process() - cpu,
    });
    json!({"opening": opening, "committing": committing, "behind_another": behind_another, "peak": memory().1})
}

fn url(uri: &str) -> Url {
    Url::parse(uri).expect("a URL")
}

fn settings(uri: &str) -> Settings {
    let settings = [("name", CONNECTOR), ("delta.table.uri", uri), ("topics", TOPIC)];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Settings::parse(&settings).expect("valid settings")
}

fn row() -> RecordBatch {
    let mut decoder =
        JsonDecoder::new(&schema(), JsonOptions::default()).expect("a schema that JSON can fill");
    decoder.push(br#"{"id":1,"user":"user-1","kind":"view","price":"1.50"}"#).expect("a valid row");
    decoder.finish()
}

/// The median.
fn middle(costs: &[f64]) -> f64 {
    let mut costs = costs.to_vec();
    costs.sort_by(f64::total_cmp);
    costs.get(costs.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Units of one row in one file, and of some partitions each.
struct Units<T> {
    table: T,
    held: BTreeMap<String, Option<i64>>,
    next: usize,
    row: RecordBatch,
    info: Arc<TableInfo>,
    committed: u64,
}

impl<T: Table> Units<T> {
    fn commit(&mut self) {
        let ids = (self.next..self.next + OF_A_UNIT).map(|id| (id % PARTITIONS as usize) as i32);
        self.next += OF_A_UNIT;
        let intervals: Vec<Interval> = ids.map(|id| self.interval(TopicPartition::new(TOPIC, id))).collect();
        self.table.write(&self.info, self.row.clone());
        self.table.commit(intervals);
        match answer(&mut self.table) {
            Event::Committed { version, .. } => self.committed = version,
            other => panic!("{other:?}"),
        }
    }

    /// The next one of a partition.
    fn interval(&mut self, partition: TopicPartition) -> Interval {
        let app_id = partition.app_id(CONNECTOR);
        let expected = self.held.insert(app_id.clone(), None).flatten();
        let from = expected.unwrap_or(0);
        self.held.insert(app_id.clone(), Some(from + 1));
        Interval { partition, app_id, expected, from, to: from + 1, rows: 1, taken_over: None }
    }
}

fn answer(table: &mut impl Table) -> Event {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "no answer");
        match table.poll() {
            Some(Event::Failed(error)) => panic!("{error}"),
            Some(event) => return event,
            None => sleep(Duration::from_micros(200)),
        }
    }
}
