//! The table against the topics: what the intervals say they took, and what Kafka has at their offsets.

use std::collections::{BTreeMap, BTreeSet};

use roaring::RoaringTreemap;
use serde::Serialize;
use sluice_core::offsets::TopicPartition;
use sluice_delta::audit::{Audit, Finding, Kind, Progress, Rows, Taken, between};

use crate::kafka::{Client, Ends, Result, Seen};

/// How many offsets a message names.
const NAMED: usize = 5;

/// What Kafka has of a partition at the offsets that the table covers.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Topic {
    /// Where Kafka's log starts and ends.
    pub start_offset: i64,
    pub end_offset: i64,
    /// The offsets that were compared: from the first up to, not including, the second.
    pub compared_from: i64,
    pub compared_to: i64,
    pub records: u64,
    pub tombstones: u64,
    /// Records of aborted transactions, and transactions' markers.
    pub hidden: u64,
    /// Offsets whose record was compacted away, or that never had one.
    pub holes: u64,
    /// Rows of the intervals that were compared.
    pub rows: i64,
}

pub struct Question<'a> {
    pub rows: Option<&'a Rows>,
    /// Each record with a value must have its row.
    pub every_record: bool,
}

pub async fn compare(
    client: &mut Client,
    audit: &mut Audit,
    question: &Question<'_>,
) -> Result<BTreeMap<String, Topic>> {
    let partitions: BTreeSet<TopicPartition> = audit.app_ids.values().map(Progress::partition).collect();
    let topics: BTreeSet<_> = partitions.iter().map(|partition| partition.topic.clone()).collect();
    let mut compared = BTreeMap::new();
    for topic in topics {
        let Some(there) = client.partitions(&topic).await? else {
            audit.untold.push(format!("Kafka has no topic {topic}: nothing of it can be compared."));
            continue;
        };
        for partition in partitions.iter().filter(|partition| partition.topic == topic) {
            if !there.contains(&partition.partition) {
                let count = there.len();
                let message = format!("Kafka's topic {topic} has {count} partitions");
                for (app_id, progress) in of(audit, partition) {
                    let finding = Finding::new(Kind::Ahead, audit.last_version, message.clone()).of(&app_id);
                    audit.find(finding.after(progress.last.as_ref()));
                }
                continue;
            }
            let ends = client.ends(&topic, partition.partition).await?;
            let mut against = Against::new(partition, ends, of(audit, partition), question);
            if against.reaches(audit) {
                let (from, to) = (against.topic.compared_from, against.topic.compared_to);
                let seen = &mut against.seen;
                let read = client.read(&topic, partition.partition, from, to, seen).await?;
                against.until(read, audit);
                against.judge(audit);
            }
            compared.insert(partition.to_string(), against.topic);
        }
    }
    Ok(compared)
}

/// What connectors wrote of a partition.
fn of(audit: &Audit, partition: &TopicPartition) -> Vec<(String, Copied)> {
    let ours = audit.app_ids.iter().filter(|(_, progress)| progress.partition() == *partition);
    ours.map(|(app_id, progress)| {
        let copied = Copied {
            from: progress.from_offset,
            to: progress.to_offset,
            taken: progress.taken.clone(),
            last: progress.last.clone(),
        };
        (app_id.clone(), copied)
    })
    .collect()
}

/// As much of a [`Progress`] as is looked at while the audit changes.
struct Copied {
    from: i64,
    to: Option<i64>,
    taken: Vec<Taken>,
    last: Option<std::sync::Arc<sluice_delta::audit::Author>>,
}

struct Against<'a> {
    partition: &'a TopicPartition,
    ours: Vec<(String, Copied)>,
    question: &'a Question<'a>,
    topic: Topic,
    seen: Seen,
}

impl<'a> Against<'a> {
    fn new(
        partition: &'a TopicPartition,
        ends: Ends,
        ours: Vec<(String, Copied)>,
        question: &'a Question<'a>,
    ) -> Self {
        let first = ours.iter().flat_map(|(_, copied)| copied.taken.iter().map(|taken| taken.from)).min();
        let last = ours.iter().flat_map(|(_, copied)| copied.taken.iter().map(|taken| taken.to)).max();
        let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
        let topic = Topic {
            start_offset: ends.start,
            end_offset: ends.end,
            compared_from: first.max(ends.start),
            compared_to: last.min(ends.end),
            ..Topic::default()
        };
        Against { partition, ours, question, topic, seen: Seen::default() }
    }

