//! Which columns of the table say where a row comes from.

use std::collections::BTreeMap;

use sluice_core::settings::declare::{METADATA_COLUMNS, METADATA_PREFIX, METADATA_STRUCT};
use sluice_delta::audit::Columns;

const DEFAULT_PREFIX: &str = "_kafka_";
const HOW: &str = "give the connector's settings with --config, or the columns with --offset-columns topic,partition,offset";

/// As `--offset-columns` names them, or else as the connector's settings make them.
pub fn columns(option: Option<&str>, connector: &BTreeMap<String, String>) -> Result<Columns, String> {
    match option {
        Some(option) => named(option),
        None => made_by(connector),
    }
}

fn named(option: &str) -> Result<Columns, String> {
    let names: Vec<&str> = option.split(',').map(str::trim).collect();
    let there = |name: &str| Some(name.to_owned()).filter(|name| name != "-" && !name.is_empty());
    match names[..] {
        [topic, partition, offset] if there(offset).is_some() => {
            Ok(Columns { topic: there(topic), partition: there(partition), offset: offset.to_owned() })
        }
        _ => Err("--offset-columns takes three names: topic,partition,offset; - for one that is not there"
            .to_owned()),
    }
}

fn made_by(connector: &BTreeMap<String, String>) -> Result<Columns, String> {
    let setting = |name: &str| connector.get(name).map(String::as_str);
    let words: Vec<&str> = setting(METADATA_COLUMNS).unwrap_or_default().split(',').map(str::trim).collect();
    let name = |word: &str| match setting(METADATA_STRUCT) {
        Some(of) => format!("{of}.{word}"),
        None => format!("{}{word}", setting(METADATA_PREFIX).unwrap_or(DEFAULT_PREFIX)),
    };
    let column = |word: &str| words.contains(&word).then(|| name(word));
    let offset = column("offset")
        .ok_or_else(|| format!("{METADATA_COLUMNS} does not say that the rows have their offset: {HOW}"))?;
    Ok(Columns { topic: column("topic"), partition: column("partition"), offset })
}

#[cfg(test)]
mod tests {
    use sluice_core::settings::declare::SETTINGS;

    use super::*;

    fn settings(given: &[(&str, &str)]) -> BTreeMap<String, String> {
        given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn names_are_those_that_the_settings_make() {
        let made = columns(None, &settings(&[(METADATA_COLUMNS, "offset, topic")])).unwrap();
        assert_eq!(made.offset, "_kafka_offset");
        assert_eq!((made.topic.as_deref(), made.partition), (Some("_kafka_topic"), None));
        let of_struct = settings(&[(METADATA_COLUMNS, "topic,partition,offset"), (METADATA_STRUCT, "meta")]);
        assert_eq!(columns(None, &of_struct).unwrap().partition.as_deref(), Some("meta.partition"));
        let own = settings(&[(METADATA_COLUMNS, "offset"), (METADATA_PREFIX, "k_")]);
        assert_eq!(columns(None, &own).unwrap().offset, "k_offset");
        assert!(columns(None, &settings(&[])).unwrap_err().contains("--offset-columns"));
    }

    #[test]
    fn names_may_be_given() {
        let given = columns(Some("-,p,meta.o"), &settings(&[])).unwrap();
        assert_eq!(
            given,
            Columns { topic: None, partition: Some("p".to_owned()), offset: "meta.o".to_owned() }
        );
        assert!(columns(Some("p,o"), &settings(&[])).is_err());
        assert!(columns(Some("t,p,-"), &settings(&[])).is_err());
    }

    #[test]
    fn the_default_prefix_is_the_declared_one() {
        let prefix = SETTINGS.iter().find(|setting| setting.name == METADATA_PREFIX).unwrap();
        assert!(format!("{:?}", prefix.default).contains(DEFAULT_PREFIX), "{:?}", prefix.default);
    }
}
