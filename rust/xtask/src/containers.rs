//! `cargo xtask containers`: the tests of `tests/containers`, which want a Docker engine and skip themselves where there is none.

use std::process::ExitCode;

use sluice_testkit::{Error, Result, tail};

use crate::args::Args;
use crate::checkout::{Checkout, empty, shown};
use crate::{counts, install, package, step};

pub struct Options {
    /// `-Dsluice.NAME=VALUE`, for the tests.
    properties: Vec<String>,
}

impl Options {
    pub fn take(args: &mut Args) -> Result<Self> {
        let properties = args.rest();
        match properties.iter().find(|word| !word.starts_with("-Dsluice.") || !word.contains('=')) {
            Some(word) => Err(Error::new(format!("`{word}` is not `-Dsluice.NAME=VALUE`"))),
            None => Ok(Options { properties }),
        }
    }

    fn has(&self, property: &str) -> bool {
        self.properties.iter().any(|word| word.starts_with(&format!("-D{property}=")))
    }
}

pub fn run(checkout: &Checkout, options: &Options) -> Result<ExitCode> {
    install::programs(checkout)?;
    empty(&checkout.target().join("containers"))?;
    let mut gradle = checkout.gradle(&["-p", "tests/containers", "containers"]);
    if !options.has("sluice.plugin") && !options.has("sluice.image.connect") {
        gradle.arg(format!("-Dsluice.plugin={}", package::zip(checkout)?.display()));
        gradle.arg(format!("-Dsluice.program={}", checkout.components().sluice.display()));
    }
    gradle.args(&options.properties);
    let log = checkout.log("containers");
    let why =
        "a broker, workers, an S3 server and DynamoDB by Docker; five minutes, more when images are fetched";
    let (status, output) = step::watch("tests against containers", why, &gradle, &log, outcomes)?;
    let counts = counts::of_junit(&output);
    let skipped = counts::of_junit_skipped(&output);
    if counts.passed + counts.failed + skipped == 0 {
        return Err(Error::new(format!("no test ran. The end of {}:\n{}", shown(&log), tail(&log, 30))));
    }
    println!("{} passed, {} failed, {skipped} skipped", counts.passed, counts.failed);
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Each test, with its outcome and the reason of one that did not pass: `|   +-- name() 1234 ms [OK]`.
fn outcomes(line: &str) -> bool {
    line.contains("() ") && ["[OK]", "[X]", "[S]", "[A]"].iter().any(|outcome| line.contains(outcome))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::parsed;

    #[test]
    fn properties_of_the_tests_are_taken_and_nothing_else() {
        let options = parsed("-Dsluice.plugin=a.zip -Dsluice.image.s3=b", Options::take).unwrap();
        assert!(options.has("sluice.plugin") && options.has("sluice.image.s3"));
        assert!(!options.has("sluice.image") && !options.has("sluice.image.connect"));
        for wrong in ["--records=4", "-Dother=1", "-Dsluice.plugin"] {
            assert!(parsed(wrong, Options::take).err().unwrap().to_string().contains(wrong));
        }
    }

    #[test]
    fn outcomes_of_tests_are_told_from_other_lines() {
        assert!(outcomes("| | +-- rowsAreThere() 42424 ms [OK]"));
        assert!(outcomes("| | '-- more() [S] no Docker engine answers"));
        assert!(!outcomes("| +-- OfAllTests [OK]"));
        assert!(!outcomes("[main] INFO tc.image - Pulling"));
        assert!(!outcomes("[         7 tests found           ]"));
    }
}
