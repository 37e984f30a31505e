//! `cargo xtask demo`: from records in Kafka to a table that an independent reader has checked, with a crash on the way.

mod infer;
mod input;
mod keep;
mod progress;
mod report;
pub mod store;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_testkit::{
    Broker, Components, Context, Error, Produce, Producer, Result, TableLog, Worker, WorkerOptions,
    cpu_seconds, read_table, tail,
};

use crate::args::Args;
use crate::checkout::{Checkout, empty, shown};
use crate::package::copy_folder;
use crate::{install, package, servers};
use input::Input;
use progress::Progress;
use report::Report;
pub use report::audit;
use store::{Place, Store};

const TOPIC: &str = "demo";
const CONNECTOR: &str = "sluice-demo";
/// With nothing new in the table for so long, the demo has failed.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Options {
    pub records: Option<u64>,
    pub input: Option<PathBuf>,
    pub partitions: u32,
    pub tasks: u32,
    pub store: Store,
    pub keep: bool,
}

impl Options {
    pub fn take(args: &mut Args) -> Result<Self> {
        let options = Options {
            records: args.value("--records")?,
            input: args.value("--input")?,
            partitions: args.value("--partitions")?.unwrap_or(4),
            tasks: args.value("--tasks")?.unwrap_or(2),
            store: args.value("--store")?.unwrap_or_default(),
            keep: args.flag("--keep"),
        };
        if options.records.is_some() && options.input.is_some() {
            return Err(Error::new(
                "`--records` and `--input` exclude each other: of a file all lines are sent",
            ));
        }
        if options.partitions == 0 || options.tasks == 0 || options.records == Some(0) {
            return Err(Error::new("`--records`, `--partitions` and `--tasks` start at 1"));
        }
        Ok(options)
    }
}

/// Where the demo's things are, all under `target/demo`.
struct Demo<'a> {
    folder: PathBuf,
    place: Place,
    components: Components,
    options: &'a Options,
    input: Input,
    config: Value,
    config_file: PathBuf,
}

pub fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    let folder = checkout.target().join("demo");
    let input = Input::from(options)?;
    if let Produce::Numbered(file) = &input.produce
        && file.starts_with(&folder)
    {
        return Err(Error::new(format!("{} is in the folder that the demo empties; move it", shown(file))));
    }
    println!("demo: everything it makes goes to {}; that folder is emptied now", shown(&folder));
    let _lock = checkout.alone("demo", "another demo is running in this checkout")?;
    keep::stop_kept(&folder)?;
    empty(&folder)?;

    install::programs(checkout)?;
    install::components(checkout)?;
    if options.store != Store::Local {
        servers::install(checkout)?;
    }
    package::plugin(checkout)?;
    let mut components = checkout.components();
    // A copy, so that a kept worker is not disturbed by the next build.
    components.plugins = folder.join("plugins");
    copy_folder(&checkout.plugin(), &components.plugins.join("sluice"))?;

    let place = Place::start(options.store, &components, &folder)?;
    let config = connector_config(&checkout.root, &input, &place, options)?;
    let config_file = folder.join("connector.json");
    let text = serde_json::to_string_pretty(&config).context(|| "connector.json".into())?;
    fs::write(&config_file, text + "\n").at(&config_file)?;
    println!(
        "    connector settings: connect-config/demo.json, with this run's own in {}",
        shown(&config_file)
    );

    Demo { folder, place, components, options, input, config, config_file }.run()
}

/// `connect-config/demo.json` with what belongs to this run.
fn connector_config(root: &Path, input: &Input, place: &Place, options: &Options) -> Result<Value> {
    let file = root.join("connect-config/demo.json");
    let text = fs::read_to_string(&file).at(&file)?;
    let mut connector: Value = serde_json::from_str(&text).at(&file)?;
    connector["name"] = CONNECTOR.into();
    let config = &mut connector["config"];
    config["topics"] = TOPIC.into();
    config["tasks.max"] = options.tasks.to_string().into();
    for (key, value) in place.settings().as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    if let Some(schema) = &input.schema {
        config["delta.schema.json"] = schema.to_string().into();
        config["delta.raw.json.strings"] = if input.mixed.is_empty() { "strict" } else { "lenient" }.into();
    }
    Ok(connector)
}

