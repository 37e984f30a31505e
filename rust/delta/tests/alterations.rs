//! Offsets that a user alters, in real tables: forward, back, reset, while tasks run and while replies are lost.
#![allow(clippy::disallowed_methods, reason = "in the real world")]
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::outage::Part;
use common::{Driver, Fault, Rig};
use sluice_core::alter::TableAlterations;
use sluice_core::offsets::{Alteration, TopicPartition};
use sluice_core::{Code, Result};
use sluice_delta::Hub;

fn alter_all(rig: &Rig, process: &Arc<Hub>, what: TableAlterations) -> Result<()> {
    let tables = BTreeMap::from([(rig.store_uri().to_string(), what)]);
    process.alter(&rig.settings(&[]), tables)
}

fn alter(rig: &Rig, process: &Arc<Hub>, these: &[(i32, Option<i64>)]) -> Result<()> {
    let alteration = |(id, to): &(i32, _)| Alteration { partition: TopicPartition::new("t", *id), to: *to };
    alter_all(rig, process, TableAlterations::These(these.iter().map(alteration).collect()))
}

/// A task that has brought the first ten records of its partitions into the table.
fn task_at_ten(rig: &Rig, ids: &[i32]) -> Driver {
    let mut task = rig.task(&rig.process(), &[]);
    task.open(ids).unwrap();
    for id in ids {
        task.put(*id, 0..10).unwrap();
        task.until_committed(*id, 10).unwrap();
    }
    task
}

