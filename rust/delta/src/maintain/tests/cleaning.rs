use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::AtomicI64;
use std::time::Instant;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use sluice_core::Code;

use super::super::Quiet;
use super::super::checkpoint::checkpoint;
use super::super::checksum::checksum;
use super::super::clean_log::{Clean, CleanedLog, clean_log};
use super::*;
use crate::audit::audit;
use crate::table::{Spec, TableState};
use crate::world::{Driven, World};

fn cleaned(log: &Log, clean: Clean) -> CleanedLog {
    clean_log(&log.maintained, &log.newest(), clean, &Quiet).unwrap()
}

fn checkpoint_at(log: &Log, version: u64) {
    assert!(checkpoint(&log.maintained, &log.maintained.at(version).unwrap(), &Quiet).unwrap().written);
}

fn file(version: u64, ending: &str) -> String {
    format!("_delta_log/{version:020}.{ending}")
}

/// Commits from version 0 on with these ages in days; with 30 days of retention those count as old that are older than 31.
fn aged(log: &Log, ages: &[u64]) {
    for (version, days) in ages.iter().enumerate() {
        log.age(&commit_name(version as u64), days * DAY);
    }
}

fn versions(log: &Log, ending: &str) -> Vec<u64> {
    let names = log.names().into_iter().filter(|name| name.len() > 20 && &name[21..] == ending);
    names.map(|name| name[..20].parse().unwrap()).collect()
}

/// Twelve versions, the first seven old, with checkpoints and checksums of these.
fn old_log(protocol: Value, properties: Value, checkpoints: &[u64]) -> Log {
    let mut log = Log::new(protocol, properties);
    log.grow(11);
    for version in checkpoints {
        checkpoint_at(&log, *version);
        checksum(&log.maintained, *version).unwrap();
    }
    aged(&log, &[60, 59, 58, 57, 56, 55, 54]);
    log
}

fn plain(checkpoints: &[u64]) -> Log {
    old_log(json!({"minReaderVersion": 1, "minWriterVersion": 2}), json!({}), checkpoints)
}

fn all_readable(log: &Log, from: u64) {
    all_readable_of(log, from..log.commits.len() as u64);
}

fn all_readable_of(log: &Log, versions: impl IntoIterator<Item = u64>) {
    for version in versions {
        assert_eq!(log.read(version).adds, log.state(version).adds, "version {version}");
        assert_eq!(log.read(version).txns, log.state(version).txns, "version {version}");
    }
}

/// PROTOCOL.md, "Metadata Cleanup".
#[test]
fn what_is_before_the_last_old_checkpoint_goes_and_all_else_stays() {
    let log = plain(&[2, 4, 8]);
    let strangers = ["00000000000000000001.json.bak", "00000000000000000001.note", "1.json", "note.txt"];
    strangers.iter().for_each(|name| fs::write(log.path(&format!("_delta_log/{name}")), "x").unwrap());
    for name in [".tmp", "_commits", "_staged_commits", "_changes"] {
        let name = format!("_delta_log/{name}/00000000000000000001.json");
        fs::create_dir_all(log.path(&name).parent().unwrap()).unwrap();
        fs::write(log.path(&name), "x").unwrap();
    }
    for (from, to) in [(0, 2), (3, 5), (4, 6), (5, 7)] {
        fs::write(log.path(&format!("_delta_log/{from:020}.{to:020}.compacted.json")), "x").unwrap();
    }
    let before: BTreeSet<_> = log.names().into_iter().collect();
    let dry = cleaned(&log, Clean::DryRun);
    assert_eq!(log.names().into_iter().collect::<BTreeSet<_>>(), before);

    let done = cleaned(&log, Clean::Delete);
    assert_eq!(done, dry);
    assert_eq!((done.from, done.kept.as_deref()), (Some(4), None));
    assert_eq!((done.commits, done.checkpoints, done.checksums, done.compacted), (4, 1, 1, 3));
    assert!(done.bytes > 1000);
    let after: BTreeSet<_> = log.names().into_iter().collect();
    let gone: BTreeSet<_> = before.difference(&after).map(|name| format!("_delta_log/{name}")).collect();
    assert_eq!(gone, done.names.iter().cloned().collect());
    assert_eq!(versions(&log, "json"), (4..=11).collect::<Vec<_>>());
    assert_eq!((versions(&log, "checkpoint.parquet"), versions(&log, "crc")), (vec![4, 8], vec![4, 8]));
    assert!(strangers.iter().all(|name| after.contains(*name)) && after.contains("_last_checkpoint"));
    for name in [".tmp", "_commits", "_staged_commits", "_changes"] {
        assert_eq!(names(&log.path(&format!("_delta_log/{name}"))).len(), 1, "{name}");
    }
    all_readable(&log, 4);
    assert_eq!(cleaned(&log, Clean::Delete).names, [""; 0]);

    // Who goes on with the table.
    let mut state = TableState::new(log.maintained.store.clone(), of_tests());
    state.load(&Spec::default(), vec![]).unwrap();
    assert_eq!(state.held("sluice/k/t/0").unwrap(), Some(11));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let found = audit(&*log.maintained.store, runtime.handle()).unwrap();
    assert_eq!((found.first_version, found.checkpoint), (4, Some(4)));
}

