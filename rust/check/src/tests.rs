//! Against the file system, ports where nobody listens, and ports where nobody answers.

use std::net::TcpListener;
use std::sync::LazyLock;
use std::time::Instant;

use sluice_core::settings::Settings;
use tokio::runtime::{Handle, Runtime};

use super::*;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap());

pub fn runtime() -> &'static Handle {
    RUNTIME.handle()
}

pub fn given(more: &[(&str, &str)]) -> Given {
    let mut given = Given::from([
        ("name".to_owned(), "orders".to_owned()),
        ("delta.table.uri".to_owned(), "/data/x".to_owned()),
    ]);
    given.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    given
}

fn reached(more: &[(&str, &str)]) -> Reach {
    let given = given(more);
    let settings = Settings::parse(&given).unwrap();
    RUNTIME.block_on(reach(&settings, &given, runtime()))
}

fn errors(more: &[(&str, &str)]) -> Vec<String> {
    reached(more).errors.iter().map(text).collect()
}

const SCHEMA: &str =
    r#"{"type":"struct","fields":[{"name":"id","type":"long","nullable":true,"metadata":{}}]}"#;

#[test]
fn a_table_that_is_there_or_will_be_created_is_no_error_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    std::fs::create_dir_all(folder.path().join("a/_delta_log")).unwrap();
    std::fs::write(folder.path().join("a/_delta_log/00000000000000000000.json"), "{}").unwrap();
    let uri = format!("{root}/${{topic}}");
    let settings = [("delta.table.uri", uri.as_str()), ("topics", "a,b")];
    let missing = format!(
        "delta.table.uri: TABLE_MISSING: no Delta table at file://{root}/b/: create it, or set delta.table.auto.create=true"
    );
    assert_eq!(errors(&settings), [missing]);
    let reach = reached(&[&settings[..], &[("delta.table.auto.create", "true")]].concat());
    assert_eq!(reach.errors, []);
    let told: Vec<_> = reach.tried.iter().map(|tried| (tried.thing, tried.ok, tried.told.unwrap())).collect();
    assert_eq!(
        told,
        [(Thing::Store, true, "the table is there"), (Thing::Store, true, "the table will be created")]
    );
    assert!(!folder.path().join("b").exists());
    let files: Vec<_> = std::fs::read_dir(folder.path().join("a")).unwrap().collect();
    assert_eq!(files.len(), 1);
}

#[test]
fn what_cannot_be_a_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let uri = folder.path().join("file/table").display().to_string();
    let found = errors(&[("delta.table.uri", &uri), ("delta.table.auto.create", "true")]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("delta.table.uri: STORE_IO: cannot list ") && found[0].contains("file/table"),
        "{found:?}"
    );
}

#[test]
fn files_are_read_and_must_hold_what_they_should() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (good, bad, pem) = (file("good", SCHEMA), file("bad", "{"), file("pem", "no certificate"));
    let root = folder.path().display().to_string();
    let place = [("delta.table.uri", root.as_str()), ("delta.table.auto.create", "true")];
    let with = |more: &[(&str, &str)]| errors(&[&place[..], more].concat());
    assert_eq!(with(&[("delta.schema.file", &good)]), [] as [&str; 0]);
    let all = with(&[
        ("delta.schema.file", "/nowhere/schema.json"),
        ("delta.tables.t.schema.file", &bad),
        ("delta.raw.format", "avro"),
        ("delta.raw.schema.file", &bad),
        ("delta.store.ca.file", &pem),
        ("delta.gcs.service.account.file", "/nowhere/key.json"),
    ]);
    let keys: Vec<_> = all.iter().map(|error| error.split(": ").next().unwrap()).collect();
    assert_eq!(
        keys,
        [
            "delta.gcs.service.account.file",
            "delta.raw.schema.file",
            "delta.schema.file",
            "delta.store.ca.file",
            "delta.tables.t.schema.file",
        ],
        "{all:?}"
    );
    assert!(all[2].contains("cannot read the file /nowhere/schema.json: No such file"), "{all:?}");
    // What is in the file takes part in the rules.
    let unfit = with(&[("delta.schema.file", &good), ("delta.partition.by", "country")]);
    assert_eq!(unfit, ["delta.partition.by: the table has no column country"]);
}

/// What Connect is told is what a task would be told.
#[test]
fn the_golden_cases_have_the_errors_they_say() {
    let text = std::fs::read_to_string("../../tests/golden/settings-cases.json").unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    for case in &cases {
        let config: Given = serde_json::from_value(case["config"].clone()).unwrap();
        let errors = rules(&config, runtime()).err().unwrap_or_default();
        let found: BTreeMap<_, _> =
            errors.iter().map(|error| (error.key.clone(), error.code.name().into())).collect();
        let expected: BTreeMap<String, serde_json::Value> =
            serde_json::from_value(case["errors"].clone()).unwrap();
        assert_eq!(found, expected, "{}: {errors:?}", case["case"]);
    }
}

/// Keys, so that no other credentials are looked for.
const KEYS: [(&str, &str); 3] = [
    ("delta.s3.access.key.id", "id"),
    ("delta.s3.secret.access.key", "hunter2"),
    ("delta.s3.region", "us-east-1"),
];

#[test]
fn a_refused_connection_is_an_error_of_the_endpoint_and_told_once() {
    let settings = [
        &KEYS[..],
        &[
            ("delta.table.uri", "s3://lake/${topic}"),
            ("topics", "a,b,c"),
            ("delta.s3.endpoint", "http://127.0.0.1:9"),
            ("delta.raw.format", "avro"),
            ("delta.registry.url", "http://127.0.0.1:9"),
        ],
    ];
    let reach = reached(&settings.concat());
    let found: Vec<_> = reach.errors.iter().map(|error| (error.key.as_str(), error.code.name())).collect();
    assert_eq!(found, [("delta.s3.endpoint", "STORE_IO"), ("delta.registry.url", "REGISTRY_PENDING")]);
    assert_eq!(reach.tried.len(), 4);
    assert!(reach.errors.iter().all(|error| !error.message.contains("hunter2")));
}

#[test]
fn who_does_not_answer_holds_nobody_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let settings = [
        &KEYS[..],
        &[
            ("delta.table.uri", "s3://lake/x"),
            ("delta.s3.endpoint", &endpoint),
            ("delta.commit.lock", "dynamodb"),
            ("delta.dynamodb.endpoint", &endpoint),
            ("delta.raw.format", "avro"),
            ("delta.registry.url", &endpoint),
        ],
    ];
    let begun = Instant::now();
    let reach = reached(&settings.concat());
    let took = begun.elapsed();
    assert!(took < LIMIT + LIMIT / 8, "{took:?}");
    let found: Vec<_> = reach.errors.iter().map(|error| (error.key.as_str(), error.code.name())).collect();
    assert_eq!(found, [("delta.s3.endpoint", "STORE_IO"), ("delta.registry.url", "REGISTRY_PENDING")]);
}
