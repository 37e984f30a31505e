//! Topics whose offsets have gaps: transactions leave control records, and records that were aborted; compaction takes records
//! away.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use sluice_testkit::wait_for;

use crate::cluster::cluster;
use crate::flow::{Flow, Row, actions, column};
use crate::scenario::{PATIENCE, Scenario};

/// Sends lines as `tests/tools/SendRecords.java` takes them.
fn send(flow: &Flow, lines: &[Value]) {
    let file = flow.scenario.folder.join("lines");
    fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    cluster().broker.send(&file).unwrap();
}

/// A transaction of these records that ends so.
fn transaction(topic: &str, ids: impl IntoIterator<Item = u32>, end: &str) -> Vec<Value> {
    let records = ids.into_iter().map(|id| json!({"topic": topic, "value": {"id": id}}));
    let end = json!({"transaction": end});
    [json!({"transaction": "begin"})].into_iter().chain(records).chain([end]).collect()
}

/// `fromOffset`, `toOffset` and `rows` of all intervals.
fn intervals(flow: &Flow) -> Vec<(i64, i64, i64)> {
    let mut found = Vec::new();
    for action in actions(&flow.scenario.table) {
        for unit in action["commitInfo"]["sluice"]["units"].as_array().into_iter().flatten() {
            for interval in unit["intervals"].as_array().into_iter().flatten() {
                let [from, to, rows] =
                    ["fromOffset", "toOffset", "rows"].map(|name| interval[name].as_i64().unwrap());
                found.push((from, to, rows));
            }
        }
    }
    found
}

fn reaches(flow: &Flow, topic: &str, offset: i64) -> Vec<Row> {
    flow.scenario.reaches(topic, &flow.scenario.table, &BTreeMap::from([(0, offset)]));
    flow.read(&flow.scenario.table, "id")
}

/// I1, I4: with `read_committed` an aborted record makes no row; with Kafka's default it does.
#[test]
fn aborted_records_are_rows_only_where_the_consumer_reads_them() {
    let committed = Flow::of(Scenario::new("transactions", 1));
    let all = Flow::of(Scenario::without_topic(cluster().connect(), "transactions-all"));
    let topic = committed.scenario.name.as_str();
    let of = |ids: std::ops::Range<u32>, end| transaction(topic, ids, end);
    // Offset 3 is the first control record, 12 the last one.
    send(
        &committed,
        &[of(0..3, "commit"), of(3..6, "abort"), of(6..7, "commit"), of(7..9, "abort")].concat(),
    );
    assert_eq!(cluster().broker.end_offsets(topic).unwrap()[&0], 13);
    let config = |flow: &Flow| flow.raw_config().set("topics", topic);
    let isolation = "consumer.override.isolation.level";
    committed.scenario.put(&config(&committed).set(isolation, "read_committed"));
    all.scenario.put(&config(&all));
    assert_eq!(column(&reaches(&committed, topic, 9), "id"), ["0", "1", "2", "6"]);
    assert_eq!(column(&reaches(&all, topic, 12), "id").len(), 9, "aborted ones too");

    // What comes next covers the records that were aborted.
    send(&committed, &of(9..11, "commit"));
    assert_eq!(column(&reaches(&committed, topic, 15), "id"), ["0", "1", "2", "6", "9", "10"]);
    assert_eq!(column(&reaches(&all, topic, 15), "id").len(), 11);
    let intervals = intervals(&committed);
    assert_eq!((intervals[0].0, intervals.last().unwrap()), (0, &(9, 15, 2)), "{intervals:?}");
    committed.scenario.ends();
    all.scenario.ends();
}

/// I1, I4: rows are what Kafka still delivers.
#[test]
fn compacted_topics_have_gaps_that_intervals_cover() {
    let flow = Flow::of(Scenario::without_topic(cluster().connect(), "compacted"));
    let topic = flow.scenario.name.as_str();
    let settings = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("segment.ms", "100"),
        ("delete.retention.ms", "100"),
    ];
    cluster().broker.create_topic(topic, 1, &settings).unwrap();
    let record = |key: u32, id: u32| json!({"topic": topic, "key": key.to_string(), "value": {"id": id}});
    // Ten keys, ten times; the newest of each stays.
    send(&flow, &(0..100).map(|id| record(id % 10, id)).collect::<Vec<_>>());
    let mut next = 100;
    wait_for("the topic to be compacted", PATIENCE, || {
        // Only segments that are closed are compacted, and a record closes one.
        send(&flow, &[record(10, next)]);
        next += 1;
        Ok((cluster().broker.records(topic)?.len() < 30).then_some(()))
    })
    .unwrap();
    flow.scenario.put(&flow.raw_config());
    let end = i64::from(next);
    let rows = reaches(&flow, topic, end);
    let delivered: Vec<String> = cluster().broker.records(topic).unwrap().iter().map(id_of).collect();
    let held = column(&rows, "id");
    assert!(held.len() < 30, "{held:?}");
    // The cleaner may have gone on since.
    assert!(delivered.iter().all(|id| held.contains(&id.as_str())), "{delivered:?}, {held:?}");
    assert!((90..100).all(|id: u32| held.contains(&id.to_string().as_str())), "{held:?}");
    send(&flow, &[record(0, next)]);
    reaches(&flow, topic, end + 1);
    let intervals = intervals(&flow);
    let rows: i64 = intervals.iter().map(|(_, _, rows)| rows).sum();
    assert!(rows < 31 && intervals.last().unwrap().1 == end + 1, "{intervals:?}");
    flow.scenario.ends();
}

fn id_of(record: &sluice_testkit::Record) -> String {
    let value: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
    value["id"].to_string()
}
