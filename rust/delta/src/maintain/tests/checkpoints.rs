use std::fs;
use std::sync::Barrier;

use serde_json::{Value, json};
use sluice_core::{Code, Error};

use super::super::checkpoint::{Checkpointed, checkpoint, due};
use super::super::{Maintained, Quiet};
use super::*;
use crate::tip::tip_of;

fn made(log: &Log) -> Checkpointed {
    checkpoint(&log.maintained, &log.newest(), &Quiet).unwrap()
}

fn file(version: u64) -> String {
    format!("_delta_log/{version:020}.checkpoint.parquet")
}

fn sidecars(log: &Log) -> Vec<String> {
    let names = names(&log.path("_delta_log/_sidecars"));
    names.into_iter().map(|name| format!("_delta_log/_sidecars/{name}")).collect()
}

/// Everything that a log can say, in its latest form and in some that are over.
fn eventful(protocol: Value, properties: Value) -> Log {
    let mut log = Log::new(protocol, properties.clone());
    log.commit(&[info(1), add("a.parquet"), add("b.parquet"), txn("sluice/k/t/0", 5), txn("job", 41)]);
    log.commit(&[domain("d.kept", "{\"x\":1}", false), domain("d.gone", "{}", false)]);
    log.commit(&[remove("a.parquet", 3600), vector(add("b.parquet"), "vec1"), remove("b.parquet", 3600)]);
    let mut partition = add("p=__HIVE/c%20d.parquet");
    partition["add"]["partitionValues"] = json!({"p": null});
    partition["add"]["tags"] = json!({"k": "v"});
    partition["add"]["baseRowId"] = json!(17);
    partition["add"]["defaultRowCommitVersion"] = json!(4);
    partition["add"]["clusteringProvider"] = json!("liquid");
    log.commit(&[partition, domain("d.gone", "{}", true), domain("d.kept", "{\"x\":2}", false)]);
    // A reset of an offset, an action that VACUUM needs no more, and one that has no time.
    log.commit(&[
        txn("sluice/k/t/1", 9),
        txn("sluice/k/t/0", 8),
        add("old.parquet"),
        add("timeless.parquet"),
    ]);
    let mut timeless = remove("timeless.parquet", 0);
    timeless["remove"]["deletionTimestamp"] = Value::Null;
    log.commit(&[txn("sluice/k/t/1", -1), remove("old.parquet", 8 * DAY), timeless]);
    log.commit(&[remove_vector("b.parquet", "vec1"), vector(add("b.parquet"), "vec2")]);
    log
}

fn remove_vector(path: &str, id: &str) -> Value {
    vector(remove(path, 3600), id)
}

/// The state without what has expired by the week that Delta keeps tombstones for by default.
fn kept(log: &Log) -> State {
    let mut state = log.state(log.commits.len() as u64 - 1);
    state.removes.retain(|(path, _), _| path != "old.parquet" && path != "timeless.parquet");
    state
}

fn protocols() -> Vec<(Value, Value, bool)> {
    let features = |names: &[&str], readers: &[&str]| json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": readers, "writerFeatures": names});
    vec![
        (json!({"minReaderVersion": 1, "minWriterVersion": 2}), json!({}), false),
        // The kernel would refuse to write to these.
        (
            json!({"minReaderVersion": 2, "minWriterVersion": 6}),
            json!({"delta.columnMapping.mode": "name"}),
            false,
        ),
        (
            features(
                &["checkConstraints", "checkpointProtection", "domainMetadata", "deletionVectors"],
                &["deletionVectors"],
            ),
            json!({"delta.constraints.c": "v > 0", "delta.enableDeletionVectors": "true"}),
            false,
        ),
        (
            features(&["v2Checkpoint", "deletionVectors"], &["v2Checkpoint", "deletionVectors"]),
            json!({}),
            true,
        ),
    ]
}

