use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_schema::DataType as ArrowType;
use arrow_select::take::take_record_batch;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::headers::tests::{encode, string};
use super::*;
use crate::connect::{ConnectSchema, Kind, Payload};
use crate::crossing::{Extras, Segment};
use crate::decode::json::{JsonDecoder, JsonOptions, RowError};
use crate::offsets::TopicPartition;

const NONE: ComputedSettings<'_> = ComputedSettings {
    metadata_columns: "",
    metadata_prefix: "_kafka_",
    metadata_struct: None,
    key_columns: false,
    key_prefix: "key_",
    derived: "",
    partition_by: "",
};

fn computed(settings: ComputedSettings<'_>) -> Computed {
    Computed::parse(&settings).unwrap()
}

fn derived(text: &str) -> Computed {
    computed(ComputedSettings { derived: text, ..NONE })
}

/// From `name type`, or with a `!` at the end where it is not nullable; a type may be JSON.
fn schema(columns: &[&str]) -> Schema {
    let column = |text: &&str| {
        let (name, data_type) = text.split_once(' ').unwrap();
        let nullable = !data_type.ends_with('!');
        let data_type = data_type.trim_end_matches('!');
        let data_type = match data_type.starts_with('{') {
            true => serde_json::from_str(data_type).unwrap(),
            false => Value::from(data_type),
        };
        json!({"name": name, "type": data_type, "nullable": nullable, "metadata": {}})
    };
    let fields: Vec<_> = columns.iter().map(column).collect();
    Schema::parse(&json!({"type": "struct", "fields": fields}).to_string()).unwrap()
}

fn described(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| format!("{} {}", field.name, field.data_type)).collect()
}

/// Offsets from 100; partition 7 of topic `t`.
fn segment(rows: usize) -> Segment {
    Segment {
        seq: (0..rows as i32).collect(),
        partitions: vec![0; rows],
        offsets: (100..100 + rows as i64).collect(),
        refused: false,
        extras: Extras::default(),
        key: Payload::Absent,
        value: Payload::Absent,
    }
}

fn decode(plan: &Plan, values: &[&str]) -> RecordBatch {
    let mut decoder = JsonDecoder::new(plan.decode_schema(), JsonOptions::default()).unwrap();
    for value in values {
        decoder.push(value.as_bytes()).unwrap();
    }
    decoder.finish()
}

fn assemble(
    plan: &Plan,
    decoded: RecordBatch,
    keys: Keys,
    segment: &Segment,
    indices: &[usize],
) -> (RecordBatch, Vec<(usize, RowError)>) {
    let partitions = [TopicPartition::new("t", 7), TopicPartition::new("u", 8)];
    let partition = |id: i32| &partitions[id as usize];
    plan.assemble(decoded, keys, &Rows { segment, indices, partition: &partition })
}

/// Nulls are left out; binary is in hexadecimal digits.
fn json_rows(batch: &RecordBatch) -> Vec<Value> {
    let mut writer = arrow_json::LineDelimitedWriter::new(Vec::new());
    writer.write(&RecordBatch::from(with_offset(&StructArray::from(batch.clone())))).unwrap();
    writer.finish().unwrap();
    let text = String::from_utf8(writer.into_inner()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// With +00:00 for UTC, which the writer does not know by name.
fn with_offset(parent: &StructArray) -> StructArray {
    let columns = parent.columns().iter().map(|column| -> ArrayRef {
        match column.data_type() {
            ArrowType::Timestamp(_, Some(_)) => {
                Arc::new(column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone("+00:00"))
            }
            ArrowType::Struct(_) => Arc::new(with_offset(column.as_struct())),
            _ => column.clone(),
        }
    });
    let columns: Vec<_> = columns.collect();
    let fields = parent
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone()));
    StructArray::new(fields.collect(), columns, parent.nulls().cloned())
}

