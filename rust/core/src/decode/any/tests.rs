//! Values as Java tags them, and what becomes of them.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::Code::*;

pub(crate) fn text(text: &str) -> Vec<u8> {
    [vec![9, text.len() as u8], text.as_bytes().to_vec()].concat()
}

pub(crate) fn list(values: &[Vec<u8>]) -> Vec<u8> {
    [vec![11, values.len() as u8], values.concat()].concat()
}

pub(crate) fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries = entries.iter().map(|(key, value)| [&text(key)[1..], value].concat());
    [vec![12, entries.len() as u8], entries.collect::<Vec<_>>().concat()].concat()
}

fn keyed(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let entries = entries.iter().flat_map(|(key, value)| [key.clone(), value.clone()]);
    [vec![13], vec![(entries.clone().count() / 2) as u8], entries.collect::<Vec<_>>().concat()].concat()
}

pub(crate) fn long(value: i64) -> Vec<u8> {
    [vec![6], value.to_le_bytes().to_vec()].concat()
}

fn int(tag: u8, value: i32) -> Vec<u8> {
    [vec![tag], value.to_le_bytes().to_vec()].concat()
}

fn double(value: f64) -> Vec<u8> {
    [vec![8], value.to_le_bytes().to_vec()].concat()
}

fn decimal(unscaled: &[u8], scale: i32) -> Vec<u8> {
    [vec![14], scale.to_le_bytes().to_vec(), vec![unscaled.len() as u8], unscaled.to_vec()].concat()
}

fn millis(tag: u8, value: i64) -> Vec<u8> {
    [vec![tag], value.to_le_bytes().to_vec()].concat()
}

