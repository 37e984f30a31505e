//! `cargo xtask test`, `lint` and `generate`.

use std::process::{Command, ExitCode};

use sluice_testkit::{Context, Error, Result, tail};

use crate::checkout::{Checkout, shown};
use crate::counts::{self, Counts};
use crate::step::{self, Show};
use crate::{install, package, servers, sim};

/// What `sluice-core` must never depend on: its tasks run without a JVM, a store or a Delta library.
const CORE_WALL: [&str; 4] = ["jni", "object_store", "buoyant_kernel", "parquet"];

/// Always the same ones; `cargo xtask sim` runs more.
const SIMULATED_SEEDS: u64 = 2_000;

#[derive(Default)]
struct Tally {
    counts: Counts,
    failures: Vec<String>,
}

impl Tally {
    /// Runs a step and counts its tests. One that fails without a failed test counts as one.
    fn step(
        &mut self,
        checkout: &Checkout,
        what: &str,
        why: &str,
        command: &Command,
        (show, count): (Show, fn(&str) -> Counts),
    ) -> Result<()> {
        let log = checkout.log(&what.replace(' ', "-"));
        let (status, output) = step::watch(what, why, command, &log, show)?;
        let mut counts = count(&output);
        if !status.success() {
            counts.failed = counts.failed.max(1);
            println!("{}", tail(&log, 40));
            self.failures.push(format!("{what}, see {}", shown(&log)));
        }
        self.counts += counts;
        Ok(())
    }

    fn check(&mut self, what: &str, outcome: Result<()>) {
        if let Err(e) = outcome {
            println!("    {e}");
            self.counts.failed += 1;
            self.failures.push(what.to_owned());
        }
    }

