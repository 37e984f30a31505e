//! `sluice`: looks at connectors' settings and at tables, and maintains tables, without a JVM.

mod arguments;
mod audit;
mod check;
mod columns;
mod connect;
mod inspect;
mod kafka;
mod layout;
mod maintain;
mod report;
mod table;
mod topics;

use std::process::ExitCode;

use arguments::{Command, USAGE};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match Command::parse(&arguments) {
        Ok(Command::Audit(arguments)) => audit::run(&arguments),
        Ok(Command::Check(arguments)) => check::run(&arguments),
        Ok(Command::Inspect(arguments)) => inspect::run(&arguments),
        Ok(Command::Maintain(arguments)) => maintain::run(&arguments),
        Ok(Command::Help) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            println!("{}", sluice_delta::ENGINE_INFO);
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("sluice: {wrong}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}