fn decoder(columns: &[(&str, &str, bool)]) -> AnyDecoder {
    let fields: Vec<String> = columns
        .iter()
        .map(|(name, data_type, nullable)| {
            let quoted =
                if data_type.starts_with('{') { data_type.to_string() } else { format!("{data_type:?}") };
            format!(r#"{{"name":{name:?},"type":{quoted},"nullable":{nullable},"metadata":{{}}}}"#)
        })
        .collect();
    let schema = Schema::parse(&format!(r#"{{"type":"struct","fields":[{}]}}"#, fields.join(","))).unwrap();
    AnyDecoder::new(&schema, UnknownFields::Ignore).unwrap()
}

fn one(data_type: &str, value: &[u8]) -> Result<RecordBatch, RowError> {
    let mut decoder = decoder(&[("v", data_type, true)]);
    decoder.push(&map(&[("v", value.to_vec())]))?;
    let batch = decoder.finish();
    batch.column(0).to_data().validate_full().unwrap();
    Ok(batch)
}

fn refused(data_type: &str, value: &[u8]) -> (Code, String) {
    let error = one(data_type, value).expect_err(data_type);
    (error.code, error.path)
}

#[test]
fn numbers_are_exact_or_refused() {
    let byte = |value: &[u8]| one("byte", value).unwrap().column(0).as_primitive::<Int8Type>().value(0);
    assert_eq!(byte(&[3, 0x80]), -128);
    assert_eq!(byte(&long(127)), 127);
    assert_eq!(byte(&decimal(&[0x04, 0xe2], 1)), 125, "125.0");
    assert_eq!(refused("byte", &long(128)), (RecordRange, "v".into()));
    assert_eq!(refused("byte", &decimal(&[0x04, 0xe3], 1)).0, RecordRange, "125.1");
    assert_eq!(refused("long", &double(1.0)).0, RecordType);
    assert_eq!(refused("long", &text("1")).0, RecordType);

    let doubles =
        |value: &[u8]| one("double", value).unwrap().column(0).as_primitive::<Float64Type>().value(0);
    assert_eq!(doubles(&long(1 << 53)), 9007199254740992.0);
    assert_eq!(doubles(&double(0.1)), 0.1);
    assert!(doubles(&double(f64::NAN)).is_nan());
    assert_eq!(refused("double", &long((1 << 53) + 1)).0, RecordRange);
    assert_eq!(refused("double", &decimal(&[1], 0)).0, RecordType);
    let floats = |value: &[u8]| one("float", value).unwrap().column(0).as_primitive::<Float32Type>().value(0);
    assert_eq!(floats(&double(0.5)), 0.5);
    assert!(floats(&double(f64::INFINITY)).is_infinite());
    for value in [double(0.1), double(1e300), long((1 << 24) + 1), long(i64::MAX)] {
        assert_eq!(refused("float", &value).0, RecordRange);
    }

    let decimals = |value: &[u8]| {
        one("decimal(5,2)", value).unwrap().column(0).as_primitive::<Decimal128Type>().value(0)
    };
    assert_eq!(decimals(&decimal(&[0xff], 1)), -10, "-0.1");
    assert_eq!(decimals(&decimal(&[0], -400)), 0);
    assert_eq!(decimals(&decimal(&[9], -2)), 90000, "9E+2");
    assert_eq!(decimals(&long(-999)), -99900);
    assert_eq!(decimals(&decimal(&[vec![0; 30], vec![1]].concat(), 0)), 100, "with leading zeros");
    let too_long = [vec![1], vec![0; 16]].concat();
    for value in [
        decimal(&[1], 3),
        long(1000),
        decimal(&too_long, 0),
        decimal(&[1], i32::MIN),
        decimal(&[1], i32::MAX),
    ] {
        assert_eq!(refused("decimal(5,2)", &value).0, RecordRange);
    }
    assert_eq!(refused("decimal(5,2)", &double(1.5)).0, RecordType);
}

#[test]
fn other_scalars() {
    assert_eq!(one("string", &text("größe")).unwrap().column(0).as_string::<i32>().value(0), "größe");
    assert_eq!(one("binary", &[10, 2, 0, 255]).unwrap().column(0).as_binary::<i32>().value(0), [0, 255]);
    assert!(one("boolean", &[2]).unwrap().column(0).as_boolean().value(0));
    assert_eq!(one("date", &int(17, -1)).unwrap().column(0).as_primitive::<Date32Type>().value(0), -1);
    assert_eq!(one("integer", &int(18, 7)).unwrap().column(0).as_primitive::<Int32Type>().value(0), 7);
    for tag in [15, 19] {
        let batch = one("timestamp", &millis(tag, -1)).unwrap();
        assert_eq!(batch.column(0).as_primitive::<TimestampMicrosecondType>().value(0), -1000);
    }
    assert!(one("string", &[0]).unwrap().column(0).is_null(0));
    for (data_type, value) in [
        ("string", long(1)),
        ("string", vec![10, 0]),
        ("string", map(&[])),
        ("binary", text("")),
        ("date", text("2024-01-01")),
        ("date", millis(19, 0)),
        ("timestamp", text("2024-01-01T00:00:00Z")),
        ("timestamp", long(0)),
        ("timestamp_ntz", millis(19, 0)),
        ("boolean", long(1)),
        ("long", list(&[])),
    ] {
        assert_eq!(refused(data_type, &value), (RecordType, "v".into()), "{data_type}");
    }
    assert_eq!(refused("timestamp", &millis(19, i64::MAX)).0, RecordRange);
    assert_eq!(refused("timestamp", &millis(15, 253_402_300_800_000)).0, RecordRange, "the year 10000");
    assert_eq!(refused("date", &int(17, i32::MAX)).0, RecordRange);
}

const ITEMS: &str = r#"{"type":"array","containsNull":false,"elementType":{"type":"struct","fields":[
    {"name":"c","type":"long","nullable":false},{"name":"d","type":"string","nullable":true}]}}"#;
const COUNTS: &str = r#"{"type":"map","keyType":"long","valueType":"string","valueContainsNull":false}"#;
const TAGS: &str = r#"{"type":"map","keyType":"string","valueType":"long","valueContainsNull":true}"#;

