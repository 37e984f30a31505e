//! Workers that die, and what they leave.

mod table;
pub mod worker;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};

use sluice_delta::audit::audit;
use sluice_delta::fail_point::FailPoint;
use tempfile::TempDir;

use crate::common::value;
use crate::servers::{Place, runtime};
use table::Seen;
use worker::{DELIVERED_AT_ONCE, Job, PARTITIONS, RECORDS, STARTED, TRACE, number};

/// Names the folder of a worker's job.
pub const JOB_FOLDER: &str = "SLUICE_TEST_JOB_FOLDER";
/// The test that is the worker.
pub const WORKER: &str = "worker_process";

const SIGABRT: i32 = 6;

/// After these a commit is decided: until then it is not in the table, from then on it is.
const DECIDING: [FailPoint; 3] = [FailPoint::LinkDone, FailPoint::PutDone, FailPoint::EntryWritten];

/// How many commits these steps decide.
pub fn decided_by(trace: &[FailPoint]) -> usize {
    trace.iter().filter(|point| DECIDING.contains(point)).count()
}

/// A point, and which passing of it: the first is 1.
pub type Passing = (FailPoint, usize);

pub fn passings(trace: &[FailPoint]) -> Vec<Passing> {
    let times = |at: usize| trace[..=at].iter().filter(|point| **point == trace[at]).count();
    trace.iter().enumerate().map(|(at, point)| (*point, times(at))).collect()
}

/// One table, and the workers on it, one after the other.
pub struct Case {
    place: Place,
    folder: TempDir,
    large: bool,
    /// Of all workers so far.
    decided: usize,
}

impl Case {
    pub fn new(place: Place) -> Case {
        let large = place.name == "conditional put";
        Case { place, folder: tempfile::tempdir().unwrap(), large, decided: 0 }
    }

    /// A worker that lives until all is done, or dies where it is told to. What it passed.
    pub fn run(&mut self, dies: Option<Passing>) -> Vec<FailPoint> {
        let before = self.seen();
        let trace = self.process(None, dies);
        self.check_start(&before);
        self.check();
        trace
    }

    /// A process that alters the offset of the first partition, until it is done or dies. What it passed.
    pub fn alter(&mut self, to: i64, dies: Option<Passing>) -> Vec<FailPoint> {
        let trace = self.process(Some(to), dies);
        assert_eq!(self.seen().commits.len(), self.decided);
        trace
    }

    /// What the table holds of the first partition.
    pub fn held(&self) -> Option<i64> {
        self.seen().held(PARTITIONS[0])
    }

    fn process(&mut self, alters: Option<i64>, dies: Option<Passing>) -> Vec<FailPoint> {
        let settings = [
            ("name", "k"),
            ("topics", "t"),
            ("delta.table.auto.create", "true"),
            ("delta.schema.evolution", "add"),
            ("delta.commit.interval.ms", "100"),
            ("delta.commit.max.records", "10"),
            ("delta.parquet.compression", "none"),
            ("delta.store.upload.part.bytes", "5242880"),
            // What it reads under the DynamoDB lock finishes commits, now and then.
            ("delta.maintenance.enabled", "false"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let settings = settings.into_iter().chain(self.place.connector()).collect();
        Job { settings, large: self.large, alters, dies }.write(self.path());
        for file in [TRACE, STARTED] {
            let _ = fs::remove_file(self.path().join(file));
        }
        let (status, said) = self.spawn();
        let trace = self.trace();
        match dies {
            Some(passing) => {
                assert_eq!(status.signal(), Some(SIGABRT), "{passing:?} of {trace:?}: {status}, {said}");
                assert_eq!(passings(&trace).last(), Some(&passing), "it died elsewhere");
            }
            None => assert!(status.success(), "{status}, after {trace:?}: {said}"),
        }
        self.decided += decided_by(&trace);
        trace
    }

    fn spawn(&self) -> (ExitStatus, String) {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", WORKER, "--nocapture", "--test-threads=1"])
            .env(JOB_FOLDER, self.path())
            .output()
            .unwrap();
        (output.status, String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn trace(&self) -> Vec<FailPoint> {
        let text = fs::read_to_string(self.path().join(TRACE)).unwrap_or_default();
        let point = |name: &str| *FailPoint::ALL.iter().find(|point| point.name() == name).unwrap();
        text.lines().map(point).collect()
    }

    fn seen(&self) -> Seen {
        Seen::look(&self.place)
    }

    /// A worker starts where the table stood, whatever Connect's consumer group says.
    fn check_start(&self, before: &Seen) {
        // It may have died before it knew.
        let Ok(started) = fs::read_to_string(self.path().join(STARTED)) else { return };
        let started: Vec<_> = started.trim().split(' ').map(number).collect();
        assert_eq!(started, PARTITIONS.map(|id| before.held(id).unwrap_or(0)), "the table wins");
    }

    /// What holds at any time: no worker is running, and nothing was repaired yet.
    fn check(&self) {
        let seen = self.seen();
        assert_eq!(seen.commits.len(), self.decided, "commits are in the table from the deciding step on");
        let group = worker::group(self.path());
        let mut rows = Vec::new();
        for id in PARTITIONS {
            let held = seen.held(id).unwrap_or(0);
            assert!(*group.get(&id).unwrap_or(&0) <= held, "I2: {group:?}, the table holds {held}");
            assert_eq!(held % DELIVERED_AT_ONCE, 0);
            rows.extend((0..held).map(|offset| value(id, offset)));
        }
        assert_eq!(seen.rows(), rows, "I1: what is below the table's offsets, once; I3: in whole files");
    }

    /// After the last worker: everything once, nothing done twice, and the table's own history says so.
    pub fn check_end(&self, commits: usize) {
        let seen = self.seen();
        assert!(PARTITIONS.iter().all(|id| seen.held(*id) == Some(RECORDS)));
        assert_eq!(
            seen.commits.len(),
            commits,
            "one that made the table, one that changed its columns, three of rows"
        );
        assert_eq!(self.audited_rows(), RECORDS * PARTITIONS.len() as i64);
    }

    /// A user's alteration is one commit, however often it was asked for, and no finding of the audit.
    pub fn check_altered(&self, commits: usize) {
        assert_eq!(self.seen().commits.len(), commits);
        self.audited_rows();
    }

    /// The rows of all intervals of a table with a clean history.
    fn audited_rows(&self) -> i64 {
        let audit = audit(&*self.place.direct(), runtime().handle()).unwrap();
        assert!(audit.is_clean(), "I3, I4: {:?}", audit.findings);
        audit.rows
    }
}

/// Runs cases beside one another: much of their time they wait.
pub fn each<T: Sync>(cases: &[T], run: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(case);
                }
            });
        }
    });
}
