//! The order of rows in merged files: by columns, or near each other in all of several columns.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_row::{Row, RowConverter, Rows, SortField};
use arrow_schema::ArrowError;
use serde_json::json;
use sluice_core::schema::{DataType, Field};
use sluice_core::settings::Order;
use sluice_core::settings::declare::{COMPACTION_ORDER_BY, COMPACTION_Z_ORDER_BY};
use sluice_core::{Code, Error, Result};

use crate::physical::Layout;

/// A row of several batches: which batch, and which of its rows.
pub type Place = (usize, usize);

pub struct Sorter {
    /// Where the columns are in the files: the column, the column in that, and so on. Partition columns are left out: within
    /// a partition they are all alike.
    columns: Vec<Vec<usize>>,
    is_z_order: bool,
    /// For files in this order.
    pub tag: Arc<str>,
}

impl Sorter {
    /// None: rows stay as they came.
    pub fn new(order: &Order, layout: &Layout) -> Result<Option<Sorter>> {
        let is_z_order = matches!(order, Order::ZOrder(_));
        let found = find_columns(order, &layout.table.schema.fields)
            .map_err(|(setting, why)| Error::new(Code::ColumnMismatch, format!("{setting}: {why}")))?;
        let is_partition = |place: usize| layout.partition_columns.iter().any(|column| column.place == place);
        let mut columns = Vec::new();
        let mut physical = Vec::new();
        for mut path in found.into_iter().filter(|path| !is_partition(path[0])) {
            let Some(place) = layout.columns.iter().position(|column| *column == path[0]) else { continue };
            path[0] = place;
            physical.push(physical_name(layout, &path));
            columns.push(path);
        }
        if columns.is_empty() {
            return Ok(None);
        }
        let kind = if is_z_order { "z" } else { "by" };
        Ok(Some(Sorter { columns, is_z_order, tag: json!([kind, physical]).to_string().into() }))
    }

    /// The rows in their order. The same rows have the same order, however often they are sorted.
    pub fn sort(&self, batches: &[RecordBatch]) -> Result<Vec<Place>> {
        let sorted = if self.is_z_order { self.z_order(batches) } else { self.by_columns(batches) };
        sorted.map_err(|e| Error::new(Code::NativePanic, format!("ordering rows: {e}")))
    }

    fn by_columns(&self, batches: &[RecordBatch]) -> std::result::Result<Vec<Place>, ArrowError> {
        let keys = keys(batches, &self.columns)?;
        let mut places = places(batches);
        places.sort_unstable_by(|one, other| row(&keys, *one).cmp(&row(&keys, *other)).then(one.cmp(other)));
        Ok(places)
    }

    /// By the bits of the columns' ranks, one of each column in turn, the highest first. Ranks go from nothing to everything
    /// in each column, so that all have the same say, whatever their values.
    fn z_order(&self, batches: &[RecordBatch]) -> std::result::Result<Vec<Place>, ArrowError> {
        let places = places(batches);
        let ranks = self.columns.iter().map(|column| ranks(batches, column));
        let ranks = ranks.collect::<std::result::Result<Vec<Vec<u32>>, ArrowError>>()?;
        let mut numbers: Vec<usize> = (0..places.len()).collect();
        let bytes = ranks.len() * size_of::<u32>();
        let mut keys = vec![0_u8; places.len() * bytes];
        for (row, key) in keys.chunks_exact_mut(bytes).enumerate() {
            interleave(ranks.iter().map(|ranks| ranks[row]), key);
        }
        let key = |row: usize| &keys[row * bytes..(row + 1) * bytes];
        numbers.sort_unstable_by(|one, other| key(*one).cmp(key(*other)).then(one.cmp(other)));
        Ok(numbers.into_iter().map(|number| places[number]).collect())
    }
}

/// Writes the bits of all values one by one, from the highest to the lowest.
fn interleave(values: impl ExactSizeIterator<Item = u32> + Clone, key: &mut [u8]) {
    let count = values.len();
    for (place, value) in values.enumerate() {
        for bit in 0..u32::BITS as usize {
            let target = bit * count + place;
            if value >> (u32::BITS as usize - 1 - bit) & 1 == 1 {
                key[target / 8] |= 0x80 >> (target % 8);
            }
        }
    }
}

