//! Every file of `connect-config/` runs, and makes of its topic what its line in the README says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sluice_testkit::wait_for;

use crate::avro::{framed, registry};
use crate::cluster::cluster;
use crate::flow::{Flow, actions, column, dead_letters, header, hex, row, schema, with_schema};
use crate::scenario::{CLASS, Config, PATIENCE, Scenario};
use crate::stores::{every_version_is_completed, stores};

/// Checked by the worker and not run: no server for them is installed with the suite's.
const WITHOUT_A_SERVER: [&str; 2] = ["azure", "gcs"];

/// Gives the tables' folder; `send` may be called again.
type Check = fn(&Flow, &Path);

fn cases() -> BTreeMap<&'static str, (Vec<Value>, Check)> {
    BTreeMap::from([
        ("avro-registry", (bookings(), check_bookings as Check)),
        ("compaction", (readings(), check_readings)),
        ("connect-schema", (orders(), check_orders)),
        ("demo", (vec![to("demo", json!({"demo_id": 1, "id": 7, "price": 1.25}))], check_demo)),
        ("keys-and-tombstones", (customers(), check_customers)),
        ("local-json", (vec![to("events", json!({"id": 1, "message": "one"}))], check_events)),
        ("partitioned", (page_views(), check_page_views)),
        ("route-by-field", (app_log(), check_app_log)),
        ("s3", (ids("payments"), |flow, folder| check_ids(flow, folder, "payments"))),
        ("s3-compatible", (ids("sensors"), |flow, folder| check_ids(flow, folder, "sensors"))),
        ("s3-dynamodb", (ids("shipments"), check_locked)),
        ("schemaless", (clicks(), check_clicks)),
        ("topics-to-tables", (sales(), check_sales)),
        ("widening", (vec![to("meters", with_schema(&meter("int32"), json!({"id": 1})))], check_meters)),
    ])
}

#[test]
fn every_file_of_connect_config_runs() {
    let folder = Path::new("../../connect-config");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeMap<String, PathBuf> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .map(|file| (file.file_stem().unwrap().to_str().unwrap().to_owned(), file))
        .collect();
    let cases = cases();
    let known: BTreeSet<&str> = cases.keys().copied().chain(WITHOUT_A_SERVER).collect();
    assert_eq!(files.keys().map(String::as_str).collect::<BTreeSet<_>>(), known, "one case for each file");
    for name in WITHOUT_A_SERVER {
        let config = Config::of_file(&files[name]).set("name", name);
        let config = with_provided(config, &cluster().folder.join("provided"));
        assert_eq!(cluster().connect().validate(CLASS, &config.json()).unwrap(), [], "{name}");
    }

    let started: Vec<_> = cases
        .into_iter()
        .map(|(name, (records, check))| {
            let flow = Flow::new(&format!("file-{name}"));
            flow.send(&records);
            let (config, folder) = placed(Config::of_file(&files[name]), &flow.scenario);
            flow.scenario.put(&config);
            (flow, check, folder)
        })
        .collect();
    for (flow, check, folder) in started {
        check(&flow, &folder);
        flow.scenario.ends();
    }
}

