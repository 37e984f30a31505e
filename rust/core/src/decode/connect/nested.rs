//! Lists, maps and structs, made anew from the columns in them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType as ArrowType, Field as ArrowField, Fields};

/// A list of what its rows refer to: the elements, and offsets that begin with 0 and end with their number.
pub(super) fn referenced(offsets: &OffsetBuffer<i32>, elements: &ArrayRef) -> (OffsetBuffer<i32>, ArrayRef) {
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    if first == 0 && last as usize == elements.len() {
        return (offsets.clone(), elements.clone());
    }
    let moved: Vec<i32> = offsets.iter().map(|offset| offset - first).collect();
    (OffsetBuffer::new(moved.into()), elements.slice(first as usize, (last - first) as usize))
}

/// The row of a list that has an element, and the element's place in it.
pub(super) fn place(offsets: &OffsetBuffer<i32>, element: usize) -> (usize, usize) {
    let row = offsets.partition_point(|offset| *offset as usize <= element) - 1;
    (row, element - offsets[row] as usize)
}

/// With names and nulls as they come: [`relabel`] gives them the table's.
pub(super) fn loose_struct(
    names: impl Iterator<Item = Box<str>>,
    columns: Vec<ArrayRef>,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let fields: Fields = names
        .zip(&columns)
        .map(|(name, column)| ArrowField::new(&*name, column.data_type().clone(), true))
        .collect();
    let array = StructArray::try_new_with_length(fields, columns, nulls, rows);
    Arc::new(array.expect("every column has a value for each row"))
}

pub(super) fn loose_list(
    offsets: OffsetBuffer<i32>,
    elements: ArrayRef,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let field = ArrowField::new("element", elements.data_type().clone(), true);
    Arc::new(ListArray::new(Arc::new(field), offsets, elements, nulls))
}

/// The same values as `target`. A map comes as a list of its entries.
pub(super) fn relabel(array: &ArrayRef, target: &ArrowType) -> ArrayRef {
    if array.data_type() == target {
        return array.clone();
    }
    match target {
        ArrowType::Struct(fields) => Arc::new(relabel_struct(array, fields)),
        ArrowType::List(field) => {
            let list = array.as_list::<i32>();
            let (offsets, elements) = referenced(list.offsets(), list.values());
            let elements = relabel(&elements, field.data_type());
            Arc::new(ListArray::new(field.clone(), offsets, elements, list.nulls().cloned()))
        }
        ArrowType::Map(field, sorted) => {
            let ArrowType::Struct(fields) = field.data_type() else { unreachable!("entries are a struct") };
            let list = array.as_list::<i32>();
            let (offsets, entries) = referenced(list.offsets(), list.values());
            let entries = relabel_struct(&entries, fields);
            Arc::new(MapArray::new(field.clone(), offsets, entries, list.nulls().cloned(), *sorted))
        }
        other => unreachable!("a column is {other} from the beginning, not {}", array.data_type()),
    }
}

fn relabel_struct(array: &ArrayRef, fields: &Fields) -> StructArray {
    let array = array.as_struct();
    let columns = array.columns().iter().zip(fields);
    let columns = columns.map(|(column, field)| relabel(column, field.data_type())).collect();
    StructArray::try_new_with_length(fields.clone(), columns, array.nulls().cloned(), array.len())
        .expect("what must not be null was checked")
}
