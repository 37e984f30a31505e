//! What rows hold in memory stays within the budget of the process, whatever the store does; nothing fails and nothing is lost (I1).
#![allow(clippy::disallowed_methods, reason = "in the real world")]
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::outage::Part;
use common::{Driver, Rig, value};
use sluice_core::Code;
use sluice_delta::budget::Budget;

const BUDGET: usize = 16 << 20;
const TASKS: i32 = 6;
const ROWS: i64 = 300;
const BATCH: i64 = 10;
const TEXT: usize = 100 << 10;

/// One tick, and a batch where the task takes one. Whether all of the partition is in the table.
fn turn(task: &mut Driver, id: i32) -> bool {
    let paused = task.tick().unwrap().pause;
    let from = task.consumed(id);
    let text = "x".repeat(TEXT);
    let texts: Vec<_> = (from..ROWS.min(from + BATCH))
        .map(|offset| (offset, format!(r#"{{"v":{0},"w":"{0} {text}"}}"#, value(id, offset))))
        .collect();
    if !paused && !texts.is_empty() {
        let rows: Vec<_> = texts.iter().map(|(offset, text)| (id, *offset, text.as_str())).collect();
        match task.put_json(&rows) {
            Err(error) if error.code == Code::Busy => {}
            bad => assert_eq!(bad.unwrap(), []),
        }
    }
    task.committed(id) == Some(ROWS)
}

#[test]
fn tasks_hold_no_more_than_the_budget_also_while_commits_fail() {
    let mut rig = Rig::new();
    rig.budget = Budget::new(BUDGET);
    let process = rig.process();
    // So that only memory makes them commit before the end.
    let interval = [("delta.commit.interval.ms", "6000"), ("delta.parquet.compression", "none")];
    let mut tasks: Vec<_> = (0..TASKS).map(|id| (id, rig.task(&process, &interval))).collect();
    for (id, task) in &mut tasks {
        task.open(&[*id]).unwrap();
        task.seek(*id, 0);
    }
    rig.outages.begin(&[Part::Claim], Duration::from_secs(3));
    let (mut most, mut stalled) = (0, 0);
    let start = Instant::now();
    let mut left = tasks.len();
    while left > 0 {
        assert!(start.elapsed() < Duration::from_secs(90), "no progress: {} bytes held", rig.budget.held());
        left = tasks.len();
        for (id, task) in &mut tasks {
            left -= usize::from(turn(task, *id));
            most = most.max(rig.budget.held());
        }
        if start.elapsed() < Duration::from_secs(3) {
            stalled = stalled.max(rig.budget.held());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(stalled > BUDGET / 2, "the store's failure was never felt: {stalled} bytes");
    // A batch is taken as long as anything is left, and then held twice: as rows and encoded.
    let batch = BATCH as usize * TEXT;
    // Of each open file: the least and the largest text, and what the buffer of its page has to spare.
    let beside = TASKS as usize * (2 * TEXT + (256 << 10));
    assert!(most < BUDGET + 3 * batch + beside, "{most} bytes were held");
    let all: Vec<_> = (0..TASKS).flat_map(|id| (0..ROWS).map(move |offset| value(id, offset))).collect();
    assert_eq!(rig.values(), all);
    let audit = rig.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);

    drop(tasks);
    let end = Instant::now() + Duration::from_secs(10);
    while rig.budget.held() > 0 {
        assert!(Instant::now() < end, "{} bytes are held by nobody", rig.budget.held());
        std::thread::sleep(Duration::from_millis(2));
    }
}
