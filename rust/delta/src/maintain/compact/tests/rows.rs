//! The rows stay what they are.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Float64Array, StringArray};
use buoyant_kernel::expressions::{ColumnName, Expression, Predicate, Scalar};
use sluice_core::schema::DataType;

use super::*;
use crate::readback::{Random, field, id, ids, mapped, nested, scalars};

fn all_types() -> Vec<Field> {
    [vec![id()], scalars(), nested()].concat()
}

#[test]
fn values_of_every_type_stay_what_they_are() {
    let table = Table::new(all_types(), &[], &[]);
    let mut random = Random::new(1);
    for n in 0..6 {
        let batch = random.batch(&table.rig, n * 30, 30);
        table.rig.write(&[batch]);
    }
    let compacted = table.compact_all(&eager());
    assert_eq!((compacted.removed_files, compacted.added_files, compacted.rows), (6, 1, 180));
    assert_eq!((compacted.commits, compacted.version, &compacted.ended), (1, Some(7), &Ended::Done));
    assert_eq!(table.files()[0].num_records, Some(180));
}

#[test]
fn column_mapping_and_partitions_stay_what_they_are() {
    for mode in ["name", "id"] {
        let mut next = 0;
        let fields = [vec![id(), field("p q", DataType::Date)], all_types().split_off(1)].concat();
        let fields = fields.into_iter().map(|field| mapped(field, &mut next)).collect();
        let highest = next.to_string();
        let properties = [("delta.columnMapping.mode", mode), ("delta.columnMapping.maxColumnId", &highest)];
        let table = Table::new(fields, &["p q"], &properties);
        let mut random = Random::new(3);
        for n in 0..5 {
            let batch = random.batch(&table.rig, n * 40, 40);
            table.rig.write(&[batch]);
        }
        let partitions: BTreeSet<_> =
            table.files().iter().map(|file| file.partition_values.clone()).collect();
        table.compact_all(&eager());
        let files = table.files();
        assert_eq!(files.len(), partitions.len(), "{mode}");
        assert_eq!(
            files.iter().map(|file| file.partition_values.clone()).collect::<BTreeSet<_>>(),
            partitions
        );
        let schema = table.stored(&files[0]).schema();
        assert_eq!(schema.field(0).name(), "col-1");
    }
}

/// A value may have several forms as text; readers that compare texts see one partition only where the form stays.
#[test]
fn partition_values_stay_the_texts_that_they_are() {
    let table = Table::new(
        vec![id(), field("a b", DataType::String), field("t", DataType::Timestamp)],
        &["a b", "t"],
        &[],
    );
    let texts: [Option<&str>; 5] =
        [Some("a/b:c %"), None, Some("ü"), Some("{x}[y]^`|\\\"'#?*<>"), Some("..")];
    for n in 0..3 {
        let column: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let times =
            arrow_array::TimestampMicrosecondArray::from(vec![Some(1), Some(2), None, Some(3), Some(0)]);
        let rows = table.rig.rows(vec![ids(n * 5, 5), column, Arc::new(times.with_timezone("UTC"))]);
        table.rig.write(&[rows]);
    }
    // As Spark writes times.
    let odd = table
        .files()
        .into_iter()
        .find(|file| file.path.starts_with("a%20b=%2e") || file.path.contains("=.."))
        .unwrap();
    let mut add = table.add_of(&odd);
    add["partitionValues"]["t"] = "1970-01-01 00:00:00".into();
    table.commit(&[json!({ "add": add })]);
    assert_eq!(table.files().len(), 15);
    table.compact_all(&eager());
    let files = table.files();
    assert_eq!(files.len(), 6, "five partitions, of which one has another text");
    let kept = files.iter().find(|file| file.path == odd.path).unwrap();
    assert_eq!(kept.partition_values["t"].as_deref(), Some("1970-01-01 00:00:00"));
}

#[test]
fn partition_columns_are_in_the_files_where_the_table_wants_that() {
    let fields =
        vec![id(), field("p", DataType::String), field("d", DataType::Date), field("v", DataType::Long)];
    let table =
        Table::new(fields, &["d", "p"], &[("delta.feature.materializePartitionColumns", "supported")]);
    let protocol = std::fs::read_to_string(table.rig.folder.path().join(commit_name(0))).unwrap();
    let mut protocol: Value = serde_json::from_str(protocol.lines().next().unwrap()).unwrap();
    protocol["protocol"]["writerFeatures"].as_array_mut().unwrap().push("materializePartitionColumns".into());
    table.commit(&[protocol]);
    let mut random = Random::new(4);
    for n in 0..4 {
        let batch = random.batch(&table.rig, n * 20, 20);
        table.rig.write(&[batch]);
    }
    table.compact_all(&eager());
    for file in table.files() {
        let stored = table.stored(&file);
        let names: Vec<_> = stored.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["id", "p", "d", "v"]);
        let texts = stored.column(1).as_string::<i32>();
        let value = file.partition_values["p"].as_deref();
        // An empty text is null in the log.
        let stored =
            |row: usize| texts.is_valid(row).then(|| texts.value(row)).filter(|text| !text.is_empty());
        assert!((0..texts.len()).all(|row| stored(row) == value));
    }
}

