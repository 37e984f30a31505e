//! Taking over tables that kafka-delta-ingest filled. Its commits are made here as its source makes them: a `txn` with the
//! last offset written for each assigned partition, then the files, then `commitInfo`.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};
use sluice_testkit::wait_for;

use crate::cluster::cluster;
use crate::flow::{Flow, Row, actions, column};
use crate::scenario::{Config, ID_AND_TEXT, PATIENCE, Scenario};

const APP_ID: &str = "web-requests";

/// One running kafka-delta-ingest job, as far as the table can see it.
struct Job<'a> {
    table: &'a Path,
    version: u64,
}

impl Job<'_> {
    /// It wants a table that is there.
    fn on(table: &Path) -> Job<'_> {
        let metadata = json!({"id": "22ef18ba-191c-4c36-a606-3dad5cdf3830",
            "format": {"provider": "parquet", "options": {}}, "schemaString": ID_AND_TEXT,
            "partitionColumns": [], "configuration": {}, "createdTime": 1_564_524_294_376u64});
        fs::create_dir_all(table.join("_delta_log")).unwrap();
        let mut job = Job { table, version: 0 };
        job.claim(&[
            json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
            json!({"metaData": metadata}),
        ]);
        job
    }

    /// `offsets`: by partition, the last one written.
    fn commits(&mut self, offsets: &[(u32, i64)], ids: &[i64]) {
        let now = 1_628_003_413_471u64 + self.version;
        let mut actions: Vec<Value> = offsets
            .iter()
            .map(|(partition, last)| {
                json!({"txn": {"appId": format!("{APP_ID}-{partition}"), "version": last, "lastUpdated": now}})
            })
            .collect();
        let name = format!("part-00000-{}-c000.snappy.parquet", self.version);
        let size = write(&self.table.join(&name), ids);
        let stats = json!({"numRecords": ids.len(), "minValues": {"id": ids.iter().min()},
            "maxValues": {"id": ids.iter().max()}, "nullCount": {"id": 0, "text": 0}});
        actions.push(json!({"add": {"path": name, "partitionValues": {}, "size": size, "modificationTime": now,
            "dataChange": true, "stats": stats.to_string(), "tags": null, "deletionVector": null, "baseRowId": null,
            "defaultRowCommitVersion": null, "clusteringProvider": null}}));
        actions.push(json!({"commitInfo": {"timestamp": now, "operation": "STREAMING UPDATE",
            "operationParameters": {"outputMode": "Append", "queryId": APP_ID, "epochId": now.to_string()},
            "clientVersion": "delta-rs.0.26.0"}}));
        self.claim(&actions);
    }

    fn claim(&mut self, actions: &[Value]) {
        let log = self.table.join("_delta_log");
        while log.join(format!("{:020}.json", self.version)).exists() {
            self.version += 1;
        }
        let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
        let staged = self.table.join("staged");
        fs::write(&staged, text).unwrap();
        fs::hard_link(&staged, log.join(format!("{:020}.json", self.version))).unwrap();
        fs::remove_file(&staged).unwrap();
    }
}

fn write(file: &Path, ids: &[i64]) -> u64 {
    let texts = ids.iter().map(|id| Some(id.to_string()));
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from(ids.to_vec())) as _, false),
        ("text", Arc::new(texts.collect::<StringArray>()) as _, true),
    ])
    .unwrap();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer =
        ArrowWriter::try_new(File::create_new(file).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    fs::metadata(file).unwrap().len()
}

/// A connector that takes over its topic's table.
fn config(flow: &Flow) -> Config {
    flow.raw_config().set("delta.table.auto.create", false).set("delta.kafka-delta-ingest.app.id", APP_ID)
}

fn send(flow: &Flow, partition: u32, ids: impl IntoIterator<Item = i64>) {
    let record = |id: i64| json!({"topic": flow.scenario.name, "partition": partition, "value": {"id": id, "text": id.to_string()}});
    flow.send(&ids.into_iter().map(record).collect::<Vec<_>>());
}

/// Waits until the worker's log has it.
fn says(text: &str) {
    wait_for(&format!("the log to say {text:?}"), PATIENCE, || {
        Ok(fs::read_to_string(cluster().worker.log()).is_ok_and(|log| log.contains(text)).then_some(()))
    })
    .unwrap();
}

fn are(rows: &[Row], ids: impl IntoIterator<Item = i64>) {
    let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    assert_eq!(
        (column(rows, "id"), column(rows, "text")),
        (ids.iter().map(String::as_str).collect(), ids.iter().map(String::as_str).collect())
    );
}

/// I1: every record once, whoever wrote it.
#[test]
fn a_table_of_kafka_delta_ingest_goes_on_without_loss_or_duplicate() {
    let flow = Flow::of(Scenario::new("kdi", 3));
    let (scenario, table) = (&flow.scenario, &flow.scenario.table);
    send(&flow, 0, 100..107);
    send(&flow, 1, 200..204);
    let mut job = Job::on(table);
    job.commits(&[(0, 2), (1, 0)], &[100, 101, 102, 200]);
    job.commits(&[(0, 4), (1, 0)], &[103, 104]);
    let config = config(&flow);
    scenario.put(&config);
    are(&flow.rows(), (100..107).chain(200..204));

    // The third partition had no record, and so no `txn`, while the job ran.
    send(&flow, 2, 300..303);
    send(&flow, 0, 107..109);
    are(&flow.rows(), (100..109).chain(200..204).chain(300..303));
    says("holds no txn of \"web-requests-2\": kdi-2 starts where the consumer group stands");

    // The setting stays, and does nothing more.
    scenario.put(&config.set("delta.commit.interval.ms", 200));
    scenario.restart();
    send(&flow, 0, 109..112);
    send(&flow, 1, 204..205);
    are(&flow.rows(), (100..112).chain(200..205).chain(300..303));
    let mut taken_over: Vec<(Value, Value)> = Vec::new();
    for action in actions(table) {
        for unit in action["commitInfo"]["sluice"]["units"].as_array().into_iter().flatten() {
            let intervals = unit["intervals"].as_array().into_iter().flatten();
            let first = intervals.filter(|interval| interval["takenOver"].is_object());
            taken_over.extend(first.map(|first| (first["fromOffset"].clone(), first["takenOver"].clone())));
        }
    }
    taken_over.sort_by_key(|(from, _)| from.as_i64());
    let expected = [(1, "web-requests-1", 0), (5, "web-requests-0", 4)];
    let expected =
        expected.map(|(from, app_id, version)| (json!(from), json!({"appId": app_id, "version": version})));
    assert_eq!(taken_over, expected);
    scenario.ends();
}

#[test]
fn kafka_delta_ingest_that_still_runs_is_noticed_before_a_row_is_there_twice() {
    let flow = Flow::of(Scenario::new("kdi-runs", 1));
    let (scenario, table) = (&flow.scenario, &flow.scenario.table);
    send(&flow, 0, 0..5);
    let mut job = Job::on(table);
    job.commits(&[(0, 4)], &[0, 1, 2, 3, 4]);
    scenario.put(&config(&flow));
    says("kdi-runs-0 goes on in table");
    job.commits(&[(0, 6)], &[5, 6]);
    send(&flow, 0, 5..8);
    scenario.fails_with(&[
        "PREDECESSOR_RUNS",
        "web-requests-0",
        "had version 4",
        "has version 6 now",
        "still runs",
    ]);
    // Stopped by now.
    scenario.restart();
    are(&flow.rows(), 0..8);
    scenario.ends();
}
