//! Other writers in the table: what their `txn` actions allow to say.
//!
//! - kafka-delta-ingest: app id `<app id>-<partition>`, version the last offset that was written, of every assigned partition
//!   in each commit. Its `commitInfo` has the app id as `queryId`.
//! - Spark Structured Streaming: app id the query's id (a UUID), version the batch.

use std::sync::Arc;

use serde_json::Value;

use super::chain::is_anothers;
use super::kind::Kind;
use super::report::{Audit, Author, Finding, Other, Writer, range};
use crate::log::{Commit, Txn};

/// Rows that come without an app id, and rows that go.
#[derive(Default)]
pub(super) struct Anonymous {
    appended: Vec<String>,
    changed: Vec<String>,
}

impl Anonymous {
    pub(super) fn see(&mut self, commit: &Commit, author: &Author) {
        let adds = commit.adds.iter().any(|add| add.data_change);
        if commit.removes.iter().any(|remove| remove.data_change) {
            self.changed.push(author.to_string());
        } else if adds && commit.txns.is_empty() && commit.origin.is_none() {
            self.appended.push(author.to_string());
        }
    }

    pub(super) fn tell(self, audit: &mut Audit) {
        audit.rows_changed = !self.changed.is_empty();
        let some = |commits: &[String]| match commits {
            [only] => only.clone(),
            [first, .., last] => format!("{} commits, from {first} to {last}", commits.len()),
            [] => String::new(),
        };
        if !self.appended.is_empty() {
            let commits = some(&self.appended);
            audit.untold.push(format!(
                "Rows were added without an app id: nothing says where they come from ({commits})."
            ));
        }
        if !self.changed.is_empty() {
            let commits = some(&self.changed);
            audit.untold.push(format!(
                "Rows were removed or rewritten: whether the right ones, the log cannot say ({commits})."
            ));
        }
    }
}

fn query_id(commit: &Commit) -> Option<&str> {
    commit.info.operation_parameters.as_ref()?.get("queryId")?.as_str()
}

fn epoch(commit: &Commit) -> Option<i64> {
    match commit.info.operation_parameters.as_ref()?.get("epochId")? {
        Value::String(text) => text.parse().ok(),
        number => number.as_i64(),
    }
}

fn is_uuid(text: &str) -> bool {
    uuid::Uuid::parse_str(text).is_ok() && text.len() == 36
}

/// Which writer made a `txn`, the name of its job, and the partition.
fn identify(txn: &Txn, commit: Option<&Commit>) -> (Writer, String, Option<i32>) {
    let query = commit.and_then(query_id);
    let parts = txn.app_id.rsplit_once('-').and_then(|(name, partition)| {
        let digits = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| partition.parse().ok()).flatten().map(|partition: i32| (name, partition))
    });
    match (query, parts) {
        (Some(query), Some((name, partition))) if query == name => {
            (Writer::KafkaDeltaIngest, name.to_owned(), Some(partition))
        }
        (Some(query), _) if query == txn.app_id && commit.and_then(epoch) == Some(txn.version) => {
            (Writer::SparkStreaming, query.to_owned(), None)
        }
        (None, _) if is_uuid(&txn.app_id) && commit.is_none() => {
            (Writer::SparkStreaming, txn.app_id.clone(), None)
        }
        // Its first versions wrote no commitInfo.
        (None, Some((name, partition)))
            if !is_uuid(&txn.app_id) && commit.is_none_or(|commit| commit.info.operation.is_none()) =>
        {
            (Writer::KafkaDeltaIngest, name.to_owned(), Some(partition))
        }
        _ => (Writer::Unknown, txn.app_id.clone(), None),
    }
}

impl Audit {
    /// What a checkpoint holds of an app id whose commits are gone.
    pub(super) fn other_start(&mut self, app_id: &str, version: i64) {
        let txn = Txn { app_id: app_id.to_owned(), version };
        let (writer, name, partition) = identify(&txn, None);
        let other =
            Other { writer, name, partition, from: version, to: version, commits: 0, rows: 0, last: None };
        self.other_app_ids.entry(app_id.to_owned()).or_insert(other);
    }

