//! What is generated is checked in as it is generated, and what is written by hand agrees with the declarations.

mod connectors;

use connectors::assert_accepted;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;
use sluice_core::settings::declare::{Kind, SETTINGS, TextRule};
use sluice_core::settings::{Settings, generate};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

fn repository() -> PathBuf {
    PathBuf::from("../..")
}

/// `SLUICE_BLESS=1` writes the files instead.
#[test]
fn generated_files_are_up_to_date() {
    let bless = std::env::var_os("SLUICE_BLESS").is_some_and(|value| value == "1");
    let mut stale = Vec::new();
    let written_by_hand = |file| fs::read_to_string(repository().join(file)).unwrap();
    for file in
        generate::all().into_iter().chain([generate::operations(&written_by_hand("docs/operations.md"))])
    {
        let path = repository().join(file.path);
        if bless {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &file.content).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != file.content {
            stale.push(file.path);
        }
    }
    assert!(stale.is_empty(), "out of date, run `cargo xtask generate`: {stale:?}");
}

/// Java's test of `Settings.validate` reads the same file; it leaves out what only the native side checks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    config: BTreeMap<String, String>,
    /// Setting to code, of all that are refused.
    errors: BTreeMap<String, String>,
    #[serde(default)]
    native_only: bool,
}

#[test]
fn settings_cases_have_the_errors_they_say() {
    let text = fs::read_to_string(repository().join("tests/golden/settings-cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    assert!(cases.iter().any(|case| case.native_only) && cases.iter().any(|case| case.errors.is_empty()));
    for case in &cases {
        let errors = Settings::parse(&case.config).err().unwrap_or_default();
        let found: BTreeMap<_, _> =
            errors.iter().map(|e| (e.key.clone(), e.code.name().to_string())).collect();
        assert_eq!(found, case.errors, "{}: {errors:?}", case.case);
    }
    let takes_anything = |kind| matches!(kind, Kind::Text(TextRule::Any) | Kind::Password);
    for setting in SETTINGS.iter().filter(|setting| !takes_anything(setting.kind)) {
        assert!(
            cases.iter().any(|case| case.errors.contains_key(setting.name)),
            "no case for {}",
            setting.name
        );
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Connector {
    name: String,
    config: BTreeMap<String, String>,
}

/// One file for each scenario; each has to be accepted as it stands.
#[test]
fn connect_config_files_are_accepted() {
    let folder = fs::read_dir(repository().join("connect-config")).unwrap();
    let paths: Vec<_> = folder
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    assert!(!paths.is_empty());
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let connector: Connector = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        assert_accepted(&path.display().to_string(), &connector.name, &connector.config);
    }
}

#[test]
fn parse_accepts_or_refuses_any_map_without_a_panic() {
    const PIECES: &[&str] = &[
        "delta.",
        "/",
        "file://",
        "${topic}",
        "${",
        "}",
        "%",
        "%2f",
        "%C3",
        "..",
        ".",
        "-",
        "1",
        "9223372036854775807",
        "true",
        "zstd",
        "{\"type\":\"struct\"",
        "\"fields\":[",
        "]}",
        "\0",
        " ",
        "\u{e9}",
        "\u{1f40c}",
        ":",
        "?",
    ];
    let mut accepted = 0;
    for seed in 0..20_000 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut text = |up_to: usize| -> String {
            (0..random.random_range(0..=up_to))
                .map(|_| PIECES[random.random_range(0..PIECES.len())])
                .collect()
        };
        let mut map: BTreeMap<_, _> = (0..2).map(|_| (text(3), text(3))).collect();
        map.insert("name".into(), "n".into());
        map.insert("delta.table.uri".into(), format!("/{}", text(4)));
        let mut random = StdRng::seed_from_u64(!seed);
        for _ in 0..random.random_range(0..3) {
            map.insert(SETTINGS[random.random_range(0..SETTINGS.len())].name.into(), text(4));
        }
        match Settings::parse(&map) {
            Ok(settings) => {
                accepted += 1;
                let url = settings.routes.uri.table_for("a/b c", "d/e");
                assert!(
                    url.starts_with("file:///") && url.ends_with('/') && url.is_ascii(),
                    "seed {seed}: {url}"
                );
            }
            Err(errors) => {
                assert!(!errors.is_empty(), "seed {seed}");
                assert!(errors.iter().all(|e| !e.message.is_empty()), "seed {seed}");
            }
        }
    }
    assert!(
        accepted > 100,
        "{accepted} of the maps were good: the test no longer reaches the typed settings"
    );
}
