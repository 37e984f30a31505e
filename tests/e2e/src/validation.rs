//! What Connect's validation says of settings, and that `sluice check` says the same; and what `sluice inspect` says of a table.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::avro::registry;
use crate::cluster::cluster;
use crate::scenario::{CLASS, Config, Scenario};
use crate::stores::stores;

/// Messages by their settings.
type Errors = BTreeMap<String, String>;

/// Where nothing listens.
const NOWHERE: &str = "http://127.0.0.1:1";

fn by_connect(scenario: &Scenario, config: &Config) -> Errors {
    let named = config.clone().set("name", &scenario.name);
    scenario.connect().validate(CLASS, &named.json()).unwrap().into_iter().collect()
}

fn by_program(scenario: &Scenario, config: &Config, more: &[&str]) -> Errors {
    let output = scenario.check(config).arg("--json").args(more).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    let errors = found[0]["errors"].as_array().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!errors.is_empty())), "{output:?}");
    let text = |error: &Value, key: &str| error[key].as_str().unwrap().to_owned();
    errors.iter().map(|error| (text(error, "setting"), text(error, "message"))).collect()
}

/// Both say the same of the same settings.
fn agree(connect: &Errors, program: &Errors) {
    assert_eq!(
        connect.keys().collect::<Vec<_>>(),
        program.keys().collect::<Vec<_>>(),
        "{connect:?}\n{program:?}"
    );
    for (key, message) in program {
        let shown = &connect[key];
        assert!(shown.starts_with(&format!("{key}: ")) && shown.ends_with(message), "{shown}\n{message}");
    }
}

/// No connector comes of it.
fn is_refused(scenario: &Scenario, config: &Config, errors: &Errors) {
    let words: Vec<&str> = errors.keys().map(String::as_str).collect();
    scenario.refuses(config, &words);
    assert!(!scenario.connect().connectors().unwrap().contains(&scenario.name));
}

#[test]
fn no_fault_of_the_settings_is_left_for_the_task_to_find() {
    let scenario = Scenario::new("faults", 1);
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let cases: [&[(&str, &str)]; 5] = [
        &[
            ("delta.derived.columns", "d = date("),
            ("delta.commit.lock", "dynamodb"),
            ("delta.topic2table.map", "orders"),
            ("delta.s3.endpoint", "minio:9000"),
            ("delta.s3.sse", "aws:kms"),
        ],
        &[("delta.partition.by", "no_such_column")],
        &[("delta.schema.json", "{\"type\":\"array\"}")],
        &[("value.converter", json)],
        &[("delta.route.map", "a=b"), ("delta.comit.lock", "store")],
    ];
    for case in cases {
        let config = case.iter().fold(scenario.config(), |config, (key, value)| config.set(key, value));
        let config = config.set("delta.input.mode", "raw");
        let errors = by_connect(&scenario, &config);
        let mut keys: Vec<_> = case.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        assert_eq!(errors.keys().collect::<Vec<_>>(), keys, "{errors:?}");
        agree(&errors, &by_program(&scenario, &config, &[]));
        is_refused(&scenario, &config, &errors);
    }
    assert_eq!(by_connect(&scenario, &scenario.config()), Errors::new());
    assert_eq!(by_program(&scenario, &scenario.config(), &[]), Errors::new());
}

