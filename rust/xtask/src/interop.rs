//! `cargo xtask interop`: Spark, delta-rs and Delta Kernel on Sluice's tables, and Sluice on Spark's. The tests are in `tests/interop`.

use std::process::ExitCode;

use sluice_testkit::{Error, Result, tail};

use crate::checkout::{Checkout, shown};
use crate::{install, python, step};

/// The arguments are parts of tests' names.
pub fn run(checkout: &Checkout, only: &[String]) -> Result<ExitCode> {
    install::programs(checkout)?;
    install::components(checkout)?;
    let folder = checkout.cache.join("interop");
    let why = "Spark and delta-rs, 500 MB; a minute, once";
    let python = python::programs(checkout, &folder, "tests/interop/requirements.txt", why)?.join("python");

    // With the features that the tests of the workspace have, so that nothing is compiled twice.
    let build =
        ["build", "--release", "--locked", "--workspace", "--exclude", "sluice-e2e", "--example", "append"];
    let log = checkout.log("interop-build");
    let why = "tasks without Kafka; some minutes when not compiled yet";
    step::run("building the appending program", why, &checkout.cargo(&build), &log, step::cargo_lines)?;

    let components = checkout.components();
    let classes = format!("{}:{}/*", components.tools().display(), components.kernel_libs().display());
    let mut tests = checkout.command(python, &["-u", "tests/interop/main.py"]);
    tests.arg("--append").arg(checkout.cargo_target.join("release/examples/append"));
    tests.arg("--reader").arg(classes);
    tests.arg("--work").arg(checkout.target().join("interop"));
    tests.arg("--ivy").arg(folder.join("ivy")).args(only);
    tests.env("TZ", "UTC").env("PYTHONDONTWRITEBYTECODE", "1").env("SPARK_LOCAL_IP", "127.0.0.1");
    let log = checkout.log("interop");
    let why = "one Spark session for all; several minutes";
    let (status, output) =
        step::watch("reading and writing with Spark and others", why, &tests, &log, outcomes)?;
    let verdict = output.lines().rev().find(|line| line.ends_with(" failed"));
    let Some(verdict) = verdict else {
        return Err(Error::new(format!("no verdict. The end of {}:\n{}", shown(&log), tail(&log, 30))));
    };
    println!("{verdict}");
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The outcome of each test, and the details of failures, which are indented.
fn outcomes(line: &str) -> bool {
    ["PASS ", "FAIL ", "      "].iter().any(|start| line.starts_with(start))
}
