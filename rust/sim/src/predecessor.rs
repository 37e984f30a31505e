//! Who filled the tables before the connector did, and should have stopped: a kafka-delta-ingest job, or a connector of another name.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_core::offsets::TopicPartition;
use sluice_delta::store::Claim;

use crate::kafka::{Kafka, Kind, Offset};
use crate::oracle::value;
use crate::plan::TOPIC;
use crate::writer::Writer;

/// Its name.
pub const BEFORE: &str = "before";

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Predecessor {
    KafkaDeltaIngest,
    Connector,
}

impl Predecessor {
    /// The setting that names it.
    pub fn setting(self) -> &'static str {
        match self {
            Predecessor::KafkaDeltaIngest => "delta.kafka-delta-ingest.app.id",
            Predecessor::Connector => "delta.offsets.from.connector",
        }
    }

    pub fn app_id(self, partition: usize) -> String {
        match self {
            Predecessor::KafkaDeltaIngest => format!("{BEFORE}-{partition}"),
            Predecessor::Connector => TopicPartition::new(TOPIC, partition as i32).app_id(BEFORE),
        }
    }

    /// The next offset to read, from its `txn` version.
    pub fn next(self, version: i64) -> Offset {
        match self {
            Predecessor::KafkaDeltaIngest => version + 1,
            Predecessor::Connector => version,
        }
    }

    fn version(self, last_written: Offset) -> i64 {
        match self {
            Predecessor::KafkaDeltaIngest => last_written,
            Predecessor::Connector => last_written + 1,
        }
    }
}

/// One at work on one table.
pub struct Job {
    pub of: Predecessor,
    pub kafka: Kafka,
    pub writer: Writer,
    /// By partition.
    pub next: BTreeMap<usize, Offset>,
    pub commits: u64,
}

impl Job {
    /// Brings the rows that there are into the table, in one commit. Blocks.
    pub fn write(&mut self) {
        let (mut rows, mut txns) = (Vec::new(), Vec::new());
        for partition in 0..self.kafka.partitions() {
            let next = self.next.entry(partition).or_default();
            let records = self.kafka.records(partition, *next, Offset::MAX);
            let good: Vec<_> = records.iter().filter(|record| record.kind == Kind::Row).collect();
            let Some(last) = good.last().map(|record| record.offset) else { continue };
            rows.extend(good.iter().map(|record| value(partition, record.offset)));
            *next = last + 1;
            let (app_id, version) = (self.of.app_id(partition), self.of.version(last));
            txns.push(json!({"txn": {"appId": app_id, "version": version, "lastUpdated": 0}}));
        }
        if rows.is_empty() {
            return;
        }
        self.commits += 1;
        let name = format!("{BEFORE}-{}.parquet", self.commits);
        let Ok(add) = self.writer.add(&name, &rows, true) else { return };
        let info = json!({"commitInfo": {"operation": "WRITE", "engineInfo": BEFORE, "txnId": name}});
        let actions: Vec<Value> = [info, add].into_iter().chain(txns).collect();
        while let Some(view) = self.writer.oracle.view(&self.writer.table)
            && matches!(self.writer.claim(view.version + 1, &actions), Ok(Claim::Taken))
        {}
    }
}
