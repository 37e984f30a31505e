//! What the tables and stores of a process are counted by.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sluice_core::metrics::{self, Largest, Samples};
use sluice_core::task::Written;

use crate::world::World;

pub mod maintenance;

use maintenance::{Deleted, Duty, DutyCounts, MaintenanceCounts, Work};

/// One table's, shared by all who work on it.
#[derive(Debug, Default)]
pub struct TableMeter(Mutex<TableCounts>);

#[derive(Debug, Clone, Copy, Default)]
pub struct TableCounts {
    pub commits: u64,
    pub version: Option<u64>,
    pub written: Written,
    pub commit_time: Duration,
    pub longest_commit: Largest,
    pub conflicts: u64,
    pub lock_waits: u64,
    pub lock_wait_time: Duration,
    pub queue_time: Duration,
    pub retries: u64,
    pub schema_changes: u64,
    pub maintenance: MaintenanceCounts,
}

impl TableMeter {
    pub fn counts(&self) -> MutexGuard<'_, TableCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another writer had the version; the next try comes after `wait`.
    pub fn lost_race(&self, wait: Duration) {
        let mut counts = self.counts();
        counts.conflicts += 1;
        counts.lock_waits += 1;
        counts.lock_wait_time += wait;
    }

    /// A duty came to its end.
    pub fn maintained(&self, duty: Duty, time: Duration) {
        let counts = &mut self.counts().maintenance.of_duties[duty as usize];
        counts.done += 1;
        counts.time += time;
    }

    pub fn maintenance_failed(&self, duty: Duty) {
        self.counts().maintenance.of_duties[duty as usize].failures += 1;
    }

    pub fn worked(&self, work: &Work) {
        self.counts().maintenance.work.add(work);
    }

    /// Commits since the newest checkpoint, as just seen; none where nobody here looks any more.
    pub fn since_checkpoint(&self, commits: Option<u64>) {
        self.counts().maintenance.since_checkpoint = commits;
    }
}

impl TableCounts {
    /// Of the same table, opened in another way.
    fn add(&mut self, more: &TableCounts) {
        self.commits += more.commits;
        self.version = self.version.max(more.version);
        self.written.add(more.written);
        self.commit_time += more.commit_time;
        self.longest_commit.merge(more.longest_commit);
        self.conflicts += more.conflicts;
        self.lock_waits += more.lock_waits;
        self.lock_wait_time += more.lock_wait_time;
        self.queue_time += more.queue_time;
        self.retries += more.retries;
        self.schema_changes += more.schema_changes;
        self.maintenance.add(&more.maintenance);
    }
}

fn ms(time: Duration) -> i64 {
    time.as_millis() as i64
}

