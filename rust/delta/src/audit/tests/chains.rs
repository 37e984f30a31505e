use std::fs;

use serde_json::json;

use super::super::{Audit, Finding, Kind};
use super::history::{History, add, app_id, interval, kinds, origin, remove, txn};

#[test]
fn joined_intervals_are_clean() {
    let mut history = History::new();
    history.take(5, 10, 5);
    history.commit(&[origin(2, json!([interval(0, 10, 12, 0)])), txn(&app_id(0), 12)]);
    history.take(12, 20, 7);
    let audit = history.audit();
    assert_eq!(kinds(&audit), []);
    assert_eq!(audit.untold, [""; 0]);
    let progress = &audit.app_ids["sluice/k/t/0"];
    assert_eq!((progress.from_offset, progress.to_offset, progress.rows, audit.rows), (5, Some(20), 12, 12));
    assert_eq!((audit.commits, audit.other_commits), (3, 1));
}

fn only(audit: &Audit) -> &Finding {
    let [finding] = &audit.findings[..] else { panic!("{:?}", audit.findings) };
    finding
}

/// I4: the finding names the commit that broke it, who wrote that, and the one before.
#[test]
fn a_break_names_the_commit_and_the_one_before() {
    for (from, kind, message) in
        [(6, Kind::Gap, "no commit has offset 5"), (3, Kind::Overlap, "committed before: offsets 3 to 4")]
    {
        let mut history = History::new();
        history.take(0, 5, 5);
        history.take_of(1, 0, 2, 2);
        let broken = history.take(from, 9, 3);
        history.take(9, 10, 1);
        let audit = history.audit();
        let finding = only(&audit);
        assert_eq!((finding.kind, finding.version), (kind, broken));
        assert_eq!(finding.message, message);
        let (by, before) = (finding.by.as_ref().unwrap(), finding.before.as_ref().unwrap());
        assert_eq!((by.version, by.commit.as_deref(), before.version), (3, Some("c3"), 1));
        assert_eq!(
            by.to_string(),
            "version 3 (commit c3, connector k task 3, STREAMING UPDATE, sluice/0.1.0, 2026-11-22 05:11:26.973 UTC)"
        );
        assert_eq!(finding.app_id.as_deref(), Some("sluice/k/t/0"));
    }
}

/// I3, I4: what does not join is found, and so is what was not counted right.
#[test]
fn each_kind_of_damage_is_found() {
    let damaged = |commits: &[(i64, i64, i64)], break_it: &dyn Fn(&mut History)| {
        let mut history = History::new();
        for (from, to, rows) in commits {
            history.take(*from, *to, *rows);
        }
        break_it(&mut history);
        history.kinds()
    };
    let nothing = |_: &mut History| ();
    assert_eq!(damaged(&[(0, 5, 6)], &nothing), [Kind::Interval]);
    assert_eq!(damaged(&[(0, 5, -1)], &nothing), [Kind::Interval, Kind::Rows]);
    let file = |name: &'static str| {
        move |history: &mut History| {
            history.commit(&[add(name, 5)]);
        }
    };
    assert_eq!(damaged(&[(0, 5, 5)], &file("part-1.parquet")), [Kind::File]);
    let other_count = |history: &mut History| {
        let mut actions = history.read(1);
        actions[2] = add("part-1.parquet", 4);
        history.write(1, &actions);
    };
    assert_eq!(damaged(&[(0, 5, 5)], &other_count), [Kind::Rows]);
    let no_count = |history: &mut History| {
        let mut actions = history.read(1);
        actions[2]["add"]["stats"] = json!(null);
        history.write(1, &actions);
    };
    assert_eq!(damaged(&[(0, 5, 5)], &no_count), [Kind::Rows]);
    let lost = |history: &mut History| fs::remove_file(history.root().join("part-1.parquet")).unwrap();
    assert_eq!(damaged(&[(0, 5, 5)], &lost), [Kind::Missing]);
    let cut = |history: &mut History| fs::write(history.root().join("part-1.parquet"), "1").unwrap();
    assert_eq!(damaged(&[(0, 5, 5)], &cut), [Kind::File]);
    let hole = |history: &mut History| history.delete(2);
    assert_eq!(damaged(&[(0, 5, 5), (5, 6, 1), (6, 7, 1)], &hole), [Kind::Log, Kind::Gap]);
    let moved = |history: &mut History| {
        history.commit(&[txn(&app_id(0), 9)]);
        history.take(9, 10, 1);
    };
    assert_eq!(damaged(&[(0, 5, 5)], &moved), [Kind::Txn]);
    let elsewhere = |history: &mut History| {
        let mut actions = history.read(1);
        actions[1] = txn(&app_id(0), 6);
        history.write(1, &actions);
        history.take(6, 7, 1);
    };
    assert_eq!(damaged(&[(0, 5, 5)], &elsewhere), [Kind::Txn]);
}

#[test]
fn a_file_that_was_removed_may_be_gone() {
    let mut history = History::new();
    history.take(0, 5, 5);
    history.commit(&[remove("part-1.parquet", true)]);
    fs::remove_file(history.root().join("part-1.parquet")).unwrap();
    let audit = history.audit();
    assert_eq!(kinds(&audit), []);
    assert!(audit.untold[0].starts_with("Rows were removed or rewritten"), "{:?}", audit.untold);
}

/// A break on purpose is information; the interval after it has to start there.
#[test]
fn alterations_are_followed() {
    let mut history = History::new();
    history.take(0, 5, 5);
    history.alter(Some(5), Some(2));
    history.take(2, 7, 5);
    history.alter(Some(7), None);
    history.take(70, 80, 10);
    let audit = history.audit();
    assert_eq!(kinds(&audit), []);
    let notes: Vec<_> = audit.notes.iter().map(|note| note.message.as_str()).collect();
    assert_eq!(
        notes,
        [
            "t-0 of k was moved on purpose from offset 5 to offset 2 by version 2",
            "t-0 of k was moved on purpose from offset 7 to no offset by version 4"
        ]
    );
    history.alter(Some(80), None);
    assert_eq!(history.kinds(), [], "the newest snapshot holds -1: no offset");
}

#[test]
fn alterations_that_do_not_join_are_found() {
    let altered = |alteration: &dyn Fn(&mut History)| {
        let mut history = History::new();
        history.take(0, 5, 5);
        alteration(&mut history);
        history.kinds()
    };
    let from_elsewhere = |history: &mut History| {
        history.alter(Some(4), Some(9));
        history.take(9, 10, 1);
    };
    assert_eq!(altered(&from_elsewhere), [Kind::Alteration]);
    let not_followed = |history: &mut History| {
        history.alter(Some(5), Some(9));
        history.take(10, 11, 1);
    };
    assert_eq!(altered(&not_followed), [Kind::Gap]);
    let not_stored = |history: &mut History| {
        let version = history.alter(Some(5), Some(9));
        let info = history.read(version).remove(0);
        history.write(version, &[info]);
    };
    assert_eq!(altered(&not_stored), [Kind::Txn, Kind::End]);
}
