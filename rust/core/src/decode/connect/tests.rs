//! Typed columns become the table's, or bad rows that say why.

use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::OffsetBuffer;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::connect::arbitrary;
use crate::decode::any::tests::{list, long, map, text};
use crate::schema::Schema;

fn schema(kind: Kind) -> ConnectSchema {
    ConnectSchema::new(kind, true)
}

fn record(fields: Vec<(&str, ConnectSchema)>) -> ConnectSchema {
    schema(Kind::Struct(fields.into_iter().map(|(name, schema)| (name.into(), schema)).collect()))
}

fn rows(schema: &ConnectSchema, columns: Vec<ArrayRef>, nulls: Option<NullBuffer>) -> StructArray {
    let ArrowType::Struct(fields) = schema.arrow() else { panic!("{schema:?}") };
    StructArray::new(fields, columns, nulls)
}

fn table(fields: &str) -> Vec<Field> {
    Schema::parse(&format!(r#"{{"type":"struct","fields":[{fields}]}}"#)).unwrap().fields
}

fn field(name: &str, data_type: &str, nullable: bool) -> String {
    let data_type = if data_type.starts_with('{') { data_type.to_owned() } else { format!("{data_type:?}") };
    format!(r#"{{"name":{name:?},"type":{data_type},"nullable":{nullable}}}"#)
}

fn plan(schema: &ConnectSchema, fields: &str) -> Plan {
    Plan::new(schema, &table(fields), UnknownFields::Ignore).unwrap()
}

fn bad(converted: &Converted) -> Vec<(usize, Code, &str)> {
    converted.columns.iter().for_each(|column| column.to_data().validate_full().unwrap());
    converted.bad.iter().map(|(row, error)| (*row, error.code, error.path.as_str())).collect()
}

#[test]
fn columns_are_found_by_name_and_case_does_not_count() {
    let given =
        record(vec![("B", schema(Kind::Int32)), ("a", schema(Kind::String)), ("new", schema(Kind::Int8))]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![1, 2])),
        Arc::new(StringArray::from(vec!["x", "y"])),
        Arc::new(Int8Array::from(vec![None, Some(1)])),
    ];
    let array = rows(&given, columns, None);
    let fields =
        [field("a", "string", true), field("b", "integer", false), field("c", "date", true)].join(",");
    let mut plan = plan(&given, &fields);
    let converted = plan.convert(&array);
    assert_eq!(bad(&converted), []);
    assert!(Arc::ptr_eq(&converted.columns[0], array.column(1)), "a column of the same type is not copied");
    assert_eq!(converted.columns[1].as_primitive::<Int32Type>().values(), &[1, 2]);
    assert_eq!(
        (converted.columns[2].data_type(), converted.columns[2].null_count()),
        (&ArrowType::Date32, 2)
    );
    // A null in a field that the table does not have loses nothing.
    assert_eq!((converted.unknown.total, &converted.unknown.names), (1, &[("new".into(), 1)].into()));
    assert_eq!(plan.convert(&array).unknown.total, 1, "of this batch alone");

    plan.unknown_fields = UnknownFields::Fail;
    assert_eq!(bad(&plan.convert(&array)), [(1, Code::RecordUnknownField, "new")]);
}

#[test]
fn two_fields_for_one_column_are_refused() {
    let given = record(vec![("ID", schema(Kind::Int8)), ("id", schema(Kind::Int8))]);
    let column: ArrayRef = Arc::new(Int8Array::from(vec![1]));
    let array = rows(&given, vec![column.clone(), column], None);
    let converted = plan(&given, &field("id", "byte", true)).convert(&array);
    assert_eq!(bad(&converted), [(0, Code::RecordDuplicateField, "id")]);
}

#[test]
fn each_bad_row_has_its_first_error_and_is_null() {
    let given = record(vec![("a", schema(Kind::Int64)), ("b", schema(Kind::Int64))]);
    let a = Int64Array::from(vec![Some(1), Some(300), None, Some(4), None]);
    let b = Int64Array::from(vec![Some(1), Some(300), Some(300), Some(4), None]);
    let nulls = NullBuffer::from(vec![true, true, true, true, false]);
    let array = rows(&given, vec![Arc::new(a), Arc::new(b)], Some(nulls));
    let fields = [field("b", "byte", true), field("a", "byte", false)].join(",");
    let converted = plan(&given, &fields).convert(&array);
    assert_eq!(bad(&converted), [(1, Code::RecordRange, "b"), (2, Code::RecordRange, "b")]);
    let message = "column takes byte, record has integer 300, which is not a whole number in its range";
    assert_eq!(converted.bad[0].1.message, message);
    let b: Vec<_> = converted.columns[0].as_primitive::<Int8Type>().iter().collect();
    assert_eq!(b, [Some(1), None, None, Some(4), None]);
}

fn items() -> (ConnectSchema, &'static str) {
    let item = record(vec![("c", schema(Kind::Int64)), ("x", schema(Kind::Int8))]);
    let given = record(vec![("b", schema(Kind::Array(Box::new(item))))]);
    let target = r#"{"name":"b","nullable":true,"type":{"type":"array","containsNull":false,"elementType":
        {"type":"struct","fields":[{"name":"c","type":"byte","nullable":false},
        {"name":"d","type":"date","nullable":true}]}}}"#;
    (given, target)
}