#[test]
fn nested_values_and_the_paths_of_their_errors() {
    let good = list(&[map(&[("c", long(1))]), map(&[("D", text("x")), ("c", long(2)), ("new", list(&[]))])]);
    let batch = one(ITEMS, &good).unwrap();
    let items = batch.column(0).as_list::<i32>().value(0);
    assert_eq!(items.as_struct().column(0).as_primitive::<Int64Type>().values(), &[1, 2]);
    assert_eq!(items.as_struct().column(1).as_string::<i32>().iter().collect::<Vec<_>>(), [None, Some("x")]);

    for (value, code, path) in [
        (list(&[map(&[("c", long(1))]), map(&[("c", text(""))])]), RecordType, "v[1].c"),
        (list(&[map(&[("c", vec![0])])]), RecordNull, "v[0].c"),
        (list(&[map(&[])]), RecordNull, "v[0].c"),
        (list(&[vec![0]]), RecordNull, "v[0]"),
        (list(&[map(&[("c", long(1)), ("C", long(1))])]), RecordDuplicateField, "v[0].c"),
        (list(&[keyed(&[])]), RecordType, "v[0]"),
    ] {
        assert_eq!(refused(ITEMS, &value), (code, path.into()));
    }

    assert!(one(TAGS, &map(&[("a", long(1)), ("b", vec![0])])).is_ok());
    assert!(one(COUNTS, &keyed(&[(long(1), text("a")), (int(5, 2), text("b"))])).is_ok());
    for (data_type, value, code, path) in [
        (TAGS, map(&[("a", long(1)), ("a", long(1))]), RecordDuplicateField, "v.a"),
        (TAGS, map(&[("a", text("x"))]), RecordType, "v.a"),
        (TAGS, keyed(&[(long(1), long(1))]), RecordType, "v.{key}"),
        (COUNTS, keyed(&[(long(1), text("a")), (int(5, 1), text("b"))]), RecordDuplicateField, "v.1"),
        (COUNTS, keyed(&[(vec![0], text("a"))]), RecordNull, "v.{key}"),
        (COUNTS, keyed(&[(long(7), vec![0])]), RecordNull, "v.7"),
        (COUNTS, map(&[("a", text("x"))]), RecordType, "v.{key}"),
    ] {
        assert_eq!(refused(data_type, &value), (code, path.into()));
    }
}

#[test]
fn unknown_fields_are_counted_or_refused() {
    let record = map(&[("v", long(1)), ("w", list(&[map(&[("x", vec![0])])]))]);
    let mut decoder = decoder(&[("v", "long", true)]);
    assert_eq!(decoder.push(&record), Ok(()));
    assert_eq!(decoder.take_unknown_fields().names, [("w".into(), 1)].into());
    decoder.unknown_fields = UnknownFields::Fail;
    let error = decoder.push(&record).unwrap_err();
    assert_eq!((error.code, error.path.as_str()), (RecordUnknownField, "w"));
    assert_eq!((decoder.rows(), decoder.finish().num_rows()), (1, 1));
}

#[test]
fn what_is_not_a_map_is_refused() {
    let mut decoder = decoder(&[("v", "long", true)]);
    for value in [vec![0], long(1), list(&[]), keyed(&[(long(1), long(1))])] {
        assert_eq!(decoder.push(&value).unwrap_err().code, RecordNotStruct);
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |levels| (0..levels).fold(vec![0], |value, _| list(&[value]));
    let mut decoder = decoder(&[("v", "long", true)]);
    assert_eq!(decoder.push(&map(&[("unknown", deep(63))])), Ok(()));
    assert_eq!(decoder.push(&map(&[("unknown", deep(64))])).unwrap_err().code, RecordTooDeep);
}

/// Whatever the bytes, they make a row, or an error and no part of one.
#[test]
fn damaged_values_never_leave_part_of_a_row() {
    let columns = [
        ("v", "decimal(10,2)", true),
        ("items", ITEMS, true),
        ("counts", COUNTS, true),
        ("s", "string", true),
    ];
    let seed = map(&[
        ("v", decimal(&[1, 2], 2)),
        ("items", list(&[map(&[("c", long(1)), ("d", text("x"))])])),
        ("counts", keyed(&[(long(1), text("a")), (long(2), text("b"))])),
        ("s", text("hello")),
        ("other", map(&[("x", double(1.5)), ("y", millis(19, 5))])),
    ]);
    let (mut accepted, mut malformed) = (0, 0);
    let mut decoder = decoder(&columns);
    for number in 0..20_000 {
        let mut random = StdRng::seed_from_u64(number);
        let mut value = seed.clone();
        for _ in 0..random.random_range(1..3) {
            let at = random.random_range(0..value.len());
            match random.random_range(0..3) {
                0 => value[at] = random.random(),
                1 => value.truncate(at + 1),
                _ => value[at] = random.random_range(0..20),
            }
        }
        match decoder.push(&value) {
            Ok(()) => accepted += 1,
            Err(error) => malformed += usize::from(error.code == CrossingInvalid),
        }
        assert_eq!(decoder.rows(), accepted);
    }
    let batch = decoder.finish();
    assert_eq!(batch.num_rows(), accepted);
    batch.columns().iter().for_each(|column| column.to_data().validate_full().unwrap());
    assert!(accepted > 500 && malformed > 500, "{accepted} accepted, {malformed} malformed");
}
