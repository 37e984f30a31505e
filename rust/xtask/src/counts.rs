//! Adding up what the test runners of both languages report.

use std::ops::AddAssign;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// `test result: ok. 3 passed; 0 failed; ...`, one line for each test program.
pub fn of_cargo(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines().filter_map(|line| line.trim().strip_prefix("test result: ")) {
        let parts = line.split(['.', ';']).filter_map(|part| part.trim().split_once(' '));
        for (number, word) in parts {
            match (number.parse::<u64>(), word) {
                (Ok(number), "passed") => counts.passed += number,
                (Ok(number), "failed") => counts.failed += number,
                _ => {}
            }
        }
    }
    counts
}

/// A run is one test: `chaos: passed, seed 1, ...`. Another end counts where its status is seen.
pub fn of_chaos(output: &str) -> Counts {
    let passed = output.lines().filter(|line| line.starts_with("chaos: passed, ")).count();
    Counts { passed: passed as u64, failed: 0 }
}

/// `[        12 tests successful      ]`, from JUnit's console launcher.
pub fn of_junit(output: &str) -> Counts {
    let number = |outcome| junit_number(output, outcome);
    Counts { passed: number("tests successful"), failed: number("tests failed") }
}

/// By a condition, or by a test itself.
pub fn of_junit_skipped(output: &str) -> u64 {
    junit_number(output, "tests skipped") + junit_number(output, "tests aborted")
}

fn junit_number(output: &str, outcome: &str) -> u64 {
    let lines = output.lines().filter_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'));
    lines.filter_map(|line| line.trim().strip_suffix(outcome)?.trim().parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_results_add_up() {
        let output = "running 3 tests\ntest a ... ok\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test result: FAILED. 40 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.00s\n";
        assert_eq!(of_cargo(output), Counts { passed: 43, failed: 2 });
        assert_eq!(of_cargo("error: could not compile"), Counts::default());
    }

    #[test]
    fn a_run_of_chaos_is_one_test() {
        let output =
            "chaos: seed 1, 2 min\n# Chaos\nchaos: passed, seed 1, 30 events, target/chaos/report.md\n";
        assert_eq!(of_chaos(output), Counts { passed: 1, failed: 0 });
        assert_eq!(of_chaos("xtask: chaos FAILED with seed 1"), Counts::default());
    }

    #[test]
    fn junit_summary_is_read() {
        let output = "[         5 containers failed      ]\n[        14 tests found           ]\n\
            [         1 tests skipped         ]\n[         3 tests aborted         ]\n[        12 tests successful      ]\n[         1 tests failed          ]\n";
        assert_eq!(of_junit(output), Counts { passed: 12, failed: 1 });
        assert_eq!(of_junit_skipped(output), 4);
    }
}
