//! `cargo xtask chaos`: real processes that are killed, held and cut off while numbered records come in, and an independent
//! reader that counts them afterwards.

mod connectors;
mod faults;
mod flow;
mod processes;
mod random;
mod report;
mod stage;
pub mod stores;
mod upkeep;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sluice_testkit::{Components, Error, Result, read_sequences, wait_for};

use crate::args::Args;
use crate::checkout::{Checkout, empty, shown};
use crate::demo::audit;
use crate::{install, package, servers};
use faults::Store;
use flow::{COOPERATIVE, EAGER, Flow, PARTITIONS};
use processes::Processes;
use random::Random;
use report::{Report, Table};
use stage::Stage;
use stores::{Locks, Stores};
use upkeep::Kept;

/// How long everything may take to get into the tables when nobody harms any more: longer is a live-lock.
const PATIENCE: Duration = Duration::from_secs(240);

pub struct Options {
    pub minutes: u64,
    pub seed: u64,
    pub locks: Locks,
}

impl Options {
    pub fn take(args: &mut Args) -> Result<Self> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let options = Options {
            minutes: args.value("--minutes")?.unwrap_or(2),
            seed: args.value("--seed")?.unwrap_or_else(|| now.map_or(1, |now| now.as_secs())),
            locks: args.value("--lock")?.unwrap_or_default(),
        };
        if options.minutes == 0 {
            return Err(Error::new("`--minutes` starts at 1"));
        }
        Ok(options)
    }
}

pub fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    let folder = checkout.target().join("chaos");
    println!(
        "chaos: seed {}, {} min; all it makes is in {}, which is emptied now",
        options.seed,
        options.minutes,
        shown(&folder)
    );
    let _lock = checkout.alone("chaos", "chaos already runs in this checkout")?;
    empty(&folder)?;
    install::programs(checkout)?;
    install::components(checkout)?;
    servers::install(checkout)?;
    package::plugin(checkout)?;
    let components = package::copied(checkout, &folder)?;

    let stage = Stage::new(&folder.join("events.log"))?;
    let mut report = Report { seed: options.seed, minutes: options.minutes, ..Report::default() };
    let mut chaos = Chaos { folder, components, options, stage };
    if let Err(error) = chaos.run(&mut report) {
        report.findings.push(format!("the run did not get to its end: {error}"));
    }
    chaos.finish(report)
}

struct Chaos<'a> {
    folder: PathBuf,
    components: Components,
    options: &'a Options,
    stage: Stage,
}