    pub(super) fn follow_others(&mut self, commit: &Commit, author: &Author) {
        let theirs: Vec<&Txn> = commit.txns.iter().filter(|txn| is_anothers(&txn.app_id)).collect();
        if theirs.is_empty() {
            return;
        }
        let rows: Option<u64> = commit.adds.iter().map(|add| add.num_records()).sum();
        // How many offsets the commit passes; none: not known.
        let mut passed = Some(0);
        let mut job = None;
        for txn in theirs {
            let (writer, name, partition) = identify(txn, Some(commit));
            let known = self.other_app_ids.get(&txn.app_id);
            // A checkpoint does not say whose an app id is as well as a commit does.
            let writer = match (writer, known) {
                (Writer::Unknown, Some(known)) => known.writer,
                (writer, _) => writer,
            };
            let previous = known.map(|known| known.to);
            let before = known.and_then(|known| known.last.clone());
            let finding = |kind, message| {
                Finding::new(kind, author.version, message).of(&txn.app_id).by(author).after(before.as_ref())
            };
            let found = match (writer, previous) {
                (Writer::KafkaDeltaIngest, Some(previous)) if txn.version < previous => {
                    let again = range(txn.version + 1, previous + 1);
                    Some(finding(Kind::Backwards, format!("to be read and written again: {again}")))
                }
                (Writer::SparkStreaming, Some(previous)) if txn.version <= previous => Some(finding(
                    Kind::Repeated,
                    format!("batch {} comes after batch {previous}", txn.version),
                )),
                _ => None,
            };
            match (writer, previous) {
                (Writer::SparkStreaming, Some(previous)) if txn.version > previous + 1 => {
                    let message = format!(
                        "Spark query {name}: batches {} to {} made no commit before version {}; empty ones make none in some versions of Spark",
                        previous + 1,
                        txn.version - 1,
                        author.version
                    );
                    self.note("batches", message);
                }
                (Writer::Unknown, Some(previous)) if txn.version < previous => {
                    let message = format!(
                        "app id {}: the version goes back from {previous} to {} at {author}",
                        txn.app_id, txn.version
                    );
                    self.note("backwards", message);
                }
                _ => {}
            }
            if writer == Writer::KafkaDeltaIngest {
                job = Some(name.clone());
                let start = previous.or_else(|| self.is_whole().then_some(-1));
                passed = passed
                    .zip(start)
                    .map(|(passed, start): (i64, i64)| passed + txn.version.saturating_sub(start).max(0));
            }
            self.findings.extend(found);
            let entry = self.other_app_ids.entry(txn.app_id.clone()).or_insert_with(|| Other {
                writer,
                name,
                partition,
                from: txn.version,
                to: txn.version,
                commits: 0,
                rows: 0,
                last: None,
            });
            entry.writer = writer;
            entry.to = txn.version;
            entry.commits += 1;
            entry.rows += rows.unwrap_or_default();
            entry.last = Some(Arc::new(author.clone()));
        }
        if let (Some(job), Some(passed), Some(rows)) = (job, passed, rows)
            && rows as i64 > passed
        {
            let message =
                format!("kafka-delta-ingest job {job} passes {passed} offsets and adds {rows} rows");
            self.find(Finding::new(Kind::Surplus, author.version, message).by(author));
        }
    }

    pub(super) fn tell_of_others(&mut self) {
        let has = |writer| self.other_app_ids.values().any(|other| other.writer == writer);
        let mut untold = Vec::new();
        if has(Writer::KafkaDeltaIngest) {
            untold.push(
                "kafka-delta-ingest stores the last offset of each partition and no intervals: that offsets never go back and \
                 that no commit has more rows than offsets is checked, not whether each record has its row. Its app ids do \
                 not name the topic."
                    .to_owned(),
            );
        }
        if has(Writer::SparkStreaming) {
            untold.push(
                "Spark keeps Kafka's offsets in the query's checkpoint folder: that no batch is committed twice is checked, not \
                 which records are in it."
                    .to_owned(),
            );
        }
        let unknown = self.other_app_ids.iter().filter(|(_, other)| other.writer == Writer::Unknown);
        let unknown: Vec<_> = unknown.map(|(app_id, _)| app_id.as_str()).collect();
        if !unknown.is_empty() {
            untold.push(format!(
                "What the versions of these app ids count is not known: {}.",
                unknown.join(", ")
            ));
        }
        self.untold.extend(untold);
    }
}
