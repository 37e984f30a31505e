//! Kafka coordinates and the ids under which the Delta table keeps them.

use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// First part of every `txn` app id of Sluice.
pub const APP_ID_PREFIX: &str = "sluice/";

const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A partition of a topic, always by its original name: transformations may rename topics (KIP-793).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        TopicPartition { topic: topic.into(), partition }
    }

    /// `sluice/<connector>/<topic>/<partition>`, each part percent-encoded.
    pub fn app_id(&self, connector: &str) -> String {
        format!("{APP_ID_PREFIX}{}{}", utf8_percent_encode(connector, PART), self.app_id_end())
    }

    /// How the app ids of every connector end for this partition, and for no other.
    pub fn app_id_end(&self) -> String {
        format!("/{}/{}", utf8_percent_encode(&self.topic, PART), self.partition)
    }

    /// The connector and the partition of an app id that [`TopicPartition::app_id`] made.
    pub fn from_app_id(app_id: &str) -> Option<(String, TopicPartition)> {
        let mut parts = app_id.strip_prefix(APP_ID_PREFIX)?.split('/');
        let mut text = || Some(percent_decode_str(parts.next()?).decode_utf8().ok()?.into_owned());
        let (connector, topic, partition) = (text()?, text()?, text()?);
        if parts.next().is_some() {
            return None;
        }
        Some((connector, TopicPartition::new(topic, partition.parse().ok()?)))
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Whose `txn` a partition starts from where the table holds none of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predecessor {
    pub app_id: String,
    /// What a `txn` version of this app id counts.
    pub counts: Counts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// The last offset that was written, as kafka-delta-ingest has it.
    LastWritten,
    /// The next offset to read, as Sluice has it.
    NextToRead,
}

impl Predecessor {
    /// kafka-delta-ingest's app ids have no topic in them (its `txn_app_id_for_partition`).
    pub fn kafka_delta_ingest(app_id: &str, partition: i32) -> Self {
        Predecessor::new(format!("{app_id}-{partition}"))
    }

    /// By its app id: that of another connector of Sluice, or kafka-delta-ingest's.
    pub fn new(app_id: String) -> Self {
        let counts = match TopicPartition::from_app_id(&app_id) {
            Some(_) => Counts::NextToRead,
            None => Counts::LastWritten,
        };
        Predecessor { app_id, counts }
    }

    /// What the table holds of it.
    pub fn holds(self, version: Option<i64>) -> TakenOver {
        let held = version.filter(|version| *version >= 0);
        let next = held.map(|version| match self.counts {
            Counts::LastWritten => version.saturating_add(1),
            Counts::NextToRead => version,
        });
        TakenOver { app_id: self.app_id, version, next }
    }
}

/// A predecessor's `txn` when it was loaded. As long as it stays so, nobody else writes what the partition writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    pub app_id: String,
    /// None: the table held none.
    pub version: Option<i64>,
    /// The offset to go on from.
    pub next: Option<i64>,
}

/// An offset that a user moves on purpose, with Connect's REST interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alteration {
    pub partition: TopicPartition,
    /// The next offset to read; none: the table is to hold none.
    pub to: Option<i64>,
}

impl Alteration {
    /// The `txn` version that says so.
    pub fn txn_version(&self) -> i64 {
        self.to.unwrap_or(RESET)
    }
}

/// The `txn` version that a reset leaves: the app id is there, and holds no offset.
pub const RESET: i64 = -1;

/// The offset that a `txn` version stands for: none where there is no `txn`, and none after a reset.
pub fn offset_of(txn_version: Option<i64>) -> Option<i64> {
    txn_version.filter(|version| *version >= 0)
}

/// What a staged unit covers of one partition: the offsets from `from` up to, not including, `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    pub partition: TopicPartition,
    pub app_id: String,
    /// The `txn` version that the table has to hold for the unit to be committed, a negative one included; none: no
    /// `txn` yet. So a reset fences what was read before it.
    pub expected: Option<i64>,
    /// The offset that `expected` stands for; where it stands for none, the predecessor's next offset or the first one that
    /// was delivered.
    pub from: i64,
    pub to: i64,
    /// Rows of the interval. Less than `to - from` where offsets have no record or make no row.
    pub rows: u64,
    /// The predecessor, which must not have moved since.
    pub taken_over: Option<TakenOver>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafka_delta_ingest_holds_the_last_offset_that_it_wrote() {
        let held = |version| Predecessor::kafka_delta_ingest("web-requests", 3).holds(version);
        assert_eq!(held(Some(0)).app_id, "web-requests-3");
        assert_eq!(
            [None, Some(-1), Some(0), Some(41)].map(|v| held(v).next),
            [None, None, Some(1), Some(42)]
        );
    }

    #[test]
    fn another_connector_holds_the_next_offset_to_read() {
        let held = |version| Predecessor::new("sluice/old/t/3".into()).holds(version).next;
        assert_eq!([None, Some(-1), Some(0), Some(42)].map(held), [None, None, Some(0), Some(42)]);
    }

    #[test]
    fn app_ids_keep_every_name() {
        for (connector, topic) in [("c", "t"), ("my sink/1", "a.b-c_d~e"), ("%2F", "ü%"), ("", "a/b")] {
            let partition = TopicPartition::new(topic, 7);
            let id = partition.app_id(connector);
            assert_eq!(id.split('/').count(), 4, "{id}");
            assert!(id.ends_with(&partition.app_id_end()), "{id}");
            for other in [TopicPartition::new(topic, 17), TopicPartition::new(format!("x{topic}"), 7)] {
                assert!(!id.ends_with(&other.app_id_end()), "{id}");
                assert!(!other.app_id(connector).ends_with(&partition.app_id_end()), "{id}");
            }
            assert_eq!(TopicPartition::from_app_id(&id), Some((connector.to_owned(), partition)));
        }
    }

    #[test]
    fn foreign_app_ids_are_not_taken_for_ours() {
        for id in ["", "sluice", "sluice/a/b", "sluice/a/b/x", "sluice/a/b/1/2", "other/a/b/1"] {
            assert_eq!(TopicPartition::from_app_id(id), None, "{id}");
        }
    }
}