/// I2, I4: no offset, no domain, no file is lost, and the protocol is the table's own.
#[test]
fn a_checkpoint_has_the_whole_state() {
    for (protocol, properties, is_v2) in protocols() {
        let log = eventful(protocol.clone(), properties);
        let version = log.commits.len() as u64 - 1;
        let done = made(&log);
        assert!(done.written && done.version == version, "{done:?}");
        let (main, sidecars) = (file(version), sidecars(&log));
        // Nobody knows how many files there are: there may be many.
        assert_eq!(sidecars.len(), usize::from(is_v2), "{protocol}");
        assert_eq!(done.files, 2 + sidecars.len() as u64);
        let actions = log.actions(&[std::slice::from_ref(&main), &sidecars[..]].concat());
        assert_eq!(State::of(&actions), kept(&log), "{protocol}");
        let kinds = |kind: &str| actions.iter().filter(|action| action.get(kind).is_some()).count();
        assert_eq!(
            (kinds("commitInfo"), kinds("checkpointMetadata"), kinds("sidecar")),
            (0, sidecars.len(), sidecars.len())
        );
        let last = log.last_checkpoint().unwrap();
        assert_eq!(
            (last["version"].as_u64(), last["size"].as_u64()),
            (Some(version), Some(actions.len() as u64))
        );
        // Read by others, when the commits are gone.
        (0..version).for_each(|version| fs::remove_file(log.path(&commit_name(version))).unwrap());
        assert_eq!(log.read(version), kept(&log));
        assert_eq!(log.newest().log_segment().checkpoint_version, Some(version));
        assert!(!names(&log.path(".sluice")).iter().any(|name| name.ends_with(".part")));
    }
}

/// And on the next ones: what came from a checkpoint goes into the next.
#[test]
fn checkpoints_follow_on_each_other() {
    for (protocol, properties, is_v2) in protocols() {
        let mut log = eventful(protocol, properties);
        made(&log);
        log.grow(3);
        log.commit(&[remove("9.parquet", 1), txn("job", 42)]);
        let before = sidecars(&log);
        let done = made(&log);
        assert!(done.written);
        // There are few files, as the last checkpoint says.
        assert_eq!((sidecars(&log), done.files), (before.clone(), 2));
        let version = done.version;
        (0..version).for_each(|version| fs::remove_file(log.path(&commit_name(version))).unwrap());
        assert_eq!(log.read(version), kept(&log), "{is_v2}");
        assert_eq!(State::of(&log.actions(&[file(version)])), kept(&log));
    }
}

#[test]
fn statistics_are_written_as_the_table_wants_them() {
    let stats = |as_json: bool, as_struct: bool| {
        let mut log = Log::new(
            json!({"minReaderVersion": 1, "minWriterVersion": 2}),
            json!({"delta.checkpoint.writeStatsAsJson": as_json.to_string(),
                "delta.checkpoint.writeStatsAsStruct": as_struct.to_string()}),
        );
        log.commit(&[add("a.parquet")]);
        made(&log);
        let actions = log.actions(&[file(1)]);
        let add = actions.iter().find_map(|action| action.get("add")).unwrap().clone();
        (add["stats"].is_string(), add["stats_parsed"].clone(), add["partitionValues_parsed"].clone())
    };
    assert_eq!(stats(true, false), (true, Value::Null, Value::Null));
    let parsed =
        json!({"numRecords": 3, "nullCount": {"v": 0}, "minValues": {"v": 1}, "maxValues": {"v": 9}});
    assert_eq!(stats(false, true), (false, parsed.clone(), json!({"p": 1})));
    assert_eq!(stats(true, true), (true, parsed, json!({"p": 1})));
    assert_eq!(stats(false, false), (false, Value::Null, Value::Null));
}

/// The kernel understands the first of these only; of others it would forget removed files after a week.
#[test]
fn removed_files_are_kept_as_long_as_the_table_says() {
    for (retention, kept) in [
        ("interval 40 days", true),
        ("interval 39 days 24 hours", true),
        ("INTERVAL 40 DAYS", true),
        ("interval 9 days 2 hours", false),
    ] {
        let properties = json!({"delta.deletedFileRetentionDuration": retention, "user": "x"});
        let mut log = Log::new(json!({"minReaderVersion": 1, "minWriterVersion": 2}), properties);
        log.commit(&[add("a.parquet")]);
        log.commit(&[remove("a.parquet", 10 * DAY)]);
        made(&log);
        let state = State::of(&log.actions(&[file(2)]));
        assert_eq!(state.removes.len() == 1, kept, "{retention}");
        assert_eq!(state.metadata["configuration"]["delta.deletedFileRetentionDuration"], retention);
        assert_eq!(state.metadata, log.state(2).metadata);
    }
    let properties = json!({"delta.deletedFileRetentionDuration": "interval 1 month"});
    let log = Log::new(json!({"minReaderVersion": 1, "minWriterVersion": 2}), properties);
    let error = checkpoint(&log.maintained, &log.newest(), &Quiet).unwrap_err();
    assert_eq!(error.code, Code::TableUnsupported, "{error}");
}

