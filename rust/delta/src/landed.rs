//! What the log says of each commit, in one line.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use sluice_core::task::Written;

use crate::unit::StagedUnit;

/// Partitions that are named; the others are only counted.
const NAMED: usize = 8;

pub(crate) struct Landed<'a> {
    pub uri: &'a str,
    pub version: u64,
    pub units: Vec<&'a StagedUnit>,
    pub took: Duration,
    /// The store did not say that it landed; the log did.
    pub found: bool,
}

impl Landed<'_> {
    pub fn written(&self) -> Written {
        let mut written = Written::default();
        self.units.iter().for_each(|unit| written.add(unit.written()));
        written
    }
}

impl fmt::Display for Landed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Landed { uri, version, units, took, found } = self;
        let Written { files, rows, bytes } = self.written();
        let how = if *found { ", found in its log" } else { "" };
        write!(f, "committed version {version} of table {uri} in {} ms{how}: ", took.as_millis())?;
        write!(f, "{rows} rows in {files} files, {}", Size(bytes))?;
        let tasks: BTreeSet<_> = units.iter().map(|unit| (&unit.connector, &unit.task)).collect();
        for (n, (connector, task)) in tasks.iter().enumerate() {
            write!(f, "{} {connector} task {task}", if n == 0 { ", of" } else { " and" })?;
        }
        let mut ends: Vec<_> = units.iter().flat_map(|unit| &unit.intervals).collect();
        ends.sort_by_key(|interval| &interval.partition);
        for (n, interval) in ends.iter().take(NAMED).enumerate() {
            let before = if n == 0 { "; up to offset" } else { "," };
            write!(f, "{before} {} of {}", interval.to, interval.partition)?;
        }
        match ends.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more partitions"),
        }
    }
}

struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ ..1_000_000 => write!(f, "{:.1} kB", bytes as f64 / 1e3),
            bytes => write!(f, "{:.1} MB", bytes as f64 / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_core::offsets::{Interval, TopicPartition};
    use sluice_core::settings::OtherConnectors;

    use super::*;

    fn unit(task: &str, partitions: std::ops::Range<i32>) -> StagedUnit {
        let interval = |partition| Interval {
            partition: TopicPartition::new("events", partition),
            app_id: String::new(),
            expected: None,
            from: 0,
            to: 100 + i64::from(partition),
            rows: 1,
            taken_over: None,
        };
        StagedUnit {
            connector: "flow".into(),
            task: task.into(),
            files: vec![],
            intervals: partitions.map(interval).collect(),
            other_connectors: OtherConnectors::Fail,
        }
    }

    #[test]
    fn a_commit_is_one_line_that_names_few_partitions() {
        let (one, other) = (unit("0", 7..9), unit("1", 0..20));
        let (uri, took) = ("s3://lake/events/", Duration::from_millis(212));
        let few = Landed { uri, version: 12, units: vec![&one], took, found: false };
        assert_eq!(
            few.to_string(),
            "committed version 12 of table s3://lake/events/ in 212 ms: 0 rows in 0 files, 0.0 kB, of flow task 0; up to \
             offset 107 of events-7, 108 of events-8"
        );
        let many = Landed { uri, version: 13, units: vec![&one, &other], took, found: true }.to_string();
        assert!(many.contains("in 212 ms, found in its log: "), "{many}");
        assert!(
            many.contains(", of flow task 0 and flow task 1; up to offset 100 of events-0, 101 of"),
            "{many}"
        );
        assert!(many.ends_with("107 of events-7 and 14 more partitions"), "{many}");
    }

    #[test]
    fn sizes_are_read_at_a_glance() {
        assert_eq!(
            [1_234, 999_999, 48_500_000].map(|size| Size(size).to_string()),
            ["1.2 kB", "1000.0 kB", "48.5 MB"]
        );
    }
}
