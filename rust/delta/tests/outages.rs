//! Stores that are away for a while: the task goes on by itself, every row is in the table once (I1), the intervals join (I4),
//! no call waits for the store, and the log says once what is wrong.
#![allow(clippy::disallowed_methods, reason = "in the real world")]
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::outage::{EVERYTHING, Part};
use common::{Driver, Rig, value};
use sluice_core::Code;
use sluice_core::metrics::{TABLE_RETRIES, UNITS_FENCED};

const OUTAGE: Duration = Duration::from_secs(1);
/// The last wait before the end can be as long as the outage; then comes the commit.
const SOON: Duration = Duration::from_secs(4);
const SHORT: [(&str, &str); 1] = [("delta.store.retry.timeout.ms", "400")];

/// The rows of partition 0 below `to`, once; what the log was told is one outage, begun and ended.
fn is_whole(rig: &Rig, to: i64) {
    holds(rig, 0..to);
    let told = rig.told();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("WARN the store of table ") && told[0].contains("is away"), "{told:#?}");
    assert!(told[1].starts_with("INFO ") && told[1].contains("works again after "), "{told:#?}");
}

fn holds(rig: &Rig, rows: impl Iterator<Item = i64>) {
    assert_eq!(rig.values(), rows.collect::<Vec<_>>());
    let audit = rig.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    assert!(rig.outages.failed.load(Ordering::Relaxed) > 0, "the store never failed");
}

/// A task with ten rows in the table.
fn begun(rig: &Rig, extra: &[(&str, &str)]) -> Driver {
    let mut task = rig.task(&rig.process(), extra);
    task.open(&[0]).unwrap();
    task.deliver_until(0, 10).unwrap();
    task
}

#[test]
fn a_store_that_is_away_when_the_task_starts() {
    let rig = Rig::new();
    rig.outages.begin(&EVERYTHING, OUTAGE);
    let mut task = rig.task(&rig.process(), &[]);
    task.open(&[0]).unwrap();
    task.deliver_until(0, 30).unwrap();
    is_whole(&rig, 30);
}

/// What is to be read in the log of a worker whose store is away for an hour, whatever of it fails.
#[test]
fn an_hour_without_the_store_is_a_dozen_lines() {
    const TIMES: u32 = 1_000;
    for parts in [&EVERYTHING[..], &[Part::Claim]] {
        let rig = Rig { times: TIMES, ..Rig::new() };
        let process = rig.process();
        let mut task = rig.task(&process, &[("delta.store.retry.timeout.ms", "7200000")]);
        task.open(&[0]).unwrap();
        task.deliver_until(0, 10).unwrap();
        let before = rig.said().len();
        rig.outages.begin(parts, Duration::from_secs(3_600) / TIMES);
        task.deliver_until(0, 100).unwrap();
        let said = rig.said().split_off(before);
        let committed = said.iter().filter(|line| line.starts_with("INFO committed version")).count();
        let others: Vec<_> = said.iter().filter(|line| !line.contains("committed version")).collect();
        assert!((4..=12).contains(&others.len()) && committed <= 10, "{said:#?}");
        let (first, last) = (others[0], others[others.len() - 1]);
        assert!(first.starts_with("WARN the store of table ") && first.contains("is away ("), "{first}");
        assert!(first.contains(" fails; it is tried again for 2.0 h: "), "{first}");
        assert!(
            last.starts_with("INFO the store of table ") && last.contains(" works again after "),
            "{last}"
        );
        let between = &others[1..others.len() - 1];
        let reminds =
            |line: &&&String| line.contains(" has failed for ") && line.contains(" min; it is tried for ");
        assert!(between.iter().all(|line| reminds(&line)), "{said:#?}");
        let retries = process.samples().total(&TABLE_RETRIES);
        assert!(retries > 3 * others.len() as i64, "{retries} tries");
    }
}

