//! `cargo xtask bench --large`: what opening a table costs, and a commit to it, however many files and versions it has.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sluice_testkit::{Context, Error, Result};

use super::build_programs;
use super::machine::{Facts, by_name, here, listed};
use super::report::{Aim, Goal, aims_json, aims_table, table, write_all};
use crate::checkout::{Checkout, empty, shown};
use crate::step;

const COMMITS: &str = "200";

/// A table as `large-table generate` makes it.
struct Case {
    name: &'static str,
    versions: u64,
    flags: &'static [&'static str],
}

const fn case(name: &'static str, versions: u64, flags: &'static [&'static str]) -> Case {
    Case { name, versions, flags }
}

/// The first and the largest are those that the goals speak of.
const CASES: [Case; 8] = [
    case("new", 0, &[]),
    case("1,000 versions", 1_000, &[]),
    case("10,000 versions", 10_000, &[]),
    case("100,000 versions", 100_000, &[]),
    case("100,000, partitioned", 100_000, &["--partitioned"]),
    case("100,000, V2 checkpoint with sidecars", 100_000, &["--sidecars"]),
    case("100,000, log never cleaned up", 100_000, &["--whole-log"]),
    case("10,000, no checkpoint", 10_000, &["--no-checkpoint"]),
];
const LARGEST: usize = 3;

/// What `large-table measure` says of a case.
struct Measured(Value);

impl Measured {
    fn number(&self, pointer: &str) -> f64 {
        self.0.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN)
    }

    /// Requests of one kind for each commit.
    fn of_a_commit(&self, kind: &str) -> f64 {
        self.number(&format!("/committing/requests/{kind}")) / self.number("/committing/commits")
    }
}

pub fn run(checkout: &Checkout) -> Result<()> {
    let folder = checkout.target().join("bench/large");
    println!("bench: everything it makes goes to {}; that folder is emptied now", shown(&folder));
    empty(&folder)?;
    build_programs(checkout)?;
    let facts = here(checkout, Vec::new())?;
    let mut found = Vec::new();
    for case in &CASES {
        found.push(measure(checkout, case, &folder)?);
    }
    let report = Report { facts, found };
    let text = report.text();
    let results = checkout.target().join("bench");
    write_all(&results, &[("large.md", &text), ("large.json", &format!("{:#}\n", report.json()))])?;
    println!("\n{text}\nbench: {}, large.json beside it", shown(&results.join("large.md")));
    report.check()
}

fn measure(checkout: &Checkout, case: &Case, folder: &Path) -> Result<Measured> {
    let at = folder.join("table");
    empty(&at)?;
    let program = |args: &[&str]| {
        let mut program = checkout.command(checkout.cargo_target.join("release/large-table"), &args[..1]);
        program.arg(&at).args(&args[1..]);
        program
    };
    let versions = case.versions.to_string();
    let generate = program(&[&["generate", &versions], case.flags].concat());
    let what = format!("making a table: {}", case.name);
    step::run(&what, "up to two minutes", &generate, &checkout.log("large-generate"), step::nothing)?;
    let log = checkout.log("large-measure");
    let said = step::run("measuring it", "seconds", &program(&["measure", COMMITS]), &log, step::nothing)?;
    fs::remove_dir_all(&at).at(&at)?;
    serde_json::from_str(&said).map(Measured).context(|| format!("large-table said {said}"))
}

struct Report {
    facts: Facts,
    /// One for each of [`CASES`].
    found: Vec<Measured>,
}

impl Report {
    fn text(&self) -> String {
        format!(
            "# Large tables\n\n{}\n\
             Each commit of a table added 10 files and moved 20 of its 2,000 partitions. The last checkpoint is 99 versions back, and the log\n\
             has 1,000 versions before it. All offsets are read when a table is opened. CPU of a commit: the median of {COMMITS}, without\n\
             encoding its file; last: of the last tenth of them. Growth: of resident memory, from the 20th commit to the last.\n\n\
             ## Opening\n\n{}\n## Committing\n\n{}\n## After a commit of another writer\n\n{}\n## Goals\n\n{}",
            listed(&self.facts),
            self.opening(),
            self.committing(),
            self.behind_another(),
            aims_table(self.goals()),
        )
    }

    fn rows(&self, head: &[&str], cells: impl Fn(&Measured) -> Vec<String>) -> String {
        let rows = CASES
            .iter()
            .zip(&self.found)
            .map(|(case, found)| [vec![case.name.to_owned()], cells(found)].concat());
        table(&[&["table"], head].concat(), &rows.collect::<Vec<_>>(), 1)
    }

