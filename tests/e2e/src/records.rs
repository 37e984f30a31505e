//! Records that cannot become rows, and their neighbours that can.

use std::collections::BTreeSet;

use sluice_testkit::wait_for;

use crate::cluster::cluster;
use crate::scenario::{PATIENCE, Scenario, line};

#[test]
fn a_bad_record_fails_the_task_until_it_has_a_dead_letter_queue() {
    let scenario = Scenario::new("bad-record", 1);
    let dead = "bad-record-dead";
    let mut lines: Vec<_> = (0..20).map(line).collect();
    lines[7] = br#"{"id": 7, "text": {"deep": true}}"#.to_vec();
    scenario.send_lines(&lines);
    scenario.put(&scenario.small_config());
    scenario.fails_with(&["RECORD_TYPE", "(topic bad-record, partition 0, offset 7, field text)"]);

    let config = scenario.small_config().set("errors.tolerance", "all");
    scenario.put(
        &config
            .set("errors.deadletterqueue.topic.name", dead)
            .set("errors.deadletterqueue.topic.replication.factor", 1),
    );
    scenario.runs(1);
    scenario.completes_with_ids((0..20).filter(|id| *id != 7));
    let records = cluster().broker.records(dead).unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].value.as_deref(), Some(&lines[7][..]));
    assert!(records[0].headers.is_empty(), "headers were not asked for: {:?}", records[0].headers);
}

#[test]
fn bad_records_go_to_the_dead_letter_queue_as_they_were_and_alone() {
    let scenario = Scenario::new("dead-letters", 2);
    let dead = "dead-letters-dead";
    let bad: [(usize, &[u8], &str, &str); 7] = [
        (3, b"{\"id\": 3, \"text\": \"cut", "RECORD_NOT_JSON", ""),
        (4, b"garbage", "RECORD_NOT_JSON", ""),
        (5, b"{\"id\": 5, \"text\": \"\xff\xfe\"}", "RECORD_NOT_JSON", ""),
        (20, b"{\"id\": \"twenty\"}", "RECORD_TYPE", "id"),
        (21, b"{\"id\": 9223372036854775808}", "RECORD_RANGE", "id"),
        (38, b"{\"text\": \"no id\"}", "RECORD_NULL", "id"),
        (39, b"{\"id\": 39, \"id\": 40}", "RECORD_DUPLICATE_FIELD", "id"),
    ];
    let mut lines: Vec<_> = (0..40).map(line).collect();
    for (at, bytes, ..) in bad {
        lines[at] = bytes.to_vec();
    }
    scenario.send_lines(&lines);
    let config = scenario.small_config().set("errors.tolerance", "all");
    scenario.put(
        &config
            .set("errors.deadletterqueue.topic.name", dead)
            .set("errors.deadletterqueue.topic.replication.factor", 1)
            .set("errors.deadletterqueue.context.headers.enable", true),
    );
    scenario.runs(1);
    let good = (0..40_u64).filter(|id| bad.iter().all(|(at, ..)| *at as u64 != *id));
    scenario.completes_with_ids(good);

    let records = wait_for("the dead letters", PATIENCE, || {
        Ok(Some(cluster().broker.records(dead)?).filter(|records| records.len() >= bad.len()))
    })
    .unwrap();
    let values: BTreeSet<_> = records.iter().map(|record| record.value.as_deref().unwrap()).collect();
    assert_eq!(values, bad.iter().map(|(_, bytes, ..)| *bytes).collect(), "the very bytes, and no others");
    assert_eq!(records.len(), bad.len(), "each once");
    for (at, bytes, code, field) in bad {
        let record = records.iter().find(|record| record.value.as_deref() == Some(bytes)).unwrap();
        let header = |name: &str| record.headers[&format!("__connect.errors.{name}")].as_str();
        assert_eq!(header("topic"), scenario.name);
        assert_eq!(header("partition"), (at % 2).to_string());
        assert_eq!(header("offset"), (at / 2).to_string());
        let message = header("exception.message");
        assert!(message.starts_with(code), "{code}: {message}");
        assert!(field.is_empty() || message.contains(&format!("field {field}")), "{field}: {message}");
    }
}