#[test]
fn the_next_task_starts_where_the_alteration_says() {
    for (to, rewinds, then, values) in [
        (Some(30), vec![(0, 30)], 30..35, (0..10).chain(30..35).collect::<Vec<_>>()),
        (Some(5), vec![(0, 5)], 5..12, (0..10).chain(5..12).collect()),
        (None, vec![], 2..4, (0..10).chain(2..4).collect()),
    ] {
        let rig = Rig::new();
        drop(task_at_ten(&rig, &[0]));
        let process = rig.process();
        alter(&rig, &process, &[(0, to)]).unwrap();
        let commit = rig.log().pop().unwrap();
        assert!(commit.contains(r#""operation":"ALTER OFFSETS""#), "{commit}");
        let to_offset = to.map_or(String::new(), |to| format!(r#","toOffset":{to}"#));
        let told = format!(
            r#""alterations":[{{"connector":"k","topic":"t","partition":0,"fromOffset":10{to_offset}}}]"#
        );
        assert!(commit.contains(&told), "{commit}");

        let mut next = rig.task(&rig.process(), &[]);
        next.open(&[0]).unwrap();
        assert_eq!(next.rewinds, rewinds);
        next.put(0, then.clone()).unwrap();
        next.until_committed(0, then.end).unwrap();
        let mut values = values;
        values.sort_unstable();
        assert_eq!(rig.values(), values);
        let audit = rig.audit();
        assert!(audit.is_clean(), "{:?}", audit.findings);
    }
}

/// Connect asks again when it could not alter the group.
#[test]
fn asked_again_it_changes_nothing_more() {
    let rig = Rig::new();
    drop(task_at_ten(&rig, &[0, 1]));
    let process = rig.process();
    alter(&rig, &process, &[(0, Some(10)), (1, Some(10))]).unwrap();
    let before = rig.log().len();
    for _ in 0..3 {
        alter(&rig, &process, &[(0, Some(3)), (1, None), (7, None)]).unwrap();
    }
    assert_eq!(rig.log().len(), before + 1, "one commit for all partitions, and none to change nothing");
}

#[test]
fn where_there_is_no_table_there_is_nothing_to_do() {
    let rig = Rig::new();
    alter(&rig, &rig.process(), &[(0, Some(3))]).unwrap();
    assert!(!rig.table().exists());
}

#[test]
fn a_reset_of_everything_leaves_other_connectors_alone() {
    let rig = Rig::new();
    drop(task_at_ten(&rig, &[0, 1]));
    let mut other = rig.task(&rig.process(), &[("name", "k2"), ("delta.offsets.other.connectors", "ignore")]);
    other.open(&[0]).unwrap();
    other.put(0, 0..3).unwrap();
    other.until_committed(0, 3).unwrap();
    alter_all(&rig, &rig.process(), TableAlterations::ResetAll).unwrap();
    let commit = rig.log().pop().unwrap();
    for (app_id, there) in [("sluice/k/t/0", true), ("sluice/k/t/1", true), ("sluice/k2/t/0", false)] {
        let txn = format!(r#""appId":"{app_id}","version":-1"#);
        assert_eq!(commit.contains(&txn), there, "{commit}");
    }
}

/// Simulation, seed 31600: it had passed rows of the table that was altered first, and the user was told that both are.
#[test]
fn a_table_that_a_task_moves_on_while_another_is_altered_is_altered_again() {
    let (first, second) = (Rig::new(), Rig::new());
    for rig in [&first, &second] {
        drop(task_at_ten(rig, &[0]));
    }
    second.outages.begin(&[Part::Claim], Duration::from_secs(30));
    let three = || vec![Alteration { partition: TopicPartition::new("t", 0), to: Some(3) }];
    let tables = [&first, &second].map(|rig| (rig.store_uri().to_string(), TableAlterations::These(three())));
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            first.process_with(&[&second]).alter(&first.settings(&[]), BTreeMap::from(tables)).unwrap();
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        while !first.log().pop().unwrap().contains("alterations") {
            assert!(Instant::now() < deadline, "the first table is not altered");
            std::thread::sleep(Duration::from_millis(2));
        }
        let mut running = first.task(&first.process(), &[]);
        running.open(&[0]).unwrap();
        running.put(0, 3..8).unwrap();
        running.until_committed(0, 8).unwrap();
        second.outages.end();
        asked.join().unwrap();
    });
    for rig in [&first, &second] {
        let mut next = rig.task(&rig.process(), &[]);
        next.open(&[0]).unwrap();
        assert_eq!(next.rewinds, [(0, 3)]);
    }
}

/// What was read before an alteration is fenced by it, whatever the table held.
#[test]
fn a_task_that_still_runs_is_fenced() {
    let rig = Rig::new();
    let mut zombie = task_at_ten(&rig, &[0]);
    zombie.put(0, 10..15).unwrap();
    alter(&rig, &rig.process(), &[(0, Some(40))]).unwrap();
    assert_eq!(zombie.until_rewound(), Ok((0, 40)));
    assert_eq!(rig.values(), (0..10).collect::<Vec<_>>());

    zombie.put(0, 40..45).unwrap();
    alter(&rig, &rig.process(), &[(0, None)]).unwrap();
    assert_eq!(zombie.until_failed().code, Code::OffsetsReset);
    assert_eq!(rig.values(), (0..10).collect::<Vec<_>>());

    // Nor does it bring in what it read while the table held no offset at all.
    let mut zombie = rig.task(&rig.process(), &[]);
    zombie.open(&[1]).unwrap();
    zombie.put(1, 7..9).unwrap();
    alter(&rig, &rig.process(), &[(1, None)]).unwrap();
    assert_eq!(zombie.until_failed().code, Code::OffsetsReset);
    assert_eq!(rig.values(), (0..10).collect::<Vec<_>>());
}

#[test]
fn lost_replies_and_other_writers_do_not_matter() {
    for fault in [Fault::ClaimLandsAndFails, Fault::ClaimLandsAndLooksTaken, Fault::ClaimFails] {
        let rig = Rig::new();
        let mut writer = task_at_ten(&rig, &[5]);
        drop(task_at_ten(&rig, &[0]));
        let process = rig.process();
        for (at, to) in [3, 50].into_iter().enumerate() {
            let at = at as i64;
            rig.faults.lock().unwrap().push_back(fault);
            writer.put(5, 10 + at * 5..15 + at * 5).unwrap();
            alter(&rig, &process, &[(0, Some(to))]).unwrap();
            writer.until_committed(5, 15 + at * 5).unwrap();
        }
        let mut next = rig.task(&rig.process(), &[]);
        next.open(&[0]).unwrap();
        assert_eq!(next.rewinds, [(0, 50)], "{fault:?}");
        let altered = rig.log().iter().filter(|commit| commit.contains("alterations")).count();
        assert_eq!(altered, 2, "{fault:?}");
        assert!(rig.audit().is_clean());
    }
}