#[test]
fn nothing_configured_changes_nothing() {
    let computed = computed(NONE);
    assert_eq!(computed.needs(), Needs::default());
    assert!(!computed.owns("key_a") && !computed.owns("_kafka_topic"));
    let table = schema(&["a long", "key_a string"]);
    assert_eq!(computed.missing(&table), Ok(vec![]));
    assert_eq!(computed.fields(&table.fields, Some(&DataType::Long)), Ok(vec![]));
    let plan = computed.plan(&table).unwrap();
    assert_eq!(plan.decode_schema(), &table);
    let decoded = decode(&plan, &[r#"{"a":1}"#]);
    let (batch, bad) = assemble(&plan, decoded.clone(), Keys::None, &segment(1), &[0]);
    assert!(std::ptr::eq(batch.column(0).as_ref(), decoded.column(0).as_ref()) && bad.is_empty());
}

fn segment_with_metadata() -> Segment {
    let headers = [
        encode(&[("a", &string("x")), ("b", &[0]), ("a", &[3, 5])]),
        encode(&[]),
        encode(&[("b", &[10, 1, 0xFF])]),
    ];
    Segment {
        partitions: vec![0, 1, 0],
        extras: Extras {
            topics: None,
            timestamps: Some(Int64Array::from(vec![Some(1_725_107_696_007), None, Some(-1)])),
            timestamp_types: Some(vec![0, -1, 1]),
            headers: Some(BinaryArray::from_iter_values(headers)),
        },
        key: Payload::Raw(BinaryArray::from_opt_vec(vec![Some(b"k"), None, Some(b"")])),
        ..segment(3)
    }
}

const ALL_METADATA: &str = "topic, partition,offset,timestamp,timestamp.type,key,headers";

#[test]
fn metadata_goes_to_flat_columns() {
    let computed = computed(ComputedSettings { metadata_columns: ALL_METADATA, ..NONE });
    assert_eq!(computed.needs(), Needs { topic: false, timestamp: true, key: true, headers: true });
    let mut table = schema(&["a long"]);
    let fields = computed.fields(&table.fields, None).unwrap();
    let types = [
        "_kafka_topic string",
        "_kafka_partition integer",
        "_kafka_offset long",
        "_kafka_timestamp timestamp",
        "_kafka_timestamp_type string",
        "_kafka_key binary",
        "_kafka_headers array<struct<key:string,value:binary>>",
    ];
    assert_eq!(described(&fields), types);
    assert!(fields.iter().all(|field| field.nullable && computed.owns(&field.name)));
    assert_eq!(computed.missing(&table).unwrap(), fields);
    table.fields.extend(fields);
    let plan = computed.plan(&table).unwrap();
    assert_eq!(described(&plan.decode_schema().fields), ["a long"]);
    let decoded = decode(&plan, &[r#"{"a":2}"#, r#"{"a":1}"#, r#"{"a":0}"#]);
    let (batch, bad) = assemble(&plan, decoded, Keys::None, &segment_with_metadata(), &[2, 1, 0]);
    assert_eq!(bad, []);
    let expected = [
        json!({"a": 2, "_kafka_topic": "t", "_kafka_partition": 7, "_kafka_offset": 102, "_kafka_key": "",
            "_kafka_timestamp": "1969-12-31T23:59:59.999Z", "_kafka_timestamp_type": "LogAppendTime",
            "_kafka_headers": [{"key": "b", "value": "ff"}]}),
        json!({"a": 1, "_kafka_topic": "u", "_kafka_partition": 8, "_kafka_offset": 101, "_kafka_headers": []}),
        json!({"a": 0, "_kafka_topic": "t", "_kafka_partition": 7, "_kafka_offset": 100, "_kafka_key": "6b",
            "_kafka_timestamp": "2024-08-31T12:34:56.007Z", "_kafka_timestamp_type": "CreateTime",
            "_kafka_headers": [{"key": "a", "value": "78"}, {"key": "b"}, {"key": "a", "value": "35"}]}),
    ];
    assert_eq!(json_rows(&batch), expected);
}

#[test]
fn metadata_goes_to_one_struct_as_another_writer_made_it() {
    let settings = ComputedSettings { metadata_columns: ALL_METADATA, metadata_struct: Some("meta"), ..NONE };
    let computed = computed(settings);
    let value = schema(&["a long"]);
    let fields = computed.fields(&value.fields, None).unwrap();
    assert_eq!(fields.len(), 1);
    // Another order and case, wider and nullable types, and a field of the other writer's own.
    let headers = json!({"type": "array", "containsNull": true, "elementType": {"type": "struct", "fields": [
        {"name": "value", "type": "binary", "nullable": true}, {"name": "key", "type": "string", "nullable": true}]}});
    let field = |name: &str, data_type: Value| json!({"name": name, "type": data_type, "nullable": true});
    let meta = json!({"type": "struct", "fields": [
        field("Headers", headers), field("topic", "string".into()), field("partition", "long".into()),
        field("offset", "long".into()), field("more", "date".into()), field("timestamp", "timestamp".into()),
        field("timestamp_type", "string".into()), field("key", "binary".into())]});
    let table = schema(&[&format!("META {meta}"), "a long"]);
    let plan = computed.plan(&table).unwrap();
    let decoded = decode(&plan, &["{}"]);
    let (batch, bad) = assemble(&plan, decoded, Keys::None, &segment_with_metadata(), &[2]);
    assert_eq!(bad, []);
    let expected = json!({"META": {"Headers": [{"key": "b", "value": "ff"}], "topic": "t", "partition": 7, "offset": 102,
        "timestamp": "1969-12-31T23:59:59.999Z", "timestamp_type": "LogAppendTime", "key": ""}});
    assert_eq!(json_rows(&batch), [expected]);
    assert_eq!(batch.schema(), table.arrow());
}

#[test]
fn keys_that_are_text_or_bytes_go_to_the_key_column_and_others_are_refused() {
    let computed = derived("k = kafka.key");
    let plan = computed.plan(&schema(&["a long", "k binary"])).unwrap();
    let keys = |key: Payload, rows: &[usize]| {
        let segment = Segment { key, ..segment(3) };
        assemble(&plan, decode(&plan, &vec!["{}"; rows.len()]), Keys::None, &segment, rows)
    };
    let typed =
        |kind: Kind, array: ArrayRef| Payload::Typed { schema: ConnectSchema::new(kind, true).into(), array };
    let texts = Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]));
    let bytes = Arc::new(BinaryArray::from_opt_vec(vec![Some(b"a"), None, Some(b"c")]));
    let string = string("c");
    let any = BinaryArray::from_opt_vec(vec![Some(&[10, 1, b'a']), Some(&[0]), Some(&string)]);
    for key in [typed(Kind::String, texts), typed(Kind::Bytes, bytes), Payload::Any(any)] {
        let (batch, bad) = keys(key, &[2, 1, 0]);
        assert_eq!(
            (json_rows(&batch), bad),
            (vec![json!({"k": "63"}), json!({}), json!({"k": "61"})], vec![])
        );
    }
    let numbers = typed(Kind::Int64, Arc::new(Int64Array::from(vec![Some(1), None, Some(2)])));
    let any = Payload::Any(BinaryArray::from_opt_vec(vec![Some(&[1]), None, Some(&[11, 0])]));
    for key in [numbers, any] {
        let (batch, bad) = keys(key, &[1, 2]);
        assert_eq!(batch.num_rows(), 1);
        assert_eq!((bad.len(), bad[0].0, bad[0].1.code), (1, 1, Code::RecordType));
        assert_eq!(bad[0].1.path, "kafka.key");
        assert!(bad[0].1.message.contains("delta.key.mode=columns"));
    }
    let unscaled: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"1"]));
    let mut decimal = ConnectSchema::new(Kind::Bytes, true);
    decimal.name = Some("org.apache.kafka.connect.data.Decimal".into());
    let (_, bad) = keys(Payload::Typed { schema: decimal.into(), array: unscaled }, &[0]);
    assert_eq!(bad[0].1.code, Code::RecordType, "a number is not bytes");
}

