//! `sluice`: looks at tables without a JVM.

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use sluice_core::settings::{StoreSettings, TableUriTemplate, as_one_error};
use sluice_delta::audit::{Audit, audit};
use sluice_delta::store::Clients;

const USAGE: &str = "usage: sluice audit TABLE [--config CONNECTOR.json] [--json]

  audit   Walks the log of a Delta table and says for each partition that Sluice wrote whether its intervals join
          (invariant I4 in docs/exactly-once.md), whether their rows are in the files, and whether the files are there.
          TABLE is a folder or a URL as delta.table.uri takes it. How its store is reached is read from the connector's
          settings in CONNECTOR.json. Exit status: 0 clean, 1 findings, 2 the table cannot be read.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["audit", ref rest @ ..] => match AuditArguments::parse(rest) {
            Some(arguments) => run(&arguments),
            None => refuse(),
        },
        ["--help" | "-h" | "help"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        ["--version" | "-V"] => {
            println!("{}", sluice_delta::ENGINE_INFO);
            ExitCode::SUCCESS
        }
        _ => refuse(),
    }
}

fn refuse() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

#[derive(Default)]
struct AuditArguments<'a> {
    table: &'a str,
    config: Option<&'a str>,
    json: bool,
}

impl<'a> AuditArguments<'a> {
    fn parse(mut rest: &[&'a str]) -> Option<Self> {
        let mut parsed = AuditArguments::default();
        loop {
            rest = match rest {
                [] => return (!parsed.table.is_empty()).then_some(parsed),
                ["--json", rest @ ..] => {
                    parsed.json = true;
                    rest
                }
                ["--config", file, rest @ ..] => {
                    parsed.config = Some(file);
                    rest
                }
                [table, rest @ ..] if parsed.table.is_empty() && !table.starts_with('-') => {
                    parsed.table = table;
                    rest
                }
                _ => return None,
            };
        }
    }
}

fn run(arguments: &AuditArguments) -> ExitCode {
    match load(arguments) {
        Ok(audit) if arguments.json => match serde_json::to_string_pretty(&audit) {
            Ok(text) => {
                println!("{text}");
                verdict(&audit)
            }
            Err(error) => fail(&error),
        },
        Ok(audit) => {
            print(&audit);
            verdict(&audit)
        }
        Err(error) => fail(&*error),
    }
}

fn load(arguments: &AuditArguments) -> Result<Audit, Box<dyn std::error::Error>> {
    let table = match arguments.table.contains("://") {
        true => arguments.table.to_owned(),
        false => std::path::absolute(Path::new(arguments.table))?.to_string_lossy().into_owned(),
    };
    let uri = TableUriTemplate::parse(&table).map_err(|e| format!("{table}: {e}"))?.table_for("", "");
    let settings = match arguments.config {
        Some(file) => store_settings(file)?,
        None => StoreSettings::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let clients = Clients::new(runtime.handle().clone());
    Ok(audit(&*clients.store(&uri, &settings)?, runtime.handle())?)
}

/// From what is posted to Connect: a connector's settings, or its name beside them under `config`.
fn store_settings(file: &str) -> Result<StoreSettings, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
    let json: Value = serde_json::from_str(&text).map_err(|e| format!("{file}: {e}"))?;
    let given =
        json.get("config").unwrap_or(&json).as_object().ok_or_else(|| format!("{file} is no object"))?;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let given = given.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    StoreSettings::parse(&given).map_err(|errors| as_one_error(&errors).into())
}

fn print(audit: &Audit) {
    println!("table    {}", audit.table);
    println!(
        "versions {} to {}, {} of them by Sluice",
        audit.first_version, audit.last_version, audit.commits
    );
    for progress in audit.app_ids.values() {
        println!(
            "  {} {}-{}: offsets {} to {} in {} intervals, {} rows",
            progress.connector,
            progress.topic,
            progress.partition,
            progress.from_offset,
            progress.to_offset,
            progress.intervals,
            progress.rows
        );
    }
    for finding in &audit.findings {
        println!("FINDING  version {} {}: {}", finding.version, finding.kind, finding.message);
    }
    match audit.findings.len() {
        0 => println!("audit: clean: {} rows, every interval joins", audit.rows),
        n => println!("audit: {n} findings"),
    }
}

fn verdict(audit: &Audit) -> ExitCode {
    ExitCode::from(u8::from(!audit.is_clean()))
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("sluice: {error}");
    ExitCode::from(2)
}