/// As Sluice takes a table at its word that it forgets offsets, so do its checkpoints; one without a time stays.
#[test]
fn offsets_are_forgotten_only_where_the_table_says_so() {
    for (properties, left) in [
        (json!({}), vec!["new", "old", "timeless"]),
        (json!({"delta.setTransactionRetentionDuration": "interval 30 days"}), vec!["new", "timeless"]),
    ] {
        let mut log = Log::new(json!({"minReaderVersion": 1, "minWriterVersion": 2}), properties);
        let since = |seconds: u64| json!(ago(seconds));
        let of = |app_id: &str, updated: Value| json!({"txn": {"appId": app_id, "version": 1, "lastUpdated": updated}});
        log.commit(&[of("old", since(31 * DAY)), of("new", since(29 * DAY)), of("timeless", Value::Null)]);
        made(&log);
        let state = State::of(&log.actions(&[file(1)]));
        assert_eq!(state.txns.keys().collect::<Vec<_>>(), left);
    }
}

/// A reader that is sent to a checkpoint that is not there cannot read the table.
#[test]
fn it_is_named_only_when_it_is_there() {
    for (protocol, properties, is_v2) in protocols() {
        let log = eventful(protocol, properties);
        let version = log.commits.len() as u64 - 1;
        let noted = Noted::default();
        let orders = noted.clone();
        let noting = log.through(move |step, name| {
            if step == Step::Finished {
                orders.note(name);
            }
            Ok(())
        });
        checkpoint(&noting, &noting.newest().unwrap(), &Quiet).unwrap();
        let order = noted.take();
        let [sidecars @ .., main, last] = &order[..] else { panic!("{order:?}") };
        assert_eq!((main, last.as_str()), (&file(version), "_delta_log/_last_checkpoint"));
        assert!(
            sidecars.len() == usize::from(is_v2) && sidecars.iter().all(|name| name.contains("_sidecars/"))
        );
    }
}

fn away() -> Error {
    Error::new(Code::StoreIo, "the store is away")
}

/// It dies at each step, and another one takes over.
#[test]
fn whatever_it_dies_at_readers_go_on_and_the_next_one_makes_it() {
    for (protocol, properties, is_v2) in protocols() {
        let files = if is_v2 { 3 } else { 2 };
        for at in 0..files * 3 {
            let log = eventful(protocol.clone(), properties.clone());
            let version = log.commits.len() as u64 - 1;
            let steps = Mutex::new(0);
            let dying = log.through(move |_, _| {
                let mut steps = steps.lock().unwrap();
                *steps += 1;
                if *steps > at { Err(away()) } else { Ok(()) }
            });
            let error = checkpoint(&dying, &dying.newest().unwrap(), &Quiet).unwrap_err();
            assert_eq!(
                (error.code, error.message.as_str()),
                (Code::StoreIo, "the store is away"),
                "step {at}"
            );
            let hinted = log.last_checkpoint().is_some();
            assert!(!hinted || log.path(&file(version)).exists(), "step {at}");
            assert_eq!(hinted, at == files * 3 - 1, "step {at}");
            assert_eq!(log.read(version).without_tombstones(), log.state(version).without_tombstones());
            assert_eq!(log.newest().version(), version);
            let whole = log.path(&file(version)).exists();
            assert_eq!(made(&log).written, !whole, "step {at}");
            assert_eq!(log.read(version), kept(&log), "step {at}");
        }
    }
}

/// Another one is being written when this one is finished: both go on, and what is there is whole.
#[test]
fn two_at_once_leave_one_that_can_be_read() {
    for (protocol, properties, _) in protocols() {
        let log = eventful(protocol, properties);
        let version = log.commits.len() as u64 - 1;
        let both = Arc::new(Barrier::new(2));
        let meeting = |log: &Log| {
            let both = both.clone();
            log.through(move |step, name| {
                if step == Step::Finish && name.ends_with(".checkpoint.parquet") {
                    both.wait();
                }
                Ok(())
            })
        };
        let run = |maintained: Maintained| {
            move || checkpoint(&maintained, &maintained.newest().unwrap(), &Quiet).unwrap()
        };
        let (one, other) = std::thread::scope(|scope| {
            let one = scope.spawn(run(meeting(&log)));
            let other = scope.spawn(run(meeting(&log)));
            (one.join().unwrap(), other.join().unwrap())
        });
        assert!(one.written && other.written);
        assert_eq!(log.last_checkpoint().unwrap()["version"], version);
        (0..version).for_each(|version| fs::remove_file(log.path(&commit_name(version))).unwrap());
        assert_eq!(log.read(version), kept(&log));
    }
}

