//! What was found, as Markdown and as JSON.

use std::path::Path;

use serde_json::{Value, json};
use sluice_testkit::{Error, Result};

use super::super::machine::{Facts, by_name, listed};
use super::super::measure::Run;
use super::super::report::{table, write_all};
use super::disk::Files;
use super::ingest::Round;
use super::readers::{ENGINES, Reading};
use super::{STATES, State};

pub struct Report {
    pub facts: Facts,
    /// One for each of [`STATES`].
    pub states: Vec<State>,
    pub rounds: Vec<Round>,
}

fn mega(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

fn seconds(seconds: Option<f64>) -> String {
    seconds.map(|seconds| format!("{seconds:.2}")).unwrap_or_default()
}

impl Report {
    pub fn write(&self, folder: &Path) -> Result<()> {
        let json = format!("{:#}\n", self.json());
        write_all(folder, &[("upkeep.md", &self.text()), ("upkeep.json", &json)])
    }

    pub fn text(&self) -> String {
        format!(
            "# Upkeep\n\n{}\n## Reading\n\n\
             open: until the engine has the version's list of files. Then rows and sums of two columns, of one day and kind (all but the day's\n\
             partitions are passed over), of a range of ids (by statistics), and of all rows. Each engine in a process of its own, its start not counted.\n\n{}\n\
             ## What it takes\n\n{}\n## On the disk\n\nWhat is no part of the table any more is there until vacuum.\n\n{}\n\
             ## Ingestion beside compaction\n\n\
             Records/s and CPU seconds per million records of the whole worker, between two commits in the midst of the backlog. Peaks in MB.\n\n{}\n{}\n",
            listed(&self.facts),
            self.readings(),
            self.costs(),
            self.disks(),
            self.runs(),
            self.verdict(),
        )
    }

    fn states(&self) -> impl Iterator<Item = (&'static str, &State)> {
        STATES.iter().map(|(name, _)| *name).zip(&self.states)
    }

    fn readings(&self) -> String {
        let head = [
            "engine",
            "table",
            "files",
            "open s",
            "of before",
            "day s",
            "of before",
            "range s",
            "all s",
            "peak MB",
        ];
        let mut rows = Vec::new();
        for (at, engine) in ENGINES.iter().enumerate() {
            let before = self.states.first().and_then(|state| state.readings[at].as_ref().ok());
            for (name, state) in self.states() {
                let mut cells = vec![engine.name().into(), name.into()];
                match &state.readings[at] {
                    Ok(reading) => cells.extend(figures(reading, before)),
                    Err(_) => cells.extend(["failed"].into_iter().chain([""; 7]).map(str::to_owned)),
                }
                rows.push(cells);
            }
        }
        table(&head, &rows, 2)
    }

    fn costs(&self) -> String {
        let costs = self.states.iter().flat_map(|state| &state.steps);
        let rows = costs.map(|cost| {
            let (seconds, cpu) = (format!("{:.1}", cost.seconds), format!("{:.1}", cost.cpu));
            vec![cost.options.clone(), seconds, cpu, mega(cost.peak)]
        });
        table(&["sluice maintain", "seconds", "CPU s", "peak MB"], &rows.collect::<Vec<_>>(), 1)
    }

    fn disks(&self) -> String {
        let head = [
            "table",
            "data files",
            "MB",
            "commits",
            "MB",
            "checkpoint files",
            "MB",
            "log compactions",
            "MB",
            "checksums",
            "MB",
        ];
        let rows = self.states().map(|(name, state)| {
            let disk = &state.disk;
            let kinds = [disk.data, disk.commits, disk.checkpoints, disk.compacted, disk.checksums];
            let cells = kinds.iter().flat_map(|Files { files, bytes }| [files.to_string(), mega(*bytes)]);
            [name.to_owned()].into_iter().chain(cells).collect()
        });
        table(&head, &rows.collect::<Vec<_>>(), 1)
    }

    fn runs(&self) -> String {
        let head = [
            "round",
            "",
            "records/s",
            "CPU",
            "peak",
            "heap",
            "native",
            "commits",
            "rewrites",
            "files at the end",
        ];
        let cells = |round: usize, name: &str, run: &Run, rewrites: u64, files: u64| {
            vec![
                round.to_string(),
                name.into(),
                format!("{:.0}", per_second(run)),
                format!("{:.2}", run.per_million()),
                mega(run.peak),
                mega(run.heap),
                mega(run.native),
                run.commits.to_string(),
                rewrites.to_string(),
                files.to_string(),
            ]
        };
        let rows = (1..).zip(&self.rounds).flat_map(|(at, round)| {
            [
                cells(at, "without", &round.without, 0, round.without.written.data_files),
                cells(at, "with compaction", &round.beside, round.rewrites, round.files),
            ]
        });
        table(&head, &rows.collect::<Vec<_>>(), 2)
    }

    /// Of the rounds: throughput with compaction as a part of that without.
    fn throughput(&self) -> Option<f64> {
        let ratios = self.rounds.iter().map(|round| per_second(&round.beside) / per_second(&round.without));
        middle(ratios.collect())
    }

    /// CPU of a record with compaction, over that without.
    fn cpu(&self) -> Option<f64> {
        let ratios = self.rounds.iter().map(|round| round.beside.per_million() / round.without.per_million());
        middle(ratios.collect())
    }

    fn verdict(&self) -> String {
        let text = |ratio: Option<f64>| ratio.map_or_else(|| "unknown".into(), |ratio| format!("{ratio:.3}"));
        let (throughput, cpu) = (text(self.throughput()), text(self.cpu()));
        format!("With compaction / without, the middle round: records/s {throughput}, CPU of a record {cpu}.")
    }

    fn json(&self) -> Value {
        let states = self.states().map(|(name, state)| {
            let readings = ENGINES.iter().zip(&state.readings).map(|(engine, reading)| match reading {
                Ok(reading) => json!({"engine": engine.name(), "told": reading.json()}),
                Err(error) => json!({"engine": engine.name(), "failed": error.to_string()}),
            });
            let steps: Vec<_> = state.steps.iter().map(|cost| cost.json()).collect();
            json!({"table": name, "maintain": steps, "disk": state.disk.json(), "readings": readings.collect::<Vec<_>>()})
        });
        json!({
            "facts": by_name(&self.facts), "states": states.collect::<Vec<_>>(),
            "ingestion": self.rounds.iter().map(Round::json).collect::<Vec<_>>(),
            "throughput_with_compaction": self.throughput(), "cpu_with_compaction": self.cpu(),
        })
    }

    /// Times only report. Rows that differ are a fault, as is a table that is kept and cannot be read.
    pub fn check(&self) -> Result<()> {
        let mut faults = Vec::new();
        for (number, (name, state)) in self.states().enumerate() {
            for (engine, reading) in ENGINES.iter().zip(&state.readings) {
                let engine = engine.name();
                match reading {
                    Ok(reading) => {
                        faults.extend(reading.wrong.iter().map(|wrong| format!("{engine}, {name}: {wrong}")))
                    }
                    Err(error) if number > 0 => faults.push(format!("{engine}, {name}: {error}")),
                    Err(_) => {}
                }
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::new(faults.join("; "))) }
    }
}

fn figures(reading: &Reading, before: Option<&Reading>) -> Vec<String> {
    let part = |what: &str| {
        let (now, then) = (reading.seconds(what), before.and_then(|before| before.seconds(what)));
        now.zip(then).map(|(now, then)| format!("{:.3}", now / then)).unwrap_or_default()
    };
    vec![
        reading.files().to_string(),
        seconds(reading.seconds("open")),
        part("open"),
        seconds(reading.seconds("day")),
        part("day"),
        seconds(reading.seconds("range")),
        seconds(reading.seconds("all")),
        mega(reading.peak()),
    ]
}

fn per_second(run: &Run) -> f64 {
    run.records as f64 / run.seconds
}

fn middle(mut ratios: Vec<f64>) -> Option<f64> {
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::super::super::progress::Written;
    use super::super::disk::Disk;
    use super::super::maintain::Cost;
    use super::super::readers::tests::reading;
    use super::*;

    fn run(seconds: f64, cpu: f64) -> Run {
        let written = Written { data_files: 40, data_bytes: 50_000_000, log_files: 40, log_bytes: 20_000 };
        let (peak, heap, native) = (700_000_000, 300_000_000, 400_000_000);
        Run {
            records: 2_000_000,
            seconds,
            cpu,
            compiler: 8.0,
            peak,
            heap,
            native,
            commits: 40,
            written,
            load: 1.0,
        }
    }

    fn report(readings: impl Fn(usize) -> Result<Reading>) -> Report {
        let cost = Cost { options: "--compact".into(), seconds: 12.34, cpu: 5.0, peak: 123_000_000 };
        let data = Files { files: 200, bytes: 9_000_000 };
        let state = |number: usize| State {
            steps: if number == 2 { vec![cost.clone()] } else { vec![] },
            disk: Disk { data, ..Disk::default() },
            readings: ENGINES.iter().map(|_| readings(number)).collect(),
        };
        let round =
            |seconds: f64| Round { without: run(4.0, 4.0), beside: run(seconds, 6.0), rewrites: 3, files: 7 };
        let rounds = vec![round(8.0), round(5.0), round(4.0)];
        Report { facts: vec![("machine", "any".into())], states: (0..3).map(state).collect(), rounds }
    }

    fn cells(text: &str, start: &str) -> Vec<String> {
        let line = text
            .lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("no {start} in {text}"));
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    }

    #[test]
    fn each_state_stands_beside_the_first() {
        let report = report(|number| Ok(reading([10.0, 2.0, 0.1][number], 0)));
        let text = report.text();
        assert_eq!(cells(&text, "| Spark        | as it was left")[3..7], ["4", "10.00", "1.000", "20.00"]);
        assert_eq!(
            cells(&text, "| Spark        | files merged")[3..8],
            ["4", "0.10", "0.010", "0.20", "0.010"]
        );
        assert_eq!(cells(&text, "| --compact")[1..5], ["--compact", "12.3", "5.0", "123.0"]);
        assert!(text.contains("records/s 0.800, CPU of a record 1.500"), "the middle of three: {text}");
        assert_eq!(report.json()["throughput_with_compaction"], 0.8);
        report.check().unwrap();
    }

    #[test]
    fn rows_that_differ_fail_and_times_do_not() {
        let wrong = |at: usize| report(move |number| Ok(reading(1.0, u64::from(number == at))));
        for (at, state) in STATES.iter().enumerate() {
            let error = wrong(at).check().unwrap_err().to_string();
            assert!(error.contains(state.0) && error.contains("delta-rs"), "{error}");
        }
        report(|_| Ok(reading(1e6, 0))).check().unwrap();
    }

    #[test]
    fn only_a_table_that_nobody_has_kept_may_be_unreadable() {
        let failing = |at: usize| {
            report(
                move |number| {
                    if number == at { Err(Error::new("out of memory")) } else { Ok(reading(1.0, 0)) }
                },
            )
        };
        let text = failing(0).text();
        assert_eq!(cells(&text, "| Spark        | as it was left")[3..6], ["failed", "", ""]);
        failing(0).check().unwrap();
        assert!(failing(1).check().unwrap_err().to_string().contains("out of memory"));
    }
}
