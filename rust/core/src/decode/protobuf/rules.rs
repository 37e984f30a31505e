//! The rules of `docs/protobuf.md` that no other library decides: what fits a column, what is refused, what is counted.

use serde_json::json;

use super::harness::*;
use super::{File, Message};
use crate::Code::{self, *};
use crate::decode::UnknownFields;
use crate::schema::{DataType, Field, Schema};

fn column(name: &str, data_type: &str) -> Field {
    let data_type = match data_type.starts_with('{') {
        true => data_type.to_owned(),
        false => format!("{data_type:?}"),
    };
    let field = format!(r#"{{"name":{name:?},"type":{data_type},"nullable":true,"metadata":{{}}}}"#);
    Schema::parse(&format!(r#"{{"type":"struct","fields":[{field}]}}"#)).unwrap().fields.remove(0)
}

fn structure(fields: &[Field]) -> DataType {
    DataType::Struct(fields.to_vec())
}

fn nested(name: &str, fields: &[Field]) -> Field {
    Field { data_type: structure(fields), ..column(name, "long") }
}

fn table(fields: &[Field]) -> Schema {
    Schema { fields: fields.to_vec() }
}

/// A message of one field `v = 1;` of this type.
fn of_type(field: &str) -> Message {
    first(&format!(
        "syntax = \"proto3\";
         import \"google/protobuf/timestamp.proto\";
         import \"google/protobuf/duration.proto\";
         import \"google/protobuf/struct.proto\";
         import \"google/protobuf/wrappers.proto\";
         import \"google/protobuf/empty.proto\";
         import \"google/type/date.proto\";
         import \"google/type/timeofday.proto\";
         import \"confluent/type/decimal.proto\";
         message M {{ {field} v = 1; }} message Inner {{ int32 x = 1; }} enum E {{ ZERO = 0; ONE = 1; }}"
    ))
}

fn into(field: &str, data_type: &str, value: &[u8]) -> Result<serde_json::Value, Code> {
    let decoded = decode_into(&of_type(field), &table(&[column("v", data_type)]), value);
    decoded.map(|row| row["v"].clone()).map_err(|error| {
        assert_eq!(error.path, "v", "{error}");
        error.code
    })
}

#[test]
fn numbers_fill_every_column_that_holds_them_exactly() {
    let minus_one = int(1, u64::MAX);
    for (field, value, data_type, expected) in [
        ("int32", minus_one.clone(), "byte", Ok(json!(-1))),
        ("int32", minus_one.clone(), "integer", Ok(json!(-1))),
        ("int64", minus_one.clone(), "short", Ok(json!(-1))),
        ("int32", int(1, 128), "byte", Err(RecordRange)),
        // Of an int32 the lower 32 bits count.
        ("int32", int(1, 1 << 32 | 5), "long", Ok(json!(5))),
        ("uint32", int(1, u32::MAX.into()), "long", Ok(json!(4294967295u32))),
        ("uint32", int(1, u32::MAX.into()), "integer", Err(RecordRange)),
        ("uint64", int(1, i64::MAX as u64), "long", Ok(json!(i64::MAX))),
        ("uint64", int(1, u64::MAX), "long", Err(RecordRange)),
        ("uint64", int(1, u64::MAX), "decimal(20,0)", Ok(json!("18446744073709551615"))),
        ("fixed64", fixed64(1, u64::MAX), "decimal(20,0)", Ok(json!("18446744073709551615"))),
        ("sint64", int(1, 3), "decimal(5,2)", Ok(json!("-2.00"))),
        ("int64", int(1, (1 << 53) + 1), "double", Err(RecordRange)),
        ("int64", int(1, 1 << 53), "double", Ok(json!((1u64 << 53) as f64))),
        ("double", fixed64(1, 0.1f64.to_bits()), "float", Err(RecordRange)),
        ("double", fixed64(1, 0.5f64.to_bits()), "float", Ok(json!(0.5))),
        ("double", fixed64(1, 1f64.to_bits()), "long", Err(RecordType)),
        ("int64", int(1, 1), "string", Err(RecordType)),
        ("string", bytes(1, b"1"), "long", Err(RecordType)),
        ("string", bytes(1, b"1"), "binary", Err(RecordType)),
        ("bytes", bytes(1, b"1"), "string", Err(RecordType)),
        ("bool", int(1, 2), "boolean", Ok(json!(true))),
        ("bool", int(1, 1), "integer", Err(RecordType)),
    ] {
        assert_eq!(into(field, data_type, &value), expected, "{field} into {data_type}");
    }
}

#[test]
fn enums_are_names_in_strings_and_numbers_elsewhere() {
    for (value, data_type, expected) in [
        (1, "string", Ok(json!("ONE"))),
        (1, "integer", Ok(json!(1))),
        (1, "byte", Ok(json!(1))),
        (7, "string", Ok(json!("UNKNOWN_ENUM_VALUE_E_7"))),
        (7, "integer", Ok(json!(7))),
        (1, "boolean", Err(RecordType)),
    ] {
        assert_eq!(into("E", data_type, &int(1, value)), expected, "{value} into {data_type}");
    }
    assert_eq!(into("E", "string", &[]), Ok(json!("ZERO")));
}

#[test]
fn a_closed_enum_has_no_other_values() {
    let message = first(
        r#"syntax = "proto2"; message M { optional E one = 1; repeated E many = 2; map<int32, E> by = 3;
           oneof choice { E member = 4; int32 other = 5; } enum E { A = 1; B = 2; } }"#,
    );
    let entry = |key, value| bytes(3, &[int(1, key), int(2, value)].concat());
    let record =
        [int(1, 2), int(1, 9), int(2, 1), bytes(2, &[9, 2]), entry(1, 1), entry(2, 9), int(5, 3), int(4, 9)]
            .concat();
    let mut decoder = Decoder::new(&message, &table_of(&message));
    decoder.push(&record).unwrap();
    // A map whose entries were taken apart once more keeps to the same rule.
    decoder.push(&[entry(1, 1), entry(2, 9), entry(1, 2)].concat()).unwrap();
    let batch = decoder.finish();
    let choice = json!({"member": null, "other": 3});
    let expected = json!({"choice_0": choice, "one": "B", "many": ["A", "B"], "by": [[1, "A"]]});
    assert_eq!(row(&batch, 0), expected);
    assert_eq!(row(&batch, 1)["by"], json!([[1, "B"]]));
    let counts = decoder.unknown();
    assert_eq!(counts.names["#1"], 1);
    assert_eq!(counts.names["#2"], 1);
    assert_eq!(counts.names["#4"], 1);
    decoder.unknown_fields = UnknownFields::Fail;
    for value in [int(1, 9), bytes(2, &[1, 9]), entry(2, 9), int(4, 9), [int(5, 3), int(4, 9)].concat()] {
        assert_eq!(decoder.push(&value).unwrap_err().code, RecordUnknownField, "{value:?}");
    }
    // As numbers they are all values.
    let numbers = table(&[column("one", "integer")]);
    assert_eq!(decode_into(&message, &numbers, &int(1, 9)).unwrap(), json!({"one": 9}));
}

#[test]
fn times_are_exact_or_refused() {
    let parts = |parts: &[u64]| {
        let fields = parts.iter().zip(1..).map(|(part, number)| int(number, *part));
        bytes(1, &fields.collect::<Vec<_>>().concat())
    };
    let minus = |value: u64| value.wrapping_neg();
    let nothing = bytes(1, &[]);
    for (field, value, data_type, expected) in [
        ("google.protobuf.Timestamp", parts(&[1, 1000]), "timestamp", Ok(json!(1_000_001))),
        ("google.protobuf.Timestamp", nothing.clone(), "timestamp", Ok(json!(0))),
        ("google.protobuf.Timestamp", parts(&[1, 1]), "timestamp", Err(RecordRange)),
        ("google.protobuf.Timestamp", parts(&[1, 1_000_000_000]), "timestamp", Err(RecordRange)),
        ("google.protobuf.Timestamp", parts(&[1, minus(1000)]), "timestamp", Err(RecordRange)),
        ("google.protobuf.Timestamp", parts(&[253_402_300_800]), "timestamp", Err(RecordRange)),
        ("google.protobuf.Timestamp", parts(&[i64::MAX as u64]), "timestamp", Err(RecordRange)),
        ("google.protobuf.Timestamp", parts(&[1]), "timestamp_ntz", Err(RecordType)),
        ("google.protobuf.Timestamp", parts(&[1]), "long", Err(RecordType)),
        ("google.protobuf.Duration", parts(&[1, 2000]), "long", Ok(json!(1_000_002))),
        ("google.protobuf.Duration", parts(&[minus(1), minus(2000)]), "long", Ok(json!(-1_000_002))),
        ("google.protobuf.Duration", parts(&[1, 2]), "long", Err(RecordRange)),
        ("google.protobuf.Duration", parts(&[1, minus(2000)]), "long", Err(RecordRange)),
        ("google.protobuf.Duration", parts(&[i64::MAX as u64]), "long", Err(RecordRange)),
        ("google.protobuf.Duration", parts(&[1]), "string", Err(RecordType)),
        ("google.type.Date", parts(&[1970, 1, 2]), "date", Ok(json!(1))),
        ("google.type.Date", parts(&[2023, 2, 29]), "date", Err(RecordRange)),
        ("google.type.Date", parts(&[2023, 2]), "date", Err(RecordRange)),
        ("google.type.Date", parts(&[0, 2, 3]), "date", Err(RecordRange)),
        ("google.type.Date", parts(&[1970, 1, 2]), "timestamp", Err(RecordType)),
        ("google.type.TimeOfDay", parts(&[1, 2, 3, 4_000_000]), "integer", Ok(json!(3_723_004))),
        ("google.type.TimeOfDay", parts(&[1, 2, 3, 4000]), "integer", Err(RecordRange)),
        ("google.type.TimeOfDay", parts(&[24]), "integer", Err(RecordRange)),
        ("google.protobuf.Empty", nothing.clone(), "boolean", Ok(json!(true))),
        ("google.protobuf.Empty", nothing.clone(), "long", Err(RecordType)),
        ("google.protobuf.Empty", vec![], "boolean", Ok(json!(null))),
    ] {
        assert_eq!(into(field, data_type, &value), expected, "{field} into {data_type}: {value:?}");
    }
    let decimal = |unscaled: &[u8], scale: u64| bytes(1, &[bytes(1, unscaled), int(3, scale)].concat());
    for (value, data_type, expected) in [
        (decimal(&[0xff], 1), "decimal(5,2)", Ok(json!("-0.10"))),
        (decimal(&[0x7b], 3), "decimal(5,2)", Err(RecordRange)),
        (decimal(&[], 0), "decimal(5,2)", Ok(json!("0.00"))),
        (decimal(&[7], 0), "long", Ok(json!(7))),
        (decimal(&[7], 0), "double", Err(RecordType)),
    ] {
        assert_eq!(into("confluent.type.Decimal", data_type, &value), expected, "into {data_type}");
    }
}

#[test]
fn known_messages_fill_structs_too() {
    let message = of_type("google.protobuf.Timestamp");
    let schema = table(&[nested("v", &[column("nanos", "integer"), column("seconds", "long")])]);
    let value = bytes(1, &[int(1, 5), int(2, 7)].concat());
    assert_eq!(decode_into(&message, &schema, &value).unwrap(), json!({"v": {"seconds": 5, "nanos": 7}}));
    let message = of_type("google.protobuf.Int64Value");
    let schema = table(&[nested("v", &[column("value", "long")])]);
    assert_eq!(decode_into(&message, &schema, &bytes(1, &[])).unwrap(), json!({"v": {"value": 0}}));
    let strings = r#"{"type":"map","keyType":"string","valueType":"string","valueContainsNull":true}"#;
    let schema = table(&[nested("v", &[column("fields", strings)])]);
    let entry = [bytes(1, b"k"), bytes(2, &int(4, 1))].concat();
    let value = bytes(1, &bytes(1, &entry));
    let expected = json!({"v": {"fields": [["k", "true"]]}});
    assert_eq!(decode_into(&of_type("google.protobuf.Struct"), &schema, &value).unwrap(), expected);
}

#[test]
fn values_of_any_type_are_json_text() {
    let member = |key: &[u8], value: &[u8]| bytes(1, &[bytes(1, key), bytes(2, value)].concat());
    let number = |value: f64| fixed64(2, value.to_bits());
    let texts = [member(b"a", &number(1.0)), member(b"b", &number(1.5)), member(b"a", &number(-0.0))];
    let cases: Vec<(&str, Vec<u8>, Result<_, Code>)> = vec![
        ("Struct", texts.concat(), Ok(r#"{"a":-0.0,"b":1.5}"#.to_owned())),
        ("Value", vec![], Ok("null".into())),
        ("Value", [number(1.0), bytes(3, b"x\"\n")].concat(), Ok(r#""x\"\n""#.into())),
        ("Value", number(9007199254740992.0), Ok("9007199254740992".into())),
        ("Value", number(f64::NAN), Err(RecordRange)),
        ("Value", bytes(3, &[0xff]), Err(RecordProtobuf)),
        ("Value", int(3, 1), Err(RecordProtobuf)),
        ("ListValue", [bytes(1, &int(4, 1)), bytes(1, &bytes(6, &[]))].concat(), Ok("[true,[]]".into())),
        // The two parts of one object, and what another value before them said.
        (
            "Value",
            [bytes(6, &[]), bytes(5, &texts[0]), bytes(5, &texts[1])].concat(),
            Ok(r#"{"a":1,"b":1.5}"#.into()),
        ),
    ];
    for (name, value, expected) in cases {
        let found = into(&format!("google.protobuf.{name}"), "string", &bytes(1, &value));
        assert_eq!(found, expected.map(serde_json::Value::from), "{name} {value:?}");
    }
    let deep = |levels| (0..levels).fold(vec![], |value, _| bytes(6, &bytes(1, &value)));
    let decode = |value: &[u8]| decode(&of_type("google.protobuf.Value"), &bytes(1, value));
    assert!(decode(&deep(63)).is_ok());
    assert_eq!(decode(&deep(64)).unwrap_err().code, RecordTooDeep);
    assert_eq!(decode(&deep(100_000)).unwrap_err().code, RecordTooDeep);
}

#[test]
fn presence_is_null() {
    let message = first(
        r#"edition = "2023"; message M { int32 e = 1; int32 i = 2 [features.field_presence = IMPLICIT];
           int32 r = 3 [features.field_presence = LEGACY_REQUIRED]; M m = 4; repeated int32 l = 5; }"#,
    );
    let table = |nullable: bool| {
        let mut fields: Vec<_> = ["e", "i", "r"].map(|name| column(name, "long")).into();
        fields.push(column("l", r#"{"type":"array","elementType":"long","containsNull":false}"#));
        fields.push(column("not in the message", "date"));
        fields[0].nullable = nullable;
        table(&fields)
    };
    let expected = json!({"e": null, "i": 0, "r": 1, "l": [], "not in the message": null});
    assert_eq!(decode_into(&message, &table(true), &int(3, 1)).unwrap(), expected);
    let error = decode_into(&message, &table(false), &int(3, 1)).unwrap_err();
    assert_eq!((error.code, &*error.path), (RecordNull, "e"));
    let error = decode_into(&message, &table(true), &int(1, 1)).unwrap_err();
    assert_eq!((error.code, &*error.path), (RecordProtobuf, "r"));
}

#[test]
fn a_oneof_has_one_value_in_a_struct_or_among_the_fields() {
    let message = first(
        r#"syntax = "proto3"; message M { oneof pick { int32 a = 1; string b = 2; P p = 3; }
           message P { int32 x = 1; int32 y = 2; } }"#,
    );
    let point = |fields: &[u8]| bytes(3, fields);
    for (value, expected) in [
        (vec![], json!({"pick_0": null})),
        (int(1, 0), json!({"pick_0": {"a": 0, "b": null, "p": null}})),
        ([int(1, 5), bytes(2, b"s")].concat(), json!({"pick_0": {"a": null, "b": "s", "p": null}})),
        ([bytes(2, b"s"), int(1, 5), int(1, 6)].concat(), json!({"pick_0": {"a": 6, "b": null, "p": null}})),
        (
            [point(&int(1, 1)), point(&int(2, 2))].concat(),
            json!({"pick_0": {"a": null, "b": null, "p": {"x": 1, "y": 2}}}),
        ),
        // What another member came after is gone.
        (
            [point(&int(1, 1)), int(1, 5), point(&int(2, 2))].concat(),
            json!({"pick_0": {"a": null, "b": null, "p": {"x": 0, "y": 2}}}),
        ),
    ] {
        assert_eq!(decode(&message, &value).unwrap(), expected);
        let by_name = table(&[Field { name: "Pick".into(), ..table_of(&message).fields.remove(0) }]);
        let found = decode_into(&message, &by_name, &value).unwrap();
        assert_eq!(found["Pick"], expected["pick_0"]);
        let flat = table(&[column("b", "string"), column("a", "long")]);
        let found = decode_into(&message, &flat, &value).unwrap();
        let member = |name: &str| expected["pick_0"].get(name).cloned().unwrap_or_default();
        assert_eq!(found, json!({"b": member("b"), "a": member("a")}));
    }
    // Members that the struct has no column for are counted there.
    let some = table(&[nested("pick_0", &[column("a", "long")])]);
    let mut decoder = Decoder::new(&message, &some);
    decoder.push(&bytes(2, b"s")).unwrap();
    assert_eq!(row(&decoder.finish(), 0), json!({"pick_0": {"a": null}}));
    assert_eq!(decoder.unknown().names, [("pick_0.b".into(), 1)].into());
    decoder.unknown_fields = UnknownFields::Fail;
    let error = decoder.push(&bytes(2, b"s")).unwrap_err();
    assert_eq!((error.code, &*error.path), (RecordUnknownField, "pick_0.b"));
}

#[test]
fn unknown_fields_are_counted_or_refused() {
    let message = first(
        r#"syntax = "proto3"; message M { int32 a = 1; N n = 2; repeated N l = 3; N gone = 4; }
           message N { int32 x = 1; int32 y = 2; }"#,
    );
    let element =
        |fields: &[Field]| DataType::Array { element: Box::new(structure(fields)), contains_null: false };
    let x = [column("x", "long")];
    let list = Field { data_type: element(&x), ..column("l", "long") };
    let mut decoder = Decoder::new(&message, &table(&[column("a", "long"), nested("n", &x), list]));
    let inner = [int(1, 1), int(2, 2), int(77, 3), group(78, &int(1, 1))].concat();
    let record = [
        int(9, 1),
        bytes(2, &inner),
        bytes(3, &inner),
        bytes(3, &inner),
        bytes(4, &inner),
        fixed64(536870911, 1),
    ]
    .concat();
    decoder.push(&record).unwrap();
    let expected = [
        ("#9", 1),
        ("#536870911", 1),
        ("gone", 1),
        ("n.y", 1),
        ("n.#77", 1),
        ("n.#78", 1),
        ("l[].y", 2),
        ("l[].#77", 2),
        ("l[].#78", 2),
    ];
    let counts = decoder.unknown();
    assert_eq!(counts.names, expected.map(|(name, count)| (name.to_owned(), count)).into());
    assert_eq!(counts.total, 12);
    decoder.unknown_fields = UnknownFields::Fail;
    for (value, path) in [
        (int(9, 1), "#9"),
        (bytes(4, &[]), "gone"),
        (bytes(2, &inner), "n.y"),
        (bytes(3, &int(77, 1)), "l[0].#77"),
    ] {
        let error = decoder.push(&value).unwrap_err();
        assert_eq!((error.code, &*error.path), (RecordUnknownField, path));
    }
    assert_eq!(decoder.rows(), 1);
}

#[test]
fn names_are_found_in_any_case_and_two_for_one_column_are_refused() {
    let message = first(r#"syntax = "proto3"; message M { int32 aB = 1; int32 c = 2; int32 C = 3; }"#);
    let found = decode_into(&message, &table(&[column("Ab", "long")]), &int(1, 7)).unwrap();
    assert_eq!(found, json!({"Ab": 7}));
    let error = decode_into(&message, &table(&[column("c", "long")]), &int(1, 7)).unwrap_err();
    assert_eq!((error.code, &*error.path), (RecordDuplicateField, "c"));
    assert!(error.message.contains("c, C"), "{error}");
    let message =
        first(r#"syntax = "proto3"; message M { oneof o { int32 c = 1; int32 C = 2; } int32 o_0 = 3; }"#);
    let some = table(&[nested("o_0", &[column("c", "long")])]);
    assert_eq!(decode_into(&message, &some, &[]).unwrap_err().code, RecordDuplicateField);
}

#[test]
fn errors_name_the_fields_path() {
    let message = first(
        r#"syntax = "proto3"; message M { N n = 1; repeated N l = 2; map<string, N> m = 3; oneof o { N p = 4; } }
           message N { repeated string s = 1; }"#,
    );
    let bad = bytes(1, &[0xff]);
    let inner = [bytes(1, b"ok"), bad].concat();
    let entry = [bytes(1, b"k"), bytes(2, &inner)].concat();
    for (value, path) in [
        (bytes(1, &inner), "n.s[1]"),
        ([bytes(2, &[]), bytes(2, &inner)].concat(), "l[1].s[1]"),
        (bytes(3, &entry), "m.k.s[1]"),
        (bytes(3, &bytes(1, &[0xff])), "m.{key}"),
        (bytes(4, &inner), "o_0.p.s[1]"),
        ([bytes(4, &[]), bytes(4, &inner)].concat(), "o_0.p.s[1]"),
        ([bytes(1, &[]), bytes(1, &inner)].concat(), "n.s[1]"),
        (int(1, 1), "n"),
        (int(2, 1), "l"),
        (int(3, 1), "m"),
        (group(4, &[]), "o_0.p"),
        (vec![0x0a, 5, 1], "n"),
    ] {
        let error = decode(&message, &value).unwrap_err();
        assert_eq!((error.code, &*error.path), (RecordProtobuf, path), "{error}");
    }
}

#[test]
fn what_is_no_message_is_refused_with_its_place() {
    let message = first(r#"syntax = "proto3"; message M { int32 a = 1; repeated fixed32 f = 2; }"#);
    for (value, says) in [
        (&[8][..], "its end inside a number, at byte 1 of 1"),
        (&[8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "more than 10 bytes"),
        (&[0], "no tag of a field, at byte 0 of 1"),
        (&[8, 1, 6], "no tag of a field, at byte 2 of 3"),
        (&[0x0c], "the end of a group that did not begin"),
        (&[0x53, 8, 1], "its end inside a number"),
        (&[0x53, 0x5c], "the end of a group that did not begin"),
        (&[0x52, 9, 1], "1 bytes left for a value of 9"),
        (&[0x55, 1, 2], "its end inside a value"),
        (&[0x12, 5, 1, 2, 3, 4, 5], "its end inside a value"),
    ] {
        let error = decode(&message, value).unwrap_err();
        assert_eq!(error.code, RecordProtobuf);
        assert!(error.message.contains(says), "{value:?}: {error}");
    }
    let groups = |levels| (0..levels).fold(vec![], |inside, _| group(9, &inside));
    assert!(decode(&message, &groups(64)).is_ok());
    assert_eq!(decode(&message, &groups(65)).unwrap_err().code, RecordTooDeep);
}

#[test]
fn what_a_column_cannot_take_is_refused_when_it_is_given() {
    let message = first(
        r#"syntax = "proto3"; message M { repeated int32 l = 1; map<string, int32> m = 2; N n = 3; }
           message N { int32 x = 1; }"#,
    );
    let schema = table(&[column("l", "long"), column("m", "string"), column("n", "long")]);
    assert_eq!(decode_into(&message, &schema, &[]).unwrap(), json!({"l": null, "m": null, "n": null}));
    for (value, path) in [(int(1, 1), "l"), (bytes(2, &[]), "m"), (bytes(3, &[]), "n")] {
        let error = decode_into(&message, &schema, &value).unwrap_err();
        assert_eq!((error.code, &*error.path), (RecordType, path), "{error}");
    }
}

#[test]
fn a_short_record_cannot_ask_for_much() {
    // Values of one byte, each of which is a name of a thousand.
    let name = "N".repeat(1000);
    let text = format!(r#"syntax = "proto3"; message M {{ repeated E e = 1; }} enum E {{ {name} = 0; }}"#);
    let message = first(&text);
    let error = decode(&message, &bytes(1, &vec![0; 100_000])).unwrap_err();
    assert_eq!(error.code, RecordRange);
    // A message that is given again and again is put together again at each of its levels.
    let text = r#"syntax = "proto3"; message M { M m = 1; string s = 2; }"#;
    let message = first(text);
    let fields = |inner: &Field| nested("m", &[column("s", "string"), inner.clone()]);
    let deep = (0..60).fold(column("s", "string"), |inner, _| match inner.name.as_str() {
        "s" => nested("m", &[inner]),
        _ => fields(&inner),
    });
    let value =
        (0..60).fold(bytes(2, &vec![b'x'; 3_000_000]), |inner, _| [bytes(1, &[]), bytes(1, &inner)].concat());
    let error = decode_into(&message, &table(&[deep]), &value).unwrap_err();
    assert_eq!(error.code, RecordRange, "{error}");
}

#[test]
fn a_field_given_very_often_is_not_read_over_and_over() {
    let message = first(
        r#"syntax = "proto3"; message M { N n = 1; oneof o { int32 a = 2; N b = 3; } }
           message N { int32 x = 1; }"#,
    );
    let often = |one: &[u8]| one.repeat(300_000);
    let started = std::time::Instant::now();
    let found = decode(&message, &often(&bytes(1, &int(1, 3)))).unwrap();
    assert_eq!(found["n"], json!({"x": 3}));
    let found = decode(&message, &often(&[int(2, 1), bytes(3, &[])].concat())).unwrap();
    assert_eq!(found["o_0"], json!({"a": null, "b": {"x": 0}}));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

/// Each level's message is given twice, each level's map has a key twice, each level's oneof two values: what is in them is
/// read once more at each level, so that the work would double from one to the next.
#[test]
fn what_is_given_again_at_every_level_is_bounded() {
    let message = first(
        r#"syntax = "proto3"; message M { M m = 1; map<string, M> by = 2; oneof o { int32 a = 3; M b = 4; } }"#,
    );
    let inside = |level: Vec<Field>| structure(&level);
    let leaf = || inside(vec![column("other", "long")]);
    let nest = |levels: usize, wrap: &dyn Fn(DataType) -> Field| {
        (0..levels).fold(leaf(), |inner, _| inside(vec![wrap(inner)]))
    };
    let plain = |name: &'static str| move |data_type| Field { data_type, ..column(name, "long") };
    let map = |value: DataType| {
        let (key, value) = (Box::new(DataType::String), Box::new(value));
        plain("by")(DataType::Map { key, value, value_contains_null: false })
    };
    let entry = |inner: &[u8]| bytes(2, &bytes(2, inner));
    type Level<'a> = &'a dyn Fn(Vec<u8>) -> Vec<u8>;
    let again: [(DataType, Level<'_>); 3] = [
        (nest(55, &plain("m")), &|inner| [bytes(1, &inner), bytes(1, &[])].concat()),
        (nest(28, &map), &|inner| [entry(&inner), entry(&[])].concat()),
        (nest(55, &plain("b")), &|inner| [bytes(4, &inner), bytes(4, &[])].concat()),
    ];
    for (columns, level) in again {
        let DataType::Struct(fields) = columns else { panic!("a struct") };
        let value = (0..50).fold(vec![], |inner, _| level(inner));
        let started = std::time::Instant::now();
        let found = decode_into(&message, &table(&fields), &value);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
        if let Err(error) = found {
            assert_eq!(error.code, RecordRange);
        }
    }
}

#[test]
fn recursive_messages_end_where_the_table_does() {
    let file = File::from_source(
        r#"syntax = "proto3"; package p; message Tree { string name = 1; Tree left = 2; repeated Tree more = 3; }"#,
        &[],
    )
    .unwrap();
    let message = file.message(Some("p.Tree")).unwrap();
    let error = message.connect().unwrap_err();
    assert_eq!(error.code, SchemaUnclear);
    assert!(error.message.contains("field left: the message p.Tree is in itself"), "{error}");
    let schema = table(&[column("name", "string"), nested("left", &[column("name", "string")])]);
    let leaf = bytes(1, b"leaf");
    let tree = [bytes(1, b"root"), bytes(2, &[leaf.clone(), bytes(2, &leaf)].concat())].concat();
    let mut decoder = Decoder::new(&message, &schema);
    decoder.push(&tree).unwrap();
    assert_eq!(row(&decoder.finish(), 0), json!({"name": "root", "left": {"name": "leaf"}}));
    assert_eq!(decoder.unknown().names, [("left.left".into(), 1)].into());
}
