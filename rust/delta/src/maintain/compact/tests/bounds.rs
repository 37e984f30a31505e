//! What merging takes, and how it ends when it does not end well.

use std::num::NonZeroU64;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sluice_core::schema::DataType;

use super::*;
use crate::readback::{Random, field, id, ids};
use crate::world::{Driven, World};

/// Sleeping takes no time, and all the time there is.
#[derive(Debug)]
struct Virtual {
    inner: Arc<dyn World>,
    begun: Instant,
    slept: Mutex<Duration>,
}

impl Virtual {
    fn of(table: &Table) -> Arc<Virtual> {
        let inner = table.rig.world.clone();
        Arc::new(Virtual { begun: inner.now(), inner, slept: Mutex::default() })
    }

    fn slept(&self) -> Duration {
        *self.slept.lock().unwrap()
    }
}

impl World for Virtual {
    fn now(&self) -> Instant {
        self.begun + self.slept()
    }

    fn epoch_millis(&self) -> i64 {
        self.inner.epoch_millis()
    }

    fn random(&self) -> u128 {
        self.inner.random()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        *self.slept.lock().unwrap() += time;
        Box::pin(std::future::ready(()))
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.inner.spawn(future);
    }

    fn run(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        self.inner.run(work)
    }

    fn drive(&self, future: Driven<'_>) {
        self.inner.drive(future);
    }
}

/// Stops after so many files.
struct StopAfter(AtomicU64);

