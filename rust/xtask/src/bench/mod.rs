//! `cargo xtask bench`: what the way from Kafka into the table costs, beside a sink that does nothing.
//!
//! CPU is that of the whole worker process between two moments of one run: when a quarter of the topic is through, and
//! when all of it is. So neither the start of the JVM and the connector counts nor most of the JVM's compiling.

mod beside;
mod connect;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_testkit::{
    Broker, Components, Context, Error, Produce, Producer, Result, TableLog, Worker, WorkerOptions,
    compiler_seconds, cpu_seconds, java_home_tool, peak_memory, write_events,
};

use crate::args::Args;
use crate::checkout::{Checkout, empty, shown};
use crate::{install, package, step};
use report::{BareLoop, Report, Usage};

/// The events as JSON.
const TOPIC: &str = "bench";
const PARTITIONS: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a worker with nothing left to do is watched.
const IDLE: Duration = Duration::from_secs(15);
const LOOP_EVENTS: u64 = 400_000;

pub struct Options {
    pub records: u64,
    /// All converters beside each other, instead of raw mode alone in more detail.
    pub connect: bool,
    /// A plugin's parent folder, such as another checkout's `target/plugin`, that is measured in turn with this one.
    pub beside: Option<PathBuf>,
}

impl Options {
    pub fn take(args: &mut Args) -> Result<Self> {
        let records = args.value("--records")?.unwrap_or(2_000_000);
        if records < 4 {
            return Err(Error::new("`--records` starts at 4"));
        }
        let beside: Option<PathBuf> = args.value("--beside")?;
        let beside = beside.map(|folder| fs::canonicalize(&folder).at(&folder)).transpose()?;
        Ok(Options { records, connect: args.flag("--connect"), beside })
    }
}

struct Bench {
    folder: PathBuf,
    components: Components,
    /// `connect-config/demo.json`, whose settings both sinks get.
    config: Value,
    records: u64,
    /// How long a worker with nothing left to do is watched; zero: not at all.
    idle: Duration,
}

/// One way that values come to a sink.
struct Scenario {
    name: &'static str,
    topic: &'static str,
    /// Settings beyond those of `connect-config/demo.json`.
    settings: Value,
}

/// CPU seconds of a worker so far, without its JVM's compiler and of that alone.
struct Cpu {
    records: f64,
    compiler: f64,
}

pub fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    let folder = checkout.target().join("bench");
    println!("bench: everything it makes goes to {}; that folder is emptied now", shown(&folder));
    empty(&folder)?;
    install::programs(checkout)?;
    install::components(checkout)?;
    package::plugin(checkout)?;
    let file = checkout.root.join("connect-config/demo.json");
    let connector: Value = serde_json::from_str(&fs::read_to_string(&file).at(&file)?).at(&file)?;
    let config = connector["config"].clone();
    let idle = if options.connect || options.beside.is_some() { Duration::ZERO } else { IDLE };
    let bench = Bench { folder, components: checkout.components(), config, records: options.records, idle };
    match &options.beside {
        other if options.connect => connect::run(&bench, checkout, other.as_deref()),
        Some(other) => beside::run(&bench, other),
        None => raw(&bench, checkout, &file),
    }
}

fn raw(bench: &Bench, checkout: &Checkout, connector: &Path) -> Result<()> {
    let bare = bench.bare_loop(checkout, connector)?;
    let noop_plugins = bench.noop_plugin(checkout)?;
    let broker = bench.broker()?;
    bench.send(&broker, TOPIC, &Produce::Generate { first: 0, count: bench.records })?;
    let scenario = Scenario::raw("raw");
    let noop = bench.noop(&broker, &noop_plugins, &scenario)?;
    let sluice = bench.sluice(&broker, &scenario, None)?;
    let files = files_below(&bench.table(&scenario, "sluice"), "parquet")?;
    let report = Report {
        records: bench.records,
        noop,
        sluice,
        bare,
        library_bytes: files_below(&checkout.plugin(), "so")?.iter().map(|(_, bytes)| bytes).sum(),
        table_bytes: files.iter().map(|(_, bytes)| bytes).sum(),
        table_files: files.len(),
    };
    report.print();
    Ok(())
}

