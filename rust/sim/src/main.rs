//! Seeded simulation of Sluice: its task state machine, committer, conflict rules and log stores on a virtual clock, with
//! everything around them that can fail. `docs/simulation.md` says what is real and what is not.
//!
//! `sluice-sim SEED`: runs one seed and prints its trace. `sluice-sim FIRST COUNT`: runs seeds one after the other and prints a line
//! of JSON for each thousand and for each that fails.

mod bucket;
mod connect;
mod entries;
mod kafka;
mod log;
mod machine;
mod net;
mod objects;
mod operator;
mod oracle;
mod plan;
mod predecessor;
mod routes;
mod scenario;
mod storage;
mod threads;
mod upkeep;
mod writer;

use std::process::ExitCode;

use serde_json::json;

use crate::scenario::Report;
use crate::threads::Threads;

/// How much is said at a time.
const PORTION: u64 = 100;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Option<Vec<u64>> = words.iter().map(|word| word.parse().ok()).collect();
    match numbers.as_deref() {
        Some([seed]) => one(*seed),
        Some([first, count]) => many(*first, *count),
        _ => {
            eprintln!("usage: sluice-sim SEED | sluice-sim FIRST COUNT");
            ExitCode::from(2)
        }
    }
}

fn one(seed: u64) -> ExitCode {
    let (report, _) = scenario::run(seed, true, Threads::default());
    report.trace.iter().for_each(|line| println!("{line}"));
    println!(
        "seed {seed}: {} steps, {} commits, digest {:016x}",
        report.steps, report.commits, report.digest
    );
    match report.failure {
        Some(failure) => {
            println!("FAILED: {failure}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn many(first: u64, count: u64) -> ExitCode {
    let mut threads = Threads::default();
    let mut failed = false;
    let mut sums = Report::default();
    let mut seeds = 0;
    for seed in first..first + count {
        let report;
        (report, threads) = scenario::run(seed, false, threads);
        seeds += 1;
        sums.steps += report.steps;
        sums.commits += report.commits;
        sums.rows += report.rows;
        sums.requests += report.requests;
        sums.harmed += report.harmed;
        sums.fenced += report.fenced;
        sums.task_failures += report.task_failures;
        sums.virtual_ms += report.virtual_ms;
        sums.tally.add(report.tally);
        sums.digest = sums.digest.rotate_left(1) ^ report.digest;
        if let Some(failure) = report.failure {
            failed = true;
            println!("{}", json!({"seed": seed, "failure": failure}));
        }
        if seeds == PORTION || seed + 1 == first + count {
            println!(
                "{}",
                json!({
                    "seeds": seeds,
                    "steps": sums.steps,
                    "commits": sums.commits,
                    "rows": sums.rows,
                    "requests": sums.requests,
                    "harmed": sums.harmed,
                    "fenced": sums.fenced,
                    "taskFailures": sums.task_failures,
                    "virtualMs": sums.virtual_ms,
                    "merges": sums.tally.merges,
                    "checkpoints": sums.tally.checkpoints,
                    "checksums": sums.tally.checksums,
                    "logCompactions": sums.tally.log_compactions,
                    "logDeleted": sums.tally.log_deleted,
                    "vacuumed": sums.tally.vacuumed,
                    "digest": format!("{:016x}", sums.digest),
                })
            );
            (seeds, sums) = (0, Report::default());
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A failing seed is of use only if it fails again in the same way.
    #[test]
    fn a_seed_replays_step_by_step() {
        for seed in 1..20 {
            let (first, threads) = scenario::run(seed, true, Threads::default());
            let (again, _) = scenario::run(seed, true, threads);
            let apart = first.trace.iter().zip(&again.trace).position(|(one, other)| one != other);
            assert_eq!(apart.map(|at| (&first.trace[at], &again.trace[at])), None, "seed {seed}");
            assert_eq!((first.digest, first.steps), (again.digest, again.steps), "seed {seed}");
        }
    }

    #[test]
    fn seeds_differ() {
        let (one, threads) = scenario::run(1, false, Threads::default());
        let (other, _) = scenario::run(2, false, threads);
        assert!(one.digest != other.digest && one.commits > 0);
    }
}