#[test]
fn one_that_is_there_stays_as_it_is() {
    let log = eventful(json!({"minReaderVersion": 1, "minWriterVersion": 2}), json!({}));
    let version = log.commits.len() as u64 - 1;
    let early = log.newest();
    assert!(made(&log).written);
    let there = fs::read(log.path(&file(version))).unwrap();
    fs::remove_file(log.path("_delta_log/_last_checkpoint")).unwrap();
    for snapshot in [early, log.newest()] {
        let done = checkpoint(&log.maintained, &snapshot, &Quiet).unwrap();
        assert!(!done.written, "{done:?}");
        assert_eq!(fs::read(log.path(&file(version))).unwrap(), there);
        assert_eq!(log.last_checkpoint(), None);
    }
}

/// Its checkpoint would be taken for the new table's.
#[test]
fn a_table_that_was_made_anew_meanwhile_gets_nothing() {
    let mut log = Log::simple();
    log.grow(3);
    let root = log.folder.path().to_owned();
    let replacing = log.through(move |step, _| {
        if step == Step::Begin {
            let commit = root.join(commit_name(3));
            fs::remove_file(&commit).unwrap();
            fs::write(commit, "{\"commitInfo\":{}}\n").unwrap();
        }
        Ok(())
    });
    let error = checkpoint(&replacing, &replacing.newest().unwrap(), &Quiet).unwrap_err();
    assert_eq!(error.code, Code::TableReplaced, "{error}");
    assert!(
        log.names().iter().all(|name| name.ends_with("000.json") || name.len() == 25),
        "{:?}",
        log.names()
    );
    assert_eq!(names(&log.path(".sluice")), [""; 0]);
}

#[test]
fn it_is_due_when_so_many_commits_came_since_the_last_one() {
    for (properties, interval) in [(json!({}), 10), (json!({"delta.checkpointInterval": "3"}), 3)] {
        let mut log = Log::new(json!({"minReaderVersion": 1, "minWriterVersion": 2}), properties);
        let mut made_at = vec![];
        for _ in 0..3 * interval {
            if due(&log.newest()) {
                made_at.push(made(&log).version);
            }
            log.grow(1);
        }
        assert_eq!(made_at, [interval, 2 * interval]);
    }
}

/// It would lose everything but the last commit.
#[test]
fn what_is_not_the_whole_state_is_refused() {
    let mut log = Log::simple();
    log.grow(4);
    let tip = tip_of(&log.newest()).unwrap();
    let error = checkpoint(&log.maintained, &tip, &Quiet).unwrap_err();
    assert_eq!(error.code, Code::TableCorrupt, "{error}");
    assert_eq!(log.names().len(), 5);
}

#[test]
fn tables_with_features_that_nobody_knows_are_left_alone() {
    let protocol = json!({"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["somethingNew"]});
    let log = Log::new(protocol, json!({}));
    let error = checkpoint(&log.maintained, &log.newest(), &Quiet).unwrap_err();
    assert_eq!(error.code, Code::TableUnsupported);
    assert!(
        error.message.ends_with("it has the table feature somethingNew, which Sluice does not know"),
        "{error}"
    );
    assert_eq!(log.names().len(), 1);
}

/// What is encoded and not written yet does not grow with the checkpoint, nor is it one group of rows for a reader.
#[test]
fn a_large_checkpoint_is_written_in_groups() {
    let mut log = Log::simple();
    let add = |n: usize| {
        let noise: String = (0..4).map(|_| of_tests().uuid().simple().to_string()).collect();
        let mut add = add(&format!("{n}.parquet"));
        add["add"]["stats"] =
            json!(json!({"numRecords": 1, "minValues": {"v": 1}, "noise": noise.repeat(4)}).to_string());
        add["add"]["path"] = json!(format!("{noise}{noise}-{n}.parquet"));
        add
    };
    let actions: Vec<_> = (0..40_000).map(add).collect();
    log.commit(&actions);
    let done = made(&log);
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(fs::File::open(log.path(&file(1))).unwrap()).unwrap();
    let groups = reader.metadata().row_groups();
    assert!(groups.len() > 1, "{} groups in {} bytes", groups.len(), done.bytes);
    let largest = groups.iter().map(|group| group.compressed_size()).max().unwrap();
    assert!(largest < 12 << 20, "{largest}");
    assert_eq!(log.read(1).adds.len(), 40_000);
}
