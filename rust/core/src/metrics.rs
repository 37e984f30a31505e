//! What Sluice measures of itself, each with its name, type, unit and meaning. Java registers what it is given and knows no name;
//! the table in `docs/operations.md` is made from this one (`cargo xtask generate`).
//!
//! A metric of a task is counted for that task alone. One of the process stands once for each loaded library, however many tasks it
//! has: what they share must not be counted once for each of them.

use std::fmt::Write;

#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: &'static str,
    /// Names of the labels that tell its series apart.
    pub labels: &'static [&'static str],
    pub meaning: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows. It starts at 0 again with its task, or its process.
    Counter,
    Gauge,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        }
    }
}

macro_rules! metrics {
    ($all:ident; $($constant:ident $name:literal $kind:ident $unit:literal [$($label:literal)*] $meaning:literal;)*) => {
        $(pub const $constant: Metric =
            Metric { name: $name, kind: Kind::$kind, unit: $unit, labels: &[$($label),*], meaning: $meaning };)*

        pub const $all: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! { OF_TASK;
    RECORDS "sluice-records-total" Counter "records" []
        "records that Connect handed over, whatever became of them";
    RECORD_BYTES "sluice-record-bytes-total" Counter "bytes" []
        "their values, as they crossed to the native side";
    ROWS "sluice-rows-total" Counter "rows" []
        "rows that were made of them, for each table that they went to. Rows that are dropped by a fence or a rewind count again \
         when they come again";
    ROWS_WRITTEN "sluice-rows-written-total" Counter "rows" []
        "rows that are in a table";
    RECORDS_ERRANT "sluice-records-errant-total" Counter "records" ["reason"]
        "bad records: reported, and no row. `reason` is the error's code, or `refused-in-java` where the value could not be handed over";
    RECORDS_SKIPPED "sluice-records-skipped-total" Counter "records" ["reason"]
        "records that make no row by a rule. `reason`: `tombstone` no value; `unrouted` no route matched (`delta.route.unmatched=skip`); \
         `redelivered` taken before; `before-rewind` they came before the table's offsets were known, and come again; `revoked` of a \
         partition that is no longer this task's";
    UNKNOWN_FIELDS "sluice-unknown-fields-total" Counter "fields" []
        "fields that the table has no column for, left out (`delta.schema.unknown.fields=ignore`)";
    COMMITS "sluice-commits-total" Counter "units" []
        "units of this task that landed. Units of several tasks can share a version of a table";
    COMMIT_TIME "sluice-commit-time-ms-total" Counter "ms" []
        "how long those took from when they were put up for commit until the task knew that they had landed: finishing the files, \
         waiting for other tasks, the commit itself";
    COMMIT_TIME_MAX "sluice-commit-time-max-ms" Gauge "ms" []
        "the longest of those in the last minute or two";
    FILES "sluice-files-total" Counter "files" []
        "data files of this task that are in a table";
    FILE_BYTES "sluice-file-bytes-total" Counter "bytes" []
        "their size";
    UNITS_FENCED "sluice-units-fenced-total" Counter "units" []
        "units that were dropped because the table held other offsets. Rare: after rebalances and long pauses";
    UNITS_UNWRITTEN "sluice-units-unwritten-total" Counter "units" []
        "units that were dropped because the store failed while their files were written. Their records come again";
    BACKLOG "sluice-backlog-bytes" Gauge "bytes" []
        "decoded rows that wait to be encoded";
    BUFFERED "sluice-buffered-bytes" Gauge "bytes" []
        "all that the task's rows hold of the memory budget: those, and what of open files is in memory";
    OLDEST "sluice-oldest-uncommitted-ms" Gauge "ms" []
        "how long ago the oldest record came that is taken and not in its table yet; 0 when there is none. A record that is dropped and \
         comes again starts anew";
    PAUSED "sluice-paused" Gauge "0 or 1" []
        "whether the task's partitions are paused";
    PAUSES "sluice-pauses-total" Counter "pauses" ["reason"]
        "how often they were. `reason`: `loading` the table's offsets are being read; `memory` the process's budget is short, and the task \
         holds more than its share; `backlog` the encoder is behind";
    PAUSED_TIME "sluice-paused-ms-total" Counter "ms" []
        "for how long they were";
    BATCHES_REFUSED "sluice-batches-refused-total" Counter "batches" ["reason"]
        "batches that Connect has to deliver again. `reason` is the error's code";
    TABLES "sluice-tables" Gauge "tables" []
        "tables that the task has open";
    COMMITTED_OFFSET "sluice-partition-committed-offset" Gauge "offset" ["topic" "partition"]
        "the next offset to read that the partition's tables hold; -1 while they hold none";
    PARTITION_LAG "sluice-partition-lag" Gauge "offsets" ["topic" "partition"]
        "how far that is behind what the task has consumed";
}

metrics! { OF_PROCESS;
    BUDGET "sluice-memory-budget-bytes" Gauge "bytes" []
        "the memory budget for rows (`delta.memory.budget.bytes`)";
    BUDGET_HELD "sluice-memory-held-bytes" Gauge "bytes" []
        "what rows hold of it";
    ALLOCATED "sluice-native-allocated-bytes" Gauge "bytes" []
        "memory in use that `malloc` gave to anybody in the worker, the JVM's own included, the Java heap not. 0 where the C library does \
         not tell (musl)";
    RESERVED "sluice-native-reserved-bytes" Gauge "bytes" []
        "what `malloc` has from the system for it. 0 where the C library does not tell";
    RESIDENT "sluice-resident-bytes" Gauge "bytes" []
        "memory of the whole worker that is resident, the Java heap included: what a container's limit is held against";
    REQUESTS "sluice-store-requests-total" Counter "requests" ["kind" "status"]
        "requests to object stores, each try by itself, and to lock tables, the tries of one together; none on a local file system. `kind`: `get`, `head`, `list`, `put`, \
         `post`, `delete`; `lock-read` and `lock-write` in DynamoDB. `status`: `ok`; `missing` (404); `conflict` a condition was not \
         met, such as a version that is taken; `denied` (401, 403); `throttled` (429, 503); `failed` any other; `unanswered` no answer \
         came";
    REQUEST_TIME "sluice-store-request-time-ms-total" Counter "ms" ["kind"]
        "how long they took until an answer began";
    TABLE_COMMITS "sluice-table-commits-total" Counter "versions" ["table"]
        "versions of the table that this process made with rows or offsets in them";
    TABLE_VERSION "sluice-table-version" Gauge "version" ["table"]
        "the newest of them; -1 while there is none";
    TABLE_ROWS "sluice-table-rows-total" Counter "rows" ["table"]
        "rows in them";
    TABLE_FILES "sluice-table-files-total" Counter "files" ["table"]
        "files in them";
    TABLE_BYTES "sluice-table-file-bytes-total" Counter "bytes" ["table"]
        "the size of those";
    TABLE_COMMIT_TIME "sluice-table-commit-time-ms-total" Counter "ms" ["table"]
        "how long the commits took, all their tries together, without what came before";
    TABLE_COMMIT_TIME_MAX "sluice-table-commit-time-max-ms" Gauge "ms" ["table"]
        "the longest of them in the last minute or two";
    TABLE_CONFLICTS "sluice-table-conflicts-total" Counter "tries" ["table"]
        "tries that another writer was faster than";
    TABLE_LOCK_WAITS "sluice-table-lock-waits-total" Counter "waits" ["table"]
        "how often a commit, or a change of the columns, waited because another writer had the version";
    TABLE_LOCK_WAIT_TIME "sluice-table-lock-wait-ms-total" Counter "ms" ["table"]
        "for how long";
    TABLE_QUEUE_TIME "sluice-table-queue-ms-total" Counter "ms" ["table"]
        "for how long work on the table waited for one of the process's threads for that";
    TABLE_RETRIES "sluice-table-retries-total" Counter "tries" ["table"]
        "failures of its store after which what failed is tried again";
    TABLE_SCHEMA_CHANGES "sluice-table-schema-changes-total" Counter "versions" ["table"]
        "versions by which this process created the table or changed its columns";
    TABLE_MAINTENANCE "sluice-table-maintenance-total" Counter "rounds" ["table" "kind"]
        "rounds of maintenance that this process did, with those in which nothing was due. `kind`: `log` (checkpoints, version checksum \
         files, log compaction files, clean-up), `compaction` of data files, `vacuum`";
    TABLE_MAINTENANCE_FAILURES "sluice-table-maintenance-failures-total" Counter "rounds" ["table" "kind"]
        "rounds that failed. They are tried again later, and no commit fails by them";
    TABLE_MAINTENANCE_TIME "sluice-table-maintenance-ms-total" Counter "ms" ["table" "kind"]
        "how long those took that did not fail";
    TABLE_SINCE_CHECKPOINT "sluice-table-commits-since-checkpoint" Gauge "commits" ["table"]
        "commits since the table's newest checkpoint, whoever wrote it, when this process last looked; -1 before it has, while another \
         one looks after the table, and with `delta.maintenance.enabled=false`";
    TABLE_LOG_FILES "sluice-table-log-files-total" Counter "files" ["table" "kind"]
        "files that were written beside the commits. `kind`: `checkpoint`, those of several parts counting as one; `checksum`; `log-compaction`";
    TABLE_MERGES "sluice-table-merges-total" Counter "versions" ["table"]
        "versions that put merged files in the place of small ones (`delta.compaction.enabled`)";
    TABLE_OVERLAPS "sluice-table-merge-overlaps-total" Counter "merges" ["table"]
        "merges that gave way, because another writer changed what they had read";
    TABLE_MERGED_FILES "sluice-table-merged-files-total" Counter "files" ["table"]
        "small files that were merged";
    TABLE_MERGED_BYTES "sluice-table-merged-file-bytes-total" Counter "bytes" ["table"]
        "their size";
    TABLE_MERGED_ROWS "sluice-table-merged-rows-total" Counter "rows" ["table"]
        "rows in them that were not deleted";
    TABLE_MERGED_INTO_FILES "sluice-table-merged-into-files-total" Counter "files" ["table"]
        "files that they were merged into";
    TABLE_MERGED_INTO_BYTES "sluice-table-merged-into-file-bytes-total" Counter "bytes" ["table"]
        "the size of those";
    TABLE_DELETED_FILES "sluice-table-deleted-files-total" Counter "files" ["table" "kind"]
        "files that were deleted. `kind`: `log`, `vacuum`";
    TABLE_DELETED_BYTES "sluice-table-deleted-file-bytes-total" Counter "bytes" ["table" "kind"]
        "the size of those";
    LOG_LINES_DROPPED "sluice-log-lines-dropped-total" Counter "lines" []
        "lines of the native log that were left out, because too many were like them or the queue was full";
}

/// One series, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub metric: &'static Metric,
    /// Of the metric's labels, in their order.
    pub labels: Vec<String>,
    pub value: i64,
}

/// All series at one moment, those of a metric one after the other.
#[derive(Debug, Default)]
pub struct Samples(pub Vec<Sample>);

impl Samples {
    pub fn add(&mut self, metric: &'static Metric, labels: &[&str], value: u64) {
        self.add_signed(metric, labels, i64::try_from(value).unwrap_or(i64::MAX));
    }

    pub fn add_signed(&mut self, metric: &'static Metric, labels: &[&str], value: i64) {
        debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.0.push(Sample { metric, labels, value });
    }

    /// The sum of a metric's series.
    pub fn total(&self, metric: &Metric) -> i64 {
        self.0.iter().filter(|sample| sample.metric == metric).map(|sample| sample.value).sum()
    }
}

/// The largest of what was seen in the last minute, or in up to two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Largest {
    minute: u64,
    of_minute: u64,
    of_minute_before: u64,
}

