//! What is made from the declarations of settings and from the table of error codes.

mod docs;
mod java;
mod json_schema;

use super::declare::{SETTINGS, Setting, Unit};
use crate::metrics;

/// A file that is checked in and never edited by hand.
pub struct Generated {
    /// From the root of the repository.
    pub path: &'static str,
    pub content: String,
}

pub fn all() -> Vec<Generated> {
    let file = |path, content| Generated { path, content };
    vec![
        file("java-shim/src/main/java/io/sluice/connect/Settings.java", java::settings(SETTINGS)),
        file("java-shim/src/main/java/io/sluice/connect/ErrorCode.java", java::error_codes()),
        file("docs/configuration.md", docs::configuration(SETTINGS)),
        file("docs/errors.md", docs::errors()),
        file("docs/connect-config.schema.json", json_schema::connector(SETTINGS)),
    ]
}

/// `docs/operations.md` is written by hand but for the tables of metrics.
pub fn operations(text: &str) -> Generated {
    let content = [("task", metrics::OF_TASK), ("process", metrics::OF_PROCESS)]
        .into_iter()
        .fold(text.to_owned(), docs::with_metrics);
    Generated { path: "docs/operations.md", content }
}

fn header(source: &str) -> String {
    format!("Generated from rust/core/src/{source} by `cargo xtask generate`; do not edit.")
}

/// Runs of settings of the same group.
fn groups(settings: &[Setting]) -> impl Iterator<Item = (&'static str, &[Setting])> {
    settings.chunk_by(|a, b| a.group == b.group).map(|group| (group[0].group, group))
}

/// `60000` ms is `1 min`; none where the plain number says as much.
fn readable(number: i64, unit: Unit) -> Option<String> {
    let scales: &[(i64, &str)] = match unit {
        Unit::Milliseconds => &[(3_600_000, "h"), (60_000, "min"), (1_000, "s")],
        Unit::Bytes | Unit::BytesPerSecond => &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")],
        Unit::Records | Unit::Commits | Unit::Files => &[],
    };
    let (scale, name) = scales.iter().find(|(scale, _)| number >= *scale && number % scale == 0)?;
    Some(format!("{} {name}", number / scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::declare::{Default, Importance, Kind, Number};

    /// Has the types that no setting has yet.
    const OTHERS: &[Setting] = &[
        Setting {
            name: "delta.store.key",
            kind: Kind::Password,
            default: Default::None,
            group: "Store",
            importance: Importance::High,
            title: "Key",
            doc: "A secret.",
        },
        Setting {
            name: "delta.pool.records",
            kind: Kind::Int(Number { min: 1, unit: Unit::Records }),
            default: Default::Value("7"),
            group: "Store",
            importance: Importance::Low,
            title: "Pool",
            doc: "A \"number\".",
        },
    ];

    #[test]
    fn passwords_and_ints_are_generated() {
        let java = java::settings(OTHERS);
        assert!(java.contains("public static final String STORE_KEY = \"delta.store.key\";"), "{java}");
        assert!(java.contains("STORE_KEY,\n        Type.PASSWORD,\n        null,"), "{java}");
        assert!(java.contains("Type.INT,\n        7,\n        Range.atLeast(1),"), "{java}");
        assert!(java.contains("\"A \\\"number\\\".\""), "{java}");
        let docs = docs::configuration(OTHERS);
        assert!(docs.contains("never printed"), "{docs}");
        assert!(json_schema::connector(OTHERS).contains("\"writeOnly\": true"));
    }

    #[test]
    fn every_setting_is_in_every_output() {
        for file in all().iter().filter(|f| !f.path.contains("rror")) {
            for setting in SETTINGS {
                assert!(file.content.contains(setting.name), "{} in {}", setting.name, file.path);
            }
        }
    }

    #[test]
    fn readable_is_exact() {
        for (number, unit, expected) in [
            (60_000, Unit::Milliseconds, Some("1 min")),
            (1_500, Unit::Milliseconds, None),
            (268_435_456, Unit::Bytes, Some("256 MiB")),
            (100, Unit::Bytes, None),
            (0, Unit::Bytes, None),
            (1_000, Unit::Records, None),
        ] {
            assert_eq!(readable(number, unit).as_deref(), expected);
        }
    }
}
