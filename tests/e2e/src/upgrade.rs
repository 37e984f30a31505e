//! I1 while the plugin of one package takes over from that of another under load: worker by worker, and within one worker. The previous
//! plugin is a copy that differs in its version alone, with a class loader and a library of its own, or that of another commit
//! (`cargo xtask upgrade`). docs/workers.md names these tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sluice_testkit::{ConnectorStatus, TableLog, Worker, WorkerOptions, wait_for};

use crate::cluster::{PREVIOUS_VERSION, cluster};
use crate::scenario::{CLASS, PATIENCE, Scenario};

const TASKS: usize = 4;
/// Of one producer, and how many of them a second: as long as a worker takes to go and another to come.
const RECORDS: u64 = 30_000;
const RATE: Option<u64> = Some(2_000);

/// A worker that has one of the two plugins.
struct Member {
    worker: Worker,
    version: String,
}

impl Member {
    /// It joins while the test goes on.
    fn spawn(number: u32, version: &str) -> Self {
        let previous = (version == PREVIOUS_VERSION).then(|| cluster().previous.clone());
        let options = WorkerOptions { plugins: previous, ..WorkerOptions::default() };
        let worker = cluster().spawn_worker_with(&format!("worker-{number}"), "upgraded", options);
        Member { worker, version: version.into() }
    }

    fn address(&self) -> String {
        self.worker.rest_url().replace("http://", "")
    }

    fn stop(&mut self) {
        self.worker.stop().unwrap();
        let log = fs::read_to_string(self.worker.log()).unwrap();
        assert_eq!(loaded(&log), [self.version.as_str()], "each worker has one plugin only");
        assert_no_task_failed(&log);
    }
}

/// The version of the plugin that is tested.
fn current_version() -> String {
    let plugins = cluster().connect().plugins().unwrap();
    let ours = plugins.into_iter().filter(|(class, _)| class == CLASS).map(|(_, version)| version);
    let (previous, mut current): (Vec<_>, Vec<_>) = ours.partition(|version| version == PREVIOUS_VERSION);
    assert_eq!((previous.len(), current.len()), (1, 1), "{current:?}");
    current.remove(0)
}

/// The versions whose libraries a worker has loaded.
fn loaded(log: &str) -> Vec<&str> {
    let lines = log.lines().filter(|line| line.contains("Native library"));
    lines.filter_map(|line| Some(line.rsplit_once("loaded for plugin version ")?.1)).collect()
}

fn assert_no_task_failed(log: &str) {
    assert!(!log.contains("uncaught and unrecoverable exception"), "a task failed");
}

/// Waits until all tasks run as `wanted` says.
fn run(scenario: &Scenario, what: &str, tasks: usize, wanted: impl Fn(&ConnectorStatus) -> bool) {
    wait_for(what, PATIENCE, || {
        scenario.has_not_failed()?;
        let status = scenario.connect().status(&scenario.name).ok();
        Ok(status.filter(|status| status.all_running(tasks) && wanted(status)).map(drop))
    })
    .unwrap();
}

/// Waits until all tasks run on these workers, each with its worker's plugin.
fn run_on(scenario: &Scenario, members: &[Member]) {
    let wanted: BTreeSet<_> =
        members.iter().map(|member| (member.address(), member.version.clone())).collect();
    run(scenario, &format!("tasks on {wanted:?}"), TASKS, |status| {
        let pairs = status.workers.iter().cloned().zip(status.versions.iter().cloned());
        pairs.collect::<BTreeSet<_>>() == wanted
    });
}

/// Waits until all tasks run with this version.
fn run_version(scenario: &Scenario, tasks: usize, version: &str) {
    run(scenario, &format!("tasks of {version}"), tasks, |status| {
        status.versions.iter().all(|of_task| of_task == version)
    });
}

