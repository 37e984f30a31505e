//! Tables that are kept while a worker writes them, and afterwards by `sluice maintain`: every row stays, once.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rand::random_range;
use sluice_testkit::{TableLog, wait_for};

use crate::cluster::cluster;
use crate::scenario::{PATIENCE, Scenario};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn log_has(table: &Path, part: &str) -> bool {
    names(&table.join("_delta_log")).iter().any(|name| name.contains(part))
}

/// Data files of a table without partitions, whether they are part of it or not.
fn data_files(table: &Path) -> BTreeSet<String> {
    names(table).into_iter().filter(|name| name.ends_with(".parquet")).collect()
}

#[test]
fn a_worker_merges_sums_up_and_vacuums_while_it_writes() {
    let scenario = Scenario::new("upkeep", 4);
    let properties = "delta.checkpointInterval=7; delta.deletedFileRetentionDuration=interval 3 seconds";
    let config = scenario
        .config()
        .set("delta.table.properties", properties)
        .set("delta.maintenance.log.compaction.commits", 2)
        .set("delta.compaction.enabled", true)
        .set("delta.compaction.scope", "all")
        .set("delta.compaction.interval.ms", 1000)
        .set("delta.compaction.min.files", 3)
        .set("delta.vacuum.mode", "delete")
        .set("delta.vacuum.interval.ms", 1000);
    let mut producer = scenario.start_sending(4_000, Some(250));
    scenario.put(&config);

    let table = &scenario.table;
    let (mut log, mut seen) = (TableLog::new(table), BTreeSet::new());
    // A checkpoint forgets what was removed 3 s ago: what vacuum did not get by then stays for a day.
    let mut deleted = 0;
    let kept = wait_for("the table to be kept in every way", PATIENCE, || {
        scenario.has_not_failed()?;
        log.refresh()?;
        let there = data_files(table);
        deleted = seen.difference(&there).count();
        seen.extend(there);
        let is_kept = log.rewrites >= 2
            && deleted >= 3
            && [".checkpoint.parquet", ".crc", ".compacted.json"].iter().all(|part| log_has(table, part));
        Ok(is_kept.then_some(()))
    });
    kept.unwrap_or_else(|e| {
        panic!(
            "{e}: {} merges, {deleted} files deleted, {:?}",
            log.rewrites,
            names(&table.join("_delta_log"))
        )
    });
    producer.wait(PATIENCE).unwrap();
    scenario.completes();
}

fn maintain(table: &Path, options: &[&str]) -> Child {
    let mut command = Command::new(&cluster().components.sluice);
    command.arg("maintain").arg(table).args(["--compact", "--all-partitions", "--min-files", "2"]);
    command.args(["--checkpoint", "--checksum", "--compact-log"]).args(options);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn maintenance_that_is_killed_at_any_moment_or_done_twice_at_once_changes_no_row() {
    const RECORDS: u64 = 3_000;
    let scenario = Scenario::new("maintained", 2);
    let mut producer = scenario.start_sending(RECORDS, Some(500));
    scenario.put(&scenario.config().set("delta.maintenance.enabled", false));
    producer.wait(PATIENCE).unwrap();
    scenario.reaches_the_end();
    scenario.ends();
    let table = &scenario.table;
    let rows = || {
        let mut log = TableLog::new(table);
        log.refresh().unwrap();
        (log.rows, log.files(), log.rewrites)
    };
    let (_, before, rewrites) = rows();
    assert!(before > 8 && rewrites == 0, "{before} files, {rewrites} merges");

    // So slow that merging takes some seconds.
    let slowly = (data_bytes(table) / 3).to_string();
    for _ in 0..4 {
        let mut killed = maintain(table, &["--max-bytes-per-second", &slowly]);
        sleep(Duration::from_millis(random_range(0..1_500)));
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert_eq!(rows().0, RECORDS as i64);
    }
    let both = [(); 2].map(|()| maintain(table, &[])).map(|child| child.wait_with_output().unwrap());
    for output in both {
        let texts = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(output.status.success(), "{texts:?}");
    }
    let (counted, after, rewrites) = rows();
    assert_eq!(counted, RECORDS as i64);
    assert!(after < before / 2 && rewrites >= 1, "{before} files before, {after} after {rewrites} merges");
    scenario.holds(table, 0, RECORDS);
}

fn data_bytes(table: &Path) -> u64 {
    let files = names(table).into_iter().filter(|name| name.ends_with(".parquet"));
    files.map(|name| fs::metadata(table.join(name)).unwrap().len()).sum()
}
