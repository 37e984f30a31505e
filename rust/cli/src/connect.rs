//! What Connect itself asks of a connector, as far as it can be told without a worker; and what is worth knowing.

use std::collections::BTreeMap;

use sluice_core::Code;
use sluice_core::settings::declare::{NULL_VALUES, ROUTE_UNMATCHED};
use sluice_core::settings::{NAME, SettingError, TOPICS, TOPICS_REGEX};

use crate::table::Connector;

const CLASS: &str = "connector.class";
/// As Connect lets one name it: in full, by simple name, and by simple name without its ending.
const CLASSES: [&str; 3] = ["io.sluice.connect.DeltaSinkConnector", "DeltaSinkConnector", "DeltaSink"];
const TASKS_MAX: &str = "tasks.max";
const TOLERANCE: &str = "errors.tolerance";
const DEAD_LETTERS: &str = "errors.deadletterqueue.topic.name";
const LOG_ERRORS: &str = "errors.log.enable";

/// Connect's words differ; what it refuses does not.
pub fn rules(connector: &Connector) -> Vec<SettingError> {
    let mut errors = Vec::new();
    let mut wrong = |key: &str, code: Code, message: String| {
        errors.push(SettingError { key: key.to_owned(), code, message });
    };
    let given = |key: &str| text(&connector.settings, key);
    for key in &connector.nested {
        wrong(key, Code::ConfigInvalid, "Connect takes texts, numbers and booleans only".to_owned());
    }
    match (&connector.name, given(NAME)) {
        (Some(outside), Some(inside)) if outside != inside => {
            wrong(
                NAME,
                Code::ConfigInvalid,
                format!("it is {outside:?} beside the settings and {inside:?} in them"),
            );
        }
        _ => {}
    }
    match given(CLASS) {
        None => wrong(CLASS, Code::ConfigMissing, format!("is not given: set {}", CLASSES[0])),
        Some(class) if !CLASSES.contains(&class) => {
            wrong(CLASS, Code::ConfigInvalid, format!("{class:?} is not Sluice: set {}", CLASSES[0]));
        }
        Some(_) => {}
    }
    match (given(TOPICS), given(TOPICS_REGEX)) {
        (None, None) => {
            wrong(TOPICS, Code::ConfigMissing, format!("is not given, nor is {TOPICS_REGEX}"));
        }
        (Some(_), Some(_)) => {
            let message = format!("cannot be given together with {TOPICS}; give one of the two");
            wrong(TOPICS_REGEX, Code::ConfigInvalid, message);
        }
        _ => {}
    }
    if let Some(tasks) = given(TASKS_MAX)
        && !tasks.parse::<u32>().is_ok_and(|tasks| tasks > 0)
    {
        wrong(TASKS_MAX, Code::ConfigInvalid, format!("{tasks:?} is refused: it has to be at least 1"));
    }
    errors
}

/// What works, and perhaps not as it was meant.
pub fn notes(settings: &BTreeMap<String, String>) -> Vec<String> {
    let given = |key: &str| text(settings, key);
    let mut notes = Vec::new();
    let tolerates = given(TOLERANCE).is_some_and(|value| value.eq_ignore_ascii_case("all"));
    if given(DEAD_LETTERS).is_none() {
        for key in [NULL_VALUES, ROUTE_UNMATCHED] {
            if given(key) == Some("dlq") {
                notes.push(format!(
                    "{key}=dlq, and there is no {DEAD_LETTERS}: such a record fails the task, or is only logged"
                ));
            }
        }
        if tolerates && given(LOG_ERRORS).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            notes.push(format!(
                "{TOLERANCE}=all without {DEAD_LETTERS}: bad records are only logged, and their offsets are passed"
            ));
        }
    } else if !tolerates {
        notes.push(format!(
            "{DEAD_LETTERS} means nothing without {TOLERANCE}=all: the first bad record fails the task"
        ));
    }
    notes
}

fn text<'a>(settings: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
    settings.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// Whether one of the worker's configuration providers fills in a part of the value: `${file:/etc/keys:secret}`.
pub fn is_provided(value: &str) -> bool {
    value.split("${").skip(1).any(|rest| rest.split_once('}').is_some_and(|(inside, _)| inside.contains(':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(given: &[(&str, &str)]) -> Connector {
        let mut settings =
            BTreeMap::from([(CLASS.to_owned(), CLASSES[1].to_owned()), (TOPICS.to_owned(), "t".to_owned())]);
        settings.extend(given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        Connector { name: Some("k".to_owned()), settings, nested: vec![] }
    }

    fn wrong(given: &[(&str, &str)]) -> Vec<String> {
        rules(&connector(given)).into_iter().map(|error| error.key).collect()
    }

    #[test]
    fn what_connect_refuses_is_refused() {
        assert_eq!(wrong(&[]), [] as [&str; 0]);
        assert_eq!(wrong(&[(NAME, "k"), (TASKS_MAX, "8")]), [] as [&str; 0]);
        assert_eq!(wrong(&[(CLASS, "io.confluent.S3Sink")]), [CLASS]);
        assert_eq!(wrong(&[(CLASS, " ")]), [CLASS]);
        assert_eq!(wrong(&[(TOPICS, "")]), [TOPICS]);
        assert_eq!(wrong(&[(TOPICS_REGEX, "x.*")]), [TOPICS_REGEX]);
        assert_eq!(wrong(&[(NAME, "other")]), [NAME]);
        for tasks in ["0", "-1", "many"] {
            assert_eq!(wrong(&[(TASKS_MAX, tasks)]), [TASKS_MAX]);
        }
        let nested = Connector { nested: vec!["x".to_owned()], ..connector(&[]) };
        assert_eq!(rules(&nested)[0].key, "x");
    }

    #[test]
    fn bad_records_that_go_nowhere_are_told() {
        let told = |given: &[(&str, &str)]| notes(&connector(given).settings);
        assert_eq!(
            told(&[(TOLERANCE, "all"), (DEAD_LETTERS, "dead"), (NULL_VALUES, "dlq")]),
            [] as [&str; 0]
        );
        assert_eq!(told(&[(TOLERANCE, "all"), (LOG_ERRORS, "false")]), [] as [&str; 0]);
        assert_eq!(told(&[(TOLERANCE, "all"), (LOG_ERRORS, "true")]).len(), 1);
        assert_eq!(told(&[(DEAD_LETTERS, "dead")]).len(), 1);
        assert_eq!(told(&[(NULL_VALUES, "dlq"), (ROUTE_UNMATCHED, "dlq")]).len(), 2);
    }

    #[test]
    fn values_of_providers_are_known_from_placeholders() {
        assert!(is_provided("${file:/etc/keys:secret}") && is_provided("s3://${env:BUCKET}/${topic}"));
        assert!(!is_provided("/data/${topic}/${table}") && !is_provided("a:b") && !is_provided("${"));
    }
}
