//! Tables with many files, versions and partitions: what opening one and committing to it ask of the store, by count.
#![allow(clippy::disallowed_methods, reason = "in the real world")]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::File;
use std::ops::Range;
use std::sync::atomic::Ordering;

use common::{COMMITS_ONLY, Rig, SCHEMA, create_by_hand, features, write_by_hand};
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};

const FILES: usize = 1_000;
const PARTITIONS: i32 = 100;
/// The version of its checkpoint.
const CHECKPOINT: usize = 10;
const NEWEST: usize = 15;

/// A table of another process. Every partition holds offset 7.
fn large() -> Rig {
    let rig = Rig::new();
    rig.task(&rig.process(), &[]).open(&[0]).unwrap();
    for version in 1..=NEWEST {
        let files = (0..FILES / CHECKPOINT).map(|file| {
            format!(
                r#"{{"add":{{"path":"{version}-{file}.parquet","partitionValues":{{}},"size":1,"modificationTime":0,"dataChange":true,"stats":"{{\"numRecords\":1}}"}}}}"#
            )
        });
        let held = (0..PARTITIONS).filter(|id| *id as usize % CHECKPOINT == version % CHECKPOINT).map(held);
        rig.commit_by_hand(&files.chain(held).map(|action| action + "\n").collect::<String>());
        if version == CHECKPOINT {
            rig.checkpoint();
        }
    }
    rig
}

