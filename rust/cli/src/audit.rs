//! `sluice audit`.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;

use sluice_delta::audit::{Audit, audit, rows};

use crate::arguments::AuditArguments;
use crate::columns::columns;
use crate::kafka::{Client, Security};
use crate::topics::{Question, Topic, compare};
use crate::{report, table};

/// What was found, and what Kafka has, by topic and partition.
pub struct Checked {
    pub audit: Audit,
    pub topics: BTreeMap<String, Topic>,
}

pub fn run(arguments: &AuditArguments) -> ExitCode {
    let printed = check(arguments).and_then(|checked| {
        let text = match arguments.json {
            true => report::json(&checked)?,
            false => report::text(&checked),
        };
        Ok((checked.audit.is_clean(), text))
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

fn check(arguments: &AuditArguments) -> Result<Checked, Box<dyn Error>> {
    let connector = table::settings(arguments.config.as_deref())?;
    let columns =
        arguments.rows.then(|| columns(arguments.offset_columns.as_deref(), &connector)).transpose()?;
    let security = arguments.kafka_config.as_deref().map(Security::from_file).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let store = table::open(&arguments.table, &connector, runtime.handle())?;
    let mut audit = audit(&*store, runtime.handle())?;
    let rows = columns.map(|columns| rows(&*store, runtime.handle(), &mut audit, &columns)).transpose()?;
    let mut topics = BTreeMap::new();
    if let Some(bootstrap) = &arguments.bootstrap {
        let mut client = Client::new(bootstrap, security.unwrap_or_default());
        let question = Question { rows: rows.as_ref(), every_record: arguments.every_record };
        topics = runtime.block_on(compare(&mut client, &mut audit, &question))?;
    }
    audit.findings.sort_by_key(|finding| finding.version);
    Ok(Checked { audit, topics })
}
