use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::super::build::{array, field, map, schema, structure};
use super::super::{Evolution, merge};
use super::*;

fn infer(strings: JsonStrings, table: Option<&Schema>, records: &[&str]) -> Result<Option<Schema>> {
    let mut inference = Inference::new(strings, table);
    records.iter().for_each(|record| inference.add_json(record.as_bytes()));
    inference.finish()
}

fn text(schema: Option<Schema>) -> String {
    schema.map_or("nothing".into(), |schema| DataType::Struct(schema.fields).to_string())
}

fn inferred(records: &[&str]) -> String {
    text(infer(JsonStrings::Strict, None, records).unwrap())
}

fn refusal(records: &[&str]) -> String {
    let error = infer(JsonStrings::Strict, None, records).unwrap_err();
    assert_eq!(error.code, Code::SchemaUnclear);
    error.message
}

#[test]
fn json_values_have_these_types() {
    let records = [
        r#"{"b":true,"i":1,"f":1,"e":1e2,"big":9223372036854775808,"s":"2026-01-01","n":null,"l":[],"o":{}}"#,
        r#" {"i":-9223372036854775808,"f":1.0,"l":[{}],"late":"x"} "#,
    ];
    assert_eq!(
        inferred(&records),
        "struct<b:boolean,i:long,f:double,e:double,big:double,s:string,late:string>"
    );
    let schema = infer(JsonStrings::Strict, None, &records).unwrap().unwrap();
    assert!(schema.fields.iter().all(|field| field.nullable && field.metadata.is_empty()));
    assert_eq!(Schema::parse(&schema.to_json()), Ok(schema));
}