#[test]
fn errors_in_lists_name_the_element_and_leave_the_other_rows_alone() {
    let (given, target) = items();
    let ArrowType::Struct(fields) = given.arrow() else { panic!() };
    let ArrowType::List(element) = fields[0].data_type() else { panic!() };
    let ArrowType::Struct(inner) = element.data_type() else { panic!() };
    let c: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(999), None, None, Some(7)]));
    let x: ArrayRef = Arc::new(Int8Array::from(vec![Some(1), None, Some(1), Some(1), None, Some(1)]));
    let present = NullBuffer::from(vec![true, true, true, true, false, true]);
    let values = StructArray::new(inner.clone(), vec![c, x], Some(present));
    // [1] | [2, 999] | [no c] | null | [null] | [7]
    let offsets = OffsetBuffer::from_lengths([1, 2, 1, 0, 1, 1]);
    let nulls = NullBuffer::from(vec![true, true, true, false, true, true]);
    let lists: ArrayRef = Arc::new(ListArray::new(element.clone(), offsets, Arc::new(values), Some(nulls)));
    let array = rows(&given, vec![lists], None);
    let mut plan = plan(&given, target);
    let converted = plan.convert(&array);
    let expected =
        [(1, Code::RecordRange, "b[1].c"), (2, Code::RecordNull, "b[0].c"), (4, Code::RecordNull, "b[0]")];
    assert_eq!(bad(&converted), expected);
    assert_eq!(converted.columns[0].data_type(), &table(target)[0].data_type.arrow());
    let lists = converted.columns[0].as_list::<i32>();
    assert_eq!(lists.value(5).as_struct().column(0).as_primitive::<Int8Type>().values(), &[7]);
    assert_eq!(lists.value(5).as_struct().column(1).null_count(), 1);
    assert_eq!(converted.unknown.names, [("b[].x".into(), 4)].into());

    let converted = plan.convert(&array.slice(2, 4));
    let expected = [(0, Code::RecordNull, "b[0].c"), (2, Code::RecordNull, "b[0]")];
    assert_eq!(bad(&converted), expected, "of a slice, by its own rows");
}

#[test]
fn errors_in_maps_name_the_key() {
    let given =
        record(vec![("m", schema(Kind::Map(Box::new(schema(Kind::String)), Box::new(schema(Kind::Any)))))]);
    let ArrowType::Struct(fields) = given.arrow() else { panic!() };
    let ArrowType::Map(entry, _) = fields[0].data_type() else { panic!() };
    let ArrowType::Struct(inner) = entry.data_type() else { panic!() };
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "k", "n", "z"]));
    let item = |c: Vec<u8>| map(&[("c", c), ("other", long(1))]);
    let values =
        [list(&[item(long(5))]), list(&[]), list(&[item(text("five"))]), vec![99], list(&[item(long(6))])];
    let values: ArrayRef = Arc::new(BinaryArray::from_iter_values(values));
    let entries = StructArray::new(inner.clone(), vec![keys, values], None);
    let maps =
        MapArray::new(entry.clone(), OffsetBuffer::from_lengths([2, 1, 1, 0, 1]), entries, None, false);
    let array = rows(&given, vec![Arc::new(maps)], None);
    let target = r#"{"name":"m","nullable":false,"type":{"type":"map","keyType":"string","valueContainsNull":false,
        "valueType":{"type":"array","containsNull":false,"elementType":
        {"type":"struct","fields":[{"name":"c","type":"long","nullable":false}]}}}}"#;
    let converted = plan(&given, target).convert(&array);
    assert_eq!(bad(&converted), [(1, Code::RecordType, "m.k[0].c"), (2, Code::CrossingInvalid, "m.n")]);
    assert_eq!(converted.columns[0].data_type(), &table(target)[0].data_type.arrow());
    let last = converted.columns[0].as_map().value(4);
    let items = last.column(1).as_list::<i32>().value(0);
    assert_eq!(items.as_struct().column(0).as_primitive::<Int64Type>().values(), &[6]);
    assert_eq!(converted.unknown.names, [("m[][].other".into(), 2)].into());
}

