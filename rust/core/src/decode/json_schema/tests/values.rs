//! What records become.

use super::*;
use crate::schema::DataType;
use crate::schema::build::{field, map, schema, structure};

const NAME: &str = "org.apache.kafka.connect.data";

fn decimal(kind: &str, scale: u8) -> String {
    format!(
        r#"{{"type":"{kind}","connect.type":"bytes","title":"{NAME}.Decimal","connect.parameters":{{"scale":"{scale}"}}}}"#
    )
}

fn object(properties: &[(&str, &str)]) -> String {
    let properties: Vec<_> = properties.iter().map(|(name, schema)| format!("{name:?}:{schema}")).collect();
    format!(r#"{{"type":"object","properties":{{{}}}}}"#, properties.join(","))
}

/// A fixture of one column `v` of this type, for a schema of one field `v`.
fn one(of_field: &str, column: DataType) -> Fixture {
    Fixture::with(parse(&object(&[("v", of_field)])), &schema([field("v", column, true)]))
}

/// What a row of `v` reads as in JSON.
fn value(fixture: &mut Fixture, json: &str) -> String {
    fixture.good(&format!(r#"{{"v":{json}}}"#));
    let row = rows(&fixture.finish()).remove(0);
    row.strip_prefix(r#"{"v":"#).and_then(|row| row.strip_suffix('}')).unwrap_or("null").to_owned()
}

fn code(fixture: &mut Fixture, json: &str) -> Code {
    fixture.refused(&format!(r#"{{"v":{json}}}"#)).code
}

#[test]
fn plain_values_are_read_as_without_a_schema() {
    let text = r#"{"type":"object","properties":{
        "i":{"type":"integer","connect.type":"int8"},"l":{"type":"integer"},"f":{"type":"number"},"s":{"type":"string"},
        "b":{"type":"boolean"},"y":{"type":"string","connect.type":"bytes"},
        "a":{"type":"array","items":{"type":"object","properties":{"x":{"type":"integer"}}}},
        "m":{"type":"object","additionalProperties":{"type":"string"}}}}"#;
    let mut fixture = Fixture::of(text);
    let plan = fixture.decoder.plan_of_json(&parse(text));
    assert!(matches!(plan.root, super::super::plan::Root::Plain), "nothing that the columns do not say");
    fixture.good(
        r#"{"i":1,"l":2,"f":0.5,"s":"x","b":true,"y":"Zm9v","a":[{"x":1},{}],"m":{"k":"v"},"extra":1}"#,
    );
    fixture.good("{}");
    assert_eq!(fixture.refused(r#"{"i":128}"#).code, RecordRange);
    assert_eq!(fixture.refused(r#"{"s":1}"#).code, RecordType);
    assert_eq!(fixture.decoder.take_unknown_fields().names["extra"], 1);
    let written = rows(&fixture.finish());
    assert_eq!(
        written[0],
        r#"{"a":[{"x":1},{}],"b":true,"f":0.5,"i":1,"l":2,"m":{"k":"v"},"s":"x","y":"666f6f"}"#
    );
    assert_eq!(written[1], "{}");
}

#[test]
fn decimals_are_base64_or_numbers() {
    // testToConnectBase64Decimal: 156 with scale 2 are the bytes 0x00 0x9c.
    for kind in ["string", "number"] {
        let mut fixture = Fixture::of(&object(&[("v", &decimal(kind, 2))]));
        for (json, expected) in [
            ("\"AJw=\"", "1.56"),
            ("\"nA==\"", "-1.00"),
            ("1.56", "1.56"),
            ("156e-2", "1.56"),
            ("-3", "-3.00"),
            ("null", "null"),
        ] {
            assert_eq!(value(&mut fixture, json), expected, "{json}");
        }
        for (json, expected) in
            [("1.567", RecordRange), ("\"1.56\"", RecordType), ("true", RecordType), ("\"nA=\"", RecordType)]
        {
            assert_eq!(code(&mut fixture, json), expected, "{json}");
        }
    }
    // testToConnectHighPrecisionNumericDecimal
    let mut fixture = Fixture::of(&object(&[("v", &decimal("number", 17))]));
    assert_eq!(value(&mut fixture, "1.23456789123456789"), "1.23456789123456789");
}

#[test]
fn decimals_go_to_other_columns_exactly_or_not() {
    let of_scale_2 = decimal("string", 2);
    let wide = DataType::Decimal { precision: 20, scale: 4 };
    assert_eq!(value(&mut one(&of_scale_2, wide), "\"AJw=\""), "1.5600");
    let narrow = DataType::Decimal { precision: 5, scale: 1 };
    assert_eq!(code(&mut one(&of_scale_2, narrow), "\"AJw=\""), RecordRange);
    assert_eq!(value(&mut one(&of_scale_2, DataType::Long), "\"ASw=\""), "3");
    assert_eq!(code(&mut one(&of_scale_2, DataType::Long), "\"AJw=\""), RecordRange);
    // The plain type takes the plain value.
    assert_eq!(value(&mut one(&of_scale_2, DataType::Binary), "\"AJw=\""), "\"009c\"");
    assert_eq!(value(&mut one(&of_scale_2, DataType::String), "\"AJw=\""), "\"AJw=\"");
    let no_scale = format!(r#"{{"type":"string","connect.type":"bytes","title":"{NAME}.Decimal"}}"#);
    let error = one(&no_scale, narrow_of()).refused(r#"{"v":"AJw="}"#);
    assert!(error.message.contains("no parameter scale"), "{error}");
}

fn narrow_of() -> DataType {
    DataType::Decimal { precision: 5, scale: 1 }
}

#[test]
fn dates_and_times_are_numbers_or_text() {
    let named =
        |kind: &str, name: &str| format!(r#"{{"type":"integer","connect.type":"{kind}","title":"{name}"}}"#);
    let date = named("int32", &format!("{NAME}.Date"));
    let time = named("int32", &format!("{NAME}.Time"));
    let timestamp = named("int64", &format!("{NAME}.Timestamp"));
    let nanos = named("int64", "io.debezium.time.NanoTimestamp");
    let properties = [("d", &*date), ("t", &*time), ("ts", &*timestamp), ("ntz", &*nanos)];
    let mut fixture = Fixture::of(&object(&properties));
    fixture.good(r#"{"d":19723,"t":3600000,"ts":1704067200123,"ntz":1704067200000001000}"#);
    fixture.good(r#"{"d":"2024-01-01","ts":"2024-01-01T01:00:00+01:00","ntz":"2024-01-01T00:00:00"}"#);
    fixture.good(r#"{"d":-1,"ts":null}"#);
    for (record, code) in [
        (r#"{"d":1.5}"#, RecordRange),
        (r#"{"d":2932897}"#, RecordRange),
        (r#"{"d":4294967296}"#, RecordType),
        (r#"{"d":true}"#, RecordType),
        (r#"{"t":-1}"#, RecordRange),
        (r#"{"t":86400000}"#, RecordRange),
        (r#"{"ts":9223372036854775807}"#, RecordRange),
        (r#"{"ntz":1}"#, RecordRange),
    ] {
        assert_eq!(fixture.refused(record).code, code, "{record}");
    }
    assert_eq!(
        rows(&fixture.finish()),
        [
            r#"{"d":"2024-01-01","ntz":"2024-01-01T00:00:00.000001","t":3600000,"ts":"2024-01-01T00:00:00.123Z"}"#,
            r#"{"d":"2024-01-01","ntz":"2024-01-01T00:00:00","ts":"2024-01-01T00:00:00Z"}"#,
            r#"{"d":"1969-12-31"}"#,
        ]
    );
    assert_eq!(value(&mut one(&date, DataType::Integer), "19723"), "19723");
    for column in [DataType::Long, DataType::Decimal { precision: 9, scale: 0 }] {
        assert_eq!(value(&mut one(&time, column.clone()), "86399999"), "86399999");
        assert_eq!(code(&mut one(&time, column), "86400000"), RecordRange);
    }
    assert_eq!(value(&mut one(&timestamp, DataType::Long), "5"), "5");
    // A point in time has no time without a zone.
    assert_eq!(code(&mut one(&timestamp, DataType::TimestampNtz), "5"), RecordType);
    assert_eq!(code(&mut one(r#"{"type":"integer"}"#, DataType::Timestamp), "5"), RecordType);
    let text = r#"{"type":"string","format":"date-time"}"#;
    assert_eq!(
        value(&mut one(text, DataType::Timestamp), "\"2024-01-01T00:00:00Z\""),
        "\"2024-01-01T00:00:00Z\""
    );
}

#[test]
fn maps_with_other_keys_are_arrays_of_key_and_value() {
    // testToConnectMapNonStringKeys
    let of_map = r#"{"type":"array","connect.type":"map","items":{"type":"object","properties":{
        "key":{"type":"integer","connect.type":"int8"},"value":{"type":"integer","connect.type":"int16"}}}}"#;
    let mut fixture = Fixture::of(&object(&[("v", of_map)]));
    let column = |fixture: &mut Fixture| {
        use arrow_array::cast::AsArray;
        use arrow_array::types::{Int8Type, Int16Type};
        let batch = fixture.finish();
        let map = batch.column(0).as_map();
        let keys = map.keys().as_primitive::<Int8Type>().values().to_vec();
        (map.value_offsets().to_vec(), keys, map.values().as_primitive::<Int16Type>().values().to_vec())
    };
    fixture.good(r#"{"v":[{"key":12,"value":16},{"value":17,"key":13}]}"#).good(r#"{"v":[]}"#).good("{}");
    assert_eq!(column(&mut fixture), (vec![0, 2, 2, 2], vec![12, 13], vec![16, 17]));
    for (json, code, path) in [
        ("{\"1\":2}", RecordType, "v"),
        ("[1]", RecordType, "v[0]"),
        ("[{\"key\":1,\"value\":2},{\"key\":1,\"value\":3}]", RecordDuplicateField, "v.1"),
        ("[{\"key\":1}]", RecordNull, "v[0].value"),
        ("[{\"value\":1}]", RecordNull, "v[0].key"),
        ("[{\"key\":null,\"value\":1}]", RecordNull, "v[0].key"),
        ("[{\"key\":1,\"key\":2,\"value\":1}]", RecordDuplicateField, "v[0].key"),
        ("[{\"key\":1,\"value\":1,\"x\":1}]", RecordType, "v[0].x"),
        ("[{\"key\":1,\"value\":1},{\"key\":300,\"value\":1}]", RecordRange, "v[1].key"),
        ("[{\"key\":1,\"value\":1}", RecordNotJson, "v"),
    ] {
        let error = fixture.refused(&format!(r#"{{"v":{json}}}"#));
        assert_eq!((error.code, &*error.path), (code, path), "{json}: {error}");
    }
    // A column with strings as keys takes both forms.
    let optional =
        of_map.replace(r#"{"type":"integer","connect.type":"int8"}"#, r#"{"type":["string","null"]}"#);
    let column = map(DataType::String, DataType::Short, true);
    let mut fixture = one(&optional, column);
    assert_eq!(value(&mut fixture, r#"[{"key":"a","value":1}]"#), r#"{"a":1}"#);
    assert_eq!(value(&mut fixture, r#"{"a":1}"#), r#"{"a":1}"#);
    // Without such a schema nothing can fill a map with other keys.
    let mut plain = one(
        r#"{"type":"object","additionalProperties":{"type":"integer"}}"#,
        map(DataType::Long, DataType::Long, true),
    );
    assert_eq!(code(&mut plain, "{\"1\":2}"), RecordType);
}

#[test]
fn hints_reach_every_depth() {
    let date = format!(r#"{{"type":"integer","connect.type":"int32","title":"{NAME}.Date"}}"#);
    let text = object(&[
        ("list", &format!(r#"{{"type":"array","items":{date}}}"#)),
        (
            "map",
            &format!(
                r#"{{"type":"object","additionalProperties":{}}}"#,
                object(&[("d", &date), ("s", "{\"type\":\"string\"}")])
            ),
        ),
        ("plain", r#"{"type":"integer"}"#),
        (
            "keyed",
            &format!(
                r#"{{"type":"array","connect.type":"map","items":{}}}"#,
                object(&[("key", &date), ("value", &decimal("string", 1))])
            ),
        ),
    ]);
    let mut fixture = Fixture::of(&text);
    fixture
        .good(r#"{"list":[0,1],"map":{"a":{"d":2,"s":"x"}},"plain":3,"keyed":[{"key":4,"value":"BQ=="}]}"#);
    let error = fixture.refused(r#"{"map":{"a":{"d":true}}}"#);
    assert_eq!((error.code, &*error.path), (RecordType, "map.a.d"));
    let error = fixture.refused(r#"{"list":[0,"x"]}"#);
    assert_eq!((error.code, &*error.path), (RecordType, "list[1]"));
    let batch = fixture.finish();
    assert_eq!(batch.num_rows(), 1);
    let text = format!("{:?}", batch.column_by_name("keyed").unwrap());
    assert!(text.contains("1970-01-05") && text.contains("Decimal128(38, 1)>\n[\n  5,"), "{text}");
    let others = batch.project(&[1, 2, 3]).unwrap();
    assert_eq!(
        rows(&others),
        [r#"{"list":["1970-01-01","1970-01-02"],"map":{"a":{"d":"1970-01-03","s":"x"}},"plain":3}"#]
    );
}

#[test]
fn what_has_no_type_is_kept_as_its_text() {
    let mut fixture =
        Fixture::of(&object(&[("v", "{}"), ("w", r#"{"type":"object"}"#), ("s", r#"{"type":"string"}"#)]));
    for (json, expected) in [
        ("1.50", "1.50"),
        ("\"te\\u0078t\"", "text"),
        ("true", "true"),
        ("{ \"a\" : [ 1 ] }", "{ \"a\" : [ 1 ] }"),
    ] {
        fixture.good(&format!(r#"{{"v":{json},"w":{json}}}"#));
        let batch = fixture.finish();
        let row: Value = serde_json::from_str(&rows(&batch)[0]).unwrap();
        assert_eq!((row["v"].as_str(), row["w"].as_str()), (Some(expected), Some(expected)));
    }
    assert_eq!(value(&mut fixture, "null"), "null");
    // Only there.
    assert_eq!(fixture.refused(r#"{"v":1,"s":1}"#).code, RecordType);
    assert_eq!(fixture.refused(r#"{"v":[1,]}"#).code, RecordNotJson);
}

#[test]
fn a_union_fills_the_field_of_the_alternative_that_takes_the_value() {
    let scalar = |kind: &str| format!(r#"{{"type":"{kind}"}}"#);
    let union = |schemas: &[&str]| format!(r#"{{"oneOf":[{}]}}"#, schemas.join(","));
    let (text, whole, number, yes) =
        (scalar("string"), scalar("integer"), scalar("number"), scalar("boolean"));
    let bytes = r#"{"type":"string","connect.type":"bytes"}"#;
    let list = r#"{"type":"array","items":{"type":"integer"}}"#;
    let of_strings = r#"{"type":"object","additionalProperties":{"type":"string"}}"#;
    // testToConnectUnionDifferentStruct
    let first = r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}}}"#;
    let second = r#"{"type":"object","properties":{"c":{"type":"integer"},"b":{"type":"string"}}}"#;
    for (schemas, json, expected) in [
        // testToConnectUnion, testToConnectUnionSecondField, testToConnectUnionDifferentNumericType
        (&[&*whole, &whole][..], "12", Some(0)),
        (&[&text, &whole], "12", Some(1)),
        (&[&text, &number], "123", Some(1)),
        (&[&number, &whole], "3", Some(0)),
        (&[&whole, &number], "3", Some(0)),
        (&[&whole, &number], "3.5", Some(1)),
        (&[&whole, &number], "3.0", Some(1)),
        (&[&whole, &text], "3.0", Some(0)),
        (&[bytes, &text], "\"Zm9v\"", Some(1)),
        (&[bytes, &whole], "\"Zm9v\"", Some(0)),
        (&[&whole, &yes], "false", Some(1)),
        (&[&whole, list], "[1,2]", Some(1)),
        (&[&whole, of_strings], "{\"x\":\"y\"}", Some(1)),
        (&[first, second], "{\"a\":1}", Some(0)),
        (&[first, second], "{\"c\":1,\"b\":\"x\"}", Some(1)),
        (&[first, second], "{\"b\":\"x\"}", Some(0)),
        (&[first, second], "{}", Some(0)),
        (&[first, of_strings], "{\"a\":\"x\"}", Some(1)),
        (&[&whole, "{}"], "[1]", Some(1)),
        (&[&whole, &text], "true", None),
        (&[&whole, first], "[]", None),
    ] {
        let mut fixture = Fixture::of(&object(&[("v", &union(schemas))]));
        let record = format!(r#"{{"v":{json}}}"#);
        match expected {
            Some(position) => {
                fixture.good(&record);
                let batch = fixture.finish();
                let row: Value = serde_json::from_str(&rows(&batch)[0]).unwrap();
                let fields: Vec<_> = row["v"].as_object().unwrap().keys().collect();
                assert_eq!(fields, [&union_field(position)], "{json} in {schemas:?}");
            }
            None => {
                let error = fixture.refused(&record);
                assert_eq!(error.code, RecordType, "{json} in {schemas:?}");
                assert!(
                    error.message.ends_with(", which none of the schema's alternatives takes"),
                    "{error}"
                );
            }
        }
        assert_eq!(value(&mut fixture, "null"), "null");
    }
}

#[test]
fn a_union_in_other_columns() {
    let union = r#"{"oneOf":[{"type":"string"},{"type":"integer"},{"type":"boolean"}]}"#;
    let mut fixture = one(union, DataType::String);
    assert_eq!(value(&mut fixture, "12"), "\"12\"");
    assert_eq!(value(&mut fixture, "\"12\""), "\"12\"");
    assert_eq!(value(&mut one(union, DataType::Long), "12"), "12");
    // A table that has only one of the alternatives.
    let part = structure([field(&union_field(1), DataType::Long, true)]);
    let mut fixture = one(union, part);
    fixture.good(r#"{"v":12}"#).good(r#"{"v":"x"}"#);
    let counts = fixture.decoder.take_unknown_fields();
    assert_eq!(counts.names[&format!("v.{}", union_field(0))], 1);
    assert_eq!(fixture.finish().num_rows(), 2);
    // At the top, as testCombinedSchemaTitleAndObject has it.
    let text = r#"{"type":"object","anyOf":[{"type":"object","properties":{"keycode":{"type":"string"}}},
        {"type":"object","properties":{"itemCode":{"type":"string"}}}]}"#;
    let mut fixture = Fixture::of(text);
    fixture.good(r#"{"itemCode":"x"}"#).good(r#"{"keycode":"y"}"#);
    assert_eq!(
        rows(&fixture.finish()),
        [
            format!(r#"{{"{}":{{"itemCode":"x"}}}}"#, union_field(1)),
            format!(r#"{{"{}":{{"keycode":"y"}}}}"#, union_field(0)),
        ]
    );
}

#[test]
fn fields_go_by_name_in_any_case_and_never_two_to_one_column() {
    let date = format!(r#"{{"type":"integer","connect.type":"int32","title":"{NAME}.Date"}}"#);
    let text = object(&[("Day", &date), ("twin", &date), ("TWIN", r#"{"type":"string"}"#)]);
    let table = schema([field("DAY", DataType::Date, true), field("twin", DataType::Date, true)]);
    let mut fixture = Fixture::with(parse(&text), &table);
    fixture.good(r#"{"Day":0}"#).good(r#"{"day":1}"#);
    let error = fixture.refused(r#"{"twin":1}"#);
    assert_eq!((error.code, &*error.path), (RecordDuplicateField, "twin"));
    assert!(error.message.contains("fields TWIN, twin differ only by case"), "{error}");
    assert_eq!(fixture.refused(r#"{"Day":0,"day":1}"#).code, RecordDuplicateField);
    assert_eq!(rows(&fixture.finish()), [r#"{"DAY":"1970-01-01"}"#, r#"{"DAY":"1970-01-02"}"#]);
}

#[test]
fn schemas_that_hold_themselves_fill_as_deep_as_the_table_goes() {
    let text = format!(
        r##"{{"type":"object","properties":{{"day":{{"type":"integer","connect.type":"int32","title":"{NAME}.Date"}},
            "next":{{"$ref":"#"}},"loop":{{"$ref":"#/definitions/x"}}}},"definitions":{{"x":{{"$ref":"#/definitions/x"}}}}}}"##
    );
    let inner = structure([field("day", DataType::Date, true)]);
    let outer = structure([field("day", DataType::Date, true), field("next", inner, true)]);
    let table = schema([field("next", outer, true), field("loop", DataType::Long, true)]);
    let mut fixture = Fixture::with(parse(&text), &table);
    fixture.good(r#"{"day":9,"next":{"day":1,"next":{"day":2,"next":{"day":3}}},"loop":4}"#);
    let unknown = fixture.decoder.take_unknown_fields();
    assert_eq!((unknown.total, unknown.names["next.next.next"]), (2, 1));
    assert_eq!(
        rows(&fixture.finish()),
        [r#"{"next":{"day":"1970-01-02","next":{"day":"1970-01-03"}},"loop":4}"#]
    );
}

#[test]
fn interleaved_schemas_fill_the_same_columns() {
    let date = format!(r#"{{"type":"integer","connect.type":"int32","title":"{NAME}.Date"}}"#);
    let old = parse(&object(&[("day", &date)]));
    let new =
        parse(&object(&[("day", r#"{"type":"string","format":"date"}"#), ("more", r#"{"type":"string"}"#)]));
    let table = schema([field("day", DataType::Date, true), field("more", DataType::String, true)]);
    let mut decoder = WrittenDecoder::of_text(&table, JsonOptions::default()).unwrap();
    let [old, new] = [old, new].map(|schema| Written::Json(Arc::new(schema)));
    for _ in 0..3 {
        decoder.push(&old, br#"{"day":0}"#).unwrap();
        decoder.push(&new, br#"{"day":"1970-01-02","more":"x"}"#).unwrap();
        assert_eq!(decoder.push(&new, br#"{"day":0}"#).unwrap_err().code, RecordType);
    }
    assert_eq!(rows(&decoder.finish()).len(), 6);
}

#[test]
fn debeziums_decimal_of_any_scale() {
    let text = object(&[(
        "v",
        r#"{"type":"object","title":"io.debezium.data.VariableScaleDecimal","properties":{
            "scale":{"type":"integer","connect.type":"int32","connect.index":0},
            "value":{"type":"string","connect.type":"bytes","connect.index":1}}}"#,
    )]);
    let mut as_decimal = Fixture::with(
        parse(&text),
        &schema([field("v", DataType::Decimal { precision: 9, scale: 3 }, true)]),
    );
    assert_eq!(value(&mut as_decimal, r#"{"scale":2,"value":"AJw="}"#), "1.560");
    assert_eq!(value(&mut as_decimal, r#"{"value":"AJw=","scale":1}"#), "15.600");
    for json in [
        r#"{"scale":2}"#,
        r#"{"scale":"2","value":"AJw="}"#,
        r#"{"scale":2,"value":"?"}"#,
        r#"{"x":1}"#,
        "{}",
    ] {
        assert_eq!(code(&mut as_decimal, json), RecordType, "{json}");
    }
    assert_eq!(code(&mut as_decimal, r#"{"scale":4,"value":"AJw="}"#), RecordRange);
    let mut as_struct = Fixture::of(&text);
    assert_eq!(value(&mut as_struct, r#"{"scale":2,"value":"AJw="}"#), r#"{"scale":2,"value":"009c"}"#);
}

#[test]
fn lenient_strings_and_unknown_fields_are_as_in_raw_json() {
    let writer = parse(&object(&[("v", r#"{"type":"string"}"#), ("d", &decimal("string", 0))]));
    let table = schema([
        field("v", DataType::String, true),
        field("d", DataType::Decimal { precision: 5, scale: 0 }, true),
    ]);
    let lenient =
        JsonOptions { strings: crate::decode::json::Strings::Lenient, unknown_fields: UnknownFields::Fail };
    let mut decoder = WrittenDecoder::of_text(&table, lenient).unwrap();
    let plan = Written::Json(Arc::new(writer));
    decoder.push(&plan, br#"{"v":[1],"d":"AQ=="}"#).unwrap();
    assert_eq!(decoder.push(&plan, br#"{"v":"x","other":1}"#).unwrap_err().code, RecordUnknownField);
    assert_eq!(rows(&decoder.finish()), [r#"{"v":"[1]","d":1}"#]);
}
