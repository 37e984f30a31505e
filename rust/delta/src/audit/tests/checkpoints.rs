//! Logs whose first commits are gone.

use super::super::Kind;
use super::history::{History, app_id, kinds, txn};

/// Versions 1 to 6, a checkpoint, and the commits below a version cleaned up.
fn cleaned(checkpoint: u64, first: u64) -> History {
    let mut history = History::new();
    for from in 0..6 {
        history.take(from * 10, from * 10 + 10, 10);
    }
    history.checkpoint(checkpoint);
    for version in 0..first {
        history.delete(version);
    }
    history
}

#[test]
fn the_checkpoint_says_where_the_first_commits_start() {
    for (checkpoint, first) in [(3, 4), (3, 3), (3, 1)] {
        let history = cleaned(checkpoint, first);
        let audit = history.audit();
        assert_eq!(kinds(&audit), [], "{:?}", audit.findings);
        assert_eq!((audit.first_version, audit.checkpoint), (first, Some(checkpoint)));
        let untold = audit.untold.join("\n");
        assert!(untold.contains(&format!("before version {first} were cleaned up")), "{untold}");
        let progress = &audit.app_ids[&app_id(0)];
        assert_eq!((progress.from_offset, progress.to_offset), (first as i64 * 10 - 10, Some(60)));
    }
}

/// I4: a break right behind the checkpoint, which only the checkpoint's offset can show.
#[test]
fn a_break_right_behind_the_checkpoint_is_found() {
    let mut history = History::new();
    history.take(0, 10, 10);
    history.take(15, 20, 5);
    history.checkpoint(1);
    history.delete(0);
    history.delete(1);
    let audit = history.audit();
    assert_eq!(kinds(&audit), [Kind::Gap], "{:?}", audit.findings);
    assert_eq!(audit.findings[0].message, "no commit has offsets 10 to 14");
}

#[test]
fn app_ids_that_only_the_checkpoint_knows_go_on_from_there() {
    let mut history = History::new();
    history.take(0, 10, 10);
    history.take_of(1, 0, 5, 5);
    history.commit(&[txn("job-7", 41)]);
    history.checkpoint(3);
    history.take(10, 12, 2);
    history.take_of(1, 6, 7, 1);
    for version in 0..=3 {
        history.delete(version);
    }
    let audit = history.audit();
    assert_eq!(kinds(&audit), [Kind::Gap]);
    assert_eq!(audit.findings[0].app_id.as_deref(), Some("sluice/k/t/1"));
    assert_eq!(audit.other_app_ids["job-7"].to, 41);
}

/// What a reader sees is not what the commits say.
#[test]
fn a_checkpoint_that_contradicts_the_commits_is_found() {
    let mut history = History::new();
    history.take(0, 10, 10);
    let version = history.take(10, 20, 10);
    let told = history.read(version);
    let mut lied = told.clone();
    lied[1] = txn(&app_id(0), 19);
    history.write(version, &lied);
    history.checkpoint(version);
    history.write(version, &told);
    let audit = history.audit();
    assert_eq!(kinds(&audit), [Kind::End], "{:?}", audit.findings);
    assert_eq!(
        audit.findings[0].message,
        "the snapshot of version 2 holds offset 19, the commits lead to offset 20"
    );
    assert_eq!(audit.findings[0].by.as_ref().map(|by| by.version), Some(2));
}

#[test]
fn without_a_checkpoint_the_audit_says_so() {
    let mut history = History::new();
    history.take(0, 10, 10);
    history.take(10, 20, 10);
    history.delete(0);
    let audit = history.audit();
    assert_eq!(kinds(&audit), []);
    let untold = audit.untold.join("\n");
    assert!(untold.contains("No checkpoint says which offsets the first commits start from"), "{untold}");
    assert!(untold.contains("Which offsets the newest snapshot holds"), "{untold}");
}