    fn opening(&self) -> String {
        let head = ["seconds", "CPU s", "peak MB", "of it before", "list", "get", "MB read"];
        self.rows(&head, |found| {
            let of = |name: &str| found.number(&format!("/opening/{name}"));
            vec![
                format!("{:.3}", of("wall_seconds")),
                format!("{:.3}", of("cpu_seconds")),
                format!("{:.0}", of("peak") / 1e6),
                format!("{:.0}", of("resident_before") / 1e6),
                of("requests/list").to_string(),
                of("requests/get").to_string(),
                format!("{:.2}", of("requests/bytes_read") / 1e6),
            ]
        })
    }

    fn committing(&self) -> String {
        let head = ["CPU ms", "last", "wall ms", "put", "list", "get", "growth MB"];
        self.rows(&head, |found| {
            let of = |name: &str| found.number(&format!("/committing/{name}"));
            vec![
                format!("{:.3}", of("cpu_seconds") * 1e3),
                format!("{:.3}", of("cpu_seconds_of_last_tenth") * 1e3),
                format!("{:.1}", of("wall_seconds") * 1e3),
                found.of_a_commit("put").to_string(),
                found.of_a_commit("list").to_string(),
                found.of_a_commit("get").to_string(),
                format!("{:.1}", (of("resident") - of("resident_at_first")) / 1e6),
            ]
        })
    }

    fn behind_another(&self) -> String {
        self.rows(&["put", "list", "get", "CPU ms of all", "wall ms"], |found| {
            let of = |name: &str| found.number(&format!("/behind_another/{name}"));
            vec![
                of("requests/put").to_string(),
                of("requests/list").to_string(),
                of("requests/get").to_string(),
                format!("{:.1}", of("cpu_seconds") * 1e3),
                format!("{:.1}", of("wall_seconds") * 1e3),
            ]
        })
    }

    fn goals(&self) -> Vec<Aim> {
        let (new, largest) = (&self.found[0], &self.found[LARGEST]);
        let commit = |found: &Measured| found.number("/committing/cpu_seconds") * 1e3;
        let name = CASES[LARGEST].name;
        vec![
            (format!("opening {name}: seconds"), Goal::AtMost(1.0), largest.number("/opening/wall_seconds")),
            (format!("opening {name}: peak MB"), Goal::AtMost(200.0), largest.number("/opening/peak") / 1e6),
            (format!("a commit to {name}: CPU ms"), Goal::AtMost(1.0), commit(largest)),
            (
                format!("a commit to {name} / to a new table: CPU"),
                Goal::AtMost(1.25),
                commit(largest) / commit(new),
            ),
        ]
    }

    fn json(&self) -> Value {
        let tables = CASES
            .iter()
            .zip(&self.found)
            .map(|(case, found)| json!({"table": case.name, "measured": found.0}));
        json!({"facts": by_name(&self.facts), "tables": tables.collect::<Vec<_>>(), "goals": aims_json(self.goals())})
    }

    /// Times and sizes only report; a count that is wrong is a fault.
    fn check(&self) -> Result<()> {
        let wrong = CASES.iter().zip(&self.found).filter(|(_, found)| {
            ["put", "list", "get"].map(|kind| found.of_a_commit(kind)) != [1.0, 0.0, 0.0]
        });
        let wrong: Vec<_> = wrong.map(|(case, _)| case.name).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::new(format!("a commit is not one put and nothing else: {}", wrong.join("; "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(puts: u64) -> Report {
        let found = |cpu: f64| {
            Measured(json!({
                "opening": {"wall_seconds": 0.5, "cpu_seconds": 0.4, "peak": 250_000_000, "resident_before": 20_000_000,
                    "requests": {"list": 2, "get": 201, "put": 0, "bytes_read": 1_500_000}},
                "committing": {"commits": 200, "requests": {"list": 0, "get": 0, "put": puts, "bytes_read": 0},
                    "wall_seconds": 0.012, "cpu_seconds": cpu, "cpu_seconds_of_last_tenth": cpu,
                    "resident_at_first": 30_000_000, "resident": 31_000_000},
                "behind_another": {"requests": {"list": 1, "get": 2, "put": 2}, "wall_seconds": 0.02, "cpu_seconds": 0.003},
            }))
        };
        let found = (0..CASES.len()).map(|case| found(if case == 0 { 0.0005 } else { 0.0006 }));
        Report { facts: vec![("machine", "any".into())], found: found.collect() }
    }

    #[test]
    fn goals_stand_beside_the_figures() {
        let report = report(200);
        let met: Vec<_> = report.goals().iter().map(|(_, goal, measured)| goal.is_met(*measured)).collect();
        assert_eq!(met, [true, false, true, true]);
        let text = report.text();
        assert!(text.contains("opening 100,000 versions: peak MB") && text.contains("250.000"), "{text}");
        assert_eq!(report.json()["goals"][1]["met"], false);
    }

    #[test]
    fn a_count_that_is_wrong_fails() {
        report(200).check().unwrap();
        let error = report(201).check().unwrap_err().to_string();
        assert!(error.contains("new; 1,000 versions"), "{error}");
    }
}
