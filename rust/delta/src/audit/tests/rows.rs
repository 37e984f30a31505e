//! Tables whose rows say where they are from.

use std::fs::{self, File};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use buoyant_kernel::actions::deletion_vector_writer::{KernelDeletionVector, StreamingDeletionVectorWriter};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use url::Url;

use super::super::{Audit, Columns, Kind, Rows, rows};
use super::history::{History, app_id, interval, kinds, origin, remove, txn};

/// A table with the columns `t`, `p` and `o`.
struct Table(History);

impl Table {
    fn new() -> Table {
        let history = History::new();
        let field =
            |name: &str, kind: &str| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
        let fields = [field("t", "string"), field("p", "integer"), field("o", "long")];
        let mut actions = history.read(0);
        actions[1]["metaData"]["schemaString"] =
            json!({"type": "struct", "fields": fields}).to_string().into();
        history.write(0, &actions);
        Table(history)
    }

    /// A data file with rows of these partitions and offsets, and its action.
    fn file(&self, name: &str, rows: &[(i32, i64)]) -> Value {
        let columns: [(&str, ArrayRef); 3] = [
            ("t", Arc::new(StringArray::from(vec!["t"; rows.len()]))),
            ("p", Arc::new(rows.iter().map(|(partition, _)| *partition).collect::<Int32Array>())),
            ("o", Arc::new(rows.iter().map(|(_, offset)| *offset).collect::<Int64Array>())),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let path = self.0.root().join(name);
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        json!({"add": {"path": name, "size": fs::metadata(path).unwrap().len(), "partitionValues": {},
            "modificationTime": 0, "dataChange": true, "stats": json!({"numRecords": rows.len()}).to_string()}})
    }

    /// One interval of partition 0 whose rows have these offsets.
    fn take(&mut self, name: &str, from: i64, to: i64, offsets: &[i64]) -> u64 {
        let rows: Vec<_> = offsets.iter().map(|offset| (0, *offset)).collect();
        let file = self.file(name, &rows);
        let origin = origin(9, json!([interval(0, from, to, offsets.len() as i64)]));
        self.0.commit(&[origin, txn(&app_id(0), to), file])
    }

    fn check(&self) -> (Audit, Rows) {
        let columns =
            Columns { topic: Some("t".to_owned()), partition: Some("p".to_owned()), offset: "O".to_owned() };
        let mut audit = self.0.audit();
        let rows = rows(&self.0.store(), self.0.runtime.handle(), &mut audit, &columns).unwrap();
        (audit, rows)
    }

    fn only(&self) -> super::super::Finding {
        let (audit, _) = self.check();
        let [finding] = &audit.findings[..] else { panic!("{:?}", audit.findings) };
        finding.clone()
    }
}

#[test]
fn rows_that_are_where_they_belong_are_clean() {
    let mut table = Table::new();
    table.take("a.parquet", 0, 5, &[0, 1, 4]);
    table.take("b.parquet", 5, 9, &[8, 5]);
    let (audit, rows) = table.check();
    assert_eq!(kinds(&audit), [], "{:?}", audit.findings);
    let offsets: Vec<u64> = rows.partitions.values().next().unwrap().iter().collect();
    assert_eq!((offsets, rows.partitions.len(), rows.incomplete), (vec![0, 1, 4, 5, 8], 1, false));
}

/// I1: the same record in two files, with the interval's count made to fit.
#[test]
fn a_row_that_is_there_twice_is_found_with_its_files() {
    let mut table = Table::new();
    table.take("a.parquet", 0, 5, &[0, 1, 4]);
    let copy = table.file("copy.parquet", &[(0, 4)]);
    let version = table.0.commit(&[copy]);
    let finding = table.only();
    assert_eq!((finding.kind, finding.version), (Kind::Twice, version));
    assert_eq!(
        finding.message,
        "1 of t-0 have more than one row, such as 4: in copy.parquet, after a.parquet"
    );
}

#[test]
fn a_row_outside_of_its_commits_intervals_is_found() {
    let mut table = Table::new();
    table.take("a.parquet", 0, 5, &[0, 1, 7]);
    let (audit, _) = table.check();
    assert_eq!(kinds(&audit), [Kind::Stray, Kind::Rows], "{:?}", audit.findings);
    assert_eq!(audit.findings[0].message, "1 row of a.parquet, such as offset 7 of t-0");
    assert_eq!(audit.findings[0].by.as_ref().and_then(|by| by.task.as_deref()), Some("3"));
    assert_eq!(
        audit.findings[1].message,
        "the interval from 0 up to 5 counts 3 rows, the table has 2 of these offsets"
    );
}

#[test]
fn a_file_with_other_rows_than_its_statistics_is_found() {
    let mut table = Table::new();
    let version = table.take("a.parquet", 0, 5, &[0, 1, 2]);
    let other = table.file("a.parquet", &[(0, 0), (0, 1), (0, 2), (0, 3)]);
    let mut actions = table.0.read(version);
    actions[2]["add"]["size"] = other["add"]["size"].clone();
    table.0.write(version, &actions);
    let (audit, _) = table.check();
    assert_eq!(kinds(&audit), [Kind::Rows, Kind::Rows], "{:?}", audit.findings);
    assert_eq!(audit.findings[0].message, "a.parquet has 4 rows, its numRecords is 3");
}

/// Compaction moves rows to other commits; deletes make rows missing for good reason, and no more.
#[test]
fn other_engines_may_move_and_delete_rows() {
    let mut table = Table::new();
    table.take("a.parquet", 0, 5, &[0, 1, 4]);
    table.take("b.parquet", 5, 9, &[5, 8]);
    let mut moved = table.file("moved.parquet", &[(0, 0), (0, 1), (0, 4), (0, 5), (0, 8)]);
    moved["add"]["dataChange"] = false.into();
    table.0.commit(&[remove("a.parquet", false), remove("b.parquet", false), moved]);
    let (audit, rows) = table.check();
    assert_eq!((kinds(&audit), rows.incomplete), (vec![], false), "{:?}", audit.findings);

    let fewer = table.file("fewer.parquet", &[(0, 0), (0, 1), (0, 8)]);
    table.0.commit(&[remove("moved.parquet", true), fewer]);
    let (audit, rows) = table.check();
    assert_eq!((kinds(&audit), rows.incomplete), (vec![], true), "{:?}", audit.findings);
    assert!(audit.untold.iter().any(|text| text.contains("which rows are missing")), "{:?}", audit.untold);
}

/// Rows that a deletion vector takes away are not there, neither as rows nor as second ones.
#[test]
fn deletion_vectors_are_honoured() {
    let mut table = Table::new();
    let mut actions = table.0.read(0);
    actions[0] = json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}});
    table.0.write(0, &actions);
    table.take("a.parquet", 0, 5, &[0, 1, 4]);
    let mut add = table.file("twice.parquet", &[(0, 4), (0, 0)]);
    table.0.commit(&[add.clone()]);
    assert_eq!(table.only().kind, Kind::Twice);

    let mut deleted = KernelDeletionVector::new();
    deleted.add_deleted_row_indexes([0u64, 1]);
    let mut bytes = Vec::new();
    let mut writer = StreamingDeletionVectorWriter::new(&mut bytes);
    let written = writer.write_deletion_vector(deleted).unwrap();
    writer.finalize().unwrap();
    let file = table.0.root().join("deleted.bin");
    fs::write(&file, bytes).unwrap();
    add["add"]["deletionVector"] = json!({"storageType": "p", "pathOrInlineDv": Url::from_file_path(file).unwrap(),
        "offset": written.offset, "sizeInBytes": written.size_in_bytes, "cardinality": written.cardinality});
    table.0.commit(&[remove("twice.parquet", true), add]);
    let (audit, rows) = table.check();
    assert_eq!((kinds(&audit), rows.incomplete), (vec![], true), "{:?}", audit.findings);
    assert!(audit.untold.iter().any(|text| text.contains("(2 by deletion vectors)")), "{:?}", audit.untold);
}

