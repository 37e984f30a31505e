use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::components::Components;
use crate::error::{Context, Error, Result};
use crate::java::{kafka_jvm, kafka_tool, run, tail, write_logging};
use crate::leash::Leashed;
use crate::ports::free_ports;
use crate::secured::Secured;
use crate::wait_for;

/// A single Kafka broker (KRaft, its own controller).
pub struct Broker {
    components: Components,
    folder: PathBuf,
    port: u16,
    secured: Option<Secured>,
    process: Leashed,
}

impl Broker {
    /// Formats `folder` and starts a broker in it; ready when this returns.
    pub fn start(components: &Components, folder: &Path) -> Result<Self> {
        Self::start_with(components, folder, None)
    }

    /// The same with a second listener.
    pub fn start_secured(components: &Components, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).at(folder)?;
        Self::start_with(components, folder, Some(Secured::make(folder)?))
    }

    fn start_with(components: &Components, folder: &Path, secured: Option<Secured>) -> Result<Self> {
        std::fs::create_dir_all(folder).at(folder)?;
        let [port, controller] = free_ports()?;
        let settings = folder.join("server.properties");
        let text = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             log.dirs={}\n\
             auto.create.topics.enable=false\n\
             num.partitions=1\n\
             log.retention.ms=-1\n\
             offsets.topic.num.partitions=1\n\
             offsets.topic.replication.factor=1\n\
             transaction.state.log.num.partitions=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n\
             log.cleaner.backoff.ms=500\n\
             log.retention.check.interval.ms=5000\n\
             group.min.session.timeout.ms=1000\n",
            folder.join("data").display()
        );
        let more = secured.as_ref().map(|secured| secured.settings(port, controller)).unwrap_or_default();
        std::fs::write(&settings, text + &more).at(&settings)?;
        write_logging(&folder.join("log4j2.properties"), "info")?;
        let mut format = kafka_jvm(components, &folder.join("log4j2.properties"), "256m");
        format.args(["-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "--ignore-formatted"]);
        format.args(["-t", "c2x1aWNlLXRlc3RraXQtMQ", "-c"]).arg(&settings);
        if secured.is_some() {
            format.args(Secured::users());
        }
        run(&format, &folder.join("format.log"), Duration::from_secs(120))?;
        let process = Self::launch(components, folder)?;
        Ok(Broker { components: components.clone(), folder: folder.to_owned(), port, secured, process })
    }

    fn launch(components: &Components, folder: &Path) -> Result<Leashed> {
        let log = folder.join("broker.log");
        let already = std::fs::read_to_string(&log).map_or(0, |text| text.len());
        let mut java = kafka_jvm(components, &folder.join("log4j2.properties"), "768m");
        java.arg("kafka.Kafka").arg(folder.join("server.properties"));
        let mut process = Leashed::spawn(&java, &log)?;
        wait_for("the broker to start", Duration::from_secs(120), || {
            if !process.is_running() {
                return Err(Error::new(format!(
                    "the broker ended at once; {}:\n{}",
                    log.display(),
                    tail(&log, 25)
                )));
            }
            let text = std::fs::read_to_string(&log).at(&log)?;
            Ok(text[already.min(text.len())..].contains("Kafka Server started").then_some(()))
        })?;
        Ok(process)
    }

    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The second listener of a broker that was started with one.
    pub fn secured(&self) -> Option<&Secured> {
        self.secured.as_ref()
    }

    /// `settings` are the topic's own, such as `("cleanup.policy", "compact")`. `topic` may be several, `a,b,c`.
    pub fn create_topic(&self, topic: &str, partitions: u32, settings: &[(&str, &str)]) -> Result<()> {
        let partitions = partitions.to_string();
        let settings: Vec<_> = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut args = vec!["create", topic, &partitions];
        args.extend(settings.iter().map(String::as_str));
        self.topics(&args).map(drop)
    }

    pub fn delete_topic(&self, topic: &str) -> Result<()> {
        self.topics(&["delete", topic]).map(drop)
    }

    /// The end offset of each partition.
    pub fn end_offsets(&self, topic: &str) -> Result<BTreeMap<u32, i64>> {
        let offsets = offsets(&self.topics(&["ends", topic])?)?;
        offsets.into_iter().map(|(key, offset)| Ok((key.parse().context(|| key.clone())?, offset))).collect()
    }

    /// What a consumer group has committed, by `topic-partition`. A sink connector's group is `connect-<name>`.
    pub fn group_offsets(&self, group: &str) -> Result<BTreeMap<String, i64>> {
        offsets(&self.topics(&["group", group])?)
    }

    /// Moves a group's offsets, as `kafka-consumer-groups` does. It must have no members.
    pub fn move_group(&self, group: &str, topic: &str, to: &[(u32, i64)]) -> Result<()> {
        let to: Vec<_> =
            to.iter().map(|(partition, offset)| format!("{topic}-{partition}={offset}")).collect();
        let args: Vec<_> = ["move", group].into_iter().chain(to.iter().map(String::as_str)).collect();
        self.topics(&args).map(drop)
    }

    /// Removes a consumer group that nobody is in, with its offsets, as their expiry does.
    pub fn forget_group(&self, group: &str) -> Result<()> {
        self.topics(&["forget", group]).map(drop)
    }

    /// All records of a topic: each value (none: a tombstone) and the headers as text.
    pub fn records(&self, topic: &str) -> Result<Vec<Record>> {
        self.topics(&["records", topic])?.lines().map(record).collect()
    }

    /// Sends the records that stand in a file, a line of JSON each, as `tests/tools/SendRecords.java` describes.
    pub fn send(&self, file: &Path) -> Result<()> {
        let file = file.display().to_string();
        kafka_tool(&self.components, &self.folder, "SendRecords", &[&self.bootstrap(), &file]).map(drop)
    }

    fn topics(&self, args: &[&str]) -> Result<String> {
        let bootstrap = self.bootstrap();
        let args: Vec<_> = [bootstrap.as_str()].into_iter().chain(args.iter().copied()).collect();
        kafka_tool(&self.components, &self.folder, "Topics", &args)
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("broker.log")
    }

    /// To pause, kill or release it.
    pub fn process(&mut self) -> &mut Leashed {
        &mut self.process
    }

    pub fn into_process(self) -> Leashed {
        self.process
    }

    /// Kills the broker with -9 and starts it again on the same port and data.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.start_again()
    }

    /// After its end: on the same port and data.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = Self::launch(&self.components, &self.folder)?;
        Ok(())
    }
}

/// See [`Broker::records`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub value: Option<Vec<u8>>,
    pub headers: BTreeMap<String, String>,
}

fn record(json: &str) -> Result<Record> {
    let record: serde_json::Value = serde_json::from_str(json).context(|| format!("not JSON: {json}"))?;
    let hex = |hex: &str| -> Result<Vec<u8>> {
        let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or("?"));
        pairs.map(|pair| u8::from_str_radix(pair, 16).context(|| format!("not hexadecimal: {hex}"))).collect()
    };
    let headers = record["headers"].as_object().into_iter().flatten();
    Ok(Record {
        value: record["value"].as_str().map(hex).transpose()?,
        headers: headers.filter_map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned()))).collect(),
    })
}

fn offsets(json: &str) -> Result<BTreeMap<String, i64>> {
    let value: serde_json::Value =
        serde_json::from_str(json.trim()).context(|| format!("not JSON: {json}"))?;
    let object = value.as_object().ok_or_else(|| Error::new(format!("not an object: {json}")))?;
    Ok(object.iter().filter_map(|(key, offset)| Some((key.clone(), offset.as_i64()?))).collect())
}
