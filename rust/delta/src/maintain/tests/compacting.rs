use std::fs;
use std::num::NonZeroU64;

use delta_kernel::path::ParsedLogPath;
use delta_kernel::{Engine, FileMeta};
use serde_json::{Value, json};
use sluice_core::Code;

use super::super::Quiet;
use super::super::checkpoint::checkpoint;
use super::super::compact_log::{CompactedLog, compact_log};
use super::*;
use crate::audit::{Kind as Found, audit};
use crate::table::{Spec, TableState};

fn compacted(log: &Log, commits: u64) -> CompactedLog {
    compact_log(&log.maintained, &log.newest(), NonZeroU64::new(commits).unwrap(), &Quiet).unwrap()
}

fn files(log: &Log) -> Vec<(u64, u64)> {
    let names = log.names().into_iter().filter(|name| name.ends_with(".compacted.json"));
    names.map(|name| (name[..20].parse().unwrap(), name[21..41].parse().unwrap())).collect()
}

fn lines_of(log: &Log, (from, to): (u64, u64)) -> Vec<Value> {
    let text =
        fs::read_to_string(log.path(&format!("_delta_log/{from:020}.{to:020}.compacted.json"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What somebody sees who reads the files in place of their commits.
fn replayed(log: &Log) -> State {
    let (files, mut state, mut version) = (files(log), State::default(), 0);
    while version < log.commits.len() as u64 {
        match files.iter().find(|(from, _)| *from == version) {
            Some(file) => {
                lines_of(log, *file).iter().for_each(|action| state.add(action));
                version = file.1 + 1;
            }
            None => {
                log.commits[version as usize].iter().for_each(|action| state.add(action));
                version += 1;
            }
        }
    }
    state
}

/// The same, by the kernel's replay, which can do it and is not let.
fn replayed_by_the_kernel(log: &Log) -> State {
    let snapshot = log.newest();
    let mut listed = snapshot.log_segment().listed.clone();
    let root = snapshot.log_segment().log_root.clone();
    for (from, to) in files(log) {
        let url = root.join(&format!("{from:020}.{to:020}.compacted.json")).unwrap();
        let meta: FileMeta = log.maintained.engine.storage_handler().head(&url).unwrap();
        listed.ascending_compaction_files.push(ParsedLogPath::try_from(meta).unwrap().unwrap());
    }
    let segment = LogSegment::try_new(listed, root, None, None).unwrap();
    // That the commits in them are not read at all.
    let emptied = |commits: &[Vec<Value>]| {
        for (from, to) in files(log) {
            for version in from..=to {
                fs::write(log.path(&commit_name(version)), text(&commits[version as usize])).unwrap();
            }
        }
    };
    emptied(&vec![vec![info(0)]; log.commits.len()]);
    let state = log.replay(&segment);
    emptied(&log.commits);
    state
}

/// Long enough ago that a checkpoint does not have it: here it has to stay.
fn eventful() -> Log {
    let protocol = json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"],
        "writerFeatures": ["deletionVectors", "domainMetadata"]});
    let mut log = Log::new(protocol, json!({"delta.setTransactionRetentionDuration": "interval 1 day"}));
    let txn =
        |app_id: &str, version: i64| json!({"txn": {"appId": app_id, "version": version, "lastUpdated": 1}});
    log.commit(&[
        info(1),
        add("a.parquet"),
        add("b.parquet"),
        add("x%20y.parquet"),
        txn("s", 5),
        txn("t", 1),
    ]);
    log.commit(&[info(2), domain("d", "{\"x\":1}", false), domain("e", "{}", false), add("c.parquet")]);
    // From here on in one file.
    log.commit(&[info(3), remove("a.parquet", 400 * DAY), txn("s", 6), domain("d", "{}", true)]);
    log.commit(&[
        info(4),
        remove("b.parquet", 9),
        vector(add("b.parquet"), "v1"),
        metadata(json!({"user": "first"})),
    ]);
    log.commit(&[info(5), vector(remove("b.parquet", 9), "v1"), vector(add("b.parquet"), "v2"), txn("s", 7)]);
    log.commit(&[info(6), add("d.parquet"), domain("f", "{}", false), metadata(json!({"user": "last"}))]);
    log.commit(&[
        info(7),
        remove("c.parquet", 9),
        remove("d.parquet", 9),
        add("e.parquet"),
        txn("s", -1),
        txn("u", 3),
    ]);
    log
}

#[test]
fn what_is_compacted_comes_to_the_same() {
    for commits in 2..=8 {
        let log = eventful();
        let newest = log.commits.len() as u64 - 1;
        let done = compacted(&log, commits);
        let expected = log.commits.len() as u64 / commits;
        assert_eq!((done.files, done.commits), (expected, expected * commits));
        assert_eq!(files(&log).len() as u64, expected);
        assert_eq!(replayed(&log), log.state(newest), "{commits}");
        assert_eq!(replayed_by_the_kernel(&log), log.state(newest), "{commits}");
        assert_eq!(log.read(newest), log.state(newest));
    }
}

/// The file was added before the first of the commits: without the tombstone it would be there again.
#[test]
fn what_says_that_something_is_gone_stays_however_old_it_is() {
    let mut log = eventful();
    checkpoint(&log.maintained, &log.maintained.at(2).unwrap(), &Quiet).unwrap();
    log.grow(1);
    log.commits[8][1]["add"]["ofTomorrow"] = json!({"kept": [1]});
    fs::write(log.path(&commit_name(8)), text(&log.commits[8])).unwrap();
    assert_eq!(compacted(&log, 6).files, 1);
    let actions = lines_of(&log, (3, 8));
    let state = State::of(&actions);
    let removed: Vec<_> = state.removes.keys().map(|(path, _)| path.as_str()).collect();
    assert_eq!(removed, ["a.parquet", "b.parquet", "b.parquet", "c.parquet", "d.parquet"]);
    let of = |kind: &str| actions.iter().filter_map(|action| action.get(kind)).cloned().collect::<Vec<_>>();
    assert_eq!(of("domainMetadata").len(), 2);
    assert!(
        of("domainMetadata").iter().any(|domain| domain["domain"] == "d" && domain["removed"] == json!(true))
    );
    let offsets: Vec<_> =
        of("txn").iter().map(|txn| (txn["appId"].clone(), txn["version"].clone())).collect();
    assert_eq!(offsets, [(json!("s"), json!(-1)), (json!("u"), json!(3)), (json!("sluice/k/t/0"), json!(8))]);
    assert_eq!((of("metaData").len(), of("commitInfo").len()), (1, 0));
    // As it was written, with what only a later version of the protocol knows.
    assert!(of("add").iter().any(|add| add["ofTomorrow"] == json!({"kept": [1]})));
    let newest = log.commits.len() as u64 - 1;
    assert_eq!(replayed(&log), log.state(newest));
}

/// A path in two spellings is one file.
#[test]
fn the_last_word_on_a_file_counts_however_it_is_spelled() {
    let mut log = Log::simple();
    log.commit(&[add("p=a%20b/f%2B.parquet")]);
    log.commit(&[remove("p%3Da%20b/f+.parquet", 1)]);
    log.commit(&[add("other%2520.parquet"), add("other%20.parquet")]);
    compacted(&log, 4);
    let state = State::of(&lines_of(&log, (0, 3)));
    let added: Vec<_> = state.adds.keys().map(|(path, _)| path.as_str()).collect();
    assert_eq!(added, ["other%20.parquet", "other%2520.parquet"]);
    assert_eq!(state.removes.len(), 1);
}

/// Behind the last checkpoint, one behind the other, and each commit once.
#[test]
fn they_do_not_overlap() {
    let mut log = Log::simple();
    log.grow(7);
    assert_eq!(compacted(&log, 3).files, 2);
    assert_eq!(files(&log), [(0, 2), (3, 5)]);
    assert_eq!(compacted(&log, 3), CompactedLog::default());
    log.grow(1);
    assert_eq!(compacted(&log, 3).files, 1);
    log.grow(4);
    checkpoint(&log.maintained, &log.maintained.at(10).unwrap(), &Quiet).unwrap();
    assert_eq!(compacted(&log, 3), CompactedLog::default());
    log.grow(4);
    assert_eq!(compacted(&log, 2).files, 3);
    assert_eq!(files(&log), [(0, 2), (3, 5), (6, 8), (11, 12), (13, 14), (15, 16)]);
    // Somebody else's, of another length.
    log.grow(5);
    fs::copy(
        log.path(&commit_name(17)),
        log.path(&format!("_delta_log/{:020}.{:020}.compacted.json", 17, 18)),
    )
    .unwrap();
    assert_eq!(compacted(&log, 3).files, 1);
    assert_eq!(files(&log).last(), Some(&(19, 21)));
}

#[test]
fn what_is_not_known_is_not_compacted() {
    for (line, why) in [
        (json!({"tomorrow": {}}).to_string(), "it has an action that Sluice does not know"),
        (json!({"txn": {"appId": "a", "version": 1}, "add": {}}).to_string(), "a line has 2 actions"),
        ("{\"add\"".to_owned(), "EOF"),
    ] {
        let mut log = Log::simple();
        log.grow(2);
        let newest = log.newest();
        fs::write(log.path(&commit_name(2)), line).unwrap();
        let error = compact_log(&log.maintained, &newest, NonZeroU64::new(3).unwrap(), &Quiet).unwrap_err();
        assert_eq!(error.code, Code::TableCorrupt);
        assert!(
            error.message.contains("00000000000000000002.json cannot be compacted")
                && error.message.contains(why),
            "{error}"
        );
        assert_eq!(files(&log), []);
        assert_eq!(names(&log.path(".sluice")), [""; 0]);
    }
}

/// They are for others, and in nobody's way: who commits, who audits.
#[test]
fn sluice_itself_goes_on_beside_them() {
    let mut log = Log::simple();
    log.grow(5);
    let mut state = TableState::new(log.maintained.store.clone(), of_tests());
    state.load(&Spec::default(), vec![]).unwrap();
    log.grow(4);
    compacted(&log, 3);
    assert_eq!(files(&log), [(0, 2), (3, 5), (6, 8)]);
    state.advance("").unwrap();
    assert_eq!(state.held("sluice/k/t/0").unwrap(), Some(9));
    let mut fresh = TableState::new(log.maintained.store.clone(), of_tests());
    fresh.load(&Spec::default(), vec![]).unwrap();
    assert_eq!(fresh.held("sluice/k/t/0").unwrap(), Some(9));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let found = audit(&*log.maintained.store, runtime.handle()).unwrap();
    assert!(found.findings.iter().all(|finding| finding.kind != Found::End), "{:?}", found.findings);
    let inspection = crate::inspect::inspect(&*log.maintained.store, runtime.handle(), 3).unwrap();
    assert_eq!((inspection.version, inspection.files.count), (9, 9));
}
