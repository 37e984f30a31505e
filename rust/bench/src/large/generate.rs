//! The log of a table that Sluice has written to for long, without the files that it names.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use buoyant_kernel as delta_kernel;
use buoyant_kernel_engine::DefaultEngineBuilder;
use buoyant_kernel_engine::executor::tokio::TokioMultiThreadExecutor;
use delta_kernel::Snapshot;
use delta_kernel::checkpoint::{CheckpointSpec, V2CheckpointConfig};
use object_store::local::LocalFileSystem;
use serde_json::{Value, json};
use sluice_core::offsets::TopicPartition;
use url::Url;
use uuid::Uuid;

use crate::{CONNECTOR, PARTITIONS, SCHEMA, TOPIC};

const FILES_OF_A_COMMIT: u64 = 10;
const PARTITIONS_OF_A_COMMIT: u64 = 20;
/// Commits after the last checkpoint: the most there are with delta-rs, which makes one each 100.
const AFTER_CHECKPOINT: u64 = 99;
/// Commits before it that log clean-up has left.
const BEFORE_CHECKPOINT: u64 = 1_000;
/// So many files are in one commit of the log that only the checkpoint is made from.
const FILES_AT_ONCE: u64 = 10_000;

pub struct Shape {
    /// The newest version.
    pub versions: u64,
    pub partitioned: bool,
    /// Nothing was cleaned up.
    pub whole_log: bool,
    /// A V2 checkpoint with sidecars, not a classic one.
    pub sidecars: bool,
    pub no_checkpoint: bool,
}

pub fn generate(table: &Path, shape: &Shape) {
    let log = table.join("_delta_log");
    fs::create_dir_all(&log).expect("a folder");
    let checkpoint = match shape.no_checkpoint {
        true => 0,
        false => shape.versions.saturating_sub(AFTER_CHECKPOINT),
    };
    commit(&log, 0, &created(shape));
    if checkpoint > 0 {
        make_checkpoint(table, checkpoint, shape);
    }
    let first = match shape.whole_log {
        true => 1,
        false => checkpoint.saturating_sub(BEFORE_CHECKPOINT).max(1),
    };
    for version in first..=shape.versions {
        commit(&log, version, &actions(version, shape));
    }
    if first > 1 {
        fs::remove_file(commit_file(&log, 0)).expect("the first commit");
    }
}

/// By the kernel, of a log with the same actions in a few large commits, which is gone afterwards.
fn make_checkpoint(table: &Path, version: u64, shape: &Shape) {
    let log = table.join("_delta_log");
    let large_commits = (version * FILES_OF_A_COMMIT).div_ceil(FILES_AT_ONCE);
    let base = version - large_commits;
    if base > 0 {
        write_checkpoint(table, false);
        let of = |version: u64| log.join(format!("{version:020}.checkpoint.parquet"));
        fs::rename(of(0), of(base)).expect("the first checkpoint");
        fs::write(log.join("_last_checkpoint"), json!({"version": base, "size": 2}).to_string())
            .expect("a hint");
    }
    let files = |large: u64| {
        let end = (version * FILES_OF_A_COMMIT).min((large + 1) * FILES_AT_ONCE);
        (large * FILES_AT_ONCE..end).map(|file| added(file, shape))
    };
    for large in 0..large_commits {
        let held = if large + 1 == large_commits { held_at(version) } else { vec![] };
        commit(&log, base + 1 + large, &files(large).chain(held).collect::<Vec<_>>());
    }
    write_checkpoint(table, shape.sidecars);
    for large in 0..large_commits {
        fs::remove_file(commit_file(&log, base + 1 + large)).expect("a large commit");
    }
    if base > 0 {
        fs::remove_file(log.join(format!("{base:020}.checkpoint.parquet"))).expect("the first checkpoint");
    }
}

fn write_checkpoint(table: &Path, sidecars: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let executor = Arc::new(TokioMultiThreadExecutor::new(runtime.handle().clone()));
    let engine =
        DefaultEngineBuilder::new(Arc::new(LocalFileSystem::new())).with_task_executor(executor).build();
    let uri = Url::from_directory_path(fs::canonicalize(table).expect("a folder")).expect("a URL");
    let snapshot = Snapshot::builder_for(uri.as_str()).build(&engine).expect("a snapshot");
    let with_sidecars =
        CheckpointSpec::V2(V2CheckpointConfig::WithSidecar { file_actions_per_sidecar_hint: None });
    snapshot.checkpoint(&engine, sidecars.then_some(&with_sidecars)).expect("a checkpoint");
}

fn commit_file(log: &Path, version: u64) -> PathBuf {
    log.join(format!("{version:020}.json"))
}

fn commit(log: &Path, version: u64, actions: &[Value]) {
    let mut file = BufWriter::new(File::create(commit_file(log, version)).expect("a commit"));
    actions.iter().try_for_each(|action| writeln!(file, "{action}")).expect("a written commit");
    file.flush().expect("a written commit");
}

fn created(shape: &Shape) -> Vec<Value> {
    let protocol = match shape.sidecars {
        true => json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["v2Checkpoint"],
            "writerFeatures": ["v2Checkpoint"]}),
        false => json!({"minReaderVersion": 1, "minWriterVersion": 2}),
    };
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let partition_by: &[&str] = if shape.partitioned { &["kind"] } else { &[] };
    let metadata = json!({
        "id": Uuid::new_v4().to_string(), "format": {"provider": "parquet", "options": {}},
        "schemaString": schema.to_string(), "partitionColumns": partition_by, "configuration": {},
        "createdTime": 1_760_000_000_000_i64,
    });
    vec![json!({ "protocol": protocol }), json!({ "metaData": metadata })]
}

