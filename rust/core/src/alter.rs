//! Offsets that a user alters with Connect's REST interface: which tables have to hold what. docs/offsets.md has the rules.

use std::collections::BTreeMap;

use crate::error::{Code, Error, Result};
use crate::offsets::Alteration;
use crate::settings::{Settings, TableRef};

/// Connect's own setting: the topics by name.
const TOPICS: &str = "topics";

/// What one table is to hold of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableAlterations {
    These(Vec<Alteration>),
    /// No offset at all.
    ResetAll,
}

/// By the table's URI. No alteration means that Connect resets a connector and knows none of its offsets: then all that the
/// tables hold is reset.
pub fn plan(
    settings: &Settings,
    given: &BTreeMap<String, String>,
    alterations: Vec<Alteration>,
) -> Result<BTreeMap<String, TableAlterations>> {
    if alterations.is_empty() {
        let tables = all_tables(settings, given)?;
        return Ok(tables.into_iter().map(|table| (table.uri, TableAlterations::ResetAll)).collect());
    }
    let mut by_table: BTreeMap<String, Vec<Alteration>> = BTreeMap::new();
    for alteration in alterations {
        if let Some(offset) = alteration.to.filter(|offset| *offset < 0) {
            return Err(unalterable(format!("{offset} is no offset of {}", alteration.partition)));
        }
        let mut uris: Vec<_> =
            tables_of(settings, &alteration.partition.topic)?.into_iter().map(|table| table.uri).collect();
        uris.sort_unstable();
        uris.dedup();
        for uri in uris {
            by_table.entry(uri).or_default().push(alteration.clone());
        }
    }
    Ok(by_table.into_iter().map(|(uri, these)| (uri, TableAlterations::These(these))).collect())
}

fn tables_of(settings: &Settings, topic: &str) -> Result<Vec<TableRef>> {
    settings.routes.all_of_topic(topic).ok_or_else(|| {
        unalterable(
            "with delta.route.by and without delta.route.map it is not known which tables hold offsets. Connect's own \
             offset says where to start: move that one forward with Kafka's tools. To read records again, which the tables \
             would skip, give the connector another name and set delta.offsets.other.connectors=ignore",
        )
    })
}

fn all_tables(settings: &Settings, given: &BTreeMap<String, String>) -> Result<Vec<TableRef>> {
    let topics = given.get(TOPICS).map(|topics| topics.split(',').map(str::trim));
    let mut tables = Vec::new();
    if let Some(topics) = topics {
        for topic in topics.filter(|topic| !topic.is_empty()) {
            tables.extend(tables_of(settings, topic)?);
        }
    } else if let Some(table) = settings.routes.only_table() {
        tables.push(table);
    } else {
        return Err(unalterable(
            "the consumer group has no offsets, so Connect names no partition to reset, and with topics.regex the tables \
             are not known. Name the partitions: PATCH them with the offset null",
        ));
    }
    Ok(tables)
}

fn unalterable(why: impl Into<String>) -> Error {
    Error::new(Code::OffsetsUnalterable, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsets::TopicPartition;

    fn planned(extra: &[(&str, &str)], alterations: &[(&str, Option<i64>)]) -> Result<Vec<String>> {
        let mut given: BTreeMap<String, String> =
            [("name", "k"), ("delta.table.uri", "/d/x")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        given.extend(extra.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let settings = Settings::parse(&given).unwrap();
        let alteration =
            |(topic, to): &(&str, _)| Alteration { partition: TopicPartition::new(*topic, 3), to: *to };
        let plan = plan(&settings, &given, alterations.iter().map(alteration).collect())?;
        let told = |(uri, what): (String, TableAlterations)| match what {
            TableAlterations::ResetAll => format!("{uri} all"),
            TableAlterations::These(these) => {
                let these: Vec<_> =
                    these.iter().map(|a| format!("{}={}", a.partition, a.txn_version())).collect();
                format!("{uri} {}", these.join(","))
            }
        };
        Ok(plan.into_iter().map(told).collect())
    }

    #[test]
    fn every_table_of_a_topic_is_told() {
        let map = [("delta.table.uri", "/d/${table}"), ("delta.topic2table.map", "t=a,b,a; s=b")];
        assert_eq!(
            planned(&map, &[("t", Some(5)), ("s", None), ("r", Some(0))]).unwrap(),
            ["file:///d/a/ t-3=5", "file:///d/b/ t-3=5,s-3=-1", "file:///d/r/ r-3=0"]
        );
        assert_eq!(planned(&[], &[("t", Some(5)), ("s", None)]).unwrap(), ["file:///d/x/ t-3=5,s-3=-1"]);
    }

    #[test]
    fn a_reset_of_everything_names_no_partition() {
        let topics = [("delta.table.uri", "/d/${topic}"), ("topics", "s, t")];
        assert_eq!(planned(&topics, &[]).unwrap(), ["file:///d/s/ all", "file:///d/t/ all"]);
        assert_eq!(planned(&[("topics.regex", "a.*")], &[]).unwrap(), ["file:///d/x/ all"]);
        let regex = [("delta.table.uri", "/d/${topic}"), ("topics.regex", "a.*")];
        assert_eq!(planned(&regex, &[]).unwrap_err().code, Code::OffsetsUnalterable);
    }

    #[test]
    fn routed_records_name_tables_that_only_a_map_tells() {
        let by = [("delta.table.uri", "/d/${table}"), ("delta.route.by", "field(x)")];
        let refused = planned(&by, &[("t", Some(5))]).unwrap_err();
        assert_eq!(refused.code, Code::OffsetsUnalterable);
        assert!(refused.message.contains("another name"), "{refused}");
        let mapped = [by[0], by[1], ("delta.route.map", "1=a; 2=b,c")];
        assert_eq!(
            planned(&mapped, &[("t", Some(5))]).unwrap(),
            ["file:///d/a/ t-3=5", "file:///d/b/ t-3=5", "file:///d/c/ t-3=5"]
        );
    }

    #[test]
    fn what_is_no_offset_is_refused() {
        assert_eq!(planned(&[], &[("t", Some(-1))]).unwrap_err().code, Code::OffsetsUnalterable);
    }
}
