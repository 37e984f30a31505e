//! Row ids and row commit versions stay what they were.

use std::collections::BTreeMap;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use buoyant_kernel::engine::arrow_data::EngineDataArrowExt;
use buoyant_kernel::schema::MetadataColumnSpec;
use sluice_core::schema::DataType;

use super::*;
use crate::readback::{Random, field, id, ids, mapped};

const ID: &str = "_row-id-col-1";
const VERSION: &str = "_row-commit-version-col-1";

fn tracked(mode: &str) -> Table {
    let mut next = 0;
    let fields = vec![id(), field("p", DataType::Boolean), field("s", DataType::String)];
    let fields = fields.into_iter().map(|field| mapped(field, &mut next)).collect();
    let properties = [
        ("delta.columnMapping.mode", mode),
        ("delta.columnMapping.maxColumnId", "3"),
        ("delta.enableRowTracking", "true"),
        ("delta.rowTracking.materializedRowIdColumnName", ID),
        ("delta.rowTracking.materializedRowCommitVersionColumnName", VERSION),
    ];
    Table::new(fields, &["p"], &properties)
}

/// As the kernel reads them: by the values of column `id`.
fn row_ids(table: &Table) -> BTreeMap<i64, i64> {
    let maintained = table.maintained();
    let snapshot = maintained.newest().unwrap();
    let schema = snapshot.schema().add_metadata_column("row id", MetadataColumnSpec::RowId).unwrap();
    let scan = snapshot.scan_builder().with_schema(Arc::new(schema)).build().unwrap();
    let mut found = BTreeMap::new();
    for batch in scan.execute(Arc::new(maintained.engine)).unwrap() {
        let batch = batch.unwrap().try_into_record_batch().unwrap();
        let long = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().clone();
        let (ids, row_ids) = (long("id"), long("row id"));
        for row in 0..batch.num_rows() {
            assert_eq!(found.insert(ids.value(row), row_ids.value(row)), None);
        }
    }
    let distinct: BTreeSet<i64> = found.values().copied().collect();
    assert_eq!(distinct.len(), found.len());
    found
}

/// By the protocol's rules, of rows that are deleted too.
fn commit_versions(table: &Table) -> BTreeMap<i64, i64> {
    let mut found = BTreeMap::new();
    for file in table.files() {
        let stored = table.stored(&file);
        let ids = stored.column(0).as_primitive::<Int64Type>();
        let versions = stored.column_by_name(VERSION).map(|column| column.as_primitive::<Int64Type>());
        for row in 0..stored.num_rows() {
            let stored =
                versions.filter(|versions| versions.is_valid(row)).map(|versions| versions.value(row));
            found.insert(ids.value(row), stored.or(file.default_row_commit_version).unwrap());
        }
    }
    found
}

#[test]
fn ids_and_versions_of_rows_stay_through_merging_deleting_and_ordering() {
    for mode in ["none", "name", "id"] {
        let table = tracked(mode);
        let mut random = Random::new(12);
        let mut append = |n: usize| {
            let batch = random.batch(&table.rig, n * 40, 40);
            drop(table.rig.write(&[batch]));
        };
        (0..3).for_each(&mut append);
        let (ids, versions) = (row_ids(&table), commit_versions(&table));
        assert_eq!((ids.len(), versions.values().max()), (120, Some(&3)));
        table.compact_all(&eager());
        assert_eq!((row_ids(&table), commit_versions(&table)), (ids, versions), "{mode}");

        // Merged ones among new ones, with rows deleted in between.
        (3..5).for_each(&mut append);
        table.delete(&table.files()[0], [0, 2, 5]);
        let (ids, versions) = (row_ids(&table), commit_versions(&table));
        table.compact_all(&Compaction { order: Order::By(vec!["s".into()]), ..eager() });
        assert_eq!(row_ids(&table), ids, "{mode}");
        let after = commit_versions(&table);
        assert_eq!(after.len(), ids.len());
        assert!(after.iter().all(|(id, version)| versions[id] == *version), "{mode}");
        let stats = table.add_of(&table.files()[0])["stats"].as_str().unwrap().to_owned();
        assert!(!stats.contains("_row-"), "{stats}");
    }
}

#[test]
fn rows_that_are_tracked_have_columns_for_it() {
    let mut table = tracked("name");
    let mut random = Random::new(13);
    for n in 0..2 {
        let batch = random.batch(&table.rig, n * 10, 10);
        table.rig.write(&[batch]);
    }
    table.alter(|info| drop(info.properties.remove("delta.rowTracking.materializedRowIdColumnName")));
    let error = table.try_compact(&eager()).unwrap_err();
    assert!(error.message.contains("materializedRowIdColumnName"), "{error}");
    // Supported, not enabled: nobody relies on the ids.
    table.alter(|info| drop(info.properties.remove("delta.enableRowTracking")));
    table.compact_all(&eager());
    let names: Vec<_> =
        table.stored(&table.files()[0]).schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["col-1", "col-3"]);
    assert!(table.files().iter().all(|file| file.base_row_id.is_some()));
}

/// A file is read in several batches, and positions are counted from its first row.
#[test]
fn positions_are_those_in_the_file() {
    const ROWS: usize = 20_000;
    let fields = vec![mapped(id(), &mut 0)];
    let properties = [
        ("delta.columnMapping.mode", "name"),
        ("delta.columnMapping.maxColumnId", "1"),
        ("delta.enableRowTracking", "true"),
        ("delta.rowTracking.materializedRowIdColumnName", ID),
        ("delta.rowTracking.materializedRowCommitVersionColumnName", VERSION),
    ];
    let table = Table::new(fields, &[], &properties);
    (0..2).for_each(|n| drop(table.rig.write(&[table.rig.rows(vec![ids(n * ROWS, ROWS)])])));
    table.delete(&table.files()[0], [3, 8191, 8192, 12_345, 19_999]);
    let ids = row_ids(&table);
    assert_eq!(ids.len(), 2 * ROWS - 5);
    table.compact_all(&eager());
    assert_eq!(row_ids(&table), ids);
}
