//! Records that Avro's own library wrote (`tests/vectors/avro`), and bytes that nobody wrote.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value as Json;

use crate::Code;
use crate::decode::json::JsonOptions;
use crate::decode::written::{Written, WrittenDecoder};
use crate::decode::{RowError, UnknownFields};
use crate::schema::Schema as TableSchema;

struct Vector {
    name: String,
    written: Written,
    table: TableSchema,
    /// Bytes, and the row, or the code that they are refused with.
    records: Vec<(Vec<u8>, Result<Json, String>)>,
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn written(text: &str) -> Written {
    Written::Avro(Arc::new(super::Schema::parse(text, &[]).unwrap()))
}

fn vectors() -> Vec<Vector> {
    let text = include_str!("../../../../../tests/vectors/avro/vectors.json");
    let vectors: Vec<Json> = serde_json::from_str(text).unwrap();
    let text = |json: &Json| json.as_str().unwrap().to_owned();
    let record = |json: &Json| {
        let row = match &json["error"] {
            Json::Null => Ok(json["row"].clone()),
            error => Err(text(error)),
        };
        (bytes(&text(&json["hex"])), row)
    };
    let vector = |json: &Json| Vector {
        name: text(&json["name"]),
        written: written(&json["writer"].to_string()),
        table: TableSchema::parse(&format!(r#"{{"type":"struct","fields":{}}}"#, json["table"])).unwrap(),
        records: json["records"].as_array().unwrap().iter().map(record).collect(),
    };
    vectors.iter().map(vector).collect()
}

fn rows(decoder: &mut WrittenDecoder) -> Vec<Json> {
    let batch = decoder.finish();
    let mut writer = arrow_json::ArrayWriter::new(Vec::new());
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let text = writer.into_inner();
    if text.is_empty() { vec![] } else { serde_json::from_slice(&text).unwrap() }
}

/// As the expected row has it: what is null is left out there, and numbers that are equal are the same.
fn plain(json: &Json) -> Json {
    match json {
        Json::Object(fields) => {
            let given = fields.iter().filter(|(_, value)| !value.is_null());
            Json::Object(given.map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        Json::Array(elements) => elements.iter().map(plain).collect(),
        Json::Number(number) if number.is_f64() && number.as_f64().unwrap().fract() == 0.0 => {
            (number.as_f64().unwrap() as i64).into()
        }
        other => other.clone(),
    }
}

#[test]
fn records_of_avros_own_library_become_their_rows() {
    let vectors = vectors();
    assert!(vectors.len() > 50);
    for Vector { name, written, table, records } in vectors {
        let mut decoder = WrittenDecoder::new(&table, JsonOptions::default()).unwrap();
        let mut expected = Vec::new();
        for (bytes, row) in records {
            match (decoder.push(&written, &bytes), row) {
                (Ok(()), Ok(row)) => expected.push(plain(&row)),
                (Err(error), Err(code)) => assert_eq!(error.code.name(), code, "{name}: {error}"),
                (outcome, row) => panic!("{name}: {outcome:?} instead of {row:?}"),
            }
        }
        let made: Vec<_> = rows(&mut decoder).iter().map(plain).collect();
        assert_eq!(made, expected, "{name}");
    }
}

#[test]
fn records_of_several_schemas_make_one_batch() {
    let table = r#"{"type":"struct","fields":[
        {"name":"id","type":"long","nullable":false,"metadata":{}},
        {"name":"text","type":"string","nullable":true,"metadata":{}}]}"#;
    let old = written(r#"{"type":"record","name":"R","fields":[{"name":"id","type":"int"}]}"#);
    let new = written(
        r#"{"type":"record","name":"R","fields":[{"name":"text","type":["null","string"]},{"name":"id","type":"long"}]}"#,
    );
    let mut decoder =
        WrittenDecoder::new(&TableSchema::parse(table).unwrap(), JsonOptions::default()).unwrap();
    for id in 0..4u8 {
        match id % 2 {
            0 => decoder.push(&old, &[2 * id]).unwrap(),
            _ => decoder.push(&new, &[2, 2, b'a', 2 * id]).unwrap(),
        }
    }
    assert_eq!(decoder.rows(), 4);
    let expected = serde_json::json!([{"id":0},{"id":1,"text":"a"},{"id":2},{"id":3,"text":"a"}]);
    assert_eq!(Json::Array(rows(&mut decoder)), expected);
}

fn containers() -> Json {
    serde_json::from_str(include_str!("../../../../../tests/vectors/avro/containers.json")).unwrap()
}

#[test]
fn fingerprints_are_those_of_avros_own_library() {
    for vector in containers()["fingerprints"].as_array().unwrap() {
        let text = vector["schema"].as_str().unwrap();
        let schema = super::Schema::parse(text, &[]).unwrap();
        assert_eq!(schema.canonical(), vector["canonical"].as_str().unwrap());
        assert_eq!(
            schema.fingerprint().to_le_bytes().to_vec(),
            bytes(vector["hex"].as_str().unwrap()),
            "{text}"
        );
    }
    let either = super::Schema::parse(r#"["int","long"]"#, &[]).unwrap();
    let prints: Vec<_> = either.alternatives().iter().map(super::Schema::fingerprint).collect();
    assert_eq!(prints, [0x7275_d51a_3f39_5c8f, 0xd054_e144_93f4_1db7]);
}

#[test]
fn a_container_holds_one_record() {
    let vectors = containers();
    let open = |vector: &Json| {
        let bytes = bytes(vector.as_str().unwrap());
        super::Container::open(&bytes).map(|container| {
            super::Schema::parse(std::str::from_utf8(container.schema).unwrap(), &[]).unwrap();
            (container.codec.to_vec(), container.data.to_vec())
        })
    };
    for (codec, vector) in vectors["containers"].as_object().unwrap() {
        let (found, data) = open(vector).unwrap();
        assert_eq!(found, codec.as_bytes());
        assert!(codec != "null" || data.starts_with(&[14, 0xa0, 1, b't']), "{data:?}");
    }
    assert!(open(&vectors["two"]).unwrap_err().message.contains("holds 2 records"));
    assert!(open(&vectors["none"]).unwrap_err().message.contains("holds 0 records"));
    let whole = bytes(vectors["containers"]["null"].as_str().unwrap());
    for end in 0..whole.len() {
        assert!(super::Container::open(&whole[..end]).is_err(), "{end}");
    }
    let mut marked = whole.clone();
    *marked.last_mut().unwrap() ^= 1;
    assert!(super::Container::open(&marked).unwrap_err().message.contains("marker"));
}

fn of_one_field(avro: &str, column: &str, unknown: UnknownFields) -> (Written, WrittenDecoder) {
    let writer = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"f","type":{avro}}}]}}"#);
    let table = format!(
        r#"{{"type":"struct","fields":[{{"name":"g","type":"string","nullable":true,"metadata":{{}}}}{column}]}}"#
    );
    let options = JsonOptions { unknown_fields: unknown, ..JsonOptions::default() };
    let decoder = WrittenDecoder::new(&TableSchema::parse(&table).unwrap(), options).unwrap();
    (written(&writer), decoder)
}

