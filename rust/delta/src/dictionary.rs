//! Which columns of a file are worth a dictionary. Where values hardly repeat, building one costs more than all other
//! encoding together and saves nothing.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_schema::{DataType, Fields};
use parquet::schema::types::ColumnPath;

/// With more distinct values than this, a dictionary does not pay.
const MANY: usize = 1 << 16;

/// The columns with many distinct values, judged by the first rows of a file whose schema has `fields`. Those in lists
/// and maps are left out.
pub fn columns_of_many_values(fields: &Fields, first: &[ArrayRef]) -> Vec<ColumnPath> {
    let mut found = Vec::new();
    collect(&[], fields, first, &mut found);
    found
}

fn collect(parent: &[String], fields: &Fields, columns: &[ArrayRef], found: &mut Vec<ColumnPath>) {
    for (field, column) in fields.iter().zip(columns) {
        let path = [parent, &[field.name().clone()]].concat();
        if let (DataType::Struct(fields), Some(group)) = (field.data_type(), column.as_struct_opt()) {
            collect(&path, fields, group.columns(), found);
        } else if has_many_values(column) {
            found.push(ColumnPath::new(path));
        }
    }
}

/// Of n values drawn from N distinct ones about n²/2N repeat one before. So few rows never prove that N is large.
fn has_many_values(column: &ArrayRef) -> bool {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(column.data_type().clone()));
    // Boolean and nested columns cannot be cast, and have no dictionary of their own.
    let Ok(encoded) = cast(column, &dictionary) else { return false };
    let values = column.len() - column.null_count();
    let repeated = values.saturating_sub(encoded.as_any_dictionary().values().len());
    values * values / (2 * repeated.max(1)) > MANY
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, StructArray,
    };
    use arrow_schema::Field;

    use super::*;

    const ROWS: i64 = 5000;

    fn found(columns: Vec<(&str, ArrayRef)>) -> Vec<String> {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        columns_of_many_values(batch.schema_ref().fields(), batch.columns())
            .iter()
            .map(ColumnPath::string)
            .collect()
    }

    fn longs(distinct: i64, rows: i64) -> ArrayRef {
        Arc::new((0..rows).map(|row| row * 7919 % distinct).collect::<Int64Array>())
    }

    #[test]
    fn only_columns_whose_values_hardly_repeat_go_without_a_dictionary() {
        let strings = (0..ROWS).map(|row| Some(format!("s{row}"))).collect::<StringArray>();
        let nullable =
            (0..ROWS).map(|row| (row % 3 == 0).then(|| format!("s{}", row % 900))).collect::<StringArray>();
        let decimals = (0..ROWS).map(|row| Some(i128::from(row))).collect::<Decimal128Array>();
        let flags = (0..ROWS).map(|row| Some(row % 2 == 0)).collect::<BooleanArray>();
        let place = StructArray::from(vec![
            (
                Arc::new(Field::new("lat", DataType::Float64, true)),
                Arc::new((0..ROWS).map(|row| row as f64).collect::<Float64Array>()) as ArrayRef,
            ),
            (Arc::new(Field::new("zone", DataType::Int64, true)), longs(24, ROWS)),
        ]);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("unique", longs(i64::MAX, ROWS)),
            ("thousand", longs(1000, ROWS)),
            ("strings", Arc::new(strings)),
            ("nullable", Arc::new(nullable)),
            ("decimals", Arc::new(decimals)),
            ("flags", Arc::new(flags)),
            ("place", Arc::new(place)),
        ];
        assert_eq!(found(columns), ["unique", "strings", "decimals", "place.lat"]);
    }

    #[test]
    fn a_few_rows_prove_nothing() {
        assert_eq!(found(vec![("id", longs(i64::MAX, 300))]), [""; 0]);
        assert_eq!(found(vec![("id", longs(i64::MAX, 0))]), [""; 0]);
    }
}