impl Largest {
    const MINUTE: u64 = 60_000;

    pub fn see(&mut self, now_ms: u64, value: u64) {
        *self = self.at(now_ms);
        self.of_minute = self.of_minute.max(value);
    }

    pub fn value(&self, now_ms: u64) -> u64 {
        let now = self.at(now_ms);
        now.of_minute.max(now.of_minute_before)
    }

    /// With what was seen elsewhere, by the same clock.
    pub fn merge(&mut self, other: Largest) {
        let newest = self.minute.max(other.minute) * Self::MINUTE;
        let (one, other) = (self.at(newest), other.at(newest));
        *self = Largest {
            minute: one.minute,
            of_minute: one.of_minute.max(other.of_minute),
            of_minute_before: one.of_minute_before.max(other.of_minute_before),
        };
    }

    fn at(self, now_ms: u64) -> Self {
        let minute = now_ms / Self::MINUTE;
        match minute.saturating_sub(self.minute) {
            0 => self,
            1 => Largest { minute, of_minute: 0, of_minute_before: self.of_minute },
            _ => Largest { minute, ..Largest::default() },
        }
    }
}

/// The metrics as a table in Markdown.
pub fn table(metrics: &[&Metric]) -> String {
    let mut table = "| name | type | unit | meaning |\n|---|---|---|---|\n".to_owned();
    for Metric { name, kind, unit, labels, meaning } in metrics {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let by = if labels.is_empty() { String::new() } else { format!(" by {}", labels.join(" and ")) };
        let _ = writeln!(table, "| `{name}`{by} | {} | {unit} | {meaning} |", kind.name());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_kind_and_unit_they_are_of() {
        let mut names: Vec<_> = OF_TASK.iter().chain(OF_PROCESS).map(|metric| metric.name).collect();
        for metric in OF_TASK.iter().chain(OF_PROCESS) {
            let name = metric.name;
            assert!(name.starts_with("sluice-"), "{name}");
            assert_eq!(name.ends_with("-total"), metric.kind == Kind::Counter, "{name}");
            let stem = name.trim_end_matches("-total");
            assert_eq!(stem.ends_with("-ms"), metric.unit == "ms", "{name}");
            assert_eq!(stem.ends_with("-bytes"), metric.unit == "bytes", "{name}");
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn the_largest_is_forgotten_after_two_minutes_at_most() {
        let mut largest = Largest::default();
        largest.see(59_000, 7);
        largest.see(59_500, 5);
        assert_eq!((largest.value(59_999), largest.value(60_000), largest.value(119_999)), (7, 7, 7));
        assert_eq!(largest.value(120_000), 0);
        largest.see(61_000, 3);
        assert_eq!((largest.value(61_000), largest.value(120_000), largest.value(180_000)), (7, 3, 0));
        let mut other = Largest::default();
        other.see(121_000, 1);
        other.merge(largest);
        assert_eq!((other.value(121_000), other.value(180_000)), (3, 1));
    }
}
