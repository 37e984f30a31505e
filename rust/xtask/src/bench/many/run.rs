//! One sink's turn: a worker of its own, all connectors, a minute of rest, a trickle, and the load.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_testkit::{Context, Error, Result, SAY_HEAP_RANGE, Worker, WorkerOptions, wait_for};

use super::spread::commit_times;
use super::threads::{Usage, cpu, ours};
use super::{BUDGET, HEAP, INTERVAL, Many, PATIENCE};
use crate::bench::entry::{Entry, Input, Sink};
use crate::bench::progress::Progress;
use crate::checkout::empty;
use crate::soak::watch::Watched;

const SETTLE: Duration = Duration::from_secs(30);
const REST: Duration = Duration::from_secs(60);
/// The trickle, in records per second of all topics. Every table gets some in each interval.
pub const TRICKLE: u64 = 1_000;
const LOOK: Duration = Duration::from_millis(500);

/// Kafka's own defaults, where the workers of tests are in a hurry.
const WORKER: [(&str, &str); 5] = [
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "3000"),
    ("consumer.session.timeout.ms", "45000"),
    ("consumer.heartbeat.interval.ms", "3000"),
    ("offset.flush.interval.ms", "60000"),
];

pub struct Found {
    /// Of all connectors, one after the other, in a worker that runs.
    pub start: Start,
    /// Of a worker that has them already.
    pub restart: Start,
    pub rest: Usage,
    pub trickle: Usage,
    /// When the trickle's commits were made.
    pub commits: Vec<i64>,
    pub load: Load,
    /// What may not be.
    pub wrong: Vec<String>,
}

pub struct Start {
    /// Seconds until all are asked for, or the worker's REST interface answers.
    pub asked: f64,
    /// Until all tasks run.
    pub running: f64,
    /// Until the record that waits in each topic is in its table.
    pub rows: Option<f64>,
    pub cpu: f64,
}

/// Peaks are of the time from when the first record was sent until the last was through.
#[derive(Default)]
pub struct Load {
    pub seconds: f64,
    /// Bytes resident outside of the heap before, and at the peak.
    pub native_before: u64,
    pub native: u64,
    pub heap: u64,
    pub threads: u64,
    pub ours: u64,
}

impl Found {
    pub fn json(&self) -> Value {
        let Found { start, restart, rest, trickle, commits, load, wrong } = self;
        json!({
            "start": start.json(), "restart": restart.json(), "rest": rest.json(), "trickle": trickle.json(), "commits": commits,
            "load": {"seconds": load.seconds, "native_before": load.native_before, "native_peak": load.native,
                "heap_peak": load.heap, "threads_peak": load.threads, "own_threads_peak": load.ours},
            "wrong": wrong,
        })
    }
}

impl Start {
    fn json(&self) -> Value {
        json!({"asked": self.asked, "running": self.running, "rows": self.rows, "cpu_seconds": self.cpu})
    }
}

struct Run<'a> {
    many: &'a mut Many,
    sink: Sink,
    worker: Worker,
    pid: u32,
    watched: Watched,
    /// The folder that each connector writes to, and how far it is.
    connectors: Vec<(PathBuf, Progress)>,
    /// What it does not read of the topics.
    passed: u64,
}

pub fn measure(many: &mut Many, sink: Sink) -> Result<Found> {
    println!("==> {}: a worker, and {} connectors (two minutes)", sink.name(), many.streams.connectors);
    let mut run = Run::new(many, sink)?;
    let start = run.start()?;
    let restart = run.restart()?;
    sleep(SETTLE);
    let joined = run.joined()?;
    println!("==> {}: nothing to do, then {TRICKLE} records/s", sink.name());
    let rest = Usage::over(run.pid, REST)?;
    let (trickle, commits) = run.trickle()?;
    println!("==> {}: {} records", sink.name(), run.many.streams.records);
    let load = run.load()?;
    println!(
        "    through in {:.0} s, native memory {} MiB -> {} MiB",
        load.seconds,
        load.native_before >> 20,
        load.native >> 20
    );
    let mut wrong = run.wrong()?;
    let again = run.joined()? - joined;
    if again > 0 {
        wrong.push(format!("{again} times a consumer joined its group again"));
    }
    run.worker.stop()?;
    Ok(Found { start, restart, rest, trickle, commits, load, wrong })
}

