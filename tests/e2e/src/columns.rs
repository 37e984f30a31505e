//! Columns that Sluice fills, tombstones, and partitions.

use std::collections::BTreeSet;

use serde_json::json;

use crate::flow::{Flow, actions, column, dead_letters, header, row, with_dead_letters};

#[test]
fn metadata_and_keys_become_columns() {
    let flow = Flow::new("metadata");
    flow.send(&[
        json!({"topic": "metadata", "partition": 1, "timestamp": 1_725_062_400_123_u64, "key": {"id": 5, "at": "x"},
            "headers": [["trace", "ab"], ["empty", null], ["trace", "cd"]], "value": {"v": 1}}),
        json!({"topic": "metadata", "timestamp": 0, "value": {"v": 2}}),
    ]);
    let config = flow
        .raw_config()
        .set("key.converter", crate::flow::JSON_CONVERTER)
        .set("key.converter.schemas.enable", false)
        .set("delta.key.mode", "columns")
        .set("delta.metadata.columns", "topic,partition,offset,timestamp,timestamp.type,headers")
        .set("delta.metadata.struct", "meta");
    flow.scenario.put(&config);
    let rows = flow.rows_of("metadata", &flow.scenario.table, "v");
    let meta = |partition, at, headers| {
        format!(
            "{{topic=metadata, partition={partition}, offset=0, timestamp={at}, timestamp_type=CreateTime, headers={headers}}}"
        )
    };
    // In base 64.
    let first = meta(
        1,
        "2024-08-31T00:00:00.123Z",
        "[{key=trace, value=YWI=}, {key=empty, value=null}, {key=trace, value=Y2Q=}]",
    );
    let second = meta(0, "1970-01-01T00:00:00Z", "[]");
    let expected = [
        row(&[("v", "1"), ("key_id", "5"), ("key_at", "x"), ("meta", &first)]),
        row(&[("v", "2"), ("meta", &second)]),
    ];
    assert_eq!(rows, expected);
    flow.scenario.ends();
}

/// Rows before, between and after tombstones, the last of which ends the topic.
#[test]
fn tombstones_are_counted_or_fail_or_become_dead_letters() {
    let flow = Flow::new("tombstones");
    let (some, none) = (flow.record(json!({"id": 1})), json!({"topic": "tombstones", "key": "k"}));
    flow.send(&[some.clone(), none.clone(), some, none]);
    let failing = flow.raw_config().set("behavior.on.null.values", "fail");
    flow.scenario.put(&failing);
    flow.scenario.fails_with(&["RECORD_NULL_VALUE", "(topic tombstones, partition 0, offset 1)"]);

    // With tolerance as well: `fail` does not mean the queue.
    flow.scenario.ends();
    flow.scenario.put(&with_dead_letters(failing, "tombstones-dead"));
    flow.scenario.fails_with(&["RECORD_NULL_VALUE", "(topic tombstones, partition 0, offset 1)"]);

    let config =
        with_dead_letters(flow.raw_config(), "tombstones-dead").set("behavior.on.null.values", "dlq");
    flow.scenario.put(&config);
    // Both failed before; the wait for offsets would take that for a failure of now.
    flow.scenario.runs(1);
    assert_eq!(column(&flow.rows(), "id"), ["1", "1"]);
    let offsets: Vec<_> = dead_letters("tombstones-dead", 2)
        .iter()
        .map(|record| {
            assert_eq!(record.value, None);
            assert!(header(record, "exception.message").starts_with("RECORD_NULL_VALUE"), "{record:?}");
            header(record, "offset").to_owned()
        })
        .collect();
    assert_eq!(offsets, ["1", "3"]);

    flow.scenario.put(&flow.raw_config());
    flow.send(&[flow.record(json!({"id": 2})), flow.record(json!(null))]);
    assert_eq!(column(&flow.rows(), "id"), ["1", "1", "2"]);
    flow.group_reaches_the_ends();
    flow.scenario.ends();
}

#[test]
fn fifty_days_in_one_batch_become_fifty_partitions() {
    const DAY: u64 = 86_400_000;
    let flow = Flow::new("fifty-days");
    let records: Vec<_> =
        (0..500).map(|id: u64| flow.record(json!({"id": id, "ts": id % 50 * DAY + id}))).collect();
    flow.send(&records);
    let config = flow
        .raw_config()
        .set("delta.derived.columns", "at = timestamp_ms(ts)")
        .set("delta.partition.by", "day(at)");
    flow.scenario.put(&config);
    let rows = flow.rows();
    assert_eq!(column(&rows, "id"), (0..500).map(|id| id.to_string()).collect::<Vec<_>>());
    for row in &rows {
        assert_eq!(row["at_day"], row["at"][..10], "{row:?}");
    }
    let actions = actions(&flow.scenario.table);
    let days = actions.iter().filter_map(|action| action["add"]["partitionValues"]["at_day"].as_str());
    let days: Vec<_> = days.collect();
    assert_eq!(days.iter().collect::<BTreeSet<_>>().len(), 50);
    // The 500 records may come in two batches, and then in two commits.
    assert!(days.len() <= 100, "{} files", days.len());
    flow.scenario.ends();
}
