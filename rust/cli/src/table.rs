//! Where the table is and how its store is reached.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use sluice_core::settings::{StoreSettings, TableUriTemplate, as_one_error};
use sluice_delta::store::{Clients, Store};
use tokio::runtime::Handle;

/// A connector's settings, from what is posted to Connect: the settings alone, or its name beside them under `config`.
pub fn connector(file: &str) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
    let json: Value = serde_json::from_str(&text).map_err(|e| format!("{file}: {e}"))?;
    let given =
        json.get("config").unwrap_or(&json).as_object().ok_or_else(|| format!("{file} is no object"))?;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(given.iter().map(|(key, value)| (key.clone(), text(value))).collect())
}

pub fn open(
    table: &str,
    connector: &BTreeMap<String, String>,
    runtime: &Handle,
) -> Result<Arc<dyn Store>, Box<dyn Error>> {
    let table = match table.contains("://") {
        true => table.to_owned(),
        false => std::path::absolute(Path::new(table))?.to_string_lossy().into_owned(),
    };
    let uri = TableUriTemplate::parse(&table).map_err(|e| format!("{table}: {e}"))?.table_for("", "");
    let settings = StoreSettings::parse(connector).map_err(|errors| as_one_error(&errors))?;
    Ok(Clients::new(runtime.clone()).store(&uri, &settings)?)
}
