//! `sluice check`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use sluice_check::{Tried, message, reach, rules};
use sluice_core::settings::{NAME, SettingError, Settings};
use tokio::runtime::Handle;

use crate::arguments::CheckArguments;
use crate::layout::{Paint, Style, columns, counted, left};
use crate::{connect, table};

/// What was found of one file.
#[derive(Debug)]
struct Found {
    file: String,
    name: String,
    errors: Vec<SettingError>,
    /// What was tried; none: nothing was to be.
    tried: Vec<Tried>,
    notes: Vec<String>,
}

pub fn run(arguments: &CheckArguments) -> ExitCode {
    match check(arguments) {
        Ok((text, true)) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Ok((text, false)) => {
            println!("{text}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("sluice: {error}");
            ExitCode::from(2)
        }
    }
}

/// The text, and whether nothing is wrong.
fn check(arguments: &CheckArguments) -> Result<(String, bool), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let one = |file: &String| of_file(file, arguments.connectivity, runtime.handle());
    let found: Vec<Found> = arguments.files.iter().map(one).collect::<Result<_, _>>()?;
    // What does not answer may go on for a while.
    runtime.shutdown_background();
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&found.iter().map(as_json).collect::<Vec<_>>())?,
        false => as_text(&found, Paint::of_stdout()),
    };
    Ok((text, found.iter().all(|found| found.errors.is_empty())))
}

fn of_file(file: &str, connectivity: bool, runtime: &Handle) -> Result<Found, Box<dyn Error>> {
    let connector = table::connector(file)?;
    let stem = Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut errors = connect::rules(&connector);
    let mut given = connector.settings;
    // Whoever puts the settings alone has the name in the request.
    let name = connector.name.or(stem).unwrap_or_default();
    let name = given.entry(NAME.to_owned()).or_insert(name).clone();
    let mut notes = connect::notes(&given);
    let provided: BTreeSet<String> =
        given.iter().filter(|(_, value)| connect::is_provided(value)).map(|(key, _)| key.clone()).collect();
    let known = rules(&given, runtime);
    if let Err(wrong) = &known {
        errors.extend(wrong.iter().filter(|error| !provided.contains(&error.key)).cloned());
    }
    if !provided.is_empty() {
        let names: Vec<_> = provided.iter().map(String::as_str).collect();
        notes.push(format!("not known here, from a config provider of the worker: {}", names.join(", ")));
    }
    let mut tried = Vec::new();
    if connectivity && errors.is_empty() {
        let reachable = match known {
            Ok(settings) if provided.is_empty() => Some((settings, given)),
            _ => without(&provided, &given),
        };
        match reachable {
            Some((settings, given)) => {
                let reached = runtime.block_on(reach(&settings, &given, runtime));
                (errors, tried) = (reached.errors, reached.tried);
            }
            None => notes.push("nothing was tried: what is not known here is needed for that".to_owned()),
        }
    }
    Ok(Found { file: file.to_owned(), name, errors, tried, notes })
}

/// The settings that are left without those that are not known, and without what means nothing without them.
fn without(
    unknown: &BTreeSet<String>,
    given: &BTreeMap<String, String>,
) -> Option<(Settings, BTreeMap<String, String>)> {
    let mut left: BTreeMap<_, _> = given
        .iter()
        .filter(|(key, _)| !unknown.contains(*key))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    loop {
        match Settings::parse(&left) {
            Ok(settings) => return Some((settings, left)),
            Err(errors) => {
                let before = left.len();
                left.retain(|key, _| errors.iter().all(|error| error.key != *key));
                if left.len() == before {
                    return None;
                }
            }
        }
    }
}

fn as_json(found: &Found) -> Value {
    let error = |error: &SettingError| json!({"setting": error.key, "code": error.code.name(), "message": error.message});
    json!({
        "file": found.file,
        "name": found.name,
        "ok": found.errors.is_empty(),
        "errors": found.errors.iter().map(error).collect::<Vec<_>>(),
        "tried": found.tried,
        "notes": found.notes,
    })
}

