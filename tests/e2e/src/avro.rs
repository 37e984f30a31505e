//! Avro records, with the schemas of a real registry.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_testkit::SchemaRegistry;

use crate::cluster::cluster;
use crate::flow::{Flow, Row, dead_letters, header, hex, row, schema, with_dead_letters};
use crate::scenario::Config;

/// For tests that leave it as it is.
static REGISTRY: LazyLock<SchemaRegistry> = LazyLock::new(|| {
    SchemaRegistry::start(&cluster().components, &cluster().folder.join("registry")).unwrap()
});

const OLD: &str = r#"{"type":"record","name":"shop.Order","fields":[{"name":"id","type":"long"},{"name":"item","type":"string"}]}"#;
/// Has one more field, in front.
const NEW: &str = r#"{"type":"record","name":"shop.Order","fields":[
    {"name":"price","type":["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}],"default":null},
    {"name":"id","type":"long"},{"name":"item","type":"string"}]}"#;

/// As Confluent's serializers frame it.
pub fn framed(id: u32, value: Vec<u8>) -> Vec<u8> {
    [vec![0], id.to_be_bytes().to_vec(), value].concat()
}

fn order(id: u8, item: &str) -> Vec<u8> {
    [vec![2 * id, 2 * item.len() as u8], item.as_bytes().to_vec()].concat()
}

/// In hundredths.
fn priced(price: u8, id: u8, item: &str) -> Vec<u8> {
    [vec![2, 2, price], order(id, item)].concat()
}

/// The shared registry.
pub fn registry() -> &'static SchemaRegistry {
    &REGISTRY
}

fn config(flow: &Flow, registry: &SchemaRegistry) -> Config {
    flow.raw_config()
        .set("delta.input.mode", "raw")
        .set("delta.raw.format", "avro")
        .set("delta.registry.url", registry.confluent_url())
        .set("delta.schema.evolution", "add")
}

fn names(table: &std::path::Path) -> Vec<Value> {
    schema(table)["fields"].as_array().unwrap().iter().map(|field| field["name"].clone()).collect()
}

#[test]
fn records_name_their_schemas_and_the_table_grows_with_them() {
    let flow = Flow::new("avro-orders");
    let mut registry =
        SchemaRegistry::start(&cluster().components, &flow.scenario.folder.join("registry")).unwrap();
    let old = registry.register("orders-value", &json!({"schema": OLD})).unwrap();
    let unknown = 4242;
    flow.send(&[
        flow.record_of(&framed(old, order(0, "tea"))),
        flow.record_of(b"no schema"),
        flow.record_of(&framed(unknown, order(2, "cup"))),
        flow.record_of(&framed(old, vec![2 * 3])),
        flow.record_of(&framed(old, order(4, "pot"))),
    ]);
    flow.scenario.put(&with_dead_letters(config(&flow, &registry), "avro-orders-dead"));
    let expected = |rows: &[(&str, &str)]| -> Vec<Row> {
        rows.iter().map(|(id, item)| row(&[("id", id), ("item", item)])).collect()
    };
    assert_eq!(flow.rows(), expected(&[("0", "tea"), ("4", "pot")]));
    let dead = dead_letters("avro-orders-dead", 3);
    for (record, (offset, words)) in dead.iter().zip([
        ("1", ["RECORD_FRAMING", "begins with the byte 110"]),
        ("2", ["RECORD_SCHEMA_UNKNOWN", "4242"]),
        ("3", ["RECORD_AVRO", "field item"]),
    ]) {
        let message = header(record, "exception.message");
        assert_eq!(header(record, "offset"), offset);
        assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
    }

    // While the registry stands still, a schema that is not known yet holds the task up, and nothing fails or is lost.
    let new = registry.register("orders-value", &json!({"schema": NEW})).unwrap();
    assert_ne!(old, new);
    registry.process().pause().unwrap();
    flow.send(&[
        flow.record_of(&framed(new, priced(125, 5, "jug"))),
        flow.record_of(&framed(old, order(6, "tea"))),
        flow.record_of(&framed(new, [vec![0], order(7, "pan")].concat())),
    ]);
    std::thread::sleep(Duration::from_secs(5));
    flow.scenario.has_not_failed().unwrap();
    assert_eq!(names(&flow.scenario.table), ["id", "item"]);
    registry.process().resume().unwrap();
    let rows = flow.rows();
    assert_eq!(names(&flow.scenario.table), ["id", "item", "price"]);
    let newer = [
        row(&[("id", "5"), ("item", "jug"), ("price", "1.25")]),
        row(&[("id", "6"), ("item", "tea")]),
        row(&[("id", "7"), ("item", "pan")]),
    ];
    assert_eq!(rows[2..], newer);
    flow.scenario.ends();
}

