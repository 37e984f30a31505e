//! `sluice check`, `sluice inspect` and `sluice maintain` as they are called.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

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

/// A log of so many commits, a file in each; what a worker never maintained.
fn write_many(root: &Path, commits: u64) {
    write_table(root);
    fs::write(root.join("a.parquet"), "x").unwrap();
    for version in 2..commits {
        let path = format!("b{version}.parquet");
        fs::write(root.join(&path), "x").unwrap();
        let add = json!({"add": {"path": path, "size": 1, "partitionValues": {}, "modificationTime": 0, "dataChange": true}});
        fs::write(root.join(format!("_delta_log/{version:020}.json")), format!("{add}\n")).unwrap();
    }
}

#[test]
fn a_log_is_kept_in_order_without_being_asked_for_more() {
    let folder = tempfile::tempdir().unwrap();
    write_many(folder.path(), 25);
    let table = folder.path().display().to_string();
    let log = |name: &str| folder.path().join("_delta_log").join(name);
    let output = sluice(&["maintain", &table]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        told.starts_with(&format!("table        file://{table}/\ncheckpoint   of version 24: 2 files, ")),
        "{told}"
    );
    for line in
        ["\nchecksum     of version 24: ", "\ncompact-log  nothing to do: ", "\nclean-log    nothing to do: "]
    {
        assert!(told.contains(line), "{line}\n{told}");
    }
    assert!(told.contains("\n\nmaintain: done in "), "{told}");
    assert!(text(&output.stderr).contains("checkpoint: checkpoint"), "{output:?}");
    assert!(log("00000000000000000024.checkpoint.parquet").exists() && log("_last_checkpoint").exists());
    assert!(log("00000000000000000024.crc").exists());

    let again = sluice(&["maintain", &table, "--json"]);
    let json: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again.status.code(), Some(0));
    assert_eq!((&json["ok"], &json["jobs"][0]["job"]), (&json!(true), &json!("checkpoint")));
    assert!(json["jobs"][0]["notDue"].as_str().unwrap().contains("due at version 34"), "{json}");
    assert_eq!(json["jobs"][1]["written"], json!(false));
    assert_eq!(json["jobs"].as_array().unwrap().len(), 4);
    let inspected = sluice(&["inspect", &table, "--json"]);
    let inspected: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!((&inspected["files"]["count"], &inspected["log"]["checkpoint"]), (&json!(24), &json!(24)));
}

#[test]
fn a_vacuum_deletes_only_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    write_many(folder.path(), 3);
    let table = folder.path().display().to_string();
    let (old, young) = (folder.path().join("old %41.parquet"), folder.path().join("young.parquet"));
    fs::write(&young, "12345").unwrap();
    let file = fs::File::create(&old).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(8 * 24 * 3600)).unwrap();

    let output = sluice(&["maintain", &table, "--vacuum"]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for line in [
        "\nvacuum       1 file of 0 B would be deleted; --delete deletes them",
        "\n             by version 2, with a retention of 7 days\n",
        "             kept, as a commit may be on its way: 1 file of 5 B of no version, younger than 7 days",
        "\n               old %41.parquet\n",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    assert!(old.exists());

    let shorter = sluice(&["maintain", &table, "--vacuum", "--delete", "--retention", "1 hour"]);
    assert_eq!(shorter.status.code(), Some(1));
    let told = text(&shorter.stdout);
    assert!(told.contains("vacuum       FAILED CONFIG_INVALID: "), "{told}");
    assert!(told.contains("a retention of 1 hours is shorter than the table's"), "{told}");
    assert!(old.exists());

    let deleted = sluice(&["maintain", &table, "--vacuum", "--delete", "--json"]);
    let json: Value = serde_json::from_slice(&deleted.stdout).unwrap();
    let vacuum = &json["jobs"][0];
    assert_eq!((&vacuum["deleted"]["files"], &vacuum["names"][0]), (&json!(1), &json!("old %41.parquet")));
    assert!(!old.exists() && young.exists() && folder.path().join("a.parquet").exists());
}

#[test]
fn what_is_no_table_is_not_maintained() {
    let folder = tempfile::tempdir().unwrap();
    let orphan = folder.path().join("x.parquet");
    let file = fs::File::create(&orphan).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let table = folder.path().display().to_string();
    for jobs in [&[][..], &["--vacuum", "--delete"]] {
        let output = sluice(&[&["maintain", &table], jobs].concat());
        assert_eq!(output.status.code(), Some(2));
        let told = text(&output.stderr);
        assert!(told.contains(&format!("TABLE_MISSING: no Delta table at file://{table}/")), "{told}");
    }
    assert!(orphan.exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let wrong = sluice(&["maintain", &table, "--delete"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).starts_with("sluice: --delete needs --vacuum\n"), "{wrong:?}");
}

/// Of a job that fails the others are no part.
#[test]
fn a_job_that_fails_is_told_beside_the_others() {
    let folder = tempfile::tempdir().unwrap();
    write_many(folder.path(), 12);
    let feature =
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["tomorrow"]}});
    fs::write(folder.path().join("_delta_log/00000000000000000012.json"), format!("{feature}\n")).unwrap();
    let output = sluice(&["maintain", folder.path().to_str().unwrap(), "--checkpoint", "--vacuum"]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(told.matches("FAILED TABLE_UNSUPPORTED: ").count(), 2, "{told}");
    assert!(told.contains("tomorrow") && told.ends_with("\nmaintain: 2 jobs failed\n"), "{told}");
}

/// A service manager's signal, while it cannot go on: nobody reads what it says.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_it_at_a_safe_place() {
    let folder = tempfile::tempdir().unwrap();
    write_many(folder.path(), 3);
    let orphans = 1_500;
    for n in 0..orphans {
        let file = fs::File::create(folder.path().join(format!("orphan-{n}.parquet"))).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    }
    let table = folder.path().display().to_string();
    let (mut told, mut full) = std::io::pipe().unwrap();
    // As much as a pipe holds.
    full.write_all(&[b' '; 1 << 16]).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    let arguments = ["maintain", &table, "--vacuum", "--delete"];
    let child = command.args(arguments).stdout(Stdio::piped()).stderr(full).spawn().unwrap();
    // Its own end of the pipe.
    drop(command);
    let status = format!("/proc/{}/status", child.id());
    let takes_signals = || {
        let status = fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << 14) != 0
    };
    let begun = Instant::now();
    while !takes_signals() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::yield_now();
    }
    assert!(
        Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap().success()
    );
    let mut stderr = String::new();
    told.read_to_string(&mut stderr).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?} {stderr}");
    assert!(stderr.contains("ends at the next safe place"), "{stderr}");
    assert!(text(&output.stdout).ends_with(
        "\n\nmaintain: ended early; what was done is whole, and the rest is left for the next time\n"
    ));
    let again = sluice(&["maintain", &table, "--vacuum", "--delete"]);
    assert!(text(&again.stdout).contains("vacuum       1,500 files of 0 B deleted"), "{again:?}");
}
