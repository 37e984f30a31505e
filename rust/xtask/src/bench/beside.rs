//! `cargo xtask bench --beside FOLDER`: raw mode as it is here and as it was in another build, in turn.

use std::path::Path;

use sluice_testkit::{Produce, Result};

use super::report::{EXPLANATION, HEAD, Usage};
use super::{Bench, Scenario, TOPIC};

const ROUNDS: [&str; 3] = ["raw-1", "raw-2", "raw-3"];

pub fn run(bench: &Bench, plugins: &Path) -> Result<()> {
    let broker = bench.broker()?;
    bench.send(&broker, TOPIC, &Produce::Generate { first: 0, count: bench.records })?;
    let mut pairs = Vec::new();
    for round in ROUNDS {
        let scenario = Scenario::raw(round);
        let other = bench.sluice(&broker, &scenario, Some(plugins))?;
        let this = bench.sluice(&broker, &scenario, None)?;
        pairs.push([other, this]);
    }
    println!("{}", text(&pairs));
    Ok(())
}

fn text(pairs: &[[Usage; 2]]) -> String {
    let mut lines = vec![String::new(), HEAD.into()];
    for [other, this] in pairs {
        lines.push(other.line("the other"));
        lines.push(this.line("this"));
    }
    // The quickest runs: the others were disturbed.
    let best =
        |which: usize| pairs.iter().map(|pair| pair[which].per_million()).fold(f64::INFINITY, f64::min);
    lines.push(format!("    {:<28}{:>8.2}", "this / the other, best runs", best(1) / best(0)));
    lines.push(EXPLANATION.into());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickest_runs_are_compared() {
        let usage =
            |cpu| Usage { records: 1_000_000, seconds: 1.0, cpu, compiler: 0.0, idle: 0.0, peak_memory: 0 };
        let text = text(&[[usage(2.0), usage(9.0)], [usage(5.0), usage(3.0)]]);
        assert!(text.contains("this / the other, best runs     1.50"), "{text}");
    }
}
