//! Records with keys, headers and timestamps of their own, and rows by the names of their columns.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sluice_testkit::{Record, TableLog, read_rows, wait_for};

use crate::cluster::cluster;
use crate::scenario::{Config, PATIENCE, Scenario, audit_is_clean};

pub const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";

/// A row's values that are not null.
pub type Row = BTreeMap<String, String>;

/// A scenario whose records the test makes, and whose topics come with them.
pub struct Flow {
    pub scenario: Scenario,
    /// The offsets at which the topics end.
    ends: RefCell<BTreeMap<String, BTreeMap<u32, i64>>>,
}

impl Flow {
    pub fn new(name: &str) -> Self {
        Self::of(Scenario::without_topic(cluster().connect(), name))
    }

    pub fn of(scenario: Scenario) -> Self {
        Flow { scenario, ends: RefCell::default() }
    }

    /// For values that a converter makes into a table that is created.
    pub fn connect_config(&self, schemas: bool) -> Config {
        self.raw_config()
            .set("value.converter", JSON_CONVERTER)
            .set("value.converter.schemas.enable", schemas)
            .set("delta.input.mode", "connect")
    }

    /// For JSON into a table that is created from what the records hold.
    pub fn raw_config(&self) -> Config {
        self.scenario.config().without("delta.schema.json")
    }

    /// A record for the connector's own topic.
    pub fn record(&self, value: Value) -> Value {
        json!({"topic": self.scenario.name, "value": value})
    }

    /// The same of bytes.
    pub fn record_of(&self, value: &[u8]) -> Value {
        self.record_of_hex(&hex(value))
    }

    pub fn record_of_hex(&self, value: &str) -> Value {
        json!({"topic": self.scenario.name, "valueHex": value})
    }

    pub fn send(&self, records: &[Value]) {
        let file = self.scenario.folder.join("records");
        fs::write(&file, records.iter().map(|record| format!("{record}\n")).collect::<String>()).unwrap();
        cluster().broker.send(&file).unwrap();
        let mut ends = self.ends.borrow_mut();
        for record in records {
            let topic = ends.entry(record["topic"].as_str().unwrap().to_owned()).or_default();
            *topic.entry(record["partition"].as_u64().unwrap_or(0) as u32).or_default() += 1;
        }
    }

    /// Waits until the table has all of the topic, and gives the rows, once each and in the order of `by`.
    pub fn rows_of(&self, topic: &str, table: &Path, by: &str) -> Vec<Row> {
        self.scenario.reaches(topic, table, &self.ends.borrow()[topic]);
        self.read(table, by)
    }

    /// The same of the connector's own topic and table, by the column `id`.
    pub fn rows(&self) -> Vec<Row> {
        self.rows_of(&self.scenario.name, &self.scenario.table, "id")
    }

    pub fn read(&self, table: &Path, by: &str) -> Vec<Row> {
        let columns = columns(table);
        let rows = read_rows(&cluster().components, &self.scenario.folder.join("reader"), table).unwrap();
        let named = |row: Vec<Option<String>>| -> Row {
            assert_eq!(row.len(), columns.len(), "{columns:?}: {row:?}");
            columns.iter().cloned().zip(row).filter_map(|(name, value)| Some((name, value?))).collect()
        };
        let mut rows: Vec<Row> = rows.into_iter().map(named).collect();
        rows.sort_by_key(|row| row.get(by).map(|text| (text.len(), text.clone())));
        audit_is_clean(table);
        rows
    }

    /// Waits until the consumer group stands at the ends, as it does where no table holds the offsets.
    pub fn group_reaches_the_ends(&self) {
        let ends = self.ends.borrow();
        let ends: BTreeMap<_, _> = ends
            .iter()
            .flat_map(|(topic, ends)| ends.iter().map(move |(p, end)| (format!("{topic}-{p}"), *end)))
            .collect();
        let mut held = BTreeMap::new();
        wait_for("the group to get to the ends", PATIENCE, || {
            self.scenario.has_not_failed()?;
            // By the worker, which is quicker than a program that asks the broker.
            if let Ok(offsets) = self.scenario.connect().offsets(&self.scenario.name) {
                held = offsets["offsets"].as_array().into_iter().flatten().map(place_and_offset).collect();
            }
            Ok((held == ends).then_some(()))
        })
        .unwrap_or_else(|e| panic!("{e}: {held:?}, not {ends:?}"));
    }
}

fn place_and_offset(held: &Value) -> (String, i64) {
    let (at, offset) = (&held["partition"], &held["offset"]["kafka_offset"]);
    let topic = at["kafka_topic"].as_str().unwrap();
    (format!("{topic}-{}", at["kafka_partition"]), offset.as_i64().unwrap())
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Settings for a dead-letter queue with all that Connect says of a record.
pub fn with_dead_letters(config: Config, topic: &str) -> Config {
    config
        .set("errors.tolerance", "all")
        .set("errors.deadletterqueue.topic.name", topic)
        .set("errors.deadletterqueue.topic.replication.factor", 1)
        .set("errors.deadletterqueue.context.headers.enable", true)
}

pub fn dead_letters(topic: &str, count: usize) -> Vec<Record> {
    let mut records = wait_for("the dead letters", PATIENCE, || {
        Ok(cluster().broker.records(topic).ok().filter(|records| records.len() >= count))
    })
    .unwrap();
    assert_eq!(records.len(), count, "{records:?}");
    records.sort_by_key(|record| header(record, "offset").parse::<u64>().unwrap());
    records
}

pub fn header<'a>(record: &'a Record, name: &str) -> &'a str {
    &record.headers[&format!("__connect.errors.{name}")]
}

/// A value that says its own schema, as `JsonConverter` reads it.
pub fn with_schema(fields: &Value, payload: Value) -> Value {
    json!({"schema": {"type": "struct", "fields": fields}, "payload": payload})
}

pub fn row(values: &[(&str, &str)]) -> Row {
    values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The values of one column, where they are not null.
pub fn column<'a>(rows: &'a [Row], name: &str) -> Vec<&'a str> {
    rows.iter().filter_map(|row| row.get(name).map(String::as_str)).collect()
}

/// All actions of the log in their order.
pub fn actions(table: &Path) -> Vec<Value> {
    let mut log = TableLog::new(table);
    log.refresh().unwrap();
    let commit = |version| fs::read_to_string(table.join(format!("_delta_log/{version:020}.json"))).unwrap();
    let text: String = (0..log.versions).map(commit).collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The newest schema.
pub fn schema(table: &Path) -> Value {
    let actions = actions(table);
    let newest = actions.iter().rev().find_map(|action| action["metaData"]["schemaString"].as_str());
    serde_json::from_str(newest.unwrap()).unwrap()
}

fn columns(table: &Path) -> Vec<String> {
    let fields = schema(table)["fields"].as_array().unwrap().clone();
    fields.iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect()
}
