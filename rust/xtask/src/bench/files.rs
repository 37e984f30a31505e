//! What an hour of a quiet topic leaves in a table: how many files, of which size, and how large a log. Time runs faster here:
//! see [`FASTER`].

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_testkit::{Broker, Components, Error, Produce, Producer, Result, Worker, WorkerOptions, wait_for};

use super::entry::{CONTROL_TOPIC, Entry, Input, Sink};
use super::machine::{self, Facts, listed};
use super::progress::{Progress, each_file};
use super::report::{table, write_all};
use crate::checkout::{Checkout, empty, shown};

/// How much shorter the commit interval is than in the hour that is simulated, and how much higher the rate: so what comes in
/// between two commits is the same.
const FASTER: u64 = 15;
const INTERVAL_MS: u64 = 60_000;
/// 1 MB/s of the generated events, which have 349 bytes on average.
const RECORDS_PER_SECOND: u64 = 1_000_000 / 349;
const PARTITIONS: u32 = 12;
const TASKS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(180);

/// What a sink has left behind.
struct Left {
    sink: Sink,
    commits: u64,
    /// Bytes of each data file, the smallest first.
    data: Vec<u64>,
    log_files: u64,
    log_bytes: u64,
    /// How long after the last record was sent the last one was in the table, in seconds.
    behind: f64,
}

pub fn run(checkout: &Checkout, folder: &Path, mut demo: Value, minutes: u64) -> Result<()> {
    let components = checkout.components();
    demo["delta.commit.interval.ms"] = (INTERVAL_MS / FASTER).to_string().into();
    let mut facts = machine::here(
        checkout,
        [vec![machine::iceberg(&components.iceberg_plugins())?], machine::worker(&components)?].concat(),
    )?;
    facts.push((
        "simulated",
        format!(
            "{minutes} minutes of 1 MB/s in {PARTITIONS} partitions, {TASKS} tasks, commit interval {} s; {FASTER} times as fast, \
             that is {} s of {FASTER} MB/s with {} s",
            INTERVAL_MS / 1000,
            minutes * 60 / FASTER,
            INTERVAL_MS / FASTER / 1000
        ),
    ));
    println!("==> starting a broker");
    let broker = Broker::start(&components, &folder.join("broker"))?;
    broker.create_topic(CONTROL_TOPIC, 1, &[])?;
    let mut all = Vec::new();
    for sink in [Sink::Iceberg, Sink::Sluice] {
        all.push(fill(&components, &broker, folder, &demo, sink, minutes)?);
    }
    let text = text(&facts, &all);
    let json = json!({
        "facts": facts.iter().map(|(name, fact)| (*name, fact.as_str())).collect::<std::collections::BTreeMap<_, _>>(),
        "sinks": all.iter().map(Left::json).collect::<Vec<_>>(),
    });
    write_all(folder, &[("files.md", &text), ("files.json", &format!("{json:#}\n"))])?;
    println!("\n{text}\nbench: {}, files.json beside it", shown(&folder.join("files.md")));
    Ok(())
}

