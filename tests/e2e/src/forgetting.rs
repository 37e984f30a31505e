//! A table with `delta.setTransactionRetentionDuration`: nobody may rely on offsets that are older, but Sluice keeps them.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use sluice_testkit::wait_for;

use crate::cluster::cluster;
use crate::flow::{Flow, actions, column};
use crate::scenario::{ID_AND_TEXT, PATIENCE, Scenario, altered};

const RETENTION_MS: i64 = 6000;

/// When the table was told the offset of each partition, in ms since the epoch.
fn told(flow: &Flow, partition: u32) -> Vec<i64> {
    let app_id = format!("sluice/{0}/{0}/{partition}", flow.scenario.name);
    let actions = actions(&flow.scenario.table);
    let txns = actions.iter().map(|action| &action["txn"]).filter(|txn| txn["appId"] == app_id.as_str());
    txns.map(|txn| txn["lastUpdated"].as_i64().unwrap()).collect()
}

fn send(flow: &Flow, partition: u32, ids: std::ops::Range<u32>) {
    let record = |id| json!({"topic": flow.scenario.name, "partition": partition, "value": {"id": id}});
    flow.send(&ids.map(record).collect::<Vec<_>>());
}

/// I1, I4: neither idling nor standing still for longer than the table keeps offsets makes a row twice.
#[test]
fn a_table_that_forgets_offsets_is_reminded_of_them_in_time() {
    let flow = Flow::of(Scenario::new("forgetting", 2));
    let (scenario, log) = (&flow.scenario, flow.scenario.table.join("_delta_log"));
    let metadata = json!({"id": "22ef18ba-191c-4c36-a606-3dad5cdf3831", "format": {"provider": "parquet", "options": {}},
        "schemaString": ID_AND_TEXT, "partitionColumns": [],
        "configuration": {"delta.setTransactionRetentionDuration": format!("interval {RETENTION_MS} milliseconds")}});
    let create =
        [json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}), json!({"metaData": metadata})];
    fs::create_dir_all(&log).unwrap();
    fs::write(log.join(format!("{:020}.json", 0)), create.map(|action| format!("{action}\n")).concat())
        .unwrap();
    send(&flow, 0, 0..10);
    send(&flow, 1, 100..105);
    scenario.put(&flow.raw_config());
    flow.rows();
    wait_for("both offsets to be set again, twice", PATIENCE, || {
        scenario.has_not_failed()?;
        Ok((0..2).all(|partition| told(&flow, partition).len() >= 3).then_some(()))
    })
    .unwrap();
    for partition in 0..2 {
        let told = told(&flow, partition);
        assert!(told.windows(2).all(|pair| pair[1] - pair[0] < RETENTION_MS), "{told:?}");
    }

    scenario.stop();
    altered(|| cluster().broker.forget_group(&format!("connect-{}", scenario.name)));
    let last = (0..2).filter_map(|partition| told(&flow, partition).pop()).max().unwrap();
    let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    while now() <= last + RETENTION_MS {
        sleep(Duration::from_millis(50));
    }
    scenario.resume();
    send(&flow, 1, 105..108);
    let ids: Vec<String> = (0..10).chain(100..108).map(|id| id.to_string()).collect();
    assert_eq!(column(&flow.rows(), "id"), ids);
    let kept = |action: &Value| action.to_string().contains(r#""fromOffset":10"#);
    assert!(actions(&scenario.table).iter().any(kept));
    scenario.ends();
}
