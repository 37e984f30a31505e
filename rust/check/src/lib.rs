//! Whether a connector's settings will do: by the rules for them, and by trying what they name. Connect's validation asks it, and
//! so does `sluice check`.

mod blame;
mod files;
mod places;
mod reach;
mod rules;

use std::collections::BTreeMap;

use sluice_core::Class;
use sluice_core::settings::SettingError;

pub use reach::{LIMIT, Reach, Thing, Tried, reach};
pub use rules::rules;

/// A connector's settings as they were given.
pub type Given = BTreeMap<String, String>;

/// As Connect shows it.
pub fn text(error: &SettingError) -> String {
    format!("{}: {}", error.key, message(error))
}

/// What the settings alone show to be wrong needs no code to look up.
pub fn message(error: &SettingError) -> String {
    match error.code.class() {
        Class::Config => error.message.clone(),
        _ => format!("{}: {}", error.code.name(), error.message),
    }
}

#[cfg(test)]
mod tests;
