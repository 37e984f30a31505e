//! What many streams cost, beside the goals.

use std::path::Path;

use serde_json::{Value, json};
use sluice_testkit::{Error, Result};

use super::run::{Found, Load, Start, TRICKLE};
use super::spread::busiest_tenth;
use super::threads::{GROUPS, OURS};
use super::{BUDGET, HEAP, INTERVAL, Streams};
use crate::bench::machine::{Facts, by_name, listed};
use crate::bench::report::{Aim, Goal, aims_json, aims_table, table, write_all};

const MIB: f64 = (1 << 20) as f64;

pub struct Report {
    pub facts: Facts,
    pub streams: Streams,
    pub sluice: Found,
    /// As many connectors that do nothing.
    pub noop: Found,
}

pub fn facts(streams: Streams) -> Facts {
    let Streams { connectors, partitions, records } = streams;
    vec![
        (
            "streams",
            format!(
                "{connectors} connectors with one task, one topic and one table each, {partitions} partitions; load: {records} events of \
                 about 350 bytes"
            ),
        ),
        (
            "settings",
            format!(
                "heap {HEAP}, commit interval {} s, delta.memory.budget.bytes {} MiB, consumers as in connect-config/demo.json, with Kafka's fetch defaults",
                INTERVAL.as_secs(),
                BUDGET >> 20
            ),
        ),
    ]
}

/// Sluice's threads at most, however many connectors there are, as `docs/operations.md` says it.
fn most_threads() -> u64 {
    let cores = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    cores.min(4) + 1 + 96
}

fn growth(found: &Found) -> f64 {
    (found.load.native as f64 - found.load.native_before as f64) / MIB
}

