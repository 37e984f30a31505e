//! `cargo xtask soak`: one worker under load for a long time, looked at from outside: whether it grows, how soon records are in the
//! table, and whether each is there once. `rust/bench/README.md` says how, and what it cannot say.

mod chart;
mod check;
mod follow;
mod growth;
mod load;
mod report;
pub mod watch;

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_testkit::{
    Broker, Components, Context, Error, Result, SAY_HEAP_RANGE, Worker, WorkerOptions, wait_for,
};

use crate::args::Args;
use crate::bench::{demo, machine};
use crate::checkout::{Checkout, empty, shown};
use crate::demo::store::{Place, Store};
use crate::{install, package, servers};
use follow::Follower;
use load::Load;
use report::Report;
use watch::{Sample, Watched};

const TOPIC: &str = "soak";
const CONNECTOR: &str = "soak";
const PARTITIONS: u32 = 12;
const TASKS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(240);

/// The worker stands back for the producer and the broker, which take little: so there is always something to read.
const NICENESS: u32 = 5;

/// How often the log is looked at: as exact is the time at which a version is there.
const LOOK: Duration = Duration::from_millis(20);
const PACE: Duration = Duration::from_millis(200);
const SAMPLE: Duration = Duration::from_secs(5);
const TELL: Duration = Duration::from_secs(30);

/// How long peak load is measured before half of it is given; before that the JVM compiles for as long.
const PEAK: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rate {
    /// As much as the sink takes.
    #[default]
    Full,
    /// Half of that.
    Half,
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "full" => Ok(Rate::Full),
            "half" => Ok(Rate::Half),
            _ => Err("it is full or half"),
        }
    }
}

pub struct Options {
    pub minutes: u64,
    pub store: Store,
    pub rate: Rate,
}

impl Options {
    pub fn take(args: &mut Args) -> Result<Self> {
        let options = Options {
            minutes: args.value("--minutes")?.unwrap_or(60),
            store: args.value("--store")?.unwrap_or_default(),
            rate: args.value("--rate")?.unwrap_or_default(),
        };
        if options.minutes == 0 {
            return Err(Error::new("`--minutes` starts at 1"));
        }
        Ok(options)
    }
}

pub fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    let folder = checkout.target().join("soak");
    println!("soak: everything it makes goes to {}; that folder is emptied now", shown(&folder));
    let _lock = checkout.alone("soak", "a soak already runs in this checkout")?;
    empty(&folder)?;
    install::programs(checkout)?;
    install::components(checkout)?;
    if options.store != Store::Local {
        servers::install(checkout)?;
    }
    package::plugin(checkout)?;
    let components = package::copied(checkout, &folder)?;

    let facts = machine::here(checkout, machine::worker(&components)?)?;
    let settings = demo(&checkout.root.join("connect-config/demo.json"))?;
    let mut soak = Soak::start(folder, components, options.store, settings)?;
    let mut report = Report::new(options, facts);
    let time = Duration::from_secs(options.minutes * 60);
    let rate = match options.rate {
        Rate::Full => None,
        Rate::Half => {
            let peak = soak.peak()?;
            report.peak = Some(peak);
            Some(peak as u64 / 2)
        }
    };
    let mut load = soak.load(rate)?;
    report.samples = soak.watch(&mut load, time)?;
    drop(load);
    report.threads = soak.watched.thread_names();
    report.commits = std::mem::take(&mut soak.follower.commits);
    report.ages = std::mem::take(&mut soak.follower.ages);
    report.deleted = soak.deleted;
    report.findings = soak.end()?;
    report.records = soak.follower.rows();
    report.write(&soak.folder)
}

struct Soak {
    folder: PathBuf,
    components: Components,
    place: Place,
    broker: Broker,
    worker: Worker,
    watched: Watched,
    follower: Follower,
    config_file: PathBuf,
    /// Data files that made room for others.
    deleted: u64,
}

impl Soak {
    /// A connector that runs and has nothing to do.
    fn start(folder: PathBuf, components: Components, store: Store, mut settings: Value) -> Result<Self> {
        let place = Place::start(store, &components, &folder)?;
        println!("==> starting a broker and a worker (half a minute)");
        let broker = Broker::start(&components, &folder.join("broker"))?;
        load::create_topic(&broker)?;
        for (key, value) in place.settings().as_object().into_iter().flatten() {
            settings[key] = value.clone();
        }
        settings["topics"] = TOPIC.into();
        settings["tasks.max"] = TASKS.to_string().into();
        // The rows say where they are from, for the audit.
        settings["delta.metadata.columns"] = "partition, offset".into();
        let config_file = folder.join("connector.json");
        fs::write(&config_file, settings.to_string()).at(&config_file)?;

        let jvm = vec![SAY_HEAP_RANGE.into()];
        let options =
            WorkerOptions { group: "soak".into(), jvm, niceness: NICENESS, ..WorkerOptions::default() };
        let mut worker = Worker::start(&components, &broker.bootstrap(), &folder.join("worker"), &options)?;
        worker.connect().put_connector(CONNECTOR, &settings)?;
        worker.connect().wait_running(CONNECTOR, TASKS, PATIENCE)?;
        let watched = Watched::new(&mut worker)?;
        let follower = Follower::new(&place.table);
        Ok(Soak { folder, components, place, broker, worker, watched, follower, config_file, deleted: 0 })
    }

