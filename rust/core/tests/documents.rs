//! What the documents name exists: linked files and headings, paths in the checkout, settings, metrics, error codes.
#![allow(clippy::unwrap_used)]

mod connectors;

use connectors::assert_accepted;
use sluice_core::Code;
use sluice_core::metrics::{OF_PROCESS, OF_TASK};
use sluice_core::settings::declare::{OF_A_TABLE, PREFIX, SETTINGS, TABLES_PREFIX};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Properties of Delta tables: they share the prefix with our settings and are not ours.
const TABLE_PROPERTIES: [&str; 8] = [
    "delta.checkpointInterval",
    "delta.deletedFileRetentionDuration",
    "delta.enableDeletionVectors",
    "delta.enableExpiredLogCleanup",
    "delta.enableTypeWidening",
    "delta.logRetentionDuration",
    "delta.setTransactionRetentionDuration",
    "delta.typeChanges",
];

/// Settings of the Databricks sink of Confluent: they share the prefix too.
const OF_ANOTHER_SINK: [&str; 6] = [
    "delta.lake.host.name",
    "delta.lake.http.path",
    "delta.lake.table.auto.create",
    "delta.lake.table2partition.map",
    "delta.lake.token",
    "delta.lake.topic2table.map",
];

/// Named in documents, look like an error code and are not.
const CONSTANTS: [&str; 1] = ["CROSSING_VERSION"];

/// Folders at the root whose files documents name by path.
const FOLDERS: [&str; 7] =
    ["connect-config/", "deploy/", "docs/", "gradle/", "java-shim/", "rust/", "tests/"];

fn root() -> PathBuf {
    fs::canonicalize("../..").unwrap()
}

/// Every file of the checkout with such an ending, with its text.
fn files(ending: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.file_name().unwrap().to_string_lossy();
            if entry.is_dir() && !name.starts_with('.') && !["target", "build"].contains(&&*name) {
                walk(&entry, ending, found);
            } else if name.ends_with(ending) {
                found.push((entry.clone(), fs::read_to_string(&entry).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), ending, &mut found);
    found
}

/// Every Markdown file.
fn documents() -> Vec<(PathBuf, String)> {
    let found = files(".md");
    assert!(
        found.iter().any(|(path, _)| path.ends_with("docs/exactly-once.md")),
        "the walk misses documents"
    );
    found
}

/// The targets of `[text](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// As GitHub makes anchors of headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| heading.chars().filter(kept).collect::<String>().replace(' ', "-"))
        .collect()
}

fn inline_code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with("    ")).flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Dotted names that start with the prefix of our settings.
fn settings_named_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(PREFIX).filter_map(|(at, _)| {
        let before = text[..at].chars().next_back();
        let name = text[at..].split(|c: char| !(c.is_ascii_alphanumeric() || ".-".contains(c))).next()?;
        let name = name.trim_end_matches(['.', '-']);
        let inside = before.is_some_and(|c| c.is_alphanumeric() || "._".contains(c));
        (!inside && name.len() > PREFIX.len()).then_some(name)
    })
}

/// `delta.tables.x.<name>`, or the prefix alone.
fn is_of_one_table(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(TABLES_PREFIX.trim_end_matches('.')) else { return false };
    let setting = rest.strip_prefix('.').and_then(|rest| rest.split_once('.')).map(|(_, setting)| setting);
    rest.is_empty()
        || setting.is_some_and(|setting| OF_A_TABLE.contains(&format!("{PREFIX}{setting}").as_str()))
}

