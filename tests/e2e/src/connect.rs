//! Values that a converter and transformations made.

use serde_json::{Value, json};

use crate::flow::{Flow, column, dead_letters, header, row, schema, with_dead_letters, with_schema};

fn all_types() -> Value {
    let logical = |field: &str, kind: &str, name: &str| {
        json!({"field": field, "type": kind, "optional": true, "version": 1,
            "name": format!("org.apache.kafka.connect.data.{name}")})
    };
    let mut amount = logical("amount", "bytes", "Decimal");
    amount["parameters"] = json!({"scale": "2", "connect.decimal.precision": "30"});
    json!([
        {"field": "id", "type": "int32", "optional": false, "doc": "what the row is called"},
        {"field": "small", "type": "int8", "optional": true},
        {"field": "ratio", "type": "double", "optional": true},
        {"field": "yes", "type": "boolean", "optional": true},
        {"field": "text", "type": "string", "optional": true},
        {"field": "raw", "type": "bytes", "optional": true},
        {"field": "place", "type": "struct", "optional": true, "fields": [
            {"field": "city", "type": "string", "optional": true},
            {"field": "at", "type": "struct", "optional": true,
                "fields": [{"field": "x", "type": "int64", "optional": true}]}]},
        {"field": "tags", "type": "array", "optional": true, "items": {"type": "string", "optional": true}},
        {"field": "counts", "type": "map", "optional": true,
            "keys": {"type": "string"}, "values": {"type": "int64", "optional": true}},
        amount,
        logical("day", "int32", "Date"),
        logical("time", "int32", "Time"),
        logical("moment", "int64", "Timestamp"),
    ])
}

#[test]
fn structs_of_every_type_become_rows_of_the_same_values() {
    let flow = Flow::new("structs");
    let fields = all_types();
    let full = json!({
        "id": 1, "small": -128, "ratio": 0.1, "yes": true, "text": "ü\u{1f40c}", "raw": "AP8=",
        "place": {"city": "Köln", "at": {"x": i64::MIN}}, "tags": ["a", null, ""],
        // -123456789012345678901.25 as unscaled big-endian bytes.
        "counts": {"one": 1, "none": null}, "amount": "/WK9SbGJjr27Mw==",
        "day": 19_966, "time": 1, "moment": -1,
    });
    let empty = json!({"id": 2, "place": {"city": null, "at": null}, "tags": [], "counts": {}});
    let values = [full, empty, json!({"id": 3})];
    flow.send(&values.map(|value| flow.record(with_schema(&fields, value))));
    flow.scenario.put(&flow.connect_config(true));
    let rows = flow.rows();
    let expected = [
        row(&[
            ("id", "1"),
            ("small", "-128"),
            ("ratio", "0.1"),
            ("yes", "true"),
            ("text", "ü\u{1f40c}"),
            ("raw", "AP8="),
            ("place", "{city=Köln, at={x=-9223372036854775808}}"),
            ("tags", "[a, null, ]"),
            ("counts", "{one=1, none=null}"),
            ("amount", "-123456789012345678901.25"),
            ("day", "2024-08-31"),
            ("time", "1"),
            ("moment", "1969-12-31T23:59:59.999Z"),
        ]),
        row(&[("id", "2"), ("place", "{city=null, at=null}"), ("tags", "[]"), ("counts", "{}")]),
        row(&[("id", "3")]),
    ];
    assert_eq!(rows, expected);
    let fields = schema(&flow.scenario.table)["fields"].clone();
    assert_eq!(fields[0]["nullable"], false);
    assert_eq!(fields[0]["metadata"]["comment"], "what the row is called");
    assert_eq!(fields[1]["nullable"], true);
    let kinds: Vec<_> = [1, 9, 10, 11, 12].iter().map(|at| &fields[*at]["type"]).collect();
    assert_eq!(kinds, ["byte", "decimal(30,2)", "date", "integer", "timestamp"]);
    flow.scenario.ends();
}

#[test]
fn maps_without_a_schema_become_rows_also_after_a_restart() {
    let flow = Flow::new("maps");
    flow.send(&[
        flow.record(json!({"id": 1, "n": 5, "deep": {"list": [{"a": 1}, {"b": "x"}], "flag": true}})),
        flow.record(json!({"id": 2, "n": 2.5, "deep": {"list": [], "flag": null}, "nothing": null})),
        flow.record(json!({"id": 3})),
    ]);
    flow.scenario.put(&flow.connect_config(false));
    let expected = vec![
        row(&[("id", "1"), ("n", "5.0"), ("deep", "{flag=true, list=[{a=1, b=null}, {a=null, b=x}]}")]),
        row(&[("id", "2"), ("n", "2.5"), ("deep", "{flag=null, list=[]}")]),
        row(&[("id", "3")]),
    ];
    assert_eq!(flow.rows(), expected);
    let before = schema(&flow.scenario.table);

    // What was inferred holds: a first record that says something else changes nothing.
    flow.scenario.restart();
    flow.send(&[flow.record(json!({"id": 4, "n": 7, "later": 1})), flow.record(json!({"id": 5}))]);
    let rows = flow.rows();
    assert_eq!(rows[..3], expected);
    assert_eq!(rows[3..], [row(&[("id", "4"), ("n", "7.0")]), row(&[("id", "5")])]);
    assert_eq!(schema(&flow.scenario.table), before);
    flow.scenario.ends();
}