/// One sink's hour: the connector runs before the first record is sent.
fn fill(
    components: &Components,
    broker: &Broker,
    folder: &Path,
    demo: &Value,
    sink: Sink,
    minutes: u64,
) -> Result<Left> {
    let entry = Entry { input: Input::Json, sink };
    let name = format!("files-{}", entry.slug());
    let output = folder.join(&name);
    empty(&output)?;
    let (rate, count) = (RECORDS_PER_SECOND * FASTER, RECORDS_PER_SECOND * 60 * minutes);
    println!("==> {}: {count} records, {rate}/s", sink.name());
    broker.create_topic(&name, PARTITIONS, &[])?;
    let plugins = (sink == Sink::Iceberg).then(|| components.iceberg_plugins());
    let options = WorkerOptions { group: name.clone(), plugins, ..WorkerOptions::default() };
    let bootstrap = broker.bootstrap();
    let mut worker = Worker::start(components, &bootstrap, &folder.join("workers").join(&name), &options)?;
    let mut settings = entry.settings(demo, &name, &output)?;
    settings["tasks.max"] = TASKS.to_string().into();
    worker.connect().put_connector(&name, &settings)?;
    worker.connect().wait_running(&name, TASKS, PATIENCE)?;

    let what = Produce::Generate { first: 0, count };
    let producing = folder.join("producer");
    let mut producer = Producer::start(components, &bootstrap, &producing, &name, &what, Some(rate))?;
    let mut progress = Progress::of(sink, &output);
    while producer.finished()?.is_none() {
        sleep(Duration::from_millis(100));
    }
    let sent = Instant::now();
    wait_for(&format!("all records in the table of {}", sink.name()), PATIENCE, || {
        Ok((progress.records()? >= count).then_some(()))
    })
    .map_err(|error| Error::new(format!("{error}; {}", worker.log_tail(20))))?;
    let behind = sent.elapsed().as_secs_f64();
    let rows = progress.records()?;
    if rows != count {
        return Err(Error::new(format!("{} made {rows} of {count} records", sink.name())));
    }
    worker.stop()?;
    let mut left =
        Left { sink, commits: progress.commits()?, data: vec![], log_files: 0, log_bytes: 0, behind };
    each_file(&output, &mut |data, bytes| {
        if data {
            left.data.push(bytes);
        } else {
            left.log_files += 1;
            left.log_bytes += bytes;
        }
    })?;
    left.data.sort_unstable();
    Ok(left)
}

impl Left {
    fn bytes(&self) -> u64 {
        self.data.iter().sum()
    }

    fn mean(&self) -> u64 {
        self.bytes() / (self.data.len() as u64).max(1)
    }

    fn median(&self) -> u64 {
        self.data.get(self.data.len() / 2).copied().unwrap_or(0)
    }

    fn json(&self) -> Value {
        json!({
            "sink": self.sink.name(), "commits": self.commits, "data_files": self.data.len(), "data_bytes": self.bytes(),
            "file_bytes": self.data, "log_files": self.log_files, "log_bytes": self.log_bytes, "seconds_behind": self.behind,
        })
    }
}

fn text(facts: &Facts, all: &[Left]) -> String {
    let head = [
        "sink",
        "data files",
        "mean",
        "median",
        "smallest",
        "largest",
        "data",
        "commits",
        "log files",
        "log",
        "behind",
    ];
    let mega = |bytes: u64| format!("{:.2}", bytes as f64 / 1e6);
    let rows = all.iter().map(|left| {
        vec![
            left.sink.name().into(),
            left.data.len().to_string(),
            mega(left.mean()),
            mega(left.median()),
            mega(left.data.first().copied().unwrap_or(0)),
            mega(left.data.last().copied().unwrap_or(0)),
            mega(left.bytes()),
            left.commits.to_string(),
            left.log_files.to_string(),
            mega(left.log_bytes),
            format!("{:.1}", left.behind),
        ]
    });
    format!(
        "# Files of a simulated hour\n\n{}\nSizes in MB. behind: seconds from the last record sent to the last one in the table.\n\n{}",
        listed(facts),
        table(&head, &rows.collect::<Vec<_>>(), 1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_summed_up_for_each_sink() {
        let data = vec![1_000_000, 2_000_000, 6_000_000];
        let left =
            Left { sink: Sink::Sluice, commits: 2, data, log_files: 3, log_bytes: 50_000, behind: 4.06 };
        let text = text(&vec![("machine", "fast".into())], &[left]);
        let line = text.lines().last().unwrap();
        let cells: Vec<_> = line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, ["Sluice", "3", "3.00", "2.00", "1.00", "6.00", "9.00", "2", "3", "0.05", "4.1"]);
        assert!(text.contains("- machine: fast"), "{text}");
    }
}
