//! `cargo xtask bench --stages`: each stage on a record's way by itself, as a ratio to a baseline of the same process, beside the
//! ratio that `rust/bench/stages.json` has of it.

use std::fs;
use std::process::Command;

use serde_json::{Map, Value, json};
use sluice_testkit::{Context, Error, Result, java_home_tool, write_events};

use super::build_programs;
use super::report::table;
use crate::checkout::{Checkout, empty, shown};
use crate::{install, package, step};

const EVENTS: u64 = 200_000;
const BASELINES: [&str; 2] = ["serde_json", "JsonConverter"];

/// With `bless` these ratios are what later runs are compared with.
pub fn run(checkout: &Checkout, bless: bool) -> Result<()> {
    let folder = checkout.target().join("bench/stages");
    println!("bench: everything it makes goes to {}; that folder is emptied now", shown(&folder));
    empty(&folder)?;
    package::plugin(checkout)?;
    install::components(checkout)?;
    build_programs(checkout)?;
    let classes = checkout.gradle(&["testClasses"]);
    step::run(
        "compiling the Java stages",
        "Gradle; half a minute",
        &classes,
        &checkout.log("stages-classes"),
        step::nothing,
    )?;
    let events = write_events(&checkout.components(), &folder.join("events"), EVENTS)?;
    let connector = checkout.root.join("connect-config/demo.json");
    let mut native = checkout.command(checkout.cargo_target.join("release/stages"), &[]);
    native.arg(&connector).arg(&events);
    let mut java = java(checkout);
    java.arg(&connector).arg(&events).arg(folder.join("tables"));
    let mut stages = Vec::new();
    for (program, side) in [(native, "Rust"), (java, "Java")] {
        stages.extend(measured(checkout, &program, side)?);
    }
    let file = checkout.root.join("rust/bench/stages.json");
    let before: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap_or("{}".into())).at(&file)?;
    let text = report(&stages, &before);
    let results = checkout.target().join("bench/stages.md");
    fs::write(&results, &text).at(&results)?;
    println!("\n{text}\nbench: {}", shown(&results));
    if bless {
        let ratios: Map<_, _> =
            stages.iter().map(|stage| (stage.name.clone(), json!(rounded(stage.ratio)))).collect();
        fs::write(&file, format!("{:#}\n", Value::Object(ratios))).at(&file)?;
        println!("bench: later runs are compared with these, {}", shown(&file));
    }
    Ok(())
}

struct Stage {
    name: String,
    nanos: f64,
    ratio: f64,
    heap_bytes: Option<f64>,
}

/// The task and its encoder on the library as it was built, in a JVM without Connect.
fn java(checkout: &Checkout) -> Command {
    let components = checkout.components();
    let shim = checkout.root.join("java-shim/build");
    let class_path = [
        shim.join("classes/java/main"),
        shim.join("resources/main"),
        shim.join("classes/java/test"),
        components.tools(),
        components.kafka_libs().join("*"),
    ];
    let class_path: Vec<_> = class_path.iter().map(|part| part.display().to_string()).collect();
    let library = package::built_library(checkout);
    let mut java = checkout.command(java_home_tool("java"), &["-Xmx2g"]);
    java.arg(format!("-Dsluice.native.path={}", library.display())).arg("-cp").arg(class_path.join(":"));
    java.arg("io.sluice.connect.CrossingBench");
    java
}

fn measured(checkout: &Checkout, program: &Command, side: &str) -> Result<Vec<Stage>> {
    let log = checkout.log(&format!("stages-{}", side.to_lowercase()));
    let output =
        step::run(&format!("measuring the stages in {side}"), "half a minute", program, &log, step::nothing)?;
    // Loggers write there, too.
    let said = output.lines().rev().find(|line| line.starts_with('[')).unwrap_or_default();
    let said: Vec<Value> = serde_json::from_str(said).context(|| format!("{side} said {output}"))?;
    let name = |stage: &Value| stage["stage"].as_str().unwrap_or_default().to_owned();
    let nanos = |stage: &Value| stage["ns"].as_f64().unwrap_or(f64::NAN);
    let baseline = said.iter().find(|stage| BASELINES.contains(&name(stage).as_str()));
    let baseline = baseline.ok_or_else(|| Error::new(format!("{side} measured no baseline: {output}")))?;
    let stage = |stage: &Value| Stage {
        name: format!("{side}: {}", name(stage)),
        nanos: nanos(stage),
        ratio: nanos(stage) / nanos(baseline),
        heap_bytes: stage["heap_bytes"].as_f64(),
    };
    Ok(said.iter().map(stage).collect())
}

fn report(stages: &[Stage], before: &Value) -> String {
    let row = |stage: &Stage| {
        let was = before[&stage.name].as_f64();
        vec![
            stage.name.clone(),
            format!("{:.0}", stage.nanos),
            stage.heap_bytes.map_or(String::new(), |bytes| format!("{bytes:.0}")),
            format!("{:.2}", stage.ratio),
            was.map_or(String::new(), |was| format!("{was:.2}")),
            was.map_or(String::new(), |was| format!("{:+.0} %", (stage.ratio / was - 1.0) * 100.0)),
        ]
    };
    let head = ["stage", "ns/record", "heap bytes", "of the baseline", "was", "change"];
    let rows: Vec<_> = stages.iter().map(row).collect();
    format!(
        "CPU of one thread for a record of 350 bytes of JSON. The baselines, each in the same process and the same rounds as its \
         stages, are `serde_json` (is it JSON?) and `JsonConverter` (Connect's, without schemas).\n\n{}",
        table(&head, &rows, 1)
    )
}

fn rounded(ratio: f64) -> f64 {
    (ratio * 100.0).round() / 100.0
}
