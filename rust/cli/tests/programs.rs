//! `sluice check` and `sluice inspect` as they are called.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn sluice(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(arguments).env("TERM", "xterm").output().unwrap()
}

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).unwrap()
}

fn file(folder: &Path, name: &str, content: &Value) -> String {
    let path = folder.join(name);
    fs::write(&path, content.to_string()).unwrap();
    path.display().to_string()
}

fn settings() -> Value {
    json!({
        "connector.class": "io.sluice.connect.DeltaSinkConnector",
        "topics": "orders",
        "tasks.max": 2,
        "delta.table.uri": "/data/orders",
    })
}

#[test]
fn every_file_of_connect_config_is_right() {
    let folder = fs::read_dir("../../connect-config").unwrap();
    let files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    let files = files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let files: Vec<&str> = files.map(|path| path.to_str().unwrap()).collect();
    assert!(files.len() > 10);
    let output = sluice(&[&["check"], &files[..]].concat());
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.ends_with(&format!("check: nothing is wrong in {} files\n", files.len())), "{told}");
    assert!(told.contains(
        "from a config provider of the worker: delta.s3.access.key.id, delta.s3.secret.access.key"
    ));
}

#[test]
fn settings_are_checked_in_both_forms() {
    let folder = tempfile::tempdir().unwrap();
    let alone = file(folder.path(), "orders.json", &settings());
    let named = file(folder.path(), "named.json", &json!({"name": "orders", "config": settings()}));
    for given in [&alone, &named] {
        let output = sluice(&["check", given]);
        let expected = format!("{given}  connector orders\n\ncheck: nothing is wrong\n");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), expected));
    }
}

#[test]
fn each_error_is_told_at_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = settings();
    wrong["delta.table.url"] = json!("/data/orders");
    wrong["delta.commit.interval.ms"] = json!(5);
    wrong["topics.regex"] = json!("o.*");
    let wrong = file(folder.path(), "wrong.json", &json!({"name": "orders", "config": wrong}));
    let output = sluice(&["check", &wrong]);
    let expected = "
errors
  topics.regex              cannot be given together with topics; give one of the two
  delta.commit.interval.ms  \"5\" is refused: it has to be at least 100
  delta.table.url           there is no such setting; the nearest one is delta.table.uri

check: 3 errors
";
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), format!("{wrong}  connector orders\n{expected}"));
    let json: Value = serde_json::from_slice(&sluice(&["check", "--json", &wrong]).stdout).unwrap();
    assert_eq!(json[0]["errors"][2]["code"], "CONFIG_UNKNOWN_KEY");
    assert_eq!((&json[0]["ok"], &json[0]["name"]), (&json!(false), &json!("orders")));
}

#[test]
fn what_is_tried_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table").display().to_string();
    let mut given = settings();
    given["delta.table.uri"] = json!(table);
    let given = file(folder.path(), "given.json", &given);
    let output = sluice(&["check", &given, "--connectivity"]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains(&format!("delta.table.uri  TABLE_MISSING: no Delta table at file://{table}/")),
        "{told}"
    );
    assert!(told.contains(&format!("tried\n  failed  store  file://{table}/\n")), "{told}");
    assert!(!Path::new(&table).exists());
    write_table(Path::new(&table));
    let told = text(&sluice(&["check", &given, "--connectivity"]).stdout);
    assert!(told.contains(&format!("tried\n  ok  store  file://{table}/  the table is there\n")), "{told}");
}

#[test]
fn a_file_that_cannot_be_read_is_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let list = file(folder.path(), "list.json", &json!([]));
    for given in ["/nowhere/connector.json", &list] {
        let output = sluice(&["check", given]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).starts_with(&format!("sluice: {given}: ")), "{output:?}");
    }
}

/// Two commits of a connector.
fn write_table(root: &Path) {
    let log = root.join("_delta_log");
    fs::create_dir_all(&log).unwrap();
    let schema = json!({"type": "struct", "fields": [
        {"name": "id", "type": "long", "nullable": false, "metadata": {}}]});
    let commit = |version: u64, actions: &[Value]| {
        let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
        fs::write(log.join(format!("{version:020}.json")), text).unwrap();
    };
    commit(
        0,
        &[
            json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
            json!({"metaData": {"id": "the-id", "format": {"provider": "parquet", "options": {}},
                "schemaString": schema.to_string(), "partitionColumns": [],
                "configuration": {"delta.appendOnly": "true"}, "createdTime": 0}}),
        ],
    );
    let unit = json!({"connector": "orders", "task": "0", "intervals": [
        {"topic": "orders", "partition": 0, "fromOffset": 0, "toOffset": 10, "rows": 8}]});
    commit(
        1,
        &[
            json!({"commitInfo": {"timestamp": 0, "operation": "STREAMING UPDATE", "engineInfo": "sluice/0.1.0",
                "sluice": {"commit": "c", "units": [unit]}}}),
            json!({"txn": {"appId": "sluice/orders/orders/0", "version": 10, "lastUpdated": 0}}),
            json!({"add": {"path": "a.parquet", "size": 1_500, "partitionValues": {}, "modificationTime": 0,
                "dataChange": true, "stats": "{\"numRecords\":8}"}}),
        ],
    );
}

#[test]
fn a_table_is_described() {
    let folder = tempfile::tempdir().unwrap();
    write_table(folder.path());
    let table = folder.path().display().to_string();
    let output = sluice(&["inspect", &table]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!told.contains('\u{1b}'), "not a terminal: {told}");
    for line in [
        "version     1 of 1970-01-01 00:00:00 UTC, ",
        "id          the-id, created 1970-01-01 00:00:00 UTC\n",
        "protocol    reader 1, writer 2",
        "properties  delta.appendOnly = true\n",
        "schema\n  id  long  not null\n",
        "  connector  topic   partition  next offset  written\n  orders     orders          0           10  ",
        "files\n  1 file, 1.5 kB, 8 rows\n",
        "  no checkpoint; 2 commits (",
        "STREAMING UPDATE     8     +1  1.5 kB  sluice/0.1.0, orders task 0\n",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let json = sluice(&["inspect", &table, "--json", "--commits", "1"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["version"], &json["files"]["rows"]), (&json!(1), &json!(8)));
    assert_eq!(json["offsets"][0]["offset"], 10);
    assert_eq!(json["commits"].as_array().unwrap().len(), 1);
    assert_eq!(json["log"]["commitsSince"], 2);
}

#[test]
fn a_table_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = sluice(&["inspect", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("TABLE_MISSING"), "{output:?}");
}