/// Of each row in one column: which part of all rows comes before it, of 2^32.
fn ranks(batches: &[RecordBatch], column: &[usize]) -> std::result::Result<Vec<u32>, ArrowError> {
    let keys = keys(batches, &[column.to_vec()])?;
    let places = places(batches);
    let mut numbers: Vec<usize> = (0..places.len()).collect();
    let key = |number: usize| row(&keys, places[number]);
    numbers.sort_unstable_by(|one, other| key(*one).cmp(&key(*other)));
    let mut ranks = vec![0; places.len()];
    let mut before = 0;
    for (place, number) in numbers.iter().enumerate() {
        if place > 0 && key(*number) != key(numbers[place - 1]) {
            before = place;
        }
        ranks[*number] = ((before as u64) << 32).checked_div(places.len() as u64).unwrap_or(0) as u32;
    }
    Ok(ranks)
}

fn places(batches: &[RecordBatch]) -> Vec<Place> {
    let rows = |(batch, rows): (usize, &RecordBatch)| (0..rows.num_rows()).map(move |row| (batch, row));
    batches.iter().enumerate().flat_map(rows).collect()
}

fn row(keys: &[Rows], (batch, row): Place) -> Row<'_> {
    keys[batch].row(row)
}

/// Nulls come first, NaN last.
fn keys(batches: &[RecordBatch], columns: &[Vec<usize>]) -> std::result::Result<Vec<Rows>, ArrowError> {
    let Some(first) = batches.first() else { return Ok(vec![]) };
    let field = |column: &Vec<usize>| SortField::new(array(first, column).data_type().clone());
    let converter = RowConverter::new(columns.iter().map(field).collect())?;
    let of_batch = |batch: &RecordBatch| {
        let arrays: Vec<ArrayRef> = columns.iter().map(|column| array(batch, column).clone()).collect();
        converter.convert_columns(&arrays)
    };
    batches.iter().map(of_batch).collect()
}

/// Where a struct is null, so are the columns in it.
fn array<'a>(batch: &'a RecordBatch, column: &[usize]) -> &'a ArrayRef {
    let (first, inner) = (column[0], &column[1..]);
    inner.iter().fold(batch.column(first), |array, place| array.as_struct().column(*place))
}

/// Where the columns are in a schema: the column, the column in that, and so on. An error is the setting's that names them.
pub fn find_columns(
    order: &Order,
    fields: &[Field],
) -> std::result::Result<Vec<Vec<usize>>, (&'static str, String)> {
    let (setting, names) = match order {
        Order::None => return Ok(Vec::new()),
        Order::By(names) => (COMPACTION_ORDER_BY, names),
        Order::ZOrder(names) => (COMPACTION_Z_ORDER_BY, names),
    };
    let found = names.iter().map(|name| {
        let refused = |why: &str| (setting, format!("the column {name} {why}"));
        find(fields, name).map_err(refused)
    });
    found.collect()
}

/// A column by its name; names of nested ones are behind a dot.
fn find(fields: &[Field], name: &str) -> std::result::Result<Vec<usize>, &'static str> {
    let same = |field: &&Field, name: &str| field.name.to_lowercase() == name.to_lowercase();
    let position = |name: &str| fields.iter().position(|field| same(&field, name));
    if let Some(place) = position(name) {
        return match &fields[place].data_type {
            DataType::Struct(_) | DataType::Array { .. } | DataType::Map { .. } => {
                Err("is nested: rows cannot be ordered by it")
            }
            _ => Ok(vec![place]),
        };
    }
    for (dot, _) in name.match_indices('.') {
        let (outer, inner) = (&name[..dot], &name[dot + 1..]);
        if let Some(place) = position(outer)
            && let DataType::Struct(fields) = &fields[place].data_type
        {
            return find(fields, inner).map(|path| [vec![place], path].concat());
        }
    }
    Err("is not in the table")
}

fn physical_name(layout: &Layout, path: &[usize]) -> String {
    let mut fields = layout.schema.fields();
    let mut names = Vec::new();
    for place in path {
        names.push(fields[*place].name().as_str());
        if let arrow_schema::DataType::Struct(inner) = fields[*place].data_type() {
            fields = inner;
        }
    }
    names.join(".")
}