#[test]
fn nothing_is_known_before_a_value_is_seen() {
    for records in [&[][..], &["{}"], &[r#"{"a":null,"b":[],"c":{},"d":[[{"e":null}]]}"#]] {
        assert_eq!(inferred(records), "nothing");
    }
}

#[test]
fn fields_are_collected_at_every_depth() {
    let records =
        [r#"{"a":[{"x":1},{"y":[]}],"s":{"p":1}}"#, r#"{"a":[null,{"x":2.5,"y":[true]}],"s":{"q":"t"}}"#];
    assert_eq!(
        inferred(&records),
        "struct<a:array<struct<x:double,y:array<boolean>>>,s:struct<p:long,q:string>>"
    );
}

#[test]
fn the_first_spelling_of_a_name_stays() {
    assert_eq!(inferred(&[r#"{"Id":1}"#, r#"{"ID":2.5,"id":3}"#]), "struct<Id:double>");
}

#[test]
fn records_that_cannot_be_decoded_tell_nothing() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(64), "]".repeat(64));
    let bad =
        ["", "1", "[{\"a\":1}]", "{\"a\":1,}", "{\"a\":1} x", "{\"a\":01}", "{\"a\":\"\\ud800\"}", &deep];
    assert_eq!(inferred(&bad), "nothing");
    let mut inference = Inference::new(JsonStrings::Strict, None);
    inference.add_json(b"{\"a\":\"\xff\"}");
    for bytes in [
        &[][..],
        &[12],
        &[12, 1, 1, b'a'],
        &[12, 1, 1, b'a', 99],
        &[12, 0, 0],
        &[12, 255, 255, 255, 255, 255, 1],
    ] {
        inference.add_any(bytes);
    }
    assert_eq!(inference.finish(), Ok(None));
}

#[test]
fn contradictions_are_told_or_kept_as_text() {
    let records = [r#"{"a":[{"b":1,"c":{}}],"d":9007199254740993}"#, r#"{"a":[{"b":"x","c":[]}],"d":0.5}"#];
    let message = refusal(&records);
    for expected in [
        "field a[].b has values without a type in common: long and string",
        "field a[].c has values without a type in common: struct and array",
        "field d has values without a type in common: integers that a double cannot hold exactly and double",
        "delta.raw.json.strings=lenient",
    ] {
        assert!(message.contains(expected), "{message}");
    }
    let lenient = infer(JsonStrings::Lenient, None, &records).unwrap();
    assert_eq!(text(lenient), "struct<a:array<struct<b:string,c:string>>,d:string>");
    assert_eq!(inferred(&[r#"{"d":9007199254740992}"#, r#"{"d":0.5}"#]), "struct<d:double>");
}

#[test]
fn fields_and_records_are_bounded() {
    let many = |n: usize| {
        let fields: Vec<String> = (0..n).map(|i| format!("\"f{i}\":1")).collect();
        format!("{{{}}}", fields.join(","))
    };
    assert!(infer(JsonStrings::Strict, None, &[&many(MAX_FIELDS)]).is_ok());
    assert!(refusal(&[&many(MAX_FIELDS), "{\"one more\":1}"]).contains("more than 2000 different fields"));

    let mut inference = Inference::new(JsonStrings::Strict, None);
    (0..MAX_SAMPLE).for_each(|_| inference.add_json(b"{\"a\":1}"));
    inference.add_json(b"{\"b\":1}");
    assert_eq!(text(inference.finish().unwrap()), "struct<a:long>");

    // Keys of a map are data, not fields.
    let table = schema([field("m", map(DataType::String, DataType::Long, true), true)]);
    let record = format!("{{\"m\":{}}}", many(3 * MAX_FIELDS));
    assert_eq!(infer(JsonStrings::Strict, Some(&table), &[&record]), Ok(Some(table.clone())));
}

/// What a table becomes by records, with everything allowed.
fn grown(table: &Schema, records: &[&str]) -> String {
    let wanted = infer(JsonStrings::Strict, Some(table), records).unwrap().unwrap();
    let merged = merge(table, &wanted, Evolution::Widen, true).unwrap();
    text(merged.map(|merged| Schema {
        fields: merged.fields.into_iter().filter(|f| !table.fields.contains(f)).collect(),
    }))
}

#[test]
fn a_tables_columns_stay_where_they_hold_the_values() {
    let decimal = |precision, scale| DataType::Decimal { precision, scale };
    let inner = structure([field("x", DataType::Date, false)]);
    let mut table = schema([
        field("id", DataType::Integer, false),
        field("d", decimal(6, 2), true),
        field("f", DataType::Float, true),
        field("Text", DataType::String, false),
        field("s", inner.clone(), false),
        field("l", array(inner.clone(), false), true),
        field("m", map(DataType::String, inner.clone(), false), true),
        field("k", map(DataType::Long, inner, false), true),
        field("absent", DataType::TimestampNtz, false),
    ]);
    table.fields[0].metadata.insert("comment".into(), "stays".into());
    let fits = r#"{"id":2147483647,"d":9999,"f":0.1,"TEXT":{"a":1},"s":{"x":"2026-01-01"},"l":"no list","k":{"1":{"x":1}}}"#;
    assert_eq!(infer(JsonStrings::Strict, Some(&table), &[fits]), Ok(Some(table.clone())));
    assert_eq!(grown(&table, &[fits]), "nothing");

    assert_eq!(grown(&table, &[r#"{"id":2147483648}"#]), "struct<id:long>");
    assert_eq!(grown(&table, &[r#"{"id":0.5}"#]), "struct<id:double>");
    assert_eq!(grown(&table, &[r#"{"d":10000}"#]), "struct<d:decimal(7,2)>");
    assert_eq!(grown(&table, &[r#"{"d":0.001}"#]), "nothing", "what it is exactly is not known");
    assert_eq!(grown(&table, &[r#"{"f":1}"#, r#"{"f":0.5}"#, r#"{"id":null}"#]), "nothing");
    let deeper = r#"{"s":{"y":1},"l":[{"y":1}],"m":{"any key":{"y":1},"other":{"y":0.5}},"new":[1]}"#;
    assert_eq!(
        grown(&table, &[deeper]),
        "struct<s:struct<x:date,y:long>,l:array<struct<x:date,y:long>>,m:map<string,struct<x:date,y:double>>,\
         new:array<long>>"
    );
}

/// Tagged bytes of `{"v": value}`.
fn any(value: &[u8]) -> Vec<u8> {
    [&[12, 1, 1, b'v'], value].concat()
}

fn any_inferred(values: &[&[u8]]) -> String {
    let mut inference = Inference::new(JsonStrings::Strict, None);
    values.iter().for_each(|value| inference.add_any(&any(value)));
    inference.finish().map_or_else(|error| error.message, text)
}

fn big_decimal(unscaled: i128, scale: i32) -> Vec<u8> {
    let bytes = unscaled.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0 && *byte != 0xff).unwrap_or(16).saturating_sub(1);
    let bytes = &bytes[first..];
    [&[14][..], &scale.to_le_bytes(), &[bytes.len() as u8], bytes].concat()
}

#[test]
fn values_without_a_connect_schema_have_the_types_of_their_classes() {
    let int = |value: i32| [&[5][..], &value.to_le_bytes()].concat();
    let long = |value: i64| [&[6][..], &value.to_le_bytes()].concat();
    let double = |value: f64| [&[8][..], &value.to_le_bytes()].concat();
    let float = [7, 0, 0, 0, 0];
    for (values, expected) in [
        (&[&[0][..]][..], "nothing"),
        (&[&[1], &[2], &[0]], "struct<v:boolean>"),
        (&[&[3, 1]], "struct<v:byte>"),
        (&[&[4, 1, 0], &[3, 1]], "struct<v:short>"),
        (&[&[3, 1], &int(1)], "struct<v:integer>"),
        (&[&int(1), &long(1)], "struct<v:long>"),
        (&[&float], "struct<v:float>"),
        (&[&float, &double(1.5)], "struct<v:double>"),
        (&[&float, &int(1)], "struct<v:double>"),
        (&[&long(1 << 53), &double(0.5)], "struct<v:double>"),
        (&[&long(1 << 62), &double(0.5)], "struct<v:double>"),
        (&[&[9, 1, b'a']], "struct<v:string>"),
        (&[&[10, 1, 255]], "struct<v:binary>"),
        (&[&[11, 2, 0, 3, 1], &[11, 0]], "struct<v:array<byte>>"),
        (&[&[12, 1, 1, b'a', 1], &[12, 0]], "struct<v:struct<a:boolean>>"),
        (&[&[13, 1, 3, 1, 9, 0]], "struct<v:map<byte,string>>"),
        (&[&[13, 0]], "nothing"),
        (&[&[15, 0, 0, 0, 0, 0, 0, 0, 0], &[19, 0, 0, 0, 0, 0, 0, 0, 0]], "struct<v:timestamp>"),
        (&[&[17, 0, 0, 0, 0]], "struct<v:date>"),
        (&[&[18, 0, 0, 0, 0]], "struct<v:integer>"),
        (&[&big_decimal(0, 0)], "struct<v:decimal(38,0)>"),
        (&[&big_decimal(-150, 2), &big_decimal(5, 3)], "struct<v:decimal(38,3)>"),
        (&[&big_decimal(5, -37)], "struct<v:decimal(38,0)>"),
        (&[&big_decimal(10i128.pow(37), 37), &int(9)], "struct<v:decimal(38,37)>"),
    ] {
        assert_eq!(any_inferred(values), expected, "{values:?}");
    }
    for (values, expected) in [
        (
            &[&long((1 << 53) + 1)[..], &double(0.5)][..],
            "integers that a double cannot hold exactly and double",
        ),
        (&[&big_decimal(10i128.pow(37), 37), &int(10)], "decimals with 2 digits before the point"),
        (&[&big_decimal(5, -38)], "decimals with 39 digits before the point"),
        (&[&big_decimal(1, 39)], "39 digits behind it"),
        (&[&[&[14, 0, 0, 0, 0, 17][..], &[1; 17]].concat()], "decimals with 39 digits before the point"),
        (&[&big_decimal(1, 1), &double(0.5)], "decimal and double"),
        (&[&[9, 0], &[10, 0]], "string and binary"),
        (&[&[12, 0], &[13, 0]], "struct and map"),
        (&[&[17, 0, 0, 0, 0], &[19, 0, 0, 0, 0, 0, 0, 0, 0]], "date and timestamp"),
    ] {
        let message = any_inferred(values);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_tables_column_is_widened_as_far_as_the_values_need() {
    let decimal = |precision, scale| DataType::Decimal { precision, scale };
    let grown = |column: DataType, value: &[u8]| {
        let table = schema([field("v", column, true)]);
        let mut inference = Inference::new(JsonStrings::Strict, Some(&table));
        inference.add_any(&any(value));
        let wanted = inference.finish().unwrap().unwrap();
        merge(&table, &wanted, Evolution::Widen, true)
            .unwrap()
            .map(|merged| merged.fields[0].data_type.clone())
    };
    let double = [&[8][..], &0.1_f64.to_le_bytes()].concat();
    assert_eq!(grown(decimal(5, 2), &big_decimal(12345, 2)), None);
    assert_eq!(grown(decimal(5, 2), &big_decimal(12345, 3)), Some(decimal(6, 3)));
    assert_eq!(grown(DataType::Byte, &big_decimal(15, 1)), Some(decimal(11, 1)));
    assert_eq!(grown(DataType::Byte, &[6, 255, 0, 0, 0, 0, 0, 0, 0]), Some(DataType::Short));
    assert_eq!(grown(DataType::Float, &double), Some(DataType::Double));
    assert_eq!(grown(DataType::Float, &[7, 0, 0, 0, 0]), None);
    assert_eq!(grown(DataType::String, &double), None);
}

#[test]
fn the_order_of_records_does_not_change_types() {
    let mut random = StdRng::seed_from_u64(3);
    let values = [
        "1",
        "2.5",
        "null",
        "\"x\"",
        "true",
        "[1]",
        "[{\"k\":1.5}]",
        "{\"k\":1}",
        "{\"k\":{}}",
        "9007199254740993",
    ];
    for _ in 0..300 {
        let mut records: Vec<String> = (0..6)
            .map(|_| {
                let mut value = || values[random.random_range(0..values.len())];
                format!("{{\"a\":{},\"b\":{{\"c\":[{}]}}}}", value(), value())
            })
            .collect();
        let mut once = || {
            records.shuffle(&mut random);
            let records: Vec<&str> = records.iter().map(String::as_str).collect();
            let lenient = infer(JsonStrings::Lenient, None, &records).unwrap();
            (text(lenient), infer(JsonStrings::Strict, None, &records).is_ok())
        };
        assert_eq!(once(), once());
    }
}
