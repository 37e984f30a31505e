//! What a soak found, and whether it has passed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use sluice_testkit::{Error, Result};

use super::chart::{Panel, svg};
use super::follow::Commit;
use super::growth::{Growth, LONG, Series, percentile, percentile_over_time, warm_up};
use super::watch::Sample;
use super::{Options, PARTITIONS, Rate, TASKS};
use crate::bench::machine::{Facts, by_name, listed};
use crate::bench::report::{table, write_all};
use crate::checkout::shown;

/// What the sink has in hand at full load, in seconds: with no more records on their way it has to wait for some.
const IN_HAND: f64 = 2.5;

/// From a record's timestamp to its version being in the log, 99 of 100 records, in ms.
const FRESH: f64 = 2_500.0;

pub struct Report {
    facts: Facts,
    minutes: u64,
    rate: Rate,
    /// Rows a second at full load, where it was measured first.
    pub peak: Option<f64>,
    pub samples: Vec<Sample>,
    pub commits: Vec<Commit>,
    pub ages: Vec<(i64, i64)>,
    /// At the end, by name.
    pub threads: BTreeMap<String, u64>,
    pub deleted: u64,
    /// In the table at the end.
    pub records: u64,
    /// What is wrong with the table.
    pub findings: Vec<String>,
}

/// A figure that must not grow by more than is allowed; without a limit it is only shown.
struct Row {
    what: &'static str,
    growth: Option<Growth>,
    allowed: Option<f64>,
}

impl Row {
    fn grows(&self) -> bool {
        // A figure that was to be judged and could not be has not passed.
        self.allowed.is_some_and(|allowed| !self.growth.is_some_and(|growth| growth.grown() <= allowed))
    }
}

