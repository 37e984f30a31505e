//! The deliberate rules of docs/offsets.md for topics and tables that take another's place, and for connectors that move.

use std::fs;

use sluice_testkit::{Broker, Produce, Producer, TableLog, wait_for};

use crate::cluster::cluster;
use crate::scenario::{PATIENCE, Scenario};

/// Waits until the table holds the offset under an app id.
fn reaches(scenario: &Scenario, app_id: &str, offset: i64) {
    wait_for(&format!("{app_id} to get to {offset}"), PATIENCE, || {
        scenario.has_not_failed()?;
        let mut log = TableLog::new(&scenario.table);
        log.refresh()?;
        Ok((log.transactions.get(app_id) == Some(&offset)).then_some(()))
    })
    .unwrap();
}

/// I1: the records of the new topic that stand below the table's offset are not taken for those of the old one.
#[test]
fn a_topic_that_is_created_again_is_told_and_read_from_its_start_after_a_reset() {
    let scenario = Scenario::new("recreated", 1);
    let broker = &cluster().broker;
    scenario.send_ids(0..50);
    scenario.put(&scenario.small_config());
    scenario.reaches_the_end();
    scenario.stop();
    broker.delete_topic(&scenario.name).unwrap();
    wait_for("the topic to be gone", PATIENCE, || Ok(broker.create_topic(&scenario.name, 1, &[]).ok()))
        .unwrap();
    scenario.send_ids(100..120);
    scenario.resume();
    scenario.fails_with(&["OFFSET_BELOW_TABLE", "50", "DELETE", "offsets"]);

    scenario.stop();
    scenario.reset();
    scenario.resume();
    scenario.reaches_the_end();
    scenario.send_ids(120..130);
    scenario.completes_with_ids((0..50).chain(100..130));
}

#[test]
fn a_table_that_is_created_again_goes_on_and_is_filled_after_a_reset() {
    let scenario = Scenario::new("replaced", 1);
    let config = scenario.small_config().set("delta.commit.interval.ms", 100);
    scenario.send_ids(0..50);
    scenario.put(&config);
    scenario.reaches_the_end();
    // The group follows, and says where to go on when the table does not.
    wait_for("the group to follow", PATIENCE, || {
        let group = cluster().broker.group_offsets(&format!("connect-{}", scenario.name))?;
        Ok((group.values().collect::<Vec<_>>() == [&50]).then_some(()))
    })
    .unwrap();
    let (log, aside) = (scenario.table.join("_delta_log"), scenario.folder.join("old"));
    let first = fs::read_to_string(log.join("00000000000000000000.json")).unwrap();
    let id = first.split(r#""metaData":{"#).nth(1).and_then(|rest| rest.split(r#""id":""#).nth(1)).unwrap();
    let id = id.split('"').next().unwrap();
    fs::rename(&scenario.table, &aside).unwrap();
    fs::create_dir_all(&log).unwrap();
    let other = first.replace(id, "00000000-0000-4000-8000-000000000000");
    fs::write(log.join("00000000000000000000.json"), other).unwrap();
    scenario.send_ids(50..60);
    scenario.fails_with(&["TABLE_REPLACED", "restart"]);
    scenario.restart();
    scenario.reaches_the_end();
    scenario.holds_ids(50..60);

    // Dropped while nobody writes to it, and filled from the start.
    scenario.stop();
    fs::remove_dir_all(&scenario.table).unwrap();
    scenario.reset();
    scenario.resume();
    scenario.completes_with_ids(0..60);
}

#[test]
fn connectors_with_topics_of_their_own_share_a_table() {
    let one = Scenario::new("sharing-one", 1);
    let other = Scenario::new("sharing-other", 1).with_table(one.table.clone());
    one.send_ids(0..40);
    other.send_ids(40..80);
    one.put(&one.small_config());
    other.put(&other.small_config());
    one.reaches_the_end();
    other.reaches_the_end();
    one.restart();
    one.send_ids(80..90);
    one.reaches_the_end();
    one.holds_ids(0..90);
    one.ends();
    other.ends();
}

/// I1: the rows of the old name are not written a second time.
#[test]
fn a_renamed_connector_is_told_and_takes_over() {
    let old = Scenario::new("old-name", 1);
    old.send_ids(0..50);
    old.put(&old.small_config());
    old.reaches_the_end();
    old.ends();
    let new = Scenario::without_topic(old.connect().clone(), "new-name").with_table(old.table.clone());
    let config = new.small_config().set("topics", &old.name);
    new.put(&config);
    new.fails_with(&["OFFSETS_OF_ANOTHER", "\"old-name\"", "delta.offsets.from.connector"]);
    new.put(&config.set("delta.offsets.from.connector", &old.name));
    new.runs(1);
    old.send_ids(50..60);
    reaches(&new, "sluice/new-name/old-name/0", 60);
    new.holds_ids(0..60);
    new.ends();
}

#[test]
fn two_connectors_write_one_topic_into_one_table_where_that_is_wanted() {
    let one = Scenario::new("twice", 1);
    let two = Scenario::without_topic(one.connect().clone(), "twice-two").with_table(one.table.clone());
    one.send_ids(0..20);
    for scenario in [&one, &two] {
        let config = scenario.small_config().set("topics", &one.name);
        scenario.put(&config.set("delta.offsets.other.connectors", "ignore"));
    }
    reaches(&one, "sluice/twice/twice/0", 20);
    reaches(&two, "sluice/twice-two/twice/0", 20);
    one.holds_ids((0..20).chain(0..20));
    one.ends();
    two.ends();
}

/// The same names on another Kafka cluster: the connector's consumer and Connect's requests for its group go there.
#[test]
fn a_connector_moves_to_another_cluster_by_its_offsets() {
    let scenario = Scenario::new("moved", 1);
    scenario.send_ids(0..50);
    scenario.put(&scenario.small_config());
    scenario.reaches_the_end();
    scenario.ends();

    let folder = cluster().folder.join("moved");
    let mut second = Broker::start(&cluster().components, &folder.join("broker")).unwrap();
    second.create_topic(&scenario.name, 1, &[]).unwrap();
    // The last ten that the table has, then new ones.
    let lines = folder.join("lines");
    fs::write(&lines, (40..70).map(|id| format!("{{\"id\":{id}}}\n")).collect::<String>()).unwrap();
    let produce = Produce::Lines(lines);
    let mut producer = Producer::start(
        &cluster().components,
        &second.bootstrap(),
        &folder.join("producer"),
        &scenario.name,
        &produce,
        None,
    )
    .unwrap();
    assert_eq!(producer.wait(PATIENCE).unwrap(), 30);
    let config = scenario
        .small_config()
        .set("consumer.override.bootstrap.servers", second.bootstrap())
        .set("admin.override.bootstrap.servers", second.bootstrap());
    scenario.connect().create_stopped(&scenario.name, &config.json()).unwrap();
    scenario.alter(Some(10));
    scenario.resume();
    reaches(&scenario, "sluice/moved/moved/0", 30);
    scenario.holds_ids(0..70);
    scenario.ends();
    second.process().kill().unwrap();
}