#[test]
fn transformations_change_rows_and_not_offsets() {
    let flow = Flow::new("transformed");
    let records: Vec<_> = (0..20)
        .map(|id| {
            let mut record = flow.record(json!({"id": id, "ts": 1_725_062_400_000_u64 + id}));
            record["partition"] = json!(id % 2);
            record
        })
        .collect();
    flow.send(&records[..10]);
    let config = flow
        .connect_config(false)
        .set("transforms", "rename,source,time")
        .set("transforms.rename.type", "org.apache.kafka.connect.transforms.RegexRouter")
        .set("transforms.rename.regex", "trans(.*)")
        .set("transforms.rename.replacement", "renamed-$1")
        .set("transforms.source.type", "org.apache.kafka.connect.transforms.InsertField$Value")
        .set("transforms.source.topic.field", "source")
        .set("transforms.source.offset.field", "position")
        .set("transforms.time.type", "org.apache.kafka.connect.transforms.TimestampConverter$Value")
        .set("transforms.time.field", "ts")
        .set("transforms.time.target.type", "Timestamp")
        .set("delta.metadata.columns", "topic,partition,offset");
    flow.scenario.put(&config);
    assert_eq!(flow.rows().len(), 10);
    flow.scenario.restart();
    flow.send(&records[10..]);
    let rows = flow.rows();
    let expected: Vec<_> = (0..20)
        .map(|id| {
            let moment = match id {
                0 => "2024-08-31T00:00:00Z".to_owned(),
                _ => format!("2024-08-31T00:00:00.{id:03}Z"),
            };
            let (partition, offset) = ((id % 2).to_string(), (id / 2).to_string());
            row(&[
                ("id", &id.to_string()),
                ("ts", &moment),
                ("source", "renamed-formed"),
                ("position", &offset),
                ("_kafka_topic", "transformed"),
                ("_kafka_partition", &partition),
                ("_kafka_offset", &offset),
            ])
        })
        .collect();
    assert_eq!(rows, expected);
    flow.group_reaches_the_ends();
    flow.scenario.ends();
}

#[test]
fn bad_values_of_each_kind_go_to_the_dead_letter_queue() {
    let flow = Flow::new("bad-values");
    let good = |id: u64| flow.record(json!({"id": id, "deep": {"small": 1}}));
    let bad = [
        (json!("a text"), "RECORD_NOT_STRUCT", ""),
        (json!([1, 2]), "RECORD_NOT_STRUCT", ""),
        (json!(null), "RECORD_NULL_VALUE", ""),
        (json!({"id": 4, "deep": {"small": 128}}), "RECORD_RANGE", "deep.small"),
        (json!({"id": "five"}), "RECORD_TYPE", "id"),
        (json!({"deep": {"small": 1}}), "RECORD_NULL", "id"),
    ];
    let mut records = vec![good(0)];
    for (value, ..) in &bad {
        // A text is to be JSON as well.
        let value = value.as_str().map_or_else(|| value.clone(), |text| json!(format!("{text:?}")));
        records.push(flow.record(value));
    }
    records.push(good(7));
    flow.send(&records);
    let schema = r#"{"type":"struct","fields":[{"name":"id","type":"long","nullable":false,"metadata":{}},{"name":"deep","type":{"type":"struct","fields":[{"name":"small","type":"byte","nullable":true,"metadata":{}}]},"nullable":true,"metadata":{}}]}"#;
    let config =
        flow.connect_config(false).set("delta.schema.json", schema).set("behavior.on.null.values", "dlq");
    flow.scenario.put(&with_dead_letters(config, "bad-values-dead"));
    assert_eq!(column(&flow.rows(), "id"), ["0", "7"]);
    let dead = dead_letters("bad-values-dead", bad.len());
    for (at, ((_, code, field), record)) in bad.iter().zip(&dead).enumerate() {
        let message = header(record, "exception.message");
        let field = if field.is_empty() { String::new() } else { format!(", field {field}") };
        assert!(message.starts_with(code), "{code}: {message}");
        let place = format!("(topic bad-values, partition 0, offset {}{field})", at + 1);
        assert!(message.contains(&place), "{place}: {message}");
        assert_eq!(header(record, "offset"), (at + 1).to_string());
    }
    flow.scenario.ends();
}