/// `now` is in ms since the process's beginning.
pub fn table_samples(tables: &[(&str, Arc<TableMeter>)], now: u64, samples: &mut Samples) {
    let mut by_uri: BTreeMap<&str, TableCounts> = BTreeMap::new();
    for (uri, meter) in tables {
        by_uri.entry(uri).or_default().add(&meter.counts());
    }
    let mut all = |metric, value: &dyn Fn(&TableCounts) -> i64| {
        by_uri.iter().for_each(|(uri, counts)| samples.add_signed(metric, &[uri], value(counts)));
    };
    all(&metrics::TABLE_COMMITS, &|of| of.commits as i64);
    all(&metrics::TABLE_VERSION, &|of| of.version.map_or(-1, |version| version as i64));
    all(&metrics::TABLE_ROWS, &|of| of.written.rows as i64);
    all(&metrics::TABLE_FILES, &|of| of.written.files as i64);
    all(&metrics::TABLE_BYTES, &|of| of.written.bytes as i64);
    all(&metrics::TABLE_COMMIT_TIME, &|of| ms(of.commit_time));
    all(&metrics::TABLE_COMMIT_TIME_MAX, &|of| of.longest_commit.value(now) as i64);
    all(&metrics::TABLE_CONFLICTS, &|of| of.conflicts as i64);
    all(&metrics::TABLE_LOCK_WAITS, &|of| of.lock_waits as i64);
    all(&metrics::TABLE_LOCK_WAIT_TIME, &|of| ms(of.lock_wait_time));
    all(&metrics::TABLE_QUEUE_TIME, &|of| ms(of.queue_time));
    all(&metrics::TABLE_RETRIES, &|of| of.retries as i64);
    all(&metrics::TABLE_SCHEMA_CHANGES, &|of| of.schema_changes as i64);
    all(&metrics::TABLE_SINCE_CHECKPOINT, &|of| of.maintenance.since_checkpoint.map_or(-1, |of| of as i64));
    let mut all = |metric, value: fn(&Work) -> u64| {
        by_uri.iter().for_each(|(uri, of)| samples.add(metric, &[uri], value(&of.maintenance.work)));
    };
    all(&metrics::TABLE_MERGES, |work| work.merges);
    all(&metrics::TABLE_OVERLAPS, |work| work.overlaps);
    all(&metrics::TABLE_MERGED_FILES, |work| work.merged.files);
    all(&metrics::TABLE_MERGED_BYTES, |work| work.merged.bytes);
    all(&metrics::TABLE_MERGED_ROWS, |work| work.merged.rows);
    all(&metrics::TABLE_MERGED_INTO_FILES, |work| work.merged_into.files);
    all(&metrics::TABLE_MERGED_INTO_BYTES, |work| work.merged_into.bytes);
    let mut by_duty = |metric, value: fn(&DutyCounts) -> i64| {
        for (uri, of) in &by_uri {
            for (duty, counts) in Duty::ALL.into_iter().zip(&of.maintenance.of_duties) {
                samples.add_signed(metric, &[uri, duty.name()], value(counts));
            }
        }
    };
    by_duty(&metrics::TABLE_MAINTENANCE, |of| of.done as i64);
    by_duty(&metrics::TABLE_MAINTENANCE_FAILURES, |of| of.failures as i64);
    by_duty(&metrics::TABLE_MAINTENANCE_TIME, |of| ms(of.time));
    for (uri, of) in &by_uri {
        let work = &of.maintenance.work;
        samples.add(&metrics::TABLE_LOG_FILES, &[uri, "checkpoint"], work.checkpoints);
        samples.add(&metrics::TABLE_LOG_FILES, &[uri, "checksum"], work.checksums);
        samples.add(&metrics::TABLE_LOG_FILES, &[uri, "log-compaction"], work.log_compactions);
    }
    let mut deleted = |metric, value: fn(Deleted) -> u64| {
        for (uri, of) in &by_uri {
            let work = &of.maintenance.work;
            for (duty, deleted) in [(Duty::Log, work.log_deleted), (Duty::Vacuum, work.vacuumed)] {
                samples.add(metric, &[uri, duty.name()], value(deleted));
            }
        }
    };
    deleted(&metrics::TABLE_DELETED_FILES, |deleted| deleted.files);
    deleted(&metrics::TABLE_DELETED_BYTES, |deleted| deleted.bytes);
}

/// What a request is for, as far as its form tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    Get,
    Head,
    List,
    Put,
    Post,
    Delete,
    LockRead,
    LockWrite,
}

impl RequestKind {
    const ALL: [RequestKind; 8] = [
        RequestKind::Get,
        RequestKind::Head,
        RequestKind::List,
        RequestKind::Put,
        RequestKind::Post,
        RequestKind::Delete,
        RequestKind::LockRead,
        RequestKind::LockWrite,
    ];

    fn name(self) -> &'static str {
        match self {
            RequestKind::Get => "get",
            RequestKind::Head => "head",
            RequestKind::List => "list",
            RequestKind::Put => "put",
            RequestKind::Post => "post",
            RequestKind::Delete => "delete",
            RequestKind::LockRead => "lock-read",
            RequestKind::LockWrite => "lock-write",
        }
    }

    /// S3 and Google Cloud list with `list-type` or `prefix`, Azure with `comp=list`.
    pub fn of_http(method: &str, query: &str) -> Self {
        let names =
            |name: &str| query.split('&').any(|part| part == name || part.starts_with(&format!("{name}=")));
        match method {
            "GET" if names("list-type") || names("prefix") || query.contains("comp=list") => {
                RequestKind::List
            }
            "HEAD" => RequestKind::Head,
            "PUT" => RequestKind::Put,
            "POST" => RequestKind::Post,
            "DELETE" => RequestKind::Delete,
            _ => RequestKind::Get,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Ok,
    Missing,
    Conflict,
    Denied,
    Throttled,
    Failed,
    Unanswered,
}

impl Answer {
    const ALL: [Answer; 7] = [
        Answer::Ok,
        Answer::Missing,
        Answer::Conflict,
        Answer::Denied,
        Answer::Throttled,
        Answer::Failed,
        Answer::Unanswered,
    ];

    fn name(self) -> &'static str {
        match self {
            Answer::Ok => "ok",
            Answer::Missing => "missing",
            Answer::Conflict => "conflict",
            Answer::Denied => "denied",
            Answer::Throttled => "throttled",
            Answer::Failed => "failed",
            Answer::Unanswered => "unanswered",
        }
    }

    pub fn of_http(status: u16) -> Self {
        match status {
            100..=399 => Answer::Ok,
            404 => Answer::Missing,
            409 | 412 => Answer::Conflict,
            401 | 403 => Answer::Denied,
            429 | 503 => Answer::Throttled,
            _ => Answer::Failed,
        }
    }
}

