//! `cargo xtask bench`: what the way from Kafka into a table costs, beside a sink that does nothing and beside another sink.
//! `rust/bench/README.md` says how it measures and what it cannot say.

pub mod chart;
mod entry;
mod files;
mod large;
pub mod machine;
mod many;
mod measure;
mod progress;
pub mod report;
mod requests;
mod stages;
mod upkeep;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sluice_testkit::{
    Broker, Components, Context, Error, Produce, Producer, Result, java_home_tool, write_events,
};

use crate::args::Args;
use crate::checkout::{Checkout, empty, shown};
use crate::{install, package, servers, step};
use entry::{CONTROL_TOPIC, Entry, Input, TOPIC};
use report::{BareLoop, Report, Speed, Standing};

const PARTITIONS: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(900);
const LOOP_EVENTS: u64 = 400_000;

pub enum What {
    /// What a record costs, beside other sinks.
    Records,
    /// What each stage costs; with `bless` later runs are compared with this one.
    Stages {
        bless: bool,
    },
    Large,
    /// What many connectors cost one worker.
    Many(many::Streams),
    /// What files are left after so many simulated minutes.
    Files {
        minutes: u64,
    },
    /// What is asked of an object store.
    Requests,
    /// What upkeep of a table gives, and what it takes.
    Upkeep(upkeep::Size),
}

impl What {
    fn take(args: &mut Args, records: Option<u64>) -> Result<Self> {
        let (stages, bless) = (args.flag("--stages"), args.flag("--bless"));
        let (files, minutes) = (args.flag("--files"), args.value("--minutes")?);
        if bless && !stages {
            return Err(Error::new("`--bless` belongs to `--stages`"));
        }
        if minutes == Some(0) || minutes.is_some() && !files {
            return Err(Error::new("`--minutes` belongs to `--files`, and starts at 1"));
        }
        let others = ["--large", "--requests", "--many", "--upkeep"].map(|name| args.flag(name));
        match (stages, files, others) {
            (false, false, [false, false, false, false]) => Ok(What::Records),
            (true, false, [false, false, false, false]) => Ok(What::Stages { bless }),
            (false, true, [false, false, false, false]) => Ok(What::Files { minutes: minutes.unwrap_or(60) }),
            (false, false, [true, false, false, false]) => Ok(What::Large),
            (false, false, [false, true, false, false]) => Ok(What::Requests),
            (false, false, [false, false, true, false]) => {
                Ok(What::Many(many::Streams::take(args, records)?))
            }
            (false, false, [false, false, false, true]) => Ok(What::Upkeep(upkeep::Size::take(args)?)),
            _ => Err(Error::new(
                "`--stages`, `--large`, `--files`, `--requests`, `--many` and `--upkeep` are one thing each",
            )),
        }
    }
}

pub struct Options {
    pub what: What,
    pub records: u64,
    pub rounds: u32,
    /// A plugin's parent folder, such as another checkout's `target/plugin`, that is measured instead of the Iceberg sink.
    pub beside: Option<PathBuf>,
}

impl Options {
    pub fn take(args: &mut Args) -> Result<Self> {
        let records = args.value("--records")?;
        let rounds = args.value("--rounds")?.unwrap_or(3);
        if records == Some(0) || rounds == 0 {
            return Err(Error::new("`--records` and `--rounds` start at 1"));
        }
        let beside: Option<PathBuf> = args.value("--beside")?;
        let beside = beside.map(|folder| fs::canonicalize(&folder).at(&folder)).transpose()?;
        let what = What::take(args, records)?;
        if beside.is_some() && !matches!(what, What::Records) {
            return Err(Error::new("`--beside` is for what a record costs, and nothing else"));
        }
        let usual = if matches!(what, What::Upkeep(_)) { upkeep::RECORDS } else { 4_000_000 };
        Ok(Options { what, records: records.unwrap_or(usual), rounds, beside })
    }
}

struct Bench {
    folder: PathBuf,
    components: Components,
    /// The settings in `connect-config/demo.json`.
    demo: Value,
    records: u64,
    noop_plugins: PathBuf,
    iceberg_plugins: PathBuf,
    other_plugins: Option<PathBuf>,
    broker: Broker,
}