/// Its writer may have died, or its store failed, right before it would have named the newer one.
#[test]
fn the_checkpoint_that_last_checkpoint_names_stays() {
    let log = plain(&[2]);
    let named = fs::read(log.path("_delta_log/_last_checkpoint")).unwrap();
    checkpoint_at(&log, 4);
    fs::write(log.path("_delta_log/_last_checkpoint"), named).unwrap();
    let done = cleaned(&log, Clean::Delete);
    assert_eq!(done.from, Some(2), "{:?}", done.kept);
    assert_eq!((versions(&log, "json")[0], versions(&log, "checkpoint.parquet")), (2, vec![2, 4]));
    all_readable(&log, 2);

    fs::write(log.path("_delta_log/_last_checkpoint"), "{").unwrap();
    assert_eq!(cleaned(&log, Clean::Delete).from, Some(4));
}

#[test]
fn tables_say_how_long_and_whether_at_all() {
    let protocol = || json!({"minReaderVersion": 1, "minWriterVersion": 2});
    for (properties, from) in [
        (json!({"delta.enableExpiredLogCleanup": "false"}), None),
        (json!({"delta.enableExpiredLogCleanup": "true"}), Some(4)),
        (json!({"delta.logRetentionDuration": "interval 100 days"}), None),
        (json!({"delta.logRetentionDuration": "interval 1 week"}), Some(4)),
        // As nothing is that old.
        (json!({"delta.logRetentionDuration": "interval 56 days 12 hours"}), Some(2)),
    ] {
        let log = old_log(protocol(), properties.clone(), &[2, 4]);
        let done = cleaned(&log, Clean::Delete);
        assert_eq!((done.from, done.kept.is_some()), (from, from.is_none()), "{properties}");
        assert_eq!(versions(&log, "json").first().copied(), from.or(Some(0)));
        all_readable(&log, from.unwrap_or(0));
    }
    let log = old_log(protocol(), json!({"delta.logRetentionDuration": "interval 1 month"}), &[4]);
    let error = clean_log(&log.maintained, &log.newest(), Clean::Delete, &Quiet).unwrap_err();
    assert_eq!(error.code, Code::TableUnsupported, "{error}");
    assert_eq!(versions(&log, "json").len(), 12);
}

