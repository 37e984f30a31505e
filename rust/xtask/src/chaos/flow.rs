//! One connector with its topic and table: what comes in, what is in the table, and whether Connect's offsets stay behind it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sluice_testkit::{
    Broker, Components, Context, DynamoDb, Error, Produce, Producer, Result, TableLog, wait_for,
};

use super::connectors::{Connector, TASKS};
use super::stage::Stage;
use super::stores::{Lock, Stores};
use super::upkeep::{self, Pins};

pub const PARTITIONS: u32 = 8;
/// Records per second.
const RATE: u64 = 400;
const SCHEMA: &str = r#"{"type":"struct","fields":[{"name":"id","type":"long","nullable":false,"metadata":{}},{"name":"partition","type":"integer","nullable":false,"metadata":{}},{"name":"sequence","type":"long","nullable":false,"metadata":{}},{"name":"text","type":"string","nullable":true,"metadata":{}}]}"#;

pub struct Flow {
    pub lock: Lock,
    /// The connector's, the topic's and the table's.
    pub name: String,
    /// The consumers' assignor.
    pub assignor: &'static str,
    pub table: PathBuf,
    pub folder: PathBuf,
    pub connector: Connector,
    pub log: TableLog,
    producer: Option<Producer>,
    /// Offsets that Connect was found to hold and that were compared with the table's.
    pub compared: u64,
    asked: usize,
    pub pins: Pins,
}

/// Eager ones and the cooperative one.
pub const EAGER: [&str; 3] = ["RangeAssignor", "RoundRobinAssignor", "StickyAssignor"];
pub const COOPERATIVE: &str = "CooperativeStickyAssignor";

impl Flow {
    pub fn new(lock: Lock, assignor: &'static str, minutes: u64, stores: &Stores, folder: &Path) -> Self {
        let name = format!("chaos-{}", lock.name());
        let mut config = json!({
            "connector.class": "io.sluice.connect.DeltaSinkConnector",
            "tasks.max": TASKS.to_string(),
            "topics": name,
            "consumer.override.auto.offset.reset": "earliest",
            "consumer.override.partition.assignment.strategy": format!("org.apache.kafka.clients.consumer.{assignor}"),
            "delta.table.auto.create": "true",
            "delta.table.properties": upkeep::properties(),
            "delta.schema.json": SCHEMA,
            "delta.input.mode": "raw",
            "delta.raw.format": "json",
            "delta.metadata.columns": "partition, offset",
            // So that an hour does not make more versions than the machine has time to keep.
            "delta.commit.interval.ms": if minutes <= 10 { "1000" } else { "3000" },
        });
        for (key, value) in stores.settings(lock, &name, true).as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        let table = stores.s3.bucket_folder().join(&name);
        Flow {
            lock,
            assignor,
            log: TableLog::new(&table),
            table,
            folder: folder.join(&name),
            connector: Connector { name: name.clone(), config },
            name,
            producer: None,
            compared: 0,
            asked: 0,
            pins: Pins::default(),
        }
    }

    /// Writes the settings that the audit gets, and starts to send for so long.
    pub fn start(
        &mut self,
        stores: &Stores,
        components: &Components,
        broker: &Broker,
        time: Duration,
    ) -> Result<()> {
        let settings = stores.settings(self.lock, &self.name, false);
        let file = self.config_file();
        fs::create_dir_all(&self.folder).at(&self.folder)?;
        fs::write(&file, settings.to_string()).at(&file)?;
        let what = Produce::Sequences { count: RATE * time.as_secs(), partitions: PARTITIONS };
        let folder = self.folder.join("producer");
        let producer =
            Producer::start(components, &broker.bootstrap(), &folder, &self.name, &what, Some(RATE))?;
        self.producer = Some(producer);
        Ok(())
    }

    pub fn to_maintain(&self, stores: &Stores) -> upkeep::Target {
        upkeep::Target {
            name: self.name.clone(),
            uri: stores.uri(&self.name),
            folder: self.folder.join("maintain"),
            config: stores.settings(self.lock, &self.name, true),
        }
    }

    /// What somebody who reads an older version, and time, do to the table.
    pub fn keep_reading(&mut self, stage: &Stage) -> Result<()> {
        self.log.refresh()?;
        if let Some(missing) = self.pins.look(&self.log, &self.table) {
            stage.found(format!("{}: {missing}", self.name));
        }
        upkeep::age(&self.table, self.log.versions)
    }

