//! `cargo xtask fuzz`: libFuzzer over the targets of `tests/fuzz`. `docs/fuzzing.md` has more.

use std::ffi::OsString;
use std::fs;

use sluice_testkit::{Context, Error, Result};

use crate::args::Args;
use crate::checkout::{Checkout, shown};
use crate::{install, package, step};

/// Each with the folder that its first inputs come from.
const TARGETS: [(&str, &str); 5] = [
    ("crossing", "tests/golden"),
    ("messages", "tests/fuzz/seeds/messages"),
    ("json", "tests/fuzz/seeds/json"),
    ("formats", "tests/fuzz/seeds/formats"),
    ("written", "tests/fuzz/seeds/written"),
];

/// What libFuzzer needs of LLVM: these are options of the stable compiler.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

pub struct Options {
    /// For each target.
    seconds: u32,
}

impl Options {
    pub fn take(args: &mut Args) -> Result<Self> {
        match args.value("--seconds")?.unwrap_or(60) {
            // libFuzzer takes it for "without end".
            0 => Err(Error::new("`--seconds` has to be at least 1")),
            seconds => Ok(Options { seconds }),
        }
    }
}

pub fn fuzz(checkout: &Checkout, options: &Options) -> Result<()> {
    if !install::on_path("c++") {
        return Err(Error::new(
            "no C++ compiler (c++) here: libFuzzer is C++. As root: apt-get install -y g++",
        ));
    }
    let folder = checkout.cache.join("fuzz");
    let triple = format!("{}-unknown-linux-{}", std::env::consts::ARCH, package::LIBC);
    let manifest = checkout.root.join("tests/fuzz/Cargo.toml");
    // With --target, so that build scripts and macros are compiled without the instrumentation.
    let mut build =
        checkout.cargo(&["build", "--release", "--locked", "--target", &triple, "--manifest-path"]);
    build.arg(manifest).env("RUSTFLAGS", INSTRUMENTED).env("CARGO_TARGET_DIR", folder.join("target"));
    let why = "the core with libFuzzer's instrumentation; two minutes when nothing is compiled yet";
    step::run("building the fuzz targets", why, &build, &checkout.log("fuzz-build"), step::cargo_lines)?;

    for (target, seeds) in TARGETS {
        let corpus = folder.join("corpus").join(target);
        let findings = checkout.target().join("fuzz").join(target);
        for folder in [&corpus, &findings] {
            fs::create_dir_all(folder).at(folder)?;
        }
        let program = folder.join("target").join(&triple).join("release").join(target);
        let mut prefix = OsString::from("-artifact_prefix=");
        prefix.push(findings.join(""));
        let limits = ["-rss_limit_mb=2048", "-timeout=10", "-print_final_stats=1"];
        let mut run = checkout.command(program, &limits);
        run.arg(format!("-max_total_time={}", options.seconds)).arg(prefix).arg(&corpus).arg(seeds);
        let what = format!("fuzzing {target}");
        let why = format!("{} s; a finding is kept in {}", options.seconds, shown(&findings));
        step::run(&what, &why, &run, &checkout.log(&format!("fuzz-{target}")), is_figure)?;
    }
    Ok(())
}

/// How much was run, and what was found.
fn is_figure(line: &str) -> bool {
    ["stat::number_of_executed_units", "stat::new_units_added", "SUMMARY:", "Done "]
        .iter()
        .any(|start| line.starts_with(start))
}