/// Sends more besides what comes in all the time, and waits until the table grows.
fn grows(scenario: &Scenario) {
    let mut log = TableLog::new(&scenario.table);
    log.refresh().unwrap();
    let before = log.rows;
    scenario.send(1_000);
    wait_for("the table to grow", PATIENCE, || {
        scenario.has_not_failed()?;
        log.refresh()?;
        Ok((log.rows > before).then_some(()))
    })
    .unwrap();
}

/// The copies of the native library that a process has mapped: each class loader has a file of its own.
fn libraries(pid: u32) -> BTreeSet<String> {
    let maps = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("maps")).unwrap();
    let paths = maps.lines().filter_map(|line| Some(&line[line.find('/')?..]));
    paths.filter(|path| path.contains("libsluice.so")).map(str::to_owned).collect()
}

#[test]
fn a_rolling_upgrade_and_the_way_back_lose_and_double_nothing() {
    let current = current_version();
    let mut members = vec![Member::spawn(1, PREVIOUS_VERSION), Member::spawn(2, PREVIOUS_VERSION)];
    members.iter_mut().for_each(|member| member.worker.wait_until_ready().unwrap());
    let mut scenario = Scenario::on(members[0].worker.connect(), "upgraded", 8);
    scenario.put(&scenario.config().set("tasks.max", TASKS));
    run_on(&scenario, &members);

    // Both are upgraded, one after the other; then one of them goes back.
    for (number, version) in [(3, current.as_str()), (4, current.as_str()), (5, PREVIOUS_VERSION)] {
        let mut load = scenario.start_sending(RECORDS, RATE);
        grows(&scenario);
        let mut leaving = members.remove(0);
        scenario.talk_to(members[0].worker.connect());
        leaving.stop();
        run_on(&scenario, &members);
        grows(&scenario);
        members.push(Member::spawn(number, version));
        members[1].worker.wait_until_ready().unwrap();
        run_on(&scenario, &members);
        grows(&scenario);
        assert_eq!(load.wait(PATIENCE).unwrap(), RECORDS);
    }
    scenario.completes();
    members.iter_mut().for_each(Member::stop);
}

/// Needs KIP-891, and so Kafka 4.1.
#[test]
fn two_versions_run_side_by_side_in_one_worker() {
    let versions = [PREVIOUS_VERSION.to_owned(), current_version()];
    let scenarios: Vec<_> = versions
        .iter()
        .map(|version| {
            let scenario = Scenario::new(&format!("version-{version}"), 1);
            scenario.put(&scenario.config().set("connector.plugin.version", format!("[{version}]")));
            scenario
        })
        .collect();
    for (scenario, version) in scenarios.iter().zip(&versions) {
        run_version(scenario, 1, version);
    }
    assert_eq!(libraries(cluster().worker.pid()).len(), 2);
    let mut loads: Vec<_> = scenarios.iter().map(|scenario| scenario.start_sending(2_000, None)).collect();
    loads.iter_mut().for_each(|load| assert_eq!(load.wait(PATIENCE).unwrap(), 2_000));
    scenarios.iter().for_each(Scenario::completes);
    let log = fs::read_to_string(cluster().worker.log()).unwrap();
    let loaded = loaded(&log);
    assert_eq!(loaded.len(), 2, "each once: {loaded:?}");
    assert_eq!(loaded.into_iter().collect::<BTreeSet<_>>(), versions.iter().map(String::as_str).collect());
}

/// Needs KIP-891 too. Between the old tasks and the new ones nothing restarts but the connector.
#[test]
fn a_connector_changes_its_version_and_back_under_load() {
    let current = current_version();
    let scenario = Scenario::new("version-changes", 4);
    let config = scenario.config().set("tasks.max", 2);
    let mut load = scenario.start_sending(RECORDS, RATE);
    for version in [PREVIOUS_VERSION, current.as_str(), PREVIOUS_VERSION] {
        scenario.put(&config.clone().set("connector.plugin.version", format!("[{version}]")));
        run_version(&scenario, 2, version);
        grows(&scenario);
    }
    assert_eq!(load.wait(PATIENCE).unwrap(), RECORDS);
    scenario.completes();
}