fn column(data_type: &str) -> String {
    format!(r#",{{"name":"f","type":"{data_type}","nullable":true,"metadata":{{}}}}"#)
}

fn list_column(element: &str) -> String {
    let list = format!(r#"{{"type":"array","elementType":"{element}","containsNull":true}}"#);
    format!(r#",{{"name":"f","type":{list},"nullable":true,"metadata":{{}}}}"#)
}

#[test]
fn errors_say_where() {
    let column = list_column("integer");
    let (written, mut decoder) =
        of_one_field(r#"{"type":"array","items":["null","long"]}"#, &column, UnknownFields::Ignore);
    let mut error = |bytes: &[u8]| decoder.push(&written, bytes).unwrap_err();
    // Two elements, the second one 2^31.
    let RowError { code, path, message } = error(&[4, 2, 2, 2, 0x80, 0x80, 0x80, 0x80, 0x10, 0]);
    assert_eq!((code, path.as_str()), (Code::RecordRange, "f[1]"));
    assert_eq!(
        message,
        "column takes integer, record has integer 2147483648, which is not a whole number in its range"
    );
    let RowError { code, path, message } = error(&[2, 4]);
    assert_eq!((code, path.as_str(), message.as_str()), (Code::RecordAvro, "f[0]", "branch 2 of 2"));
    let RowError { code, path, message } = error(&[2, 2, 2, 0, 9]);
    assert_eq!((code, path.as_str()), (Code::RecordAvro, ""));
    assert!(message.contains("1 bytes after its end"), "{message}");
}

fn encoded(value: i64) -> Vec<u8> {
    let (mut rest, mut bytes) = ((value << 1 ^ value >> 63) as u64, Vec::new());
    while rest > 0x7f {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

#[test]
fn a_time_of_the_day_is_within_the_day() {
    let by_name = r#"{"type":"int","connect.name":"org.apache.kafka.connect.data.Time"}"#;
    for avro in [r#"{"type":"int","logicalType":"time-millis"}"#, by_name, &format!(r#"["null",{by_name}]"#)]
    {
        for data_type in ["integer", "long", "double", "decimal(9,0)"] {
            let (written, mut decoder) = of_one_field(avro, &column(data_type), UnknownFields::Ignore);
            let mut push = |millis| {
                let branch: &[u8] = if avro.starts_with('[') { &[2] } else { &[] };
                decoder.push(&written, &[branch, &encoded(millis)].concat())
            };
            [0, 86_399_999].into_iter().for_each(|millis| push(millis).unwrap());
            for millis in [-1, 86_400_000, i64::from(i32::MIN)] {
                let RowError { code, path, message } = push(millis).unwrap_err();
                assert_eq!((code, path.as_str()), (Code::RecordRange, "f"));
                assert!(message.ends_with(&format!("to 86399999 milliseconds, and this one {millis}")));
            }
            assert_eq!(decoder.rows(), 2);
        }
    }
    // The converter takes it for a number.
    let micros = r#"{"type":"long","logicalType":"time-micros"}"#;
    let (written, mut decoder) = of_one_field(micros, &column("long"), UnknownFields::Ignore);
    decoder.push(&written, &encoded(-1)).unwrap();
    assert_eq!(Json::Array(rows(&mut decoder)), serde_json::json!([{"f": -1}]));
}

#[test]
fn fields_without_a_column_are_counted_where_they_are_given() {
    let nullable = r#"["null","int"]"#;
    let (written, mut decoder) = of_one_field(nullable, "", UnknownFields::Ignore);
    [&[0][..], &[2, 8], &[2, 10]].iter().for_each(|bytes| decoder.push(&written, bytes).unwrap());
    let counts = decoder.take_unknown_fields();
    assert_eq!((counts.total, counts.names["f"]), (2, 2));
    let (written, mut decoder) = of_one_field(nullable, "", UnknownFields::Fail);
    decoder.push(&written, &[0]).unwrap();
    assert_eq!(decoder.push(&written, &[2, 8]).unwrap_err().code, Code::RecordUnknownField);
}

/// Lengths, counts and depths that the record's bytes do not bear out.
#[test]
fn what_a_few_bytes_ask_for_is_bounded() {
    let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let nulls = r#"{"type":"array","items":"null"}"#;
    for column in [list_column("integer"), String::new()] {
        let (written, mut decoder) = of_one_field(nulls, &column, UnknownFields::Ignore);
        let error = decoder.push(&written, &huge).unwrap_err();
        assert_eq!(error.code, Code::RecordRange, "{error}");
        assert_eq!(decoder.rows(), 0);
        decoder.push(&written, &[4, 0]).unwrap();
    }
    // A record that holds itself as often as it likes, in the place of a field that no column is for.
    let (written, mut decoder) = of_one_field(r#"{"type":"array","items":"R"}"#, "", UnknownFields::Ignore);
    assert_eq!(decoder.push(&written, &[2; 200]).unwrap_err().code, Code::RecordTooDeep);
    // Records without a byte, each of which holds two of the next.
    let mut doubles = vec![r#"{"type":"record","name":"L0","fields":[]}"#.to_owned()];
    for level in 1..60 {
        let field = |name: &str| format!(r#"{{"name":"{name}","type":"L{}"}}"#, level - 1);
        doubles.push(format!(
            r#"{{"type":"record","name":"L{level}","fields":[{},{}]}}"#,
            field("a"),
            field("b")
        ));
    }
    let doubles: Vec<&str> = doubles.iter().map(String::as_str).collect();
    let holder = r#"{"type":"record","name":"R","fields":[{"name":"f","type":"L59"}]}"#;
    let written = Written::Avro(Arc::new(super::Schema::parse(holder, &doubles).unwrap()));
    assert_eq!(decoder.push(&written, &[]).unwrap_err().code, Code::RecordRange);
    assert!(written.connect().unwrap_err().message.contains("more than 10000 fields"));
}

/// Bytes at random, and records with something changed: those that are refused leave no trace among the others.
#[test]
fn any_bytes_are_rows_or_errors() {
    let mut random = StdRng::seed_from_u64(7);
    let (mut taken, mut refused) = (0, 0);
    for Vector { name, written, table, records } in vectors() {
        let mut decoder = WrittenDecoder::new(&table, JsonOptions::default()).unwrap();
        let mut good = Vec::new();
        for (original, _) in &records {
            for round in 0..400 {
                let mut bytes = original.clone();
                match round % 4 {
                    0 => bytes = (0..random.random_range(0..40)).map(|_| random.random()).collect(),
                    1 => bytes.truncate(random.random_range(0..=original.len())),
                    2 => bytes.extend((0..random.random_range(1..4)).map(|_| random.random::<u8>())),
                    _ if bytes.is_empty() => {}
                    _ => {
                        let at = random.random_range(0..bytes.len());
                        bytes[at] = random.random();
                    }
                }
                match decoder.push(&written, &bytes) {
                    Ok(()) => good.push(bytes),
                    Err(_) => refused += 1,
                }
            }
        }
        let mut only_good = WrittenDecoder::new(&table, JsonOptions::default()).unwrap();
        good.iter().for_each(|bytes| only_good.push(&written, bytes).unwrap());
        assert_eq!(decoder.finish(), only_good.finish(), "{name}");
        taken += good.len();
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} taken, {refused} refused");
}