pub fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    match options.what {
        What::Large => return large::run(checkout),
        What::Stages { bless } => return stages::run(checkout, bless),
        What::Records | What::Files { .. } | What::Requests | What::Many(_) | What::Upkeep(_) => {}
    }
    let folder = checkout.target().join("bench");
    println!("bench: everything it makes goes to {}; that folder is emptied now", shown(&folder));
    empty(&folder)?;
    package::plugin(checkout)?;
    install::components(checkout)?;
    if let What::Many(streams) = options.what {
        return many::run(checkout, &folder, streams);
    }
    if let What::Upkeep(size) = options.what {
        return upkeep::run(checkout, options, &folder, size);
    }
    if let What::Requests = options.what {
        install::iceberg_s3(checkout)?;
        servers::install(checkout)?;
    } else if options.beside.is_none() {
        install::iceberg(checkout)?;
    }
    let connector = checkout.root.join("connect-config/demo.json");
    if let What::Files { minutes } = options.what {
        return files::run(checkout, &folder, demo(&connector)?, minutes);
    }
    if let What::Requests = options.what {
        return requests::run(checkout, &Bench::start(checkout, options, folder, &connector)?);
    }
    let bare_loop = build_bare_loop(checkout, &connector, &folder)?;
    let bench = Bench::start(checkout, options, folder, &connector)?;
    bench.send_encoded(checkout, &connector)?;

    let mut standings: Vec<_> = Entry::all(options.beside.is_some())
        .into_iter()
        .map(|entry| Standing { entry, runs: Vec::new() })
        .collect();
    let facts = machine::facts(checkout, &bench, options.rounds)?;
    let mut bare = Vec::new();
    for round in 1..=options.rounds {
        bare.push(BareLoop::run(&bare_loop, &checkout.log("bare-loop"))?);
        let mut turn: Vec<_> = standings.iter_mut().collect();
        // To and fro, so that what drifts does not favour whoever comes first.
        if round % 2 == 0 {
            turn.reverse();
        }
        for standing in turn {
            standing.runs.push(bench.measure(standing.entry, round)?);
        }
    }
    Report { facts, bare, standings, records: options.records }.write(&bench.folder)
}

impl Bench {
    /// A broker with all records in it.
    fn start(checkout: &Checkout, options: &Options, folder: PathBuf, connector: &Path) -> Result<Self> {
        let components = checkout.components();
        let demo = demo(connector)?;
        let noop_plugins = noop_plugins(checkout, &components, &folder)?;
        println!("==> starting a broker");
        let broker = Broker::start(&components, &folder.join("broker"))?;
        broker.create_topic(TOPIC, PARTITIONS, &[])?;
        broker.create_topic(CONTROL_TOPIC, 1, &[])?;
        println!("==> sending {} generated events", options.records);
        let what = Produce::Generate { first: 0, count: options.records };
        Producer::start(&components, &broker.bootstrap(), &folder.join("producer"), TOPIC, &what, None)?
            .wait(PATIENCE)?;
        let iceberg_plugins = match options.what {
            What::Requests => components.iceberg_s3_plugins(),
            _ => components.iceberg_plugins(),
        };
        let (records, other_plugins) = (options.records, options.beside.clone());
        Ok(Bench { folder, components, demo, records, noop_plugins, iceberg_plugins, other_plugins, broker })
    }

    /// The events in other formats, each in a topic of its own.
    fn send_encoded(&self, checkout: &Checkout, connector: &Path) -> Result<()> {
        let folder = self.encoded();
        empty(&folder)?;
        let mut encode = bare_loop(checkout, connector, &self.folder.join("events/events.jsonl"));
        encode.arg(&folder);
        let why = "the same events in other formats; a few seconds";
        step::run("encoding the events", why, &encode, &checkout.log("encode"), step::nothing)?;
        for input in [Input::Avro, Input::Protobuf] {
            let topic = input.topic();
            self.broker.create_topic(topic, PARTITIONS, &[])?;
            println!("==> sending {} events in {}", self.records, input.name());
            let file = folder.join(input.raw_format().unwrap_or_default()).with_extension("records");
            let what = Produce::Framed { file, count: self.records };
            let log = self.folder.join("producer");
            Producer::start(&self.components, &self.broker.bootstrap(), &log, topic, &what, None)?
                .wait(PATIENCE)?;
        }
        Ok(())
    }

