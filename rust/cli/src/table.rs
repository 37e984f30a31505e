//! Where the table is and how its store is reached.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use sluice_core::settings::{StoreSettings, TableUriTemplate, as_one_error};
use sluice_delta::store::{Clients, Store};
use tokio::runtime::Handle;

/// A connector as it is posted to Connect.
#[derive(Debug, PartialEq)]
pub struct Connector {
    /// Beside the settings; none where the file has the settings alone.
    pub name: Option<String>,
    pub settings: BTreeMap<String, String>,
    /// Settings whose values are no texts, and cannot be.
    pub nested: Vec<String>,
}

/// A connector's settings, from what is posted to Connect: the settings alone, or its name beside them under `config`.
pub fn connector(file: &str) -> Result<Connector, Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
    let json: Value = serde_json::from_str(&text).map_err(|e| format!("{file}: {e}"))?;
    of_json(&json)
        .ok_or_else(|| format!("{file}: it is neither settings nor a connector with a config").into())
}

fn of_json(json: &Value) -> Option<Connector> {
    let outer = json.as_object()?;
    let (given, name) = match outer.get("config") {
        Some(config) if !config.is_string() => {
            (config.as_object()?, outer.get("name").and_then(Value::as_str).map(str::to_owned))
        }
        _ => (outer, None),
    };
    let is_nested = |value: &Value| value.is_object() || value.is_array();
    // Connect takes null for not set.
    let there = given.iter().filter(|(_, value)| !value.is_null());
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Some(Connector {
        name,
        nested: given.iter().filter(|(_, value)| is_nested(value)).map(|(key, _)| key.clone()).collect(),
        settings: there.map(|(key, value)| (key.clone(), text(value))).collect(),
    })
}

/// Those that are given for the way to the store.
pub fn settings(file: Option<&str>) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    Ok(file.map(connector).transpose()?.map(|connector| connector.settings).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_connector_is_read_in_both_forms() {
        let settings = json!({"a": "1", "b": 2, "c": true, "d": null, "e": {"f": []}});
        let plain = of_json(&settings).unwrap();
        let text = |key: &str| plain.settings.get(key).map(String::as_str);
        assert_eq!((text("a"), text("b"), text("c"), text("d")), (Some("1"), Some("2"), Some("true"), None));
        assert_eq!((plain.name.as_deref(), plain.nested.as_slice()), (None, &["e".to_owned()][..]));
        let named = of_json(&json!({"name": "k", "config": settings})).unwrap();
        assert_eq!((named.name.as_deref(), &named.settings), (Some("k"), &plain.settings));
        for wrong in [json!([]), json!("x"), json!({"name": "k", "config": []})] {
            assert_eq!(of_json(&wrong), None);
        }
    }
}
