//! The offsets in the table count, whatever becomes of those of the consumer group, unless a user alters them on purpose by
//! Connect's REST interface. docs/offsets.md names these tests.

use std::fs;
use std::path::Path;

use sluice_testkit::{State, wait_for};

use crate::cluster::cluster;
use crate::scenario::{PATIENCE, Scenario, altered};

#[test]
fn a_group_that_loses_its_offsets_or_goes_back_or_ahead_changes_nothing() {
    let scenario = Scenario::new("group-offsets", 2);
    let (broker, group) = (&cluster().broker, format!("connect-{}", scenario.name));
    scenario.send(3000);
    scenario.put(&scenario.config());
    scenario.runs(1);
    scenario.reaches_the_end();

    scenario.stop();
    altered(|| broker.forget_group(&group));
    assert!(broker.group_offsets(&group).unwrap().is_empty());
    scenario.resume();
    scenario.send(1000);
    scenario.reaches_the_end();

    scenario.stop();
    altered(|| broker.move_group(&group, &scenario.name, &[(0, 0), (1, 700)]));
    scenario.resume();
    scenario.send(1000);
    scenario.reaches_the_end();

    scenario.stop();
    scenario.send(1000);
    altered(|| broker.move_group(&group, &scenario.name, &[(0, 3000), (1, 3000)]));
    scenario.resume();
    scenario.completes();
}

/// Connect takes an offset that it is rewound to for one that it has committed, and would tell the group nothing (found by
/// `cargo xtask chaos --seed 1`: the connector moved between the last commit to the table and the group's).
#[test]
fn a_group_behind_the_table_follows_it_without_new_records() {
    let scenario = Scenario::new("group-behind", 2);
    let name = scenario.name.as_str();
    scenario.send(1000);
    scenario.put(&scenario.config());
    scenario.runs(1);
    scenario.reaches_the_end();

    scenario.stop();
    let (broker, group) = (&cluster().broker, format!("connect-{name}"));
    altered(|| broker.forget_group(&group));
    scenario.resume();
    let ends = broker.end_offsets(name).unwrap();
    let ends = ends.into_iter().map(|(partition, end)| (format!("{name}-{partition}"), end)).collect();
    wait_for("the group to follow the table", PATIENCE, || {
        Ok((broker.group_offsets(&group)? == ends).then_some(()))
    })
    .unwrap();
    scenario.completes();
}

#[test]
fn an_offset_goes_forward_back_and_is_reset_by_rest() {
    let scenario = Scenario::new("altered", 1);
    scenario.send_ids(0..100);
    scenario.put(&scenario.small_config());
    scenario.runs(1);
    scenario.reaches_the_end();

    scenario.stop();
    scenario.send_ids(100..150);
    scenario.alter(Some(130));
    assert_eq!(scenario.held(0), Some(130), "before Connect answers");
    scenario.resume();
    scenario.reaches_the_end();
    scenario.holds_ids((0..100).chain(130..150));

    scenario.stop();
    scenario.alter(Some(140));
    scenario.resume();
    scenario.reaches_the_end();
    scenario.holds_ids((0..100).chain(130..150).chain(140..150));

    scenario.stop();
    scenario.reset();
    assert_eq!(scenario.held(0), Some(-1));
    let group = format!("connect-{}", scenario.name);
    assert!(cluster().broker.group_offsets(&group).unwrap().is_empty());
    scenario.resume();
    scenario.reaches_the_end();
    scenario.holds_ids((0..100).chain(130..150).chain(140..150).chain(0..150));
    scenario.ends();
}