/// As Sluice commits them.
fn actions(version: u64, shape: &Shape) -> Vec<Value> {
    let moved = moved_by(version);
    let intervals = moved.clone().map(|partition| {
        json!({"topic": TOPIC, "partition": partition % PARTITIONS, "fromOffset": offset(version) - 1_000,
            "toOffset": offset(version), "rows": 1_000})
    });
    let unit = json!({"connector": CONNECTOR, "task": "0", "intervals": intervals.collect::<Vec<_>>()});
    let info = json!({"commitInfo": {
        "timestamp": time(version), "operation": "STREAMING UPDATE", "operationParameters": {},
        "kernelVersion": "v0.28.1", "isBlindAppend": true, "engineInfo": "sluice/0.1.0",
        "txnId": Uuid::new_v4().to_string(), "sluice": {"commit": Uuid::new_v4().to_string(), "units": [unit]},
    }});
    let files = (version - 1) * FILES_OF_A_COMMIT..version * FILES_OF_A_COMMIT;
    let adds = files.map(|file| added(file, shape));
    let txns = moved.map(|partition| txn(partition % PARTITIONS, version));
    [info].into_iter().chain(adds).chain(txns).collect()
}

/// Partitions, modulo their number.
fn moved_by(version: u64) -> RangeInclusive<u64> {
    let first = version * PARTITIONS_OF_A_COMMIT;
    first..=first + PARTITIONS_OF_A_COMMIT - 1
}

fn held_at(version: u64) -> Vec<Value> {
    let round = PARTITIONS / PARTITIONS_OF_A_COMMIT;
    let newest = version.saturating_sub(round - 1).max(1)..=version;
    let moved = newest.flat_map(|version| moved_by(version).map(move |id| (id % PARTITIONS, version)));
    moved.collect::<BTreeMap<_, _>>().into_iter().map(|(id, version)| txn(id, version)).collect()
}

fn txn(partition: u64, version: u64) -> Value {
    let app_id = TopicPartition::new(TOPIC, partition as i32).app_id(CONNECTOR);
    json!({"txn": {"appId": app_id, "version": offset(version), "lastUpdated": time(version)}})
}

fn offset(version: u64) -> u64 {
    version * 1_000
}

fn time(version: u64) -> u64 {
    1_760_000_000_000 + version * 1_000
}

fn added(file: u64, shape: &Shape) -> Value {
    let version = file / FILES_OF_A_COMMIT + 1;
    let name = format!("part-00000-{}-c000.zstd.parquet", Uuid::new_v4());
    let kind = ["view", "click", "order", "search"][(file % 4) as usize];
    let (path, values) = match shape.partitioned {
        true => (format!("kind={kind}/{name}"), json!({ "kind": kind })),
        false => (name, json!({})),
    };
    json!({"add": {
        "path": path, "partitionValues": values, "size": 34_000 + file % 7_919, "modificationTime": time(version),
        "dataChange": true, "stats": stats(file, shape).to_string(),
    }})
}

fn stats(file: u64, shape: &Shape) -> Value {
    let id = file * 2_000;
    let second = 1_760_000_000 + file / FILES_OF_A_COMMIT;
    let moment = |second: u64, millis: u64| {
        let (minute, hour, day) = (second / 60 % 60, second / 3_600 % 24, second / 86_400 % 28 + 1);
        format!("2025-10-{day:02}T{hour:02}:{minute:02}:{:02}.{millis:03}Z", second % 60)
    };
    let degrees = |limit: f64, salt: u64| limit - (file * salt % 10_007) as f64 / 1e6;
    let mut smallest = json!({
        "id": id, "time": moment(second, file % 500), "user": format!("user-{:06}", file % 977), "kind": "click",
        "url": format!("https://example.com/products/{:04}/", file % 89), "price": 0.05, "seconds": 0.001,
        "place": {"lat": -degrees(90.0, 31), "lon": -degrees(180.0, 37), "city": "Aachen"},
        "referrer": "https://duckduckgo.com/?q=lake",
    });
    let mut largest = json!({
        "id": id + 1_999, "time": moment(second, 500 + file % 500), "user": format!("user-{:06}", 999_999 - file % 977),
        "kind": "view", "url": format!("https://example.com/products/{:04}\u{7f}", 9_999 - file % 89), "price": 999.95,
        "seconds": 59.999, "place": {"lat": degrees(90.0, 41), "lon": degrees(180.0, 43), "city": "Zwickau"},
        "referrer": "https://www.google.com/search?q\u{7f}",
    });
    let mut nulls = json!({
        "id": 0, "time": 0, "user": file % 13, "kind": 0, "url": 0, "mobile": file % 17, "price": file % 1_019,
        "seconds": 0, "place": {"lat": 0, "lon": 0, "city": 0}, "referrer": file % 1_021,
    });
    if shape.partitioned {
        for columns in [&mut smallest, &mut largest, &mut nulls] {
            columns.as_object_mut().and_then(|columns| columns.remove("kind"));
        }
    }
    json!({"numRecords": 2_000, "minValues": smallest, "maxValues": largest, "nullCount": nulls})
}