fn assert_none(what: &str, wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn relative_links_lead_to_files_and_headings() {
    let documents = documents();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (path, text) in &documents {
        for link in links(text).filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            checked += 1;
            let anchor_is_there =
                || fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor));
            if !target.exists() || (!anchor.is_empty() && !anchor_is_there()) {
                wrong.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert_none("links that lead nowhere", wrong);
    assert!(checked > 40, "only {checked} links were seen");
}

#[test]
fn paths_in_the_checkout_exist() {
    let root = root();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (path, text) in documents() {
        for named in inline_code(&text).filter(|code| FOLDERS.iter().any(|folder| code.starts_with(folder))) {
            // Patterns are named by their folder.
            let plain = named.split(['*', '<']).next().unwrap_or_default();
            let plain =
                if plain == named { plain } else { plain.rsplit_once('/').map_or("", |(folder, _)| folder) };
            checked += 1;
            if !root.join(plain).exists() {
                wrong.push(format!("{}: {named}", path.display()));
            }
        }
    }
    assert_none("paths that are not there", wrong);
    assert!(checked > 20, "only {checked} paths were seen");
}

#[test]
fn settings_that_documents_name_exist() {
    let ours = SETTINGS.iter().map(|setting| setting.name);
    let known: BTreeSet<_> = ours.chain(TABLE_PROPERTIES).chain(OF_ANOTHER_SINK).collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in documents() {
        for name in settings_named_in(&text) {
            seen.insert(name.to_owned());
            if !known.contains(name) && !is_of_one_table(name) {
                wrong.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert_none("settings that do not exist", wrong);
    assert!(
        SETTINGS.iter().all(|setting| !setting.name.starts_with(PREFIX) || seen.contains(setting.name)),
        "not every setting is documented: {seen:?}"
    );
}

#[test]
fn error_codes_that_documents_name_exist() {
    let known: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).chain(CONSTANTS).collect();
    let families: BTreeSet<_> =
        known.iter().filter_map(|name| name.split_once('_')).map(|(family, _)| family).collect();
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for code in inline_code(&text) {
            let is_code = code.chars().all(|c| c.is_ascii_uppercase() || c == '_')
                && code.split_once('_').is_some_and(|(family, _)| families.contains(family));
            if is_code && !known.contains(code) {
                wrong.push(format!("{}: {code}", path.display()));
            }
        }
    }
    assert_none("error codes that do not exist", wrong);
}

/// Documents name tests by their functions, `in_a_word_such_as_this`.
#[test]
fn tests_that_documents_name_exist() {
    let of_test = |code: &&str| {
        code.matches('_').count() >= 3
            && code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let sources: String = [files(".rs"), files(".java")].concat().into_iter().map(|(_, text)| text).collect();
    let (mut wrong, mut checked) = (Vec::new(), 0);
    let shown_by_tests = ["exactly-once.md", "offsets.md", "fail-points.md", "workers.md"];
    for (path, text) in
        documents().into_iter().filter(|(path, _)| shown_by_tests.iter().any(|name| path.ends_with(name)))
    {
        for test in inline_code(&text).filter(of_test) {
            checked += 1;
            if !["fn", "void"].iter().any(|before| sources.contains(&format!("{before} {test}("))) {
                wrong.push(format!("{}: {test}", path.display()));
            }
        }
    }
    assert_none("tests that do not exist", wrong);
    assert!(checked > 20, "only {checked} tests were seen");
}

#[test]
fn metrics_that_documents_name_exist() {
    let known: BTreeSet<_> = OF_TASK.iter().chain(OF_PROCESS).map(|metric| metric.name).collect();
    let is_metric = |code: &&str| {
        code.starts_with("sluice-") && ["-total", "-bytes", "-ms"].iter().any(|end| code.ends_with(end))
    };
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in documents() {
        for name in inline_code(&text).filter(is_metric) {
            seen.insert(name.to_owned());
            if !known.contains(name) {
                wrong.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert_none("metrics that do not exist", wrong);
    assert!(seen.len() > 20, "only {seen:?} were seen");
}

/// What whoever is woken by an alert is led to.
#[test]
fn every_alert_leads_to_its_section() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let after = |text: &str, mark: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.trim().strip_prefix(mark)).map(str::to_owned).collect()
    };
    let rules = read("deploy/prometheus/sluice.rules.yml");
    let alerts = after(&rules, "- alert: ");
    assert!(alerts.len() > 10, "only {alerts:?} were seen");
    let named = after(&rules, "runbook: ");
    let expected: Vec<_> =
        alerts.iter().map(|alert| format!("docs/operations.md#{}", alert.to_lowercase())).collect();
    assert_eq!(named, expected, "runbooks, in the order of the alerts");
    let headings = after(&read("docs/operations.md"), "### ");
    let sections: BTreeSet<_> = headings.iter().filter(|heading| heading.starts_with("Sluice")).collect();
    let alerts: BTreeSet<_> = alerts.iter().collect();
    assert_eq!(sections, alerts, "sections and alerts");
}

/// A connector that is pasted from a document has to be accepted.
#[test]
fn connectors_in_documents_are_accepted() {
    let mut checked = 0;
    for (path, text) in documents() {
        for block in text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            if !block.contains("connector.class") {
                continue;
            }
            let connector: serde_json::Value = serde_json::from_str(block).unwrap();
            let config = serde_json::from_value(connector["config"].clone()).unwrap();
            assert_accepted(&path.display().to_string(), connector["name"].as_str().unwrap(), &config);
            checked += 1;
        }
    }
    assert!(checked > 0, "README.md has a connector");
}
