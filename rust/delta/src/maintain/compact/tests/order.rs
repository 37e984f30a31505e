//! The order of rows in merged files.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array};
use sluice_core::schema::DataType;

use super::*;
use crate::readback::{Random, field, id, ids, mapped, nested, scalars};

fn by(columns: &[&str]) -> Order {
    Order::By(columns.iter().map(|name| (*name).to_owned()).collect())
}

fn z(columns: &[&str]) -> Order {
    Order::ZOrder(columns.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn rows_are_ordered_by_each_type_of_column_and_only_once() {
    let mut next = 0;
    let fields = [vec![id(), field("p", DataType::Integer)], scalars(), nested()].concat();
    let fields = fields.into_iter().map(|field| mapped(field, &mut next)).collect();
    let highest = next.to_string();
    let properties = [("delta.columnMapping.mode", "name"), ("delta.columnMapping.maxColumnId", &highest)];
    let table = Table::new(fields, &["p"], &properties);
    let mut random = Random::new(8);
    for n in 0..3 {
        let mut columns = random.batch(&table.rig, n * 100, 100).columns().to_vec();
        columns[1] = Arc::new(arrow_array::Int32Array::from(vec![7; 100]));
        table.rig.write(&[table.rig.rows(columns)]);
    }
    let names =
        scalars().into_iter().map(|field| field.name).chain(["struct.deep.s".into(), "BINARY".into()]);
    for name in names {
        let settings = Compaction { order: by(&[&name, "p"]), ..eager() };
        let compacted = table.compact_all(&settings);
        assert_eq!((compacted.removed_files, compacted.added_files), (if name == "byte" { 3 } else { 1 }, 1));
        if !name.contains('.') && name != "BINARY" {
            let stored = table.stored(&table.files()[0]);
            let place =
                table.rig.table.schema.fields.iter().position(|field| field.name == name).unwrap() - 1;
            let column = stored.column(place);
            let keys = keys(column);
            assert!(keys.is_sorted(), "{name}");
            assert!(column.null_count() == 0 || column.is_null(0), "{name}: nulls come first");
        }
    }
    for order in [z(&["long", "string", "double"]), z(&["string"])] {
        let compacted = table.compact_all(&Compaction { order, ..eager() });
        assert_eq!((compacted.removed_files, compacted.added_files), (1, 1));
    }
}

fn keys(column: &ArrayRef) -> Vec<arrow_row::OwnedRow> {
    let field = arrow_row::SortField::new(column.data_type().clone());
    let rows = arrow_row::RowConverter::new(vec![field])
        .unwrap()
        .convert_columns(std::slice::from_ref(column))
        .unwrap();
    (0..rows.num_rows()).map(|row| rows.row(row).owned()).collect()
}

#[test]
fn numbers_are_ordered_with_nan_last() {
    let table = Table::new(vec![id(), field("d", DataType::Double)], &[], &[]);
    for (n, value) in [f64::NAN, 1.0, f64::NEG_INFINITY, 0.5].into_iter().enumerate() {
        let column = Arc::new(Float64Array::from(vec![Some(value), None]));
        table.rig.write(&[table.rig.rows(vec![ids(n * 2, 2), column])]);
    }
    table.compact_all(&Compaction { order: by(&["d"]), ..eager() });
    let stored = table.stored(&table.files()[0]);
    let numbers = stored.column(1).as_primitive::<Float64Type>();
    assert_eq!(numbers.null_count(), 4);
    assert_eq!(numbers.values()[4..7], [f64::NEG_INFINITY, 0.5, 1.0]);
    assert!(numbers.value(7).is_nan());
}

/// A grid of points: a file of a Z-order has a part of it that is narrow in both columns.
#[test]
fn a_z_order_keeps_rows_together_that_are_near_in_all_columns() {
    const SIDE: i64 = 64;
    let table = Table::new(vec![id(), field("x", DataType::Long), field("y", DataType::Long)], &[], &[]);
    let points: Vec<i64> = (0..SIDE * SIDE).map(|n| n * 2_654_435_761 % (SIDE * SIDE)).collect();
    for (n, points) in points.chunks(1024).enumerate() {
        // Whatever the values: only their order counts.
        let x = points.iter().map(|point| (point / SIDE).pow(3)).collect::<Int64Array>();
        let y = points.iter().map(|point| point % SIDE - 1_000_000).collect::<Int64Array>();
        table.rig.write(&[table.rig.rows(vec![ids(n * 1024, 1024), Arc::new(x), Arc::new(y)])]);
    }
    table.compact_all(&Compaction { order: z(&["x", "y"]), ..eager() });
    let stored = table.stored(&table.files()[0]);
    let (x, y) = (stored.column(1).as_primitive::<Int64Type>(), stored.column(2).as_primitive::<Int64Type>());
    for square in 0..16 {
        let rows = square * 256..(square + 1) * 256;
        let distinct =
            |column: &Int64Array| rows.clone().map(|row| column.value(row)).collect::<BTreeSet<_>>().len();
        assert_eq!((distinct(x), distinct(y)), (16, 16), "square {square}");
    }
}

#[test]
fn rows_that_do_not_go_into_memory_together_are_ordered_in_parts() {
    let table = Table::new(vec![id(), field("s", DataType::String)], &[], &[]);
    let mut random = Random::new(9);
    for n in 0..8 {
        let batch = random.batch(&table.rig, n * 2000, 2000);
        table.rig.write(&[batch]);
    }
    let settings =
        Compaction { order: by(&["s"]), memory_bytes: 400 << 10, target_bytes: 4 << 20, ..eager() };
    let compacted = table.compact_all(&settings);
    assert!(compacted.added_files > 1, "{compacted:?}");
    for file in table.files() {
        assert!(keys(table.stored(&file).column(1)).is_sorted(), "{}", file.path);
    }
}

#[test]
fn columns_that_rows_cannot_be_ordered_by_are_an_error() {
    let table = Table::new([vec![id()], nested()].concat(), &[], &[]);
    let mut random = Random::new(10);
    (0..2).for_each(|n| {
        let batch = random.batch(&table.rig, n * 10, 10);
        drop(table.rig.write(&[batch]));
    });
    for (order, expected) in [
        (by(&["id", "nowhere"]), "delta.compaction.order.by: the column nowhere is not in the table"),
        (z(&["struct.deep.x"]), "delta.compaction.z.order.by: the column struct.deep.x is not in the table"),
        (by(&["list"]), "delta.compaction.order.by: the column list is nested: rows cannot be ordered by it"),
        (
            by(&["struct.deep"]),
            "delta.compaction.order.by: the column struct.deep is nested: rows cannot be ordered by it",
        ),
    ] {
        let error = table.try_compact(&Compaction { order, ..eager() }).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (Code::ColumnMismatch, expected));
    }
    assert_eq!(table.version(), 2);
}
