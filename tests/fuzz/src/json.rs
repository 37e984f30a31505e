//! Arbitrary JSON into columns of every type.

use arrow_array::Array;
use serde::de::IgnoredAny;
use sluice_core::decode::json::{JsonDecoder, JsonOptions, Strings, UnknownFields};
use sluice_core::schema::Schema;

const SCHEMAS: [&str; 4] = [
    r#"{"type":"struct","fields":[
        {"name":"a","type":"byte","nullable":true,"metadata":{}},
        {"name":"b","type":"short","nullable":true,"metadata":{}},
        {"name":"c","type":"integer","nullable":true,"metadata":{}},
        {"name":"d","type":"long","nullable":false,"metadata":{}},
        {"name":"e","type":"float","nullable":true,"metadata":{}},
        {"name":"f","type":"double","nullable":true,"metadata":{}},
        {"name":"g","type":"decimal(38,18)","nullable":true,"metadata":{}},
        {"name":"h","type":"decimal(5,0)","nullable":true,"metadata":{}}]}"#,
    r#"{"type":"struct","fields":[
        {"name":"a","type":"string","nullable":false,"metadata":{}},
        {"name":"b","type":"binary","nullable":true,"metadata":{}},
        {"name":"c","type":"boolean","nullable":true,"metadata":{}},
        {"name":"d","type":"date","nullable":true,"metadata":{}},
        {"name":"e","type":"timestamp","nullable":true,"metadata":{}},
        {"name":"f","type":"timestamp_ntz","nullable":true,"metadata":{}}]}"#,
    r#"{"type":"struct","fields":[
        {"name":"a","nullable":true,"metadata":{},"type":{"type":"struct","fields":[
            {"name":"a","type":"long","nullable":false,"metadata":{}},
            {"name":"b","type":"string","nullable":true,"metadata":{}}]}},
        {"name":"b","nullable":false,"metadata":{},"type":{"type":"struct","fields":[
            {"name":"a","type":"long","nullable":true,"metadata":{}}]}}]}"#,
    r#"{"type":"struct","fields":[
        {"name":"a","nullable":true,"metadata":{},"type":{"type":"array","containsNull":true,"elementType":
            {"type":"struct","fields":[{"name":"a","type":"long","nullable":false,"metadata":{}}]}}},
        {"name":"b","nullable":true,"metadata":{},"type":{"type":"map","keyType":"string","valueContainsNull":false,
            "valueType":{"type":"array","containsNull":false,"elementType":"string"}}}]}"#,
];

/// The first byte: schema and options. The rest: records, one a line. Whether any made a row.
pub fn run(input: &[u8]) -> bool {
    let Some((choice, records)) = input.split_first() else { return false };
    let schema = Schema::parse(SCHEMAS[usize::from(choice & 3)]).expect("a schema");
    let options = JsonOptions {
        unknown_fields: if choice & 4 == 0 { UnknownFields::Ignore } else { UnknownFields::Fail },
        strings: if choice & 8 == 0 { Strings::Strict } else { Strings::Lenient },
    };
    let mut decoder = JsonDecoder::new(&schema, options).expect("a decoder");
    let mut rows = 0;
    for record in records.split(|byte| *byte == b'\n') {
        match decoder.push(record) {
            Ok(()) => {
                rows += 1;
                serde_json::from_slice::<IgnoredAny>(record).expect("what makes a row is JSON");
                assert!(std::str::from_utf8(record).is_ok(), "in UTF-8");
            }
            Err(error) => assert_eq!(error.code.class().name(), "RECORD", "{error}"),
        }
        assert_eq!(decoder.rows(), rows);
    }
    let batch = decoder.finish();
    assert_eq!(batch.num_rows(), rows);
    for column in batch.columns() {
        column.to_data().validate_full().expect("columns that Arrow accepts");
    }
    rows > 0
}
