//! What a real worker shows of itself through the Prometheus exporter, with the configuration, the alert rules and the dashboard of
//! `deploy/`: it is true, and every query finds its series. And its log, at the levels that are asked for while it runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

use serde_json::{Value, json};
use sluice_testkit::{Connect, Worker, free_ports, wait_for};

use crate::cluster::cluster;
use crate::promql::{Series, exposition, misses};
use crate::scenario::{PATIENCE, Scenario};
use crate::stores::stores;

struct Watched {
    worker: Mutex<Worker>,
    connect: Connect,
    log: PathBuf,
    exporter: Connect,
}

/// A worker with the exporter.
static WATCHED: LazyLock<Watched> = LazyLock::new(|| {
    let [port] = free_ports().unwrap();
    let agent = cluster().components.jmx_exporter().unwrap();
    let config = deployed("prometheus/jmx-exporter.yml");
    let agent = format!("-javaagent:{}=127.0.0.1:{port}:{}", agent.display(), config.display());
    let mut worker = cluster().spawn_worker("watched", "watched", &[&agent]);
    worker.wait_until_ready().unwrap();
    Watched {
        connect: worker.connect(),
        log: worker.log().to_owned(),
        exporter: Connect::new(format!("http://127.0.0.1:{port}")),
        worker: Mutex::new(worker),
    }
});

impl Watched {
    fn exported(&self) -> Vec<Series> {
        let (status, text) = self.exporter.request("GET", "/metrics", None).unwrap();
        assert_eq!(status, 200, "{text}");
        exposition(&text)
    }

    fn lines(&self, words: &[&str]) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap();
        log.lines().filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
    }

    fn wait_for_line(&self, words: &[&str]) -> String {
        wait_for(&format!("a line with {words:?}"), PATIENCE, || Ok(self.lines(words).pop())).unwrap()
    }

    fn set_level(&self, logger: &str, level: &str) {
        let body = json!({ "level": level });
        let (status, text) =
            self.connect.request("PUT", &format!("/admin/loggers/{logger}"), Some(&body)).unwrap();
        assert_eq!(status, 200, "{text}");
    }
}

fn deployed(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(file)
}

/// The value of the one series with such labels.
fn value(exported: &[Series], name: &str, labels: &[(&str, &str)]) -> f64 {
    let found: Vec<_> = exported.iter().filter(|series| series.has(name, labels)).collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
    found[0].value
}