    /// Whether there is anything to compare; says what cannot be.
    fn reaches(&self, audit: &mut Audit) -> bool {
        let Topic { start_offset, end_offset, compared_from, compared_to, .. } = self.topic;
        let mut same_topic = true;
        let first = self.ours.iter().map(|(_, copied)| copied.from).min().unwrap_or_default();
        for (app_id, copied) in &self.ours {
            if let Some(to) = copied.to
                && to > end_offset
            {
                same_topic = false;
                let message = format!("the table's offset is {to}, Kafka's log ends at {end_offset}");
                let finding = Finding::new(Kind::Ahead, audit.last_version, message).of(app_id);
                audit.find(finding.after(copied.last.as_ref()));
            }
            if let Some(to) = copied.to
                && to < start_offset
            {
                audit.untold.push(format!(
                    "{}: the table's offset is {to}, Kafka's log starts at {start_offset}: records between were deleted before they \
                     were read, if there were any.",
                    self.partition
                ));
            }
            // Not where a connector goes on from another one's rows.
            if audit.is_whole()
                && copied.from == first
                && copied.from > start_offset
                && !copied.taken.is_empty()
            {
                let message = format!(
                    "{}: the first interval starts at offset {}; what Kafka has from {start_offset} on, before that, was not taken",
                    self.partition, copied.from
                );
                audit.note("before", message);
            }
        }
        if !same_topic {
            audit.untold.push(format!(
                "{}: the records that Kafka has may be other ones than those that were read; they are not compared.",
                self.partition
            ));
        }
        if same_topic && first < start_offset && start_offset > 0 {
            audit.untold.push(format!(
                "{}: Kafka no longer has offsets below {start_offset}: rows from there are not compared.",
                self.partition
            ));
        }
        same_topic && compared_from < compared_to
    }

    /// How far Kafka gave its records.
    fn until(&mut self, read: i64, audit: &mut Audit) {
        if read < self.topic.compared_to {
            audit.untold.push(format!(
                "{}: a transaction from offset {read} on is not decided yet: what comes behind it is not compared.",
                self.partition
            ));
            self.topic.compared_to = read;
        }
        let (from, to) = (self.topic.compared_from, self.topic.compared_to);
        self.topic.records = between(&self.seen.records, from, to);
        self.topic.tombstones = between(&self.seen.tombstones, from, to);
        self.topic.hidden = between(&self.seen.hidden, from, to);
        self.topic.holes = self.seen.holes(from, to);
    }

    fn judge(&mut self, audit: &mut Audit) {
        let ours = std::mem::take(&mut self.ours);
        let (mut fewer, mut compacted) = (0, 0);
        for (app_id, copied) in &ours {
            for taken in &copied.taken {
                if taken.from < self.topic.compared_from || taken.to > self.topic.compared_to {
                    continue;
                }
                self.topic.rows += taken.rows;
                let records = between(&self.seen.records, taken.from, taken.to) as i64;
                let tombstones = between(&self.seen.tombstones, taken.from, taken.to) as i64;
                let holes = self.seen.holes(taken.from, taken.to) as i64;
                compacted += (taken.rows - records).clamp(0, holes);
                fewer += (records - taken.rows).max(0);
                let missing = records - tombstones - taken.rows;
                if taken.rows > records + holes {
                    let message = format!(
                        "{} rows from offset {} up to {}, where Kafka has {records} records",
                        taken.rows, taken.from, taken.to
                    );
                    let finding = Finding::new(Kind::Surplus, taken.by.version, message);
                    audit.find(finding.of(app_id).by(&taken.by));
                } else if self.question.every_record && self.question.rows.is_none() && missing > 0 {
                    let message = format!(
                        "{} rows from offset {} up to {}, where Kafka has {} records with a value",
                        taken.rows,
                        taken.from,
                        taken.to,
                        records - tombstones
                    );
                    let finding = Finding::new(Kind::NoRow, taken.by.version, message);
                    audit.find(finding.of(app_id).by(&taken.by));
                }
            }
        }
        self.gaps(audit);
        if fewer > 0 {
            let tombstones = self.topic.tombstones;
            audit.note(
                "no-row",
                format!(
                    "{}: {fewer} records made no row; {tombstones} records have no value",
                    self.partition
                ),
            );
        }
        if compacted > 0 {
            audit.note(
                "compacted",
                format!(
                    "{}: {compacted} rows are from records that Kafka has compacted away",
                    self.partition
                ),
            );
        }
        if let Some(rows) = self.question.rows {
            self.rows(rows, &ours, audit);
        }
    }