fn worker(many: &Many, sink: Sink, folder: &str) -> Result<Worker> {
    let options = WorkerOptions {
        group: sink.name().into(),
        plugins: (sink == Sink::Noop).then(|| many.noop_plugins.clone()),
        heap: HEAP.into(),
        settings: WORKER.map(|(key, value)| (key.into(), value.into())).into(),
        jvm: vec![SAY_HEAP_RANGE.into()],
        ..WorkerOptions::default()
    };
    let folder = many.folder.join(sink.name()).join(folder);
    Worker::start(&many.components, &many.broker.bootstrap(), &folder, &options)
}

impl<'a> Run<'a> {
    /// A worker without connectors.
    fn new(many: &'a mut Many, sink: Sink) -> Result<Self> {
        let output = many.folder.join(sink.name()).join("output");
        let mut connectors = Vec::new();
        for name in many.streams.names() {
            let folder = output.join(name);
            empty(&folder)?;
            let progress = Progress::of(sink, &folder);
            connectors.push((folder, progress));
        }
        let mut worker = worker(many, sink, "worker")?;
        let (watched, pid) = (Watched::new(&mut worker)?, worker.process().pid());
        let passed = if sink == Sink::Noop { many.sent } else { 0 };
        Ok(Run { many, sink, worker, pid, watched, connectors, passed })
    }

    fn settings(&self, topic: &str, output: &Path) -> Result<Value> {
        let entry = Entry { input: Input::Bytes, sink: self.sink };
        let mut settings = entry.settings(&self.many.demo, topic, output)?;
        // Those of one busy topic: each of a hundred quiet ones would ask five times a second.
        for key in ["consumer.override.fetch.min.bytes", "consumer.override.fetch.max.wait.ms"] {
            settings.as_object_mut().and_then(|settings| settings.remove(key));
        }
        if self.sink == Sink::Noop {
            settings["consumer.override.auto.offset.reset"] = "latest".into();
        } else {
            settings["delta.commit.interval.ms"] = INTERVAL.as_millis().to_string().into();
            settings["delta.memory.budget.bytes"] = BUDGET.to_string().into();
        }
        Ok(settings)
    }

    fn start(&mut self) -> Result<Start> {
        let (connect, before) = (self.worker.connect(), cpu(self.pid)?);
        let start = Instant::now();
        for (name, (output, _)) in self.many.streams.names().zip(&self.connectors) {
            // Each sink has consumer groups of its own.
            let connector = format!("{}-{name}", self.sink.name()).to_lowercase();
            connect.put_connector(&connector, &self.settings(&name, output)?)?;
        }
        let asked = start.elapsed().as_secs_f64();
        self.until_all_run(start, asked, before)
    }

    /// Those that there are already, in a new worker.
    fn restart(&mut self) -> Result<Start> {
        self.worker.stop()?;
        if self.sink != Sink::Noop {
            self.many.send(self.connectors.len() as u64, None)?.wait(PATIENCE)?;
        }
        let start = Instant::now();
        self.worker = worker(self.many, self.sink, "worker-again")?;
        let asked = start.elapsed().as_secs_f64();
        self.watched = Watched::new(&mut self.worker)?;
        self.pid = self.worker.process().pid();
        self.until_all_run(start, asked, 0.0)
    }

    fn until_all_run(&mut self, start: Instant, asked: f64, before: f64) -> Result<Start> {
        wait_for("all tasks to run", PATIENCE, || Ok(self.all_run()?.then_some(())))?;
        let running = start.elapsed().as_secs_f64();
        let rows = match self.sink {
            Sink::Noop => None,
            _ => {
                self.until_all_are_through()?;
                Some(start.elapsed().as_secs_f64())
            }
        };
        Ok(Start { asked, running, rows, cpu: cpu(self.pid)? - before })
    }

