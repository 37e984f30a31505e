use serde_json::json;
use sluice_core::Code;

use super::*;
use crate::audit::tests::history::{History, add, txn};

fn of(history: &History) -> Inspection {
    inspect(&history.store(), history.runtime.handle(), 3).unwrap()
}

#[test]
fn offsets_files_and_commits_are_those_of_the_newest_version() {
    let mut history = History::new();
    history.take(0, 10, 8);
    history.take_of(1, 5, 7, 2);
    history.commit(&[txn("query", 9), add("other.parquet", 4)]);
    history.alter(Some(10), None);
    history.checkpoint(2);
    let found = of(&history);

    assert_eq!((found.version, found.id.as_str()), (4, "0"));
    assert_eq!(found.schema["fields"][0]["name"], "v");
    assert_eq!((found.protocol.min_reader_version, found.protocol.min_writer_version), (1, 2));
    assert_eq!(found.refusal, None);
    let offsets: Vec<_> = found.offsets.iter().map(|held| (held.partition, held.offset)).collect();
    assert_eq!(offsets, [(0, None), (1, Some(7))], "a reset leaves none");
    let held = &found.offsets[1];
    assert_eq!((held.connector.as_str(), held.topic.as_str()), ("k", "t"));
    assert_eq!(held.last_updated, Some(1_795_324_286_970));
    let others: Vec<_> =
        found.other_app_ids.iter().map(|other| (other.app_id.as_str(), other.version)).collect();
    assert_eq!(others, [("query", 9)]);

    let files = &found.files;
    assert_eq!((files.count, files.bytes, files.rows, files.uncounted), (3, 15, 14, 0));
    assert_eq!(files.sizes.unwrap().median, 5);
    assert_eq!(files.histogram.len(), 1);

    let log = &found.log;
    assert_eq!((log.checkpoint, log.commits_since), (Some(2), 2));
    assert!(log.checkpoint_time.is_some() && log.checkpoint_bytes > 0 && log.bytes_since > 0);

    let versions: Vec<_> = found.commits.iter().map(|commit| commit.version).collect();
    assert_eq!(versions, [4, 3, 2]);
    let taken = &found.commits[2];
    assert_eq!(taken.operation.as_deref(), Some("STREAMING UPDATE"));
    assert_eq!(taken.engine.as_deref(), Some("sluice/0.1.0"));
    assert_eq!(taken.timestamp.and_then(utc).as_deref(), Some("2026-11-22 05:11:26 UTC"));
    assert_eq!((taken.added_files, taken.added_bytes, taken.rows, taken.data_change), (1, 5, Some(2), true));
    assert_eq!(taken.writers, [Writer { connector: "k".into(), tasks: vec!["3".into()] }]);
    assert_eq!((found.commits[0].added_files, found.commits[0].rows), (0, Some(0)));
}

#[test]
fn rows_that_are_not_counted_or_deleted_are_told_apart() {
    let mut history = History::new();
    history.take(0, 10, 8);
    let mut silent = add("silent.parquet", 0);
    silent["add"]["stats"] = json!(null);
    history.commit(&[silent]);
    let mut marked = add("part-1.parquet", 8);
    marked["add"]["deletionVector"] = json!({"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^",
        "offset": 4, "sizeInBytes": 40, "cardinality": 3});
    let features = json!(["deletionVectors"]);
    history.commit(&[
        json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7,
            "readerFeatures": features, "writerFeatures": features}}),
        json!({"remove": {"path": "part-1.parquet", "deletionTimestamp": 0, "dataChange": true}}),
        marked,
    ]);
    let found = of(&history);
    let files = &found.files;
    assert_eq!((files.count, files.rows, files.uncounted), (2, 5, 1));
    assert_eq!((files.deletion_vectors, files.deleted_rows), (1, 3));
    assert_eq!(found.protocol.features, ["deletionVectors"]);
    assert_eq!(found.commits[0].removed_files, 1);
    assert_eq!(found.commits[1].rows, None);
    assert_eq!((found.log.checkpoint, found.log.commits_since), (None, 4));
}

#[test]
fn commits_that_are_cleaned_up_are_left_out() {
    let mut history = History::new();
    for from in 0..3 {
        history.take(from, from + 1, 1);
    }
    history.checkpoint(3);
    (0..3).for_each(|version| history.delete(version));
    let found = of(&history);
    assert_eq!(found.commits.iter().map(|commit| commit.version).collect::<Vec<_>>(), [3]);
    assert_eq!((found.files.count, found.log.commits_since), (3, 0));
}

#[test]
fn a_table_that_sluice_does_not_write_is_described_too() {
    let mut history = History::new();
    let features = json!(["checkConstraints"]);
    history.commit(&[
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": features}}),
        json!({"metaData": {"id": "0", "format": {"provider": "parquet", "options": {}}, "partitionColumns": [],
            "schemaString": "{\"type\":\"struct\",\"fields\":[{\"name\":\"v\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]}",
            "configuration": {"delta.constraints.c": "v > 0"}}}),
    ]);
    let found = of(&history);
    assert!(found.refusal.unwrap().contains("checkConstraints"));
    assert_eq!(found.properties["delta.constraints.c"], "v > 0");
}

#[test]
fn a_folder_without_a_log_is_no_table() {
    let history = History::new();
    history.delete(0);
    let error = inspect(&history.store(), history.runtime.handle(), 3).unwrap_err();
    assert_eq!(error.code, Code::TableMissing);
}