    fn load(&self, rate: Option<u64>) -> Result<Load> {
        let folder = self.folder.join("producer");
        Load::start(&self.components, &self.broker, &folder, rate, self.follower.rows())
    }

    /// The rows a second that the sink makes of as much as it takes. Leaves nothing in the topic.
    fn peak(&mut self) -> Result<f64> {
        println!("==> measuring peak load ({} s)", 2 * PEAK.as_secs());
        let mut load = self.load(None)?;
        let samples = self.watch(&mut load, 2 * PEAK)?;
        drop(load);
        self.until_all_are_in()?;
        let late: Vec<_> = samples.iter().filter(|sample| sample.seconds >= PEAK.as_secs_f64()).collect();
        let [first, .., last] = late[..] else { return Err(Error::new("too few samples of peak load")) };
        let peak = (last.rows - first.rows) as f64 / (last.seconds - first.seconds);
        println!("    {peak:.0} rows/s");
        Ok(peak)
    }

    fn watch(&mut self, load: &mut Load, time: Duration) -> Result<Vec<Sample>> {
        println!("==> {:.0} min of load", time.as_secs_f64() / 60.0);
        self.follower.restart();
        let start = Instant::now();
        let (mut pace, mut sample, mut tell) = (PACE, SAMPLE, TELL);
        let mut samples = Vec::new();
        while start.elapsed() < time {
            self.follower.look(load.take_sample())?;
            let (elapsed, rows) = (start.elapsed(), self.follower.rows());
            if elapsed >= pace {
                load.pace(rows)?;
                pace = elapsed + PACE;
            }
            if elapsed >= sample {
                samples.push(self.watched.sample(elapsed.as_secs_f64(), rows, load.sent())?);
                sample += SAMPLE;
            }
            if elapsed >= tell {
                self.tell(&samples)?;
                tell += TELL;
            }
            sleep(LOOK);
        }
        Ok(samples)
    }

    /// Says how it stands, and looks after what does not have to be exact.
    fn tell(&mut self, samples: &[Sample]) -> Result<()> {
        if let Some(trace) =
            self.worker.connect().status(CONNECTOR).ok().and_then(|status| status.traces.into_iter().next())
        {
            return Err(Error::new(format!("the connector failed:\n{trace}")));
        }
        if self.follower.log.files() > 0 {
            self.deleted += check::thin_out(&self.place.table, &self.follower.log)?;
        }
        let Some(Sample { seconds, heap, native, threads, descriptors, rows, waiting }) = samples.last()
        else {
            return Ok(());
        };
        println!(
            "    {seconds:5.0} s  rows {rows}, waiting {waiting}, versions {}, heap {:.0} MB, native {:.0} MB, threads {threads}, \
             descriptors {descriptors}",
            self.follower.log.versions,
            *heap as f64 / 1e6,
            *native as f64 / 1e6
        );
        Ok(())
    }

    /// Nobody sends any more. Gives the end of each partition.
    fn until_all_are_in(&mut self) -> Result<Vec<(u32, i64)>> {
        let ends: Vec<_> = self.broker.end_offsets(TOPIC)?.into_iter().collect();
        let follower = &mut self.follower;
        let waited = wait_for("all records to be in the table", PATIENCE, || {
            follower.look(vec![])?;
            Ok(ends.iter().all(|(partition, end)| follower.held(*partition) >= *end).then_some(()))
        });
        waited.map_err(|error| Error::new(format!("{error}; {}", self.worker.log_tail(20))))?;
        Ok(ends)
    }

    /// Stops the worker and gives what is wrong with the table.
    fn end(&mut self) -> Result<Vec<String>> {
        println!("==> no more load: everything has to get into the table, once");
        let ends = self.until_all_are_in()?;
        self.worker.stop()?;
        self.follower.look(vec![])?;
        let (sluice, uri) = (&self.components.sluice, &self.place.uri);
        let mut findings = check::audit(sluice, uri, &self.config_file, self.deleted)?;
        let held: Vec<_> =
            ends.iter().map(|(partition, _)| (*partition, self.follower.held(*partition))).collect();
        if held != ends {
            findings.push(format!("the partitions end at {ends:?}, the table's offsets are {held:?}"));
        }
        let (sent, rows) = (ends.iter().map(|(_, end)| end).sum::<i64>(), self.follower.log.rows);
        if sent != rows {
            findings.push(format!("{sent} records were sent, and {rows} rows are in the table"));
        }
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options> {
        crate::args::parsed(line, Options::take)
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        assert!(options("--minutes 0").is_err());
        assert!(options("--rate quarter").is_err());
        assert!(options("--minute 1").is_err());
        let given = options("--minutes 10 --rate half --store s3").unwrap();
        assert_eq!((given.minutes, given.rate, given.store), (10, Rate::Half, Store::S3));
        let default = options("").unwrap();
        assert_eq!((default.minutes, default.rate, default.store), (60, Rate::Full, Store::Local));
    }
}
