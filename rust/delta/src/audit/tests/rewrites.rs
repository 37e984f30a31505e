//! Commits that move rows to other files.

use serde_json::{Value, json};

use super::super::Kind;
use super::history::{History, add, kinds, remove, txn};

fn rewritten(path: &str, rows: i64) -> Value {
    let mut add = add(path, rows);
    add["add"]["dataChange"] = false.into();
    add
}

fn merge() -> Value {
    json!({"commitInfo": {"operation": "OPTIMIZE", "sluice": {"commit": "m", "units": []}}})
}

fn written() -> History {
    let mut history = History::new();
    history.take(0, 5, 5);
    history.take(5, 9, 3);
    history
}

#[test]
fn merged_files_with_the_same_rows_are_clean() {
    let mut history = written();
    let old = [remove("part-1.parquet", false), remove("part-2.parquet", false)];
    let [first, second] = old;
    history.commit(&[merge(), txn("sluice-maintenance", 7), first, second, rewritten("m.parquet", 8)]);
    history.take(9, 12, 3);
    let audit = history.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    assert_eq!((audit.rows, audit.other_commits, audit.other_app_ids.len()), (11, 1, 0));
}

/// I1: by whichever engine.
#[test]
fn rows_that_were_lost_or_made_on_the_way_are_found() {
    for (info, rows) in [(merge(), 7), (json!({"commitInfo": {"operation": "OPTIMIZE"}}), 9)] {
        let mut history = written();
        let [first, second] = [remove("part-1.parquet", false), remove("part-2.parquet", false)];
        history.commit(&[info, first, second, rewritten("m.parquet", rows)]);
        let audit = history.audit();
        assert_eq!(kinds(&audit), [Kind::Rows], "{:?}", audit.findings);
        let expected = format!("files with 8 rows are rewritten, and {rows} are in the new ones");
        assert_eq!(audit.findings[0].message, expected);
    }
}

/// What delta-rs does when two compactions meet.
#[test]
fn files_that_are_rewritten_twice_are_found() {
    let mut history = written();
    history.commit(&[merge(), remove("part-1.parquet", false), rewritten("m.parquet", 5)]);
    history.commit(&[merge(), remove("part-1.parquet", false), rewritten("n.parquet", 5)]);
    let audit = history.audit();
    assert_eq!(kinds(&audit), [Kind::Rows], "{:?}", audit.findings);
    assert_eq!(audit.findings[0].version, 4);
}

#[test]
fn rows_that_a_deletion_vector_took_away_are_not_missed() {
    let mut history = written();
    let mut fewer = add("part-1.parquet", 5);
    fewer["add"]["deletionVector"] =
        json!({"storageType": "i", "pathOrInlineDv": "x", "sizeInBytes": 1, "cardinality": 2});
    fewer["add"]["dataChange"] = false.into();
    let delete = json!({"commitInfo": {"operation": "DELETE"}});
    history.commit(&[delete, remove("part-1.parquet", true), fewer]);
    history.commit(&[merge(), remove("part-1.parquet", false), rewritten("m.parquet", 3)]);
    assert_eq!(history.kinds(), []);
}