    /// Whether the gaps that the log shows are losses.
    fn gaps(&self, audit: &mut Audit) {
        let gaps = audit.findings.iter().filter(|finding| finding.kind == Kind::Gap);
        let mut found = Vec::new();
        for gap in gaps {
            let of = gap.app_id.as_deref().and_then(TopicPartition::from_app_id);
            let (Some((_, partition)), Some((from, to))) = (of, gap.offsets) else { continue };
            if partition != *self.partition || from < self.topic.compared_from || to > self.topic.compared_to
            {
                continue;
            }
            let records = between(&self.seen.records, from, to);
            let holes = self.seen.holes(from, to);
            if records > 0 {
                let message = format!(
                    "Kafka has {records} records from offset {from} up to {to}, {}",
                    named(&self.seen.records, from, to)
                );
                let mut lost = Finding::new(Kind::Lost, gap.version, message);
                (lost.app_id, lost.by, lost.before) =
                    (gap.app_id.clone(), gap.by.clone(), gap.before.clone());
                found.push(Ok(lost));
            } else {
                let told = match holes {
                    0 => "Kafka has no record there: no row is missing".to_owned(),
                    _ => format!("Kafka has no record there any more; {holes} offsets may have had one"),
                };
                found.push(Err(format!("{partition}: the gap from offset {from} up to {to}: {told}")));
            }
        }
        for found in found {
            match found {
                Ok(lost) => audit.find(lost),
                Err(told) => audit.note("gap", told),
            }
        }
    }

    /// Each record and its row.
    fn rows(&self, rows: &Rows, ours: &[(String, Copied)], audit: &mut Audit) {
        let none = RoaringTreemap::new();
        let there = rows.partitions.get(self.partition).unwrap_or(&none);
        let mut taken = RoaringTreemap::new();
        for interval in ours.iter().flat_map(|(_, copied)| &copied.taken) {
            let (from, to) =
                (interval.from.max(self.topic.compared_from), interval.to.min(self.topic.compared_to));
            if from < to {
                taken.insert_range(from as u64..to as u64);
            }
        }
        let without = (&self.seen.records & &taken) - there - &self.seen.tombstones;
        let from_hidden = &self.seen.hidden & there;
        let all = (self.topic.compared_from, self.topic.compared_to);
        if !without.is_empty() {
            let message = format!(
                "{} of {}: {} records with a value have no row",
                named(&without, all.0, all.1),
                self.partition,
                without.len()
            );
            match self.question.every_record && !rows.incomplete {
                true => audit.find(Finding::new(Kind::NoRow, audit.last_version, message)),
                false => audit.note("no-row", message),
            }
        }
        if !from_hidden.is_empty() {
            let message = format!(
                "{} of {}: {} rows come from records that no read_committed consumer sees",
                named(&from_hidden, all.0, all.1),
                self.partition,
                from_hidden.len()
            );
            audit.find(Finding::new(Kind::NoRecord, audit.last_version, message));
        }
    }
}

/// The first offsets of a set.
fn named(set: &RoaringTreemap, from: i64, to: i64) -> String {
    let inside = set.iter().filter(|offset| (from..to).contains(&(*offset as i64)));
    let named: Vec<String> = inside.take(NAMED).map(|offset| offset.to_string()).collect();
    match between(set, from, to) as usize > NAMED {
        true => format!("offsets {} and more", named.join(", ")),
        false => format!("offsets {}", named.join(", ")),
    }
}

#[cfg(test)]
mod tests;