impl Report {
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_all(folder, &[("many.md", &self.text()), ("many.json", &format!("{:#}\n", self.json()))])
    }

    pub fn text(&self) -> String {
        format!(
            "# Many streams\n\n{}\n\
             ## Start\n\nnew: connectors that a worker is asked for, one after the other; ready: the last is asked for. restart: a new worker that has\n\
             them all; ready: its REST interface answers. Seconds from the first request, or the worker's start, until then, until all tasks\n\
             run, and until the record that waits in each topic is in its table (a commit interval at most is in it). CPU: seconds of the\n\
             worker until then.\n\n{}\n\
             ## At rest\n\nPercent of one core over a minute with nothing to do, and over one with {TRICKLE} records/s. The tasks' threads are Connect's:\n\
             Kafka's consumers poll on them, and Sluice's Java side and its native calls run on them.\n\n{}\n\
             ## Load\n\nSeconds until all records are through. Peaks: MiB resident outside the Java heap and in it. Growth: from before the load.\n\n{}\n\
             ## Commits\n\n{}\n\
             ## Goals\n\n{}",
            listed(&self.facts),
            self.starts(),
            self.at_rest(),
            self.loads(),
            self.commits(),
            aims_table(self.goals())
        )
    }

    fn sinks(&self) -> [(&'static str, &Found); 2] {
        [("Sluice", &self.sluice), ("no-op", &self.noop)]
    }

    fn starts(&self) -> String {
        let starts = self.sinks().into_iter();
        let starts =
            starts.flat_map(|(name, found)| [(name, "new", &found.start), (name, "restart", &found.restart)]);
        let rows = starts.map(|(name, what, start)| {
            let rows = start.rows.map(|rows| format!("{rows:.1}")).unwrap_or_default();
            vec![
                name.into(),
                what.into(),
                format!("{:.1}", start.asked),
                format!("{:.1}", start.running),
                rows,
                format!("{:.1}", start.cpu),
            ]
        });
        table(&["sink", "start", "ready", "running", "rows", "CPU"], &rows.collect::<Vec<_>>(), 2)
    }

    fn at_rest(&self) -> String {
        let head = ["threads", "Sluice", "rest %", "trickle %", "no-op", "rest %", "trickle %"];
        let percent = |share: f64| format!("{:.2}", share * 100.0);
        let line = |name: &str| {
            let cells = self.sinks().into_iter().flat_map(|(_, Found { rest, trickle, .. })| {
                let threads = rest.threads_of(name).to_string();
                [threads, percent(rest.share_of(name)), percent(trickle.share_of(name))]
            });
            [name.to_owned()].into_iter().chain(cells).collect::<Vec<_>>()
        };
        let all = self.sinks().into_iter().flat_map(|(_, Found { rest, trickle, .. })| {
            [rest.threads().to_string(), percent(rest.share()), percent(trickle.share())]
        });
        let all = ["all".to_owned()].into_iter().chain(all).collect();
        table(&head, &GROUPS.map(line).into_iter().chain([all]).collect::<Vec<_>>(), 1)
    }

    fn loads(&self) -> String {
        let head =
            ["sink", "seconds", "native before", "native peak", "growth", "heap peak", "threads", "Sluice's"];
        let rows = self.sinks().map(|(name, found)| {
            let load = &found.load;
            vec![
                name.into(),
                format!("{:.1}", load.seconds),
                format!("{:.0}", load.native_before as f64 / MIB),
                format!("{:.0}", load.native as f64 / MIB),
                format!("{:.0}", growth(found)),
                format!("{:.0}", load.heap as f64 / MIB),
                load.threads.to_string(),
                load.ours.to_string(),
            ]
        });
        table(&head, &rows, 1)
    }

    fn busiest_tenth(&self) -> f64 {
        busiest_tenth(&self.sluice.commits, INTERVAL.as_millis() as i64)
    }

    fn commits(&self) -> String {
        format!(
            "The trickle made {} commits to {} tables. In the busiest tenth of the commit interval: {:.0} %.\n",
            self.sluice.commits.len(),
            self.streams.connectors,
            self.busiest_tenth() * 100.0
        )
    }

    fn goals(&self) -> Vec<Aim> {
        let Found { start, restart, rest, load, .. } = &self.sluice;
        let budget = Goal::AtMost((BUDGET >> 20) as f64 + 64.0);
        let idle = Goal::AtMost(0.05);
        let peak = |load: &Load| load.native as f64 / MIB;
        let rows = |start: &Start| start.rows.unwrap_or(f64::NAN);
        let add = |what: &str, goal, measured| (what.to_owned(), goal, measured);
        vec![
            add("new connectors, until each has a row: seconds", Goal::AtMost(60.0), rows(start)),
            add("restart, until each has a row: seconds", Goal::AtMost(60.0), rows(restart)),
            add("at rest, whole worker: cores", idle, rest.share()),
            add("at rest, what the no-op sinks leave: cores", idle, rest.share() - self.noop.rest.share()),
            add("at rest, Sluice's own threads: cores", idle, rest.share_of(OURS)),
            add("Sluice's own threads under load", Goal::AtMost(most_threads() as f64), load.ours as f64),
            add("native memory's growth under load: MiB", budget, growth(&self.sluice)),
            add(
                "native memory's peak, what the no-op sinks leave of it: MiB",
                budget,
                peak(load) - peak(&self.noop.load),
            ),
            add(
                "commits in the busiest tenth of the interval: share",
                Goal::AtMost(0.25),
                self.busiest_tenth(),
            ),
        ]
    }

    fn json(&self) -> Value {
        json!({"facts": by_name(&self.facts), "sluice": self.sluice.json(), "noop": self.noop.json(), "goals": aims_json(self.goals())})
    }

    /// Times and sizes only report; counts that are wrong are faults.
    pub fn check(&self) -> Result<()> {
        let wrong = self
            .sinks()
            .into_iter()
            .flat_map(|(name, found)| found.wrong.iter().map(move |wrong| format!("{name}: {wrong}")));
        let mut wrong: Vec<_> = wrong.collect();
        if self.sluice.load.ours > most_threads() {
            wrong.push(format!("Sluice had {} threads, more than {}", self.sluice.load.ours, most_threads()));
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::new(wrong.join("\n"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::threads::Usage;
    use super::*;

    fn found(cpu: f64, growth: u64, ours: u64) -> Found {
        let usage = || Usage { seconds: 60.0, cpu, groups: [(OURS, (7, 0.6)), ("tasks", (100, 1.2))].into() };
        let start = |rows| Start { asked: 5.0, running: 9.0, rows: Some(rows), cpu: 30.0 };
        let native_before = 100 << 20;
        Found {
            start: start(12.0),
            restart: start(70.0),
            rest: usage(),
            trickle: usage(),
            commits: (0..100).map(|n| n * 100).collect(),
            load: Load { native_before, native: native_before + (growth << 20), ours, ..Load::default() },
            wrong: vec![],
        }
    }

    fn report(growth: u64, ours: u64) -> Report {
        let streams = Streams { connectors: 100, partitions: 2_000, records: 1 };
        let facts = vec![("machine", "any".into())];
        Report { facts, streams, sluice: found(9.0, growth, ours), noop: found(7.5, 50, 0) }
    }

    #[test]
    fn goals_stand_beside_the_figures() {
        let report = report(200, 20);
        let goals: Vec<_> =
            report.goals().iter().map(|(_, goal, measured)| (*measured, goal.is_met(*measured))).collect();
        assert_eq!(
            goals,
            [
                (12.0, true),
                (70.0, false),
                (0.15, false),
                (0.15 - 0.125, true),
                (0.01, true),
                (20.0, true),
                (200.0, false),
                (150.0, true),
                (0.1, true)
            ]
        );
        let text = report.text();
        let row = text.lines().find(|line| line.starts_with("| tasks")).unwrap();
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[2..8], ["100", "2.00", "2.00", "100", "2.00", "2.00"]);
        assert_eq!(report.json()["goals"][2]["met"], false);
    }

    #[test]
    fn a_count_that_is_wrong_fails() {
        report(1, most_threads()).check().unwrap();
        assert!(report(1, most_threads() + 1).check().is_err());
        let mut report = report(1, 1);
        report.sluice.wrong.push("many-001: 2 rows".into());
        assert!(report.check().unwrap_err().to_string().contains("Sluice: many-001"));
    }
}
