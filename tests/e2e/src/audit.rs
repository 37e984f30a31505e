//! `sluice audit` against the topic and the rows: of tables that a real worker filled, whole and damaged afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use sluice_testkit::wait_for;

use crate::cluster::cluster;
use crate::flow::{Flow, actions};
use crate::scenario::{Config, PATIENCE};

/// Sends lines as `tests/tools/SendRecords.java` takes them.
fn send(flow: &Flow, lines: &[Value]) {
    let file = flow.scenario.folder.join("lines");
    fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    cluster().broker.send(&file).unwrap();
}

/// A table and the settings of its connector, for the audit.
struct Audited<'a> {
    flow: &'a Flow,
    config: &'a Config,
}

impl Audited<'_> {
    fn run(&self, table: &Path, options: &[&str]) -> Output {
        let file = self.flow.scenario.folder.join("connector.json");
        fs::write(&file, self.config.json().to_string()).unwrap();
        let mut audit = Command::new(&cluster().components.sluice);
        audit.arg("audit").arg(table).arg("--config").arg(&file);
        audit.args(["--bootstrap", &cluster().broker.bootstrap(), "--json"]).args(options).output().unwrap()
    }

    fn report(&self, table: &Path, options: &[&str]) -> Value {
        let output = self.run(table, options);
        let error = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {error}"));
        assert_eq!(output.status.code(), Some(i32::from(report["clean"] != true)), "{report}");
        report
    }

    fn kinds(&self, table: &Path, options: &[&str]) -> Vec<String> {
        let report = self.report(table, options);
        let kinds = report["findings"].as_array().unwrap().iter();
        kinds.map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// A copy of the table, to be damaged.
    fn copy(&self, name: &str) -> PathBuf {
        let copy = self.flow.scenario.folder.join(name);
        let status = Command::new("cp").arg("-r").arg(&self.flow.scenario.table).arg(&copy).status();
        assert!(status.unwrap().success());
        copy
    }
}

fn commit_file(table: &Path, version: usize) -> PathBuf {
    table.join(format!("_delta_log/{version:020}.json"))
}

fn versions(table: &Path) -> usize {
    (0..).take_while(|version| commit_file(table, *version).exists()).count()
}

fn write(table: &Path, version: usize, actions: &[Value]) {
    let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
    fs::write(commit_file(table, version), text).unwrap();
}

/// Commits the first data file a second time under another name, with or without saying from which offsets.
fn commit_again(table: &Path, intervals: Option<(i64, i64)>) {
    let add = actions(table).into_iter().find(|action| action["add"].is_object()).unwrap()["add"].clone();
    let mut again = add.clone();
    again["path"] = "again.parquet".into();
    fs::copy(table.join(add["path"].as_str().unwrap()), table.join("again.parquet")).unwrap();
    let mut lines = vec![json!({"add": again})];
    if let Some((from, to)) = intervals {
        let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
        let interval = json!({"topic": "audited", "partition": 0, "fromOffset": from, "toOffset": to,
            "rows": stats["numRecords"]});
        let unit = json!({"connector": "audited", "task": "0", "intervals": [interval]});
        lines.push(json!({"commitInfo": {"sluice": {"commit": "again", "units": [unit]}}}));
        lines.push(json!({"txn": {"appId": "sluice/audited/audited/0", "version": to}}));
    }
    write(table, versions(table), &lines);
}