/// All requests of a process to object stores and lock tables, each try by itself.
#[derive(Debug)]
pub struct Requests {
    world: Arc<dyn World>,
    answers: [[AtomicU64; Answer::ALL.len()]; RequestKind::ALL.len()],
    micros: [AtomicU64; RequestKind::ALL.len()],
}

impl Requests {
    pub fn new(world: Arc<dyn World>) -> Arc<Self> {
        Arc::new(Requests { world, answers: Default::default(), micros: Default::default() })
    }

    /// A request that begins now.
    pub fn begin(&self, kind: RequestKind) -> Asked<'_> {
        Asked { requests: self, kind, begun: self.world.now(), answer: Answer::Unanswered }
    }

    fn count(&self, kind: RequestKind, answer: Answer, time: Duration) {
        self.answers[kind as usize][answer as usize].fetch_add(1, Ordering::Relaxed);
        self.micros[kind as usize].fetch_add(time.as_micros() as u64, Ordering::Relaxed);
    }

    /// Of kinds that there were any of, with every answer: a series that starts with its first event hides that event.
    pub fn samples(&self, samples: &mut Samples) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let answers = |kind: &RequestKind| &self.answers[*kind as usize];
        let used =
            RequestKind::ALL.into_iter().filter(|kind| answers(kind).iter().any(|count| read(count) > 0));
        let used: Vec<_> = used.collect();
        for kind in &used {
            for answer in Answer::ALL {
                let count = read(&answers(kind)[answer as usize]);
                samples.add(&metrics::REQUESTS, &[kind.name(), answer.name()], count);
            }
        }
        for kind in used {
            samples.add(&metrics::REQUEST_TIME, &[kind.name()], read(&self.micros[kind as usize]) / 1_000);
        }
    }
}

/// A request that is under way. Dropped without an answer, it had none.
pub struct Asked<'a> {
    requests: &'a Requests,
    kind: RequestKind,
    begun: Instant,
    answer: Answer,
}