#[test]
fn keys_go_to_columns_of_their_own() {
    let computed = computed(ComputedSettings { key_columns: true, derived: "b = bucket(8, key_id)", ..NONE });
    assert!(computed.needs().key && computed.owns("key") && computed.owns("KEY_x") && !computed.owns("keys"));
    let key = DataType::Struct(schema(&["id long!", "name string"]).fields);
    let mut table = schema(&["key string", "a long"]);
    let fields = computed.fields(&schema(&["a long"]).fields, Some(&key)).unwrap();
    assert_eq!(described(&fields), ["key_id long", "key_name string", "b integer"]);
    assert!(fields.iter().all(|field| field.nullable), "a record may have no key");
    let whole = derived("").key_columns(Some(&DataType::Long));
    assert_eq!(whole, []);
    assert_eq!(described(&computed.key_columns(Some(&DataType::Long))), ["key long"]);
    table.fields.extend(fields);
    let plan = computed.plan(&table).unwrap();
    assert_eq!(described(&plan.decode_schema().fields), ["a long"]);
    assert_eq!(described(plan.key_fields()), ["id long", "name string"]);
    assert_eq!(plan.key_column().unwrap().name, "key");

    let values = [r#"{"a":1}"#, r#"{"a":2}"#];
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(34), None]));
    let names: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    let run = |keys| json_rows(&assemble(&plan, decode(&plan, &values), keys, &segment(2), &[0, 1]).0);
    let rows = [json!({"a": 1, "key_id": 34, "key_name": "x", "b": 3}), json!({"a": 2, "key_name": "y"})];
    assert_eq!(run(Keys::Fields(vec![ids, names.clone()])), rows);
    assert_eq!(run(Keys::Whole(names)), [json!({"a": 1, "key": "x"}), json!({"a": 2, "key": "y"})]);
    assert_eq!(run(Keys::None), [json!({"a": 1}), json!({"a": 2})]);

    let twice = DataType::Struct(schema(&["id long"]).fields);
    let settings = ComputedSettings { key_columns: true, derived: "KEY_id = literal(1)", ..NONE };
    let error = Computed::parse(&settings).unwrap().fields(&table.fields, Some(&twice)).unwrap_err();
    assert!(error.code == Code::ColumnMismatch && error.message.starts_with("column key_id:"), "{error}");
}

