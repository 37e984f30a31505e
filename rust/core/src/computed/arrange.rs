//! A column in the exact type that the table has: fields in its order, entries nullable as it says.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray, new_null_array};
use arrow_schema::{DataType as ArrowType, FieldRef, Fields};

use super::functions::longs;
use super::path::{find, find_field};
use crate::schema::{DataType, Field};

/// Whether every value of one type is a value of the other, and nothing of it is lost.
pub fn fits(from: &DataType, to: &DataType) -> bool {
    use DataType::{Array, Byte, Integer, Long, Map, Short, Struct};
    match (from, to) {
        (Byte | Short | Integer, Long) => true,
        (Struct(from), Struct(to)) => {
            let is_filled = |to: &Field| match find_field(from, &to.name) {
                Some(found) => {
                    fits(&from[found].data_type, &to.data_type) && (to.nullable || !from[found].nullable)
                }
                None => to.nullable,
            };
            to.iter().all(is_filled) && from.iter().all(|from| find_field(to, &from.name).is_some())
        }
        (
            Array { element: from, contains_null: from_null },
            Array { element: to, contains_null: to_null },
        ) => fits(from, to) && (*to_null || !from_null),
        (
            Map { key: from_key, value: from, value_contains_null: from_null },
            Map { key: to_key, value: to, value_contains_null: to_null },
        ) => from_key == to_key && fits(from, to) && (*to_null || !from_null),
        (from, to) => from == to,
    }
}

/// `array` is of a type that [`fits`], or has more fields than the table: these are left out.
pub fn arrange(array: &ArrayRef, to: &ArrowType) -> ArrayRef {
    if array.data_type() == to {
        return array.clone();
    }
    match to {
        ArrowType::Int64 => Arc::new(longs(array)),
        ArrowType::Struct(fields) => Arc::new(arrange_struct(array.as_struct(), fields)),
        ArrowType::List(element) => {
            let list = array.as_list::<i32>();
            let values = arrange(list.values(), element.data_type());
            Arc::new(ListArray::new(element.clone(), list.offsets().clone(), values, list.nulls().cloned()))
        }
        ArrowType::Map(entries, ordered) => Arc::new(arrange_map(array.as_map(), entries, *ordered)),
        other => unreachable!("{} is no {other}: the types were compared before", array.data_type()),
    }
}

fn arrange_struct(parent: &StructArray, fields: &Fields) -> StructArray {
    let child = |field: &FieldRef| {
        let names = parent.fields().iter().map(|field| field.name().as_str());
        match find(names, field.name()) {
            Some(found) => arrange(parent.column(found), field.data_type()),
            None => new_null_array(field.data_type(), parent.len()),
        }
    };
    StructArray::new(fields.clone(), fields.iter().map(child).collect(), parent.nulls().cloned())
}

fn arrange_map(map: &MapArray, entries: &FieldRef, ordered: bool) -> MapArray {
    let ArrowType::Struct(fields) = entries.data_type() else {
        unreachable!("a map's entries are structs");
    };
    let columns = vec![map.keys().clone(), arrange(map.values(), fields[1].data_type())];
    let arranged = StructArray::new(fields.clone(), columns, None);
    MapArray::new(entries.clone(), map.offsets().clone(), arranged, map.nulls().cloned(), ordered)
}