/// The partition is in the log alone.
#[test]
fn columns_may_be_partition_columns() {
    let mut table = Table::new();
    let mut actions = table.0.read(0);
    actions[1]["metaData"]["partitionColumns"] = json!(["p"]);
    table.0.write(0, &actions);
    let mut actions = Vec::new();
    for (partition, rows) in [(0, [(7, 0), (7, 1)]), (1, [(7, 5), (7, 6)])] {
        let mut add = table.file(&format!("{partition}.parquet"), &rows);
        add["add"]["partitionValues"] = json!({"p": partition.to_string()});
        actions.push(add);
        actions.push(txn(&app_id(partition), rows[1].1 + 1));
    }
    actions.push(origin(1, json!([interval(0, 0, 2, 2), interval(1, 5, 7, 2)])));
    table.0.commit(&actions);
    let (audit, rows) = table.check();
    assert_eq!((kinds(&audit), rows.partitions.len()), (vec![], 2), "{:?}", audit.findings);
}

/// A user had these offsets read again: rows twice are what was asked for.
#[test]
fn rows_twice_after_an_alteration_are_only_named() {
    let mut table = Table::new();
    table.take("a.parquet", 0, 5, &[0, 1, 4]);
    table.0.alter(Some(5), Some(1));
    table.take("b.parquet", 1, 6, &[1, 4, 5]);
    let (audit, _) = table.check();
    assert_eq!(kinds(&audit), [], "{:?}", audit.findings);
    assert!(
        audit.notes.iter().any(|note| note.message.starts_with("2 offsets of t-0 have more")),
        "{:?}",
        audit.notes
    );
}

/// With nobody having moved it, the same is a finding of the log and of the rows.
#[test]
fn rows_twice_after_an_overlap_are_found() {
    let mut table = Table::new();
    table.take("a.parquet", 0, 5, &[0, 1, 4]);
    table.take("b.parquet", 1, 6, &[1, 4, 5]);
    let (audit, _) = table.check();
    assert_eq!(kinds(&audit), [Kind::Overlap, Kind::Twice], "{:?}", audit.findings);
}

#[test]
fn columns_that_are_not_there_are_an_error() {
    let mut table = Table::new();
    table.take("a.parquet", 0, 5, &[0, 1, 4]);
    let mut audit = table.0.audit();
    let columns = Columns { topic: None, partition: None, offset: "offset".to_owned() };
    let error = rows(&table.0.store(), table.0.runtime.handle(), &mut audit, &columns).unwrap_err();
    assert_eq!(error.to_string(), "COLUMN_MISMATCH: the table has no column offset");
}
