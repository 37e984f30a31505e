//! Reads a map of settings by their declarations and keeps every error.

use super::choices::Choice;
use super::declare::{Default, Kind, OF_A_TABLE, PREFIX, RULES, Rule, SETTINGS, Setting, TABLES_PREFIX};
use crate::error::Code;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

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
    /// For the names in errors.
    table: Option<&'a str>,
    pub errors: Vec<SettingError>,
}

impl<'a> Reader<'a> {
    pub fn new(given: &'a BTreeMap<String, String>) -> Self {
        Reader { given, table: None, errors: Vec::new() }
    }

    /// Reads the settings of one table: they stand in `given` as if they were everybody's.
    pub fn of_table(given: &'a BTreeMap<String, String>, table: &'a str) -> Self {
        Reader { given, table: Some(table), errors: Vec::new() }
    }

    pub fn error(&mut self, key: &str, code: Code, message: impl Into<String>) {
        let key = match (self.table, key.strip_prefix(PREFIX)) {
            (Some(table), Some(rest)) => format!("{TABLES_PREFIX}{table}.{rest}"),
            _ => key.to_owned(),
        };
        self.errors.push(SettingError { key, code, message: message.into() });
    }

    /// What is wrong with the value of a setting that was read.
    pub fn invalid(&mut self, key: &str, message: impl fmt::Display) {
        let value = self.any_text(key).unwrap_or_default();
        self.refuse(declared(key), value, message);
    }

    fn refuse(&mut self, setting: &Setting, value: &str, message: impl fmt::Display) {
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
        check(value).map_err(|message| self.refuse(setting, value, message)).ok()
    }

    /// The text of a setting that needs no check, or its default, or nothing.
    pub fn text_or_default(&self, key: &str) -> &'a str {
        let default = match declared(key).default {
            Default::Value(value) => value,
            _ => "",
        };
        self.any_text(key).unwrap_or(default)
    }

    /// An absolute path. None when it is not given, and after an error.
    pub fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.text(key, |path| match path.starts_with('/') {
            true => Ok(PathBuf::from(path)),
            false => Err("a relative path is refused: give an absolute path".into()),
        })
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
        check(value).map_err(|message| self.refuse(setting, value, message)).ok()
    }

    /// Refuses what has our prefix and is not declared.
    pub fn refuse_unknown(&mut self) {
        for key in self.given.keys().filter(|key| key.starts_with(PREFIX)) {
            if !SETTINGS.iter().any(|setting| setting.name == key) && of_a_table(key).is_none() {
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
                Rule::OnlyWith(first, second) => (given(first) && !given(second)).then_some(first),
            };
            if let Some(key) = broken {
                self.error(key, Code::ConfigInvalid, rule.message());
            }
        }
    }
}

/// The table that a key of [`TABLES_PREFIX`] names, and the setting.
pub(super) fn of_a_table(key: &str) -> Option<(&str, &'static str)> {
    let rest = key.strip_prefix(TABLES_PREFIX)?;
    OF_A_TABLE.iter().find_map(|setting| {
        let table = rest.strip_suffix(setting.strip_prefix(PREFIX)?)?.strip_suffix('.')?;
        (!table.is_empty()).then_some((table, *setting))
    })
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