/// With its tables in a place of the test's, and the folder that they are in; the topics stay as the file has them.
fn placed(config: Config, scenario: &Scenario) -> (Config, PathBuf) {
    let uri = config.get("delta.table.uri").unwrap().to_owned();
    let s3 = &stores().s3;
    let (from, to, folder) = match uri.split('/').nth(1) {
        Some("") => {
            let bucket = format!("{}/{}", s3.options().bucket, scenario.name);
            ("my-lake", bucket, s3.bucket_folder().join(&scenario.name))
        }
        Some("tmp") => ("/tmp/sluice-demo", scenario.folder.display().to_string(), scenario.folder.clone()),
        _ => ("/var/lib/sluice", scenario.folder.display().to_string(), scenario.folder.clone()),
    };
    let replaced = uri.replace(from, &to);
    assert_ne!(uri, replaced);
    let mut config = config.set("delta.table.uri", replaced).set("delta.commit.interval.ms", 300);
    if config.get("errors.deadletterqueue.topic.name").is_some() {
        config = config.set("errors.deadletterqueue.topic.replication.factor", 1);
    }
    if config.get("delta.registry.url").is_some() {
        config = config.set("delta.registry.url", registry().confluent_url());
    }
    if uri.starts_with("s3") {
        let provided = config.get("delta.s3.access.key.id").is_some();
        config = match provided {
            true => with_provided(config, &scenario.folder).set("delta.s3.endpoint", s3.endpoint()),
            false => config.with_s3(&s3.endpoint()),
        };
    }
    if config.get("delta.compaction.enabled").is_some() {
        for (name, value) in [("cold.ms", 1_000), ("interval.ms", 1_000), ("min.files", 2)] {
            config = config.set(&format!("delta.compaction.{name}"), value);
        }
    }
    if config.get("delta.commit.lock") == Some("dynamodb") {
        config = config.with_dynamodb_lock(&stores().dynamodb.endpoint());
    }
    (config, folder)
}

/// With what the file has from Connect's config provider in a file of the test's.
fn with_provided(config: Config, folder: &Path) -> Config {
    let options = stores().s3.options();
    let file = folder.join("provided.properties");
    let text = format!(
        "access.key.id={}\nsecret.access.key={}\ntenant.id=tenant\nclient.id=client\nclient.secret=secret\n",
        options.access_key, options.secret_key
    );
    fs::create_dir_all(folder).unwrap();
    fs::write(&file, text).unwrap();
    let in_file = |value: &str| {
        let (_, key) = value.strip_prefix("${file:/etc/sluice/")?.split_once(':')?;
        Some(format!("${{file:{}:{key}", file.display()))
    };
    config.map(|value| in_file(value).unwrap_or_else(|| value.to_owned()))
}

fn to(topic: &str, value: Value) -> Value {
    json!({"topic": topic, "timestamp": 1_725_062_400_000_u64, "value": value})
}

fn ids(topic: &str) -> Vec<Value> {
    vec![to(topic, json!({"id": 1})), to(topic, json!({"id": 2}))]
}

fn check_ids(flow: &Flow, folder: &Path, topic: &str) {
    assert_eq!(column(&flow.rows_of(topic, &folder.join(topic), "id"), "id"), ["1", "2"]);
}

fn check_locked(flow: &Flow, folder: &Path) {
    check_ids(flow, folder, "shipments");
    let name = format!("s3a://lake/{}/shipments", flow.scenario.name);
    every_version_is_completed(&name, &folder.join("shipments"));
}

fn orders() -> Vec<Value> {
    let v1 = json!([{"field": "id", "type": "int64"}]);
    let v2 = json!([{"field": "id", "type": "int64"}, {"field": "note", "type": "string", "optional": true}]);
    vec![
        to("shop.orders", with_schema(&v1, json!({"id": 1}))),
        to("shop.orders", with_schema(&v2, json!({"id": 2, "note": "gift"}))),
    ]
}

fn check_orders(flow: &Flow, folder: &Path) {
    let place = |offset| {
        vec![
            ("_kafka_topic", "shop.orders"),
            ("_kafka_partition", "0"),
            ("_kafka_offset", offset),
            ("_kafka_timestamp", "2024-08-31T00:00:00Z"),
        ]
    };
    let expected = [
        row(&[vec![("id", "1")], place("0")].concat()),
        row(&[vec![("id", "2"), ("note", "gift")], place("1")].concat()),
    ];
    assert_eq!(flow.rows_of("shop.orders", &folder.join("shop.orders"), "id"), expected);
}

fn check_demo(flow: &Flow, folder: &Path) {
    let rows = flow.rows_of("demo", &folder.join("table"), "id");
    assert_eq!(rows, [row(&[("demo_id", "1"), ("id", "7"), ("price", "1.25")])]);
}