impl Progress for StopAfter {
    fn advance(&self, by: u64) {
        self.0.fetch_sub(by, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

fn table(files: usize) -> Table {
    let table =
        Table::new(vec![id(), field("p", DataType::Boolean), field("s", DataType::String)], &["p"], &[]);
    let mut random = Random::new(16);
    for n in 0..files {
        let batch = random.batch(&table.rig, n * 200, 200);
        table.rig.write(&[batch]);
    }
    table
}

#[test]
fn no_more_is_read_in_a_second_than_is_allowed() {
    let table = table(6);
    let world = Virtual::of(&table);
    let bytes: u64 = table.files().iter().map(|file| file.size).sum();
    let mut maintainer = table.maintainer();
    let settings = Compaction { bytes_per_second: NonZeroU64::new(1000), ..eager() };
    let maintained = Maintained::new(table.rig.store.clone(), world.clone());
    let commit = &mut |rewrite| maintainer.commit(rewrite);
    let done = compact(&maintained, &settings, Compression::Snappy, None, commit, &Quiet).unwrap();
    assert_eq!(done.removed_bytes, bytes);
    let (least, took) = (Duration::from_millis(bytes), world.slept());
    assert!(took <= least && took > least - Duration::from_secs(1), "{took:?} of {least:?}");
}

/// What was merged before is committed.
#[test]
fn nothing_is_left_where_it_was_stopped() {
    for after in 1.. {
        let table = table(6);
        let (files, rows) = (table.files().len() as u64, table.rig.read(None));
        if after == files {
            break;
        }
        let mut maintainer = table.maintainer();
        let commit = &mut |rewrite| maintainer.commit(rewrite);
        let progress = StopAfter(AtomicU64::new(after));
        // So that files are written early.
        let settings = Compaction { target_bytes: 10, min_files: 0, memory_bytes: 1, ..eager() };
        let settings = Compaction { order: Order::By(vec!["s".into()]), ..settings };
        let done =
            compact(&table.maintained(), &settings, Compression::Snappy, None, commit, &progress).unwrap();
        assert_eq!(done.ended, Ended::Stopped, "after {after}");
        assert!(done.removed_files <= after, "after {after}: {done:?}");
        // Besides what the commit removed.
        assert_eq!(table.unreferenced().len() as u64, done.removed_files, "after {after}");
        assert_eq!(table.rig.read(None), rows);
    }
}

/// A commit that failed may have landed, or may land yet.
#[test]
fn files_stay_where_it_is_not_known_what_became_of_their_commit() {
    let table = table(3);
    let (files, mut maintainer) = (table.files(), table.maintainer());
    let commit = &mut |rewrite| {
        maintainer.commit(rewrite)?;
        Err(Error::new(Code::StoreIo, "no reply"))
    };
    let error =
        compact(&table.maintained(), &eager(), Compression::Snappy, None, commit, &Quiet).unwrap_err();
    assert_eq!(error.message, "no reply");
    assert_eq!(table.rig.read(None).num_rows(), 600, "it did land");
    assert_ne!(table.files(), files);

    // Another one that did not: its files are nobody's, and harm nobody.
    let commit = &mut |_| Err(Error::new(Code::StoreIo, "no reply"));
    table.rig.write(&[table.rig.rows(Random::new(1).batch(&table.rig, 600, 10).columns().to_vec())]);
    let unreferenced = table.unreferenced().len();
    compact(&table.maintained(), &eager(), Compression::Snappy, None, commit, &Quiet).unwrap_err();
    assert!(table.unreferenced().len() > unreferenced);
    table.compact_all(&eager());
}

#[test]
fn two_at_once_and_a_delete_in_between_lose_no_row_and_add_none() {
    let table = table(4);
    let (mut first, mut second) = (table.maintainer(), table.maintainer());
    let mut others = Vec::new();
    let mut conflicts = 0;
    let commit = &mut |rewrite: Rewrite| {
        // Meanwhile another one does the same work, and somebody deletes.
        if others.is_empty() {
            let commit = &mut |rewrite| second.commit(rewrite);
            let done =
                compact(&table.maintained(), &eager(), Compression::Zstd, None, commit, &Quiet).unwrap();
            others.push(done);
            table.delete(&table.files()[0], 0..100);
        }
        let outcome = first.commit(rewrite)?;
        conflicts += u64::from(matches!(outcome, Rewritten::Overlaps(_)));
        Ok(outcome)
    };
    let done = compact(&table.maintained(), &eager(), Compression::Snappy, None, commit, &Quiet).unwrap();
    assert_eq!((others[0].commits, done.conflicts, conflicts), (1, 1, 1));
    assert_eq!(
        (done.removed_files, done.deleted_rows, &done.ended),
        (1, 100, &Ended::Done),
        "its deleted rows"
    );
    assert_eq!(table.rig.read(None).num_rows(), 700);
    // Of what overlapped nothing is left.
    assert!(table.unreferenced().iter().all(|name| !name.contains("snappy") || table_had(&table, name)));
}

fn table_had(table: &Table, name: &str) -> bool {
    let log = (0..=table.version())
        .map(|version| fs::read_to_string(table.rig.folder.path().join(commit_name(version))).unwrap());
    log.into_iter().any(|commit| commit.contains(name))
}

#[test]
fn who_always_loses_gives_up() {
    let table = table(3);
    let world = Virtual::of(&table);
    let maintained = Maintained::new(table.rig.store.clone(), world.clone());
    let commit = &mut |_| Ok(Rewritten::Overlaps("somebody".into()));
    let done = compact(&maintained, &eager(), Compression::Snappy, None, commit, &Quiet).unwrap();
    assert_eq!((done.conflicts, done.ended), (5, Ended::Conflicts("somebody".into())));
    assert!(world.slept() > Duration::from_millis(100), "{:?}", world.slept());
    assert_eq!(table.unreferenced(), BTreeSet::new());
}

/// Another engine has rewritten the files, and vacuumed what was there before.
#[test]
fn files_that_are_gone_are_looked_for_in_the_newest_version() {
    let table = table(4);
    let gone = table.files();
    let mut maintainer = table.maintainer();
    let stop = AtomicU64::new(0);
    struct Vacuum<'a>(&'a Table, &'a AtomicU64, &'a [LiveFile]);
    impl Progress for Vacuum<'_> {
        fn advance(&self, _by: u64) {
            if self.1.fetch_add(1, Ordering::Relaxed) == 0 {
                let mut second = self.0.maintainer();
                let commit = &mut |rewrite| second.commit(rewrite);
                compact(&self.0.maintained(), &eager(), Compression::Zstd, None, commit, &Quiet).unwrap();
                let live = self.0.files();
                for file in self.2.iter().filter(|file| !live.contains(file)) {
                    self.0.rig.store.delete(&file.path).unwrap();
                }
            }
        }
    }
    let progress = Vacuum(&table, &stop, &gone);
    let commit = &mut |rewrite| maintainer.commit(rewrite);
    let done = compact(&table.maintained(), &eager(), Compression::Snappy, None, commit, &progress).unwrap();
    assert_eq!((done.commits, &done.ended), (0, &Ended::Done));
    assert_eq!((table.rig.read(None).num_rows(), table.unreferenced()), (800, BTreeSet::new()));
}

#[test]
fn rows_on_their_way_come_first() {
    let table = table(3);
    let budget = Budget::new(400 << 20);
    let share = budget.share();
    share.add(150 << 20);
    let run = |budget: &Arc<Budget>| {
        let mut maintainer = table.maintainer();
        let commit = &mut |rewrite| maintainer.commit(rewrite);
        compact(&table.maintained(), &eager(), Compression::Snappy, Some(budget), commit, &Quiet).unwrap()
    };
    assert_eq!((run(&budget).ended, table.version()), (Ended::NoMemory, 3));
    share.remove(150 << 20);
    assert_eq!((run(&budget).ended, table.version(), budget.held()), (Ended::Done, 4, 0));
}

/// Many commits rather than one of everything.
#[test]
fn a_commit_has_a_bounded_number_of_files() {
    let table = Table::new(vec![id()], &[], &[]);
    table.rig.write(&[table.rig.rows(vec![ids(0, 1)])]);
    let file = table.files().remove(0);
    let path = table.rig.folder.path();
    let add = table.add_of(&file);
    let adds: Vec<Value> = (0..12_000)
        .map(|n| {
            let mut add = add.clone();
            add["path"] = format!("copy-{n}.parquet").into();
            fs::hard_link(path.join(&file.path), path.join(format!("copy-{n}.parquet"))).unwrap();
            json!({ "add": add })
        })
        .collect();
    table.commit(&adds);
    let done = table.try_compact(&eager()).unwrap();
    assert_eq!((done.commits, done.removed_files, done.added_files), (2, 12_001, 2));
    assert_eq!(table.rig.read(None).num_rows(), 12_001);
}
