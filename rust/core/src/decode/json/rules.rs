//! One test for each rule of `docs/json.md`.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};

use super::*;
use crate::Code;
use crate::Code::*;
use crate::schema::Schema;

fn decoder(data_type: &str) -> JsonDecoder {
    decoder_with(&[("v", data_type, true)], JsonOptions::default())
}

fn decoder_with(columns: &[(&str, &str, bool)], options: JsonOptions) -> JsonDecoder {
    let fields: Vec<String> = columns
        .iter()
        .map(|(name, data_type, nullable)| {
            let data_type = match data_type.starts_with('{') {
                true => data_type.to_string(),
                false => format!("{data_type:?}"),
            };
            format!(r#"{{"name":{name:?},"type":{data_type},"nullable":{nullable},"metadata":{{}}}}"#)
        })
        .collect();
    let schema = Schema::parse(&format!(r#"{{"type":"struct","fields":[{}]}}"#, fields.join(","))).unwrap();
    JsonDecoder::new(&schema, options).unwrap()
}

fn array(element: &str, contains_null: bool) -> String {
    format!(r#"{{"type":"array","elementType":{element},"containsNull":{contains_null}}}"#)
}

fn map(value: &str, value_contains_null: bool) -> String {
    format!(
        r#"{{"type":"map","keyType":"string","valueType":{value},"valueContainsNull":{value_contains_null}}}"#
    )
}

/// What `{"v":…}` makes of each value; every one makes a row.
fn column(data_type: &str, values: &[&str]) -> arrow_array::ArrayRef {
    let mut decoder = decoder(data_type);
    for value in values {
        let pushed = decoder.push(format!(r#"{{"v":{value}}}"#).as_bytes());
        assert_eq!(pushed, Ok(()), "{value}");
    }
    finish(&mut decoder).column(0).clone()
}

fn finish(decoder: &mut JsonDecoder) -> RecordBatch {
    let batch = decoder.finish();
    for column in batch.columns() {
        column.to_data().validate_full().unwrap();
    }
    batch
}

fn refused(data_type: &str, value: &str) -> RowError {
    let mut decoder = decoder(data_type);
    let error = decoder.push(format!(r#"{{"v":{value}}}"#).as_bytes()).expect_err(value);
    assert_eq!(decoder.rows(), 0);
    assert_eq!(finish(&mut decoder).num_rows(), 0);
    error
}

/// Each value is refused with the code, at the column.
fn all_refused(data_type: &str, code: Code, values: &[&str]) {
    for value in values {
        let error = refused(data_type, value);
        assert_eq!((error.code, error.path.as_str()), (code, "v"), "{value}: {}", error.message);
    }
}

#[test]
fn integers_take_whole_numbers_in_range() {
    let values = column("byte", &["-128", "127", "3.0", "1e2", "null"]);
    assert_eq!(
        values.as_primitive::<Int8Type>().iter().collect::<Vec<_>>(),
        [Some(-128), Some(127), Some(3), Some(100), None]
    );
    assert_eq!(column("short", &["-32768"]).as_primitive::<Int16Type>().value(0), i16::MIN);
    assert_eq!(column("integer", &["2147483647"]).as_primitive::<Int32Type>().value(0), i32::MAX);
    let longs = column("long", &["-9223372036854775808", "9223372036854775807", "120e-1"]);
    assert_eq!(longs.as_primitive::<Int64Type>().values(), &[i64::MIN, i64::MAX, 12]);
    all_refused("byte", RecordRange, &["128", "-129", "3.5", "1e-1"]);
    all_refused("short", RecordRange, &["32768"]);
    all_refused("integer", RecordRange, &["2147483648", "-2147483649"]);
    all_refused("long", RecordRange, &["9223372036854775808", "1e400", "0.1"]);
    all_refused("long", RecordType, &["\"3\"", "true", "{}", "[1]"]);
}

#[test]
fn floats_take_any_number_and_three_words() {
    let values = column(
        "double",
        &["1", "-0.5", "1e308", "\"NaN\"", "\"Infinity\"", "\"-Infinity\"", "0.1", "1e-400"],
    );
    let values = values.as_primitive::<Float64Type>();
    assert!(values.value(3).is_nan());
    assert_eq!(
        [0, 1, 2, 4, 5, 6, 7].map(|i| values.value(i)),
        [1.0, -0.5, 1e308, f64::INFINITY, f64::NEG_INFINITY, 0.1, 0.0]
    );
    let floats = column("float", &["0.1", "3.4028234663852886e38", "\"NaN\""]);
    assert_eq!(floats.as_primitive::<Float32Type>().values()[..2], [0.1f32, f32::MAX]);
    all_refused("double", RecordRange, &["1e309", "-1e309"]);
    all_refused("float", RecordRange, &["3.5e38"]);
    all_refused("double", RecordType, &["\"nan\"", "\"1\"", "true", "[]"]);
}

#[test]
fn decimals_are_taken_from_the_text_exactly() {
    let values =
        column("decimal(5,2)", &["1.1", "999.99", "-999.99", "\"1.10\"", "1.1000", "12e-1", "\"1e2\""]);
    assert_eq!(values.as_primitive::<Decimal128Type>().values(), &[110, 99999, -99999, 110, 110, 120, 10000]);
    let wide = column("decimal(38,0)", &["99999999999999999999999999999999999999"]);
    assert_eq!(wide.as_primitive::<Decimal128Type>().value(0), 10i128.pow(38) - 1);
    let exact = column("decimal(20,17)", &["0.10000000000000001"]);
    assert_eq!(exact.as_primitive::<Decimal128Type>().value(0), 10000000000000001);
    all_refused("decimal(5,2)", RecordRange, &["1000", "999.995", "0.001", "\"0.001\"", "1e99"]);
    all_refused(
        "decimal(5,2)",
        RecordType,
        &["\"\"", "\"1.\"", "\" 1\"", "\"1 \"", "\"0x1\"", "\"NaN\"", "true"],
    );
}

#[test]
fn strings_have_their_escapes_decoded() {
    let text = r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 plain é""#;
    let values = column("string", &[text, "\"\"", "null", "\"long enough for several words\""]);
    let values = values.as_string::<i32>();
    assert_eq!(values.value(0), "\"\\/\u{8}\u{c}\n\r\té😀 plain é");
    assert_eq!(values.value(1), "");
    assert!(values.is_null(2));
    assert_eq!(values.value(3), "long enough for several words");
    for text in [
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83d\u0041""#,
        r#""\ud83dx""#,
        r#""\u12g4""#,
        r#""\x""#,
        "\"a\nb\"",
        "\"\u{0}\"",
    ] {
        assert_eq!(refused("string", text).code, RecordNotJson, "{text}");
    }
    all_refused("string", RecordType, &["1", "true", "{}", "[]"]);
}

#[test]
fn lenient_strings_keep_the_source_text() {
    let options = JsonOptions { strings: Strings::Lenient, ..Default::default() };
    let mut decoder = decoder_with(&[("v", "string", true)], options);
    let sources = ["1.50", "true", r#"{"a": [1, "\u0041"]}"#, "[ ]", "null", "\"\\u0041\""];
    for source in sources {
        decoder.push(format!(r#"{{"v": {source} }}"#).as_bytes()).unwrap();
    }
    assert_eq!(decoder.push(br#"{"v": {"a":} }"#).unwrap_err().code, RecordNotJson);
    let batch = finish(&mut decoder);
    let values = batch.column(0).as_string::<i32>();
    assert_eq!((0..4).map(|i| values.value(i)).collect::<Vec<_>>(), sources[..4]);
    assert!(values.is_null(4));
    assert_eq!(values.value(5), "A");
}

#[test]
fn binary_takes_base64() {
    let values = column("binary", &["\"Zm9vYg==\"", "\"Zm9vYg\"", "\"\"", "\"\\u005am9v\""]);
    let values: Vec<_> = values.as_binary::<i32>().iter().flatten().collect();
    assert_eq!(values, [&b"foob"[..], b"foob", b"", b"foo"]);
    all_refused("binary", RecordType, &["\"Zm9vYg=\"", "\"*\"", "\"-_-_\"", "1"]);
}

#[test]
fn booleans_are_not_words_or_numbers() {
    assert_eq!(
        column("boolean", &["true", "false"]).as_boolean().iter().collect::<Vec<_>>(),
        [Some(true), Some(false)]
    );
    all_refused("boolean", RecordType, &["\"true\"", "1", "0"]);
    assert_eq!(refused("boolean", "tru").code, RecordNotJson);
    assert_eq!(refused("boolean", "truer").code, RecordNotJson);
}

#[test]
fn dates() {
    assert_eq!(column("date", &["\"2000-02-29\""]).as_primitive::<Date32Type>().value(0), 11_016);
    all_refused("date", RecordType, &["\"2023-02-29\"", "\"2000-02-29T00:00:00Z\"", "\"x\"", "true"]);
    assert!(refused("date", "11016").message.contains("ambiguous"));
    assert_eq!(refused("date", "11016").code, RecordType);
}

#[test]
fn timestamps_end_in_utc() {
    let values = column(
        "timestamp",
        &["\"2024-01-01T12:00:00Z\"", "\"2024-01-01 12:00:00.25\"", "\"2024-01-01T14:00:00+02:00\""],
    );
    let noon = 1_704_110_400_000_000;
    assert_eq!(values.as_primitive::<TimestampMicrosecondType>().values(), &[noon, noon + 250_000, noon]);
    all_refused("timestamp", RecordRange, &["\"2024-01-01T12:00:00.0000001Z\""]);
    all_refused("timestamp", RecordType, &["\"2024-01-01\"", "\"\"", "{}", "1704110400000"]);
    assert!(refused("timestamp", "1704110400000").message.contains("ambiguous"));
}

#[test]
fn timestamps_without_a_zone_refuse_one() {
    let values = column("timestamp_ntz", &["\"2024-01-01T12:00:00\"", "\"2024-01-01 12:00:00.000000000\""]);
    assert_eq!(values.as_primitive::<TimestampMicrosecondType>().values(), &[1_704_110_400_000_000; 2]);
    all_refused(
        "timestamp_ntz",
        RecordType,
        &["\"2024-01-01T12:00:00Z\"", "\"2024-01-01T12:00:00+00:00\"", "1"],
    );
    assert!(refused("timestamp_ntz", "1").message.contains("ambiguous"));
}

#[test]
fn structs_take_objects() {
    let point = r#"{"type":"struct","fields":[{"name":"x","type":"long","nullable":false},{"name":"y","type":"string","nullable":true}]}"#;
    let values = column(point, &[r#"{"y":"a","x":1}"#, "null", r#"{"x":2}"#]);
    let values = values.as_struct();
    assert_eq!(values.column(0).as_primitive::<Int64Type>().values(), &[1, 0, 2]);
    assert!(values.is_null(1) && values.is_valid(2) && values.column(1).is_null(2));
    all_refused(point, RecordType, &["[]", "\"{}\"", "1"]);
    let error = refused(point, r#"{"y":"a"}"#);
    assert_eq!((error.code, error.path.as_str()), (RecordNull, "v.x"));
    let error = refused(point, r#"{"x":1,"y":2}"#);
    assert_eq!((error.code, error.path.as_str()), (RecordType, "v.y"));
}

#[test]
fn arrays_take_arrays() {
    let values = column(&array("\"integer\"", true), &["[1,null,3]", "[]", "null", "[ 4 ]"]);
    let values = values.as_list::<i32>();
    assert_eq!(values.value_offsets(), &[0, 3, 3, 3, 4]);
    assert!(values.is_null(2));
    assert_eq!(
        values.values().as_primitive::<Int32Type>().iter().collect::<Vec<_>>(),
        [Some(1), None, Some(3), Some(4)]
    );
    all_refused(&array("\"integer\"", true), RecordType, &["{}", "1", "\"[]\""]);
    let error = refused(&array("\"integer\"", false), "[1,null]");
    assert_eq!((error.code, error.path.as_str()), (RecordNull, "v[1]"));
    let error = refused(&array(&array("\"integer\"", false), false), "[[],[1,2,\"x\"]]");
    assert_eq!((error.code, error.path.as_str()), (RecordType, "v[1][2]"));
    for broken in ["[1,]", "[,1]", "[1 2]", "[1", "[1}"] {
        assert_eq!(refused(&array("\"integer\"", true), broken).code, RecordNotJson, "{broken}");
    }
}

#[test]
fn maps_take_objects() {
    let values = column(&map("\"long\"", true), &[r#"{"b":1,"a":null}"#, "{}", "null", r#"{"\u0061":3}"#]);
    let values = values.as_map();
    assert_eq!(values.value_offsets(), &[0, 2, 2, 2, 3]);
    assert_eq!(values.keys().as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["b", "a", "a"]);
    assert_eq!(
        values.values().as_primitive::<Int64Type>().iter().collect::<Vec<_>>(),
        [Some(1), None, Some(3)]
    );
    let error = refused(&map("\"long\"", true), r#"{"a":1,"b":2,"\u0061":3}"#);
    assert_eq!((error.code, error.path.as_str()), (RecordDuplicateField, "v.a"));
    let error = refused(&map("\"long\"", false), r#"{"a":1,"b":null}"#);
    assert_eq!((error.code, error.path.as_str()), (RecordNull, "v.b"));
    let error = refused(&map(&array("\"long\"", true), true), r#"{"a":[1,true]}"#);
    assert_eq!((error.code, error.path.as_str()), (RecordType, "v.a[1]"));
    all_refused(&map("\"long\"", true), RecordType, &["[]", "1"]);
}

#[test]
fn a_map_with_many_keys_is_checked_for_duplicates_in_reasonable_time() {
    let mut entries: Vec<String> = (0..200_000).map(|i| format!("\"k{i}\":{i}")).collect();
    assert_eq!(
        column(&map("\"long\"", true), &[&format!("{{{}}}", entries.join(","))]).as_map().keys().len(),
        200_000
    );
    entries.push("\"k77777\":0".into());
    assert_eq!(refused(&map("\"long\"", true), &format!("{{{}}}", entries.join(","))).path, "v.k77777");
}

#[test]
fn columns_that_json_cannot_fill_are_refused_at_the_start() {
    let integer_keys = r#"{"type":"map","keyType":"integer","valueType":"long","valueContainsNull":true}"#;
    let text = format!(
        r#"{{"type":"struct","fields":[{{"name":"a","type":{},"nullable":true}}]}}"#,
        array(integer_keys, true)
    );
    let error = JsonDecoder::new(&Schema::parse(&text).unwrap(), JsonOptions::default()).err().unwrap();
    assert_eq!(error.code, SchemaInvalid);
    assert!(error.message.starts_with("column a[]: map<integer,long>"), "{}", error.message);
    let mut deep = "\"long\"".to_owned();
    for _ in 0..64 {
        deep = array(&deep, true);
    }
    let text = format!(r#"{{"type":"struct","fields":[{{"name":"a","type":{deep},"nullable":true}}]}}"#);
    let error = JsonDecoder::new(&Schema::parse(&text).unwrap(), JsonOptions::default()).err().unwrap();
    assert_eq!(error.code, SchemaInvalid);
}

#[test]
fn a_record_is_exactly_one_object() {
    let mut decoder = decoder("long");
    decoder.push(b" \t\r\n{ \"v\" : 1 } \n").unwrap();
    for (text, message) in [
        ("", "expected a JSON object, found the end, at byte 0"),
        ("null", "expected a JSON object, found null, at byte 0"),
        ("[1]", "expected a JSON object, found [1], at byte 0"),
        ("{} {}", "expected nothing after the object, found {}, at byte 3"),
        ("{\"v\":1", "expected ',' or '}', found the end, at byte 6"),
        ("{\"v\":01}", "expected a digit, found 1}, at byte 6"),
        ("{\"v\":1,}", "expected a field name, found }, at byte 7"),
        ("{v:1}", "expected a field name, found v:1}, at byte 1"),
        ("{\"v\" 1}", "expected ':', found 1}, at byte 5"),
        ("{\"u\":nul}", "expected null, found nul}, at byte 5"),
        ("{\"u\":}", "expected a value, found }, at byte 5"),
        ("{\"u\":\"x", "a string without its end at byte 7"),
        ("{\"u\":\"\t\"}", "a control character in a string at byte 6"),
        ("\u{feff}{}", "expected a JSON object, found \u{feff}{}, at byte 0"),
    ] {
        let error = decoder.push(text.as_bytes()).unwrap_err();
        let found = (error.code, error.path.as_str(), error.message.as_str());
        let path = if text.starts_with("{\"v\":0") { "v" } else { "" };
        assert_eq!(found, (RecordNotJson, path, message), "{text}");
    }
    let error = decoder.push(b"{\"u\":\"\xff\"}").unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (RecordNotJson, "not UTF-8 at byte 6"));
    // An encoded surrogate is not UTF-8 either.
    assert_eq!(decoder.push(b"{\"v\":1,\"u\":[\"\xed\xa0\x80\"]}").unwrap_err().code, RecordNotJson);
    assert_eq!(finish(&mut decoder).num_rows(), 1);
}

#[test]
fn missing_is_null_and_null_needs_a_nullable_column() {
    let mut decoder = decoder_with(&[("a", "long", false), ("b", "string", true)], JsonOptions::default());
    decoder.push(br#"{"a":1}"#).unwrap();
    for text in [r#"{"b":"x"}"#, r#"{"a":null,"b":"x"}"#, "{}"] {
        let error = decoder.push(text.as_bytes()).unwrap_err();
        assert_eq!((error.code, error.path.as_str()), (RecordNull, "a"), "{text}");
    }
    let batch = finish(&mut decoder);
    assert!(batch.num_rows() == 1 && batch.column(1).is_null(0));
}

#[test]
fn a_field_given_twice_is_refused() {
    let mut decoder = decoder_with(&[("a", "long", true), ("b", "long", true)], JsonOptions::default());
    for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"b":2,"\u0061":1}"#, r#"{"a":null,"a":1}"#] {
        let error = decoder.push(text.as_bytes()).unwrap_err();
        assert_eq!((error.code, error.path.as_str()), (RecordDuplicateField, "a"), "{text}");
    }
}

#[test]
fn unknown_fields_are_counted_or_refused() {
    let item = array(r#"{"type":"struct","fields":[{"name":"id","type":"long","nullable":true}]}"#, true);
    let columns = [("a", "long", true), ("items", item.as_str(), true)];
    let mut decoder = decoder_with(&columns, JsonOptions::default());
    decoder
        .push(br#"{"x":{"deep":[1,{"y":null}],"deep":2},"a":1,"items":[{"id":1,"sku":"s"},{"sku":0}]}"#)
        .unwrap();
    decoder.push(br#"{"x":1,"A":2}"#).unwrap();
    assert_eq!(decoder.push(br#"{"a":1,"A":2}"#).unwrap_err().code, RecordDuplicateField);
    let counts = decoder.take_unknown_fields();
    let names: Vec<_> = counts.names.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!((counts.total, names), (4, vec![("items[].sku", 2), ("x", 2)]));
    assert_eq!(decoder.take_unknown_fields(), UnknownFieldCounts::default());
    for broken in [r#"{"x":[1,]}"#, r#"{"x":{"a"}}"#, r#"{"x":[1}}"#, r#"{"x":"\q"}"#, r#"{"x":1e}"#] {
        assert_eq!(decoder.push(broken.as_bytes()).unwrap_err().code, RecordNotJson, "{broken}");
    }
    assert_eq!(finish(&mut decoder).num_rows(), 2);

    let options = JsonOptions { unknown_fields: UnknownFields::Fail, ..Default::default() };
    let mut decoder = decoder_with(&columns, options);
    for _ in 0..2 {
        let error = decoder.push(br#"{"a":1,"items":[{"id":1},{"sku":"s"}]}"#).unwrap_err();
        assert_eq!((error.code, error.path.as_str()), (RecordUnknownField, "items[1].sku"));
    }
}

#[test]
fn the_names_of_unknown_fields_are_bounded() {
    let mut decoder = decoder("long");
    for i in 0..1000 {
        decoder.push(format!(r#"{{"u{i}":1,"{}":2}}"#, "long".repeat(100)).as_bytes()).unwrap();
    }
    let counts = decoder.take_unknown_fields();
    assert_eq!((counts.total, counts.names.len()), (2000, MAX_UNKNOWN_NAMES));
    assert_eq!(counts.names[&format!("{}…", "long".repeat(15))], 1000);
}

#[test]
fn nesting_is_limited_to_64_levels() {
    let nested = |levels: usize| format!("{{\"v\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
    let mut known = "\"long\"".to_owned();
    for _ in 0..63 {
        known = array(&known, true);
    }
    let mut lists = decoder(&known);
    let options = JsonOptions { strings: Strings::Lenient, ..Default::default() };
    let mut strings = decoder_with(&[("v", "string", true)], options);
    let mut unknown = decoder_with(&[("w", "long", true)], JsonOptions::default());
    for decoder in [&mut lists, &mut strings, &mut unknown] {
        assert_eq!(decoder.push(nested(63).as_bytes()), Ok(()));
        finish(decoder);
    }
    for decoder in [&mut strings, &mut unknown] {
        assert_eq!(decoder.push(nested(64).as_bytes()).unwrap_err().code, RecordTooDeep);
        assert_eq!(decoder.push(nested(1_000_000).as_bytes()).unwrap_err().code, RecordTooDeep);
    }
}

#[test]
fn messages_say_what_was_found_and_what_the_column_takes() {
    assert_eq!(refused("long", "\"abc\"").message, "column takes long, record has string \"abc\"");
    assert_eq!(
        refused("date", "true").message,
        "column takes date (\"YYYY-MM-DD\"), record has boolean true"
    );
    assert_eq!(
        refused("byte", "300").message,
        "column takes byte, record has number 300, which is not a whole number in its range"
    );
    assert_eq!(
        refused(&array("\"long\"", false), "[null]").message,
        "column is not nullable, record has null"
    );
    let long = refused("long", &format!("{{\"k\":\"{}\"}}", "ü".repeat(1000))).message;
    assert_eq!(long, format!("column takes long, record has object {{\"k\":\"{}…", "ü".repeat(54)));
}

#[test]
fn field_names_that_need_escapes_are_found() {
    let mut decoder = decoder_with(
        &[("a\"b", "long", true), ("c\\d", "long", true), ("é", "long", true)],
        JsonOptions::default(),
    );
    for text in [r#"{"a\"b":1,"c\\d":2,"é":3}"#, r#"{"\u00e9":3,"c\u005cd":2,"a\u0022b":1}"#] {
        decoder.push(text.as_bytes()).unwrap();
        decoder.push(text.as_bytes()).unwrap();
    }
    let batch = finish(&mut decoder);
    for (i, column) in batch.columns().iter().enumerate() {
        assert_eq!(column.as_primitive::<Int64Type>().values(), &[i as i64 + 1; 4]);
    }
    assert_eq!(decoder.take_unknown_fields().total, 0);
}

#[test]
fn a_refused_record_leaves_nothing_behind() {
    let everything = r#"{"type":"struct","fields":[
        {"name":"s","type":"string","nullable":true},{"name":"b","type":"boolean","nullable":true},
        {"name":"x","type":"binary","nullable":true},{"name":"d","type":"decimal(9,2)","nullable":true},
        {"name":"m","type":{"type":"map","keyType":"string","valueType":"string","valueContainsNull":true},"nullable":true}]}"#;
    let data_type = array(everything, true);
    let mut decoder = decoder_with(&[("v", &data_type, true), ("end", "long", true)], JsonOptions::default());
    let good = r#"{"v":[{"s":"x","b":true,"x":"Zm9v","d":1.5,"m":{"k":"v","l":null}},null,{}],"end":7}"#;
    let bad = good.replace("7}", "\"7\"}");
    let half = r#"{"v":[{"s":"x","b":true,"x":"Zm9v","d":1.5,"m":{"k":"v","l":1}}],"end":7}"#;
    let base64 = good.replace("Zm9v", "Zm9vZ");
    let mut expected =
        decoder_with(&[("v", &data_type, true), ("end", "long", true)], JsonOptions::default());
    for _ in 0..5 {
        expected.push(good.as_bytes()).unwrap();
        decoder.push(bad.as_bytes()).unwrap_err();
        decoder.push(good.as_bytes()).unwrap();
        assert_eq!(decoder.push(half.as_bytes()).unwrap_err().path, "v[0].m.l");
        decoder.push(base64.as_bytes()).unwrap_err();
        assert_eq!(decoder.bytes(), expected.bytes());
    }
    for cut in 0..good.len() {
        decoder.push(&good.as_bytes()[..cut]).unwrap_err();
    }
    assert_eq!((decoder.rows(), decoder.bytes()), (5, expected.bytes()));
    assert_eq!(finish(&mut decoder), finish(&mut expected));
    assert_eq!((decoder.rows(), decoder.bytes()), (0, 0));
    decoder.push(good.as_bytes()).unwrap();
    assert_eq!(finish(&mut decoder).num_rows(), 1);
}

#[test]
fn bytes_are_those_in_the_columns() {
    let mut decoder = decoder_with(&[("a", "long", true), ("s", "string", true)], JsonOptions::default());
    assert_eq!(decoder.bytes(), 0);
    for _ in 0..8 {
        decoder.push(br#"{"a":1,"s":"four"}"#).unwrap();
    }
    assert_eq!(decoder.bytes(), 8 * (8 + 4 + 4));
    decoder.push(br#"{"s":"four"}"#).unwrap();
    assert_eq!(decoder.bytes(), 9 * (8 + 4 + 4) + 2);
}

#[test]
fn a_small_record_cannot_take_unbounded_memory() {
    let fields: Vec<String> =
        (0..1000).map(|i| format!(r#"{{"name":"c{i}","type":"decimal(38,0)","nullable":true}}"#)).collect();
    let wide = format!(r#"{{"type":"struct","fields":[{}]}}"#, fields.join(","));
    let mut decoder = decoder(&array(&wide, true));
    let elements = vec!["null"; 5_000].join(",");
    let error = decoder.push(format!(r#"{{"v":[{elements}]}}"#).as_bytes()).unwrap_err();
    assert_eq!((error.code, error.path.as_str()), (RecordRange, "v"));
    assert_eq!(decoder.bytes(), 0);
}
