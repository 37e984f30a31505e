use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::components::Components;
use crate::connect::Connect;
use crate::error::{Context, Error, Result};
use crate::java::{jvm, tail, write_logging, write_old_logging};
use crate::leash::Leashed;
use crate::ports::free_ports;
use crate::wait_for;

/// What differs between workers; the rest is set for quick fail-over on one machine.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Workers of one group share connectors and tasks.
    pub group: String,
    /// `plugin.path`; by default the packaged Sluice.
    pub plugins: Option<PathBuf>,
    /// The jars of its Kafka; by default the broker's.
    pub kafka: Option<PathBuf>,
    /// The JVM's `-Xmx`.
    pub heap: String,
    /// Further lines of the worker's properties, set last.
    pub settings: Vec<(String, String)>,
    /// Further arguments of the JVM, such as `-Dsluice.native.path=...`.
    pub jvm: Vec<String>,
    /// By how much its processes stand back for others, as `nice` has it.
    pub niceness: u32,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        WorkerOptions {
            group: "workers".into(),
            plugins: None,
            kafka: None,
            heap: "1g".into(),
            settings: Vec::new(),
            jvm: Vec::new(),
            niceness: 0,
        }
    }
}

/// A distributed Connect worker.
pub struct Worker {
    port: u16,
    process: Leashed,
}

impl Worker {
    /// Starts a worker in `folder` and waits until its REST interface answers.
    pub fn start(
        components: &Components,
        bootstrap: &str,
        folder: &Path,
        options: &WorkerOptions,
    ) -> Result<Self> {
        let mut worker = Self::spawn(components, bootstrap, folder, options)?;
        worker.wait_until_ready()?;
        Ok(worker)
    }

    /// Starts a worker and does not wait, see [`Worker::wait_until_ready`].
    pub fn spawn(
        components: &Components,
        bootstrap: &str,
        folder: &Path,
        options: &WorkerOptions,
    ) -> Result<Self> {
        std::fs::create_dir_all(folder).at(folder)?;
        let [port] = free_ports()?;
        let plugins = options.plugins.as_ref().unwrap_or(&components.plugins);
        let group = &options.group;
        let mut text = format!(
            "bootstrap.servers={bootstrap}\n\
             group.id={group}\n\
             config.storage.topic={group}-configs\n\
             offset.storage.topic={group}-offsets\n\
             status.storage.topic={group}-status\n\
             config.storage.replication.factor=1\n\
             offset.storage.replication.factor=1\n\
             status.storage.replication.factor=1\n\
             offset.storage.partitions=1\n\
             status.storage.partitions=1\n\
             listeners=http://127.0.0.1:{port}\n\
             rest.advertised.host.name=127.0.0.1\n\
             plugin.path={}\n\
             plugin.discovery=service_load\n\
             key.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n\
             value.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n\
             header.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n\
             connector.client.config.override.policy=All\n\
             offset.flush.interval.ms=5000\n\
             session.timeout.ms=6000\n\
             heartbeat.interval.ms=1000\n\
             consumer.session.timeout.ms=6000\n\
             consumer.heartbeat.interval.ms=1000\n\
             scheduled.rebalance.max.delay.ms=0\n",
            plugins.display()
        );
        for (key, value) in &options.settings {
            text.push_str(&format!("{key}={value}\n"));
        }
        let settings = folder.join("worker.properties");
        std::fs::write(&settings, text).at(&settings)?;
        let logging = folder.join("log4j2.properties");
        write_logging(&logging, "info")?;
        let old_logging = folder.join("log4j.properties");
        write_old_logging(&old_logging, "info")?;
        let kafka = options.kafka.clone().unwrap_or_else(|| components.kafka_libs());
        let mut java = jvm(components, &kafka, &logging, &options.heap);
        java.arg(format!("-Dlog4j.configuration=file:{}", old_logging.display()));
        java.args(&options.jvm).arg("org.apache.kafka.connect.cli.ConnectDistributed").arg(&settings);
        // A crash of the JVM leaves its report here and not in whatever folder the test was started from.
        let mut worker = Command::new("nice");
        worker.args(["-n", &options.niceness.to_string()]).arg(java.get_program()).args(java.get_args());
        worker.current_dir(folder);
        let process = Leashed::spawn(&worker, &folder.join("worker.log"))?;
        Ok(Worker { port, process })
    }

    pub fn wait_until_ready(&mut self) -> Result<()> {
        wait_for("a worker's REST interface", Duration::from_secs(180), || Ok(self.is_ready()?.then_some(())))
    }

    /// Whether the REST interface answers yet; an error once the process has ended.
    pub fn is_ready(&mut self) -> Result<bool> {
        if !self.process.is_running() {
            let log = self.process.log();
            return Err(Error::new(format!("the worker ended; {}:\n{}", log.display(), tail(log, 25))));
        }
        Ok(self.connect().connectors().is_ok())
    }

    pub fn rest_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The worker's REST interface.
    pub fn connect(&self) -> Connect {
        Connect::new(self.rest_url())
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn log(&self) -> &Path {
        self.process.log()
    }

    pub fn log_tail(&self, lines: usize) -> String {
        tail(self.process.log(), lines)
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// SIGTERM, as an operator would; the tasks get their time to stop.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop(Duration::from_secs(60))
    }

    /// To pause, resume, look at or release it.
    pub fn process(&mut self) -> &mut Leashed {
        &mut self.process
    }

    pub fn into_process(self) -> Leashed {
        self.process
    }
}
