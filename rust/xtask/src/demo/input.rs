use serde_json::Value;
use sluice_testkit::{Context, Expected, Produce, Result};

use super::Options;
use super::infer::infer;
use crate::checkout::shown;

const GENERATED_RECORDS: u64 = 1_000_000;

/// What the demo sends.
pub struct Input {
    pub records: u64,
    /// Goes after the number of records.
    pub described: String,
    pub produce: Produce,
    pub expected: Expected,
    /// `None`: the generated events', which `connect-config/demo.json` has.
    pub schema: Option<Value>,
    pub mixed: Vec<String>,
}

impl Input {
    pub fn from(options: &Options) -> Result<Self> {
        let Some(file) = &options.input else {
            let count = options.records.unwrap_or(GENERATED_RECORDS);
            return Ok(Input {
                records: count,
                described: "generated events of about 350 bytes".into(),
                produce: Produce::Generate { first: 0, count },
                expected: Expected::Generated { first: 0, count },
                schema: None,
                mixed: Vec::new(),
            });
        };
        println!("==> inferring a schema from {} (the whole file is read)", shown(file));
        let file = std::path::absolute(file).at(file)?;
        let inferred = infer(&file)?;
        let columns = inferred.schema["fields"].as_array().map_or(0, Vec::len);
        println!(
            "    {} records, {columns} columns, the first of them `demo_id`, which numbers the records",
            inferred.records
        );
        if !inferred.mixed.is_empty() {
            println!(
                "    values of more than one type: {}; these are kept as text (delta.raw.json.strings=lenient)",
                inferred.mixed.join(", ")
            );
        }
        Ok(Input {
            records: inferred.records,
            described: format!("records from {}", shown(&file)),
            produce: Produce::Numbered(file.clone()),
            expected: Expected::Numbered { file, count: inferred.records },
            schema: Some(inferred.schema),
            mixed: inferred.mixed,
        })
    }
}