impl Scenario {
    fn raw(name: &'static str) -> Self {
        Scenario { name, topic: TOPIC, settings: json!({}) }
    }
}

impl Bench {
    /// On one thread and with nothing else running.
    fn bare_loop(&self, checkout: &Checkout, connector: &Path) -> Result<BareLoop> {
        // With the packages of the plugin, so that the dependencies are those already compiled.
        let build = [&package::BUILD[..], &["-p", "sluice-bench"]].concat();
        let (log, why) =
            (checkout.log("bare-loop"), "decoder and Parquet writer without Connect; up to a minute");
        step::run("building the bare loop", why, &checkout.cargo(&build), &log, step::cargo_lines)?;
        let events = write_events(&self.components, &self.folder.join("events"), LOOP_EVENTS)?;
        let mut run = checkout.command(checkout.cargo_target.join("release/bare-loop"), &[]);
        run.arg(connector).arg(&events);
        let output = step::run("running the bare loop", "a few seconds", &run, &log, step::nothing)?;
        let said: Value = serde_json::from_str(&output).context(|| format!("the bare loop said {output}"))?;
        let number = |name: &str| said[name].as_f64().unwrap_or(f64::NAN);
        Ok(BareLoop { decode: number("decode"), both: number("both") })
    }

    /// `tests/tools/NoopSink.java`, which is compiled already, as a plugin. Gives its `plugin.path`.
    fn noop_plugin(&self, checkout: &Checkout) -> Result<PathBuf> {
        let plugins = self.folder.join("plugins");
        let folder = plugins.join("noop");
        let services = folder.join("META-INF/services");
        fs::create_dir_all(&services).at(&services)?;
        let service = services.join("org.apache.kafka.connect.sink.SinkConnector");
        fs::write(&service, "NoopSink\n").at(&service)?;
        let mut jar = checkout.command(java_home_tool("jar"), &["cfM"]);
        jar.arg(folder.join("noop.jar")).arg("-C").arg(&folder).arg("META-INF");
        for class in ["NoopSink.class", "NoopSink$Counter.class"] {
            jar.arg("-C").arg(self.components.tools()).arg(class);
        }
        step::run("packing the no-op sink", "a second", &jar, &checkout.log("noop"), step::nothing)?;
        fs::remove_dir_all(folder.join("META-INF")).at(&folder)?;
        Ok(plugins)
    }

    fn broker(&self) -> Result<Broker> {
        println!("==> starting a broker");
        Broker::start(&self.components, &self.folder.join("broker"))
    }

    fn send(&self, broker: &Broker, topic: &str, what: &Produce) -> Result<()> {
        println!("==> sending {} generated events to the topic {topic}", self.records);
        broker.create_topic(topic, PARTITIONS, &[])?;
        let folder = self.folder.join("producer");
        Producer::start(&self.components, &broker.bootstrap(), &folder, topic, what, None)?.wait(PATIENCE)?;
        Ok(())
    }

    fn noop(&self, broker: &Broker, plugins: &Path, scenario: &Scenario) -> Result<Usage> {
        let name = format!("{}-noop", scenario.name);
        println!("==> {}: a sink that does nothing", scenario.name);
        let count = self.folder.join(format!("{name}-count"));
        let mut config = json!({"connector.class": "NoopSink", "count.file": count.display().to_string()});
        for (key, value) in self.settings(scenario).as_object().into_iter().flatten() {
            if key.contains(".converter") || key.starts_with("consumer.override.") {
                config[key] = value.clone();
            }
        }
        config["topics"] = scenario.topic.into();
        self.measure(broker, &name, Some(plugins.to_owned()), config, || {
            Ok(fs::read_to_string(&count).ok().and_then(|text| text.parse().ok()).unwrap_or(0))
        })
    }

