//! One test's topic, connector and table, all of one name.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};
use sluice_testkit::{
    Connect, Error, Expected, Produce, Producer, Result, State, TableLog, TableRead, read_rows, read_table,
    wait_for,
};

use crate::cluster::cluster;

pub const CLASS: &str = "io.sluice.connect.DeltaSinkConnector";
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A schema for records such as `{"id": 1, "text": "one"}`.
pub const ID_AND_TEXT: &str = r#"{"type":"struct","fields":[{"name":"id","type":"long","nullable":false,"metadata":{}},{"name":"text","type":"string","nullable":true,"metadata":{}}]}"#;

/// A connector's settings.
#[derive(Clone)]
pub struct Config(Map<String, Value>);

impl Config {
    /// A file of `connect-config/` as it is.
    pub fn of_file(file: &Path) -> Self {
        let file: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        Config(file["config"].as_object().unwrap().clone())
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.0.insert(key.into(), value.to_string().into());
        self
    }

    /// The same with other values.
    pub fn map(mut self, change: impl Fn(&str) -> String) -> Self {
        self.0.values_mut().for_each(|value| *value = change(value.as_str().unwrap()).into());
        self
    }

    pub fn without(mut self, key: &str) -> Self {
        self.0.remove(key).unwrap();
        self
    }

