//! The same records by a converter and by a raw format: the same table, value for value.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::avro::{framed, registry};
use crate::cluster::cluster;
use crate::flow::{Flow, Row, dead_letters, header, hex, schema, with_dead_letters};
use crate::scenario::Scenario;

/// Confluent's converter, as Apicurio has it.
const AVRO_CONVERTER: &str = "io.apicurio.registry.utils.converter.AvroConverter";
/// Columns of meanings that the converter drops: what it leaves of them, and what the raw format makes of them.
const DROPPED: [(&str, &str, &str); 6] = [
    ("timestamp_micros", "long", "timestamp"),
    ("local_timestamp_micros", "long", "timestamp_ntz"),
    ("timestamp_nanos", "long", "timestamp"),
    ("local_timestamp_nanos", "long", "timestamp_ntz"),
    ("local_timestamp_millis", "long", "timestamp_ntz"),
    ("uuid_fixed", "binary", "string"),
];
/// Has a comment only in the raw format's table: the converter takes `connect.doc` alone.
const COMMENTED: (&str, &str) = ("documented", "how many");
/// Connect gives a field's default for null; the raw format leaves null as it is.
const DEFAULT_FOR_NULL: &str = "null_with_default";

fn fields(table: &Value) -> &Vec<Value> {
    table["fields"].as_array().unwrap()
}

/// The column as the raw format has it, by what the converter made.
fn kept(field: &Value) -> Value {
    let mut field = field.clone();
    if let Some((name, dropped, kept)) = DROPPED.iter().find(|(name, ..)| field["name"] == *name) {
        assert_eq!(field["type"], *dropped, "{name}");
        field["type"] = json!(kept);
    }
    if field["name"] == COMMENTED.0 {
        assert_eq!(field["metadata"], json!({}), "{}", COMMENTED.0);
        field["metadata"] = json!({"comment": COMMENTED.1});
    }
    field
}

#[test]
fn avro_becomes_the_table_that_its_converter_makes() {
    let made: Value = serde_json::from_str(include_str!("../../vectors/avro/parity.json")).unwrap();
    let rows_by = |what: &str| -> Vec<Row> { serde_json::from_value(made[what].clone()).unwrap() };
    let registered = json!({"schema": made["schema"].to_string()});
    let id = registry().register("parity-avro-value", &registered).unwrap();

    let converted = Flow::new("parity-avro");
    let raw = Flow::of(Scenario::without_topic(cluster().connect(), "parity-avro-raw"));
    let texts = |what: &str| -> Vec<String> { serde_json::from_value(made[what].clone()).unwrap() };
    let (refused, taken) = (texts("refused"), texts("records"));
    let frame = hex(&framed(id, vec![]));
    // The sink hears nothing of what a converter refuses, so the last records are others.
    let records = refused.iter().chain(&taken).map(|hex| converted.record_of_hex(&format!("{frame}{hex}")));
    converted.send(&records.collect::<Vec<_>>());
    let of_converter = |key: &str| format!("value.converter.apicurio.registry.{key}");
    let by_converter = converted
        .raw_config()
        .set("delta.input.mode", "connect")
        .set("value.converter", AVRO_CONVERTER)
        .set(&of_converter("url"), registry().url())
        .set(&of_converter("as-confluent"), true)
        .set(&of_converter("use-id"), "contentId");
    converted.scenario.put(&with_dead_letters(by_converter, "parity-avro-dead"));
    let by_raw = raw
        .raw_config()
        .set("topics", "parity-avro")
        .set("delta.input.mode", "raw")
        .set("delta.raw.format", "avro")
        .set("delta.registry.url", registry().confluent_url());
    raw.scenario.put(&with_dead_letters(by_raw, "parity-avro-raw-dead"));
    let by_converter = converted.rows();
    raw.scenario.topic_reaches_the_end("parity-avro", &raw.scenario.table);
    let by_raw = raw.read(&raw.scenario.table, "id");
    for topic in ["parity-avro-dead", "parity-avro-raw-dead"] {
        let dead = dead_letters(topic, refused.len());
        let offsets: Vec<&str> = dead.iter().map(|record| header(record, "offset")).collect();
        assert_eq!(offsets, ["0", "1", "2", "3"], "{topic}");
    }

    let (converters, raws) = (schema(&converted.scenario.table), schema(&raw.scenario.table));
    let expected: Vec<Value> = fields(&converters).iter().map(kept).collect();
    let other: Vec<_> =
        expected.iter().zip(fields(&raws)).filter(|(expected, raw)| expected != raw).collect();
    assert!(other.is_empty(), "{other:#?}");
    let names = |fields: &[Value]| fields.iter().map(|field| field["name"].clone()).collect::<Vec<_>>();
    let all = names(fields(&made["schema"]));
    assert_eq!((names(&expected), names(fields(&raws))), (all.clone(), all));

    for (rows, what) in [(&by_converter, "converter"), (&by_raw, "raw")] {
        let expected = rows_by(what);
        let wrong = differences(rows, &expected);
        assert!(wrong.is_empty(), "{what}: {wrong:#?}");
    }
    let different = differences(&by_converter, &by_raw);
    let different: BTreeSet<&str> = different.iter().map(|(name, ..)| *name).collect();
    let known = DROPPED.iter().map(|(name, ..)| *name).chain([DEFAULT_FOR_NULL]);
    assert_eq!(different, known.collect::<BTreeSet<_>>());
    [converted, raw].iter().for_each(|flow| flow.scenario.ends());
}

/// Columns in which rows differ, and how.
fn differences<'a>(rows: &'a [Row], others: &'a [Row]) -> Vec<(&'a str, Option<&'a str>, Option<&'a str>)> {
    assert_eq!(rows.len(), others.len());
    let of_row = |(row, other): (&'a Row, &'a Row)| {
        let names: BTreeSet<&'a String> = row.keys().chain(other.keys()).collect();
        let values = move |name: &'a String| {
            (name.as_str(), row.get(name).map(String::as_str), other.get(name).map(String::as_str))
        };
        names.into_iter().map(values).filter(|(_, value, other)| value != other)
    };
    rows.iter().zip(others).flat_map(of_row).collect()
}