#[test]
fn records_of_one_schema_need_no_registry() {
    let flow = Flow::new("avro-bare");
    flow.send(&[flow.record_of(&order(1, "tea")), flow.record_of(&order(2, "pot"))]);
    let bare = flow.raw_config().set("delta.raw.format", "avro");
    flow.scenario.refuses(&bare, &["delta.raw.schema", "nothing says how records were written"]);
    flow.scenario.put(&bare.set("delta.raw.schema", OLD));
    flow.scenario.runs(1);
    let expected = [row(&[("id", "1"), ("item", "tea")]), row(&[("id", "2"), ("item", "pot")])];
    assert_eq!(flow.rows(), expected);
    flow.scenario.ends();
}

/// Records made by `tests/vectors/avro/containers.py`.
#[test]
fn containers_and_single_objects_name_their_schemas_themselves() {
    let made: Value = serde_json::from_str(include_str!("../../vectors/avro/containers.json")).unwrap();
    let containers = Flow::new("avro-containers");
    let container = |made: &Value| containers.record_of_hex(made.as_str().unwrap());
    containers.send(&[&made["containers"]["deflate"], &made["bzip2"], &made["two"]].map(container));
    let settings = |flow: &Flow, framing: &str| {
        let config = flow.raw_config().set("delta.raw.format", "avro").set("delta.raw.framing", framing);
        with_dead_letters(config, &format!("{}-dead", flow.scenario.name))
    };
    containers.scenario.put(&settings(&containers, "avro-container"));

    let objects = Flow::new("avro-objects");
    let named = &made["fingerprints"][3];
    let object =
        |fingerprint: &str| objects.record_of_hex(&format!("c301{fingerprint}{}", hex(&order(1, "tea"))));
    objects.send(&[object(named["hex"].as_str().unwrap()), object("0102030405060708")]);
    let config = settings(&objects, "avro-single-object");
    objects.scenario.put(&config.set("delta.raw.schema", named["schema"].as_str().unwrap()));

    assert_eq!(containers.rows(), [row(&[("id", "7"), ("text", &"tea ".repeat(20))])]);
    assert_eq!(objects.rows(), [row(&[("id", "1"), ("text", "tea")])]);
    let [bzip2, two] = &dead_letters("avro-containers-dead", 2)[..] else { unreachable!() };
    assert!(header(bzip2, "exception.message").contains("bzip2"), "{bzip2:?}");
    assert!(header(two, "exception.message").contains("holds 2 records"), "{two:?}");
    let unknown = &dead_letters("avro-objects-dead", 1)[0];
    assert!(header(unknown, "exception.message").contains("RECORD_SCHEMA_UNKNOWN"), "{unknown:?}");
    [containers, objects].iter().for_each(|flow| flow.scenario.ends());
}

#[test]
fn a_header_names_the_schema_of_a_record() {
    let flow = Flow::new("avro-headers");
    let id = registry().register("avro-headers-value", &json!({"schema": OLD})).unwrap();
    let in_header: String = framed(id, vec![]).into_iter().map(char::from).collect();
    let mut headed = flow.record_of(&order(1, "tea"));
    headed["headers"] = json!([["__value_schema_id", in_header]]);
    flow.send(&[headed, flow.record_of(&framed(id, order(2, "pot")))]);
    flow.scenario.put(
        &config(&flow, registry())
            .set("delta.raw.framing", "confluent-header")
            .set("header.converter", "org.apache.kafka.connect.converters.ByteArrayConverter"),
    );
    let expected = [row(&[("id", "1"), ("item", "tea")]), row(&[("id", "2"), ("item", "pot")])];
    assert_eq!(flow.rows(), expected);
    flow.scenario.ends();
}