fn customers() -> Vec<Value> {
    vec![
        json!({"topic": "customers", "key": {"id": 1, "shop": "north"}, "value": {"name": "Ada"}}),
        json!({"topic": "customers", "key": {"id": 1, "shop": "north"}}),
        json!({"topic": "customers", "key": {"id": 2, "shop": "south"}, "value": {"name": "Grace"}}),
    ]
}

fn check_customers(flow: &Flow, folder: &Path) {
    let rows = flow.rows_of("customers", &folder.join("customers"), "key_id");
    let customer = |id, shop, name| row(&[("key_id", id), ("key_shop", shop), ("name", name)]);
    assert_eq!(rows, [customer("1", "north", "Ada"), customer("2", "south", "Grace")]);
    let dead = dead_letters("customers-dead", 1);
    assert_eq!((header(&dead[0], "offset"), &dead[0].value), ("1", &None));
    assert!(header(&dead[0], "exception.message").starts_with("RECORD_NULL_VALUE"), "{dead:?}");
}

fn check_events(flow: &Flow, folder: &Path) {
    let rows = flow.rows_of("events", &folder.join("events"), "id");
    assert_eq!(rows, [row(&[("id", "1"), ("message", "one")])]);
}

fn page_views() -> Vec<Value> {
    let view = |id: u64, ts: u64, country: Value| {
        to("page-views", json!({"id": id, "ts": ts, "place": {"country": country}}))
    };
    vec![
        view(1, 1_725_062_399_999, json!("de")),
        view(2, 1_725_062_400_000, json!("fr")),
        view(3, 1_725_062_400_001, json!(null)),
    ]
}

fn check_page_views(flow: &Flow, folder: &Path) {
    let table = folder.join("page-views");
    let rows = flow.rows_of("page-views", &table, "id");
    assert_eq!(column(&rows, "viewed_at_day"), ["2024-08-30", "2024-08-31", "2024-08-31"]);
    assert_eq!(column(&rows, "viewed_at")[0], "2024-08-30T23:59:59.999Z");
    assert_eq!(column(&rows, "country"), ["de", "fr"]);
    assert_eq!(column(&rows, "source"), ["web"; 3]);
    let actions = actions(&table);
    let created = actions.iter().find_map(|action| action.get("metaData")).unwrap();
    assert_eq!(created["partitionColumns"], json!(["viewed_at_day"]));
}

fn reading(id: u64, day: u64) -> Value {
    to(
        "readings",
        json!({"id": id, "sensor": format!("s{}", id % 2), "ts": 1_725_062_400_000 + day * 86_400_000}),
    )
}

fn readings() -> Vec<Value> {
    vec![reading(0, 0)]
}

/// Commits to another day go on, as they do in a stream.
fn check_readings(flow: &Flow, folder: &Path) {
    let table = folder.join("readings");
    flow.rows_of("readings", &table, "id");
    flow.send(&[reading(1, 0)]);
    flow.rows_of("readings", &table, "id");
    let mut sent = 2;
    let merged = || actions(&table).iter().any(|action| action["commitInfo"]["operation"] == "OPTIMIZE");
    wait_for("small files to be merged", PATIENCE, || {
        flow.send(&[reading(sent, 1)]);
        sent += 1;
        Ok(merged().then_some(()))
    })
    .unwrap();
    let ids: Vec<_> = (0..sent).map(|id| id.to_string()).collect();
    assert_eq!(column(&flow.rows_of("readings", &table, "id"), "id"), ids);
}

fn app_log() -> Vec<Value> {
    ["login", "error.disk", "debug", "logout"]
        .into_iter()
        .enumerate()
        .map(|(id, kind)| to("app-log", json!({"id": id, "meta": {"type": kind}})))
        .collect()
}

fn check_app_log(flow: &Flow, folder: &Path) {
    flow.group_reaches_the_ends();
    assert_eq!(column(&flow.read(&folder.join("sessions"), "id"), "id"), ["0", "3"]);
    assert_eq!(column(&flow.read(&folder.join("errors"), "id"), "id"), ["1"]);
    let dead = dead_letters("app-log-dead", 1);
    assert_eq!(header(&dead[0], "offset"), "2");
    assert!(header(&dead[0], "exception.message").starts_with("RECORD_UNROUTED"), "{dead:?}");
}

