//! `sluice maintain`, watched from outside.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_testkit::{Context, Error, Leashed, Result, cpu_seconds, peak_memory, tail};

use crate::checkout::Checkout;
use crate::step;

const LOOK: Duration = Duration::from_millis(10);

/// Of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    pub options: String,
    pub seconds: f64,
    /// CPU seconds, of all threads.
    pub cpu: f64,
    /// Bytes resident at most.
    pub peak: u64,
}

impl Cost {
    pub fn json(&self) -> Value {
        json!({"options": self.options, "seconds": self.seconds, "cpu_seconds": self.cpu, "peak_bytes": self.peak})
    }
}

/// Once, to its end; an error unless it succeeds.
pub fn run(checkout: &Checkout, table: &Path, options: &[&str]) -> Result<Cost> {
    let options_text = options.join(" ");
    step::head(&format!("sluice maintain {options_text}"), "minutes for a large table");
    let log = checkout.log("maintain");
    fs::create_dir_all(checkout.target().join("xtask")).at(&log)?;
    fs::write(&log, "").at(&log)?;
    let mut maintain = checkout.command(&checkout.components().sluice, &["maintain"]);
    maintain.arg(table).args(options);
    let start = Instant::now();
    let mut process = Leashed::spawn(&maintain, &log)?;
    let mut cost = Cost { options: options_text, seconds: 0.0, cpu: 0.0, peak: 0 };
    while process.is_running() {
        // What it used after the last look is lost: a look's time at the most.
        cost.cpu = cpu_seconds(process.pid()).unwrap_or(cost.cpu).max(cost.cpu);
        cost.peak = peak_memory(process.pid()).unwrap_or(0).max(cost.peak);
        sleep(LOOK);
    }
    cost.seconds = start.elapsed().as_secs_f64();
    let status = process.wait(Duration::ZERO)?;
    if !status.success() {
        let what = format!("sluice maintain {} failed ({status})", cost.options);
        return Err(Error::new(format!("{what}. The end of its log:\n{}", tail(&log, 30))));
    }
    println!("{}\n    done in {:.1} s", tail(&log, 12), cost.seconds);
    Ok(cost)
}
