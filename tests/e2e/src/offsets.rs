//! The offsets in the table count, whatever becomes of those of the consumer group.

use std::time::Duration;

use sluice_testkit::{State, wait_for};

use crate::cluster::cluster;
use crate::scenario::{PATIENCE, Scenario};

fn stop(scenario: &Scenario) {
    let connect = scenario.connect();
    connect.stop(&scenario.name).unwrap();
    wait_for("the connector to stop", PATIENCE, || {
        let status = connect.status(&scenario.name)?;
        Ok((status.connector == State::Stopped && status.tasks.is_empty()).then_some(()))
    })
    .unwrap();
}

/// Tasks that have just stopped may still be members of the group, which Connect then refuses to alter.
fn alter(mut request: impl FnMut() -> sluice_testkit::Result<()>) {
    let mut last = None;
    wait_for("the group to be altered", Duration::from_secs(30), || {
        Ok(request().map_err(|e| last = Some(e)).ok())
    })
    .unwrap_or_else(|e| panic!("{e}: {last:?}"));
}

#[test]
fn a_group_that_loses_its_offsets_or_goes_back_or_ahead_changes_nothing() {
    let scenario = Scenario::new("group-offsets", 2);
    let (connect, name) = (scenario.connect(), scenario.name.as_str());
    scenario.send(3000);
    scenario.put(&scenario.config());
    scenario.runs(1);
    scenario.reaches_the_end();

    stop(&scenario);
    alter(|| connect.delete_offsets(name));
    assert!(cluster().broker.group_offsets(&format!("connect-{name}")).unwrap().is_empty());
    connect.resume(name).unwrap();
    scenario.send(1000);
    scenario.reaches_the_end();

    stop(&scenario);
    alter(|| connect.alter_offset(name, name, 0, Some(0)));
    alter(|| connect.alter_offset(name, name, 1, Some(700)));
    connect.resume(name).unwrap();
    scenario.send(1000);
    scenario.reaches_the_end();

    stop(&scenario);
    scenario.send(1000);
    for partition in 0..2 {
        alter(|| connect.alter_offset(name, name, partition, Some(3000)));
    }
    connect.resume(name).unwrap();
    scenario.completes();
}

/// Connect takes an offset that it is rewound to for one that it has committed, and would tell the group nothing (found by
/// `cargo xtask chaos --seed 1`: the connector moved between the last commit to the table and the group's).
#[test]
fn a_group_behind_the_table_follows_it_without_new_records() {
    let scenario = Scenario::new("group-behind", 2);
    let (connect, name) = (scenario.connect(), scenario.name.as_str());
    scenario.send(1000);
    scenario.put(&scenario.config());
    scenario.runs(1);
    scenario.reaches_the_end();

    stop(&scenario);
    let (broker, group) = (&cluster().broker, format!("connect-{name}"));
    alter(|| broker.forget_group(&group));
    connect.resume(name).unwrap();
    let ends = broker.end_offsets(name).unwrap();
    let ends = ends.into_iter().map(|(partition, end)| (format!("{name}-{partition}"), end)).collect();
    wait_for("the group to follow the table", PATIENCE, || {
        Ok((broker.group_offsets(&group)? == ends).then_some(()))
    })
    .unwrap();
    scenario.completes();
}