    /// An error when one has failed. While a worker learns of its connectors, it tells nothing.
    fn all_run(&self) -> Result<bool> {
        let Ok(statuses) = self.worker.connect().statuses() else { return Ok(false) };
        if let Some((name, status)) = statuses.iter().find(|(_, status)| !status.traces.is_empty()) {
            return Err(Error::new(format!("{name} failed:\n{}", status.traces.join("\n"))));
        }
        let running = statuses.values().filter(|status| status.all_running(1)).count();
        Ok(running == self.connectors.len())
    }

    /// What each connector has to have of its topic.
    fn expected(&self) -> u64 {
        (self.many.sent - self.passed) / self.connectors.len() as u64
    }

    fn are_all_through(&mut self) -> Result<bool> {
        let expected = self.expected();
        let through = self.connectors.iter_mut().map(|(_, progress)| Ok(progress.records()? >= expected));
        // Not only as far as the first that is not: each is to be read as it grows.
        Ok(through.collect::<Result<Vec<_>>>()?.into_iter().all(|through| through))
    }

    fn until_all_are_through(&mut self) -> Result<()> {
        let waited =
            wait_for("all records to be through", PATIENCE, || Ok(self.are_all_through()?.then_some(())));
        waited.map_err(|error| Error::new(format!("{error}; {}", self.worker.log_tail(20))))
    }

    /// Gives the moments of commits, too.
    fn trickle(&mut self) -> Result<(Usage, Vec<i64>)> {
        let versions = |progress: &Progress| match progress {
            Progress::Delta(log) => log.versions,
            _ => 0,
        };
        let before: Vec<_> = self.connectors.iter().map(|(_, progress)| versions(progress)).collect();
        let time = 6 * INTERVAL;
        let connectors = self.connectors.len() as u64;
        let count = (TRICKLE * time.as_secs()).next_multiple_of(connectors);
        let mut producer = self.many.send(count, Some(TRICKLE))?;
        let usage = Usage::over(self.pid, time)?;
        producer.wait(PATIENCE)?;
        self.until_all_are_through()?;
        let mut commits = Vec::new();
        for ((output, progress), before) in self.connectors.iter().zip(before) {
            commits.extend(commit_times(&output.join("table"), before, versions(progress))?);
        }
        Ok((usage, commits))
    }

    fn load(&mut self) -> Result<Load> {
        let native_before = self.watched.sample(0.0, 0, 0)?.native;
        let mut load = Load { native_before, ..Load::default() };
        let start = Instant::now();
        let mut producer = self.many.send(self.many.streams.records, None)?;
        loop {
            let sample = self.watched.sample(0.0, 0, 0)?;
            load.native = load.native.max(sample.native);
            load.heap = load.heap.max(sample.heap);
            load.threads = load.threads.max(sample.threads);
            load.ours = load.ours.max(ours(self.pid));
            if producer.finished()?.is_some() && self.are_all_through()? {
                load.seconds = start.elapsed().as_secs_f64();
                return Ok(load);
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::new(format!(
                    "{} is not through; {}",
                    self.sink.name(),
                    self.worker.log_tail(20)
                )));
            }
            sleep(LOOK);
        }
    }

    /// Consumers that have joined their groups so far.
    fn joined(&self) -> Result<usize> {
        let log = fs::read_to_string(self.worker.log()).at(self.worker.log())?;
        let joined = log.lines().filter(|line| {
            line.contains("ConsumerCoordinator") && line.contains("Successfully joined group")
        });
        Ok(joined.count())
    }

    /// Each record has to be through once, and each table's offsets at the ends of its topic's partitions.
    fn wrong(&mut self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        if !self.all_run()? {
            wrong.push("not all tasks run".into());
        }
        let expected = self.expected();
        for (output, progress) in &mut self.connectors {
            let records = progress.records()?;
            let offsets = match progress {
                Progress::Delta(log) => log.transactions.values().sum::<i64>(),
                _ => expected as i64,
            };
            if records != expected || offsets != expected as i64 {
                wrong.push(format!(
                    "{}: {expected} records, {records} rows, offsets that add up to {offsets}",
                    output.display()
                ));
            }
        }
        Ok(wrong)
    }
}