#[test]
fn what_the_exporter_serves_is_true_and_every_query_finds_its_series() {
    let dead = "watched-dead";
    cluster().broker.create_topic(dead, 1, &[]).unwrap();
    let scenario = Scenario::on(WATCHED.connect.clone(), "watched", 2).on_s3();
    let config = scenario.small_config().with_s3(&stores().s3.endpoint());
    let config = config
        .with_dynamodb_lock(&stores().dynamodb.endpoint())
        .set("tasks.max", 2)
        .set("errors.tolerance", "all")
        .set("errors.deadletterqueue.topic.name", dead)
        .set("errors.deadletterqueue.topic.replication.factor", 1);
    scenario.put(&config);
    scenario.runs(2);
    let good = (0..40).map(|id| format!(r#"{{"id":{id},"text":"{id}","extra":1}}"#));
    let lines: Vec<_> =
        good.chain(["{\"id\":\"x\"}".into(), "no JSON".into(), String::new(), String::new()]).collect();
    scenario.send_lines(&lines);
    scenario.reaches_the_end();
    // Its status is what an alert looks at.
    let failing = Scenario::on(WATCHED.connect.clone(), "watched-failing", 1);
    failing.put(&failing.config().set("delta.table.uri", "/sys/sluice-e2e/watched"));
    failing.fails_with(&["STORE_DENIED"]);

    // Connect asks for offsets, upon which the task's metrics are looked through, and tasks learn of their commit.
    let of_task = |exported: &[Series], name: &str, more: &[(&str, &str)]| -> f64 {
        let of_connector =
            |series: &&Series| series.has(name, &[&[("connector", "watched")][..], more].concat());
        exported.iter().filter(of_connector).map(|series| series.value).sum()
    };
    wait_for("the offsets to be told", PATIENCE, || {
        let exported = WATCHED.exported();
        let all_there = of_task(&exported, "sluice_rows_written_total", &[]) == 40.0
            && of_task(&exported, "sluice_partition_lag", &[]) == 0.0;
        Ok(all_there.then_some(()))
    })
    .unwrap();
    let exported = WATCHED.exported();
    let all = |name: &str| of_task(&exported, name, &[]);
    assert_eq!((all("sluice_records_total"), all("sluice_rows_total")), (44.0, 40.0));
    let bytes: usize = lines.iter().map(String::len).sum();
    assert_eq!(all("sluice_record_bytes_total"), bytes as f64);
    for (reason, records) in [("RECORD_TYPE", 1.0), ("RECORD_NOT_JSON", 1.0), ("RECORD_RANGE", 0.0)] {
        assert_eq!(
            of_task(&exported, "sluice_records_errant_total", &[("reason", reason)]),
            records,
            "{reason}"
        );
    }
    assert_eq!(all("sluice_records_errant_total"), 2.0);
    assert_eq!(of_task(&exported, "sluice_records_skipped_total", &[("reason", "tombstone")]), 2.0);
    assert_eq!(all("sluice_unknown_fields_total"), 40.0);
    let ends = cluster().broker.end_offsets(&scenario.name).unwrap();
    for (partition, end) in &ends {
        let partition = partition.to_string();
        let labels = [("connector", "watched"), ("topic", "watched"), ("partition", partition.as_str())];
        assert_eq!(value(&exported, "sluice_partition_committed_offset", &labels), *end as f64);
    }
    let uri = format!("{}/", scenario.uri);
    let table = [("table", uri.as_str())];
    assert_eq!(value(&exported, "sluice_table_rows_total", &table), 40.0);
    assert_eq!(value(&exported, "sluice_table_files_total", &table), all("sluice_files_total"));
    assert_eq!(value(&exported, "sluice_table_file_bytes_total", &table), all("sluice_file_bytes_total"));
    assert_eq!(value(&exported, "sluice_table_schema_changes_total", &table), 1.0, "it was created");
    let commits = value(&exported, "sluice_table_commits_total", &table);
    assert!(commits >= 1.0 && commits <= all("sluice_commits_total"), "{commits}");
    assert!(value(&exported, "sluice_table_version", &table) >= commits);
    let requests =
        |kind, status| value(&exported, "sluice_store_requests_total", &[("kind", kind), ("status", status)]);
    assert!(requests("put", "ok") >= 2.0 * commits && requests("lock-write", "ok") >= 2.0 * commits);
    assert_eq!((requests("put", "throttled"), requests("put", "denied")), (0.0, 0.0));
    let of_process = |name| value(&exported, name, &[("library", "0")]);
    let (resident, allocated) =
        (of_process("sluice_resident_bytes"), of_process("sluice_native_allocated_bytes"));
    assert!(resident > allocated && allocated > 1e6, "{resident} {allocated}");
    assert!(of_process("sluice_memory_budget_bytes") > 1e8);
    assert!(
        all("sluice_commit_time_seconds_total") > 0.001 && all("sluice_commit_time_seconds_total") < 1_000.0
    );

    // What documents, rules and dashboard ask for.
    let mut wrong = Vec::new();
    let rules = fs::read_to_string(deployed("prometheus/sluice.rules.yml")).unwrap();
    let rules = alerts(&rules);
    for (_, query) in &rules {
        wrong.extend(misses(query, &exported));
    }
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(deployed("grafana/sluice.json")).unwrap()).unwrap();
    let queries = dashboard_queries(&dashboard);
    assert!(rules.len() > 10 && queries.len() > 40, "{} rules and {} queries", rules.len(), queries.len());
    for query in &queries {
        // The dashboard's own interval is Grafana's.
        wrong.extend(misses(&query.replace("$__rate_interval", "1m"), &exported));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let operations = fs::read_to_string(deployed("../docs/operations.md")).unwrap();
    let explained: BTreeSet<_> = operations
        .lines()
        .filter_map(|line| line.strip_prefix("| `Sluice")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    let named: BTreeSet<_> = rules.iter().map(|(name, _)| name.strip_prefix("Sluice").unwrap()).collect();
    assert_eq!(explained, named, "alerts in docs/operations.md and in the rules");
    // And every metric of the documents is served, under its other name.
    let served: BTreeSet<_> = exported.iter().map(|series| series.name.as_str()).collect();
    let mut missing = Vec::new();
    for name in operations
        .lines()
        .filter_map(|line| line.strip_prefix("| `sluice-")?.split_once('`'))
        .map(|(name, _)| name)
    {
        let stem = name.trim_end_matches("-total");
        let total = if stem == name { "" } else { "_total" };
        let stem = stem.strip_suffix("-ms").map_or(stem.to_owned(), |stem| format!("{stem}_seconds"));
        let other = format!("sluice_{}{total}", stem.replace('-', "_"));
        if !served.contains(other.as_str()) {
            missing.push(other);
        }
    }
    assert!(missing.is_empty(), "{missing:?} of {served:?}");
    scenario.holds_ids(0..40);
    scenario.ends();
    failing.ends();
}

/// Name and expression of each rule. A block (`>-`) is folded into a line.
fn alerts(rules: &str) -> Vec<(String, String)> {
    let mut alerts = Vec::new();
    let mut lines = rules.lines().peekable();
    let mut name = None;
    while let Some(line) = lines.next() {
        if let Some(alert) = line.trim().strip_prefix("- alert: ") {
            name = Some(alert.to_owned());
        } else if let Some(expression) = line.trim().strip_prefix("expr: ") {
            let depth = line.len() - line.trim_start().len();
            let mut whole = if expression == ">-" { String::new() } else { expression.to_owned() };
            while let Some(more) = lines.next_if(|next| next.len() - next.trim_start().len() > depth) {
                whole = format!("{whole} {}", more.trim());
            }
            alerts.push((name.take().expect("a rule has a name"), whole));
        }
    }
    alerts
}

/// Of the panels, and of the variables: `label_values(metric, label)` finds what grouping by the label finds.
fn dashboard_queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut queries: Vec<_> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["query"]["query"].as_str() {
            let inside = query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
            let (metric, label) = inside.split_once(", ").unwrap();
            queries.push(format!("count by ({label}) ({metric})"));
        }
    }
    queries
}

#[test]
fn the_native_log_follows_the_levels_of_the_worker_and_names_the_task() {
    let scenario = Scenario::on(WATCHED.connect.clone(), "watched-log", 1);
    scenario.put(&scenario.small_config());
    scenario.runs(1);
    scenario.send_ids(0..5);
    scenario.reaches_the_end();
    let context = "[watched-log|task-0] commit - ";
    let line = WATCHED.wait_for_line(&[" INFO ", context, "offset 5 of watched-log-0"]);
    assert!(
        line.contains("5 rows in 1 files") && line.contains("of watched-log task 0; up to offset"),
        "{line}"
    );
    let mut versions = WATCHED.lines(&[context, "committed version"]);
    let lines = versions.len();
    versions.dedup_by_key(|line| {
        line.split(" of table").next().unwrap().split("version").last().unwrap().to_owned()
    });
    assert_eq!(versions.len(), lines, "one line for each commit");
    let debug_lines = || WATCHED.lines(&[" DEBUG ", "[watched-log|task-0] writer - finished file"]).len();
    assert_eq!(debug_lines(), 0);

    // A level that is set for a logger is set for those below it, too.
    WATCHED.set_level("io.sluice.sluice_delta", "DEBUG");
    WATCHED.set_level("io.sluice.sluice_delta.commit", "WARN");
    let mut next = 5;
    let mut send = || {
        scenario.send_ids(next..next + 5);
        next += 5;
        scenario.reaches_the_end();
        next
    };
    // The native side hears of it within a second or so.
    wait_for("lines of the level that is asked for", PATIENCE, || {
        send();
        Ok((debug_lines() > 0).then_some(()))
    })
    .unwrap();
    // Lines keep their order: what the first commit would say comes before what is said of later files. One of before may be late.
    let mut is_silent = || {
        let seen = debug_lines();
        let end = send();
        for _ in 0..3 {
            send();
        }
        wait_for("later files", PATIENCE, || Ok((debug_lines() >= seen + 3).then_some(()))).unwrap();
        WATCHED.lines(&[context, &format!("offset {end} of watched-log-0")]).is_empty()
    };
    wait_for("commits to be left out", PATIENCE, || Ok(is_silent().then_some(()))).unwrap();
    assert!(is_silent(), "and they stay so");

    WATCHED.set_level("io.sluice.sluice_delta", "INFO");
    scenario.holds_ids(0..next);
    scenario.ends();
    assert!(WATCHED.worker.lock().unwrap().is_ready().unwrap());
}
