//! Logs in the form of other writers.
//!
//! kafka-delta-ingest (`c6d42de`): `build_actions` in `src/delta_helpers.rs` puts a `txn` for each assigned partition before the
//! adds, version the last offset written; `write_offsets_to_delta` commits `txn`s alone. Its `commitInfo` is delta-rs's of
//! `DeltaOperation::StreamingUpdate`, all parameters as text; its first versions wrote none (`tests/data/zero_offset`).
//! Spark: `DeltaSink.commit` of Delta 3 and a commit of Delta 1 on Databricks.

use serde_json::{Value, json};

use super::super::{Kind, Writer};
use super::history::{History, add, interval, kinds, origin, txn};

const QUERY: &str = "1a660dc3-9a1f-46a7-ad3f-b10e790bfc5f";

fn kafka_delta_ingest(history: &mut History, offsets: &[(i32, i64)], rows: i64) -> u64 {
    let mut actions: Vec<Value> =
        offsets.iter().map(|(partition, offset)| txn(&format!("web-{partition}"), *offset)).collect();
    if rows > 0 {
        actions.push(add(&format!("web-{}-{rows}.parquet", offsets[0].1), rows));
    }
    actions.push(json!({"commitInfo": {"timestamp": 1_732_800_000_000_u64, "operation": "STREAMING UPDATE",
        "operationParameters": {"outputMode": "Append", "queryId": "web", "epochId": "1732800000000"},
        "clientVersion": "delta-rs.0.26.0"}}));
    history.commit(&actions)
}

fn spark(history: &mut History, batch: i64) -> u64 {
    history.commit(&[
        json!({"commitInfo": {"timestamp": 1_648_084_804_725_u64, "operation": "STREAMING UPDATE",
            "operationParameters": {"outputMode": "Append", "queryId": QUERY, "epochId": batch.to_string()},
            "readVersion": 0, "isolationLevel": "Serializable", "isBlindAppend": true,
            "operationMetrics": {"numRemovedFiles": "0", "numOutputRows": "3", "numAddedFiles": "1"},
            "engineInfo": "Apache-Spark/3.5.1 Delta-Lake/3.2.0"}}),
        txn(QUERY, batch),
        add(&format!("spark-{batch}.parquet"), 3),
    ])
}

#[test]
fn kafka_delta_ingest_is_followed_as_far_as_it_tells() {
    let mut history = History::new();
    kafka_delta_ingest(&mut history, &[(0, 4), (1, 0)], 0);
    kafka_delta_ingest(&mut history, &[(0, 9), (1, 0)], 5);
    kafka_delta_ingest(&mut history, &[(1, 7)], 6);
    let audit = history.audit();
    assert_eq!(kinds(&audit), [], "{:?}", audit.findings);
    let job = &audit.other_app_ids["web-0"];
    assert_eq!((job.writer, job.name.as_str(), job.partition), (Writer::KafkaDeltaIngest, "web", Some(0)));
    assert_eq!((job.from, job.to, job.commits, job.rows), (4, 9, 2, 5));
    assert!(audit.untold.iter().any(|text| text.contains("no intervals")), "{:?}", audit.untold);
}

#[test]
fn what_kafka_delta_ingest_can_do_wrong_is_found() {
    let mut history = History::new();
    kafka_delta_ingest(&mut history, &[(0, 9)], 10);
    kafka_delta_ingest(&mut history, &[(0, 12)], 4);
    let audit = history.audit();
    assert_eq!(kinds(&audit), [Kind::Surplus]);
    assert_eq!(audit.findings[0].message, "kafka-delta-ingest job web passes 3 offsets and adds 4 rows");

    let mut history = History::new();
    kafka_delta_ingest(&mut history, &[(0, 9)], 10);
    let back = kafka_delta_ingest(&mut history, &[(0, 6)], 0);
    let audit = history.audit();
    assert_eq!(kinds(&audit), [Kind::Backwards]);
    assert_eq!(audit.findings[0].message, "to be read and written again: offsets 7 to 9");
    let (by, before) = (audit.findings[0].by.as_ref().unwrap(), audit.findings[0].before.as_ref().unwrap());
    assert_eq!((by.version, by.engine.as_deref(), before.version), (back, Some("delta-rs.0.26.0"), 1));
}