/// Even where a table wants nothing to be kept, a writer that rests for some minutes must not find its next version free.
#[test]
fn the_last_hour_stays_in_any_case() {
    let properties = json!({"delta.logRetentionDuration": "interval 0 seconds"});
    let mut log = Log::new(json!({"minReaderVersion": 1, "minWriterVersion": 2}), properties);
    log.grow(5);
    checkpoint_at(&log, 4);
    // It is a moment after midnight, and the commits are some minutes old.
    let today = (of_tests().epoch_millis() as u64 / 1000) % DAY;
    (0..=5).for_each(|version| log.age(&commit_name(version), today + 600));
    let world = Arc::new(Shifted { world: of_tests(), by: 0, midnight: true });
    let maintained = Maintained::new(log.maintained.store.clone(), world);
    let done = clean_log(&maintained, &log.newest(), Clean::Delete, &Quiet).unwrap();
    assert_eq!((done.from, log.names().len()), (None, 8), "{done:?}");
}

/// Files may be copied, so that a later one looks older; what comes later counts as later.
#[test]
fn times_of_files_only_rise() {
    let log = plain(&[1, 4]);
    aged(&log, &[60, 59, 2, 58, 57, 56, 55]);
    let done = cleaned(&log, Clean::Delete);
    assert_eq!((done.from, versions(&log, "json").first()), (Some(1), Some(&1)));
    all_readable(&log, 1);
}

fn timed(enabled_at: Option<u64>) -> (Value, Value) {
    let protocol =
        json!({"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["inCommitTimestamp"]});
    let mut properties = json!({"delta.enableInCommitTimestamps": "true"});
    if let Some(version) = enabled_at {
        properties["delta.inCommitTimestampEnablementVersion"] = json!(version.to_string());
        properties["delta.inCommitTimestampEnablementTimestamp"] = json!(ago(70 * DAY).to_string());
    }
    (protocol, properties)
}

/// The time in a commit counts, not that of its file.
#[test]
fn in_commit_timestamps_count_from_where_they_begin() {
    // Versions 0 to 7, with these ages by their commits and by their files.
    for (enabled_at, by_commits, by_files, from) in [
        (None, [60, 59, 58, 57, 56, 5, 4, 3], [1; 8], Some(4)),
        (None, [9, 8, 7, 6, 5, 4, 3, 2], [60; 8], None),
        (Some(3), [0, 0, 0, 57, 56, 5, 4, 3], [60, 59, 58, 1, 1, 1, 1, 1], Some(4)),
        // The cut is in the part that has no times of its own.
        (Some(3), [0, 0, 0, 7, 6, 5, 4, 3], [60, 59, 2, 60, 60, 60, 60, 60], Some(1)),
    ] {
        let (protocol, properties) = timed(enabled_at);
        let mut log = Log::new(protocol.clone(), properties.clone());
        let info =
            |days: u64| json!({"commitInfo": {"inCommitTimestamp": ago(days * DAY), "operation": "WRITE"}});
        let first = [info(by_commits[0]), json!({"protocol": protocol}), metadata(properties)];
        fs::write(log.path(&commit_name(0)), text(&first)).unwrap();
        for days in &by_commits[1..] {
            let version = log.commits.len() as i64;
            log.commit(&[info(*days), add(&format!("{version}.parquet")), txn("a", version)]);
        }
        [1, 4].iter().for_each(|version| checkpoint_at(&log, *version));
        aged(&log, &by_files);
        let done = cleaned(&log, Clean::Delete);
        assert_eq!(done.from, from, "{by_commits:?}");
        assert_eq!(versions(&log, "json").first().copied(), from.or(Some(0)));
        all_readable(&log, from.unwrap_or(0));
    }
}

/// What the later versions would be read by has to be whole before anything goes.
#[test]
fn a_checkpoint_that_is_not_whole_does_not_count() {
    type Harm = fn(&Log);
    let harms: [(&str, Harm, Option<u64>); 7] = [
        ("none", |_| {}, Some(4)),
        ("empty", |log| fs::write(log.path(&file(4, "checkpoint.parquet")), "").unwrap(), Some(2)),
        (
            "damaged",
            |log| fs::write(log.path(&file(4, "checkpoint.parquet")), "PAR1 no PAR1").unwrap(),
            Some(2),
        ),
        ("a part of two", |log| as_part(log, 4, 2), Some(2)),
        ("one part of one", |log| as_part(log, 4, 1), Some(4)),
        ("its commit is gone", |log| fs::remove_file(log.path(&commit_name(4))).unwrap(), None),
        (
            "none at all",
            |log| {
                [2, 4].iter().for_each(|version| {
                    fs::remove_file(log.path(&file(*version, "checkpoint.parquet"))).unwrap()
                });
            },
            None,
        ),
    ];
    for (name, harm, from) in harms {
        let log = plain(&[2, 4, 8]);
        harm(&log);
        let before = log.names().len();
        let done = cleaned(&log, Clean::Delete);
        assert_eq!(done.from, from, "{name}");
        match from {
            // Those right behind it nobody can read, with the older versions or without.
            Some(2) if name == "damaged" => all_readable_of(&log, [2, 3, 8, 9, 10, 11]),
            Some(from) => all_readable(&log, from),
            None => assert_eq!(log.names().len(), before, "{name}"),
        }
    }
}

fn as_part(log: &Log, version: u64, of: u32) {
    let part = file(version, &format!("checkpoint.{:010}.{of:010}.parquet", 1));
    fs::rename(log.path(&file(version, "checkpoint.parquet")), log.path(&part)).unwrap();
}

fn with_sidecars() -> Log {
    let protocol = json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["v2Checkpoint"],
        "writerFeatures": ["v2Checkpoint"]});
    let mut log = Log::new(protocol, json!({}));
    log.grow(11);
    for version in [2, 4, 8] {
        // Without what the last one says, a sidecar is made.
        let _ = fs::remove_file(log.path("_delta_log/_last_checkpoint"));
        checkpoint_at(&log, version);
    }
    aged(&log, &[60, 59, 58, 57, 56, 55, 54]);
    log
}

