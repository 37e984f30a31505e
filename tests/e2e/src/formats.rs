//! Raw formats other than JSON and Avro.

use serde_json::json;

use crate::avro::{framed, registry};
use crate::flow::{Flow, dead_letters, header, row, with_dead_letters};
use crate::scenario::ID_AND_TEXT;

#[test]
fn protobuf_messages_are_those_that_their_indexes_name() {
    let flow = Flow::new("protobuf-orders");
    let money = registry().register(
        "money.proto",
        &json!({"schemaType": "PROTOBUF",
        "schema": "syntax = \"proto3\"; package shop; message Money { int64 cents = 1; }"}),
    );
    money.unwrap();
    let orders = r#"syntax = "proto3"; package shop; import "money.proto";
        message Other { string x = 1; }
        message Order { int64 id = 1; string item = 2; Money price = 3; map<string, int32> parts = 4; }"#;
    let references = json!([{"name": "money.proto", "subject": "money.proto", "version": 1}]);
    let schema = json!({"schemaType": "PROTOBUF", "schema": orders, "references": references});
    let id = registry().register("protobuf-orders-value", &schema).unwrap();
    // One index: the second message of the file.
    let order = |message: &[u8]| flow.record_of(&framed(id, [&[2, 2][..], message].concat()));
    flow.send(&[
        order(b"\x08\x01\x12\x03tea\x1a\x03\x08\xac\x02\x22\x05\x0a\x01k\x10\x05"),
        order(b"\x08\x02\x7a\x01?"),
        order(b"\x08"),
        flow.record_of(&framed(id, [&[2, 8][..], b"\x08\x01"].concat())),
    ]);
    let config = flow
        .raw_config()
        .set("delta.raw.format", "protobuf")
        .set("delta.registry.url", registry().confluent_url());
    flow.scenario.put(&with_dead_letters(config, "protobuf-orders-dead"));
    let expected = [
        row(&[("id", "1"), ("item", "tea"), ("price", "{cents=300}"), ("parts", "{k=5}")]),
        row(&[("id", "2"), ("item", ""), ("parts", "{}")]),
    ];
    assert_eq!(flow.rows(), expected);
    let dead = dead_letters("protobuf-orders-dead", 2);
    assert!(header(&dead[0], "exception.message").starts_with("RECORD_PROTOBUF"), "{dead:?}");
    assert!(header(&dead[1], "exception.message").starts_with("WRITER_SCHEMA"), "{dead:?}");
    flow.scenario.ends();
}

#[test]
fn json_with_a_schema_means_what_the_schema_says() {
    let flow = Flow::new("json-schema-orders");
    let text = r#"{"type":"object","properties":{
        "id":{"type":"integer","connect.index":0},
        "day":{"type":"integer","title":"org.apache.kafka.connect.data.Date","connect.type":"int32","connect.index":1},
        "note":{"oneOf":[{"type":"null"},{"type":"string"}],"connect.index":2}},"required":["id"]}"#;
    let schema = json!({"schemaType": "JSON", "schema": text});
    let id = registry().register("json-schema-orders-value", &schema).unwrap();
    let record = |text: &str| flow.record_of(&framed(id, text.as_bytes().to_vec()));
    flow.send(&[
        record(r#"{"id":1,"day":19723,"note":"x"}"#),
        record(r#"{"id":2,"day":"today"}"#),
        record(r#"{"id":3}"#),
    ]);
    let config = flow
        .raw_config()
        .set("delta.raw.format", "json-schema")
        .set("delta.registry.url", registry().confluent_url());
    flow.scenario.put(&with_dead_letters(config, "json-schema-orders-dead"));
    assert_eq!(flow.rows(), [row(&[("id", "1"), ("day", "2024-01-01"), ("note", "x")]), row(&[("id", "3")])]);
    let dead = dead_letters("json-schema-orders-dead", 1);
    let message = header(&dead[0], "exception.message");
    assert!(message.starts_with("RECORD_TYPE") && message.contains("field day"), "{message}");
    flow.scenario.ends();
}

#[test]
fn rows_of_csv_texts_and_bytes_have_columns() {
    let csv = Flow::new("csv-rows");
    csv.send(&[csv.record(json!("1;tea")), csv.record(json!("2;\"a;b\"\n")), csv.record(json!("3"))]);
    let config =
        csv.scenario.small_config().set("delta.raw.format", "csv").set("delta.raw.csv.delimiter", ";");
    csv.scenario.put(&with_dead_letters(config, "csv-rows-dead"));
    let bytes = Flow::new("whole-bytes");
    bytes.send(&[bytes.record_of(b"\x00\xff")]);
    bytes
        .scenario
        .put(&bytes.raw_config().set("delta.raw.format", "bytes").set("delta.raw.value.column", "body"));
    let text = Flow::new("whole-texts");
    text.send(&[text.record(json!("grüße"))]);
    text.scenario.put(&text.raw_config().set("delta.raw.format", "string"));

    assert_eq!(csv.rows(), [row(&[("id", "1"), ("text", "tea")]), row(&[("id", "2"), ("text", "a;b")])]);
    let dead = dead_letters("csv-rows-dead", 1);
    assert!(header(&dead[0], "exception.message").starts_with("RECORD_CSV"), "{dead:?}");
    let rows = bytes.rows_of("whole-bytes", &bytes.scenario.table, "body");
    assert_eq!(rows.len(), 1);
    assert!(rows[0].contains_key("body"), "{rows:?}");
    assert_eq!(text.rows_of("whole-texts", &text.scenario.table, "value"), [row(&[("value", "grüße")])]);
    [csv, bytes, text].iter().for_each(|flow| flow.scenario.ends());
}

#[test]
fn values_that_are_compressed_are_decompressed() {
    let flow = Flow::new("compressed");
    // {"id":1,"text":"one"}
    let gzip = "1f8b08000000000002ffab56ca4c51b232d4512a49ad2851b252cacf4b55aa0500e3f4dbb415000000";
    flow.send(&[flow.record_of_hex(gzip), flow.record_of_hex(&gzip[..40]), flow.record(json!({"id": 2}))]);
    let config = flow
        .scenario
        .config()
        .set("delta.schema.json", ID_AND_TEXT)
        .set("delta.raw.value.compression", "auto");
    flow.scenario.put(&with_dead_letters(config, "compressed-dead"));
    assert_eq!(flow.rows(), [row(&[("id", "1"), ("text", "one")]), row(&[("id", "2")])]);
    let dead = dead_letters("compressed-dead", 1);
    assert!(header(&dead[0], "exception.message").starts_with("RECORD_COMPRESSION"), "{dead:?}");
    flow.scenario.ends();
}
