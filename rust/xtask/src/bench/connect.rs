//! `cargo xtask bench --connect`: what records cost that a converter made, beside raw mode.

use std::path::Path;

use serde_json::{Value, json};
use sluice_testkit::{Context, Produce, Result};

use super::report::{EXPLANATION, HEAD, Usage};
use super::{Bench, Scenario, TOPIC};
use crate::checkout::Checkout;

/// The events as JSON in the envelope that says their schema.
const ENVELOPED: &str = "enveloped";
const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";

struct Measured {
    name: &'static str,
    noop: Usage,
    other: Option<Usage>,
    sluice: Usage,
}

/// `other` is the parent folder of another build's plugin.
pub fn run(bench: &Bench, checkout: &Checkout, other: Option<&Path>) -> Result<()> {
    let scenarios = scenarios(&bench.config)?;
    let plugins = bench.noop_plugin(checkout)?;
    let broker = bench.broker()?;
    bench.send(&broker, TOPIC, &Produce::Generate { first: 0, count: bench.records })?;
    bench.send(&broker, ENVELOPED, &Produce::Enveloped { first: 0, count: bench.records })?;
    let mut all = Vec::new();
    for scenario in &scenarios {
        let noop = bench.noop(&broker, &plugins, scenario)?;
        let other = other.map(|other| bench.sluice(&broker, scenario, Some(other))).transpose()?;
        let sluice = bench.sluice(&broker, scenario, None)?;
        all.push(Measured { name: scenario.name, noop, other, sluice });
    }
    println!("{}", text(&all));
    Ok(())
}

fn scenarios(config: &Value) -> Result<[Scenario; 4]> {
    let schema = config["delta.schema.json"].as_str().unwrap_or_default();
    let schema: Value = serde_json::from_str(schema).context(|| "the demo's delta.schema.json".into())?;
    let json = |schemas| json!({"delta.input.mode": "auto", "value.converter": JSON_CONVERTER, "value.converter.schemas.enable": schemas});
    let mut schemaless = json("false");
    schemaless["delta.schema.json"] = as_json_says(schema).to_string().into();
    let structs = json!({"delta.input.mode": "auto", "value.converter": "DemoStructs"});
    Ok([
        Scenario::raw("raw"),
        Scenario { name: "schemaless", topic: TOPIC, settings: schemaless },
        Scenario { name: "schema", topic: ENVELOPED, settings: json("true") },
        Scenario { name: "structs", topic: TOPIC, settings: structs },
    ])
}

/// JsonConverter knows of no times without a schema, and makes a double of each number with a point.
fn as_json_says(mut schema: Value) -> Value {
    for field in schema["fields"].as_array_mut().into_iter().flatten() {
        let told = match field["type"].as_str() {
            Some("timestamp") => "string",
            Some(number) if number.starts_with("decimal") => "double",
            _ => continue,
        };
        field["type"] = told.into();
    }
    schema
}

fn text(all: &[Measured]) -> String {
    let mut lines = vec![String::new(), HEAD.into()];
    for Measured { name, noop, other, sluice } in all {
        lines.push(noop.line(&format!("{name}, no-op sink")));
        for (which, usage) in other.iter().map(|other| ("the other", other)).chain([("Sluice", sluice)]) {
            let own = usage.per_million() - noop.per_million();
            lines.push(usage.line(&format!("{name}, {which}")));
            lines.push(format!("    {:<28}{own:>8.2}", format!("{name}, {which}'s own")));
        }
    }
    lines.push("    structs: made by a converter that reads nothing but the record's number".into());
    lines.push(
        "    schemaless: the table's time is a string and its price a double, as the values say".into(),
    );
    lines.push(EXPLANATION.into());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scenario_has_its_own_floor() {
        let usage =
            |cpu| Usage { records: 1_000_000, seconds: 1.0, cpu, compiler: 0.0, idle: 0.0, peak_memory: 0 };
        let text = text(&[
            Measured { name: "raw", noop: usage(1.0), other: None, sluice: usage(3.5) },
            Measured { name: "structs", noop: usage(2.0), other: Some(usage(4.0)), sluice: usage(3.25) },
        ]);
        let own: Vec<_> = text
            .lines()
            .filter(|line| line.contains("own"))
            .map(|line| line.split_whitespace().last())
            .collect();
        assert_eq!(own, [Some("2.50"), Some("2.00"), Some("1.25")]);
    }

    #[test]
    fn the_schemaless_table_has_the_types_of_json() {
        let config: Value =
            serde_json::from_str(include_str!("../../../../connect-config/demo.json")).unwrap();
        let [raw, schemaless, ..] = scenarios(&config["config"]).unwrap();
        assert_eq!(raw.settings, json!({}));
        let schema = schemaless.settings["delta.schema.json"].as_str().unwrap();
        assert!(!schema.contains("timestamp") && !schema.contains("decimal"), "{schema}");
        assert_eq!(schema.matches("\"name\"").count(), 15);
    }
}
