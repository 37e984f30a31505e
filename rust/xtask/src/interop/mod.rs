//! `cargo xtask interop`: Spark, delta-rs and Delta Kernel on Sluice's tables, and Sluice on Spark's. The tests are in `tests/interop`.

pub mod s3_dynamodb;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use sluice_testkit::{Error, Result, tail};

use crate::checkout::{Checkout, shown};
use crate::{install, python, step};

/// The arguments are parts of tests' names.
pub fn run(checkout: &Checkout, only: &[String]) -> Result<ExitCode> {
    let parts = Parts::install(checkout)?;
    let components = checkout.components();
    let classes = format!("{}:{}/*", components.tools().display(), components.kernel_libs().display());
    let mut tests = parts.program(checkout, "main.py");
    tests.arg("--sluice").arg(&components.sluice).arg("--reader").arg(classes);
    tests.arg("--work").arg(checkout.target().join("interop")).args(only);
    judge(checkout, "interop", "one Spark session for all; several minutes", &tests)
}

/// Python with Spark and others.
pub struct Python {
    program: PathBuf,
    /// Where Spark keeps the jars that it fetches.
    pub ivy: PathBuf,
}

pub fn python(checkout: &Checkout) -> Result<Python> {
    let folder = checkout.cache.join("interop");
    let why = "Spark and delta-rs, 500 MB; a minute, once";
    let programs = python::programs(checkout, &folder, "tests/interop/requirements.txt", why)?;
    Ok(Python { program: programs.join("python"), ivy: folder.join("ivy") })
}

impl Python {
    /// A program of `tests/interop`.
    pub fn program(&self, checkout: &Checkout, name: &str) -> Command {
        let mut program = checkout.command(&self.program, &["-u", &format!("tests/interop/{name}")]);
        program.env("TZ", "UTC").env("PYTHONDONTWRITEBYTECODE", "1").env("SPARK_LOCAL_IP", "127.0.0.1");
        program
    }
}

/// The same, and the appending program.
struct Parts(Python);

impl Parts {
    fn install(checkout: &Checkout) -> Result<Self> {
        install::programs(checkout)?;
        install::components(checkout)?;
        let python = python(checkout)?;

        // With the features that the tests of the workspace have, so that nothing is compiled twice.
        let mut build = checkout.cargo(&["build", "--release", "--locked", "--workspace"]);
        build.args(["--exclude", "sluice-e2e", "--example", "append", "--bin", "sluice"]);
        let log = checkout.log("interop-build");
        let why = "tasks without Kafka; some minutes when not compiled yet";
        step::run("building the appending program", why, &build, &log, step::cargo_lines)?;
        Ok(Parts(python))
    }

    /// A program of `tests/interop`, which knows the parts.
    fn program(&self, checkout: &Checkout, name: &str) -> Command {
        let mut program = self.0.program(checkout, name);
        program.arg("--append").arg(checkout.cargo_target.join("release/examples/append"));
        program.arg("--ivy").arg(&self.0.ivy);
        program
    }
}

fn judge(checkout: &Checkout, name: &str, why: &str, tests: &Command) -> Result<ExitCode> {
    let log = checkout.log(name);
    let (status, output) =
        step::watch("reading and writing with Spark and others", why, tests, &log, outcomes)?;
    let verdict = output.lines().rev().find(|line| line.ends_with(" failed"));
    let Some(verdict) = verdict else {
        return Err(Error::new(format!("no verdict. The end of {}:\n{}", shown(&log), tail(&log, 30))));
    };
    println!("{verdict}");
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The outcome of each test, the details of failures, which are indented, and the figures of a race.
fn outcomes(line: &str) -> bool {
    ["PASS ", "FAIL ", "      ", "RACE "].iter().any(|start| line.starts_with(start))
}