fn sidecars(log: &Log) -> Vec<String> {
    names(&log.path("_delta_log/_sidecars"))
}

fn of_version(log: &Log, version: u64) -> String {
    let all = log.actions(&[file(version, "checkpoint.parquet")]);
    let mut paths = all.iter().filter_map(|action| action["sidecar"]["path"].as_str());
    paths.next().unwrap().to_owned()
}

#[test]
fn sidecars_go_when_no_checkpoint_names_them_and_they_are_old() {
    let log = with_sidecars();
    let unfinished = ["young.parquet", "old.parquet", "older.txt"];
    unfinished
        .iter()
        .for_each(|name| fs::write(log.path(&format!("_delta_log/_sidecars/{name}")), "x").unwrap());
    for name in sidecars(&log).iter().filter(|name| *name != "young.parquet") {
        log.age(&format!("_delta_log/_sidecars/{name}"), 3 * DAY);
    }
    let kept = [4, 8].map(|version| of_version(&log, version));
    let dry = cleaned(&log, Clean::DryRun);
    assert_eq!(sidecars(&log).len(), 6);
    let done = cleaned(&log, Clean::Delete);
    assert_eq!((done.from, done.sidecars, done.checkpoints), (Some(4), 3, 1));
    // Before the checkpoint is gone that names it, it is not to go.
    assert_eq!((dry.from, dry.sidecars), (Some(4), 3));
    let left: BTreeSet<_> = sidecars(&log).into_iter().collect();
    assert_eq!(left, kept.into_iter().chain(["young.parquet".to_owned()]).collect());
    all_readable(&log, 4);
}

