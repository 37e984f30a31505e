//! Spark with Delta, delta-rs and Delta Kernel for Java on a table, each time in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sluice_testkit::{Context, Error, Result, java_home_tool};

use crate::checkout::Checkout;
use crate::{interop, step};

/// As `rust/bench/src/small` makes them.
pub const ROWS_OF_A_FILE: u64 = 20;
pub const DAYS: u64 = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Spark,
    DeltaRs,
    Kernel,
}

pub const ENGINES: [Engine; 3] = [Engine::Spark, Engine::DeltaRs, Engine::Kernel];

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Engine::Spark => "Spark",
            Engine::DeltaRs => "delta-rs",
            Engine::Kernel => "Delta Kernel",
        }
    }
}

/// What an engine told.
#[derive(Debug, Clone)]
pub struct Reading {
    told: Value,
    /// The queries whose answer is another than it has to be.
    pub wrong: Vec<String>,
}

impl Reading {
    /// An error where the engine told something else than figures.
    fn of(text: &str, expected: &Value) -> Result<Self> {
        let line = text.lines().rev().find(|line| line.starts_with('{'));
        let line = line.ok_or_else(|| Error::new(format!("no figures in {text:?}")))?;
        let told: Value = serde_json::from_str(line).context(|| format!("not JSON: {line}"))?;
        let answers = told["found"].as_object().filter(|found| found.len() >= 2);
        let answers = answers.ok_or_else(|| Error::new(format!("too few answers in {line}")))?;
        let right = |(query, answer): &(&String, &Value)| expected["found"][query.as_str()] == **answer;
        let wrong = answers.iter().filter(|answer| !right(answer)).map(|(query, answer)| {
            format!("`{query}` is {answer}, and was written as {}", expected["found"][query.as_str()])
        });
        let wrong = wrong.collect();
        Ok(Reading { told, wrong })
    }

    pub fn seconds(&self, what: &str) -> Option<f64> {
        self.told["seconds"][what].as_f64()
    }

    /// Data files of the version that was read.
    pub fn files(&self) -> u64 {
        self.told["files"].as_u64().unwrap_or(0)
    }

    /// Bytes resident at most.
    pub fn peak(&self) -> u64 {
        self.told["peak"].as_u64().unwrap_or(0)
    }

    pub fn json(&self) -> &Value {
        &self.told
    }
}

pub struct Readers<'a> {
    pub checkout: &'a Checkout,
    pub python: interop::Python,
    pub folder: PathBuf,
    /// What `small-files` said, which is in `expected` too.
    pub queries: PathBuf,
    pub expected: Value,
    /// A small one, by which engines get going.
    pub warm: PathBuf,
}

impl Readers<'_> {
    /// `all`: also the sums over all rows.
    pub fn read(&self, engine: Engine, table: &Path, all: bool) -> Result<Reading> {
        let mut program = match engine {
            Engine::Spark => self.python("spark"),
            Engine::DeltaRs => self.python("delta-rs"),
            Engine::Kernel => self.java(),
        };
        program.arg(table).arg(&self.queries).arg(&self.warm);
        match (engine, all) {
            (_, false) => {}
            (Engine::Kernel, true) => {
                program.arg("all");
            }
            (_, true) => {
                program.arg("--all");
            }
        }
        let what = format!("reading by {}", engine.name());
        let log = self.checkout.log(&format!("upkeep-{}", engine.name().replace(' ', "-")));
        let why = "minutes before upkeep, seconds after it";
        Reading::of(&step::run(&what, why, &program, &log, step::nothing)?, &self.expected)
    }

    fn python(&self, engine: &str) -> Command {
        let mut program = self.python.program(self.checkout, "measured.py");
        program.arg("--work").arg(&self.folder).arg("--ivy").arg(&self.python.ivy).arg(engine);
        program
    }

    fn java(&self) -> Command {
        let components = self.checkout.components();
        let libs = format!("{}/*:{}", components.kernel_libs().display(), components.tools().display());
        let mut java = self.checkout.command(java_home_tool("java"), &["-Xmx4g", "-cp", &libs]);
        java.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error").arg("MeasureTable");
        java
    }
}

/// Of the engines.
pub fn versions(checkout: &Checkout) -> Result<String> {
    let file = checkout.root.join("tests/interop/requirements.txt");
    let python = std::fs::read_to_string(&file).at(&file)?;
    let wanted =
        |line: &&str| ["pyspark", "delta-spark", "deltalake"].iter().any(|name| line.starts_with(name));
    let python = python.lines().filter(wanted).map(|line| line.replace("==", " ")).collect::<Vec<_>>();
    let kernel = super::machine::jar_version(&checkout.components().kernel_libs(), "delta-kernel-api-")?;
    Ok(format!("{}, Delta Kernel for Java {kernel}", python.join(", ")))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde_json::json;

    /// One whose answers are off by so much.
    pub fn reading(seconds: f64, off: u64) -> Reading {
        let found = |day: u64| json!({"day": [day, 3, 4], "range": [5, 6, 7]});
        let seconds = json!({"open": seconds, "day": 2.0 * seconds, "range": seconds});
        let told = json!({"seconds": seconds, "files": 4, "peak": 9_000_000, "found": found(2 + off)});
        Reading::of(&told.to_string(), &json!({"found": found(2)})).unwrap()
    }

    #[test]
    fn an_answer_that_differs_is_told() {
        let expected = json!({"found": {"day": [2, 3, 4], "range": [5, 6, 7], "all": [8, 9, 10]}});
        let told = |day: u64| {
            format!(
                "a warning\n{}\n",
                json!({"seconds": {"open": 1.5}, "files": 4, "peak": 9, "found": {"day": [2, 3, day], "range": [5, 6, 7]}})
            )
        };
        let right = Reading::of(&told(4), &expected).unwrap();
        assert_eq!((right.seconds("open"), right.seconds("all"), right.files()), (Some(1.5), None, 4));
        assert!(right.wrong.is_empty(), "{:?}", right.wrong);
        let wrong = Reading::of(&told(5), &expected).unwrap();
        assert_eq!(wrong.wrong, ["`day` is [2,3,5], and was written as [2,3,4]"]);
        assert!(Reading::of("an exception", &expected).is_err());
        assert!(Reading::of("{\"found\":{}}", &expected).is_err(), "no answer is no right answer");
    }
}