/// I1, I4: transactions, a tombstone, and a table that is damaged afterwards in every way that only the topic or the rows show.
#[test]
fn a_table_is_compared_with_its_topic_and_its_rows() {
    let flow = Flow::new("audited");
    let record =
        |partition: u32, id: u64| json!({"topic": "audited", "partition": partition, "value": {"id": id}});
    let transaction = |mark: &str| json!({"transaction": mark});
    let tombstone = json!({"topic": "audited", "partition": 0, "key": "k"});
    send(
        &flow,
        &[
            vec![transaction("begin"), record(0, 1), record(1, 2), transaction("commit")],
            vec![transaction("begin"), record(0, 3), record(0, 4), transaction("abort")],
            vec![transaction("begin"), record(0, 5), transaction("commit")],
        ]
        .concat(),
    );
    send(&flow, &[tombstone, record(0, 6), record(1, 7)]);
    let config = flow
        .raw_config()
        .set("consumer.override.isolation.level", "read_committed")
        .set("delta.metadata.columns", "topic,partition,offset");
    flow.scenario.put(&config);
    flow.scenario.reaches_the_end();
    flow.scenario.ends();

    let audited = Audited { flow: &flow, config: &config };
    let table = &flow.scenario.table;
    let report = audited.report(table, &["--rows", "--every-record"]);
    assert_eq!(report["findings"], json!([]), "{report}");
    let topic = &report["topics"]["audited-0"];
    // 1, the two aborted, 5, each transaction's marker behind it, then the tombstone and 6.
    assert_eq!(
        (&topic["records"], &topic["tombstones"], &topic["hidden"]),
        (&json!(4), &json!(1), &json!(5))
    );
    assert_eq!((&topic["rows"], &topic["holes"], &topic["endOffset"]), (&json!(3), &json!(0), &json!(9)));
    assert_eq!(report["topics"]["audited-1"]["records"], 2);

    // A second copy of rows that says where it is from: the log shows it, and the rows do.
    let copy = audited.copy("twice");
    commit_again(&copy, None);
    let mut kinds = audited.kinds(&copy, &["--rows"]);
    kinds.dedup();
    assert_eq!(kinds, ["twice"], "of each partition that the file has rows of");
    assert_eq!(audited.kinds(&copy, &[]), [""; 0], "nothing but the rows shows it");

    // An interval behind the end, with rows of other offsets.
    let copy = audited.copy("stray");
    commit_again(&copy, Some((9, 20)));
    let kinds = audited.kinds(&copy, &["--rows"]);
    assert!(kinds.contains(&"stray".to_owned()) && kinds.contains(&"ahead".to_owned()), "{kinds:?}");

    // A commit that passes over all of its records.
    let copy = audited.copy("passed-over");
    let mut passed = false;
    for version in 0..versions(&copy) {
        let text = fs::read_to_string(commit_file(&copy, version)).unwrap();
        let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &mut lines {
            let units = line.pointer_mut("/commitInfo/sluice/units").and_then(Value::as_array_mut);
            for unit in units.into_iter().flatten() {
                unit["intervals"]
                    .as_array_mut()
                    .unwrap()
                    .iter_mut()
                    .for_each(|interval| interval["rows"] = 0.into());
                passed = true;
            }
        }
        lines.retain(|line| line["add"].is_null());
        write(&copy, version, &lines);
    }
    assert!(passed);
    assert_eq!(audited.kinds(&copy, &[]), [""; 0], "records may make no row");
    assert!(audited.kinds(&copy, &["--every-record"]).iter().all(|kind| kind == "no-row"));
    assert_eq!(
        audited.kinds(&copy, &["--rows", "--every-record"]),
        ["no-row", "no-row"],
        "one for each partition"
    );

    // What the text says.
    let output = Command::new(&cluster().components.sluice)
        .args(["audit", &table.display().to_string(), "--bootstrap", &cluster().broker.bootstrap()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = "  in Kafka  audited-0: offsets 0 to 9; of 0 to 9: 4 records, 1 of them without a value, 5 aborted or markers; 3 rows";
    assert!(text.contains(line), "{text}");

    // The topic of the table is gone and begins anew.
    cluster().broker.delete_topic("audited").unwrap();
    wait_for("the new topic", PATIENCE, || Ok(cluster().broker.create_topic("audited", 2, &[]).ok()))
        .unwrap();
    let kinds = audited.kinds(table, &["--rows", "--every-record"]);
    assert_eq!(kinds, ["ahead", "ahead"], "one for each partition");
}

/// TLS and each way to authenticate, as `--kafka-config` has them; and what is said of a wrong one.
fn reads_a_secured_broker(audited: &Audited<'_>, expected: &[&str]) {
    let secured = cluster().broker.secured().unwrap();
    let run = |properties: &str| {
        let file = audited.flow.scenario.folder.join("client.properties");
        fs::write(&file, properties).unwrap();
        let mut audit = Command::new(&cluster().components.sluice);
        audit.arg("audit").arg(&audited.flow.scenario.table).args([
            "--bootstrap",
            &secured.bootstrap(),
            "--json",
        ]);
        audit.arg("--kafka-config").arg(&file).output().unwrap()
    };
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let output = run(&secured.client(mechanism));
        let error = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {error}"));
        let kinds: Vec<_> =
            report["findings"].as_array().unwrap().iter().map(|found| &found["kind"]).collect();
        assert_eq!(kinds, expected, "{mechanism}");
    }
    let right = secured.client("SCRAM-SHA-512");
    let wrong = [
        (right.replace("wide-open", "hunter2"), "invalid credentials"),
        (secured.client("PLAIN").replace("wide-open", "hunter2"), "Invalid username or password"),
        (right.replace("SASL_SSL", "SASL_PLAINTEXT"), "cannot connect to the broker"),
        (
            right
                .lines()
                .filter(|line| !line.contains("truststore"))
                .map(|line| format!("{line}\n"))
                .collect(),
            "certificate",
        ),
    ];
    for (properties, said) in wrong {
        let output = run(&properties);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(said) && !error.contains("hunter2"), "{said}: {error}");
    }
}