impl Demo<'_> {
    fn run(self) -> Result<()> {
        let started = Instant::now();
        println!("==> starting a broker (Kafka, KRaft, 127.0.0.1 only; about 10 s)");
        let broker = Broker::start(&self.components, &self.folder.join("broker"))?;
        broker.create_topic(TOPIC, self.options.partitions, &[])?;
        println!("    {}, topic `{TOPIC}` with {} partitions", broker.bootstrap(), self.options.partitions);

        println!("==> starting a Connect worker (distributed mode; about 15 s)");
        let mut worker = self.worker(&broker, 1)?;
        worker.wait_until_ready()?;
        worker.connect().put_connector(CONNECTOR, &self.config["config"])?;
        worker.connect().wait_running(CONNECTOR, self.options.tasks as usize, PATIENCE)?;
        println!("    {}, connector `{CONNECTOR}` runs {} tasks", worker.rest_url(), self.options.tasks);

        println!("==> sending {} {}", self.input.records, self.input.described);
        let what = &self.input.produce;
        let folder = self.folder.join("producer");
        let mut producer =
            Producer::start(&self.components, &broker.bootstrap(), &folder, TOPIC, what, None)?;
        let flow = self.until_all_are_in(&broker, &mut worker, &mut producer).map_err(|e| {
            let logs =
                format!("{}:\n{}\n{}:\n", shown(worker.log()), worker.log_tail(30), shown(&broker.log()));
            Error::new(format!("{e}\n\n{logs}{}", tail(&broker.log(), 5)))
        })?;

        let mut cpu = flow.cpu_before_kill;
        cpu += cpu_seconds(worker.process().pid()).unwrap_or(0.0);
        let (uri, table) = (self.place.uri.clone(), self.place.table.clone());
        let servers = self.place.into_processes();
        if self.options.keep {
            keep::release(&self.folder, broker, worker, servers, CONNECTOR)?;
        } else {
            println!("==> stopping the worker and the broker");
            worker.stop()?;
        }
        println!("==> reading the whole table with Delta Kernel for Java, which shares no code with Sluice");
        let expected = &self.input.expected;
        let read = read_table(&self.components, &self.folder.join("reader"), &table, expected)?;
        let mut log = TableLog::new(&table);
        log.refresh()?;
        let audit = report::audit(&self.components.sluice, &uri, &self.config_file)?;
        let report = Report {
            records: self.input.records,
            read,
            log,
            audit,
            flow: flow.elapsed,
            worker_cpu: cpu,
            total: started.elapsed(),
            table: &table,
        };
        report.print();
        report.verdict()
    }

    fn worker(&self, broker: &Broker, number: u32) -> Result<Worker> {
        let folder = self.folder.join(format!("worker-{number}"));
        let options = WorkerOptions { group: "demo-workers".into(), ..WorkerOptions::default() };
        Worker::spawn(&self.components, &broker.bootstrap(), &folder, &options)
    }

    /// Watches the table grow; half way the worker is killed and another takes its place.
    fn until_all_are_in(
        &self,
        broker: &Broker,
        worker: &mut Worker,
        producer: &mut Producer,
    ) -> Result<Flow> {
        let records = self.input.records;
        let mut progress = Progress::new(records);
        let mut log = TableLog::new(&self.place.table);
        let mut killed: Option<f64> = None;
        let mut replaced = false;
        let mut last_change = Instant::now();
        let mut next_status = Instant::now();
        loop {
            let before = log.versions;
            log.refresh()?;
            if log.versions != before {
                last_change = Instant::now();
            }
            let rows = u64::try_from(log.rows).unwrap_or(0);
            let produced = producer.finished()?.unwrap_or_else(|| producer.acknowledged());
            progress.show(produced, rows, log.appends);
            if killed.is_none() && rows >= records / 2 {
                progress.clear();
                killed = Some(cpu_seconds(worker.process().pid()).unwrap_or(0.0));
                worker.kill()?;
                println!(
                    "==> {rows} rows are in the table: killed the worker with -9; another takes over (about 15 s)"
                );
                *worker = self.worker(broker, 2)?;
                last_change = Instant::now();
            } else if killed.is_some() && Instant::now() >= next_status {
                // Done only when the new worker has looked at the table and gone on from there.
                if self.runs(worker)? && !replaced {
                    replaced = true;
                    progress.clear();
                    println!("==> the other worker runs all tasks");
                }
                next_status = Instant::now() + Duration::from_secs(1);
            } else if Instant::now() >= next_status {
                self.runs(worker)?;
                next_status = Instant::now() + Duration::from_secs(2);
            }
            if let Some(cpu_before_kill) = killed
                && replaced
                && rows >= records
                && producer.finished()?.is_some()
            {
                let elapsed = progress.end(produced, rows, log.appends);
                return Ok(Flow { elapsed, cpu_before_kill });
            }
            if last_change.elapsed() > PATIENCE {
                progress.clear();
                let seconds = PATIENCE.as_secs();
                return Err(Error::new(format!(
                    "{rows} of {records} rows are in the table, and none came for {seconds} s"
                )));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether all tasks run; an error once one has failed or the worker has ended.
    fn runs(&self, worker: &mut Worker) -> Result<bool> {
        if !worker.is_ready()? {
            return Ok(false);
        }
        let Ok(status) = worker.connect().status(CONNECTOR) else { return Ok(false) };
        // After the kill the old worker's tasks show as running until the new one has them.
        let own = worker.rest_url().replace("http://", "");
        match status.traces.first() {
            Some(trace) => Err(Error::new(format!("the connector failed:\n{trace}"))),
            None => {
                Ok(status.all_running(self.options.tasks as usize)
                    && status.workers.iter().all(|at| *at == own))
            }
        }
    }
}

struct Flow {
    /// From the first record sent to the last row in the table.
    elapsed: Duration,
    cpu_before_kill: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options> {
        crate::args::parsed(line, Options::take)
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        assert!(options("--records 5 --input x").is_err());
        assert!(options("--tasks 0").is_err());
        assert!(options("--record 5").is_err());
        assert!(options("--store s4").is_err());
        assert_eq!(options("--store s3-dynamodb").unwrap().store, Store::S3DynamoDb);
        assert_eq!(options("").unwrap().store, Store::Local);
        let options = options("--records 5 --keep").unwrap();
        assert_eq!((options.records, options.partitions, options.tasks, options.keep), (Some(5), 4, 2, true));
    }

    #[test]
    fn the_demos_settings_are_those_of_the_file_with_this_runs_own() {
        let root = Path::new("../..");
        let options = options("--records 5").unwrap();
        let mut input = Input::from(&options).unwrap();
        let components =
            Components { folder: PathBuf::new(), plugins: PathBuf::new(), sluice: PathBuf::new() };
        let place = Place::start(Store::Local, &components, Path::new("/t")).unwrap();
        let config = connector_config(root, &input, &place, &options).unwrap();
        assert_eq!(config["config"]["delta.table.uri"], "/t/table");
        assert_eq!(config["config"]["topics"], TOPIC);
        let schema: Value =
            serde_json::from_str(config["config"]["delta.schema.json"].as_str().unwrap()).unwrap();
        assert_eq!(schema["fields"][0]["name"], "demo_id");

        input.schema = Some(serde_json::json!({"type": "struct"}));
        input.mixed = vec!["a".into()];
        let config = connector_config(root, &input, &place, &options).unwrap();
        assert_eq!(config["config"]["delta.schema.json"], "{\"type\":\"struct\"}");
        assert_eq!(config["config"]["delta.raw.json.strings"], "lenient");
        let config = config["config"].as_object().unwrap();
        assert!(config.values().all(Value::is_string), "Connect takes strings only");
    }
}
