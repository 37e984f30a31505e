//! What every connector that we show has to stand up to.

use sluice_core::settings::Settings;
use std::collections::BTreeMap;

/// Refused settings are named together with `place`, where the connector stands.
pub fn assert_accepted(place: &str, name: &str, config: &BTreeMap<String, String>) {
    let mut config = config.clone();
    config.insert("name".into(), name.into());
    if let Err(errors) = Settings::parse(&config) {
        panic!("{place}: {errors:?}");
    }
}