fn held(id: i32) -> String {
    format!(r#"{{"txn":{{"appId":"sluice/k/t/{id}","version":7,"lastUpdated":1628003413471}}}}"#)
}

/// What opening these partitions asks for, sorted, and where they are.
fn opening(rig: &Rig, ids: Range<i32>) -> (Vec<String>, Vec<(i32, i64)>) {
    let mut task = rig.task(&rig.process(), &COMMITS_ONLY);
    rig.outages.asked();
    task.open(&ids.collect::<Vec<_>>()).unwrap();
    let mut asked = rig.outages.asked();
    asked.sort_unstable();
    (asked, task.rewinds)
}

#[test]
fn opening_reads_the_log_from_the_checkpoint_on_as_often_for_many_partitions_as_for_one() {
    let rig = large();
    let (one, _) = opening(&rig, 0..1);
    let (all, rewinds) = opening(&rig, 0..PARTITIONS);
    assert_eq!(all, one);
    assert_eq!(rewinds, (0..PARTITIONS).map(|id| (id, 7)).collect::<Vec<_>>());
    let times = |what: &str| all.iter().filter(|asked| *asked == what).count();
    for version in 0..=NEWEST {
        // Once for the metadata, once for the offsets.
        let expected = if version > CHECKPOINT { 2 } else { 0 };
        assert_eq!(times(&format!("GET {version}.json")), expected, "{version}: {all:?}");
    }
    assert_eq!((times("LIST"), times("GET _last_checkpoint")), (2, 1), "{all:?}");
}

#[test]
fn a_log_without_checkpoints_is_not_read_with_hundreds_of_threads() {
    let rig = Rig::new();
    rig.task(&rig.process(), &[]).open(&[0]).unwrap();
    (0..200).for_each(|id| rig.commit_by_hand(&held(id)));
    let (_, rewinds) = opening(&rig, 0..200);
    assert_eq!(rewinds.len(), 200);
    let at_once = rig.outages.reads_at_once.load(Ordering::Relaxed);
    assert!((2..=64).contains(&at_once), "{at_once}");
}

/// Appends these units one after the other, and says what they ask for.
fn appending(rig: &Rig, units: i64) -> Vec<String> {
    let mut task = rig.task(&rig.process(), &COMMITS_ONLY);
    task.open(&[0]).unwrap();
    let from = task.rewinds.first().map_or(0, |(_, offset)| *offset);
    rig.outages.asked();
    for to in from + 1..=from + units {
        task.put(0, to - 1..to).unwrap();
        task.until_committed(0, to).unwrap();
    }
    rig.outages.asked()
}

fn puts(versions: Range<usize>) -> Vec<String> {
    versions.map(|version| format!("PUT {version}.json")).collect()
}

#[test]
fn a_commit_is_one_put_whatever_the_table() {
    let empty = Rig::new();
    empty.task(&empty.process(), &[]).open(&[0]).unwrap();
    assert_eq!(appending(&empty, 20), puts(1..21));
    let large = large();
    assert_eq!(appending(&large, 20), puts(NEWEST + 1..NEWEST + 21));
    // The kernel would not commit to it by itself.
    let legacy = Rig::new();
    legacy.task(&legacy.process(), &[]).open(&[0]).unwrap();
    legacy.commit_by_hand(r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":4}}"#);
    assert_eq!(appending(&legacy, 20), puts(2..22));
    assert!(legacy.audit().is_clean());
}

/// For each commit the kernel looks up the highest row id, the columns of a clustered table and the time of the last commit.
#[test]
fn a_commit_is_one_put_also_where_the_kernel_looks_things_up() {
    let clustering = json!({"domainMetadata": {"domain": "delta.clustering", "removed": false,
        "configuration": r#"{"clusteringColumns":[["v"]],"domainName":"delta.clustering"}"#}});
    let protocol = features(&[], &["clustering", "domainMetadata", "inCommitTimestamp", "rowTracking"]);
    let properties = json!({"delta.enableRowTracking": "true", "delta.enableInCommitTimestamps": "true"});
    let rig = Rig::new();
    write_by_hand(&rig, &create_by_hand(&[clustering], properties, protocol, SCHEMA));
    assert_eq!(appending(&rig, 5), puts(1..6));
    let mut tasks = [1, 2].map(|id| (id, rig.task(&rig.process(), &COMMITS_ONLY)));
    tasks.iter_mut().for_each(|(id, task)| task.open(&[*id]).unwrap());
    for (offset, turn) in [0, 1, 1, 0, 1].into_iter().enumerate() {
        let (id, task) = &mut tasks[turn];
        let from = task.committed(*id).unwrap_or(0);
        task.put(*id, from..from + 1).unwrap();
        task.until_committed(*id, from + 1).unwrap();
        assert_eq!(rig.log().len(), offset + 7);
    }
    let of = |commit: &String, kind: &str, key: &str| {
        let mut actions = commit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        actions.find_map(|action| action[kind][key].as_i64()).unwrap()
    };
    let log = rig.log();
    let row_ids: Vec<_> = log[1..].iter().map(|commit| of(commit, "add", "baseRowId")).collect();
    assert_eq!(row_ids, (0..10).collect::<Vec<_>>());
    let times: Vec<_> = log.iter().map(|commit| of(commit, "commitInfo", "inCommitTimestamp")).collect();
    assert!(times.is_sorted_by(|earlier, later| earlier < later), "{times:?}");
    assert!(rig.audit().is_clean());
}

#[test]
fn what_others_commit_is_read_and_nothing_before_it() {
    let rig = large();
    let mut task = rig.task(&rig.process(), &COMMITS_ONLY);
    task.open(&[0]).unwrap();
    let mut after = |others: usize, offset: i64| {
        (0..others).for_each(|id| rig.commit_by_hand(&held(1_000 + id as i32)));
        rig.outages.asked();
        task.put(0, offset..offset + 1).unwrap();
        task.until_committed(0, offset + 1).unwrap();
        rig.outages.asked()
    };
    assert_eq!(after(0, 7), ["PUT 16.json"]);
    let asked = after(1, 8);
    assert_eq!(asked, ["PUT 17.json", "LIST", "GET 17.json", "GET 17.json", "PUT 18.json"]);
    assert_eq!(after(0, 9), ["PUT 19.json"]);
    let asked = after(2, 10);
    let times = |what: &str| asked.iter().filter(|asked| asked.starts_with(what)).count();
    assert_eq!((times("LIST"), times("GET 20.json"), times("GET 21.json"), asked.len()), (1, 2, 2, 7));
}

#[test]
fn a_checkpoint_that_lands_meanwhile_does_not_make_us_read_the_log_again() {
    let rig = large();
    let mut task = rig.task(&rig.process(), &COMMITS_ONLY);
    task.open(&[0]).unwrap();
    task.put(0, 7..8).unwrap();
    task.until_committed(0, 8).unwrap();
    rig.commit_by_hand(&held(1_000));
    rig.checkpoint();
    rig.commit_by_hand(&held(1_001));
    rig.outages.asked();
    task.put(0, 8..9).unwrap();
    task.until_committed(0, 9).unwrap();
    let asked = rig.outages.asked();
    let of_log =
        |version: usize| asked.iter().filter(|asked| **asked == format!("GET {version}.json")).count();
    assert_eq!((0..=16).map(of_log).sum::<usize>(), 0, "{asked:?}");
    assert_eq!((of_log(17), of_log(18)), (1, 2), "{asked:?}");
    let of_checkpoint = asked.iter().filter(|asked| asked.contains("checkpoint")).count();
    assert!(of_checkpoint <= 3, "{asked:?}");
    task.put(0, 9..10).unwrap();
    task.until_committed(0, 10).unwrap();
    assert_eq!(rig.outages.asked(), ["PUT 20.json"]);
}

/// Simulation, seed 92277: whoever had listed the first one took the table for damaged.
#[test]
fn a_checkpoint_that_is_replaced_before_it_is_read_is_listed_again() {
    for compression in [Compression::UNCOMPRESSED, Compression::ZSTD(ZstdLevel::try_new(9).unwrap())] {
        let rig = large();
        let file = rig.table().join(format!("_delta_log/{CHECKPOINT:020}.checkpoint.parquet"));
        let first = File::open(&file).unwrap();
        let bytes = first.metadata().unwrap().len();
        let reader = ParquetRecordBatchReaderBuilder::try_new(first).unwrap();
        let properties = WriterProperties::builder().set_compression(compression).build();
        let mut second = ArrowWriter::try_new(Vec::new(), reader.schema().clone(), Some(properties)).unwrap();
        reader.build().unwrap().for_each(|actions| second.write(&actions.unwrap()).unwrap());
        let second = second.into_inner().unwrap();
        assert_ne!(second.len() as u64, bytes);
        let path = Path::from_absolute_path(file).unwrap();
        *rig.outages.replaces.lock().unwrap() = Some((path, second));
        assert_eq!(opening(&rig, 0..1).1, [(0, 7)]);
        assert!(rig.outages.replaces.lock().unwrap().is_none(), "it was read");
    }
}
