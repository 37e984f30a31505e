//! `cargo xtask bench --many`: one worker with many connectors, each with one task, a topic and a table of its own, beside as many that
//! do nothing. `rust/bench/README.md` says how it measures and what it cannot say.

mod report;
mod run;
mod spread;
mod threads;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sluice_testkit::{Broker, Components, Error, Produce, Producer, Result};

use super::entry::Sink;
use super::{demo, machine, noop_plugins};
use crate::args::Args;
use crate::checkout::{Checkout, empty, shown};
use report::Report;

const INTERVAL: Duration = Duration::from_secs(10);
const BUDGET: u64 = 128 << 20;
/// What that many consumers need: each fetches up to 50 MB at once where there is much to read.
const HEAP: &str = "2g";
const RECORDS: u64 = 2_000_000;
const PATIENCE: Duration = Duration::from_secs(900);

#[derive(Debug, Clone, Copy)]
pub struct Streams {
    pub connectors: u32,
    /// Of all topics.
    pub partitions: u32,
    /// Of the load, a multiple of the connectors.
    pub records: u64,
}

impl Streams {
    pub fn take(args: &mut Args, records: Option<u64>) -> Result<Self> {
        let connectors = args.value("--connectors")?.unwrap_or(100);
        let partitions = args.value("--partitions")?.unwrap_or(20 * connectors);
        if connectors == 0 || partitions < connectors {
            return Err(Error::new("`--many` needs a connector, and a partition for each"));
        }
        let records = records.unwrap_or(RECORDS).next_multiple_of(u64::from(connectors));
        Ok(Streams { connectors, partitions: partitions / connectors * connectors, records })
    }

    /// Of a connector, its topic and its folder.
    fn names(self) -> impl Iterator<Item = String> {
        (0..self.connectors).map(|number| format!("many-{number:03}"))
    }
}

struct Many {
    folder: PathBuf,
    components: Components,
    /// The settings in `connect-config/demo.json`.
    demo: Value,
    noop_plugins: PathBuf,
    broker: Broker,
    streams: Streams,
    /// Records in all topics; each has the same number.
    sent: u64,
}

pub fn run(checkout: &Checkout, folder: &Path, streams: Streams) -> Result<()> {
    let components = checkout.components();
    let noop_plugins = noop_plugins(checkout, &components, folder)?;
    let mut facts = machine::here(checkout, machine::worker(&components)?)?;
    facts.extend(report::facts(streams));
    let demo = demo(&checkout.root.join("connect-config/demo.json"))?;
    println!("==> starting a broker with {} topics", streams.connectors);
    let broker = Broker::start(&components, &folder.join("broker"))?;
    let topics = streams.names().collect::<Vec<_>>().join(",");
    broker.create_topic(&topics, streams.partitions / streams.connectors, &[])?;
    let folder = folder.join("many");
    empty(&folder)?;
    let mut many = Many { folder, components, demo, noop_plugins, broker, streams, sent: 0 };
    many.send(u64::from(streams.connectors), None)?.wait(PATIENCE)?;
    let sluice = run::measure(&mut many, Sink::Sluice)?;
    let noop = run::measure(&mut many, Sink::Noop)?;
    facts.push(("load average after", format!("{:.1}", machine::load()?)));
    let report = Report { facts, streams, sluice, noop };
    let results = checkout.target().join("bench");
    report.write(&results)?;
    println!("\n{}\nbench: {}, many.json beside it", report.text(), shown(&results.join("many.md")));
    report.check()
}

impl Many {
    /// `count` is a multiple of the connectors.
    fn send(&mut self, count: u64, rate: Option<u64>) -> Result<Producer> {
        let topics = self.streams.names().collect::<Vec<_>>().join(",");
        let what = Produce::Generate { first: self.sent, count };
        self.sent += count;
        let (bootstrap, folder) = (self.broker.bootstrap(), self.folder.join("producer"));
        Producer::start(&self.components, &bootstrap, &folder, &topics, &what, rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_has_as_many_partitions_and_records_as_any_other() {
        let streams = |line: &str| crate::args::parsed(line, |args| Streams::take(args, Some(1_000_001)));
        let Streams { connectors, partitions, records } = streams("").unwrap();
        assert_eq!((connectors, partitions, records), (100, 2_000, 1_000_100));
        let Streams { connectors, partitions, records } = streams("--connectors 3 --partitions 10").unwrap();
        assert_eq!((connectors, partitions, records), (3, 9, 1_000_002));
        assert!(streams("--connectors 3 --partitions 2").is_err() && streams("--connectors 0").is_err());
    }
}