fn bookings() -> Vec<Value> {
    let old = r#"{"type":"record","name":"Booking","fields":[{"name":"id","type":"long"}]}"#;
    let new = r#"{"type":"record","name":"Booking","fields":[{"name":"id","type":"long"},{"name":"room","type":["null","string"]}]}"#;
    let [old, new] =
        [old, new].map(|text| registry().register("bookings-value", &json!({"schema": text})).unwrap());
    let booking = |value: Vec<u8>| json!({"topic": "bookings", "valueHex": hex(&value)});
    vec![booking(framed(old, vec![2])), booking(framed(new, vec![4, 2, 4, b'1', b'2'])), booking(vec![1])]
}

fn check_bookings(flow: &Flow, folder: &Path) {
    let expected = [row(&[("id", "1")]), row(&[("id", "2"), ("room", "12")])];
    assert_eq!(flow.rows_of("bookings", &folder.join("bookings"), "id"), expected);
    let dead = dead_letters("bookings-dead", 1);
    assert!(header(&dead[0], "exception.message").starts_with("RECORD_FRAMING"), "{dead:?}");
}

fn clicks() -> Vec<Value> {
    vec![
        to("clicks", json!({"id": 1, "at": {"x": 1, "y": 2.5}, "keys": ["ctrl"]})),
        to("clicks", json!({"id": 2, "at": {"x": 3}, "button": "left"})),
    ]
}

fn check_clicks(flow: &Flow, folder: &Path) {
    let expected = [
        row(&[("id", "1"), ("at", "{x=1, y=2.5}"), ("keys", "[ctrl]")]),
        row(&[("id", "2"), ("at", "{x=3, y=null}"), ("button", "left")]),
    ];
    assert_eq!(flow.rows_of("clicks", &folder.join("clicks"), "id"), expected);
}

fn sales() -> Vec<Value> {
    vec![
        to("orders", json!({"id": 1, "country": "us"})),
        to("eu_orders", json!({"id": 2, "country": "de"})),
        to("eu_returns", json!({"id": 3, "country": "fr"})),
    ]
}

fn check_sales(flow: &Flow, folder: &Path) {
    let (sales, europe) = (folder.join("sales"), folder.join("europe"));
    flow.rows_of("orders", &sales, "id");
    for topic in ["eu_orders", "eu_returns"] {
        flow.rows_of(topic, &sales, "id");
        flow.rows_of(topic, &europe, "id");
    }
    let sales = flow.read(&sales, "id");
    assert_eq!(column(&sales, "id"), ["1", "2", "3"]);
    assert_eq!(column(&sales, "_kafka_topic"), ["orders", "eu_orders", "eu_returns"]);
    let rows = flow.read(&europe, "id");
    assert_eq!(rows, [("2", "de"), ("3", "fr")].map(|(id, at)| row(&[("id", id), ("country", at)])));
    let actions = actions(&europe);
    let created = actions.iter().find_map(|action| action.get("metaData")).unwrap();
    assert_eq!(created["partitionColumns"], json!(["country"]));
}

fn meter(kind: &str) -> Value {
    json!([{"field": "id", "type": kind}])
}

fn check_meters(flow: &Flow, folder: &Path) {
    let table = folder.join("meters");
    assert_eq!(column(&flow.rows_of("meters", &table, "id"), "id"), ["1"]);
    assert_eq!(schema(&table)["fields"][0]["type"], "integer");
    flow.send(&[to("meters", with_schema(&meter("int64"), json!({"id": 9_000_000_000_u64})))]);
    flow.scenario.reaches("meters", &table, &BTreeMap::from([(0, 2)]));
    assert_eq!(schema(&table)["fields"][0]["type"], "long");
    assert_eq!(column(&flow.read(&table, "id"), "id"), ["1", "9000000000"]);
}
