//! The process that dies: a task on a real table, the part of Connect's worker that matters, and Connect's consumer group in a file.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use serde_json::Value;
use sluice_core::Code;
use sluice_core::alter::plan;
use sluice_core::offsets::{Alteration, TopicPartition};
use sluice_core::settings::Settings;
use sluice_delta::Hub;
use sluice_delta::budget::Budget;
use sluice_delta::fail_point::FailPoint;
use sluice_delta::world::{Driven, Tokio, World};

use crate::common::{Driver, value};

pub const PARTITIONS: [i32; 2] = [0, 1];
/// Of each partition. The first ones make the table, and its columns grow with the next.
pub const RECORDS: i64 = 15;
pub const DELIVERED_AT_ONCE: i64 = 5;

pub const TRACE: &str = "trace";
pub const STARTED: &str = "started";
const JOB: &str = "job.json";
const GROUP: &str = "group";
const PATIENCE: Duration = Duration::from_secs(60);

/// What a worker is to do. Everything else it finds in its folder.
pub struct Job {
    pub settings: BTreeMap<String, String>,
    /// So large that the last records' file is uploaded in parts.
    pub large: bool,
    /// Not a worker's work: the offset of partition 0 is altered to this, as a user asks for it with Connect's REST interface.
    pub alters: Option<i64>,
    /// Where it dies, and at which passing.
    pub dies: Option<(FailPoint, usize)>,
}

impl Job {
    pub fn write(&self, folder: &Path) {
        let dies = self.dies.map(|(point, passing)| (point.name(), passing));
        let (settings, large, alters) = (&self.settings, self.large, self.alters);
        let job = serde_json::json!({"settings": settings, "large": large, "alters": alters, "dies": dies});
        fs::write(folder.join(JOB), job.to_string()).unwrap();
    }

    fn read(folder: &Path) -> Job {
        let job: Value = serde_json::from_slice(&fs::read(folder.join(JOB)).unwrap()).unwrap();
        let point = |name: &str| *FailPoint::ALL.iter().find(|point| point.name() == name).unwrap();
        Job {
            settings: serde_json::from_value(job["settings"].clone()).unwrap(),
            large: job["large"].as_bool().unwrap(),
            alters: job["alters"].as_i64(),
            dies: job["dies"][0]
                .as_str()
                .map(|name| (point(name), job["dies"][1].as_u64().unwrap() as usize)),
        }
    }
}

/// A real one that ends at a fail point.
#[derive(Debug)]
struct Mortal {
    inner: Arc<dyn World>,
    dies: Option<(FailPoint, usize)>,
    passed: Mutex<(File, HashMap<FailPoint, usize>)>,
}

impl World for Mortal {
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
        self.inner.run(work)
    }

    fn drive(&self, future: Driven<'_>) {
        self.inner.drive(future);
    }

    fn reached(&self, point: FailPoint) {
        let mut passed = self.passed.lock().unwrap();
        writeln!(passed.0, "{}", point.name()).unwrap();
        let times = passed.1.entry(point).or_default();
        *times += 1;
        if self.dies == Some((point, *times)) {
            // As kill -9 would: nothing is dropped, nothing is flushed.
            std::process::abort();
        }
    }
}

/// The offsets that Connect was given, which outlive the worker.
pub fn group(folder: &Path) -> BTreeMap<i32, i64> {
    let text = fs::read_to_string(folder.join(GROUP)).unwrap_or_default();
    text.lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(id, at)| (number(id) as i32, number(at)))
        .collect()
}

pub fn number(text: &str) -> i64 {
    text.parse().unwrap()
}

fn append(folder: &Path, name: &str, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

struct Worker<'a> {
    folder: &'a Path,
    large: bool,
    hub: Arc<Hub>,
    task: Driver,
    returned: BTreeMap<i32, i64>,
    deadline: Instant,
}

/// Runs until Connect has been given the end of every partition.
pub fn run(folder: &Path) {
    let Job { settings: given, large, alters, dies } = Job::read(folder);
    let settings = Settings::parse(&given).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let trace = OpenOptions::new().create(true).append(true).open(folder.join(TRACE)).unwrap();
    let passed = Mutex::new((trace, HashMap::new()));
    let world = Arc::new(Mortal { inner: Tokio::world(runtime.handle().clone()), dies, passed });
    let hub = Hub::in_world(world, 2, Budget::unlimited());
    if let Some(to) = alters {
        let wanted = Alteration { partition: TopicPartition::new("t", PARTITIONS[0]), to: Some(to) };
        let tables = plan(&settings, &given, vec![wanted]).unwrap();
        return hub.alter(&settings, tables).unwrap();
    }
    let mut task = Driver::new(&hub, settings);
    let returned = group(folder);
    for id in PARTITIONS {
        task.seek(id, returned.get(&id).copied().unwrap_or(0));
    }
    task.open(&PARTITIONS).unwrap();
    let started = PARTITIONS.map(|id| task.consumed(id).to_string());
    append(folder, STARTED, &format!("{}\n", started.join(" ")));
    let deadline = Instant::now() + PATIENCE;
    let mut worker = Worker { folder, large, hub, task, returned, deadline };
    worker.return_offsets();
    while worker.deliver() {
        while !worker.return_offsets() {
            worker.tick();
        }
    }
}

impl Worker<'_> {
    fn tick(&mut self) {
        assert!(Instant::now() < self.deadline, "it takes too long");
        sleep(Duration::from_millis(1));
        self.task.tick().unwrap();
    }

    /// Whether there was something to deliver.
    fn deliver(&mut self) -> bool {
        let of_partition = |id: i32| {
            let from = self.task.consumed(id);
            (from..RECORDS.min(from + DELIVERED_AT_ONCE)).map(move |offset| (id, offset))
        };
        let records: Vec<_> = PARTITIONS.into_iter().flat_map(of_partition).collect();
        let texts: Vec<_> = records.iter().map(|(id, offset)| self.record(*id, *offset)).collect();
        let rows: Vec<_> =
            records.iter().zip(&texts).map(|((id, offset), text)| (*id, *offset, text.as_str())).collect();
        loop {
            match self.task.put_json(&rows) {
                Ok(bad) => assert_eq!(bad, []),
                // Connect delivers them once more.
                Err(error) if error.code == Code::TablePending => {
                    self.tick();
                    continue;
                }
                Err(error) => panic!("{error}"),
            }
            return !rows.is_empty();
        }
    }

    fn record(&self, id: i32, offset: i64) -> String {
        let v = value(id, offset);
        match offset / DELIVERED_AT_ONCE {
            0 => format!(r#"{{"v":{v}}}"#),
            1 => format!(r#"{{"v":{v},"w":"new"}}"#),
            _ if !self.large => format!(r#"{{"v":{v},"w":"small"}}"#),
            _ => format!(r#"{{"v":{v},"w":"{v}{}"}}"#, "x".repeat(800_000)),
        }
    }

    /// What `preCommit` does. Whether Connect has now been given all that was delivered.
    fn return_offsets(&mut self) -> bool {
        let asked = PARTITIONS.map(|id| (id, self.task.consumed(id)));
        let offsets = BTreeMap::from_iter(self.task.task.pre_commit(&asked));
        if offsets.iter().any(|(id, offset)| self.returned.get(id).unwrap_or(&0) != offset) {
            self.hub.reached(FailPoint::OffsetsReady);
            let lines: String = offsets.iter().map(|(id, offset)| format!("{id} {offset}\n")).collect();
            append(self.folder, GROUP, &lines);
            self.returned = offsets;
        }
        asked.iter().all(|(id, consumed)| self.returned.get(id) == Some(consumed))
    }
}