#[test]
fn any_part_of_a_store_that_goes_away_in_mid_stream() {
    for parts in [&EVERYTHING[..], &[Part::Claim], &[Part::Read], &[Part::Create], &[Part::Finish]] {
        let rig = Rig::new();
        let mut task = begun(&rig, &[]);
        let rewinds = task.rewinds.len();
        rig.outages.begin(parts, OUTAGE);
        let before = Instant::now();
        // A reader is needed by whoever lost a race.
        if parts == [Part::Read] {
            rig.faults.lock().unwrap().push_back(common::Fault::ClaimFails);
        }
        task.deliver_until(0, 100).unwrap();
        assert!(before.elapsed() < OUTAGE + SOON, "{parts:?}: {:?}", before.elapsed());
        is_whole(&rig, 100);
        let failed = rig.outages.failed.load(Ordering::Relaxed);
        assert!(failed < 30, "{parts:?}: {failed} calls in a second");
        let reads_again = parts.contains(&Part::Create) || parts.contains(&Part::Finish);
        assert_eq!(task.rewinds.len() > rewinds, reads_again, "{parts:?}");
        let files = rig
            .log()
            .iter()
            .flat_map(|commit| commit.lines())
            .filter(|line| line.contains("\"add\""))
            .count();
        assert_eq!(rig.data_files(), files, "{parts:?}: nothing is left of dropped units");
    }
}

/// Whether the commit landed is only known when the log can be read again. Nothing is read from Kafka again either way.
#[test]
fn an_outage_that_hides_what_became_of_a_commit() {
    for claim in [Part::ClaimReply, Part::Claim] {
        let rig = Rig::new();
        let mut task = begun(&rig, &[]);
        let rewinds = task.rewinds.len();
        let version = rig.log().len();
        rig.outages.begin(&[claim, Part::Read], OUTAGE);
        task.put(0, 10..20).unwrap();
        task.until_committed(0, 20).unwrap();
        is_whole(&rig, 20);
        assert_eq!(rig.log().len(), version + 1, "{claim:?}");
        assert_eq!((task.rewinds.len(), task.total(&UNITS_FENCED)), (rewinds, 0), "{claim:?}");
    }
}