    pub fn json(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

pub struct Scenario {
    pub name: String,
    pub folder: PathBuf,
    pub table: PathBuf,
    /// The table as the connector knows it.
    pub uri: String,
    connect: Connect,
    /// Generated events that were sent so far; also the next one's number.
    sent: Cell<u64>,
}

impl Scenario {
    /// On the shared worker, with a new topic.
    pub fn new(name: &str, partitions: u32) -> Self {
        Self::on(cluster().connect(), name, partitions)
    }

    pub fn on(connect: Connect, name: &str, partitions: u32) -> Self {
        cluster().broker.create_topic(name, partitions, &[]).unwrap();
        Self::without_topic(connect, name)
    }

    pub fn without_topic(connect: Connect, name: &str) -> Self {
        let folder = cluster().folder.join("tests").join(name);
        fs::create_dir_all(&folder).unwrap();
        let table = folder.join("table");
        let uri = table.display().to_string();
        Scenario { name: name.into(), folder, table, uri, connect, sent: Cell::new(0) }
    }

    /// The same with another table.
    pub fn with_table(mut self, table: PathBuf) -> Self {
        self.uri = table.display().to_string();
        self.table = table;
        self
    }

    /// Settings for generated events into a table that is created.
    pub fn config(&self) -> Config {
        let text = include_str!("../../../connect-config/demo.json");
        let demo: Value = serde_json::from_str(text).unwrap();
        Config(demo["config"].as_object().unwrap().clone())
            .set("topics", &self.name)
            .set("tasks.max", 1)
            .set("delta.table.uri", &self.uri)
            .set("delta.commit.interval.ms", 300)
    }

    pub fn small_config(&self) -> Config {
        self.config().set("delta.schema.json", ID_AND_TEXT)
    }

    pub fn connect(&self) -> &Connect {
        &self.connect
    }

    /// For the rest of the test, another worker's REST interface.
    pub fn talk_to(&mut self, connect: Connect) {
        self.connect = connect;
    }

    /// The next generated event to send is number `id`.
    pub fn skip_to(&self, id: u64) {
        self.sent.set(id);
    }

    /// Starts to send the next `count` generated events.
    pub fn start_sending(&self, count: u64, rate: Option<u64>) -> Producer {
        let first = self.sent.replace(self.sent.get() + count);
        self.producer(&Produce::Generate { first, count }, rate)
    }

    pub fn send(&self, count: u64) {
        assert_eq!(self.start_sending(count, None).wait(PATIENCE).unwrap(), count);
    }

    /// Sends the lines as they are, in turn to the partitions. An empty one is a tombstone.
    pub fn send_lines<L: AsRef<[u8]>>(&self, lines: &[L]) {
        let file = self.folder.join("lines");
        fs::write(&file, lines.iter().flat_map(|line| [line.as_ref(), b"\n"].concat()).collect::<Vec<u8>>())
            .unwrap();
        let sent = self.producer(&Produce::Lines(file), None).wait(PATIENCE).unwrap();
        assert_eq!(sent, lines.len() as u64);
    }

    pub fn producer(&self, what: &Produce, rate: Option<u64>) -> Producer {
        let cluster = cluster();
        let folder = self.folder.join("producer");
        Producer::start(&cluster.components, &cluster.broker.bootstrap(), &folder, &self.name, what, rate)
            .unwrap()
    }

    /// Creates the connector or changes its settings.
    pub fn put(&self, config: &Config) {
        self.connect.put_connector(&self.name, &config.json()).unwrap();
    }

    /// Connect refuses the settings, for a reason that holds all of `words`, and changes nothing.
    pub fn refuses(&self, config: &Config, words: &[&str]) {
        let refused = self.connect.put_connector(&self.name, &config.json()).unwrap_err().to_string();
        let told = words.iter().all(|word| refused.contains(word));
        assert!(refused.contains("400") && told, "not all of {words:?}: {refused}");
    }

    /// Waits for the failure and checks that one line of its trace, the message for the user, holds all of `words`.
    pub fn fails_with(&self, words: &[&str]) {
        let trace = self.connect.wait_failed(&self.name, PATIENCE).unwrap();
        let whole = trace.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(whole, "no line holds all of {words:?}:\n{trace}");
    }

    /// Waits until all tasks run, be it after a failure.
    pub fn runs(&self, tasks: usize) {
        wait_for(&format!("{} to run {tasks} tasks", self.name), PATIENCE, || {
            Ok(self.connect.status(&self.name).ok().filter(|status| status.all_running(tasks)).map(drop))
        })
        .unwrap();
    }

    /// Restarts what has failed, by REST.
    pub fn restart(&self) {
        self.connect.restart(&self.name).unwrap();
        self.runs(1);
    }

    /// Stops the connector, as altering its offsets wants it, and waits until its tasks are gone.
    pub fn stop(&self) {
        self.connect.stop(&self.name).unwrap();
        wait_for("the connector to stop", PATIENCE, || {
            let status = self.connect.status(&self.name)?;
            Ok((status.connector == State::Stopped && status.tasks.is_empty()).then_some(()))
        })
        .unwrap();
    }

    pub fn resume(&self) {
        self.connect.resume(&self.name).unwrap();
    }

    /// Alters offsets of partition 0 of the connector's topic by REST; none: removes it.
    pub fn alter(&self, offset: Option<i64>) {
        altered(|| self.connect.alter_offset(&self.name, &self.name, 0, offset));
    }

    /// Resets all of the connector's offsets by REST.
    pub fn reset(&self) {
        altered(|| self.connect.delete_offsets(&self.name));
    }

    /// The `txn` version that the table has for a partition of the connector's topic.
    pub fn held(&self, partition: u32) -> Option<i64> {
        let mut log = TableLog::new(&self.table);
        log.refresh().unwrap();
        let name = &self.name;
        log.transactions.get(&format!("sluice/{name}/{name}/{partition}")).copied()
    }

    /// Waits until the table's offsets are the topic's ends.
    pub fn reaches_the_end(&self) {
        self.topic_reaches_the_end(&self.name, &self.table);
    }

    /// A worker that does not answer has not failed either.
    pub fn has_not_failed(&self) -> Result<()> {
        match self.connect.status(&self.name).ok().and_then(|status| status.traces.into_iter().next()) {
            Some(trace) => Err(Error::new(format!("{} failed: {trace}", self.name))),
            None => Ok(()),
        }
    }

    pub fn topic_reaches_the_end(&self, topic: &str, table: &Path) {
        self.reaches(topic, table, &cluster().broker.end_offsets(topic).unwrap());
    }

    /// Waits until the table has these offsets of the topic's partitions.
    pub fn reaches(&self, topic: &str, table: &Path, ends: &BTreeMap<u32, i64>) {
        let id = |partition: &u32| format!("sluice/{}/{topic}/{partition}", self.name);
        let ends: BTreeMap<_, _> = ends.iter().map(|(partition, end)| (id(partition), *end)).collect();
        let mut log = TableLog::new(table);
        let reached = wait_for(&format!("{} to get to the ends of {topic}", self.name), PATIENCE, || {
            log.refresh()?;
            self.has_not_failed()?;
            Ok(ends.iter().all(|(id, end)| *end == 0 || log.transactions.get(id) == Some(end)).then_some(()))
        });
        if let Err(e) = reached {
            panic!("{e}: the table holds {:?}, the topic ends at {ends:?}", log.transactions);
        }
    }

    /// Waits for everything sent, checks that it is in the table exactly once, and takes the connector away.
    pub fn completes(&self) {
        self.reaches_the_end();
        self.holds(&self.table, 0, self.sent.get());
        self.ends();
    }

    /// Takes the connector away, so that it is no load for the other tests.
    pub fn ends(&self) {
        self.connect.delete_connector(&self.name).unwrap();
    }

    /// The table holds exactly these generated events.
    pub fn holds(&self, table: &Path, first: u64, count: u64) {
        let read = self.read(table, &Expected::Generated { first, count });
        assert!(read.is_exactly(count), "{count} records were sent: {read:#?}");
        audit_is_clean(table);
    }

    /// As the table's users see it, by the connector's settings.
    pub fn audit_by_uri_is_clean(&self, config: &Config) {
        audited(&mut self.audit_by_uri(config));
    }

    pub fn audit_by_uri(&self, config: &Config) -> Command {
        let file = self.folder.join("connector.json");
        fs::write(&file, config.json().to_string()).unwrap();
        let mut audit = Command::new(&cluster().components.sluice);
        audit.args(["audit", config.get("delta.table.uri").unwrap(), "--config"]).arg(&file);
        audit
    }

    /// What the program says of the settings.
    pub fn check(&self, config: &Config) -> Command {
        let file = self.folder.join("checked.json");
        fs::write(&file, json!({"name": self.name, "config": config.json()}).to_string()).unwrap();
        let mut check = Command::new(&cluster().components.sluice);
        check.arg("check").arg(&file);
        check
    }

    pub fn read(&self, table: &Path, expected: &Expected) -> TableRead {
        read_table(&cluster().components, &self.folder.join("reader"), table, expected).unwrap()
    }

    /// Waits for everything sent and checks the values of the column `id`; for small tables.
    pub fn completes_with_ids(&self, ids: impl IntoIterator<Item = u64>) {
        self.reaches_the_end();
        self.holds_ids(ids);
        self.ends();
    }

    /// The table holds exactly these values of the column `id`, as often as they are named.
    pub fn holds_ids(&self, ids: impl IntoIterator<Item = u64>) {
        let rows = read_rows(&cluster().components, &self.folder.join("reader"), &self.table).unwrap();
        let mut found: Vec<u64> = rows.iter().map(|row| row[0].as_ref().unwrap().parse().unwrap()).collect();
        let mut ids: Vec<u64> = ids.into_iter().collect();
        found.sort_unstable();
        ids.sort_unstable();
        assert_eq!(found, ids);
        audit_is_clean(&self.table);
    }

    /// Records of these ids for [`Scenario::small_config`].
    pub fn send_ids(&self, ids: std::ops::Range<u64>) {
        self.send_lines(&ids.map(|id| format!(r#"{{"id":{id}}}"#)).collect::<Vec<_>>());
    }
}

/// Tasks that have just stopped may still be members of the group, which Connect then refuses to alter.
pub fn altered(mut request: impl FnMut() -> Result<()>) {
    let mut last = None;
    wait_for("the group to be altered", Duration::from_secs(30), || {
        Ok(request().map_err(|e| last = Some(e)).ok())
    })
    .unwrap_or_else(|e| panic!("{e}: {last:?}"));
}

pub fn audit_is_clean(table: &Path) {
    audited(Command::new(&cluster().components.sluice).arg("audit").arg(table));
}

fn audited(audit: &mut Command) {
    let output = audit.output().unwrap();
    let texts = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{texts:?}");
}

/// `{"id": N, "text": "N"}`
pub fn line(id: u64) -> Vec<u8> {
    format!("{{\"id\": {id}, \"text\": \"{id}\"}}").into_bytes()
}