/// Even where nothing else goes.
#[test]
fn what_killed_processes_left_goes_after_a_day() {
    let log = Log::simple();
    let id = of_tests().uuid();
    let all = [
        format!("{id}.part"),
        format!("{:020}.{id}", 7),
        format!("{id}.other"),
        "conditional-put".to_owned(),
        format!("{}.part", of_tests().uuid()),
    ];
    fs::create_dir(log.path(".sluice")).unwrap();
    for (n, name) in all.iter().enumerate() {
        let name = format!(".sluice/{name}");
        fs::write(log.path(&name), "half").unwrap();
        log.age(&name, if n < 4 { 3 * DAY } else { 60 });
    }
    assert_eq!((cleaned(&log, Clean::DryRun).unfinished, names(&log.path(".sluice")).len()), (2, 5));
    let done = cleaned(&log, Clean::Delete);
    assert_eq!((done.from, done.unfinished, done.bytes, done.names.len()), (None, 2, 8, 2));
    let left: BTreeSet<_> = names(&log.path(".sluice")).into_iter().collect();
    assert_eq!(left, all[2..].iter().cloned().collect());
}

#[test]
fn a_checkpoint_without_one_of_its_sidecars_does_not_count() {
    let log = with_sidecars();
    fs::remove_file(log.path(&format!("_delta_log/_sidecars/{}", of_version(&log, 4)))).unwrap();
    let done = cleaned(&log, Clean::Delete);
    assert_eq!((done.from, versions(&log, "json").first()), (Some(2), Some(&2)));
}

/// protocol_rfcs/checkpoint-protection.md: all before that version in one go, or nothing.
#[test]
fn protected_checkpoints_stay_until_all_of_them_can_go() {
    for (before, from) in [(5, None), (4, Some(4)), (3, Some(4))] {
        let protocol =
            json!({"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["checkpointProtection"]});
        let properties = json!({"delta.requireCheckpointProtectionBeforeVersion": before.to_string()});
        let log = old_log(protocol, properties, &[2, 4, 8]);
        let done = cleaned(&log, Clean::Delete);
        assert_eq!(done.from, from, "{before}");
        assert_eq!(versions(&log, "json").first().copied(), from.or(Some(0)));
        assert_eq!(versions(&log, "checkpoint.parquet").len(), if from.is_some() { 2 } else { 3 });
    }
}

/// Whenever it ends, what is left is a log, and the next one does the rest.
#[test]
fn an_end_in_between_leaves_a_log() {
    for steps in 0..6 {
        let log = plain(&[2, 4, 8]);
        let ends = Ends(AtomicI64::new(steps));
        clean_log(&log.maintained, &log.newest(), Clean::Delete, &ends).unwrap();
        let commits = versions(&log, "json");
        assert!(commits.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{commits:?}");
        assert!(commits.last() == Some(&11) && commits[0] <= 4, "{commits:?}");
        all_readable(&log, 4);
        cleaned(&log, Clean::Delete);
        assert_eq!(
            (versions(&log, "json")[0], versions(&log, "checkpoint.parquet"), versions(&log, "crc")),
            (4, vec![4, 8], vec![4, 8])
        );
    }
}

/// To one who lives in next year, everything is old.
#[test]
fn a_clock_that_is_fast_makes_nothing_old() {
    let mut log = Log::simple();
    log.grow(9);
    checkpoint_at(&log, 6);
    let world = Arc::new(Shifted { world: of_tests(), by: (400 * DAY * 1000) as i64, midnight: false });
    let maintained = Maintained::new(log.maintained.store.clone(), world);
    let done = clean_log(&maintained, &log.newest(), Clean::Delete, &Quiet).unwrap();
    assert_eq!((done.from, log.names().len()), (None, 12), "{done:?}");
}

#[derive(Debug)]
struct Shifted {
    world: Arc<dyn World>,
    by: i64,
    /// It is always a moment after midnight.
    midnight: bool,
}

impl World for Shifted {
    fn now(&self) -> Instant {
        self.world.now()
    }

    fn epoch_millis(&self) -> i64 {
        let now = self.world.epoch_millis() + self.by;
        if self.midnight { now - now.rem_euclid(86_400_000) + 1 } else { now }
    }

    fn random(&self) -> u128 {
        self.world.random()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.world.sleep(time)
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.world.spawn(future);
    }

    fn run(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        self.world.run(work)
    }

    fn drive(&self, future: Driven<'_>) {
        self.world.drive(future);
    }
}
