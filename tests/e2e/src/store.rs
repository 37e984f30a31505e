//! Stores that refuse, and that are full.

use std::fs;

use crate::cluster::cluster;
use crate::mounts::Mount;
use crate::scenario::Scenario;

/// Nobody makes a folder below /sys, root included.
#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let scenario = Scenario::new("denied", 1);
    scenario.send(500);
    scenario.put(&scenario.config().set("delta.table.uri", "/sys/sluice-e2e/table"));
    scenario.fails_with(&["STORE_DENIED", "cannot create the folder /sys/sluice-e2e/table"]);
    scenario.put(&scenario.config());
    scenario.runs(1);
    scenario.completes();
}

#[test]
fn a_table_below_a_regular_file_is_named() {
    let scenario = Scenario::new("below-a-file", 1);
    scenario.send(500);
    fs::write(scenario.folder.join("file"), "not a folder").unwrap();
    let below = scenario.folder.join("file/table");
    let config = scenario.config().set("delta.store.retry.timeout.ms", 0);
    scenario.put(&config.set("delta.table.uri", below.display()));
    scenario.fails_with(&["STORE_IO", &below.display().to_string(), "Not a directory"]);
    scenario.put(&scenario.config());
    scenario.runs(1);
    scenario.completes();
}

#[test]
fn a_file_system_that_becomes_read_only_loses_nothing() {
    let Some(mount) = Mount::new(cluster().folder.join("mounts/read-only"), "size=64m") else { return };
    let scenario = Scenario::new("read-only", 1).with_table(cluster().folder.join("mounts/read-only/table"));
    scenario.send(500);
    scenario.put(&scenario.config());
    scenario.runs(1);
    scenario.reaches_the_end();
    mount.remount("ro");
    scenario.send(500);
    scenario.fails_with(&["STORE_DENIED", "Read-only file system"]);
    mount.remount("rw");
    scenario.restart();
    scenario.completes();
}

#[test]
fn a_full_disk_loses_nothing_once_there_is_space() {
    let Some(mount) = Mount::new(cluster().folder.join("mounts/full"), "size=1m") else { return };
    let scenario = Scenario::new("full", 2).with_table(cluster().folder.join("mounts/full/table"));
    scenario.put(&scenario.config());
    scenario.runs(1);
    scenario.send(30_000);
    scenario.fails_with(&["STORE_FULL", "No space left on device"]);
    mount.remount("size=64m");
    scenario.restart();
    scenario.completes();
}