fn as_text(found: &[Found], paint: Paint) -> String {
    let mut lines = Vec::new();
    for one in found {
        lines.extend(of_one(one, paint));
    }
    let wrong: usize = found.iter().map(|found| found.errors.len()).sum();
    let verdict = match wrong {
        0 => paint.paint("nothing is wrong", Style::Good),
        wrong => paint.paint(&counted(wrong as u64, "error"), Style::Bad),
    };
    let of = match found.len() {
        1 => String::new(),
        files => format!(" in {}", counted(files as u64, "file")),
    };
    lines.push(format!("check: {verdict}{of}"));
    lines.join("\n")
}

fn of_one(found: &Found, paint: Paint) -> Vec<String> {
    let mut lines = vec![format!("{}  connector {}", paint.paint(&found.file, Style::Heading), found.name)];
    let mut section = |title: &str, more: Vec<String>| {
        if !more.is_empty() {
            lines.extend([String::new(), title.to_owned()]);
            lines.extend(more);
        }
    };
    let errors: Vec<_> = found
        .errors
        .iter()
        .map(|error| vec![left(&error.key).styled(Style::Bad), left(message(error))])
        .collect();
    section("errors", columns(&errors, paint));
    let tried: Vec<_> = found
        .tried
        .iter()
        .map(|tried| {
            let outcome = match tried.ok {
                true => left("ok").styled(Style::Good),
                false => left("failed").styled(Style::Bad),
            };
            vec![outcome, left(tried.thing.name()), left(&tried.name), left(tried.told.unwrap_or_default())]
        })
        .collect();
    section("tried", columns(&tried, paint));
    section("to know", found.notes.iter().map(|note| format!("  - {note}")).collect());
    lines.push(String::new());
    lines
}

#[cfg(test)]
mod tests {
    use sluice_check::Thing;
    use sluice_core::Code;

    use super::*;

    fn found(errors: Vec<SettingError>) -> Found {
        let tried = |ok, name: &str, told| Tried { thing: Thing::Store, name: name.to_owned(), ok, told };
        Found {
            file: "a.json".to_owned(),
            name: "a".to_owned(),
            errors,
            tried: vec![
                tried(true, "s3://b/x/", Some("the table is there")),
                tried(false, "s3://b/long/", None),
            ],
            notes: vec!["a note".to_owned()],
        }
    }

    #[test]
    fn each_error_stands_beside_its_setting() {
        let error = |key: &str, code, message: &str| SettingError {
            key: key.to_owned(),
            code,
            message: message.to_owned(),
        };
        let errors = vec![
            error("delta.table.uri", Code::StoreMissing, "there is no bucket"),
            error("x", Code::ConfigInvalid, "no"),
        ];
        let expected = [
            "a.json  connector a",
            "",
            "errors",
            "  delta.table.uri  STORE_MISSING: there is no bucket",
            "  x                no",
            "",
            "tried",
            "  ok      store  s3://b/x/     the table is there",
            "  failed  store  s3://b/long/",
            "",
            "to know",
            "  - a note",
            "",
            "check: 2 errors",
        ];
        let found = [found(errors)];
        assert_eq!(as_text(&found, Paint::Plain).lines().collect::<Vec<_>>(), expected);
        let json = as_json(&found[0]);
        assert_eq!(json["ok"], false);
        assert_eq!(json["errors"][0]["code"], "STORE_MISSING");
        assert_eq!(json["tried"][0]["thing"], "store");
    }

    #[test]
    fn the_verdict_is_last_and_counts() {
        let clean = || found(vec![]);
        let text = as_text(&[clean(), clean()], Paint::Plain);
        assert!(text.ends_with("\ncheck: nothing is wrong in 2 files"), "{text}");
        assert!(!text.contains("errors"), "{text}");
    }

    #[test]
    fn what_needs_an_unknown_setting_is_left_out_too() {
        let given = [
            ("name", "k"),
            ("delta.table.uri", "s3://b/x"),
            ("delta.s3.access.key.id", "id"),
            ("delta.s3.secret.access.key", "${file:/keys:secret}"),
            ("delta.s3.session.token", "t"),
        ];
        let given: BTreeMap<_, _> = given.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let unknown = |key: &str| BTreeSet::from([key.to_owned()]);
        let (settings, left) = without(&unknown("delta.s3.secret.access.key"), &given).unwrap();
        assert_eq!(settings.store.s3.keys, None);
        assert_eq!(left.keys().map(String::as_str).collect::<Vec<_>>(), ["delta.table.uri", "name"]);
        assert!(without(&unknown("delta.table.uri"), &given).is_none());
    }
}
