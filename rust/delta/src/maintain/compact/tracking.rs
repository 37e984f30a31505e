//! Row tracking: the ids and commit versions of rows stay what they were, in columns that are not in the schema.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};

use super::super::files::LiveFile;

/// The physical names of the two columns, where rows are tracked.
pub fn columns(table: &TableInfo) -> Result<Vec<String>> {
    if !table.is_on("delta.enableRowTracking") {
        return Ok(vec![]);
    }
    let name = |of: &str| {
        let property = format!("delta.rowTracking.materialized{of}ColumnName");
        let message = format!("its rows are tracked, and its property {property} is not set");
        table.properties.get(&property).cloned().ok_or_else(|| Error::new(Code::TableCorrupt, message))
    };
    Ok(vec![name("RowId")?, name("RowCommitVersion")?])
}

/// Fills the last two columns of rows of `file`, of which the first is at `position`.
pub fn fill(file: &LiveFile, position: u64, rows: &RecordBatch) -> Result<RecordBatch> {
    let mut columns = rows.columns().to_vec();
    let (Some(versions), Some(ids)) = (columns.pop(), columns.pop()) else { return Ok(rows.clone()) };
    let first = file.base_row_id.map(|base| base + position as i64);
    let missing = |what: &str| {
        let message = format!("{} has no {what}, and the table's rows are tracked", file.path);
        Error::new(Code::TableCorrupt, message)
    };
    let ids = or_else(&ids, |row| first.map(|first| first + row as i64));
    columns.push(ids.ok_or_else(|| missing("baseRowId"))?);
    let versions = or_else(&versions, |_| file.default_row_commit_version);
    columns.push(versions.ok_or_else(|| missing("defaultRowCommitVersion"))?);
    RecordBatch::try_new(rows.schema(), columns)
        .map_err(|e| Error::new(Code::NativePanic, format!("rows of {}: {e}", file.path)))
}

/// None: a value is needed, and there is none.
fn or_else(array: &ArrayRef, default: impl Fn(usize) -> Option<i64>) -> Option<ArrayRef> {
    let array = array.as_primitive::<Int64Type>();
    let value = |row: usize| if array.is_valid(row) { Some(array.value(row)) } else { default(row) };
    let values: Option<Vec<i64>> = (0..array.len()).map(value).collect();
    Some(Arc::new(Int64Array::from(values?)))
}