/// The type that Delta gives a schema without names; `null` for everything that may be null.
fn natural(schema: &ConnectSchema, null: bool) -> DataType {
    match &schema.kind {
        Kind::Int8 => DataType::Byte,
        Kind::Int16 => DataType::Short,
        Kind::Int32 => DataType::Integer,
        Kind::Int64 => DataType::Long,
        Kind::Float32 => DataType::Float,
        Kind::Float64 => DataType::Double,
        Kind::Boolean => DataType::Boolean,
        Kind::String => DataType::String,
        Kind::Bytes | Kind::Any => DataType::Binary,
        Kind::Array(element) => {
            DataType::Array { element: Box::new(natural(element, null)), contains_null: null }
        }
        Kind::Map(key, value) => DataType::Map {
            key: Box::new(natural(key, null)),
            value: Box::new(natural(value, null)),
            value_contains_null: null,
        },
        Kind::Struct(members) => DataType::Struct(fields_of(members, null)),
    }
}

fn fields_of(members: &[(Box<str>, ConnectSchema)], null: bool) -> Vec<Field> {
    let field = |(name, schema): &(Box<str>, ConnectSchema)| Field {
        name: name.to_string(),
        data_type: natural(schema, null),
        nullable: null,
        metadata: Default::default(),
    };
    members.iter().map(field).collect()
}

/// Into a table of the same types all is as it was. Where nothing may be null, just the rows with a null in them are bad.
#[test]
fn random_values_into_their_natural_types() {
    let mut all_good = 0;
    for seed in 0..400 {
        let mut random = StdRng::seed_from_u64(seed);
        let members = arbitrary::fields(&mut random, 3);
        let given = schema(Kind::Struct(members.clone()));
        let array = arbitrary::array(&mut random, &given, 60, None);
        let array = array.as_struct().slice(random.random_range(0..20), 40);

        let fields = fields_of(&members, true);
        let mut plan = Plan::new(&given, &fields, UnknownFields::Fail).unwrap();
        let converted = plan.convert(&array);
        assert_eq!(bad(&converted), [], "seed {seed}");
        for (column, given) in converted.columns.iter().zip(array.columns()) {
            assert_eq!(column, given, "seed {seed}");
        }

        let fields = fields_of(&members, false);
        let converted = Plan::new(&given, &fields, UnknownFields::Fail).unwrap().convert(&array);
        let with_null: Vec<usize> = (0..array.len())
            .filter(|row| array.is_valid(*row) && array.columns().iter().any(|column| has_null(column, *row)))
            .collect();
        let refused = bad(&converted);
        assert_eq!(refused.iter().map(|(row, ..)| *row).collect::<Vec<_>>(), with_null, "seed {seed}");
        assert!(refused.iter().all(|(_, code, _)| *code == Code::RecordNull));
        for (column, field) in converted.columns.iter().zip(&fields) {
            assert_eq!(column.data_type(), &field.data_type.arrow());
        }
        all_good += usize::from(refused.is_empty());
    }
    assert!((20..380).contains(&all_good), "{all_good} without a null");
}

fn has_null(array: &ArrayRef, row: usize) -> bool {
    if array.is_null(row) {
        return true;
    }
    match array.data_type() {
        ArrowType::Struct(_) => array.as_struct().columns().iter().any(|column| has_null(column, row)),
        ArrowType::List(_) => {
            let elements = array.as_list::<i32>().value(row);
            (0..elements.len()).any(|row| has_null(&elements, row))
        }
        ArrowType::Map(..) => {
            let entries = array.as_map().value(row);
            (0..entries.len()).any(|row| entries.columns().iter().any(|column| has_null(column, row)))
        }
        _ => false,
    }
}