#[test]
fn all_tables_of_a_topic_are_altered_and_unknown_ones_refused() {
    let scenario = Scenario::new("altered-routed", 1);
    let tables = scenario.folder.join("tables");
    let config = scenario
        .small_config()
        .set("delta.table.uri", format!("{}/${{table}}", tables.display()))
        .set("delta.route.by", "field(text)")
        .set("delta.route.map", "a=a; b=b; ab=a,b; z=never");
    let records = |ids: std::ops::Range<u64>| -> Vec<String> {
        ids.map(|id| format!(r#"{{"id":{id},"text":"{}"}}"#, ["a", "b", "ab"][id as usize % 3])).collect()
    };
    scenario.send_lines(&records(0..30));
    scenario.put(&config);
    let group = format!("connect-{}", scenario.name);
    let end = |offset: i64| {
        wait_for("the group to get to the end", PATIENCE, || {
            scenario.has_not_failed()?;
            let offsets = cluster().broker.group_offsets(&group)?;
            Ok((offsets.values().collect::<Vec<_>>() == [&offset]).then_some(()))
        })
        .unwrap();
    };
    end(30);
    scenario.stop();
    scenario.alter(Some(27));
    scenario.resume();
    scenario.send_lines(&records(30..33));
    end(33);
    let with = |of: [u64; 2]| (0..33).chain(27..30).filter(move |id: &u64| of.contains(&(id % 3)));
    for (table, of) in [("a", [0, 2]), ("b", [1, 2])] {
        Scenario::without_topic(scenario.connect().clone(), &scenario.name)
            .with_table(tables.join(table))
            .holds_ids(with(of));
    }
    assert_eq!(fs::read_dir(&tables).unwrap().count(), 2, "no table is created to be altered");

    scenario.put(&config.without("delta.route.map"));
    scenario.stop();
    let refused = scenario.connect().alter_offset(&scenario.name, &scenario.name, 0, Some(3)).unwrap_err();
    let refused = refused.to_string();
    assert!(refused.contains("OFFSETS_UNALTERABLE") && refused.contains("another name"), "{refused}");
    scenario.ends();
}

/// I1 and I4 with a worker that hangs while its connector is stopped and altered, and then wakes up with rows.
#[test]
fn a_worker_that_wakes_after_the_alteration_brings_nothing_in() {
    let mut workers = ["first", "second"].map(|name| cluster().spawn_worker(name, "altered-zombie", &[]));
    workers.iter_mut().for_each(|worker| worker.wait_until_ready().unwrap());
    let mut scenario = Scenario::on(workers[0].connect(), "altered-zombie", 2);
    let config = scenario.small_config().set("tasks.max", 2);
    let seldom = config.clone().set("delta.commit.interval.ms", 600_000).set("delta.commit.max.records", 100);
    scenario.put(&seldom);
    wait_for("a task on each worker", PATIENCE, || {
        let status = scenario.connect().status(&scenario.name).ok();
        Ok(status.filter(|status| status.all_running(2) && status.workers[0] != status.workers[1]).map(drop))
    })
    .unwrap();
    scenario.send_ids(0..200);
    scenario.reaches_the_end();
    // The group's leader alters offsets.
    let log = fs::read_to_string(workers[0].log()).unwrap();
    let leader = log.rsplit_once("leaderUrl='").and_then(|(_, rest)| rest.split_once("/'")).unwrap().0;
    workers.sort_by_key(|worker| worker.rest_url() != leader);
    assert_eq!(workers[0].rest_url(), leader);
    scenario.talk_to(workers[0].connect());

    // Too few for a commit, and so large that each task opens a file for them.
    let before = data_files(&scenario.table);
    let large = |id| format!(r#"{{"id":{id},"text":"{}"}}"#, "x".repeat(20_000));
    scenario.send_lines(&(200..260).map(large).collect::<Vec<_>>());
    wait_for(
        "rows in both tasks",
        PATIENCE,
        || Ok((data_files(&scenario.table) == before + 2).then_some(())),
    )
    .unwrap();
    workers[1].process().pause().unwrap();
    scenario.connect().stop(&scenario.name).unwrap();
    wait_for("the connector to stop, and the task of the worker that runs", PATIENCE, || {
        let group = scenario.connect().status(&scenario.name)?;
        let held = [scenario.held(0), scenario.held(1)];
        Ok((group.connector == State::Stopped && held.contains(&Some(130))).then_some(()))
    })
    .unwrap();
    let before: Vec<_> = (0..2).map(|partition| scenario.held(partition).unwrap()).collect();
    for partition in 0..2 {
        altered(|| scenario.connect().alter_offset(&scenario.name, &scenario.name, partition, Some(90)));
    }
    let log = workers[1].log().to_owned();
    workers[1].process().resume().unwrap();
    wait_for("the zombie to be fenced", PATIENCE, || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        Ok(text.contains("fenced on table").then_some(()))
    })
    .unwrap();
    scenario.put(&config);
    scenario.resume();
    scenario.send_ids(260..400);
    scenario.reaches_the_end();
    // The records went to the partitions in turn. The first worker's task had brought in its rows when it stopped.
    let again =
        (0..2).flat_map(|partition| (90..before[partition] as u64).map(move |o| o * 2 + partition as u64));
    scenario.holds_ids((0..400).chain(again));
    scenario.ends();
    workers.iter_mut().for_each(|worker| worker.stop().unwrap());
}

fn data_files(table: &Path) -> usize {
    let files = fs::read_dir(table).into_iter().flatten().flatten();
    files.filter(|file| file.path().extension().is_some_and(|extension| extension == "parquet")).count()
}