    /// Sluice as it is in `plugins`, by default this checkout's.
    fn sluice(&self, broker: &Broker, scenario: &Scenario, plugins: Option<&Path>) -> Result<Usage> {
        let whose = if plugins.is_some() { "other" } else { "sluice" };
        println!("==> {}: {whose}", scenario.name);
        let table = self.table(scenario, whose);
        let mut config = self.settings(scenario);
        config["delta.table.uri"] = table.display().to_string().into();
        let mut log = TableLog::new(&table);
        self.measure(
            broker,
            &format!("{}-{whose}", scenario.name),
            plugins.map(Path::to_owned),
            config,
            || {
                log.refresh()?;
                Ok(u64::try_from(log.rows).unwrap_or(0))
            },
        )
    }

    fn table(&self, scenario: &Scenario, whose: &str) -> PathBuf {
        self.folder.join(format!("{}-{whose}-table", scenario.name))
    }

    fn settings(&self, scenario: &Scenario) -> Value {
        let mut config = self.config.clone();
        config["topics"] = scenario.topic.into();
        for (key, value) in scenario.settings.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        config
    }

    /// Runs a connector in a worker of its own until it has `done` all records, and then watches it idle.
    fn measure(
        &self,
        broker: &Broker,
        name: &str,
        plugins: Option<PathBuf>,
        mut config: Value,
        mut done: impl FnMut() -> Result<u64>,
    ) -> Result<Usage> {
        config["tasks.max"] = "1".into();
        let options = WorkerOptions { group: name.into(), plugins, ..WorkerOptions::default() };
        let mut worker =
            Worker::start(&self.components, &broker.bootstrap(), &self.folder.join(name), &options)?;
        let pid = worker.process().pid();
        let cpu = || {
            let (all, compiler) = (cpu_seconds(pid), compiler_seconds(pid));
            let both = all.zip(compiler).map(|(all, compiler)| Cpu { records: all - compiler, compiler });
            both.ok_or_else(|| Error::new("the worker ended"))
        };
        worker.connect().put_connector(name, &config)?;
        let mut until = |goal: u64| {
            let end = Instant::now() + PATIENCE;
            loop {
                let rows = done()?;
                if rows >= goal {
                    return Ok((rows, Instant::now(), cpu()?));
                }
                if Instant::now() > end {
                    return Err(Error::new(format!("{rows} of {goal} records; {}", worker.log_tail(20))));
                }
                sleep(Duration::from_millis(10));
            }
        };
        let quarter = until(self.records / 4)?;
        let all = until(self.records)?;
        if all.0 != self.records {
            return Err(Error::new(format!("{name} made {} of {} records", all.0, self.records)));
        }
        if all.0 == quarter.0 {
            return Err(Error::new("everything came at once: too few records to measure with"));
        }
        let mut idle = 0.0;
        if !self.idle.is_zero() {
            sleep(Duration::from_secs(5)); // what the last record started comes to its end
            let idle_from = cpu()?;
            sleep(self.idle);
            idle = (cpu()?.records - idle_from.records) / self.idle.as_secs_f64();
        }
        let peak_memory = peak_memory(pid).ok_or_else(|| Error::new("the worker ended"))?;
        worker.stop()?;
        Ok(Usage {
            records: all.0 - quarter.0,
            seconds: (all.1 - quarter.1).as_secs_f64(),
            cpu: all.2.records - quarter.2.records,
            compiler: all.2.compiler,
            idle,
            peak_memory,
        })
    }
}

/// The files below a folder whose names end so, with their sizes.
fn files_below(folder: &Path, extension: &str) -> Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        if path.is_dir() {
            found.extend(files_below(&path, extension)?);
        } else if path.extension().is_some_and(|e| e == extension) {
            let bytes = fs::metadata(&path).at(&path)?.len();
            found.push((path, bytes));
        }
    }
    Ok(found)
}
