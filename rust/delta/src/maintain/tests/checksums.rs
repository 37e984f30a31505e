use std::fs;

use serde_json::{Value, json};

use super::super::Quiet;
use super::super::checkpoint::checkpoint;
use super::super::checksum::checksum;
use super::*;

fn of(log: &Log, version: u64) -> Value {
    let text = fs::read(log.path(&format!("_delta_log/{version:020}.crc"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn with_domains() -> Value {
    json!({"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["domainMetadata", "inCommitTimestamp"]})
}

/// PROTOCOL.md, "Version Checksum File Schema": counted here once more.
#[test]
fn it_says_what_the_version_comes_to() {
    for timed in [false, true] {
        let mut log = Log::new(with_domains(), json!({"delta.enableInCommitTimestamps": timed.to_string()}));
        let timed_info =
            |time: i64| json!({"commitInfo": {"inCommitTimestamp": time, "operation": "MANUAL"}});
        log.commit(&[
            timed_info(100),
            add("a.parquet"),
            add("longer.parquet"),
            txn("sluice/k/t/0", 5),
            txn("job", 1),
        ]);
        log.commit(&[
            timed_info(200),
            remove("a.parquet", 1),
            domain("kept", "{}", false),
            domain("gone", "{}", false),
        ]);
        log.commit(&[
            timed_info(300),
            txn("sluice/k/t/0", -1),
            domain("gone", "{}", true),
            vector(add("b.parquet"), "v"),
        ]);
        checkpoint(&log.maintained, &log.newest(), &Quiet).unwrap();
        let done = checksum(&log.maintained, 3).unwrap();
        assert!(done.written && done.version == 3 && done.bytes > 0, "{done:?}");
        let (found, state) = (of(&log, 3), log.state(3));
        let sizes: Vec<u64> = state.adds.values().map(|add| add["size"].as_u64().unwrap()).collect();
        let numbers = ["numFiles", "tableSizeBytes", "numMetadata", "numProtocol"]
            .map(|key| found[key].as_u64().unwrap());
        assert_eq!(numbers, [sizes.len() as u64, sizes.iter().sum(), 1, 1]);
        let entries = |key: &str, by: &str| {
            let all = found[key].as_array().unwrap().iter().map(without_nulls);
            all.map(|one| (one[by].as_str().unwrap().to_owned(), one)).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(entries("setTransactions", "appId"), state.txns);
        assert_eq!(entries("domainMetadata", "domain"), state.domains);
        assert_eq!(without_nulls(&found["protocol"]), state.protocol);
        assert_eq!(without_nulls(&found["metadata"]), state.metadata);
        assert_eq!(found.get("inCommitTimestampOpt").cloned(), timed.then(|| json!(300)));
        let histogram = &found["fileSizeHistogram"];
        let sum =
            |key: &str| histogram[key].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
        assert_eq!((sum("fileCounts"), sum("totalBytes")), (sizes.len() as u64, sizes.iter().sum()));
        // The kernel takes it for the truth, and has the state that the commits come to.
        (0..3).for_each(|version| fs::remove_file(log.path(&commit_name(version))).unwrap());
        let snapshot = log.newest();
        assert!(snapshot.crc_at_version().is_some());
        let offset = snapshot.get_app_id_version("sluice/k/t/0", &log.maintained.engine).unwrap();
        assert_eq!(offset, Some(-1));
    }
}

#[test]
fn one_that_is_there_stays() {
    let mut log = Log::simple();
    log.grow(2);
    checkpoint(&log.maintained, &log.newest(), &Quiet).unwrap();
    let name = format!("_delta_log/{:020}.crc", 2);
    fs::write(log.path(&name), "another's").unwrap();
    let done = checksum(&log.maintained, 2).unwrap();
    assert!(!done.written, "{done:?}");
    assert_eq!(fs::read(log.path(&name)).unwrap(), b"another's");
}
