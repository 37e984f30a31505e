//! Rules between our settings and Connect's own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::choices::InputMode;
use super::declare;
use super::reader::Reader;
use super::routes::Routes;
use super::table::TableSettings;
use super::{TOPICS, TOPICS_REGEX};
use crate::error::Code;

const VALUE_CONVERTER: &str = "value.converter";
/// As Connect lets one name them: in full, by simple name, and by simple name without its ending.
const RAW_CONVERTERS: [&str; 6] = [
    "org.apache.kafka.connect.converters.ByteArrayConverter",
    "ByteArrayConverter",
    "ByteArray",
    "org.apache.kafka.connect.storage.StringConverter",
    "StringConverter",
    "String",
];

/// The names in [`TOPICS`].
pub fn topics(list: &str) -> BTreeSet<&str> {
    list.split(',').map(str::trim).filter(|topic| !topic.is_empty()).collect()
}

/// Java's `DeltaSinkConnector.validate` has the same rule.
pub(super) fn check_converter(read: &mut Reader, mode: Option<InputMode>) {
    let is_raw = read.any_text(VALUE_CONVERTER).is_none_or(|converter| RAW_CONVERTERS.contains(&converter));
    if mode == Some(InputMode::Raw) && !is_raw {
        let message = "with delta.input.mode=raw, values have to reach Sluice as they are in Kafka: set \
                       org.apache.kafka.connect.converters.ByteArrayConverter";
        read.error(VALUE_CONVERTER, Code::ConfigInvalid, message);
    }
}

/// kafka-delta-ingest's app ids have no topic in them: offsets of several topics would be taken for one another's.
pub(super) fn check_predecessors(
    routes: &Routes,
    of_any_table: &TableSettings,
    of_tables: &BTreeMap<String, Arc<TableSettings>>,
    read: &mut Reader,
) {
    const NAME: &str = declare::KAFKA_DELTA_INGEST_APP_ID;
    let has_one = |table: &TableSettings| table.kafka_delta_ingest.is_some();
    if !has_one(of_any_table) && !of_tables.values().any(|table| has_one(table)) {
        return;
    }
    if read.any_text(TOPICS_REGEX).is_some() {
        let message =
            format!("name the topic in `topics`: with {TOPICS_REGEX} several could lead to the table");
        return read.error(NAME, Code::ConfigInvalid, message);
    }
    let topics = topics(read.any_text(TOPICS).unwrap_or_default());
    let mut taken = BTreeMap::new();
    for topic in &topics {
        for table in routes.of_topic(topic) {
            let settings = of_tables.get(&table.name).map_or(of_any_table, |table| table);
            let by_value = routes.by.is_some() && topics.len() > 1;
            if has_one(settings) && (by_value || taken.insert(table.uri, topic).is_some()) {
                let message = "several topics lead to the table, and kafka-delta-ingest's offsets do not say of which \
                               topic they are; give the topic that they are of a connector of its own";
                return read.error(NAME, Code::ConfigInvalid, message);
            }
        }
    }
}
