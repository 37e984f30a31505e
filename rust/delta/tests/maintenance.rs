//! What a worker does for its tables besides commits. I1–I5 as in `docs/exactly-once.md`.
#![allow(clippy::disallowed_methods, reason = "in the real world")]
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{Driver, Fault, Rig};
use serde_json::Value;

const MERGES: [(&str, &str); 5] = [
    ("delta.compaction.enabled", "true"),
    ("delta.compaction.scope", "all"),
    ("delta.compaction.interval.ms", "1000"),
    ("delta.compaction.min.files", "4"),
    ("delta.table.properties", "delta.checkpointInterval=5"),
];

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One file, or more, by a commit.
fn commit(task: &mut Driver, from: i64, to: i64) {
    task.put(0, from..to).unwrap();
    task.until_committed(0, to).unwrap();
}

fn files(rig: &Rig, ending: &str) -> Vec<String> {
    let log = std::fs::read_dir(rig.table().join("_delta_log")).unwrap().flatten();
    let mut names: Vec<_> = log.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(ending));
    names.sort();
    names
}

/// What was done by each commit.
fn operations(rig: &Rig) -> Vec<String> {
    let first = |commit: &String| serde_json::from_str::<Value>(commit.lines().next().unwrap()).unwrap();
    let operation = |info: Value| info["commitInfo"]["operation"].as_str().unwrap_or_default().to_owned();
    rig.log().iter().map(first).map(operation).collect()
}

#[test]
fn a_table_that_is_written_gets_checkpoints_and_no_commit_for_them() {
    let rig = Rig::new();
    let mut task = rig.task(&rig.process(), &MERGES[4..]);
    task.open(&[0]).unwrap();
    let mut offset = 0;
    wait_for("the second checkpoint", || {
        commit(&mut task, offset, offset + 10);
        offset += 10;
        files(&rig, ".checkpoint.parquet").len() >= 2
    });
    wait_for("the checksum file", || !files(&rig, ".crc").is_empty());
    assert_eq!(files(&rig, "_last_checkpoint").len(), 1);
    let operations = operations(&rig);
    assert!(operations[1..].iter().all(|operation| operation == "STREAMING UPDATE"), "{operations:?}");
    let turns = rig.log().iter().filter(|commit| commit.contains("sluice-maintenance")).count();
    assert_eq!(turns, 1);
    assert!(rig.audit().is_clean(), "{:?}", rig.audit().findings);
    // I2: what a new task starts from comes out of the checkpoint.
    let mut next = rig.task(&rig.process(), &[]);
    next.open(&[0]).unwrap();
    assert_eq!(next.rewinds, [(0, offset)]);
}

/// I1, I3, I4.
#[test]
fn small_files_are_merged_while_rows_come_in() {
    let rig = Rig::new();
    let mut task = rig.task(&rig.process(), &MERGES);
    task.open(&[0]).unwrap();
    let mut offset = 0;
    wait_for("a merged file", || {
        commit(&mut task, offset, offset + 10);
        offset += 10;
        operations(&rig).iter().filter(|operation| *operation == "OPTIMIZE").count() >= 2
    });
    assert_eq!(rig.values(), (0..offset).collect::<Vec<_>>());
    let audit = rig.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    assert!(audit.other_app_ids.is_empty(), "{:?}", audit.other_app_ids);
}

/// A rewrite whose reply is lost is neither made twice nor taken for failed.
#[test]
fn a_merge_whose_reply_is_lost_is_found() {
    let rig = Rig::new();
    let mut task = rig.task(&rig.process(), &[&MERGES[..], &[("delta.compaction.min.files", "12")]].concat());
    task.open(&[0]).unwrap();
    (0..12).for_each(|unit| commit(&mut task, unit * 10, unit * 10 + 10));
    // No rows are on their way: the next claims are a turn's and a merge's.
    rig.faults.lock().unwrap().extend([Fault::ClaimLandsAndFails, Fault::ClaimLandsAndFails]);
    let merged = || operations(&rig).iter().filter(|operation| *operation == "OPTIMIZE").count();
    wait_for("a merged file", || merged() > 0);
    commit(&mut task, 120, 130);
    wait_for("both faults", || rig.faults.lock().unwrap().is_empty());
    assert_eq!(merged(), 1);
    assert_eq!(rig.values(), (0..130).collect::<Vec<_>>());
    assert!(rig.audit().is_clean(), "{:?}", rig.audit().findings);
}

/// I5: two workers with the same table, both of which would maintain it.
#[test]
fn of_two_workers_one_maintains_the_table() {
    let rig = Rig::new();
    let mut tasks = [0, 1].map(|id| {
        let mut task = rig.task(&rig.process(), &MERGES);
        task.open(&[id]).unwrap();
        task
    });
    let mut offset = 0;
    wait_for("merged files", || {
        for (id, task) in (0..).zip(&mut tasks) {
            task.put(id, offset..offset + 10).unwrap();
            task.until_committed(id, offset + 10).unwrap();
        }
        offset += 10;
        operations(&rig).iter().filter(|operation| *operation == "OPTIMIZE").count() >= 3
    });
    let turns: Vec<_> =
        rig.log().into_iter().filter(|commit| commit.contains("sluice-maintenance")).collect();
    assert_eq!(turns.len(), 1, "{turns:?}");
    assert_eq!(rig.values().len(), offset as usize * 2);
    assert!(rig.audit().is_clean(), "{:?}", rig.audit().findings);
}

#[test]
fn a_table_whose_maintenance_is_switched_off_is_left_alone() {
    let rig = Rig::new();
    let off = [&MERGES[..], &[("delta.maintenance.enabled", "false")]].concat();
    let mut task = rig.task(&rig.process(), &off);
    task.open(&[0]).unwrap();
    (0..12).for_each(|unit| commit(&mut task, unit * 10, unit * 10 + 10));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(files(&rig, ".checkpoint.parquet"), [""; 0]);
    assert!(operations(&rig)[1..].iter().all(|operation| operation == "STREAMING UPDATE"));
}