    /// Says what failed and then, as the very last line, the sums.
    fn end(self) -> ExitCode {
        if !self.failures.is_empty() {
            println!("failed: {}", self.failures.join("; "));
        }
        println!("{} passed, {} failed", self.counts.passed, self.counts.failed);
        if self.counts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn no_tests(_: &str) -> Counts {
    Counts::default()
}

const STATIC: (Show, fn(&str) -> Counts) = (step::nothing, no_tests);
const CARGO: (Show, fn(&str) -> Counts) = (step::cargo_lines, counts::of_cargo);
const CHAOS: (Show, fn(&str) -> Counts) = (chaos_lines, counts::of_chaos);
const JUNIT: (Show, fn(&str) -> Counts) = (step::nothing, counts::of_junit);

/// Everything.
pub fn test(checkout: &Checkout) -> ExitCode {
    let mut tally = Tally::default();
    let outcome = all_steps(checkout, &mut tally);
    tally.check("a step that others need", outcome);
    tally.end()
}

fn all_steps(checkout: &Checkout, tally: &mut Tally) -> Result<()> {
    install::programs(checkout)?;
    static_checks(checkout, tally)?;
    install::components(checkout)?;
    install::workers(checkout)?;
    install::registry(checkout)?;
    servers::install(checkout)?;
    // Without the plugin nothing below can run.
    package::plugin(checkout)?;

    let mut workspace = vec!["test", "--release", "--locked", "--workspace", "--no-fail-fast"];
    let end_to_end = checkout.root.join("tests/e2e/Cargo.toml").is_file();
    if end_to_end {
        workspace.extend(["--exclude", "sluice-e2e"]);
    }
    let why = "all crates, generated files too; some minutes when not compiled yet";
    tally.step(checkout, "Rust tests", why, &checkout.cargo(&workspace), CARGO)?;

    tally.check("simulation", sim::check(checkout, SIMULATED_SEEDS));

    let library = format!("-Dsluice.native.path={}", package::built_library(checkout).display());
    let gradle = checkout.gradle(&["check", &library]);
    tally.step(checkout, "Java tests", "with the native library; about a minute", &gradle, JUNIT)?;

    if end_to_end {
        // Not by its package: its dependencies would have other features alone, and be compiled again. More tests at once than
        // cores: much of their time they wait for JVMs to start.
        let mut tests = checkout.cargo(&["test", "--release", "--locked", "--workspace", "--test", "e2e"]);
        tests.args(["--no-fail-fast", "--", "--test-threads=3"]);
        tally.step(checkout, "end-to-end tests", "real brokers and workers; some minutes", &tests, CARGO)?;
    }
    let this = std::env::current_exe().context(|| "the path of xtask".into())?;
    let mut chaos = checkout.command(this, &["chaos", "--minutes", "2", "--seed", CHAOS_SEED]);
    chaos.env("CARGO_TARGET_DIR", &checkout.cargo_target).env("SLUICE_CACHE", &checkout.cache);
    let why = "both locks, two minutes of harm to real processes; four in all";
    tally.step(checkout, "chaos", why, &chaos, CHAOS)
}

/// Always the same one: the events and the pauses between them are those of the seed.
const CHAOS_SEED: &str = "1";

fn chaos_lines(line: &str) -> bool {
    line.starts_with("==> ") || line.starts_with("chaos") || line.starts_with("**") || line.starts_with("- ")
}

/// The static part of `test`.
pub fn lint(checkout: &Checkout) -> Result<()> {
    let mut tally = Tally::default();
    static_checks(checkout, &mut tally)?;
    match tally.failures.is_empty() {
        true => Ok(()),
        false => Err(Error::new(format!("failed: {}", tally.failures.join("; ")))),
    }
}

fn static_checks(checkout: &Checkout, tally: &mut Tally) -> Result<()> {
    let format = checkout.cargo(&["fmt", "--all", "--check"]);
    tally.step(checkout, "rustfmt", "the code's layout; seconds", &format, STATIC)?;
    // With the release profile, so that dependencies are not compiled a second time.
    let clippy = ["clippy", "--release", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let why = "no warnings; some minutes when not compiled yet";
    tally.step(checkout, "clippy", why, &checkout.cargo(&clippy), (step::cargo_lines, no_tests))?;
    step::head("dependency wall", "sluice-core stays free of JNI, stores and Delta libraries");
    tally.check("dependency wall", wall(checkout));
    deny(checkout, tally)
}

fn wall(checkout: &Checkout) -> Result<()> {
    let tree =
        ["tree", "--locked", "-p", "sluice-core", "-e", "normal", "--prefix", "none", "--format", "{p}"];
    let output = checkout.cargo(&tree).output().map_err(|e| Error::new(format!("cargo tree: {e}")))?;
    if !output.status.success() {
        return Err(Error::new(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    let breaches = breaches(&String::from_utf8_lossy(&output.stdout));
    match breaches.is_empty() {
        true => Ok(()),
        false => Err(Error::new(format!("sluice-core depends on {}", breaches.join(", ")))),
    }
}

/// Each line of `tree` starts with the name of a package.
fn breaches(tree: &str) -> Vec<&'static str> {
    let names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    CORE_WALL.into_iter().filter(|wall| names.contains(wall)).collect()
}

fn deny(checkout: &Checkout, tally: &mut Tally) -> Result<()> {
    let root = checkout.cache.join("cargo-deny");
    let mut program = root.join("bin/cargo-deny");
    if install::on_path("cargo-deny") {
        program = "cargo-deny".into();
    } else if !program.is_file() {
        let mut install = checkout.cargo(&["install", "cargo-deny", "--locked", "--root"]);
        // Not into the shared target folder, whose lock would keep other builds waiting.
        let build = root.join("target");
        install.arg(&root).env("CARGO_TARGET_DIR", &build);
        let why = "checks licenses and sources of all dependencies; about ten minutes, once";
        let log = checkout.log("cargo-deny-install");
        step::run("installing cargo-deny", why, &install, &log, step::cargo_lines)?;
        let _ = std::fs::remove_dir_all(&build);
    }
    let deny = checkout.command(&program, &["--locked", "check", "bans", "licenses", "sources"]);
    let why =
        "licenses, sources, double versions; advisories need a database from outside and are not checked";
    tally.step(checkout, "cargo-deny", why, &deny, STATIC)
}

/// Rewrites what is generated: from the settings and the error table, and the golden files that Java writes.
pub fn generate(checkout: &Checkout) -> Result<()> {
    install::programs(checkout)?;
    let mut rust =
        checkout.cargo(&["test", "--release", "--locked", "-p", "sluice-core", "--test", "generated"]);
    rust.env("SLUICE_BLESS", "1");
    let log = checkout.log("generate-rust");
    step::run("settings, error codes, their documents", "from Rust", &rust, &log, step::cargo_lines)?;
    let java = checkout.gradle(&["check", "-Dsluice.bless=true"]);
    step::run("golden crossing files", "from Java", &java, &checkout.log("generate-java"), step::nothing)?;
    println!("    see `git diff` for what has changed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_sees_whole_names_only() {
        let tree = "sluice-core v0.1.0 (/x/core)\njni-sys v0.4.0\nobject_store v0.13.0\nserde v1.0.0\n";
        assert_eq!(breaches(tree), ["object_store"]);
    }

    #[test]
    fn a_step_that_fails_counts_even_when_no_test_of_it_ran() {
        let root = std::env::temp_dir().join(format!("xtask-tally-{}", std::process::id()));
        let checkout = Checkout {
            root: root.clone(),
            cache: root.clone(),
            cargo_target: root.clone(),
            version: "0".into(),
        };
        std::fs::create_dir_all(&root).unwrap();
        let mut tally = Tally::default();
        let mut run = |script: &str| {
            let command = checkout.command("sh", &["-c", script]);
            tally.step(&checkout, "a step", "a test", &command, CARGO).unwrap();
        };
        run("echo 'test result: ok. 4 passed; 0 failed; 0 ignored'");
        run("echo 'test result: FAILED. 2 passed; 3 failed; 0 ignored'; exit 101");
        run("echo 'error: could not compile'; exit 101");
        tally.check("another", Err(Error::new("no")));
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(tally.counts, Counts { passed: 6, failed: 5 });
        assert_eq!(tally.failures.len(), 3);
        assert_eq!(format!("{:?}", tally.end()), format!("{:?}", ExitCode::FAILURE));
        assert_eq!(format!("{:?}", Tally::default().end()), format!("{:?}", ExitCode::SUCCESS));
    }
}
