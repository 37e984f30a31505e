//! Records that name their tables, and topics that feed several.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use rand::random_range;
use serde_json::{Value, json};
use sluice_testkit::{TableLog, Worker, wait_for};

use crate::cluster::cluster;
use crate::flow::{Flow, column, dead_letters, header, row, with_dead_letters};
use crate::scenario::{PATIENCE, Scenario};

const KINDS: [&str; 3] = ["red", "green", "blue"];

/// `id` says all: the kind, the partition, and that every tenth has no table.
fn colored(flow: &Flow, ids: std::ops::Range<u64>) -> Vec<Value> {
    let record = |id: u64| {
        let kind = if id % 10 == 9 { "grey" } else { KINDS[id as usize % 3] };
        let mut record = flow.record(json!({"id": id, "meta": {"kind": kind}}));
        record["partition"] = json!(id % 4);
        record
    };
    ids.map(record).collect()
}

fn spawn(name: &str) -> Worker {
    let mut worker = cluster().spawn_worker(name, "routed", &[]);
    worker.wait_until_ready().unwrap();
    worker
}

/// I1 and I2 for a partition that feeds several tables. The worker dies while the tables have not come equally far.
#[test]
fn three_tables_of_one_topic_survive_a_killed_worker() {
    const COUNT: u64 = 12_000;
    let mut first = spawn("first");
    let mut flow = Flow::of(Scenario::without_topic(first.connect(), "colors"));
    let tables = flow.scenario.folder.join("tables");
    flow.send(&colored(&flow, 0..COUNT));
    let config = flow
        .raw_config()
        .set("tasks.max", 2)
        .set("consumer.override.max.poll.records", 100)
        .set("delta.commit.max.records", 100)
        .set("delta.table.uri", format!("{}/${{table}}", tables.display()))
        .set("delta.route.by", "field(meta.kind)")
        .set("delta.route.map", "red=red; green=green; bl.*=blue")
        .set("delta.route.unmatched", "skip");
    flow.scenario.put(&config);
    let rows = || -> i64 {
        let of = |kind: &&str| {
            let mut log = TableLog::new(&tables.join(kind));
            log.refresh().unwrap();
            log.rows
        };
        KINDS.iter().map(of).sum()
    };
    wait_for("first rows", PATIENCE, || Ok((rows() > 0).then_some(()))).unwrap();
    sleep(Duration::from_millis(random_range(0..100)));
    first.kill().unwrap();
    println!("killed at {} rows", rows());

    let mut second = spawn("second");
    flow.scenario.talk_to(second.connect());
    flow.group_reaches_the_ends();
    for (at, kind) in KINDS.iter().enumerate() {
        let rows = flow.read(&tables.join(kind), "id");
        let ids = (0..COUNT).filter(|id| id % 10 != 9 && *id as usize % 3 == at).map(|id| id.to_string());
        assert_eq!(column(&rows, "id"), ids.collect::<Vec<_>>(), "{kind}: each exactly once");
    }
    assert_eq!(std::fs::read_dir(&tables).unwrap().count(), 3);
    flow.scenario.ends();
    second.stop().unwrap();
}

#[test]
fn a_topic_feeds_two_tables_with_settings_of_their_own() {
    let flow = Flow::new("two-tables");
    let tables = flow.scenario.folder.join("tables");
    flow.send(&(0..10).map(|id| flow.record(json!({"id": id}))).collect::<Vec<_>>());
    let config = flow
        .raw_config()
        .set("delta.table.uri", format!("{}/${{table}}", tables.display()))
        .set("delta.topic2table.map", "two-.*=plain,wide")
        .set("delta.tables.wide.schema.evolution", "add")
        .set("delta.tables.wide.metadata.columns", "offset");
    flow.scenario.put(&config);
    flow.rows_of("two-tables", &tables.join("plain"), "id");
    flow.rows_of("two-tables", &tables.join("wide"), "id");
    flow.scenario.restart();
    flow.send(&[flow.record(json!({"id": 10, "new": "n"}))]);
    let plain = flow.rows_of("two-tables", &tables.join("plain"), "id");
    let wide = flow.rows_of("two-tables", &tables.join("wide"), "id");
    assert_eq!(column(&plain, "id"), (0..11).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(plain[10], row(&[("id", "10")]));
    assert_eq!(wide.len(), 11);
    assert_eq!(wide[10], row(&[("id", "10"), ("new", "n"), ("_kafka_offset", "10")]));
    flow.scenario.ends();
}

#[test]
fn structs_that_name_no_table_become_dead_letters() {
    let flow = Flow::new("unrouted");
    let kinds = [json!({"kind": "a"}), json!({"kind": "b"}), json!({"kind": null}), json!({})];
    let record = |(id, value): (usize, &Value)| {
        let mut value = value.clone();
        value["id"] = json!(id);
        flow.record(value)
    };
    flow.send(&kinds.iter().enumerate().map(record).collect::<Vec<_>>());
    let config = flow
        .connect_config(false)
        .set("delta.table.uri", format!("{}/${{table}}", flow.scenario.folder.display()))
        .set("delta.route.by", "field(kind)")
        .set("delta.route.map", "a=x")
        .set("delta.route.unmatched", "dlq");
    flow.scenario.put(&with_dead_letters(config, "unrouted-dead"));
    flow.group_reaches_the_ends();
    assert_eq!(column(&flow.read(&flow.scenario.folder.join("x"), "id"), "id"), ["0"]);
    let found: BTreeMap<_, _> = dead_letters("unrouted-dead", 3)
        .iter()
        .map(|record| (header(record, "offset").to_owned(), header(record, "exception.message").to_owned()))
        .collect();
    for (offset, said) in [("1", "\"b\""), ("2", "which table"), ("3", "which table")] {
        let message = &found[offset];
        let place = format!("(topic unrouted, partition 0, offset {offset})");
        assert!(message.starts_with("RECORD_UNROUTED"), "{message}");
        assert!(message.contains(&place) && message.contains(said), "{message}");
    }
    flow.scenario.ends();
}