/// The result of an expression on one column `v`, or the error's code, path and message.
fn run(expression: &str, data_type: &str, values: &[Value]) -> Vec<Result<Value, String>> {
    let computed = derived(&format!("d = {expression}"));
    let mut table = schema(&[&format!("v {data_type}")]);
    table.fields.extend(computed.fields(&table.fields, None).unwrap());
    let plan = computed.plan(&table).unwrap();
    let values: Vec<_> = values.iter().map(|value| json!({"v": value}).to_string()).collect();
    let texts: Vec<_> = values.iter().map(String::as_str).collect();
    let indices: Vec<_> = (0..values.len()).collect();
    let (batch, bad) = assemble(&plan, decode(&plan, &texts), Keys::None, &segment(values.len()), &indices);
    let mut good = json_rows(&batch).into_iter().map(|mut row| row["d"].take());
    let mut bad = bad.into_iter().peekable();
    let results = indices.iter().map(|row| match bad.next_if(|(place, _)| place == row) {
        Some((_, error)) => Err(error.to_string()),
        None => Ok(good.next().unwrap()),
    });
    let results = results.collect();
    assert!(good.next().is_none() && bad.next().is_none());
    results
}

#[test]
fn functions_give_what_the_document_says() {
    for (expression, data_type, value, expected) in [
        ("v", "decimal(5,2)", json!("1.50"), json!(1.5)),
        ("field(v, long)", "long", json!(i64::MAX), json!(i64::MAX)),
        ("substring(v, 0, 4)", "string", json!("2024-08"), json!("2024")),
        ("substring(v, 1, 2)", "string", json!("aé😀b"), json!("é😀")),
        ("substring(v, 3, 9)", "string", json!("aé😀b"), json!("b")),
        ("substring(v, 9, 1)", "string", json!("a"), json!("")),
        ("timestamp_s(v)", "integer", json!(-1), json!("1969-12-31T23:59:59Z")),
        ("timestamp_s(v)", "long", json!(253_402_300_799i64), json!("9999-12-31T23:59:59Z")),
        ("timestamp_ms(v)", "long", json!(1_725_107_696_007i64), json!("2024-08-31T12:34:56.007Z")),
        ("timestamp_us(v)", "long", json!(1), json!("1970-01-01T00:00:00.000001Z")),
        ("date(v)", "timestamp", json!("2024-08-31T23:30:00-01:00"), json!("2024-09-01")),
        ("day(v)", "timestamp_ntz", json!("1969-12-31T23:59:59.999999"), json!("1969-12-31")),
        ("day(v)", "date", json!("2024-08-31"), json!("2024-08-31")),
        ("hour(v)", "timestamp", json!("2024-08-31T12:34:56.5+00:30"), json!("2024-08-31T12:00:00Z")),
        ("hour(v)", "timestamp_ntz", json!("1969-12-31T23:59:59"), json!("1969-12-31T23:00:00")),
        ("month(v)", "timestamp", json!("2024-02-29T12:00:00Z"), json!("2024-02-01")),
        ("month(v)", "date", json!("0001-01-31"), json!("0001-01-01")),
        ("year(v)", "timestamp_ntz", json!("1900-12-31T23:59:59"), json!("1900-01-01")),
        ("year(date(v))", "timestamp", json!("2024-12-31T00:00:00Z"), json!("2024-01-01")),
        ("bucket(2147483647, v)", "byte", json!(34), json!(2_017_239_379)),
        ("bucket(2147483647, v)", "long", json!(34), json!(2_017_239_379)),
        ("bucket(2147483647, v)", "string", json!("iceberg"), json!(1_210_000_089)),
        ("bucket(16, v)", "decimal(9,2)", json!("14.20"), json!((-500_754_589i32 & i32::MAX) % 16)),
        ("bucket(16, v)", "date", json!("2017-11-16"), json!((-653_330_422i32 & i32::MAX) % 16)),
        (
            "bucket(16, v)",
            "timestamp_ntz",
            json!("2017-11-16T22:31:08"),
            json!((-2_047_944_441i32 & i32::MAX) % 16),
        ),
        (
            "bucket(16, v)",
            "timestamp",
            json!("2017-11-16T14:31:08-08:00"),
            json!((-2_047_944_441i32 & i32::MAX) % 16),
        ),
        ("bucket(16, v)", "binary", json!("AAECAw=="), json!((-188_683_207i32 & i32::MAX) % 16)),
        ("truncate(10, v)", "integer", json!(-1), json!(-10)),
        ("truncate(10, v)", "long", json!(19), json!(10)),
        ("truncate(50, v)", "decimal(9,2)", json!("10.65"), json!(10.5)),
        ("truncate(50, v)", "decimal(9,2)", json!("-0.01"), json!(-0.5)),
        ("truncate(3, v)", "string", json!("iceberg"), json!("ice")),
        ("truncate(2, v)", "string", json!("é😀b"), json!("é😀")),
        ("truncate(2, v)", "binary", json!("AAECAw=="), json!("0001")),
        ("json(v, 'a.b', long)", "string", json!(r#" {"x":1,"a":{"b":5,"c":0}} "#), json!(5)),
        ("json(v, 'a[1]', decimal(4,2))", "string", json!(r#"{"a":[1,1.25]}"#), json!(1.25)),
        ("json(v, 'a[1]', long)", "string", json!(r#"{"a":[1]}"#), Value::Null),
        ("json(v, 'a.b', string)", "string", json!(r#"{"a":{"b":null}}"#), Value::Null),
        ("date(timestamp_ms(v))", "long", json!(86_400_000), json!("1970-01-02")),
        (
            "timestamp_ms(json(v, 'ts', long))",
            "string",
            json!(r#"{"ts":1000}"#),
            json!("1970-01-01T00:00:01Z"),
        ),
    ] {
        let results = run(expression, data_type, &[Value::Null, value.clone(), Value::Null]);
        let expected = [Ok(Value::Null), Ok(expected), Ok(Value::Null)];
        assert_eq!(results, expected, "{expression} of {data_type} {value}");
    }
    for (expression, expected) in [
        ("literal('é''')", json!("é'")),
        ("literal(-5)", json!(-5)),
        ("literal(300, short)", json!(300)),
        ("literal(true)", json!(true)),
        ("kafka.topic", json!("t")),
        ("truncate(10, kafka.offset)", json!(100)),
        ("day(kafka.timestamp)", Value::Null),
        ("header('x')", Value::Null),
        ("kafka.headers", json!([])),
    ] {
        assert_eq!(run(expression, "long", &[json!(1)]), [Ok(expected)], "{expression}");
    }
}

#[test]
fn a_value_without_a_result_makes_its_row_bad_and_no_other() {
    for (expression, data_type, value, expected) in [
        (
            "timestamp_s(v)",
            "long",
            json!(1_725_107_696_007i64),
            "RECORD_RANGE at v: column d: 1725107696007 seconds since 1970 are not in the years 0001 to 9999; is the unit right?",
        ),
        (
            "timestamp_ms(v)",
            "long",
            json!(i64::MAX),
            "RECORD_RANGE at v: column d: 9223372036854775807 milliseconds",
        ),
        (
            "timestamp_us(v)",
            "long",
            json!(-62_135_596_800_000_001i64),
            "RECORD_RANGE at v: column d: -62135596800000001 microseconds",
        ),
        (
            "truncate(10, v)",
            "byte",
            json!(-128),
            "RECORD_RANGE at v: column d: -128 rounded down to a multiple of 10 is outside",
        ),
        (
            "truncate(10, v)",
            "long",
            json!(i64::MIN),
            "RECORD_RANGE at v: column d: -9223372036854775808 rounded",
        ),
        ("truncate(10, v)", "decimal(2,0)", json!(-99), "RECORD_RANGE at v: column d: -99 rounded"),
        ("json(v, 'a', long)", "string", json!("{"), "RECORD_NOT_JSON at v: column d: in the JSON text: "),
        (
            "json(v, 'a.b', long)",
            "string",
            json!(r#"{"a":{"b":"5"}}"#),
            "RECORD_TYPE at v: column d: in the JSON text at a.b: ",
        ),
        (
            "timestamp_s(json(v, 'a', long))",
            "string",
            json!(r#"{"a":1e15}"#),
            "RECORD_RANGE at v: column d: 1000000000000000 seconds",
        ),
    ] {
        let results = run(expression, data_type, &[Value::Null, value.clone(), Value::Null]);
        let message = results[1].as_ref().unwrap_err();
        assert!(message.starts_with(expected), "{expression} {value}: {message}");
        assert_eq!((&results[0], &results[2]), (&Ok(Value::Null), &Ok(Value::Null)), "{expression}");
    }
}

#[test]
fn headers_are_read_as_text() {
    let computed = derived("a = header('a'); b = header('b'); all = kafka.headers");
    assert_eq!(computed.needs(), Needs { headers: true, ..Needs::default() });
    let headers = [
        encode(&[("a", &string("1")), ("a", &[2]), ("b", &[10, 1, 0xFF])]),
        encode(&[("b", &string("x")), ("b", &[0])]),
        encode(&[("A", &string("x"))]),
        encode(&[("c", &[11, 0])]),
        vec![11, 1],
    ];
    let extras = Extras { headers: Some(BinaryArray::from_iter_values(&headers)), ..Extras::default() };
    let segment = Segment { extras, ..segment(5) };
    let mut table = schema(&["v long"]);
    table.fields.extend(computed.missing(&table).unwrap());
    let plan = computed.plan(&table).unwrap();
    let decoded = decode(&plan, &["{}"; 5]);
    let (batch, bad) = assemble(&plan, decoded, Keys::None, &segment, &[0, 1, 2, 3, 4]);
    let value = json!([{"key": "b", "value": "78"}, {"key": "b"}]);
    assert_eq!(json_rows(&batch), [json!({"all": value}), json!({"all": [{"key": "A", "value": "78"}]})]);
    let errors: Vec<_> = bad.iter().map(|(row, error)| (*row, error.to_string())).collect();
    assert_eq!(errors[0], (0, "RECORD_TYPE at header('b'): column b: it is not UTF-8".into()));
    let (row, message) = &errors[1];
    assert!(
        *row == 3 && message.starts_with("RECORD_TYPE at kafka.headers: column all: header c is a list"),
        "{message}"
    );
    assert_eq!((errors[2].0, bad[2].1.code), (4, Code::CrossingInvalid));
}

#[test]
fn sources_that_the_table_does_not_have_are_decoded_and_not_stored() {
    let computed = derived(
        "ts = timestamp_ms(ts); month = month(ts); id = field(payload.meta.id, string); \
         first = substring(payload.tags[0], 0, 1); n = field(doc.n, long)",
    );
    let inner = r#"{"type":"struct","fields":[{"name":"x","type":"long","nullable":true}]}"#;
    let payload = format!(
        r#"payload {{"type":"struct","fields":[{{"name":"meta","type":{inner},"nullable":false}}]}}"#
    );
    let value = schema(&[&payload]);
    let fields = computed.fields(&value.fields, None).unwrap();
    assert_eq!(described(&fields), ["ts timestamp", "month date", "id string", "first string", "n long"]);
    let table = Schema { fields: [fields, value.fields].concat() };
    let plan = computed.plan(&table).unwrap();
    assert_eq!(
        described(&plan.decode_schema().fields),
        ["payload struct<meta:struct<x:long,id:string>,tags:array<string>>", "ts long", "doc struct<n:long>"]
    );
    let decoded = decode(
        &plan,
        &[
            r#"{"ts":3000000000,"payload":{"meta":{"x":1,"id":"i"},"tags":["abc"]},"doc":{"n":4}}"#,
            r#"{"payload":null}"#,
        ],
    );
    let (batch, bad) = assemble(&plan, decoded, Keys::None, &segment(2), &[0, 1]);
    assert_eq!((batch.schema(), bad), (table.arrow(), vec![]));
    let row = json!({"payload": {"meta": {"x": 1}}, "ts": "1970-02-04T17:20:00Z", "month": "1970-02-01", "id": "i",
        "first": "a", "n": 4});
    assert_eq!(json_rows(&batch), [row, json!({})]);
    assert_eq!(computed.missing(&table), Ok(vec![]));
}

#[test]
fn partition_columns_are_columns_or_functions_of_them() {
    let computed = computed(ComputedSettings {
        derived: "at = timestamp_s(epoch)",
        partition_by: "country, day(at), bucket(16, user.id), date(kafka.timestamp), at, hour(timestamp_ms(t)), substring(header('x'), 0, 1)",
        ..NONE
    });
    let names = ["country", "at_day", "id_bucket", "timestamp_date", "at", "t_hour", "x_substring"];
    assert_eq!(computed.partition_by(), names);
    assert!(computed.needs().timestamp && computed.needs().headers && !computed.needs().key);
    let user = r#"user {"type":"struct","fields":[{"name":"id","type":"long","nullable":true}]}"#;
    let fields = computed.fields(&schema(&["country string", user]).fields, None).unwrap();
    let types = [
        "at timestamp",
        "at_day date",
        "id_bucket integer",
        "timestamp_date date",
        "t_hour timestamp",
        "x_substring string",
    ];
    assert_eq!(described(&fields), types);
    assert!(!computed.owns("country") && computed.owns("id_bucket"));
}

#[test]
fn wrong_settings_are_refused_with_the_settings_name() {
    for (settings, setting, why) in [
        (
            ComputedSettings { metadata_columns: "topic,value", ..NONE },
            METADATA_COLUMNS,
            "\"value\" is not one; there are topic,",
        ),
        (
            ComputedSettings { metadata_columns: "topic,topic", ..NONE },
            METADATA_COLUMNS,
            "\"topic\" is given twice",
        ),
        (
            ComputedSettings { metadata_struct: Some("m"), ..NONE },
            METADATA_STRUCT,
            "nothing would be in m: say what in delta.metadata.columns",
        ),
        (
            ComputedSettings { metadata_columns: "key", metadata_struct: Some(""), ..NONE },
            METADATA_STRUCT,
            "it has to be the name",
        ),
        (
            ComputedSettings { key_columns: true, key_prefix: "__", ..NONE },
            KEY_PREFIX,
            "it has to be a name, such as key_",
        ),
        (
            ComputedSettings { derived: "a = b(c)", ..NONE },
            DERIVED_COLUMNS,
            "at character 5: there is no function \"b\"",
        ),
        (
            ComputedSettings { derived: "a = literal(1); A = literal(2)", ..NONE },
            DERIVED_COLUMNS,
            "column A is declared twice",
        ),
        (
            ComputedSettings { derived: "_kafka_topic = literal(1)", metadata_columns: "topic", ..NONE },
            DERIVED_COLUMNS,
            "column _kafka_topic is declared twice, also in delta.metadata.columns",
        ),
        (ComputedSettings { partition_by: "day(ts", ..NONE }, PARTITION_BY, "at character 7: ')' expected"),
        (
            ComputedSettings { partition_by: "a.b", ..NONE },
            PARTITION_BY,
            "a.b is neither a column nor a function of one: declare it in delta.derived.columns",
        ),
        (ComputedSettings { partition_by: "kafka.topic", ..NONE }, PARTITION_BY, "kafka.topic is neither"),
        (
            ComputedSettings { partition_by: "bucket(2, a), bucket(3, a)", ..NONE },
            PARTITION_BY,
            "a_bucket is given twice",
        ),
    ] {
        let (name, message) = Computed::parse(&settings).unwrap_err();
        assert_eq!(name, setting);
        assert!(message.starts_with(why), "{message}");
    }
}

#[test]
fn what_does_not_fit_the_table_is_refused_when_the_table_is_known() {
    let map = r#"{"type":"map","keyType":"integer","valueType":"long","valueContainsNull":true}"#;
    let map = format!("m {map}");
    let columns = ["a string", "n long", "f double", "d date", &map];
    for (text, column, why) in [
        ("x = date(a)", "x date", "date takes timestamp, timestamp_ntz or date; a is string"),
        ("x = timestamp_s(f)", "x timestamp", "timestamp_s takes byte, short, integer or long; f is double"),
        ("x = hour(d)", "x timestamp", "hour takes timestamp or timestamp_ntz; d is date"),
        ("x = bucket(4, f)", "x integer", "bucket takes byte,"),
        ("x = substring(date(d), 0, 4)", "x string", "substring takes string; date(d) is date"),
        (
            "x = field(n, integer)",
            "x integer",
            "n is of type long, not integer: leave the type out or correct it",
        ),
        ("x = bucket(4, z)", "x integer", "z is not in the table: give its type, as in field(z, long)"),
        ("x = field(a.b, long)", "x long", ".b is not in a value of type string"),
        ("x = field(m.k, long)", "x long", ".k is not in a value of type map<integer,long>"),
        ("x = n", "x integer", "n gives long, and the table's column is integer"),
        (
            "x = n",
            "y long",
            "the table does not have it: add it with the type long, or set delta.schema.evolution=add",
        ),
    ] {
        let table = schema(&[&columns[..], &[column]].concat());
        let error = derived(text).plan(&table).map(|_| ()).unwrap_err();
        assert_eq!(error.code, Code::ColumnMismatch);
        let expected = format!("column x (delta.derived.columns): {why}");
        assert!(error.message.starts_with(&expected), "{error}");
    }
    let error = derived("x = kafka.topic").plan(&schema(&["x string"])).map(|_| ()).unwrap_err();
    assert!(error.message.contains("no column for the record's value"), "{error}");
    // Whole numbers may be stored wider.
    derived("x = kafka.partition").plan(&schema(&["a long", "x long"])).unwrap();
}

#[test]
fn a_missing_value_is_refused_where_the_column_is_not_nullable() {
    let computed = derived("x = a");
    let plan = computed.plan(&schema(&["x long!", "a long"])).unwrap();
    let decoded = decode(&plan, &[r#"{"a":1}"#, "{}", r#"{"a":3}"#]);
    let (batch, bad) = assemble(&plan, decoded, Keys::None, &segment(3), &[0, 1, 2]);
    assert_eq!(json_rows(&batch), [json!({"x": 1, "a": 1}), json!({"x": 3, "a": 3})]);
    assert_eq!((bad.len(), bad[0].0), (1, 1));
    assert_eq!(bad[0].1.to_string(), "RECORD_NULL at x: no value for a column that is not nullable");
}

/// Every value of a row is made from its offset, so a value in another row's place is seen. Some rows are bad.
#[test]
fn rows_stay_together_in_any_selection_and_order() {
    let computed = computed(ComputedSettings {
        metadata_columns: ALL_METADATA,
        key_columns: true,
        derived: "at = timestamp_s(n); h = header('h'); part = field(l[1].x, long); j = json(text, 'o', long); \
                  gone = field(gone.deep, long); c = literal('c')",
        partition_by: "bucket(5, n), truncate(10, n), day(kafka.timestamp)",
        ..NONE
    });
    let list = r#"l {"type":"array","containsNull":true,"elementType":
        {"type":"struct","fields":[{"name":"x","type":"long","nullable":true}]}}"#;
    let value = schema(&["n long", "text string", list]);
    let key = DataType::Struct(schema(&["id long"]).fields);
    let fields = computed.fields(&value.fields, Some(&key)).unwrap();
    for seed in 0..100 {
        let rng = &mut StdRng::seed_from_u64(seed);
        let mut table = Schema { fields: [value.fields.clone(), fields.clone()].concat() };
        table.fields.shuffle(rng);
        let plan = computed.plan(&table).unwrap();
        let total = rng.random_range(1..80);
        let offset = |row: usize| 100 + row as i64;
        let is_bad = |row: usize| row % 7 == 3;
        let segment = Segment {
            extras: Extras {
                timestamps: Some((0..total).map(|row| Some(offset(row) * 1000)).collect()),
                timestamp_types: Some(vec![0; total]),
                headers: Some(BinaryArray::from_iter_values(
                    (0..total).map(|row| encode(&[("h", &string(&offset(row).to_string()))])),
                )),
                topics: None,
            },
            key: Payload::Raw(BinaryArray::from_iter_values((0..total).map(|row| offset(row).to_be_bytes()))),
            ..segment(total)
        };
        let mut rows: Vec<usize> = (0..total).filter(|_| rng.random_bool(0.6)).collect();
        if rng.random_bool(0.3) {
            rows.shuffle(rng);
        }
        let records: Vec<_> = rows
            .iter()
            .map(|row| {
                let n = offset(*row);
                let text = if is_bad(*row) { "{".into() } else { json!({"o": n}).to_string() };
                json!({"n": n, "text": text, "l": [null, {"x": n}], "gone": {"deep": n}}).to_string()
            })
            .collect();
        let decoded = decode(&plan, &records.iter().map(String::as_str).collect::<Vec<_>>());
        let ids: ArrayRef = Arc::new(rows.iter().map(|row| Some(offset(*row))).collect::<Int64Array>());
        let (batch, bad) = assemble(&plan, decoded.clone(), Keys::Fields(vec![ids]), &segment, &rows);

        let expected_bad: Vec<_> = (0..rows.len()).filter(|place| is_bad(rows[*place])).collect();
        assert_eq!(bad.iter().map(|(place, _)| *place).collect::<Vec<_>>(), expected_bad, "seed {seed}");
        let good: Vec<_> = (0..rows.len()).filter(|place| !is_bad(rows[*place])).collect();
        for field in &value.fields {
            let places: arrow_array::UInt64Array = good.iter().map(|place| Some(*place as u64)).collect();
            let expected = take_record_batch(&decoded, &places).unwrap();
            assert_eq!(
                batch.column_by_name(&field.name),
                expected.column_by_name(&field.name),
                "seed {seed}"
            );
        }
        assert_eq!(batch.num_rows(), good.len());
        for (row, place) in json_rows(&batch).iter().zip(&good) {
            let n = offset(rows[*place]);
            let at = format!("1970-01-01T00:0{}:{:02}", n / 60, n % 60);
            let expected = json!({
                "n": n, "text": json!({"o": n}).to_string(), "l": [null, {"x": n}],
                "_kafka_topic": "t", "_kafka_partition": 7, "_kafka_offset": n, "_kafka_timestamp": format!("{at}Z"),
                "_kafka_timestamp_type": "CreateTime", "_kafka_key": format!("{n:016x}"),
                "_kafka_headers": [{"key": "h", "value": n.to_string().bytes().map(|b| format!("{b:02x}")).collect::<String>()}],
                "key_id": n, "at": format!("{at}Z"), "h": n.to_string(), "part": n, "j": n, "gone": n, "c": "c",
                "n_bucket": bucket::bucket(bucket::hash_long(n), 5), "n_truncate": n / 10 * 10,
                "timestamp_day": "1970-01-01",
            });
            assert_eq!(row, &expected, "seed {seed}");
        }
    }
}