    /// Where records and schemas of other formats are.
    fn encoded(&self) -> PathBuf {
        self.folder.join("encoded")
    }

    /// Who takes part beside Sluice.
    fn rival(&self) -> Result<String> {
        match &self.other_plugins {
            Some(_) => Ok("another build of Sluice".into()),
            None => machine::iceberg(&self.iceberg_plugins),
        }
    }
}

/// The settings in a connector's file.
pub fn demo(connector: &Path) -> Result<Value> {
    let text = fs::read_to_string(connector).at(connector)?;
    let connector: Value = serde_json::from_str(&text).at(connector)?;
    Ok(connector["config"].clone())
}

/// `tests/tools/NoopSink.java`, which is compiled already, as a plugin. Gives its `plugin.path`.
fn noop_plugins(checkout: &Checkout, components: &Components, folder: &Path) -> Result<PathBuf> {
    let plugins = folder.join("plugins");
    let folder = plugins.join("noop");
    let services = folder.join("META-INF/services");
    fs::create_dir_all(&services).at(&services)?;
    let service = services.join("org.apache.kafka.connect.sink.SinkConnector");
    fs::write(&service, "NoopSink\n").at(&service)?;
    let mut jar = checkout.command(java_home_tool("jar"), &["cfM"]);
    jar.arg(folder.join("noop.jar")).arg("-C").arg(&folder).arg("META-INF");
    for class in ["NoopSink.class", "NoopSink$Counter.class"] {
        jar.arg("-C").arg(components.tools()).arg(class);
    }
    step::run("packing the no-op sink", "a second", &jar, &checkout.log("noop"), step::nothing)?;
    fs::remove_dir_all(folder.join("META-INF")).at(&folder)?;
    Ok(plugins)
}

/// Decoder and Parquet writer alone, ready to be run on events in a file.
fn build_bare_loop(checkout: &Checkout, connector: &Path, folder: &Path) -> Result<std::process::Command> {
    build_programs(checkout)?;
    let events = write_events(&checkout.components(), &folder.join("events"), LOOP_EVENTS)?;
    Ok(bare_loop(checkout, connector, &events))
}

fn bare_loop(checkout: &Checkout, connector: &Path, events: &Path) -> std::process::Command {
    let mut run = checkout.command(checkout.cargo_target.join("release/bare-loop"), &[]);
    run.arg(connector).arg(events);
    run
}

/// Those of `rust/bench`.
fn build_programs(checkout: &Checkout) -> Result<()> {
    // With the packages of the plugin, so that the dependencies are those already compiled.
    let build = [&package::BUILD[..], &["-p", "sluice-bench"]].concat();
    let why = "the product's own code, without Connect; up to a minute";
    let log = checkout.log("bench-build");
    step::run("building what is measured by itself", why, &checkout.cargo(&build), &log, step::cargo_lines)
        .map(|_| ())
}

impl BareLoop {
    fn run(program: &std::process::Command, log: &Path) -> Result<Self> {
        let output = step::run("running the bare loop", "a few seconds", program, log, step::nothing)?;
        let said: Value = serde_json::from_str(&output).context(|| format!("the bare loop said {output}"))?;
        let speed = |(format, speed): (&String, &Value)| {
            let number = |name: &str| speed[name].as_f64().unwrap_or(f64::NAN);
            (format.clone(), Speed { decode: number("decode"), both: number("both") })
        };
        Ok(BareLoop(said.as_object().into_iter().flatten().map(speed).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::parsed;

    #[test]
    fn one_thing_is_measured_at_a_time() {
        let options = |line| parsed(line, Options::take);
        let requests = options("--requests --records 5").unwrap();
        assert!(matches!(requests.what, What::Requests) && requests.records == 5);
        assert!(options("--beside .").unwrap().beside.is_some());
        assert_eq!(options("--upkeep --versions 500").unwrap().records, upkeep::RECORDS);
        for line in [
            "--requests --files",
            "--requests --stages",
            "--large --requests",
            "--requests --beside .",
            "--upkeep --many",
            "--versions 500",
        ] {
            assert!(options(line).is_err(), "{line}");
        }
    }
}