#[test]
fn connections_are_tried_when_asked_for_and_nothing_is_written() {
    let scenario = Scenario::new("connections", 1).on_s3();
    let (s3, dynamodb) = (&stores().s3, &stores().dynamodb);
    let good = scenario
        .config()
        .with_s3(&s3.endpoint())
        .with_dynamodb_lock(&dynamodb.endpoint())
        .set("delta.raw.format", "avro")
        .set("delta.registry.url", registry().confluent_url());
    let key = "delta.s3.secret.access.key";
    let cases = [
        (good.clone().set(key, "another-secret"), "delta.s3.access.key.id", "STORE_DENIED"),
        (
            good.clone().set("delta.table.uri", "s3://no-such-bucket/table"),
            "delta.table.uri",
            "STORE_MISSING",
        ),
        (good.clone().set("delta.table.auto.create", false), "delta.table.uri", "TABLE_MISSING"),
        (good.clone().set("delta.s3.endpoint", NOWHERE), "delta.s3.endpoint", "STORE_IO"),
        (good.clone().set("delta.dynamodb.endpoint", NOWHERE), "delta.dynamodb.endpoint", "STORE_IO"),
        (
            good.clone().set("delta.dynamodb.table", "misspelt").without("delta.dynamodb.table.auto.create"),
            "delta.dynamodb.table",
            "LOCK_TABLE: there is no DynamoDB table misspelt",
        ),
        (good.clone().set("delta.registry.url", NOWHERE), "delta.registry.url", "REGISTRY_PENDING"),
        (good.clone().set("delta.registry.url", s3.endpoint()), "delta.registry.url", "REGISTRY_REFUSED"),
        (
            good.clone().set("delta.store.ca.file", "/nowhere/ca.pem"),
            "delta.store.ca.file",
            "cannot read the file",
        ),
    ];
    for (config, setting, words) in cases {
        assert_eq!(by_connect(&scenario, &config), Errors::new(), "only where it is asked for");
        let config = config.set("delta.validate.connectivity", true);
        let errors = by_connect(&scenario, &config);
        assert!(errors.get(setting).is_some_and(|message| message.contains(words)), "{setting}: {errors:?}");
        let program = by_program(&scenario, &config, &["--connectivity"]);
        assert_eq!(
            errors.keys().collect::<Vec<_>>(),
            program.keys().collect::<Vec<_>>(),
            "{errors:?} {program:?}"
        );
        is_refused(&scenario, &config, &errors);
    }
    let good = good.set("delta.validate.connectivity", true);
    assert_eq!(by_connect(&scenario, &good), Errors::new());
    assert_eq!(by_program(&scenario, &good, &["--connectivity"]), Errors::new());
    assert!(!scenario.table.exists(), "nothing is written");
    assert!(
        fs::read_dir(s3.bucket_folder()).unwrap().all(|entry| entry.unwrap().file_name() != *scenario.name)
    );
}

#[test]
fn a_validation_does_not_wait_long_for_who_does_not_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let scenario = Scenario::new("silence", 1).on_s3();
    let config = scenario.config().with_s3(&endpoint).set("delta.validate.connectivity", true);
    let begun = Instant::now();
    let errors = by_connect(&scenario, &config);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(12), "{took:?}");
    assert_eq!(errors.keys().collect::<Vec<_>>(), ["delta.s3.endpoint"], "{errors:?}");
}

#[test]
fn a_table_is_described_as_its_connector_left_it() {
    let scenario = Scenario::new("inspected", 2).on_s3();
    let config = scenario.config().with_s3(&stores().s3.endpoint());
    scenario.send(500);
    scenario.put(&config);
    scenario.reaches_the_end();
    let file = scenario.folder.join("connector.json");
    fs::write(&file, config.json().to_string()).unwrap();
    let mut inspect = Command::new(&cluster().components.sluice);
    inspect.args(["inspect", &scenario.uri, "--json", "--config"]).arg(&file);
    let output = inspect.output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    assert_eq!((&found["files"]["rows"], &found["files"]["uncounted"]), (&json!(500), &json!(0)));
    let offsets = found["offsets"].as_array().unwrap().iter();
    let held: BTreeMap<u32, i64> = offsets
        .map(|held| (held["partition"].as_u64().unwrap() as u32, held["offset"].as_i64().unwrap()))
        .collect();
    assert_eq!(held, cluster().broker.end_offsets("inspected").unwrap());
    let newest = &found["commits"][0];
    assert_eq!(newest["writers"], json!([{"connector": "inspected", "tasks": ["0"]}]), "{newest}");
    assert_eq!(newest["operation"], "STREAMING UPDATE");
    scenario.completes();
}
