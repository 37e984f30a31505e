//! What the settings alone tell.

use sluice_core::settings::declare::{PREFIX, SCHEMA_FILE, SCHEMA_JSON, TABLES_PREFIX};
use sluice_core::settings::{SettingError, Settings};
use sluice_delta::creatable;
use sluice_delta::world::Tokio;
use tokio::runtime::Handle;

use crate::Given;

/// Every error that the settings have, whatever is at the places that they name.
pub fn rules(given: &Given, runtime: &Handle) -> Result<Settings, Vec<SettingError>> {
    let settings = Settings::parse(given)?;
    let errors = uncreatable(&settings, given, runtime);
    if errors.is_empty() { Ok(settings) } else { Err(errors) }
}

/// What keeps tables from being created as the settings say.
pub fn uncreatable(settings: &Settings, given: &Given, runtime: &Handle) -> Vec<SettingError> {
    let world = Tokio::world(runtime.clone());
    let of_tables = settings.of_tables.iter().map(|(name, table)| (Some(name.as_str()), table));
    let mut errors: Vec<SettingError> = Vec::new();
    for (name, table) in std::iter::once((None, &settings.of_any_table)).chain(of_tables) {
        let Err((setting, error)) = creatable(table, &*world) else { continue };
        let error =
            SettingError { key: key_of(setting, name, given), code: error.code, message: error.message };
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
    errors
}

/// As the settings of this table have it: under a name of its own, or as everybody's.
pub fn key_of(setting: &str, table: Option<&str>, given: &Given) -> String {
    let own = |setting: &str| {
        let (table, rest) = (table?, setting.strip_prefix(PREFIX)?);
        Some(format!("{TABLES_PREFIX}{table}.{rest}")).filter(|key| given.contains_key(key))
    };
    let is_given = |setting: &str| own(setting).is_some() || given.contains_key(setting);
    let setting = if setting == SCHEMA_JSON && !is_given(setting) { SCHEMA_FILE } else { setting };
    own(setting).unwrap_or_else(|| setting.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{given, runtime};

    const SCHEMA: &str = r#"{"type":"struct","fields":[{"name":"id","type":"long","nullable":true,"metadata":{}},{"name":"at","type":"timestamp","nullable":true,"metadata":{}}]}"#;

    fn wrong(more: &[(&str, &str)]) -> Vec<(String, String)> {
        let all = [&[("delta.table.auto.create", "true"), ("delta.schema.json", SCHEMA)], more].concat();
        let errors = rules(&given(&all), runtime()).err().unwrap_or_default();
        errors.into_iter().map(|error| (error.key, error.message)).collect()
    }

    #[test]
    fn a_table_that_cannot_be_created_as_the_settings_say_is_an_error_of_the_setting() {
        assert_eq!(wrong(&[("delta.partition.by", "day(at)")]), []);
        for (key, value, why) in [
            ("delta.partition.by", "country", "the table has no column country"),
            ("delta.derived.columns", "x = date(id)", "date takes"),
            ("delta.partition.by", "id, at", "not every column"),
        ] {
            let found = wrong(&[(key, value)]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].0 == key && found[0].1.contains(why), "{found:?}");
        }
        let spaced = SCHEMA.replace("\"id\"", "\"the id\"");
        let found = wrong(&[("delta.schema.json", &spaced)]);
        assert_eq!(found[0].0, "delta.schema.json", "{found:?}");
        assert_eq!(
            wrong(&[
                ("delta.schema.json", &spaced),
                ("delta.table.properties", "delta.columnMapping.mode=name")
            ]),
            []
        );
        assert_eq!(wrong(&[("delta.partition.by", "country"), ("delta.table.auto.create", "false")]), []);
    }

    #[test]
    fn files_are_merged_in_the_order_of_columns_that_a_new_table_has() {
        let merged = |more: &[(&str, &str)]| wrong(&[&[("delta.compaction.enabled", "true")], more].concat());
        assert_eq!(merged(&[("delta.compaction.order.by", "at, id")]), []);
        let missing = |key: &str| vec![(key.to_owned(), "the column country is not in the table".to_owned())];
        for key in
            ["delta.compaction.order.by", "delta.compaction.z.order.by", "delta.tables.t.compaction.order.by"]
        {
            let order = (key, "id, country");
            assert_eq!(merged(&[order]), missing(key));
            assert_eq!(merged(&[order, ("delta.schema.evolution", "add")]), [], "it may come with a record");
        }
        let derived = ("delta.derived.columns", "country = literal('de')");
        assert_eq!(merged(&[derived, ("delta.compaction.order.by", "country")]), []);
    }

    #[test]
    fn an_error_of_one_table_names_its_own_setting() {
        let own = ("delta.tables.t.partition.by", "country");
        let found = wrong(&[own]);
        assert_eq!(found, [(own.0.to_owned(), "the table has no column country".to_owned())]);
        let all = wrong(&[("delta.partition.by", "country"), ("delta.tables.t.schema.evolution", "add")]);
        assert_eq!(all.len(), 1, "told once: {all:?}");
    }
}
