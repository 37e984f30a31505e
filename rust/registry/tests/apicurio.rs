//! Against a real Apicurio Registry, by its own API and by the one that it has for Confluent's clients.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use sluice_core::Code;
use sluice_core::settings::Settings;
use sluice_registry::{Fetched, Lookup, Registry, SchemaKey, SchemaType, Schemas};
use sluice_testkit::{Components, FaultProxy, SchemaRegistry};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const ADDRESS: &str =
    r#"{"type":"record","name":"Address","namespace":"shop","fields":[{"name":"zip","type":"string"}]}"#;
const PERSON: &str = r#"{"type":"record","name":"Person","namespace":"shop","fields":[{"name":"home","type":"shop.Address"}]}"#;
const ORDER: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"by","type":"shop.Person"},{"name":"to","type":"shop.Address"}]}"#;
const MONEY: &str = "syntax = \"proto3\";\npackage shop;\nmessage Money { int64 cents = 1; }\n";
const BILL: &str =
    "syntax = \"proto3\";\npackage shop;\nimport \"shop/money.proto\";\nmessage Bill { Money sum = 1; }\n";
const COLOUR: &str = r#"{"$schema":"http://json-schema.org/draft-07/schema#","$id":"http://shop/colour.json","type":"string","enum":["red","green"]}"#;
const CAR: &str = r#"{"$schema":"http://json-schema.org/draft-07/schema#","$id":"http://shop/car.json","type":"object","properties":{"paint":{"$ref":"http://shop/colour.json"}}}"#;

struct Kit {
    runtime: Runtime,
    server: SchemaRegistry,
    _folder: TempDir,
}

impl Kit {
    fn start() -> Kit {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = Path::new(folder.path()).join("registry");
        let server = SchemaRegistry::start(&Components::find().unwrap(), &path).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Kit { runtime, server, _folder: folder }
    }

    fn client(&self, url: &str, api: &str) -> Arc<Registry> {
        let given = [
            ("name", "x"),
            ("delta.table.uri", "/data/x"),
            ("delta.registry.url", url),
            ("delta.registry.api", api),
            ("delta.registry.request.timeout.ms", "5000"),
        ];
        let given: BTreeMap<_, _> =
            given.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let settings = Settings::parse(&given).unwrap().registry.unwrap();
        Registry::new(settings, self.runtime.handle().clone()).unwrap()
    }
}

fn outcome(registry: &Registry, key: SchemaKey) -> Lookup {
    let start = Instant::now();
    loop {
        match registry.get(&key) {
            Lookup::Pending if start.elapsed() > Duration::from_secs(60) => {
                panic!("{key} is still pending: {:?}", registry.pending_reason(&key))
            }
            Lookup::Pending => std::thread::sleep(Duration::from_millis(10)),
            other => return other,
        }
    }
}

fn known(registry: &Registry, key: SchemaKey) -> Arc<Fetched> {
    match outcome(registry, key) {
        Lookup::Known(fetched) => fetched,
        other => panic!("{key}: {other:?}"),
    }
}

fn names(fetched: &Fetched) -> Vec<&str> {
    fetched.references.iter().map(|reference| reference.name.as_str()).collect()
}

/// The same text, whatever spaces the registry has put in or left out.
fn same_json(one: &str, other: &str) -> bool {
    let parse = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
    parse(one) == parse(other)
}

fn reference(name: &str, subject: &str) -> serde_json::Value {
    json!({"name": name, "subject": subject, "version": 1})
}

#[test]
fn schemas_come_with_their_references_by_confluents_api() {
    let kit = Kit::start();
    let server = &kit.server;
    let client = kit.client(&server.confluent_url(), "confluent");

    server.register("address", &json!({"schema": ADDRESS})).unwrap();
    let to_address = reference("shop.Address", "address");
    server.register("person", &json!({"schema": PERSON, "references": [to_address]})).unwrap();
    let references = json!([reference("shop.Person", "person"), to_address]);
    let order = server.register("order", &json!({"schema": ORDER, "references": references})).unwrap();
    let fetched = known(&client, SchemaKey::Id(order));
    assert_eq!(fetched.schema_type, SchemaType::Avro);
    assert!(same_json(&fetched.text, ORDER), "{}", fetched.text);
    assert_eq!(names(&fetched), ["shop.Address", "shop.Person"]);
    assert!(
        same_json(&fetched.references[0].text, ADDRESS) && same_json(&fetched.references[1].text, PERSON)
    );

    server.register("money", &json!({"schema": MONEY, "schemaType": "PROTOBUF"})).unwrap();
    let references = json!([reference("shop/money.proto", "money")]);
    let bill = json!({"schema": BILL, "schemaType": "PROTOBUF", "references": references});
    let fetched = known(&client, SchemaKey::Id(server.register("bill", &bill).unwrap()));
    assert_eq!(fetched.schema_type, SchemaType::Protobuf);
    assert!(fetched.text.contains("message Bill"), "{}", fetched.text);
    assert_eq!(names(&fetched), ["shop/money.proto"]);
    assert!(fetched.references[0].text.contains("message Money"));

    server.register("colour", &json!({"schema": COLOUR, "schemaType": "JSON"})).unwrap();
    let references = json!([reference("http://shop/colour.json", "colour")]);
    let car = json!({"schema": CAR, "schemaType": "JSON", "references": references});
    let fetched = known(&client, SchemaKey::Id(server.register("car", &car).unwrap()));
    assert_eq!(fetched.schema_type, SchemaType::Json);
    assert!(same_json(&fetched.text, CAR) && same_json(&fetched.references[0].text, COLOUR));
    assert_eq!(names(&fetched), ["http://shop/colour.json"]);

    let Lookup::Unknown(message) = outcome(&client, SchemaKey::Id(4_000_000_000)) else { panic!("known") };
    assert!(message.contains("id 4000000000") && message.contains("HTTP 404"), "{message}");
    let wrong_path = kit.client(&format!("{}/apis/ccompat/v7/wrong", server.url()), "confluent");
    let Lookup::Refused(error) = outcome(&wrong_path, SchemaKey::Id(order)) else { panic!("not refused") };
    assert_eq!(error.code, Code::RegistryRefused);
    assert!(error.message.contains("HTTP 404"), "{}", error.message);
}