/// A load in between would read the log past a commit that may be ours.
#[test]
fn a_table_is_not_loaded_while_it_is_unknown_what_became_of_a_commit() {
    let rig = Rig::new();
    let process = rig.process();
    let mut first = rig.task(&process, &[]);
    first.open(&[0]).unwrap();
    first.deliver_until(0, 10).unwrap();
    rig.outages.begin(&[Part::ClaimReply, Part::Read], OUTAGE);
    first.put(0, 10..20).unwrap();
    while rig.told().is_empty() {
        first.tick().unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut second = rig.task(&process, &[]);
    second.open(&[1]).unwrap();
    second.put(1, 0..5).unwrap();
    second.until_committed(1, 5).unwrap();
    first.until_committed(0, 20).unwrap();
    assert_eq!(first.total(&UNITS_FENCED), 0);
    holds(&rig, (0..20).chain((0..5).map(|offset| value(1, offset))));
}

#[test]
fn an_outage_that_outlasts_the_patience_fails_the_task_and_loses_nothing() {
    for parts in [&EVERYTHING[..], &[Part::Claim], &[Part::Finish], &[Part::ClaimReply, Part::Read]] {
        let rig = Rig::new();
        let mut task = begun(&rig, &SHORT);
        rig.outages.begin(parts, Duration::from_secs(60));
        let before = Instant::now();
        let error = task.deliver_until(0, 50).unwrap_err();
        assert!(before.elapsed() > Duration::from_millis(400), "{parts:?}: {:?}", before.elapsed());
        assert_eq!(error.code, Code::StoreIo);
        assert!(error.message.contains("is away") && error.message.contains("it was tried "), "{error}");
        assert!(error.message.contains("delta.store.retry.timeout.ms"), "{error}");
        assert_eq!(rig.told().len(), 1, "{parts:?}: {:#?}", rig.told());
        rig.outages.end();
        let mut again = rig.task(&rig.process(), &[]);
        again.open(&[0]).unwrap();
        again.deliver_until(0, 50).unwrap();
        holds(&rig, 0..50);
    }
}

#[test]
fn without_patience_the_first_failure_fails_the_task() {
    let rig = Rig::new();
    let mut task = begun(&rig, &[("delta.store.retry.timeout.ms", "0")]);
    rig.outages.begin(&[Part::Claim], Duration::from_secs(60));
    task.put(0, 10..20).unwrap();
    let error = task.until_failed();
    assert_eq!((error.code, error.message.as_str()), (Code::StoreIo, "the store is away (Claim)"));
    assert_eq!((rig.outages.failed.load(Ordering::Relaxed), rig.told()), (1, vec![]));
}

#[test]
fn tasks_whose_units_share_a_commit_come_through_together() {
    for parts in [&EVERYTHING[..], &[Part::Claim], &[Part::ClaimReply, Part::Read]] {
        let rig = Rig::new();
        let process = rig.process();
        let mut tasks: Vec<_> =
            (0..2).map(|_| rig.task(&process, &[("delta.commit.interval.ms", "400")])).collect();
        for (id, task) in tasks.iter_mut().enumerate() {
            task.open(&[id as i32]).unwrap();
            task.put(id as i32, 0..10).unwrap();
        }
        rig.outages.begin(parts, OUTAGE);
        for (id, task) in tasks.iter_mut().enumerate() {
            task.deliver_until(id as i32, 40).unwrap();
        }
        holds(&rig, (0..40).chain((0..40).map(|offset| value(1, offset))));
        let told = rig.told();
        assert_eq!(told.len(), 2, "{parts:?}: {told:#?}");
    }
}

/// One of two units that share a commit is given up; the commit of the other goes on, and may hold both.
#[test]
fn a_task_without_patience_does_not_take_the_others_with_it() {
    for claim in [Part::Claim, Part::ClaimReply] {
        let rig = Rig::new();
        let process = rig.process();
        let mut tasks: Vec<_> = ["300", "3600000"]
            .iter()
            .map(|patience| {
                let settings =
                    [("delta.commit.interval.ms", "400"), ("delta.store.retry.timeout.ms", patience)];
                rig.task(&process, &settings)
            })
            .collect();
        for (id, task) in tasks.iter_mut().enumerate() {
            task.open(&[id as i32]).unwrap();
            task.put(id as i32, 0..10).unwrap();
        }
        rig.outages.begin(&[claim, Part::Read], OUTAGE);
        assert_eq!(tasks[0].until_failed().code, Code::StoreIo);
        tasks[1].deliver_until(1, 20).unwrap();
        let mut again = rig.task(&process, &[]);
        again.open(&[0]).unwrap();
        again.deliver_until(0, 20).unwrap();
        holds(&rig, (0..20).chain((0..20).map(|offset| value(1, offset))));
    }
}

/// A zombie of the same process: its unit waits behind the owner's for the same partition, and is fenced by it.
#[test]
fn a_second_unit_for_a_partition_does_not_overtake_the_first() {
    for claim in [Part::Claim, Part::ClaimReply] {
        let rig = Rig::new();
        let process = rig.process();
        let mut tasks: Vec<_> = (0..2).map(|_| rig.task(&process, &[])).collect();
        for task in &mut tasks {
            task.open(&[0]).unwrap();
        }
        rig.outages.begin(&[claim, Part::Read], OUTAGE);
        tasks[0].put(0, 0..10).unwrap();
        while rig.told().is_empty() {
            tasks[0].tick().unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        tasks[1].put(0, 0..20).unwrap();
        tasks[1].task.drain(0, &[0]).unwrap();
        tasks[0].until_committed(0, 10).unwrap();
        tasks[1].deliver_until(0, 30).unwrap();
        assert_eq!((tasks[0].total(&UNITS_FENCED), tasks[1].total(&UNITS_FENCED)), (0, 1));
        is_whole(&rig, 30);
    }
}

/// What a task that stops has under way is its next owner's.
#[test]
fn a_task_that_stops_in_an_outage_leaves_its_rows_to_the_next_owner() {
    for same_process in [true, false] {
        let rig = Rig::new();
        let process = rig.process();
        let mut task = rig.task(&process, &[]);
        task.open(&[0]).unwrap();
        task.deliver_until(0, 10).unwrap();
        rig.outages.begin(&[Part::ClaimReply, Part::Read], OUTAGE);
        task.put(0, 10..20).unwrap();
        while rig.told().is_empty() {
            task.tick().unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        task.task.close(&[0]);
        drop(task);
        let mut next = rig.task(&if same_process { process } else { rig.process() }, &[]);
        next.open(&[0]).unwrap();
        next.deliver_until(0, 30).unwrap();
        holds(&rig, 0..30);
    }
}