impl Report {
    pub fn new(options: &Options, mut facts: Facts) -> Self {
        facts.push((
            "load",
            format!(
                "{} min at {} load, {PARTITIONS} partitions, {TASKS} tasks, commit interval 1 s, store {:?}, heap 1 GB",
                options.minutes,
                if options.rate == Rate::Full { "full" } else { "half of peak" },
                options.store
            ),
        ));
        Report {
            facts,
            minutes: options.minutes,
            rate: options.rate,
            peak: None,
            samples: vec![],
            commits: vec![],
            ages: vec![],
            threads: BTreeMap::new(),
            deleted: 0,
            records: 0,
            findings: vec![],
        }
    }

    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = self.text();
        let json = format!("{:#}\n", self.json());
        write_all(folder, &[("report.md", &text), ("report.json", &json), ("chart.svg", &self.chart())])?;
        println!("\n{text}\nsoak: {}, report.json and chart.svg beside it", shown(&folder.join("report.md")));
        match self.wrong().is_empty() {
            true => Ok(()),
            false => Err(Error::new(format!("soak FAILED; all it made stays in {}", shown(folder)))),
        }
    }

    fn whole(&self) -> f64 {
        self.minutes as f64 * 60.0
    }

    fn series(&self, figure: impl Fn(&Sample) -> f64) -> Series {
        self.samples.iter().map(|sample| (sample.seconds, figure(sample))).collect()
    }

    fn of_commits(&self, figure: impl Fn(&Commit) -> f64) -> Series {
        self.commits.iter().map(|commit| (commit.at as f64 / 1e3, figure(commit))).collect()
    }

    fn ages(&self) -> Series {
        self.ages.iter().map(|(at, age)| (*at as f64 / 1e3, *age as f64)).collect()
    }

    fn rows_per_second(&self) -> Series {
        let pairs = self.samples.windows(2);
        let rate = |pair: &[Sample]| {
            let rows = pair[1].rows.saturating_sub(pair[0].rows) as f64;
            (pair[1].seconds, rows / (pair[1].seconds - pair[0].seconds))
        };
        pairs.map(rate).collect()
    }

    fn rows(&self) -> Vec<Row> {
        let growth = |series: Series| Growth::of(&series, self.whole());
        let long = self.whole() >= LONG;
        let half = self.rate == Rate::Half;
        let mut rows = vec![
            Row {
                what: "native memory, MB",
                growth: growth(self.series(|sample| sample.native as f64 / 1e6)),
                allowed: long.then_some(32.0),
            },
            Row {
                what: "threads",
                growth: growth(self.series(|sample| sample.threads as f64)),
                allowed: long.then_some(2.0),
            },
            Row {
                what: "descriptors",
                growth: growth(self.series(|sample| sample.descriptors as f64)),
                allowed: long.then_some(8.0),
            },
            Row {
                what: "Java heap, MB",
                growth: growth(self.series(|sample| sample.heap as f64 / 1e6)),
                allowed: None,
            },
            Row { what: "rows/s", growth: growth(self.rows_per_second()), allowed: None },
            Row {
                what: "commit, ms",
                growth: growth(self.of_commits(|commit| commit.took as f64)),
                allowed: half.then_some(50.0),
            },
            Row {
                what: "commit in the log, bytes a task",
                growth: growth(self.of_commits(|commit| (commit.bytes / commit.units.max(1)) as f64)),
                allowed: half.then_some(1024.0),
            },
        ];
        if half {
            rows.push(Row {
                what: "99th percentile of freshness, ms",
                growth: growth(percentile_over_time(&self.ages(), 99)),
                allowed: Some(250.0),
            });
        }
        rows
    }

    fn warm(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.seconds >= warm_up(self.whole()))
    }

    fn fewest_waiting(&self) -> u64 {
        self.warm().map(|sample| sample.waiting).min().unwrap_or(0)
    }

    fn mean_rate(&self) -> f64 {
        let (first, last) = (self.warm().next(), self.samples.last());
        let rate = |(first, last): (&Sample, &Sample)| {
            (last.rows - first.rows) as f64 / (last.seconds - first.seconds).max(1.0)
        };
        first.zip(last).map_or(0.0, rate)
    }

    /// None where nothing was sampled.
    fn freshness(&self, percent: usize) -> Option<f64> {
        percentile(self.ages.iter().map(|(_, age)| *age as f64).collect(), percent)
    }

    fn wrong(&self) -> Vec<String> {
        let mut wrong = self.findings.clone();
        wrong.extend(self.rows().iter().filter(|row| row.grows()).map(|row| format!("{} grow", row.what)));
        let (fewest, mean) = (self.fewest_waiting(), self.mean_rate());
        if self.rate == Rate::Full && (fewest as f64) < IN_HAND * mean {
            wrong.push(format!("not full load: only {fewest} records were on their way at a time"));
        }
        if self.rate == Rate::Half && self.freshness(99).is_none_or(|age| age > FRESH) {
            wrong.push(format!("99 of 100 records are not in the table within {FRESH} ms"));
        }
        wrong
    }

    fn text(&self) -> String {
        let wrong = self.wrong();
        let verdict = match (wrong.is_empty(), self.whole() >= LONG) {
            (false, _) => format!("**FAILED**: {}.", wrong.join("; ")),
            (true, true) => "**passed**".into(),
            (true, false) => "**passed**, but too short to say whether memory grows.".into(),
        };
        let mean = |figure: fn(&Commit) -> u64| {
            self.commits.iter().map(figure).sum::<u64>() as f64 / self.commits.len().max(1) as f64
        };
        let checked = match self.deleted {
            0 => "by the log and the rows themselves".into(),
            deleted => format!("by the log; {deleted} data files were deleted to make room"),
        };
        let mut lines = vec![
            format!("{} records are in the table, checked {checked}.", self.records),
            format!(
                "{:.0} rows/s; never fewer than {} records were on their way.",
                self.mean_rate(),
                self.fewest_waiting()
            ),
            format!(
                "{} commits with {:.1} files of {:.1} tasks.",
                self.commits.len(),
                mean(|commit| commit.files),
                mean(|commit| commit.units)
            ),
        ];
        if let Some(peak) = self.peak {
            lines.push(format!("Peak load is {peak:.0} rows/s."));
            let age = |percent| self.freshness(percent).map_or("?".into(), |age| format!("{age:.0} ms"));
            lines.push(format!(
                "Freshness, from a record's timestamp to its version in the log: median {}, 99th percentile {} (at most {FRESH} ms), \
                 longest {}, of {} records.",
                age(50),
                age(99),
                age(100),
                self.ages.len()
            ));
        }
        format!(
            "# Soak\n\n{verdict}\n\n{}\n{}\n\nMedians of the first and the last third of the time after the warm-up.\n\n{}",
            listed(&self.facts),
            lines.join("\n"),
            self.growths()
        )
    }

    fn growths(&self) -> String {
        let rows = self.rows().into_iter().map(|row| {
            let figure = |figure: fn(&Growth) -> f64| match &row.growth {
                Some(growth) => format!("{:.1}", figure(growth)),
                None => "?".into(),
            };
            let verdict = match row.allowed {
                None => "",
                Some(_) if row.grows() => "GROWS",
                Some(_) => "steady",
            };
            vec![
                row.what.into(),
                figure(|growth| growth.first),
                figure(|growth| growth.last),
                figure(Growth::grown),
                figure(Growth::per_hour),
                row.allowed.map(|allowed| format!("{allowed:.0}")).unwrap_or_default(),
                verdict.into(),
            ]
        });
        let head = ["", "first", "last", "growth", "per hour", "allowed", "verdict"];
        table(&head, &rows.collect::<Vec<_>>(), 1)
    }

    fn json(&self) -> Value {
        let rows = self.rows().into_iter().map(|row| {
            json!({"figure": row.what, "first": row.growth.map(|growth| growth.first),
                "last": row.growth.map(|growth| growth.last), "per_hour": row.growth.map(|growth| growth.per_hour()),
                "allowed": row.allowed, "grows": row.grows()})
        });
        let samples = self.samples.iter().map(|sample| {
            json!({"seconds": sample.seconds, "heap_bytes": sample.heap, "native_bytes": sample.native,
                "threads": sample.threads, "descriptors": sample.descriptors, "rows": sample.rows,
                "waiting": sample.waiting})
        });
        let commits = self
            .commits
            .iter()
            .map(|commit| json!([commit.at, commit.took, commit.bytes, commit.files, commit.units]));
        json!({
            "facts": by_name(&self.facts),
            "wrong": self.wrong(), "records": self.records, "deleted_files": self.deleted, "threads": self.threads,
            "peak_rows_per_second": self.peak, "growth": rows.collect::<Vec<_>>(),
            "freshness_ms": {"records": self.ages.len(), "median": self.freshness(50), "p99": self.freshness(99),
                "longest": self.freshness(100)},
            "samples": samples.collect::<Vec<_>>(),
            "commits_at_took_bytes_files_units": commits.collect::<Vec<_>>(),
        })
    }

    fn chart(&self) -> String {
        let panels = [
            Panel {
                title: "Resident memory, MB",
                lines: vec![
                    ("native", self.series(|sample| sample.native as f64 / 1e6)),
                    ("Java heap", self.series(|sample| sample.heap as f64 / 1e6)),
                ],
            },
            Panel {
                title: "Threads and descriptors",
                lines: vec![
                    ("threads", self.series(|sample| sample.threads as f64)),
                    ("descriptors", self.series(|sample| sample.descriptors as f64)),
                ],
            },
            Panel { title: "Rows a second", lines: vec![("in the table", self.rows_per_second())] },
            Panel {
                title: "Of each ten seconds, ms",
                lines: vec![
                    (
                        "commit, median",
                        percentile_over_time(&self.of_commits(|commit| commit.took as f64), 50),
                    ),
                    ("freshness, 99th percentile", self.fresh_enough_to_show()),
                ],
            },
        ];
        let facts: Vec<_> = self.facts.iter().map(|(_, fact)| fact.as_str()).collect();
        svg(&facts.join(" · "), self.minutes as f64, &panels)
    }

    /// At full load records wait in the topic by intention.
    fn fresh_enough_to_show(&self) -> Series {
        match self.rate {
            Rate::Full => vec![],
            Rate::Half => percentile_over_time(&self.ages(), 99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::store::Store;

    fn report(minutes: u64, rate: Rate, change: impl Fn(f64, &mut Sample, &mut Commit, &mut i64)) -> Report {
        let options = Options { minutes, store: Store::Local, rate };
        let mut report = Report::new(&options, vec![("machine", "a < b".into())]);
        for n in 0..=minutes * 12 {
            let seconds = n as f64 * 5.0;
            let mut sample = Sample {
                seconds,
                heap: 900_000_000,
                native: 300_000_000,
                threads: 80,
                descriptors: 200,
                rows: n * 1_000_000,
                waiting: 1_000_000,
            };
            let at = (seconds * 1e3) as i64;
            let mut commit = Commit { at, took: 30, bytes: 3_000, files: 3, units: 3 };
            let mut age = 900;
            change(seconds, &mut sample, &mut commit, &mut age);
            report.samples.push(sample);
            report.commits.push(commit);
            report.ages.push((at, age));
        }
        report
    }

    #[test]
    fn a_steady_hour_of_full_load_passes_and_no_other() {
        let steady = report(60, Rate::Full, |_, _, _, _| {});
        assert!(steady.wrong().is_empty() && steady.text().contains("**passed**\n"), "{}", steady.text());
        for grow in [
            (|at, sample: &mut Sample, _: &mut Commit, _: &mut i64| sample.native += at as u64 * 20_000)
                as fn(f64, &mut Sample, &mut Commit, &mut i64),
            |at, sample, _, _| sample.threads += at as u64 / 600,
            |at, sample, _, _| sample.descriptors += at as u64 / 200,
            |at, sample, _, _| sample.waiting /= if at == 3000.0 { 10 } else { 1 },
        ] {
            let report = report(60, Rate::Full, grow);
            assert_eq!(report.wrong().len(), 1, "{}", report.text());
            assert!(report.text().contains("**FAILED**"));
        }
    }

    #[test]
    fn a_short_run_says_nothing_of_memory_but_fails_by_what_is_wrong_in_the_table() {
        let grow = |at: f64, sample: &mut Sample, _: &mut Commit, _: &mut i64| {
            sample.native += at as u64 * 1_000_000
        };
        let mut report = report(3, Rate::Full, grow);
        assert!(report.wrong().is_empty() && report.text().contains("too short"), "{}", report.text());
        report.findings.push("a row too many".into());
        assert!(report.text().contains("**FAILED**: a row too many."), "{}", report.text());
    }

    #[test]
    fn at_half_load_records_are_fresh_and_commits_do_not_get_slower_or_larger() {
        let steady = report(10, Rate::Half, |_, _, _, _| {});
        assert!(steady.wrong().is_empty(), "{}", steady.text());
        for spoil in [
            (|_, _: &mut Sample, _: &mut Commit, age: &mut i64| *age = 2_501)
                as fn(f64, &mut Sample, &mut Commit, &mut i64),
            |at, _, _, age| *age += at as i64,
            |at, _, commit, _| commit.took += at as i64,
            |at, _, commit, _| commit.bytes += at as u64 * 20,
        ] {
            let report = report(10, Rate::Half, spoil);
            assert_eq!(report.wrong().len(), 1, "{}", report.text());
        }
        let mut nothing_sampled = report(10, Rate::Half, |_, _, _, _| {});
        nothing_sampled.ages.clear();
        assert!(!nothing_sampled.wrong().is_empty());
    }

    #[test]
    fn json_and_chart_have_the_samples() {
        let report = report(1, Rate::Half, |_, _, _, _| {});
        assert_eq!(report.json()["samples"].as_array().unwrap().len(), 13);
        assert_eq!(report.json()["freshness_ms"]["p99"], 900.0);
        assert!(report.chart().contains("a &lt; b"));
    }
}