/// The form of its own fixture: no `commitInfo` at all.
#[test]
fn the_first_versions_of_kafka_delta_ingest_are_known_by_their_app_ids() {
    let mut history = History::new();
    history.commit(&[txn("zero_offset-0", 0), add("color=default.parquet", 1)]);
    let audit = history.audit();
    assert_eq!(kinds(&audit), []);
    let job = &audit.other_app_ids["zero_offset-0"];
    assert_eq!((job.writer, job.name.as_str(), job.to), (Writer::KafkaDeltaIngest, "zero_offset", 0));
}

#[test]
fn the_batches_of_spark_are_followed() {
    let mut history = History::new();
    for batch in [0, 1, 2, 5] {
        spark(&mut history, batch);
    }
    let audit = history.audit();
    assert_eq!(kinds(&audit), []);
    let query = &audit.other_app_ids[QUERY];
    assert_eq!((query.writer, query.from, query.to, query.rows), (Writer::SparkStreaming, 0, 5, 12));
    let notes: Vec<_> = audit.notes.iter().map(|note| (note.kind, note.message.as_str())).collect();
    let [("batches", note)] = notes[..] else { panic!("{notes:?}") };
    assert!(note.contains("batches 3 to 4 made no commit before version 4"), "{note}");
    assert!(audit.untold.iter().any(|text| text.contains("checkpoint folder")), "{:?}", audit.untold);

    let again = spark(&mut history, 5);
    let audit = history.audit();
    // The fixture's file has the batch in its name.
    assert_eq!(kinds(&audit), [Kind::File, Kind::Repeated]);
    assert_eq!((audit.findings[1].version, audit.findings[1].before.as_ref().unwrap().version), (again, 4));
    assert_eq!(
        audit.findings[1].by.as_ref().unwrap().engine.as_deref(),
        Some("Apache-Spark/3.5.1 Delta-Lake/3.2.0")
    );
}

#[test]
fn several_writers_are_told_apart() {
    let mut history = History::new();
    kafka_delta_ingest(&mut history, &[(0, 9)], 10);
    spark(&mut history, 0);
    history.take(5, 7, 2);
    let write = json!({"commitInfo": {"operation": "WRITE", "engineInfo": "delta-rs:1.1"}});
    history.commit(&[write.clone(), txn("risingwave-deltalake-3", 77), add("risingwave.parquet", 1)]);
    history.commit(&[write.clone(), txn("risingwave-deltalake-3", 70)]);
    history.commit(&[write, add("by-hand.parquet", 1)]);
    let audit = history.audit();
    assert_eq!(kinds(&audit), []);
    let writers: Vec<_> = audit.other_app_ids.values().map(|other| other.writer).collect();
    assert_eq!(writers, [Writer::SparkStreaming, Writer::Unknown, Writer::KafkaDeltaIngest]);
    assert_eq!(audit.app_ids.len(), 1);
    let untold = audit.untold.join("\n");
    assert!(untold.contains("without an app id"), "{untold}");
    assert!(untold.contains("is not known: risingwave-deltalake-3."), "{untold}");
    assert_eq!(audit.notes.len(), 1, "it goes back: {:?}", audit.notes);
}

/// kafka-delta-ingest stores the last offset that it wrote; Sluice goes on with the next.
#[test]
fn a_take_over_has_to_follow_the_last_offset() {
    let taken_over = |from: i64, version: i64| {
        let mut history = History::new();
        kafka_delta_ingest(&mut history, &[(0, 41)], 3);
        let mut first = interval(0, from, 50, 50 - from);
        first["takenOver"] = json!({"appId": "web-0", "version": version});
        history.commit(&[
            origin(2, json!([first])),
            txn("sluice/k/t/0", 50),
            add("first.parquet", 50 - from),
        ]);
        history.audit()
    };
    let audit = taken_over(42, 41);
    assert_eq!(kinds(&audit), []);
    assert_eq!(audit.notes[0].message, "t-0 goes on at offset 42 where web-0 left it");
    assert_eq!(kinds(&taken_over(41, 41)), [Kind::TakeOver]);
    assert_eq!(kinds(&taken_over(43, 41)), [Kind::TakeOver]);
    assert_eq!(kinds(&taken_over(41, 40)), [Kind::TakeOver], "its last version is another");
}
