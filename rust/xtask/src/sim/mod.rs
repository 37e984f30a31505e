//! `cargo xtask sim`: the seeded simulation, many seeds on all cores, or one seed with its trace; and planted bugs, each of which it
//! has to find. `docs/simulation.md` has more.

mod mutants;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_testkit::{Context, Error, Result};

use crate::args::Args;
use crate::checkout::Checkout;
use crate::{install, step};

/// What one process runs before it is given more.
const PORTION: u64 = 500;
/// In which a planted bug has to be found.
const SEEDS_FOR_A_MUTANT: u64 = 1_000;

pub struct Options {
    seeds: Option<u64>,
    seed: Option<u64>,
    mutants: bool,
    /// A part of the names of those mutants that are run.
    only: Option<String>,
}

impl Options {
    pub fn take(args: &mut Args) -> Result<Self> {
        let (seeds, seed) = (args.value("--seeds")?, args.value("--seed")?);
        let (mutants, only) = (args.flag("--mutants"), args.value("--only")?);
        if mutants && seed.is_some() {
            return Err(Error::new("`--mutants` runs from the first seed on"));
        }
        if only.is_some() && !mutants {
            return Err(Error::new("`--only` goes with `--mutants`"));
        }
        Ok(Options { seeds, seed, mutants, only })
    }
}

/// What came of some seeds.
#[derive(Default)]
pub struct Outcome {
    sums: BTreeMap<String, u64>,
    /// By seed.
    pub failures: BTreeMap<u64, String>,
}

pub fn run(checkout: &Checkout, options: &Options) -> Result<ExitCode> {
    if options.mutants {
        let only = options.only.as_deref().unwrap_or_default();
        return mutants::run(checkout, options.seeds.unwrap_or(SEEDS_FOR_A_MUTANT), only);
    }
    let program = build(checkout)?;
    let outcome = match (options.seeds, options.seed) {
        (None, Some(seed)) => return one(checkout, &program, seed),
        (seeds, first) => many(checkout, &program, first.unwrap_or(1), seeds.unwrap_or(10_000))?,
    };
    Ok(if outcome.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The part of it that is run with all tests. Whether it found nothing.
pub fn check(checkout: &Checkout, seeds: u64) -> Result<()> {
    let program = build(checkout)?;
    let outcome = many(checkout, &program, 1, seeds)?;
    match outcome.failures.first_key_value() {
        None => Ok(()),
        Some((seed, why)) => Err(Error::new(format!("seed {seed}: {why}"))),
    }
}

fn build(checkout: &Checkout) -> Result<PathBuf> {
    let build = checkout.cargo(&["build", "--release", "--locked", "-p", "sluice-sim"]);
    let why = "the product's own code in a world of its own; a minute when nothing else is compiled yet";
    step::run("building the simulation", why, &build, &checkout.log("sim-build"), step::cargo_lines)?;
    Ok(checkout.cargo_target.join("release/sluice-sim"))
}

fn one(checkout: &Checkout, program: &Path, seed: u64) -> Result<ExitCode> {
    let mut run = checkout.command(program, &[&seed.to_string()]);
    let status = run.status().at(program)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One process for each core, each kept to it: its threads run one at a time.
fn many(checkout: &Checkout, program: &Path, first: u64, seeds: u64) -> Result<Outcome> {
    step::head(
        &format!("simulating {seeds} seeds"),
        "tasks, rebalances, crashes, lost replies and other writers on a virtual clock",
    );
    let begun = Instant::now();
    let outcome = Mutex::new(Outcome::default());
    let next = AtomicU64::new(first);
    let told = Mutex::new(Instant::now());
    let on_line = |line: &Value| {
        let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.take(line);
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        let every = Duration::from_secs(if std::io::stdout().is_terminal() { 2 } else { 30 });
        if told.elapsed() > every {
            *told = Instant::now();
            println!("    {:>6.0} s   {}", begun.elapsed().as_secs_f64(), outcome.told());
        }
        true
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let ended: Vec<Result<()>> = std::thread::scope(|scope| {
        let of_core = |core: usize| {
            let (next, on_line) = (&next, &on_line);
            scope.spawn(move || {
                loop {
                    let from = next.fetch_add(PORTION, Ordering::Relaxed);
                    let left = (first + seeds).saturating_sub(from).min(PORTION);
                    if left == 0 {
                        return Ok(());
                    }
                    let words = [from, left].map(|n| n.to_string());
                    follow(checkout.command(program, &words.each_ref().map(String::as_str)), core, on_line)?;
                }
            })
        };
        let running: Vec<_> = (0..cores).map(of_core).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Error::new("it panicked"))))
            .collect()
    });
    ended.into_iter().collect::<Result<Vec<()>>>()?;
    let outcome = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("    {} in {:.1} s", outcome.told(), begun.elapsed().as_secs_f64());
    for seed in outcome.failures.keys() {
        println!("    again, with its trace: cargo xtask sim --seed {seed}");
    }
    Ok(outcome)
}

impl Outcome {
    fn take(&mut self, line: &Value) {
        if let (Some(seed), Some(why)) = (line["seed"].as_u64(), line["failure"].as_str()) {
            println!("    seed {seed} FAILED: {why}");
            self.failures.insert(seed, why.to_owned());
            return;
        }
        for (name, value) in line.as_object().into_iter().flatten() {
            *self.sums.entry(name.clone()).or_default() += value.as_u64().unwrap_or(0);
        }
    }

    fn told(&self) -> String {
        let sum = |name: &str| self.sums.get(name).copied().unwrap_or(0);
        format!(
            "{} seeds, {} failed: {} steps, {} commits, {} rows, {} requests ({} of them harmed), {} units fenced, {} tasks \
             failed and restarted, {} merges, {} checkpoints, {} checksums, {} log compactions, {} files of logs and {} data files \
             deleted, {:.1} virtual days",
            sum("seeds"),
            self.failures.len(),
            sum("steps"),
            sum("commits"),
            sum("rows"),
            sum("requests"),
            sum("harmed"),
            sum("fenced"),
            sum("taskFailures"),
            sum("merges"),
            sum("checkpoints"),
            sum("checksums"),
            sum("logCompactions"),
            sum("logDeleted"),
            sum("vacuumed"),
            sum("virtualMs") as f64 / 86_400_000.0
        )
    }
}

/// Runs a simulation and hands on its lines, until it ends or `on_line` has seen enough.
fn follow(simulation: Command, core: usize, on_line: &dyn Fn(&Value) -> bool) -> Result<()> {
    let mut command = simulation;
    if install::on_path("taskset") {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", &core.to_string()]).arg(command.get_program()).args(command.get_args());
        pinned.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command = pinned;
    }
    let mut child =
        command.stdout(Stdio::piped()).spawn().context(|| "cannot start the simulation".into())?;
    let enough = AtomicBool::new(false);
    for line in BufReader::new(child.stdout.take().ok_or_else(|| Error::new("no output"))?).lines() {
        let line = line.context(|| "the simulation's output".into())?;
        if let Ok(line) = serde_json::from_str(&line)
            && !on_line(&line)
        {
            enough.store(true, Ordering::Relaxed);
            break;
        }
    }
    if enough.load(Ordering::Relaxed) {
        let _ = child.kill();
    }
    let status = child.wait().context(|| "the simulation".into())?;
    // 1: a seed failed, which its line has said.
    match status.code() {
        Some(0 | 1) => Ok(()),
        _ if enough.load(Ordering::Relaxed) => Ok(()),
        _ => Err(Error::new(format!("the simulation ended with {status}"))),
    }
}
