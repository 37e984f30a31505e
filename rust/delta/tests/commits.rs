//! Committing to real tables: races, lost replies, other writers, damage. I1–I5 as in `docs/exactly-once.md`.
#![allow(clippy::disallowed_methods, reason = "in the real world")]
#![allow(clippy::unwrap_used)]

mod common;

use common::{Fault, Rig, WHATEVER_THE_TABLE_HAS, value};
use sluice_core::Code;

#[test]
fn rows_and_offsets_land_together() {
    let rig = Rig::new();
    let mut task = rig.task(&rig.process(), &[]);
    task.open(&[0, 1]).unwrap();
    task.put(0, 0..100).unwrap();
    task.put(1, 5..8).unwrap();
    task.until_committed(0, 100).unwrap();
    task.until_committed(1, 8).unwrap();
    let audit = rig.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    assert_eq!(audit.rows, 103);
    let expected: Vec<i64> = (0..100).chain((5..8).map(|offset| value(1, offset))).collect();
    assert_eq!(rig.values(), expected);
    let commit = rig.log().pop().unwrap();
    assert!(commit.contains(r#""operation":"STREAMING UPDATE""#), "{commit}");
    assert!(commit.contains(r#""isBlindAppend":true"#) && commit.contains(r#""lastUpdated""#), "{commit}");
    assert!(commit.contains(r#""engineInfo":"sluice/"#), "{commit}");
}

#[test]
fn a_restarted_task_goes_on_from_the_table() {
    let rig = Rig::new();
    let mut first = rig.task(&rig.process(), &[]);
    first.open(&[0]).unwrap();
    first.put(0, 0..10).unwrap();
    first.until_committed(0, 10).unwrap();
    first.put(0, 10..20).unwrap(); // dies with it
    drop(first);
    let mut second = rig.task(&rig.process(), &[]);
    second.open(&[0]).unwrap();
    assert_eq!(second.rewinds, [(0, 10)]);
    second.put(0, 10..15).unwrap();
    second.until_committed(0, 15).unwrap();
    assert_eq!(rig.values(), (0..15).collect::<Vec<_>>());
}

/// I5: tasks of several processes commit at once, and each process's tasks share commits.
#[test]
fn racing_processes_lose_nothing_and_share_commits() {
    let rig = Rig::new();
    const UNITS: i64 = 8;
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let rig = &rig;
            scope.spawn(move || {
                let process = rig.process();
                let mut tasks: Vec<_> = (0..3).map(|_| rig.task(&process, &[])).collect();
                for (n, task) in tasks.iter_mut().enumerate() {
                    task.open(&[worker * 3 + n as i32]).unwrap();
                }
                for unit in 0..UNITS {
                    for (n, task) in tasks.iter_mut().enumerate() {
                        task.put(worker * 3 + n as i32, unit * 10..unit * 10 + 10).unwrap();
                    }
                    // The tasks of a process are due together; each waits for its own unit.
                    for (n, task) in tasks.iter_mut().enumerate() {
                        task.until_committed(worker * 3 + n as i32, unit * 10 + 10).unwrap();
                    }
                }
            });
        }
    });
    let audit = rig.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    assert_eq!(audit.rows, 9 * UNITS * 10);
    let mut expected: Vec<i64> =
        (0..9).flat_map(|id| (0..UNITS * 10).map(move |offset| value(id, offset))).collect();
    expected.sort_unstable();
    assert_eq!(rig.values(), expected);
}

#[test]
fn units_of_one_process_meet_in_one_commit() {
    let rig = Rig::new();
    let process = rig.process();
    let mut tasks: Vec<_> =
        (0..4).map(|_| rig.task(&process, &[("delta.commit.interval.ms", "1000")])).collect();
    for (id, task) in tasks.iter_mut().enumerate() {
        task.open(&[id as i32]).unwrap();
        task.put(id as i32, 0..5).unwrap();
        task.task.drain(0, &[id as i32]).unwrap();
    }
    for (id, task) in tasks.iter_mut().enumerate() {
        task.until_committed(id as i32, 5).unwrap();
    }
    let commits = rig.audit().commits;
    assert!(commits < 4, "{commits} commits for 4 units that were ready together");
}

#[test]
fn a_commit_waits_for_units_whose_files_are_being_finished_but_not_long() {
    // The wait is a part of the interval: longer than the file takes, and shorter.
    for (interval, commits) in [("2000", 1), ("100", 2)] {
        let rig = Rig::new();
        let process = rig.process();
        let extra = [("delta.commit.interval.ms", interval)];
        let mut tasks: Vec<_> = (0..2).map(|_| rig.task(&process, &extra)).collect();
        for (id, task) in tasks.iter_mut().enumerate() {
            task.open(&[id as i32]).unwrap();
        }
        rig.faults.lock().unwrap().push_back(Fault::FinishesLate);
        for (id, task) in tasks.iter_mut().enumerate() {
            task.put(id as i32, 0..5).unwrap();
            task.task.drain(0, &[id as i32]).unwrap();
            // The first one's file is the late one.
            while !rig.faults.lock().unwrap().is_empty() {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
        for (id, task) in tasks.iter_mut().enumerate() {
            task.until_committed(id as i32, 5).unwrap();
        }
        assert_eq!(rig.audit().commits, commits, "interval {interval}");
    }
}

/// A claim's reply says nothing when it is lost: the log does (I1, I4).
#[test]
fn a_commit_with_a_lost_reply_is_neither_lost_nor_repeated() {
    for fault in [Fault::ClaimLandsAndFails, Fault::ClaimLandsAndLooksTaken, Fault::ClaimFails] {
        let rig = Rig::new();
        let mut task = rig.task(&rig.process(), &[]);
        task.open(&[0]).unwrap();
        rig.faults.lock().unwrap().extend([fault; 3]);
        for unit in 0..4 {
            task.put(0, unit * 10..unit * 10 + 10).unwrap();
            task.until_committed(0, unit * 10 + 10).unwrap();
        }
        assert!(rig.faults.lock().unwrap().is_empty(), "{fault:?}");
        assert_eq!(rig.values(), (0..40).collect::<Vec<_>>(), "{fault:?}");
        assert_eq!(task.rewinds, [], "{fault:?}: nothing is read again");
        assert!(rig.audit().is_clean(), "{fault:?}");
    }
}

#[test]
fn a_full_disk_fails_the_task_with_its_name_and_leaves_no_file() {
    let rig = Rig::new();
    let mut task = rig.task(&rig.process(), &[]);
    task.open(&[0]).unwrap();
    rig.faults.lock().unwrap().push_back(Fault::DiskFull);
    task.put(0, 0..10).unwrap();
    assert_eq!(task.until_failed().code, Code::StoreFull);
    assert_eq!((task.committed(0), rig.data_files()), (None, 0));
}

/// A zombie's unit starts from an offset that the table no longer holds.
#[test]
fn a_zombie_is_fenced() {
    let rig = Rig::new();
    let mut zombie = rig.task(&rig.process(), &[("delta.commit.interval.ms", "1500")]);
    zombie.open(&[0]).unwrap();
    zombie.put(0, 0..10).unwrap();
    let mut owner = rig.task(&rig.process(), &[]);
    owner.open(&[0]).unwrap();
    owner.put(0, 0..7).unwrap();
    owner.until_committed(0, 7).unwrap();
    assert_eq!(zombie.until_rewound(), Ok((0, 7)));
    zombie.put(0, 7..10).unwrap();
    zombie.until_committed(0, 10).unwrap();
    assert_eq!(rig.values(), (0..10).collect::<Vec<_>>());
    assert!(rig.audit().is_clean());
}

const TAKES_OVER: [(&str, &str); 2] = [("topics", "t"), ("delta.kafka-delta-ingest.app.id", "ingest")];

/// A table that kafka-delta-ingest filled up to and with offset 9 of partition 0.
fn taken_over() -> Rig {
    let rig = Rig::new();
    rig.task(&rig.process(), &[]).open(&[0]).unwrap();
    rig.commit_by_hand(&ingested(9));
    rig
}

fn ingested(offset: i64) -> String {
    format!("{{\"txn\":{{\"appId\":\"ingest-0\",\"version\":{offset},\"lastUpdated\":1628003413471}}}}\n")
}

/// The first interval of what was taken over, and how often it is in the log.
fn first_interval(rig: &Rig) -> (usize, serde_json::Value) {
    let commits = rig.log();
    let mut intervals = commits.iter().filter_map(|commit| {
        let info = commit.lines().find(|line| line.contains(r#""commitInfo""#))?;
        let info: serde_json::Value = serde_json::from_str(info).unwrap();
        info["commitInfo"]["sluice"]["units"][0]["intervals"].get(0).cloned()
    });
    let first = intervals.next().unwrap();
    (commits.iter().filter(|commit| commit.contains("takenOver")).count(), first)
}

#[test]
fn a_task_goes_on_behind_kafka_delta_ingest_and_says_so_once() {
    let rig = taken_over();
    let mut task = rig.task(&rig.process(), &TAKES_OVER);
    task.open(&[0, 1]).unwrap();
    assert_eq!(task.rewinds, [(0, 10)]);
    task.put(0, 10..15).unwrap();
    task.put(1, 0..2).unwrap();
    task.until_committed(0, 15).unwrap();
    task.until_committed(1, 2).unwrap();
    task.put(0, 15..20).unwrap();
    task.until_committed(0, 20).unwrap();
    let mut again = rig.task(&rig.process(), &TAKES_OVER);
    again.open(&[0]).unwrap();
    assert_eq!(again.rewinds, [(0, 20)]);
    again.put(0, 20..22).unwrap();
    again.until_committed(0, 22).unwrap();
    let (count, first) = first_interval(&rig);
    let taken_over = serde_json::json!({"appId": "ingest-0", "version": 9});
    assert_eq!((count, &first["fromOffset"], &first["takenOver"]), (1, &10.into(), &taken_over));
    assert!(rig.audit().is_clean());
    assert_eq!(rig.values(), (10..22).chain([value(1, 0), value(1, 1)]).collect::<Vec<_>>());
}

/// I1, I4: the commit that takes over lands with a lost reply, or another one of ours is quicker.
#[test]
fn taking_over_is_done_once_whatever_the_store_says() {
    for fault in [Fault::ClaimLandsAndFails, Fault::ClaimLandsAndLooksTaken, Fault::ClaimFails] {
        let rig = taken_over();
        let mut zombie =
            rig.task(&rig.process(), &[&TAKES_OVER[..], &[("delta.commit.interval.ms", "1500")]].concat());
        zombie.open(&[0]).unwrap();
        zombie.put(0, 10..13).unwrap();
        let mut task = rig.task(&rig.process(), &TAKES_OVER);
        task.open(&[0]).unwrap();
        rig.faults.lock().unwrap().extend([fault; 2]);
        task.put(0, 10..15).unwrap();
        task.until_committed(0, 15).unwrap();
        assert_eq!((zombie.until_rewound(), zombie.rewinds[0]), (Ok((0, 15)), (0, 10)), "{fault:?}");
        zombie.put(0, 15..17).unwrap();
        zombie.until_committed(0, 17).unwrap();
        assert_eq!((rig.values(), first_interval(&rig).0), ((10..17).collect(), 1), "{fault:?}");
        assert!(rig.audit().is_clean(), "{fault:?}");
    }
}

#[test]
fn a_predecessor_that_still_runs_fails_the_task_before_a_row_is_written_twice() {
    for (id, version, now) in [(0, "version 9", "version 14"), (1, "no version", "version 3")] {
        let rig = taken_over();
        let mut task = rig.task(&rig.process(), &TAKES_OVER);
        task.open(&[0, 1]).unwrap();
        let moved = if id == 0 { ingested(14) } else { ingested(3).replace("ingest-0", "ingest-1") };
        rig.commit_by_hand(&moved);
        task.put(id, 10..13).unwrap();
        let error = task.until_failed();
        assert_eq!(error.code, Code::PredecessorRuns, "{error}");
        let said = |word: &str| error.message.contains(word);
        assert!(said("ingest-") && said(version) && said(now) && !said("Both"), "{error}");
        assert_eq!((rig.values(), task.committed(id)), (vec![], (id == 0).then_some(10)));
        let mut again = rig.task(&rig.process(), &TAKES_OVER);
        again.open(&[0]).unwrap();
        again.put(0, 15..16).unwrap();
        again.until_committed(0, 16).unwrap();
        assert_eq!(again.rewinds, [(0, if id == 0 { 15 } else { 10 })], "what it wrote last counts");
    }
}

/// Its rows may be in the table twice by then, which must not go on.
#[test]
fn a_predecessor_that_writes_later_is_noticed_as_long_as_the_task_runs() {
    let rig = taken_over();
    let process = rig.process();
    let mut other = rig.task(&process, &[]);
    other.open(&[5]).unwrap();
    let mut task = rig.task(&process, &TAKES_OVER);
    task.open(&[0]).unwrap();
    task.put(0, 10..12).unwrap();
    task.until_committed(0, 12).unwrap();
    rig.commit_by_hand(&ingested(14));
    task.put(0, 12..15).unwrap();
    other.put(5, 0..3).unwrap();
    let error = task.until_failed();
    assert_eq!(error.code, Code::PredecessorRuns);
    assert!(error.message.contains("Both have written, from offset 10 on"), "{error}");
    other.until_committed(5, 3).unwrap();
    assert_eq!(task.committed(0), Some(12), "a unit of another task in the same commit is untouched");
}

/// Another writer adds a column: files that were converted before still fit, and Kafka is not read again.
#[test]
fn a_column_that_another_writer_adds_is_taken_in() {
    let rig = Rig::new();
    let mut task = rig.task(&rig.process(), &[]);
    task.open(&[0]).unwrap();
    task.put(0, 0..10).unwrap();
    let new = r#""fields":[{"name":"new","type":"long","nullable":true,"metadata":{}},"#;
    change_schema(&rig, |schema| *schema = schema.replace(r#""fields":["#, new));
    task.until_committed(0, 10).unwrap();
    assert_eq!((rig.values(), task.rewinds.len()), ((0..10).collect(), 0));
}

/// Rows that no longer fit are read from Kafka again and converted to the new schema.
#[test]
fn a_column_that_another_writer_changes_fences_what_was_converted_before() {
    let rig = Rig::new();
    rig.task(&rig.process(), &[]).open(&[0]).unwrap();
    let mut task = rig.task(&rig.process(), &WHATEVER_THE_TABLE_HAS);
    task.open(&[0]).unwrap();
    task.put_json(&[(0, 0, r#"{"v":7}"#)]).unwrap();
    change_schema(&rig, |schema| *schema = schema.replace("string", "long"));
    assert_eq!(task.until_rewound(), Ok((0, 0)));
    task.put_json(&[(0, 0, r#"{"v":7,"w":8}"#)]).unwrap();
    task.until_committed(0, 1).unwrap();
    assert_eq!(rig.values(), [7]);
}

/// Commits the table's own metaData with other fields.
fn change_schema(rig: &Rig, change: impl FnOnce(&mut String)) {
    let create = rig.log().remove(0);
    let line = create.lines().find(|line| line.contains("metaData")).unwrap();
    let mut metadata: serde_json::Value = serde_json::from_str(line).unwrap();
    let mut schema = metadata["metaData"]["schemaString"].as_str().unwrap().to_owned();
    change(&mut schema);
    metadata["metaData"]["schemaString"] = schema.into();
    rig.commit_by_hand(&format!("{metadata}\n"));
}

#[test]
fn a_table_that_takes_another_ones_place_is_not_written_to() {
    let rig = Rig::new();
    let mut task = rig.task(&rig.process(), &[]);
    task.open(&[0]).unwrap();
    for unit in 0..3 {
        task.put(0, unit * 10..unit * 10 + 10).unwrap();
        task.until_committed(0, unit * 10 + 10).unwrap();
    }
    std::fs::remove_dir_all(rig.table()).unwrap();
    let mut other = rig.task(&rig.process(), &[("name", "other")]);
    other.open(&[0]).unwrap();
    other.put(0, 0..2).unwrap();
    other.until_committed(0, 2).unwrap();
    task.put(0, 30..40).unwrap();
    assert_eq!(task.until_failed().code, Code::TableReplaced);
    assert_eq!(rig.values(), [0, 1]);
    assert!(rig.audit().is_clean());
}

#[test]
fn processes_that_create_a_table_at_once_end_with_one() {
    for _ in 0..10 {
        let rig = Rig::new();
        std::thread::scope(|scope| {
            for id in 0..4 {
                let rig = &rig;
                scope.spawn(move || {
                    let mut task = rig.task(&rig.process(), &[]);
                    task.open(&[id]).unwrap();
                    task.put(id, 0..3).unwrap();
                    task.until_committed(id, 3).unwrap();
                });
            }
        });
        assert_eq!(rig.log().iter().filter(|commit| commit.contains("metaData")).count(), 1);
        assert_eq!((rig.values().len(), rig.audit().is_clean()), (12, true));
    }
}

#[test]
fn a_missing_table_and_an_unfitting_one_are_named() {
    let rig = Rig::new();
    let error = rig.task(&rig.process(), &[("delta.table.auto.create", "false")]).open(&[0]).unwrap_err();
    assert_eq!(error.code, Code::TableMissing);
    let mut task = rig.task(&rig.process(), &[]);
    task.open(&[0]).unwrap();
    let other = common::SCHEMA.replace(r#""w","type":"string""#, r#""w","type":"double""#);
    let error = rig.task(&rig.process(), &[("delta.schema.json", &other)]).open(&[0]).unwrap_err();
    assert_eq!(error.code, Code::SchemaMismatch);
    assert!(error.message.contains("double") && error.message.contains("string"), "{error}");
}

#[test]
fn files_end_at_their_size_and_dropped_rows_leave_none() {
    let rig = Rig::new();
    let process = rig.process();
    let mut task =
        rig.task(&process, &[("delta.target.file.bytes", "1048576"), ("delta.parquet.compression", "none")]);
    task.open(&[0]).unwrap();
    let mut random = 1u64;
    for portion in 0..6 {
        let texts: Vec<_> = (portion * 500..portion * 500 + 500)
            .map(|offset| {
                let noise: String = (0..64)
                    .map(|_| {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        format!("{:016x}", random)
                    })
                    .collect();
                (offset, format!(r#"{{"v":{offset},"w":"{noise}"}}"#))
            })
            .collect();
        let rows: Vec<_> = texts.iter().map(|(offset, text)| (0, *offset, text.as_str())).collect();
        task.put_json(&rows).unwrap();
    }
    task.until_committed(0, 3000).unwrap();
    let files = rig.data_files();
    assert!((2..=4).contains(&files), "{files} files for 3 MB");
    assert_eq!(rig.values(), (0..3000).collect::<Vec<_>>());
    let mut abandoned = rig.task(&process, &[("delta.commit.interval.ms", "60000")]);
    abandoned.open(&[1]).unwrap();
    abandoned.put(1, 0..10).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    abandoned.task.close(&[1]);
    drop(abandoned);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(rig.data_files(), files);
}

/// A renamed connector that would write every row again, also where both begin at once.
#[test]
fn a_connector_does_not_write_what_another_one_has_written() {
    let rig = Rig::new();
    let mut old = rig.task(&rig.process(), &[("name", "old")]);
    let mut late = rig.task(&rig.process(), &[("name", "late")]);
    old.open(&[0, 1]).unwrap();
    late.open(&[0]).unwrap();
    old.put(0, 0..10).unwrap();
    old.until_committed(0, 10).unwrap();
    late.put(0, 0..10).unwrap();
    let error = late.until_failed();
    assert_eq!(error.code, Code::OffsetsOfAnother);
    let said = ["\"old\" has written it up to offset 10", "t-0", "\"late\""];
    assert!(said.iter().all(|said| error.message.contains(said)), "{error}");
    // Nobody has written this partition, and then the connector itself has.
    let mut other = rig.task(&rig.process(), &[("name", "late")]);
    other.open(&[1]).unwrap();
    other.put(1, 0..5).unwrap();
    other.until_committed(1, 5).unwrap();
    other.put(1, 5..8).unwrap();
    other.until_committed(1, 8).unwrap();
    let expected: Vec<i64> = (0..10).chain((0..8).map(|offset| value(1, offset))).collect();
    assert_eq!(rig.values(), expected);
}

#[test]
fn two_connectors_write_one_topic_where_that_is_wanted() {
    let rig = Rig::new();
    for name in ["one", "two"] {
        let wanted = [("name", name), ("delta.offsets.other.connectors", "ignore")];
        let mut task = rig.task(&rig.process(), &wanted);
        task.open(&[0]).unwrap();
        task.put(0, 0..4).unwrap();
        task.until_committed(0, 4).unwrap();
    }
    assert_eq!(rig.values(), [0, 0, 1, 1, 2, 2, 3, 3]);
    assert!(rig.audit().is_clean());
}

#[test]
fn a_renamed_connector_goes_on_where_the_old_one_stopped() {
    let rig = Rig::new();
    let mut old = rig.task(&rig.process(), &[("name", "old")]);
    old.open(&[0]).unwrap();
    old.put(0, 0..10).unwrap();
    old.until_committed(0, 10).unwrap();
    let renamed = [("name", "new"), ("delta.offsets.from.connector", "old")];
    let mut new = rig.task(&rig.process(), &renamed);
    new.open(&[0]).unwrap();
    assert_eq!(new.rewinds, [(0, 10)]);
    new.put(0, 10..15).unwrap();
    new.until_committed(0, 15).unwrap();
    assert!(rig.log().pop().unwrap().contains(r#""takenOver":{"appId":"sluice/old/t/0","version":10}"#));
    let mut again = rig.task(&rig.process(), &renamed);
    again.open(&[0]).unwrap();
    assert_eq!(again.rewinds, [(0, 15)], "its own offset counts from now on");
    assert_eq!(rig.values(), (0..15).collect::<Vec<_>>());
    let audit = rig.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    // The old one had not ended.
    old.put(0, 10..12).unwrap();
    old.until_committed(0, 12).unwrap();
    new.put(0, 15..20).unwrap();
    assert_eq!(new.until_failed().code, Code::PredecessorRuns);

    // A name with no offset in the table, misspelt perhaps, is no leave to start over.
    let mut misspelt =
        rig.task(&rig.process(), &[("name", "newer"), ("delta.offsets.from.connector", "odl")]);
    misspelt.open(&[0]).unwrap();
    misspelt.put(0, 0..3).unwrap();
    assert_eq!(misspelt.until_failed().code, Code::OffsetsOfAnother);
}
