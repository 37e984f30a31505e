//! `cargo xtask bench --upkeep`: what upkeep gives readers of a table of many small files, what it takes, and what it takes from records
//! that come in meanwhile. `rust/bench/README.md` says how it measures and what it cannot say.

mod disk;
mod ingest;
mod maintain;
mod readers;
mod report;

use std::fs;
use std::path::Path;

use serde_json::Value;
use sluice_testkit::{Context, Error, Result};

use super::{Bench, Options, build_programs, machine};
use crate::args::Args;
use crate::checkout::{Checkout, empty, shown};
use crate::{interop, step};
use disk::Disk;
use maintain::Cost;
use readers::{ENGINES, Readers, Reading};
use report::Report;

/// As the issue wants it; fewer are for trying.
const VERSIONS: u64 = 50_000;
const LEAST: u64 = 100;
/// So that a run of the worker has time for many merges.
pub const RECORDS: u64 = 6_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Of the table, each with two files.
    pub versions: u64,
}

impl Size {
    pub fn take(args: &mut Args) -> Result<Self> {
        let versions = args.value("--versions")?.unwrap_or(VERSIONS);
        if versions < LEAST {
            return Err(Error::new(format!("`--versions` starts at {LEAST}")));
        }
        Ok(Size { versions })
    }
}

/// What brings a table from one state into the next, one call of `sluice maintain` each.
type Steps = &'static [&'static [&'static str]];

const STATES: [(&str, Steps); 3] = [
    ("as it was left", &[]),
    ("log kept", &[&["--checkpoint", "--checksum", "--compact-log"]]),
    ("files merged", &[&["--compact", "--all-partitions"], &["--checkpoint", "--checksum"]]),
];

/// What was found of a table in one of the [`STATES`].
struct State {
    steps: Vec<Cost>,
    disk: Disk,
    /// In the order of [`ENGINES`]. An engine may not get through a table that nobody has kept.
    readings: Vec<Result<Reading>>,
}

pub fn run(checkout: &Checkout, options: &Options, folder: &Path, size: Size) -> Result<()> {
    build_programs(checkout)?;
    let python = interop::python(checkout)?;
    let mut facts = machine::here(checkout, machine::worker(&checkout.components())?)?;
    facts.push(("readers", readers::versions(checkout)?));
    facts.push((
        "table",
        format!(
            "{} versions of two files of {} rows, {} days and two regions as partitions, no checkpoint",
            size.versions,
            readers::ROWS_OF_A_FILE,
            readers::DAYS
        ),
    ));
    let states = kept(checkout, folder, size, python)?;

    let connector = checkout.root.join("connect-config/demo.json");
    let bench = Bench::start(checkout, options, folder.to_owned(), &connector)?;
    facts.push(("ingestion", ingest::fact(options)));
    let rounds = ingest::rounds(&bench, options.rounds)?;
    facts.push(("load average after", format!("{:.1}", machine::load()?)));

    let report = Report { facts, states, rounds };
    let results = checkout.target().join("bench");
    report.write(&results)?;
    println!("\n{}\nbench: {}, upkeep.json beside it", report.text(), shown(&results.join("upkeep.md")));
    report.check()
}

/// Gives the queries, with what they have to find.
fn make(checkout: &Checkout, table: &Path, versions: u64) -> Result<Value> {
    let mut make = checkout.command(checkout.cargo_target.join("release/small-files"), &[]);
    make.arg(table).arg(versions.to_string());
    let why = "real files by the product's writer; some minutes for 50,000 versions";
    let what = format!("making a table of {} small files", 2 * versions);
    let made = step::run(&what, why, &make, &checkout.log("small-files"), step::nothing)?;
    let line = made.lines().rev().find(|line| line.starts_with('{')).unwrap_or_default();
    serde_json::from_str(line).context(|| format!("small-files said {made}"))
}

/// Makes the table and brings it from state to state.
fn kept(checkout: &Checkout, folder: &Path, size: Size, python: interop::Python) -> Result<Vec<State>> {
    let (table, queries) = (folder.join("table"), folder.join("queries.json"));
    let (warm, work) = (folder.join("warm"), folder.join("readers"));
    empty(&work)?;
    make(checkout, &warm, LEAST)?;
    let expected = make(checkout, &table, size.versions)?;
    fs::write(&queries, expected.to_string()).at(&queries)?;
    let readers = Readers { checkout, python, folder: work, queries, expected, warm };
    let mut states = Vec::new();
    for (name, steps) in STATES {
        println!("==> the table, {name}");
        let run = |options: &&[&str]| maintain::run(checkout, &table, options);
        let steps = steps.iter().map(run).collect::<Result<Vec<_>>>()?;
        let disk = Disk::of(&table)?;
        if states.is_empty() && disk.checkpoints.files > 0 {
            return Err(Error::new("somebody has kept the table already"));
        }
        // All rows only where that does not open every one of the small files.
        let all = states.len() + 1 == STATES.len();
        let readings = ENGINES.iter().map(|engine| readers.read(*engine, &table, all)).collect();
        states.push(State { steps, disk, readings });
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::parsed;

    #[test]
    fn a_table_can_be_small_for_trying() {
        assert_eq!(parsed("", Size::take).unwrap(), Size { versions: VERSIONS });
        assert_eq!(parsed("--versions 2000", Size::take).unwrap(), Size { versions: 2_000 });
        assert!(parsed("--versions 99", Size::take).is_err());
    }
}
