//! Crash tests: a worker process dies at a fail point, another one goes on. I1 to I4 as in `docs/exactly-once.md`, what each
//! point leaves as in `docs/fail-points.md`.
#![allow(clippy::disallowed_methods, reason = "in the real world")]
#![allow(clippy::unwrap_used)]

mod common;
mod crash;
mod servers;

use std::collections::BTreeSet;
use std::path::Path;

use crash::worker::RECORDS;
use crash::{Case, JOB_FOLDER, Passing, decided_by, each, passings};
use servers::Place;
use sluice_delta::fail_point::FailPoint;

/// Version 0, a change of columns, and three commits of rows.
const COMMITS: usize = 5;

#[test]
#[ignore = "not a test: the process that dies, started by the tests"]
fn worker_process() {
    if let Some(folder) = std::env::var_os(JOB_FOLDER) {
        crash::worker::run(Path::new(&folder));
    }
}

/// What a worker passes that nothing happens to.
fn undisturbed(place: Place) -> Vec<FailPoint> {
    let mut case = Case::new(place);
    let trace = case.run(None);
    case.check_end(COMMITS);
    trace
}

/// A crash at every passing of every point.
fn crash_anywhere(place: fn() -> Place) {
    let trace = undisturbed(place());
    let passings = passings(&trace);
    each(&passings, |passing| {
        let mut case = Case::new(place());
        let until_then = case.run(Some(*passing));
        assert!(trace.starts_with(&until_then), "{passing:?}: {until_then:?}");
        case.run(None);
        case.check_end(COMMITS);
    });
    eprintln!("{} crashes on {}", passings.len(), place().name);
}

#[test]
fn a_crash_anywhere_on_a_local_file_system() {
    crash_anywhere(Place::local);
}

#[test]
fn a_crash_anywhere_with_conditional_put() {
    crash_anywhere(Place::conditional_put);
}

#[test]
fn a_crash_anywhere_under_the_dynamodb_lock() {
    crash_anywhere(Place::dynamodb);
}

/// A crash while a commit of rows is under way, and then another one at every point of what the next worker does about it.
fn crash_while_recovering(place: fn() -> Place, first: impl Fn(&[FailPoint]) -> Vec<Passing>) {
    let firsts = first(&undisturbed(place()));
    let pairs = std::sync::Mutex::new(Vec::new());
    each(&firsts, |first| {
        let mut case = Case::new(place());
        case.run(Some(*first));
        let recovery = case.run(None);
        case.check_end(COMMITS);
        let recovered = recovery.iter().position(|point| *point == FailPoint::OffsetsReady).unwrap();
        let seconds = passings(&recovery[..=recovered]);
        pairs.lock().unwrap().extend(seconds.into_iter().map(|second| (*first, second)));
    });
    let pairs = pairs.into_inner().unwrap();
    each(&pairs, |(first, second)| {
        let mut case = Case::new(place());
        case.run(Some(*first));
        case.run(Some(*second));
        case.run(None);
        case.check_end(COMMITS);
    });
    eprintln!("{} pairs of crashes on {}", pairs.len(), place().name);
}

/// Altering is done once or not at all, and asking again does what is left of it.
fn crash_while_altering(place: fn() -> Place) {
    const TO: i64 = 7;
    let settled = || {
        let mut case = Case::new(place());
        case.run(None);
        case
    };
    let trace = settled().alter(TO, None);
    assert!(trace.ends_with(&[FailPoint::CommitLanded]), "{trace:?}");
    each(&passings(&trace), |passing| {
        let mut case = settled();
        let until_then = case.alter(TO, Some(*passing));
        let expected = if decided_by(&until_then) > 0 { TO } else { RECORDS };
        assert_eq!(case.held(), Some(expected), "{passing:?}");
        case.alter(TO, None);
        assert_eq!(case.held(), Some(TO), "{passing:?}");
        case.check_altered(COMMITS + 1);
    });
    eprintln!("{} crashes while altering on {}", trace.len(), place().name);
}

#[test]
fn a_crash_while_offsets_are_altered() {
    [Place::local, Place::conditional_put, Place::dynamodb].into_iter().for_each(crash_while_altering);
}

/// From one return of offsets to the next: the `n`-th batch of records, the first is 0.
fn while_batch(n: usize) -> impl Fn(&[FailPoint]) -> Vec<Passing> {
    move |trace| {
        let batches: Vec<_> = trace.split_inclusive(|point| *point == FailPoint::OffsetsReady).collect();
        let before = batches[..n].iter().map(|batch| batch.len()).sum();
        passings(trace)[before..][..batches[n].len()].to_vec()
    }
}

#[test]
fn a_crash_while_recovering_from_one_on_a_local_file_system() {
    crash_while_recovering(Place::local, while_batch(1));
}

#[test]
fn a_crash_while_recovering_from_one_under_the_dynamodb_lock() {
    crash_while_recovering(Place::dynamodb, while_batch(2));
}

#[test]
fn every_point_is_passed_somewhere_and_documented() {
    let places = [Place::local, Place::conditional_put, Place::dynamodb];
    let passed: BTreeSet<_> = places.into_iter().flat_map(|place| undisturbed(place())).collect();
    assert!(passed.iter().eq(FailPoint::ALL), "{passed:?}");
    let document = include_str!("../../../docs/fail-points.md");
    let documented: Vec<_> =
        document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(documented, FailPoint::ALL.iter().map(|point| point.name()).collect::<Vec<_>>());
}
