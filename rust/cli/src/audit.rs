//! `sluice audit`.

use std::error::Error;
use std::process::ExitCode;

use sluice_delta::audit::{Audit, audit};

use crate::arguments::AuditArguments;
use crate::{report, table};

pub fn run(arguments: &AuditArguments) -> ExitCode {
    let printed = check(arguments).and_then(|audit| {
        let text = match arguments.json {
            true => report::json(&audit)?,
            false => report::text(&audit),
        };
        Ok((audit.is_clean(), text))
    });
    match printed {
        Ok((clean, text)) => {
            println!("{text}");
            ExitCode::from(u8::from(!clean))
        }
        Err(error) => {
            eprintln!("sluice: {error}");
            ExitCode::from(2)
        }
    }
}

fn check(arguments: &AuditArguments) -> Result<Audit, Box<dyn Error>> {
    let connector = arguments.config.as_deref().map(table::connector).transpose()?.unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let store = table::open(&arguments.table, &connector, runtime.handle())?;
    Ok(audit(&*store, runtime.handle())?)
}