#[test]
fn schemas_come_with_their_references_by_both_versions_of_apicurios_api() {
    let kit = Kit::start();
    let server = &kit.server;
    let to = |name: &str, artifact: &str| json!({"name": name, "groupId": "shop", "artifactId": artifact, "version": "1"});
    let create = |artifact: &str, kind: &str, text: &str, references: serde_json::Value| {
        server.create("shop", artifact, kind, text, &references).unwrap()
    };
    create("address", "AVRO", ADDRESS, json!([]));
    let to_address = to("shop.Address", "address");
    create("person", "AVRO", PERSON, json!([to_address]));
    let order = create("order", "AVRO", ORDER, json!([to("shop.Person", "person"), to_address]));
    create("money", "PROTOBUF", MONEY, json!([]));
    let bill = create("bill", "PROTOBUF", BILL, json!([to("shop/money.proto", "money")]));
    create("colour", "JSON", COLOUR, json!([]));
    let car = create("car", "JSON", CAR, json!([to("http://shop/colour.json", "colour")]));

    for url in [server.url(), format!("{}/apis/registry/v2", server.url())] {
        let client = kit.client(&url, "apicurio");
        for (ids, schema_type, text, expected) in [
            (order, SchemaType::Avro, ORDER, &["shop.Address", "shop.Person"][..]),
            (bill, SchemaType::Protobuf, BILL, &["shop/money.proto"]),
            (car, SchemaType::Json, CAR, &["http://shop/colour.json"]),
        ] {
            let (global_id, content_id) = ids;
            let four_bytes = SchemaKey::Id(u32::try_from(content_id).unwrap());
            for key in [SchemaKey::GlobalId(global_id), SchemaKey::ContentId(content_id), four_bytes] {
                let fetched = known(&client, key);
                assert_eq!((fetched.schema_type, fetched.text.as_str()), (schema_type, text), "{url} {key}");
                assert_eq!(names(&fetched), expected, "{url} {key}");
            }
        }
        for key in [SchemaKey::GlobalId(1 << 40), SchemaKey::ContentId(1 << 40)] {
            let Lookup::Unknown(message) = outcome(&client, key) else { panic!("{url} {key}") };
            assert!(message.contains(&key.to_string()) && message.contains("HTTP 404"), "{message}");
        }
        let wrong_path = kit.client(&format!("{}/apis/registry/v9", server.url()), "apicurio");
        let Lookup::Refused(error) = outcome(&wrong_path, SchemaKey::GlobalId(1)) else {
            panic!("not refused")
        };
        assert!(error.message.contains("HTTP 404"), "{}", error.message);
    }
}

#[test]
fn a_registry_that_is_stopped_is_waited_for() {
    let mut kit = Kit::start();
    let id = kit.server.register("address", &json!({"schema": ADDRESS})).unwrap();
    let client = kit.client(&kit.server.confluent_url(), "confluent");
    let key = SchemaKey::Id(id);
    kit.server.process().stop(Duration::from_secs(20)).unwrap();
    let start = Instant::now();
    while client.pending_reason(&key).is_none() || start.elapsed() < Duration::from_secs(3) {
        assert!(matches!(client.get(&key), Lookup::Pending));
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(100));
    }
    let reason = client.pending_reason(&key).unwrap();
    assert!(reason.contains("refused"), "{reason}");
    kit.server.restart().unwrap();
    assert!(same_json(&known(&client, key).text, ADDRESS));
}

#[test]
fn the_next_url_is_asked_where_the_first_fails_and_again_when_the_second_does() {
    let kit = Kit::start();
    let ids: Vec<_> = [ADDRESS, "\"string\"", "\"long\""]
        .iter()
        .zip(["a", "b", "c"])
        .map(|(schema, subject)| kit.server.register(subject, &json!({"schema": schema})).unwrap())
        .collect();
    let proxies =
        [FaultProxy::start(&kit.server.url()).unwrap(), FaultProxy::start(&kit.server.url()).unwrap()];
    let urls = proxies.each_ref().map(|proxy| format!("{}/apis/ccompat/v7", proxy.endpoint()));
    let client = kit.client(&urls.join(","), "confluent");
    let counts = || proxies.each_ref().map(|proxy| proxy.requests().len());
    proxies[0].set_reachable(false);
    known(&client, SchemaKey::Id(ids[0]));
    let [_, second] = counts();
    assert_eq!(second, 1);
    // The first one is back, and is not asked while the second answers.
    proxies[0].set_reachable(true);
    known(&client, SchemaKey::Id(ids[1]));
    assert_eq!(counts(), [0, 2]);
    proxies[1].set_reachable(false);
    known(&client, SchemaKey::Id(ids[2]));
    assert_eq!(counts(), [1, 2]);
}
