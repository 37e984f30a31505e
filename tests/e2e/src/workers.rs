//! The packaged plugin in the oldest worker that it supports and in the newest that is to be had, against the broker of all tests. What a
//! worker has: docs/workers.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use sluice_testkit::{Connect, WorkerOptions, free_ports, jmx_arguments, read_mbeans, wait_for};

use crate::cluster::{PREVIOUS_VERSION, cluster, plugin_path};
use crate::flow::{Flow, dead_letters, header, row, with_dead_letters, with_schema};
use crate::scenario::{CLASS, PATIENCE, Scenario};

#[test]
fn all_of_it_runs_in_the_oldest_worker() {
    // Which has no metrics of plugins (KIP-877), and the plugin's own have the same names.
    let kafka = cluster().components.oldest_worker().unwrap();
    runs_in("oldest", kafka, "3.6.", "io.sluice.connect.MBeans$Bean");
}

#[test]
fn all_of_it_runs_in_the_newest_worker() {
    let kafka = cluster().components.newest_worker().unwrap();
    runs_in("newest", kafka, "4.4.", "org.apache.kafka.common.metrics.JmxReporter$KafkaMbean");
}

/// `bean`: the class of what shows a task's metrics by JMX.
fn runs_in(name: &str, kafka: PathBuf, version: &str, bean: &str) {
    let [port] = free_ports().unwrap();
    let plugins = plugin_path(&[&cluster().components.plugins, &cluster().previous]);
    let options = WorkerOptions {
        kafka: Some(kafka),
        plugins: Some(plugins),
        // Walks over every class of the plugin; all other tests have the plugin say what it is.
        settings: vec![("plugin.discovery".into(), "only_scan".into())],
        jvm: jmx_arguments(port),
        ..WorkerOptions::default()
    };
    let mut worker = cluster().spawn_worker_with("worker", &format!("kafka-{name}"), options);
    worker.wait_until_ready().unwrap();
    let connect = worker.connect();
    let (_, answer) = connect.request("GET", "/", None).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(answer["version"].as_str().unwrap().starts_with(version), "{answer}");

    let scenario = Scenario::on(connect.clone(), &format!("worker-{name}"), 1);
    let dead = format!("{}-dead", scenario.name);
    let config = with_dead_letters(scenario.small_config(), &dead);
    let misspelt = config.clone().set("delta.comit.lock", "store");
    let told = connect.validate(CLASS, &misspelt.clone().set("name", &scenario.name).json()).unwrap();
    assert!(told.len() == 1 && told[0].1.contains("delta.commit.lock"), "{told:?}");
    scenario.refuses(&misspelt, &["delta.comit.lock"]);
    assert_eq!(connect.validate(CLASS, &config.clone().set("name", &scenario.name).json()).unwrap(), []);

    let good = (0..100).map(|id| format!(r#"{{"id":{id},"text":"{id}"}}"#));
    scenario.send_lines(&good.chain(["no JSON".into(), r#"{"id":"x"}"#.into()]).collect::<Vec<_>>());
    scenario.put(&config);
    scenario.runs(1);
    scenario.reaches_the_end();
    let letters = dead_letters(&dead, 2);
    let codes: Vec<_> =
        letters.iter().map(|letter| header(letter, "exception.message").split(':').next().unwrap()).collect();
    assert_eq!(codes, ["RECORD_NOT_JSON", "RECORD_TYPE"]);
    scenario.holds_ids(0..100);

    let mbeans = || read_mbeans(&cluster().components, &scenario.folder, port).unwrap();
    let task = format!("kafka.connect:type=plugins,connector={},task=0", scenario.name);
    let has = |mbeans: &str, line: &str| mbeans.lines().any(|shown| shown == line);
    // The offsets are told now and then, upon which the metrics are looked through.
    wait_for("the metrics", PATIENCE, || {
        Ok(has(&mbeans(), &format!("{task} sluice-rows-written-total = 100")).then_some(()))
    })
    .unwrap();
    let shown = mbeans();
    assert!(has(&shown, &format!("{task} sluice-records-total = 102")), "{shown}");
    assert!(has(&shown, &format!("{task},reason=RECORD_TYPE sluice-records-errant-total = 1")), "{shown}");
    assert!(has(&shown, &format!("{task} is a {bean}")), "{shown}");
    assert!(shown.contains("io.sluice:type=process,library=0 sluice-resident-bytes = "), "{shown}");
    assert!(!shown.contains("io.sluice:type=process,library=1"), "{shown}");

    scenario.stop();
    scenario.alter(Some(90));
    assert_eq!(scenario.held(0), Some(90));
    scenario.resume();
    scenario.reaches_the_end();
    scenario.restart();
    scenario.send_ids(100..150);
    scenario.reaches_the_end();
    scenario.holds_ids((0..150).chain(90..100));

    structs_keep_their_origin(&connect, name);
    scenario.ends();
    wait_for("the metrics to go with the task", PATIENCE, || Ok((!mbeans().contains(&task)).then_some(())))
        .unwrap();
    worker.stop().unwrap();

    let log = fs::read_to_string(worker.log()).unwrap();
    let of_api = ["NoSuchMethodError", "NoClassDefFoundError", "AbstractMethodError", "NoSuchFieldError"];
    let missed: Vec<_> = log.lines().filter(|line| of_api.iter().any(|error| line.contains(error))).collect();
    assert!(missed.is_empty(), "{missed:?}");
    // No connector names a version: the newer of both is taken.
    let loaded: BTreeSet<_> =
        log.lines().filter_map(|line| Some(line.rsplit_once("loaded for plugin version ")?.1)).collect();
    assert!(loaded.len() == 1 && !loaded.contains(PREVIOUS_VERSION), "{loaded:?}");
}

/// Values of a converter, after a transformation that renames the topic: the worker tells where a record stood (KIP-793).
fn structs_keep_their_origin(connect: &Connect, name: &str) {
    let flow = Flow::of(Scenario::without_topic(connect.clone(), &format!("worker-{name}-structs")));
    let fields = json!([
        {"field": "id", "type": "int64", "optional": false},
        {"field": "moment", "type": "int64", "optional": true, "version": 1,
            "name": "org.apache.kafka.connect.data.Timestamp"},
    ]);
    let record =
        |id: u64| flow.record(with_schema(&fields, json!({"id": id, "moment": 1_725_062_400_000_u64})));
    flow.send(&(0..10).map(record).collect::<Vec<_>>());
    let config = flow
        .connect_config(true)
        .set("transforms", "rename")
        .set("transforms.rename.type", "org.apache.kafka.connect.transforms.RegexRouter")
        .set("transforms.rename.regex", ".*")
        .set("transforms.rename.replacement", "renamed")
        .set("delta.metadata.columns", "topic,offset");
    flow.scenario.put(&config);
    let expected: Vec<_> = (0..10)
        .map(|id| {
            row(&[
                ("id", &id.to_string()),
                ("moment", "2024-08-31T00:00:00Z"),
                ("_kafka_topic", &flow.scenario.name),
                ("_kafka_offset", &id.to_string()),
            ])
        })
        .collect();
    assert_eq!(flow.rows(), expected);
    flow.scenario.ends();
}