/// What a consumer sees that reads what is not committed is no record for the audit.
#[test]
fn rows_of_aborted_transactions_are_found() {
    let flow = Flow::new("uncommitted");
    let record = |id: u64| flow.record(json!({"id": id}));
    let transaction = |mark: &str| json!({"transaction": mark});
    let in_transactions =
        [record(1), transaction("commit"), transaction("begin"), record(2), transaction("abort")];
    send(&flow, &[&[transaction("begin")], &in_transactions[..]].concat());
    send(&flow, &[record(3)]);
    let config = flow
        .raw_config()
        .set("consumer.override.isolation.level", "read_uncommitted")
        .set("delta.metadata.columns", "offset,partition");
    flow.scenario.put(&config);
    flow.scenario.reaches_the_end();
    flow.scenario.ends();
    let audited = Audited { flow: &flow, config: &config };
    assert_eq!(audited.kinds(&flow.scenario.table, &[]), ["surplus"]);
    assert_eq!(audited.kinds(&flow.scenario.table, &["--rows"]), ["surplus", "no-record"]);
    reads_a_secured_broker(&audited, &["surplus"]);
}

/// Rows whose records Kafka has compacted away since are no finding.
#[test]
fn a_compacted_topic_is_clean() {
    let flow = Flow::new("audited-compacted");
    let settings = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0"),
        ("min.compaction.lag.ms", "0"),
    ];
    cluster().broker.create_topic("audited-compacted", 1, &settings).unwrap();
    let keyed =
        |id: u64| json!({"topic": "audited-compacted", "key": format!("k{}", id % 3), "value": {"id": id}});
    send(&flow, &(0..30).map(keyed).collect::<Vec<_>>());
    let config = flow.raw_config().set("delta.metadata.columns", "offset");
    flow.scenario.put(&config);
    flow.scenario.reaches_the_end();
    // In a segment of its own, so that the first one is closed.
    send(&flow, &[keyed(30)]);
    flow.scenario.reaches_the_end();
    flow.scenario.ends();
    wait_for("the topic to be compacted", PATIENCE, || {
        Ok((cluster().broker.records("audited-compacted")?.len() < 10).then_some(()))
    })
    .unwrap();
    let audited = Audited { flow: &flow, config: &config };
    let report = audited.report(&flow.scenario.table, &["--rows", "--every-record"]);
    assert_eq!(report["findings"], json!([]), "{report}");
    let topic = &report["topics"]["audited-compacted-0"];
    assert_eq!(topic["rows"], 31);
    let (records, holes) = (topic["records"].as_u64().unwrap(), topic["holes"].as_u64().unwrap());
    assert!(records < 10 && records + holes == 31, "{report}");
    assert!(report["notes"].as_array().unwrap().iter().any(|note| note["kind"] == "compacted"), "{report}");
}