impl Asked<'_> {
    pub fn answered(mut self, answer: Answer) {
        self.answer = answer;
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let time = self.requests.world.now().saturating_duration_since(self.begun);
        self.requests.count(self.kind, self.answer, time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::of_tests;

    #[test]
    fn requests_are_told_apart_by_their_form() {
        for (method, query, kind) in [
            ("GET", "", RequestKind::Get),
            ("GET", "list-type=2&prefix=a", RequestKind::List),
            ("GET", "restype=container&comp=list", RequestKind::List),
            ("GET", "versionId=list-type", RequestKind::Get),
            ("HEAD", "", RequestKind::Head),
            ("PUT", "partNumber=1&uploadId=x", RequestKind::Put),
            ("POST", "uploads", RequestKind::Post),
            ("DELETE", "", RequestKind::Delete),
        ] {
            assert_eq!(RequestKind::of_http(method, query), kind, "{method} {query}");
        }
        let answers = [200, 304, 404, 412, 403, 503, 500, 400].map(Answer::of_http);
        let expected = [Answer::Ok, Answer::Ok, Answer::Missing, Answer::Conflict, Answer::Denied];
        assert_eq!(answers[..5], expected);
        assert_eq!(answers[5..], [Answer::Throttled, Answer::Failed, Answer::Failed]);
    }

    #[test]
    fn a_request_without_an_answer_is_counted_too() {
        let requests = Requests::new(of_tests());
        requests.begin(RequestKind::Put).answered(Answer::Ok);
        drop(requests.begin(RequestKind::Put));
        let mut samples = Samples::default();
        requests.samples(&mut samples);
        let put = |status: &str| {
            let labels = ["put".to_owned(), status.to_owned()];
            samples.0.iter().find(|sample| sample.labels == labels).map(|sample| sample.value)
        };
        assert_eq!((put("ok"), put("unanswered"), put("throttled")), (Some(1), Some(1), Some(0)));
        assert_eq!(samples.0.len(), Answer::ALL.len() + 1, "kinds that are not used have no series");
    }

    #[test]
    fn a_table_that_is_open_in_two_ways_is_one() {
        let meters = [TableMeter::default(), TableMeter::default()].map(Arc::new);
        meters[0].lost_race(Duration::from_millis(30));
        meters[1].lost_race(Duration::from_millis(12));
        meters[1].counts().version = Some(7);
        let [one, other] = meters;
        let mut samples = Samples::default();
        table_samples(&[("s3://b/t", one), ("s3://b/t", other)], 0, &mut samples);
        let of = |metric| {
            let of_metric: Vec<_> = samples.0.iter().filter(|sample| sample.metric == metric).collect();
            assert_eq!((of_metric.len(), &*of_metric[0].labels), (1, &["s3://b/t".to_owned()][..]));
            of_metric[0].value
        };
        assert_eq!((of(&metrics::TABLE_CONFLICTS), of(&metrics::TABLE_LOCK_WAIT_TIME)), (2, 42));
        assert_eq!((of(&metrics::TABLE_VERSION), of(&metrics::TABLE_COMMITS)), (7, 0));
    }
    /// A series that starts with its first event hides that event.
    #[test]
    fn maintenance_has_its_series_from_the_start_and_each_kind_is_counted_apart() {
        let [one, other] = [TableMeter::default(), TableMeter::default()].map(Arc::new);
        let work = Work {
            checkpoints: 1,
            checksums: 2,
            log_compactions: 3,
            log_deleted: Deleted { files: 4, bytes: 5 },
            merges: 6,
            overlaps: 7,
            merged: Written { files: 8, rows: 9, bytes: 10 },
            merged_into: Written { files: 11, rows: 9, bytes: 12 },
            vacuumed: Deleted { files: 13, bytes: 14 },
        };
        one.worked(&work);
        other.worked(&work);
        one.maintained(Duty::Compaction, Duration::from_secs(1));
        other.maintained(Duty::Compaction, Duration::from_secs(2));
        other.maintenance_failed(Duty::Vacuum);
        let sampled = |meters: &[(&str, Arc<TableMeter>)]| {
            let mut samples = Samples::default();
            table_samples(meters, 0, &mut samples);
            samples
        };
        let both = sampled(&[("t", one.clone()), ("t", other.clone()), ("fresh", Arc::default())]);
        for (metric, kinds) in [
            (&metrics::TABLE_MERGES, &[("", 12)][..]),
            (&metrics::TABLE_OVERLAPS, &[("", 14)]),
            (&metrics::TABLE_MERGED_FILES, &[("", 16)]),
            (&metrics::TABLE_MERGED_ROWS, &[("", 18)]),
            (&metrics::TABLE_MERGED_BYTES, &[("", 20)]),
            (&metrics::TABLE_MERGED_INTO_FILES, &[("", 22)]),
            (&metrics::TABLE_MERGED_INTO_BYTES, &[("", 24)]),
            (&metrics::TABLE_LOG_FILES, &[("checkpoint", 2), ("checksum", 4), ("log-compaction", 6)]),
            (&metrics::TABLE_DELETED_FILES, &[("log", 8), ("vacuum", 26)]),
            (&metrics::TABLE_DELETED_BYTES, &[("log", 10), ("vacuum", 28)]),
            (&metrics::TABLE_MAINTENANCE, &[("log", 0), ("compaction", 2), ("vacuum", 0)]),
            (&metrics::TABLE_MAINTENANCE_FAILURES, &[("log", 0), ("compaction", 0), ("vacuum", 1)]),
            (&metrics::TABLE_MAINTENANCE_TIME, &[("log", 0), ("compaction", 3_000), ("vacuum", 0)]),
        ] {
            let expected = |uri: &str, times: i64| -> Vec<_> {
                let of =
                    |(kind, value): &(&str, i64)| (format!("{uri} {kind}").trim().to_owned(), value * times);
                kinds.iter().map(of).collect()
            };
            let found = both.0.iter().filter(|sample| sample.metric == metric);
            let found: Vec<_> = found.map(|sample| (sample.labels.join(" "), sample.value)).collect();
            assert_eq!(found, [expected("fresh", 0), expected("t", 1)].concat(), "{}", metric.name);
        }

        let since = |one_sees, other_sees| {
            one.since_checkpoint(one_sees);
            other.since_checkpoint(other_sees);
            sampled(&[("t", one.clone()), ("t", other.clone())]).total(&metrics::TABLE_SINCE_CHECKPOINT)
        };
        assert_eq!([since(None, None), since(Some(7), None), since(Some(7), Some(0))], [-1, 7, 0]);
    }
}