#[test]
fn deleted_rows_do_not_come_back() {
    let table =
        Table::new(vec![id(), field("s", DataType::String)], &[], &[("delta.enableDeletionVectors", "true")]);
    let mut random = Random::new(5);
    for n in 0..4 {
        let batch = random.batch(&table.rig, n * 100, 100);
        table.rig.write(&[batch]);
    }
    let files = table.files();
    table.delete(&files[0], [0, 1, 50, 99]);
    table.delete(&files[1], 0..100);
    table.delete(&files[2], 21..42);
    assert_eq!(table.rig.read(None).num_rows(), 400 - 4 - 100 - 21);
    // Too few files to merge: only those that lost many rows are written anew.
    let compacted = table.compact_all(&Compaction { min_files: 8, ..eager() });
    assert_eq!((compacted.removed_files, compacted.deleted_rows, compacted.rows), (2, 121, 79));
    let compacted = table.compact_all(&eager());
    assert_eq!((compacted.removed_files, compacted.deleted_rows, compacted.rows), (3, 4, 275));
    assert!(table.files().iter().all(|file| file.deletion_vector.is_none()));
}

#[test]
fn a_file_of_which_no_row_is_left_leaves_no_file() {
    let table = Table::new(vec![id()], &[], &[]);
    table.rig.write(&[table.rig.rows(vec![ids(0, 10)])]);
    table.delete(&table.files()[0], 0..10);
    let compacted = table.compact_all(&eager());
    assert_eq!((compacted.removed_files, compacted.added_files, table.files().len()), (1, 0, 0));
}

/// Nothing is committed where a file does not have what the log says of it.
#[test]
fn a_file_that_has_other_rows_than_the_log_says_is_left_alone() {
    let table = Table::new(vec![id()], &[], &[]);
    (0..3).for_each(|n| drop(table.rig.write(&[table.rig.rows(vec![ids(n * 10, 10)])])));
    let file = table.files().remove(0);
    let mut add = table.add_of(&file);
    add["stats"] = json!({"numRecords": 9}).to_string().into();
    table.commit(&[json!({"add": add})]);
    let version = table.version();
    let error = table.try_compact(&eager()).unwrap_err();
    assert_eq!(error.code, Code::TableCorrupt);
    assert!(error.message.contains("has 10 rows, its numRecords is 9"), "{error}");
    assert_eq!((table.version(), table.unreferenced()), (version, BTreeSet::new()));
}

#[test]
fn files_are_skipped_by_their_statistics_as_before() {
    let table = Table::new(vec![id(), field("d", DataType::Double)], &[], &[]);
    let values = [vec![-0.0, 0.0, 1.0], vec![f64::NAN, 5.0, -3.0], vec![f64::INFINITY, 2.0, 7.5]];
    for (n, values) in values.into_iter().enumerate() {
        table.rig.write(&[table.rig.rows(vec![ids(n * 3, 3), Arc::new(Float64Array::from(values))])]);
    }
    table.compact_all(&eager());
    let matching = |value: f64| {
        let column = Expression::column(ColumnName::new(["d"]));
        table.rig.read(Some(Predicate::ge(column, Expression::literal(Scalar::Double(value))))).num_rows()
    };
    // One file: all of it or nothing.
    assert_eq!((matching(-3.0), matching(1e300)), (9, 9));
}

#[test]
fn tables_that_are_not_written_to_are_refused() {
    let mut table = Table::new(vec![id()], &[], &[]);
    (0..3).for_each(|n| drop(table.rig.write(&[table.rig.rows(vec![ids(n * 10, 10)])])));
    table.alter(|info| {
        info.properties.insert("delta.appendOnly".into(), "true".into());
    });
    // Nothing is changed by it: `dataChange` is false.
    assert_eq!(table.compact_all(&eager()).commits, 1);
    let clustering = json!({"clusteringColumns": [["id"]]}).to_string();
    let mut protocol: Value = serde_json::from_str(
        std::fs::read_to_string(table.rig.folder.path().join(commit_name(0)))
            .unwrap()
            .lines()
            .next()
            .unwrap(),
    )
    .unwrap();
    let mut with = |feature: &str, actions: &[Value]| {
        protocol["protocol"]["writerFeatures"].as_array_mut().unwrap().push(feature.into());
        table.commit(&[&[protocol.clone()], actions].concat());
    };
    let domain = json!({"domainMetadata": {"domain": "delta.clustering", "configuration": clustering, "removed": false}});
    with("clustering", &[domain]);
    table.try_compact(&eager()).unwrap();
    with("tomorrow", &[]);
    let error = table.try_compact(&eager()).unwrap_err();
    assert_eq!(error.code, Code::TableUnsupported);
    assert!(error.message.contains("tomorrow"), "{error}");
}

#[test]
fn clustered_files_are_for_who_clusters_and_clustering_columns_need_statistics() {
    let mut table = Table::new(vec![id(), field("c", DataType::Long)], &[], &[]);
    let protocol = std::fs::read_to_string(table.rig.folder.path().join(commit_name(0))).unwrap();
    let mut protocol: Value = serde_json::from_str(protocol.lines().next().unwrap()).unwrap();
    protocol["protocol"]["writerFeatures"].as_array_mut().unwrap().push("clustering".into());
    let domain = json!({"domainMetadata": {"domain": "delta.clustering", "removed": false,
        "configuration": json!({"clusteringColumns": [["c"]]}).to_string()}});
    let mut random = Random::new(6);
    for n in 0..5 {
        let batch = random.batch(&table.rig, n * 10, 10);
        table.rig.write(&[batch]);
    }
    let clustered = table.files().remove(2);
    let mut add = table.add_of(&clustered);
    add["clusteringProvider"] = "liquid".into();
    table.commit(&[protocol, domain, json!({"add": add})]);
    assert_eq!(table.compact_all(&eager()).removed_files, 4);
    assert!(table.files().iter().any(|file| file.path == clustered.path));
    table.alter(|info| {
        info.properties.insert("delta.dataSkippingNumIndexedCols".into(), "1".into());
    });
    let error = table.try_compact(&eager()).unwrap_err();
    assert!(error.message.contains("clustering column c"), "{error}");
}
