//! Which records go to which table, and offsets that move past those that go nowhere.

use std::time::Duration;

use sluice_testkit::{TableLog, wait_for};

use crate::cluster::cluster;
use crate::scenario::{Config, PATIENCE, Scenario, audit_is_clean, line};

fn renamed(config: Config) -> Config {
    config
        .set("transforms", "rename")
        .set("transforms.rename.type", "org.apache.kafka.connect.transforms.RegexRouter")
        .set("transforms.rename.regex", ".*")
        .set("transforms.rename.replacement", "another-name")
}

/// Drops tombstones (`negate` false) or everything else before it gets to the task.
fn filtered(config: Config, negate: bool) -> Config {
    config
        .set("transforms", "drop")
        .set("transforms.drop.type", "org.apache.kafka.connect.transforms.Filter")
        .set("transforms.drop.predicate", "tombstone")
        .set("transforms.drop.negate", negate)
        .set("predicates", "tombstone")
        .set("predicates.tombstone.type", "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone")
}

fn group_reaches_the_end(scenario: &Scenario) {
    let group = format!("connect-{}", scenario.name);
    let ends = cluster().broker.end_offsets(&scenario.name).unwrap();
    let reached = wait_for("the group's offsets", Duration::from_secs(30), || {
        let held = cluster().broker.group_offsets(&group)?;
        let at_end =
            |(partition, end): (&u32, &i64)| held.get(&format!("{}-{partition}", scenario.name)) == Some(end);
        Ok(ends.iter().all(at_end).then_some(()))
    });
    let held = cluster().broker.group_offsets(&group).unwrap();
    assert!(reached.is_ok(), "the group holds {held:?}, the topic ends at {ends:?}");
}

#[test]
fn tombstones_make_no_rows_and_a_renamed_topic_keeps_its_offsets() {
    let scenario = Scenario::new("renamed", 2);
    let mut lines: Vec<_> = (0..40).map(line).collect();
    // Also as the last record of each partition.
    for at in [0, 1, 17, 38, 39] {
        lines[at].clear();
    }
    scenario.send_lines(&lines);
    scenario.put(&renamed(scenario.small_config()));
    scenario.runs(1);
    // By the original topic's name, as `reaches_the_end` looks for it.
    scenario.reaches_the_end();
    group_reaches_the_end(&scenario);
    scenario.completes_with_ids((0..40).filter(|id| ![0, 1, 17, 38, 39].contains(id)));
}

#[test]
fn offsets_move_past_records_that_a_filter_drops() {
    let scenario = Scenario::new("filtered", 2);
    let mut lines: Vec<_> = (0..40).map(line).collect();
    lines.iter_mut().skip(30).for_each(Vec::clear);
    scenario.send_lines(&lines);
    scenario.put(&filtered(scenario.small_config(), false));
    scenario.runs(1);
    scenario.reaches_the_end();
    group_reaches_the_end(&scenario);
    scenario.completes_with_ids(0..30);
}

#[test]
fn the_group_follows_a_topic_of_which_nothing_comes_through() {
    let scenario = Scenario::new("filtered-first", 2);
    scenario.send_lines(&(0..40).map(line).collect::<Vec<_>>());
    scenario.put(&filtered(scenario.small_config(), true));
    scenario.runs(1);
    group_reaches_the_end(&scenario);
    // One for each partition; it passes and makes no row, and from then on the table has the offset.
    scenario.send_lines(&[vec![], vec![]]);
    scenario.reaches_the_end();
    group_reaches_the_end(&scenario);
    scenario.completes_with_ids([]);
}

#[test]
fn each_topic_has_a_table_by_its_name() {
    let scenario = Scenario::new("first-of-two", 2);
    let other = Scenario::new("second-of-two", 1);
    let tables = scenario.folder.join("tables");
    let table = |topic: &str| tables.join(topic).join("events");
    scenario.send(3000);
    other.send(2000);
    let config = renamed(scenario.config())
        .set("topics", "first-of-two,second-of-two")
        .set("tasks.max", 2)
        .set("delta.table.uri", format!("{}/${{topic}}/events", tables.display()));
    scenario.put(&config);
    scenario.runs(2);
    for (topic, count) in [("first-of-two", 3000), ("second-of-two", 2000)] {
        scenario.topic_reaches_the_end(topic, &table(topic));
        scenario.holds(&table(topic), 0, count);
    }
    assert_eq!(std::fs::read_dir(&tables).unwrap().count(), 2);
    scenario.ends();
}

#[test]
fn two_connectors_share_a_table() {
    let one = Scenario::new("one-of-a-table", 2);
    let two = Scenario::new("two-of-a-table", 2).with_table(one.table.clone());
    two.skip_to(30_000);
    let mut sending = [one.start_sending(30_000, Some(6_000)), two.start_sending(30_000, Some(6_000))];
    one.put(&one.config().set("tasks.max", 2));
    two.put(&two.config().set("tasks.max", 2));
    for producer in &mut sending {
        producer.wait(PATIENCE).unwrap();
    }
    one.reaches_the_end();
    two.reaches_the_end();
    one.holds(&one.table, 0, 60_000);
    audit_is_clean(&one.table);
    let mut log = TableLog::new(&one.table);
    log.refresh().unwrap();
    let offsets = log.transactions.keys().filter(|app_id| app_id.starts_with("sluice/")).count();
    assert_eq!(offsets, 4, "{:?}", log.transactions);
    assert!(log.appends > 2, "both wrote while the other did");
    one.ends();
    two.ends();
}
