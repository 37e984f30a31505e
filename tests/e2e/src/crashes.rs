//! Workers that come and go, mostly by `kill -9`, while records come in.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use rand::random_range;
use sluice_testkit::{Worker, wait_for};

use crate::cluster::cluster;
use crate::scenario::{PATIENCE, Scenario};

const TASKS: usize = 3;

/// A new one of the test's group; it joins while the test goes on.
fn spawn(number: u32) -> Worker {
    cluster().spawn_worker(&format!("worker-{number}"), "crashes", &[])
}

/// Waits until all tasks run, on exactly these workers.
fn run_on(scenario: &Scenario, workers: &[&Worker]) {
    let at: BTreeSet<_> = workers.iter().map(|worker| worker.rest_url().replace("http://", "")).collect();
    wait_for(&format!("tasks on {at:?}"), PATIENCE, || {
        let status = scenario.connect().status(&scenario.name).ok();
        let spread = |status: &sluice_testkit::ConnectorStatus| {
            status.workers.iter().cloned().collect::<BTreeSet<_>>()
        };
        Ok(status.filter(|status| status.all_running(TASKS) && spread(status) == at).map(drop))
    })
    .unwrap();
}

#[test]
fn workers_killed_at_any_moment_lose_and_double_nothing() {
    let moment = |longest: u64| sleep(Duration::from_millis(random_range(0..longest)));
    let (mut first, mut second) = (spawn(1), spawn(2));
    first.wait_until_ready().unwrap();
    let mut scenario = Scenario::on(first.connect(), "crashes", 8);
    let mut producer = scenario.start_sending(120_000, Some(2_000));
    scenario.put(&scenario.config().set("tasks.max", TASKS));
    second.wait_until_ready().unwrap();
    run_on(&scenario, &[&first, &second]);
    moment(2000);

    // One of two dies; the other takes over, joined by a third in the middle of that.
    let mut third = spawn(3);
    moment(5000);
    first.kill().unwrap();
    scenario.talk_to(second.connect());
    third.wait_until_ready().unwrap();
    run_on(&scenario, &[&second, &third]);
    moment(2000);

    // Both die, one shortly after the other: nobody is left to hand over.
    second.kill().unwrap();
    moment(1500);
    third.kill().unwrap();
    let mut fourth = spawn(4);
    fourth.wait_until_ready().unwrap();
    scenario.talk_to(fourth.connect());
    run_on(&scenario, &[&fourth]);
    producer.wait(PATIENCE).unwrap();
    scenario.completes();
    fourth.stop().unwrap();
}
