//! Tables with `delta.setTransactionRetentionDuration`, which forget offsets that are not set again. I1 and I4 as in
//! `docs/exactly-once.md`.
#![allow(clippy::disallowed_methods, reason = "in the real world")]
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use buoyant_kernel::Snapshot;
use buoyant_kernel_engine::DefaultEngineBuilder;
use buoyant_kernel_engine::executor::tokio::TokioMultiThreadExecutor;
use common::{Rig, value};
use object_store::local::LocalFileSystem;
use serde_json::Value;
use sluice_core::metrics::UNITS_FENCED;

/// As another writer sets it.
fn forget_after(rig: &Rig, retention: &str) {
    let create = rig.log().remove(0);
    let line = create.lines().find(|line| line.contains("metaData")).unwrap();
    let mut metadata: Value = serde_json::from_str(line).unwrap();
    metadata["metaData"]["configuration"]["delta.setTransactionRetentionDuration"] = retention.into();
    rig.commit_by_hand(&format!("{metadata}\n"));
}

/// What every other reader sees.
fn visible(rig: &Rig, id: i32) -> Option<i64> {
    let executor = Arc::new(TokioMultiThreadExecutor::new(rig.runtime.handle().clone()));
    let engine =
        DefaultEngineBuilder::new(Arc::new(LocalFileSystem::new())).with_task_executor(executor).build();
    let snapshot = Snapshot::builder_for(rig.store_uri()).build(&engine).unwrap();
    snapshot.get_app_id_version(&format!("sluice/k/t/{id}"), &engine).unwrap()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn idle_offsets_stay_visible_once_another_writer_lets_the_table_forget() {
    let rig = Rig::new();
    let mut task = rig.task(&rig.process(), &[]);
    task.open(&[0, 1]).unwrap();
    task.put(0, 0..3).unwrap();
    task.put(1, 0..5).unwrap();
    task.until_committed(0, 3).unwrap();
    task.until_committed(1, 5).unwrap();
    forget_after(&rig, "interval 2 seconds");
    // Whoever writes nothing notices nothing.
    task.put(0, 3..4).unwrap();
    task.until_committed(0, 4).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        task.tick().unwrap();
        assert_eq!(visible(&rig, 1), Some(5), "after {:?}", start.elapsed());
        sleep(Duration::from_millis(50));
    }
    assert_eq!(visible(&rig, 0), Some(4));
    let kept =
        rig.log().iter().filter(|commit| commit.contains(r#""fromOffset":5,"toOffset":5,"rows":0"#)).count();
    assert!((3..=8).contains(&kept), "{kept} times in 5 s");
    let audit = rig.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    task.put(1, 5..7).unwrap();
    task.until_committed(1, 7).unwrap();
    assert_eq!(rig.values(), (0..4).chain((0..7).map(|offset| value(1, offset))).collect::<Vec<_>>());
    assert!(rig.audit().is_clean());
}

/// A connector that stood still for longer than the table keeps an offset.
#[test]
fn an_offset_that_has_expired_counts_as_long_as_the_log_has_it() {
    let rig = Rig::new();
    let mut task = rig.task(&rig.process(), &[]);
    task.open(&[0]).unwrap();
    task.put(0, 0..10).unwrap();
    task.until_committed(0, 10).unwrap();
    drop(task);
    forget_after(&rig, "interval 300 milliseconds");
    until("the offset expires", || visible(&rig, 0).is_none());
    let mut task = rig.task(&rig.process(), &[]);
    task.open(&[0]).unwrap();
    assert_eq!(task.rewinds, [(0, 10)]);
    task.put(0, 10..15).unwrap();
    task.until_committed(0, 15).unwrap();
    assert_eq!(rig.values(), (0..15).collect::<Vec<_>>());
    assert!(rig.audit().is_clean());
}

/// Nobody has moved it: the rows of a task that held it are committed, and not read again.
#[test]
fn an_offset_that_is_gone_from_the_log_does_not_fence_who_knows_it() {
    let rig = Rig::new();
    let process = rig.process();
    let mut task = rig.task(&process, &[]);
    task.open(&[0]).unwrap();
    task.put(0, 0..10).unwrap();
    task.until_committed(0, 10).unwrap();
    forget_after(&rig, "interval 300 milliseconds");
    until("the offset expires", || visible(&rig, 0).is_none());
    // It leaves out what has expired.
    rig.checkpoint();
    assert!(rig.audit().is_clean(), "{:?}", rig.audit().findings);
    // Whoever comes new finds nothing, and makes the process read the offsets anew.
    let mut other = rig.task(&process, &[]);
    other.open(&[0, 5]).unwrap();
    assert_eq!(other.rewinds, []);
    drop(other);
    task.put(0, 10..15).unwrap();
    task.until_committed(0, 15).unwrap();
    assert_eq!((task.total(&UNITS_FENCED), task.rewinds.len()), (0, 0));
    assert_eq!(rig.values(), (0..15).collect::<Vec<_>>());
    assert!(rig.audit().is_clean());
}
