//! Appends JSON records to a table as a task does, without Kafka and without a JVM: for `tests/interop`.
//!
//! `append SETTING=VALUE...`, with `delta.table.uri` among the settings, and `partition=N` for the partition of topic `t` that the
//! records are of, 0 without it. Each line of standard input is a record, or one of
//! `/take` (hand the records so far to the task) and `/commit` (wait until the table holds them). Each of the two is answered with
//! `ok OFFSET`. Offsets go on where the table's stand. What the task refuses ends the program with status 2 and the error on
//! standard error.
#![allow(clippy::disallowed_methods, reason = "in the real world")]

use std::collections::BTreeMap;
use std::io::BufRead;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use sluice_core::Code;
use sluice_core::connect::Registry;
use sluice_core::crossing::{Needs, encode_raw, read_batch};
use sluice_core::offsets::TopicPartition;
use sluice_core::settings::Settings;
use sluice_core::task::{Actions, Task};
use sluice_delta::budget::Budget;
use sluice_delta::{Hub, TaskTables};

const PATIENCE: Duration = Duration::from_secs(60);

type Outcome<T> = Result<T, String>;

struct Appender {
    task: Task<TaskTables>,
    partition: i32,
    clock: Instant,
    next: i64,
    records: Vec<String>,
}

impl Appender {
    fn open(settings: Settings, partition: i32, hub: &std::sync::Arc<Hub>) -> Outcome<Self> {
        let tables = hub.tables_for(&settings);
        let task = Task::new(settings, true, tables);
        let mut appender = Appender { task, partition, clock: Instant::now(), next: 0, records: Vec::new() };
        let assigned = vec![(partition, TopicPartition::new("t", partition))];
        let opened = appender.task.open(appender.now(), assigned);
        let mut pause = appender.see(opened.map_err(|e| e.to_string())?);
        let deadline = Instant::now() + PATIENCE;
        while pause {
            if Instant::now() > deadline {
                return Err("the table's offsets do not come".into());
            }
            pause = appender.tick()?;
        }
        Ok(appender)
    }

    fn now(&self) -> u64 {
        self.clock.elapsed().as_millis() as u64
    }

    fn see(&mut self, actions: Actions) -> bool {
        if let Some((_, offset)) = actions.rewinds.last() {
            self.next = *offset;
        }
        actions.pause
    }

    /// Whether Connect would pause.
    fn tick(&mut self) -> Outcome<bool> {
        std::thread::sleep(Duration::from_millis(2));
        let actions = self.task.tick(self.now()).map_err(|e| e.to_string())?;
        Ok(self.see(actions))
    }

    fn take(&mut self) -> Outcome<()> {
        let records = std::mem::take(&mut self.records);
        let (first, partition) = (self.next, self.partition);
        let rows = (first..).zip(&records).map(|(offset, text)| (partition, offset, Some(text.as_bytes())));
        let (meta, buffers) = encode_raw(rows);
        let batch = read_batch(&meta, &mut &buffers[..], &Registry::default(), Needs::default())
            .map_err(|e| e.to_string())?;
        self.next += records.len() as i64;
        let deadline = Instant::now() + PATIENCE;
        let (actions, bad) = loop {
            match self.task.put(self.now(), &batch) {
                // Connect delivers the records once more.
                Err(e) if e.code == Code::TablePending && Instant::now() < deadline => self.tick()?,
                other => break other.map_err(|e| e.to_string())?,
            };
        };
        if let Some(bad) = bad.first() {
            return Err(format!("{} bad records: {bad:?}", records.len()));
        }
        if !actions.rewinds.is_empty() {
            return Err(format!("records are wanted again: {:?}", actions.rewinds));
        }
        Ok(())
    }

    fn commit(&mut self) -> Outcome<()> {
        self.take()?;
        let wanted = self.next;
        let position = [(self.partition, wanted)];
        let deadline = Instant::now() + PATIENCE;
        while self.task.pre_commit(&position) != position {
            if Instant::now() > deadline {
                return Err(format!("offset {wanted} is not committed"));
            }
            self.tick()?;
            if self.next != wanted {
                return Err(format!("records are wanted again from offset {}", self.next));
            }
        }
        Ok(())
    }
}

fn run() -> Outcome<()> {
    let mut settings: BTreeMap<String, String> =
        [("name", "interop"), ("delta.commit.interval.ms", "100"), ("delta.table.auto.create", "false")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
    for word in std::env::args().skip(1) {
        let (key, value) = word.split_once('=').ok_or("the arguments are SETTING=VALUE")?;
        settings.insert(key.to_owned(), value.to_owned());
    }
    let partition = settings.remove("partition").unwrap_or_else(|| "0".to_owned());
    let partition = partition.parse().map_err(|e| format!("partition={partition}: {e}"))?;
    let settings = Settings::parse(&settings).map_err(|e| format!("{e:?}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|e| e.to_string())?;
    let hub = Hub::new(runtime.handle().clone(), 2, Budget::unlimited());
    let mut appender = Appender::open(settings, partition, &hub)?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| e.to_string())?;
        match line.as_str() {
            "/take" => appender.take()?,
            "/commit" => appender.commit()?,
            _ => {
                appender.records.push(line);
                continue;
            }
        }
        println!("ok {}", appender.next);
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
