//! Opening tables with many files and versions, and committing to them, by the product's own code. `cargo xtask bench --large` runs it:
//! `large-table generate FOLDER VERSIONS [--partitioned] [--whole-log] [--sidecars] [--no-checkpoint]` makes the log of a table, and
//! `large-table measure FOLDER COMMITS` prints as JSON what it costs. Each in a process of its own, so that peaks are comparable.
#![allow(clippy::disallowed_methods, reason = "in the real world")]

mod counted;
mod generate;
mod measure;

use std::path::PathBuf;

use sluice_core::schema::Schema;

/// That of the events of `connect-config/demo.json`.
const SCHEMA: &str = r#"{"type":"struct","fields":[
    {"name":"id","type":"long","nullable":false,"metadata":{}},
    {"name":"time","type":"timestamp","nullable":true,"metadata":{}},
    {"name":"user","type":"string","nullable":true,"metadata":{}},
    {"name":"kind","type":"string","nullable":true,"metadata":{}},
    {"name":"url","type":"string","nullable":true,"metadata":{}},
    {"name":"mobile","type":"boolean","nullable":true,"metadata":{}},
    {"name":"price","type":"decimal(12,2)","nullable":true,"metadata":{}},
    {"name":"seconds","type":"double","nullable":true,"metadata":{}},
    {"name":"place","type":{"type":"struct","fields":[
        {"name":"lat","type":"double","nullable":true,"metadata":{}},
        {"name":"lon","type":"double","nullable":true,"metadata":{}},
        {"name":"city","type":"string","nullable":true,"metadata":{}}]},"nullable":true,"metadata":{}},
    {"name":"referrer","type":"string","nullable":true,"metadata":{}}]}"#;

/// Of which the table holds offsets.
const PARTITIONS: u64 = 2_000;
const CONNECTOR: &str = "bench";
const TOPIC: &str = "events";

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let mut flag = |name: &str| {
        let at = words.iter().position(|word| word == name);
        at.map(|at| words.remove(at)).is_some()
    };
    let (partitioned, whole_log) = (flag("--partitioned"), flag("--whole-log"));
    let (sidecars, no_checkpoint) = (flag("--sidecars"), flag("--no-checkpoint"));
    let [command, folder, number] = &words[..] else {
        panic!("generate FOLDER VERSIONS or measure FOLDER COMMITS, not {words:?}")
    };
    let (folder, number) = (PathBuf::from(folder), number.parse().expect("a number"));
    match command.as_str() {
        "generate" => generate::generate(
            &folder,
            &generate::Shape { versions: number, partitioned, whole_log, sidecars, no_checkpoint },
        ),
        "measure" => {
            println!("{}", measure::measure(&folder, usize::try_from(number).expect("a small number")))
        }
        other => panic!("there is no command {other}"),
    }
}

fn schema() -> Schema {
    Schema::parse(SCHEMA).expect("a valid schema")
}
