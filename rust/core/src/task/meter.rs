//! What a task has done since it started, and where it stands, for whoever asks from another thread: a reader never waits for a call
//! of the task.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::port::Written;
use crate::error::{Class, Code};
use crate::metrics::{self, Largest, Samples};
use crate::offsets::TopicPartition;

/// A refused batch puts all of them back.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counters {
    pub records: u64,
    pub bytes: u64,
    pub rows: u64,
    pub errant: ByCode,
    /// Bad records that Java could not hand over, whose codes it has.
    pub refused_in_java: u64,
    pub tombstones: u64,
    pub unrouted: u64,
    pub redelivered: u64,
    pub dropped: u64,
    pub revoked: u64,
    pub unknown_fields: u64,
    pub commits: u64,
    pub commit_ms: u64,
    pub longest_commit: Largest,
    pub written: Written,
    pub fenced: u64,
    pub unwritten: u64,
    pub batches_refused: ByCode,
    pub pauses: [u64; Pause::ALL.len()],
    pub paused_ms: u64,
}

/// Why partitions are paused; the first one that holds counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    Loading,
    Memory,
    Backlog,
}

impl Pause {
    const ALL: [Pause; 3] = [Pause::Loading, Pause::Memory, Pause::Backlog];

    fn name(self) -> &'static str {
        match self {
            Pause::Loading => "loading",
            Pause::Memory => "memory",
            Pause::Backlog => "backlog",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ByCode([u64; Code::ALL.len()]);

impl Default for ByCode {
    fn default() -> Self {
        ByCode([0; Code::ALL.len()])
    }
}

impl ByCode {
    pub fn add(&mut self, code: Code) {
        self.0[code as usize] += 1;
    }

    /// Every code of a class, also those that did not come up: a series that starts with its first event hides that event.
    fn of(&self, class: Class) -> impl Iterator<Item = (&'static str, u64)> {
        let codes = Code::ALL.iter().filter(move |code| code.class() == class);
        codes.map(|code| (code.name(), self.0[*code as usize]))
    }
}

/// Where a task stands at the end of a call.
#[derive(Debug, Default)]
pub struct Standing {
    pub counters: Counters,
    pub backlog: usize,
    pub held: usize,
    pub tables: usize,
    /// Since when, in the driver's ms.
    pub paused: Option<u64>,
    /// When the oldest record came that is not in its table, in the driver's ms.
    pub oldest: Option<u64>,
    pub partitions: Vec<PartitionStanding>,
}

#[derive(Debug, PartialEq)]
pub struct PartitionStanding {
    pub place: TopicPartition,
    pub committed: Option<i64>,
    pub lag: i64,
}

#[derive(Debug, Default)]
pub struct Meter(Mutex<Standing>);

impl Meter {
    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, in the order of their declaration. `now` is the driver's.
    pub fn samples(&self, now: u64) -> Samples {
        let standing = self.standing();
        let Standing { counters, partitions, .. } = &*standing;
        let since = |moment: Option<u64>| moment.map_or(0, |since| now.saturating_sub(since));
        let mut samples = Samples::default();
        samples.add(&metrics::RECORDS, &[], counters.records);
        samples.add(&metrics::RECORD_BYTES, &[], counters.bytes);
        samples.add(&metrics::ROWS, &[], counters.rows);
        samples.add(&metrics::ROWS_WRITTEN, &[], counters.written.rows);
        for (code, records) in counters.errant.of(Class::Record) {
            samples.add(&metrics::RECORDS_ERRANT, &[code], records);
        }
        samples.add(&metrics::RECORDS_ERRANT, &["refused-in-java"], counters.refused_in_java);
        for (reason, records) in [
            ("tombstone", counters.tombstones),
            ("unrouted", counters.unrouted),
            ("redelivered", counters.redelivered),
            ("before-rewind", counters.dropped),
            ("revoked", counters.revoked),
        ] {
            samples.add(&metrics::RECORDS_SKIPPED, &[reason], records);
        }
        samples.add(&metrics::UNKNOWN_FIELDS, &[], counters.unknown_fields);
        samples.add(&metrics::COMMITS, &[], counters.commits);
        samples.add(&metrics::COMMIT_TIME, &[], counters.commit_ms);
        samples.add(&metrics::COMMIT_TIME_MAX, &[], counters.longest_commit.value(now));
        samples.add(&metrics::FILES, &[], counters.written.files);
        samples.add(&metrics::FILE_BYTES, &[], counters.written.bytes);
        samples.add(&metrics::UNITS_FENCED, &[], counters.fenced);
        samples.add(&metrics::UNITS_UNWRITTEN, &[], counters.unwritten);
        samples.add(&metrics::BACKLOG, &[], standing.backlog as u64);
        samples.add(&metrics::BUFFERED, &[], standing.held as u64);
        samples.add(&metrics::OLDEST, &[], since(standing.oldest));
        samples.add(&metrics::PAUSED, &[], u64::from(standing.paused.is_some()));
        for pause in Pause::ALL {
            samples.add(&metrics::PAUSES, &[pause.name()], counters.pauses[pause as usize]);
        }
        samples.add(&metrics::PAUSED_TIME, &[], counters.paused_ms + since(standing.paused));
        for (code, batches) in counters.batches_refused.of(Class::Retriable) {
            samples.add(&metrics::BATCHES_REFUSED, &[code], batches);
        }
        samples.add(&metrics::TABLES, &[], standing.tables as u64);
        for PartitionStanding { place, committed, .. } in partitions {
            let labels = [&*place.topic, &place.partition.to_string()];
            samples.add_signed(&metrics::COMMITTED_OFFSET, &labels, committed.unwrap_or(-1));
        }
        for PartitionStanding { place, lag, .. } in partitions {
            let labels = [&*place.topic, &place.partition.to_string()];
            samples.add_signed(&metrics::PARTITION_LAG, &labels, *lag);
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::OF_TASK;

    #[test]
    fn every_metric_of_a_task_has_its_series_from_the_start() {
        let meter = Meter::default();
        let place = TopicPartition::new("t", 3);
        meter.standing().partitions = vec![PartitionStanding { place, committed: None, lag: 0 }];
        let samples = meter.samples(0).0;
        let mut metrics: Vec<_> = samples.iter().map(|sample| sample.metric).collect();
        metrics.dedup();
        assert_eq!(metrics, OF_TASK, "the series of a metric stand together");
        let mut series: Vec<_> = samples.iter().map(|sample| (sample.metric.name, &sample.labels)).collect();
        series.sort_unstable();
        series.dedup();
        assert_eq!(series.len(), samples.len());
        let errant = |code: &str| {
            let of = |sample: &&metrics::Sample| *sample.metric == metrics::RECORDS_ERRANT;
            samples.iter().filter(of).any(|sample| sample.labels == [code])
        };
        assert!(errant("RECORD_TYPE") && errant("WRITER_SCHEMA") && !errant("BUSY"));
    }

    #[test]
    fn what_goes_on_is_counted_up_to_now() {
        let meter = Meter::default();
        *meter.standing() = Standing { paused: Some(50), oldest: Some(20), ..Standing::default() };
        meter.standing().counters.paused_ms = 1_000;
        let total = |metric| meter.samples(120).total(metric);
        assert_eq!(total(&metrics::PAUSED_TIME), 1_070);
        assert_eq!((total(&metrics::PAUSED), total(&metrics::OLDEST)), (1, 100));
    }
}