    pub fn config_file(&self) -> PathBuf {
        self.folder.join("connector.json")
    }

    pub fn sent(&self) -> u64 {
        self.producer.as_ref().map_or(0, Producer::acknowledged)
    }

    /// What the broker has acknowledged of each partition, when the producer has ended.
    pub fn wait_for_producer(&mut self, patience: Duration) -> Result<Vec<u64>> {
        let producer = self.producer.as_mut().ok_or_else(|| Error::new("nothing was sent"))?;
        producer.wait(patience)?;
        Ok(producer.by_partition())
    }

    fn held(&self, partition: u32) -> i64 {
        let id = format!("sluice/{}/{}/{partition}", self.name, self.name);
        self.log.transactions.get(&id).copied().unwrap_or(0)
    }

    /// By partition, what the table does not have yet of what was sent.
    pub fn lag(&self, sent: &[u64]) -> u64 {
        (0..).zip(sent).map(|(partition, sent)| sent.saturating_sub(self.held(partition) as u64)).sum()
    }

    /// I2: what Connect holds is never ahead of the table. Gives Connect's offsets, none where no worker tells them.
    pub fn compare_offsets(&mut self, stores: &Stores, stage: &Stage) -> Result<Option<BTreeMap<u32, i64>>> {
        self.asked += 1;
        // Connect first: the table only grows.
        let Ok(told) = stage.ask_one(self.asked, |connect| connect.offsets(&self.name)) else {
            return Ok(None);
        };
        let offsets = connect_offsets(&told);
        self.log.refresh()?;
        let ahead = |flow: &Flow| -> Vec<(u32, i64)> {
            offsets
                .iter()
                .map(|(at, offset)| (*at, *offset))
                .filter(|(at, offset)| *offset > flow.held(*at))
                .collect()
        };
        let mut found = ahead(self);
        if !found.is_empty() && self.lock == Lock::S3DynamoDb {
            // An entry is the commit, even when its file is not in its place yet. Whoever reads the log puts it there.
            self.await_entries(stores)?;
            found = ahead(self);
        }
        self.compared += offsets.len() as u64;
        for (partition, offset) in found {
            stage.found(format!(
                "I2: Connect holds offset {offset} of {} partition {partition}, the table {}",
                self.name,
                self.held(partition)
            ));
        }
        Ok(Some(offsets))
    }

    /// Waits until the versions that have an entry in the lock table now are in the log; none that comes later is read.
    fn await_entries(&mut self, stores: &Stores) -> Result<()> {
        let Some((dynamodb, _)) = &stores.dynamodb else { return Ok(()) };
        let mut version = self.log.versions;
        while has_entry(dynamodb, &stores.uri(&self.name), version)? {
            version += 1;
        }
        let mut log = self.log.clone();
        let outcome = wait_for("an entry's commit", Duration::from_secs(60), || {
            log.refresh_below(version)?;
            Ok((log.versions >= version).then_some(()))
        });
        self.log = log;
        outcome
    }
}

fn has_entry(dynamodb: &DynamoDb, table: &str, version: u64) -> Result<bool> {
    let key = json!({"tablePath": {"S": table}, "fileName": {"S": format!("{version:020}.json")}});
    let get = json!({"TableName": "delta_log", "Key": key, "ConsistentRead": true});
    Ok(dynamodb.call("GetItem", &get)?.get("Item").is_some())
}

fn connect_offsets(told: &Value) -> BTreeMap<u32, i64> {
    let entries = told["offsets"].as_array().into_iter().flatten();
    let offset = |entry: &Value| {
        let partition = entry["partition"]["kafka_partition"].as_u64()?;
        Some((u32::try_from(partition).ok()?, entry["offset"]["kafka_offset"].as_i64()?))
    };
    entries.filter_map(offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connects_offsets_are_read_by_partition() {
        let entry = |partition: u32, offset: Value| json!({"partition": {"kafka_topic": "t", "kafka_partition": partition}, "offset": offset});
        let told = json!({"offsets": [entry(0, json!({"kafka_offset": 7})), entry(3, Value::Null)]});
        assert_eq!(connect_offsets(&told), BTreeMap::from([(0, 7)]));
        assert_eq!(connect_offsets(&json!({})), BTreeMap::new());
    }
}
