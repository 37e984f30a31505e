//! `sluice`: looks at tables without a JVM.

use std::path::Path;
use std::process::ExitCode;

use sluice_delta::audit::{Audit, audit};
use sluice_delta::store;

const USAGE: &str = "usage: sluice audit TABLE [--json]

  audit   Walks the log of a Delta table and says for each partition that Sluice wrote whether its intervals join
          (invariant I4 in docs/exactly-once.md), whether their rows are in the files, and whether the files are there.
          TABLE is a folder or a file:/// URL. Exit status: 0 clean, 1 findings, 2 the table cannot be read.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["audit", table] => run(table, false),
        ["audit", "--json", table] | ["audit", table, "--json"] => run(table, true),
        ["--help" | "-h" | "help"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        ["--version" | "-V"] => {
            println!("{}", sluice_delta::ENGINE_INFO);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(table: &str, json: bool) -> ExitCode {
    match load(table) {
        Ok(audit) if json => match serde_json::to_string_pretty(&audit) {
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

fn load(table: &str) -> Result<Audit, Box<dyn std::error::Error>> {
    let uri = match table.contains("://") {
        true => format!("{}/", table.trim_end_matches('/')),
        false => {
            let folder = std::path::absolute(Path::new(table))?;
            url::Url::from_directory_path(&folder)
                .map_err(|()| format!("{table} is not a folder's name"))?
                .into()
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    Ok(audit(&*store::open(&uri)?, runtime.handle())?)
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