impl Chaos<'_> {
    fn run(&mut self, report: &mut Report) -> Result<()> {
        println!("==> starting the stores, a broker and {} workers (a minute)", processes::WORKERS);
        let stores = Stores::start(&self.components, &self.folder, &self.options.locks)?;
        let mut processes = Processes::start(&self.components, &self.folder)?;
        let mut flows = self.flows(&stores);
        for flow in &flows {
            processes.broker.create_topic(&flow.name, PARTITIONS, &[])?;
        }
        processes.wait_until_ready(&self.stage)?;
        let connectors: Vec<_> = flows.iter().map(|flow| flow.connector.clone()).collect();
        connectors::settle(&connectors, &self.stage)?;
        let time = Duration::from_secs(self.options.minutes * 60);
        for flow in &mut flows {
            println!("    connector `{}`, {} consumers", flow.name, flow.assignor);
            flow.start(&stores, &self.components, &processes.broker, time)?;
        }

        println!(
            "==> {} min of chaos; each event is in {}",
            self.options.minutes,
            shown(&self.folder.join("events.log"))
        );
        let (stage, seed) = (&self.stage, self.options.seed);
        let targets: Vec<_> = flows.iter().map(|flow| flow.to_maintain(&stores)).collect();
        let sluice = &self.components.sluice;
        let ends = |outcome: Result<()>| {
            stage.end();
            outcome
        };
        std::thread::scope(|scope| {
            let harming = scope.spawn(|| ends(processes.harm(stage, seed)));
            let operating = scope.spawn(|| ends(connectors::operate(&connectors, stage, seed)));
            let maintaining = scope.spawn(|| ends(upkeep::maintain(&targets, sluice, stage, seed)));
            let proxies = [(Store::S3, Some(&stores.s3_proxy)), (Store::DynamoDb, stores.dynamodb_proxy())];
            let faulty = proxies.map(|(store, proxy)| {
                proxy.map(|proxy| scope.spawn(move || faults::harm(store, proxy, stage, seed)))
            });
            let watched = ends(self.watch(&mut flows, &stores, time));
            let ended = Error::new("one of those who harm has ended by a panic");
            for thread in [harming, operating, maintaining] {
                thread.join().map_err(|_| ended.clone())??;
            }
            for thread in faulty.into_iter().flatten() {
                thread.join().map_err(|_| ended.clone())?;
            }
            watched
        })?;
        report.harmed_requests = faults::harmed(&stores);

        println!("==> no more harm: everything has to get into the tables");
        let healed = Instant::now();
        connectors::settle(&connectors, &self.stage)?;
        let mut caught_up = true;
        for flow in &mut flows {
            if let Err(error) = self.catch_up(flow, &stores, &processes) {
                self.stage.found(format!("{}: {error}", flow.name));
                caught_up = false;
            }
        }
        report.caught_up = caught_up.then(|| healed.elapsed().as_secs_f64());
        for flow in &flows {
            connectors::stop(&flow.name, &self.stage)?;
        }
        processes.stop_workers()?;
        self.judge(&mut flows, &stores, report)
    }

    /// One with an eager assignor, one with the cooperative; the seed says which.
    fn flows(&self, stores: &Stores) -> Vec<Flow> {
        let mut random = Random::new(self.options.seed, 4);
        let mut assignors = [random.one_of(&EAGER), COOPERATIVE];
        random.shuffle(&mut assignors);
        let locks = self.options.locks.0.iter().zip(assignors);
        let folder = self.folder.join("flows");
        locks
            .map(|(lock, assignor)| Flow::new(*lock, assignor, self.options.minutes, stores, &folder))
            .collect()
    }

    /// Until the time is over, looks at the tables and at Connect's offsets, and tells.
    fn watch(&self, flows: &mut [Flow], stores: &Stores, time: Duration) -> Result<()> {
        let start = Instant::now();
        let every = Duration::from_secs(if self.options.minutes > 10 { 30 } else { 10 });
        let mut next = Duration::ZERO;
        while start.elapsed() < time && !self.stage.has_ended() {
            for flow in flows.iter_mut() {
                flow.compare_offsets(stores, &self.stage)?;
                flow.keep_reading(&self.stage)?;
            }
            stores.forget_requests();
            if start.elapsed() >= next {
                self.tell(flows, start.elapsed());
                next += every;
            }
            self.stage.pause(Duration::from_millis(1_000));
        }
        Ok(())
    }

    fn tell(&self, flows: &[Flow], elapsed: Duration) {
        let tables = flows.iter().map(|flow| {
            let (sent, rows) = (flow.sent(), flow.log.rows);
            let lag = i64::try_from(sent).unwrap_or(i64::MAX) - rows;
            format!(
                "{}: sent {sent}, in the table {rows}, lag {lag}, versions {}",
                flow.lock.name(),
                flow.log.versions
            )
        });
        let tables: Vec<_> = tables.collect();
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        for (event, count) in self.stage.events() {
            let kind = match event.split(' ').next() {
                Some("worker") => "of workers",
                Some("broker") => "of the broker",
                Some("connector" | "task" | "tasks.max") => "of connectors",
                Some("sluice") => "of sluice maintain",
                _ => "of stores",
            };
            *kinds.entry(kind).or_default() += count;
        }
        let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        println!("    {:5.0} s  {}; events: {}", elapsed.as_secs_f64(), tables.join("; "), kinds.join(", "));
    }

    /// Waits until the table has everything, and Connect the same offsets.
    fn catch_up(&self, flow: &mut Flow, stores: &Stores, processes: &Processes) -> Result<()> {
        let sent = flow.wait_for_producer(PATIENCE)?;
        let ends: Vec<_> =
            processes.broker.end_offsets(&flow.name)?.into_values().map(|end| end as u64).collect();
        if ends != sent {
            return Err(Error::new(format!(
                "the broker acknowledged {sent:?} of {}, and its partitions end at {ends:?}",
                flow.name
            )));
        }
        let name = flow.name.clone();
        let reached = wait_for(&format!("all of {name} to be in the table"), PATIENCE, || {
            flow.log.refresh()?;
            Ok((flow.lag(&sent) == 0).then_some(()))
        });
        reached.map_err(|error| {
            Error::new(format!("{error}; {} are not in it: a live-lock?", flow.lag(&sent)))
        })?;
        let wanted: BTreeMap<_, _> = (0..).zip(sent.iter().map(|sent| *sent as i64)).collect();
        let mut last = None;
        wait_for(&format!("Connect's offsets of {name} to follow"), Duration::from_secs(60), || {
            last = flow.compare_offsets(stores, &self.stage)?.or(last.take());
            Ok((last.as_ref() == Some(&wanted)).then_some(()))
        })
        .map_err(|error| Error::new(format!("{error}: they are {last:?}, the table's {wanted:?}")))
    }

    fn judge(&self, flows: &mut [Flow], stores: &Stores, report: &mut Report) -> Result<()> {
        println!("==> reading the tables with Delta Kernel for Java, which shares no code with Sluice");
        for flow in flows {
            flow.log.refresh()?;
            let sent = flow.wait_for_producer(Duration::ZERO)?;
            let reader = flow.folder.join("reader");
            let read = read_sequences(&self.components, &reader, &flow.table, &sent)?;
            let audit = audit(&self.components.sluice, &stores.uri(&flow.name), &flow.config_file())?;
            report.add(Table {
                name: flow.name.clone(),
                assignor: flow.assignor,
                sent,
                read,
                commits: (flow.log.appends, flow.log.versions),
                rewrites: flow.log.rewrites,
                kept: Kept::of(&flow.table)?,
                pins_read: flow.pins.read,
                audit_clean: audit.clean,
                audit: audit.text,
                compared: flow.compared,
            });
        }
        Ok(())
    }

    fn finish(&self, mut report: Report) -> Result<()> {
        let (told, forbidden) = report::told(&processes::worker_logs(&self.folder))?;
        report.told = told;
        report.findings.extend(forbidden);
        let crashes = processes::crash_reports(&self.folder);
        report.findings.extend(crashes.iter().map(|file| format!("a JVM crashed: {}", shown(file))));
        report.events = self.stage.events();
        report.findings.extend(self.stage.findings());
        report.seconds = self.stage.start.elapsed().as_secs_f64();
        report.write(&self.folder)?;
        println!("{}", report.markdown());
        let reports = self.folder.join("report.md");
        if report.passed() {
            println!(
                "chaos: passed, seed {}, {} events, {}",
                report.seed,
                sum(&report.events),
                shown(&reports)
            );
            return Ok(());
        }
        Err(Error::new(format!(
            "chaos FAILED with seed {}; logs and tables stay in {}",
            report.seed,
            shown(&self.folder)
        )))
    }
}

fn sum(events: &BTreeMap<String, u64>) -> u64 {
    events.values().sum()
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
        assert!(options("--lock dynamo").is_err());
        assert!(options("--sead 1").is_err());
        let given = options("--minutes 60 --seed 7 --lock s3-dynamodb").unwrap();
        assert_eq!((given.minutes, given.seed, given.locks.0.len()), (60, 7, 1));
        assert_eq!(options("").unwrap().locks, Locks::default());
    }
}
