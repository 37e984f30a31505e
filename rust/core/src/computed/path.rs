//! Where a value is inside a record: `a.b`, `a[0].b`, and for a map `m.key`.

use std::fmt;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt64Array, new_null_array};
use arrow_select::take::take;

use crate::schema::{DataType, Field};

#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// The column.
    pub root: String,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A field of a struct, or the entry of a map with that key.
    Name(String),
    /// An element of an array; the first is 0.
    Index(usize),
}

impl Path {
    /// The name that is furthest to the right.
    pub fn last_name(&self) -> &str {
        let names = self.steps.iter().rev().find_map(|step| match step {
            Step::Name(name) => Some(name.as_str()),
            Step::Index(_) => None,
        });
        names.unwrap_or(&self.root)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        self.steps.iter().try_for_each(|step| write!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Name(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// The position of a name: as it is written or, where there is none, without regard to case.
pub fn find<'a>(names: impl Iterator<Item = &'a str> + Clone, name: &str) -> Option<usize> {
    names
        .clone()
        .position(|other| other == name)
        .or_else(|| names.clone().position(|other| same(other, name)))
}

/// Whether Delta takes two names for the same column's.
pub fn same(one: &str, other: &str) -> bool {
    one.chars().flat_map(char::to_lowercase).eq(other.chars().flat_map(char::to_lowercase))
}

pub fn find_field(fields: &[Field], name: &str) -> Option<usize> {
    find(fields.iter().map(|field| field.name.as_str()), name)
}

/// Adds to `fields` what is missing for the path to lead to a value, which is then of the type `wanted`.
pub fn extend(fields: &mut Vec<Field>, path: &Path, wanted: Option<&DataType>) -> Result<(), String> {
    extend_fields(fields, &path.root, &path.steps, wanted).map_err(|why| {
        why.unwrap_or_else(|| format!("{path} is not in the table: give its type, as in field({path}, long)"))
    })
}

/// The error is none where the type is missing.
fn extend_fields(
    fields: &mut Vec<Field>,
    name: &str,
    rest: &[Step],
    wanted: Option<&DataType>,
) -> Result<(), Option<String>> {
    if let Some(found) = find_field(fields, name) {
        return extend_type(&mut fields[found].data_type, rest, wanted);
    }
    let mut data_type = wanted.ok_or(None)?.clone();
    for step in rest.iter().rev() {
        data_type = match step {
            Step::Name(name) => DataType::Struct(vec![nullable(name, data_type)]),
            Step::Index(_) => DataType::Array { element: Box::new(data_type), contains_null: true },
        };
    }
    fields.push(nullable(name, data_type));
    Ok(())
}

fn extend_type(
    data_type: &mut DataType,
    steps: &[Step],
    wanted: Option<&DataType>,
) -> Result<(), Option<String>> {
    let Some((step, rest)) = steps.split_first() else { return Ok(()) };
    match (data_type, step) {
        (DataType::Struct(fields), Step::Name(name)) => extend_fields(fields, name, rest, wanted),
        (DataType::Array { element, .. }, Step::Index(_)) => extend_type(element, rest, wanted),
        (DataType::Map { key, value, .. }, Step::Name(_)) if **key == DataType::String => {
            extend_type(value, rest, wanted)
        }
        (other, step) => Err(Some(format!("{step} is not in a value of type {other}"))),
    }
}

/// The type of what [`gather`] gives; [`extend`] has made sure that it is there.
pub fn type_at<'a>(data_type: &'a DataType, steps: &[Step]) -> Result<&'a DataType, String> {
    let Some((step, rest)) = steps.split_first() else { return Ok(data_type) };
    let below = match (data_type, step) {
        (DataType::Struct(fields), Step::Name(name)) => {
            find_field(fields, name).map(|found| &fields[found].data_type)
        }
        (DataType::Array { element, .. }, Step::Index(_)) => Some(&**element),
        (DataType::Map { key, value, .. }, Step::Name(_)) if **key == DataType::String => Some(&**value),
        _ => None,
    };
    type_at(below.ok_or_else(|| format!("{step} is not in a value of type {data_type}"))?, rest)
}

pub fn nullable(name: &str, data_type: DataType) -> Field {
    Field { name: name.to_owned(), data_type, nullable: true, metadata: serde_json::Map::new() }
}

/// For each row of a column the value at the steps; null where something on the way is null or not there.
pub fn gather(column: &ArrayRef, steps: &[Step]) -> ArrayRef {
    if steps.is_empty() {
        return column.clone();
    }
    let mut array = column.clone();
    let mut places: Vec<Option<usize>> = (0..array.len()).map(Some).collect();
    for step in steps {
        let valid = places.iter().map(|place| place.filter(|place| array.is_valid(*place)));
        (array, places) = match step {
            Step::Index(index) => {
                let list = array.as_list::<i32>();
                let element = |row: usize| {
                    let place = list.value_offsets()[row] as usize + index;
                    (place < list.value_offsets()[row + 1] as usize).then_some(place)
                };
                let places = valid.map(|row| row.and_then(element)).collect();
                (list.values().clone(), places)
            }
            Step::Name(name) => match array.as_struct_opt() {
                Some(parent) => {
                    let names = parent.fields().iter().map(|field| field.name().as_str());
                    let child = find(names, name).expect("the path was checked against the schema");
                    (parent.column(child).clone(), valid.collect())
                }
                None => {
                    let map = array.as_map();
                    let keys = map.keys().as_string::<i32>();
                    let entry = |row: usize| {
                        let entries =
                            map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize;
                        entries.into_iter().find(|place| keys.value(*place) == name)
                    };
                    let places = valid.map(|row| row.and_then(entry)).collect();
                    (map.values().clone(), places)
                }
            },
        };
    }
    pick(&array, places.into_iter())
}

/// The elements at the places, null where there is none.
fn pick(array: &dyn Array, places: impl Iterator<Item = Option<usize>>) -> ArrayRef {
    let places: UInt64Array = places.map(|place| place.map(|place| place as u64)).collect();
    if array.is_empty() {
        return new_null_array(array.data_type(), places.len());
    }
    take(array, &places, None).expect("every place is inside the array")
}

pub fn pick_rows(array: &dyn Array, rows: &[usize]) -> ArrayRef {
    pick(array, rows.iter().map(|row| Some(*row)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::json::{JsonDecoder, JsonOptions};
    use crate::schema::Schema;

    fn path(root: &str, steps: &[Step]) -> Path {
        Path { root: root.into(), steps: steps.to_vec() }
    }

    fn name(name: &str) -> Step {
        Step::Name(name.into())
    }

    #[test]
    fn values_are_found_at_any_depth_in_their_own_row() {
        let mut fields = vec![nullable(
            "m",
            DataType::Map {
                key: Box::new(DataType::String),
                value: Box::new(DataType::Long),
                value_contains_null: true,
            },
        )];
        let list = path("a", &[name("l"), Step::Index(1), name("x")]);
        extend(&mut fields, &list, Some(&DataType::Long)).unwrap();
        let mut decoder =
            JsonDecoder::new(&Schema { fields: fields.clone() }, JsonOptions::default()).unwrap();
        for row in [
            r#"{"a":{"l":[{"x":1},{"x":2}]},"m":{"p":10,"q":11}}"#,
            r#"{"a":{"l":[{"x":3}]},"m":{"q":12}}"#,
            r#"{}"#,
            r#"{"a":{"l":null},"m":{}}"#,
            r#"{"a":{"l":[null,null]}}"#,
            r#"{"a":{"l":[{"x":4},{"x":5},{"x":6}]},"m":{"p":null}}"#,
            r#"{"a":{"l":[null,{"x":7}]},"m":{"p":13}}"#,
        ] {
            decoder.push(row.as_bytes()).unwrap();
        }
        let batch = decoder.finish();
        let longs = |path: &Path, batch: &arrow_array::RecordBatch| -> Vec<Option<i64>> {
            let column = batch.column(find_field(&fields, &path.root).unwrap());
            gather(column, &path.steps).as_primitive::<arrow_array::types::Int64Type>().iter().collect()
        };
        let expected = [Some(2), None, None, None, None, Some(5), Some(7)];
        assert_eq!(longs(&list, &batch), expected);
        let entry = path("m", &[name("p")]);
        let entries = [Some(10), None, None, None, None, None, Some(13)];
        assert_eq!(longs(&entry, &batch), entries);
        // Slices have offsets of their own.
        assert_eq!(longs(&list, &batch.slice(5, 2)), expected[5..]);
        assert_eq!(longs(&entry, &batch.slice(6, 1)), entries[6..]);
        assert_eq!(longs(&entry, &batch.slice(2, 0)), []);
    }

    #[test]
    fn a_path_is_added_beside_what_is_there() {
        let mut fields = vec![nullable("A", DataType::Struct(vec![nullable("x", DataType::Long)]))];
        extend(&mut fields, &path("a", &[name("X")]), None).unwrap();
        extend(&mut fields, &path("a", &[name("y"), name("z")]), Some(&DataType::Date)).unwrap();
        extend(&mut fields, &path("b", &[]), Some(&DataType::String)).unwrap();
        let types: Vec<_> = fields.iter().map(|f| format!("{} {}", f.name, f.data_type)).collect();
        assert_eq!(types, ["A struct<x:long,y:struct<z:date>>", "b string"]);
        assert_eq!(
            extend(&mut fields, &path("c", &[name("d")]), None).unwrap_err(),
            "c.d is not in the table: give its type, as in field(c.d, long)"
        );
        assert_eq!(
            extend(&mut fields, &path("b", &[name("d")]), None).unwrap_err(),
            ".d is not in a value of type string"
        );
        assert_eq!(
            extend(&mut fields, &path("A", &[Step::Index(0)]), Some(&DataType::Long)).unwrap_err(),
            "[0] is not in a value of type struct<x:long,y:struct<z:date>>"
        );
    }
}
