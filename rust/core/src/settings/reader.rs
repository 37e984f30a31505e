//! Reads a map of settings by their declarations and keeps every error.

use super::choices::Choice;
use super::declare::{Default, Kind, PREFIX, RULES, Rule, SETTINGS, Setting};
use crate::error::Code;
use std::collections::BTreeMap;
use std::fmt;

/// What is wrong with one setting. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    pub key: String,
    pub code: Code,
    pub message: String,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

pub(super) struct Reader<'a> {
    given: &'a BTreeMap<String, String>,
    pub errors: Vec<SettingError>,
}

impl<'a> Reader<'a> {
    pub fn new(given: &'a BTreeMap<String, String>) -> Self {
        Reader { given, errors: Vec::new() }
    }

    pub fn error(&mut self, key: &str, code: Code, message: impl Into<String>) {
        self.errors.push(SettingError { key: key.into(), code, message: message.into() });
    }

    fn invalid(&mut self, setting: &Setting, value: &str, message: impl fmt::Display) {
        let message = if setting.is_secret() {
            message.to_string()
        } else {
            format!("{value:?} is refused: {message}")
        };
        self.error(setting.name, Code::ConfigInvalid, message);
    }

    /// A text of Connect's own settings or ours; none when it is not given or blank.
    pub fn any_text(&self, key: &str) -> Option<&'a str> {
        self.given.get(key).map(|value| trim(value)).filter(|value| !value.is_empty())
    }

    /// The text of a setting whose further rules are `check`'s. None after an error.
    pub fn text<T>(&mut self, key: &str, check: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let setting = declared(key);
        let value = match (self.any_text(key), setting.default) {
            (Some(value), _) => value,
            (None, Default::Value(value)) => value,
            (None, Default::None) => return None,
            (None, Default::Required) => {
                self.error(key, Code::ConfigMissing, "has no default and is not given");
                return None;
            }
        };
        check(value).map_err(|message| self.invalid(setting, value, message)).ok()
    }

    /// `false` after an error.
    pub fn boolean(&mut self, key: &str) -> bool {
        self.checked(key, |value| match value {
            _ if value.eq_ignore_ascii_case("true") => Ok(true),
            _ if value.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err("it has to be true or false".into()),
        })
        .unwrap_or(false)
    }

    /// 0 after an error.
    pub fn long(&mut self, key: &str) -> u64 {
        let min = match declared(key).kind {
            Kind::Int(number) | Kind::Long(number) => number.min,
            _ => 0,
        };
        self.checked(key, |value| {
            let number: i64 = value.parse().map_err(|_| "it has to be a whole number".to_string())?;
            u64::try_from(number)
                .ok()
                .filter(|_| number >= min)
                .ok_or_else(|| format!("it has to be at least {min}"))
        })
        .unwrap_or(0)
    }

    /// None after an error.
    pub fn choice<T: Choice>(&mut self, key: &str) -> Option<T> {
        self.checked(key, |value| {
            T::from_word(value).ok_or_else(|| format!("it has to be one of {}", T::WORDS.join(", ")))
        })
    }

    /// A value that is checked even when blank.
    fn checked<T>(&mut self, key: &str, check: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let setting = declared(key);
        let value = match (self.given.get(key), setting.default) {
            (Some(value), _) => trim(value),
            (None, Default::Value(value)) => value,
            (None, _) => {
                self.error(key, Code::ConfigMissing, "has no default and is not given");
                return None;
            }
        };
        check(value).map_err(|message| self.invalid(setting, value, message)).ok()
    }

    /// Refuses what has our prefix and is not declared.
    pub fn refuse_unknown(&mut self) {
        for key in self.given.keys().filter(|key| key.starts_with(PREFIX)) {
            if !SETTINGS.iter().any(|setting| setting.name == key) {
                let message = format!("there is no such setting; the nearest one is {}", nearest(key));
                self.error(key, Code::ConfigUnknownKey, message);
            }
        }
    }

    pub fn check_rules(&mut self) {
        for rule in RULES {
            let given = |key: &str| self.any_text(key).is_some();
            let broken = match rule {
                Rule::NotBoth(first, second) => (given(first) && given(second)).then_some(second),
                Rule::Needs { setting, value, one_of } => {
                    let on = self.any_text(setting).is_some_and(|v| v.eq_ignore_ascii_case(value));
                    (on && !one_of.iter().any(|key| given(key))).then_some(setting)
                }
            };
            if let Some(key) = broken {
                self.error(key, Code::ConfigInvalid, rule.message());
            }
        }
    }
}

/// As Java's `String.trim`, which Connect applies to every value.
fn trim(value: &str) -> &str {
    value.trim_matches(|c| c <= ' ')
}

fn declared(key: &str) -> &'static Setting {
    match SETTINGS.iter().find(|setting| setting.name == key) {
        Some(setting) => setting,
        None => panic!("{key} is not declared"),
    }
}

/// The declared name with the fewest edits from `key` in lower case; the first one of several.
fn nearest(key: &str) -> &'static str {
    let key = key.to_lowercase();
    SETTINGS.iter().map(|setting| setting.name).min_by_key(|name| edits(&key, name)).unwrap_or(PREFIX)
}

/// Insertions and removals that make one of the other. Replacements are not counted as one edit: a forgotten word is a
/// likelier mistake than many wrong letters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if x == *y { diagonal } else { row[j].min(above) + 1 };
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_counts_insertions_and_removals() {
        for (a, b, expected) in [("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("kitten", "sitting", 5)]
        {
            assert_eq!(edits(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn nearest_finds_what_was_meant() {
        for (given, meant) in [
            ("delta.table.url", "delta.table.uri"),
            ("delta.table.autocreate", "delta.table.auto.create"),
            ("delta.commit.interval", "delta.commit.interval.ms"),
            ("delta.commit.max.rows", "delta.commit.max.records"),
            ("delta.compression", "delta.parquet.compression"),
            ("delta.SCHEMA.JSON", "delta.schema.json"),
        ] {
            assert_eq!(nearest(given), meant, "{given}");
        }
    }
}
