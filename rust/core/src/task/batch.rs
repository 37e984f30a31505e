//! Taking a batch: which of its records are taken, which tables they go to, and what becomes of them there.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::RecordBatch;
use tracing::warn;

use super::partition::{Admission, Feed};
use super::rows::{Made, Outcome};
use super::{Actions, BadRow, Table, Tables, Task, assigned, route};
use crate::crossing::Segment;
use crate::decode::{RowError, UnknownFieldCounts};
use crate::error::{Class, Code, Error, Result};
use crate::settings::{NullValues, Unmatched};

/// Values of a topic whose tables are remembered.
const MAX_ROUTED: usize = 4096;

/// What of a batch goes to one table.
#[derive(Default)]
struct Work {
    /// By segment.
    rows: Vec<Vec<usize>>,
    records: u64,
    bytes: u64,
}

/// A record that makes no row.
struct Refused {
    segment: usize,
    row: usize,
    /// The table that counts on one.
    slot: Option<usize>,
    error: RowError,
}

/// A record that is taken.
struct Record {
    segments: usize,
    segment: usize,
    row: usize,
    offset: i64,
    bytes: u64,
    no_value: bool,
}

impl Record {
    /// Gives it to one of its tables. Whether it makes a row there.
    fn give(&self, feed: &mut Feed, work: &mut Vec<Work>) -> bool {
        if !feed.wants(self.offset) {
            return false;
        }
        feed.take(self.offset);
        if work.len() <= feed.slot {
            work.resize_with(feed.slot + 1, Work::default);
        }
        let work = &mut work[feed.slot];
        work.records += 1;
        work.bytes += self.bytes;
        if self.no_value {
            feed.no_row();
            return false;
        }
        work.rows.resize_with(self.segments, Vec::new);
        work.rows[self.segment].push(self.row);
        true
    }
}

/// Where a record goes.
enum Target {
    Tables(Arc<[usize]>),
    Nowhere,
    Refused(RowError),
}

impl<T: Tables> Task<T> {
    /// Takes a batch, whole or not at all. [`Code::TablePending`] means that a table has to be loaded, created or to grow
    /// first, which is under way: the same batch again, soon.
    pub fn put(&mut self, now: u64, batch: &[Segment]) -> Result<(Actions, Vec<BadRow>)> {
        let again = std::mem::replace(&mut self.refused, true);
        self.turn(now)?;
        let before: Vec<_> = self.partitions.iter().map(|p| p.as_ref().map(|p| p.cursors())).collect();
        let counters_before = self.counters;
        match self.take(now, batch, again) {
            Ok(bad) => {
                self.refused = false;
                Ok((self.actions(now), bad))
            }
            Err(error) => {
                for (partition, cursors) in self.partitions.iter_mut().zip(before) {
                    if let (Some(partition), Some(cursors)) = (partition, cursors) {
                        partition.put_back(cursors);
                    }
                }
                self.counters = counters_before;
                self.counters.batches_refused.add(error.code);
                self.publish();
                Err(error)
            }
        }
    }

    fn take(&mut self, now: u64, batch: &[Segment], again: bool) -> Result<Vec<BadRow>> {
        if !self.has_reporter && batch.iter().any(|segment| segment.refused) {
            return Err(Error::new(
                Code::CrossingInvalid,
                "refused rows, and no reporter that could have them",
            ));
        }
        let bytes = batch.iter().map(Segment::all_value_bytes).sum();
        let busy = || Error::new(Code::Busy, "the process holds as many rows as its memory budget allows");
        let room = match bytes {
            0 => None,
            bytes => Some(self.tables.room(bytes).ok_or_else(busy)?),
        };
        let mut refused = Vec::new();
        let work = self.admit(batch, again, &mut refused)?;
        let made = self.make_rows(batch, &work, &mut refused)?;
        let bad = self.settle(batch, refused)?;
        self.counters.bytes += bytes;
        // From here on, the rows count for themselves.
        drop(room);
        for (slot, (work, (batches, unknown))) in self.slots.iter_mut().zip(work.into_iter().zip(made)) {
            if unknown.total > 0 {
                if self.counters.unknown_fields == 0 {
                    let names: Vec<_> = unknown.names.keys().map(String::as_str).collect();
                    warn!(
                        "records have fields that table {} has no column for; they are counted and not written: {}",
                        slot.uri,
                        names.join(", ")
                    );
                }
                self.counters.unknown_fields += unknown.total;
            }
            slot.hand_over(now, work.records, work.bytes, batches);
        }
        Ok(bad)
    }

    /// Decides record by record, in their order. `again`: the batch was refused before.
    fn admit(&mut self, batch: &[Segment], again: bool, refused: &mut Vec<Refused>) -> Result<Vec<Work>> {
        let mut work: Vec<Work> = Vec::new();
        let mut order: Vec<(usize, usize)> = batch
            .iter()
            .enumerate()
            .flat_map(|(s, segment)| (0..segment.rows()).map(move |row| (s, row)))
            .collect();
        if batch.len() > 1 {
            order.sort_unstable_by_key(|(s, row)| batch[*s].seq[*row]);
        }
        let bytes: Vec<_> = batch.iter().map(Segment::value_bytes).collect();
        let (mut pending, mut to_load) = (false, BTreeSet::new());
        for (s, row) in order {
            let segment = &batch[s];
            let (id, offset) = (segment.partitions[row], segment.offsets[row]);
            self.counters.records += 1;
            let Some(partition) = assigned(&mut self.partitions, id) else {
                self.counters.revoked += 1;
                continue;
            };
            if !again {
                partition.shows_itself();
            }
            match partition.admit(offset) {
                Admission::Take => {}
                Admission::NotReady => {
                    self.counters.dropped += 1;
                    continue;
                }
                Admission::Redelivered => {
                    self.counters.redelivered += 1;
                    continue;
                }
                Admission::BelowTable(held) => {
                    let at = &partition.topic_partition;
                    let message = format!(
                        "topic {} partition {}: Kafka delivers offset {offset}, and the table holds offset {held}",
                        at.topic, at.partition
                    );
                    let error = Error::new(Code::OffsetBelowTable, message);
                    self.failed.get_or_insert(error.clone());
                    return Err(error);
                }
            }
            partition.pass(offset);
            let record = Record {
                segments: batch.len(),
                segment: s,
                row,
                offset,
                bytes: bytes[s](row),
                no_value: segment.is_null(row),
            };
            if !partition.is_routed() {
                for feed in &mut partition.feeds {
                    self.counters.rows += u64::from(record.give(feed, &mut work));
                }
            } else if !record.no_value {
                let tables = match self.target(segment, row) {
                    Target::Tables(slots) => slots,
                    Target::Nowhere => {
                        self.counters.unrouted += 1;
                        Arc::default()
                    }
                    Target::Refused(error) => {
                        refused.push(Refused { segment: s, row, slot: None, error });
                        Arc::default()
                    }
                };
                let Some(partition) = assigned(&mut self.partitions, id) else { continue };
                for &slot in tables.iter() {
                    if partition.feed(slot).is_none() {
                        to_load.insert(slot);
                    }
                    let feed = partition.feed_of(slot);
                    match feed.is_running() {
                        true => self.counters.rows += u64::from(record.give(feed, &mut work)),
                        false => pending = true,
                    }
                }
            }
            if record.no_value
                && let Some(error) = self.no_value(segment)
            {
                // Its tables know already that it makes no row.
                refused.push(Refused { segment: s, row, slot: None, error });
            }
        }
        if pending {
            to_load.into_iter().for_each(|slot| self.load(slot));
            return Err(Error::new(Code::TablePending, "a table that records name is being opened"));
        }
        work.resize_with(self.slots.len(), Work::default);
        Ok(work)
    }

    /// What a record without a value is taken for. None: a tombstone that is only counted.
    fn no_value(&mut self, segment: &Segment) -> Option<RowError> {
        if segment.refused {
            self.counters.refused_in_java += 1;
            return None;
        }
        if self.settings.null_values == NullValues::Ignore {
            self.counters.tombstones += 1;
            return None;
        }
        let message = "the record has no value".to_owned();
        Some(RowError { code: Code::RecordNullValue, path: String::new(), message })
    }

    fn target(&mut self, segment: &Segment, row: usize) -> Target {
        let Some(by) = &self.settings.routes.by else { return Target::Nowhere };
        let value = match route::value(by, segment, row, &self.registry) {
            Ok(value) => value,
            Err(error) => return Target::Refused(error),
        };
        let topic = assigned(&mut self.partitions, segment.partitions[row])
            .map(|partition| partition.topic_partition.topic.clone());
        let (Some(value), Some(topic)) = (&value, topic) else { return self.unmatched(None) };
        if let Some(slots) = self.routed.get(&topic).and_then(|values| values.get(&**value)) {
            return Target::Tables(slots.clone());
        }
        let tables = self.settings.routes.of_value(&topic, value);
        if tables.is_empty() {
            return self.unmatched(Some(value));
        }
        let value = value.clone().into_owned();
        let slots: Arc<[usize]> = tables.into_iter().map(|table| self.slot(table)).collect();
        let known = self.routed.entry(topic).or_default();
        if known.len() == MAX_ROUTED {
            known.clear();
        }
        known.insert(value, slots.clone());
        Target::Tables(slots)
    }

    fn unmatched(&self, value: Option<&Cow<'_, str>>) -> Target {
        if self.settings.routes.unmatched == Unmatched::Skip {
            return Target::Nowhere;
        }
        let message = match value {
            Some(value) => format!("no table for {value:?}"),
            None => "it does not say which table it goes to".to_owned(),
        };
        Target::Refused(RowError { code: Code::RecordUnrouted, path: String::new(), message })
    }

    /// Makes the rows of every table, or asks for the tables that have to change before.
    fn make_rows(
        &mut self,
        batch: &[Segment],
        work: &[Work],
        refused: &mut Vec<Refused>,
    ) -> Result<Vec<(Vec<RecordBatch>, UnknownFieldCounts)>> {
        let mut pending = None;
        let mut all = Vec::with_capacity(self.slots.len());
        for (index, (slot, work)) in self.slots.iter_mut().zip(work).enumerate() {
            let mut of_table = Made::default();
            let segments = || work.rows.iter().enumerate().filter(|(_, rows)| !rows.is_empty());
            if segments().next().is_none() {
                all.push((of_table.batches, of_table.unknown));
                continue;
            }
            if slot.evolving {
                pending = Some(slot.uri.clone());
                continue;
            }
            let partitions = &self.partitions;
            let place = |id: i32| {
                let partition =
                    partitions[id as usize].as_ref().expect("rows that are taken are of assigned partitions");
                &partition.topic_partition
            };
            for (s, rows) in segments() {
                let wanted = match &mut slot.rows {
                    Some(makes) => match makes.make(&batch[s], rows, &place)? {
                        Outcome::Made(made) => {
                            let refuse = |(row, error)| Refused { segment: s, row, slot: Some(index), error };
                            refused.extend(made.bad.into_iter().map(refuse));
                            of_table.batches.extend(made.batches);
                            of_table.unknown.add(made.unknown);
                            continue;
                        }
                        Outcome::Wants(wanted) => wanted,
                    },
                    None => slot.wanted_by(&batch[s], rows)?,
                };
                slot.evolving = true;
                slot.table.evolve(wanted);
                pending = Some(slot.uri.clone());
                break;
            }
            all.push((of_table.batches, of_table.unknown));
        }
        match pending {
            Some(uri) => Err(Error::new(Code::TablePending, format!("the columns of {uri} are being made"))),
            None => Ok(all),
        }
    }

    /// Takes bad records out of the counts, and tells them one by one, or fails on the first of them.
    fn settle(&mut self, batch: &[Segment], mut refused: Vec<Refused>) -> Result<Vec<BadRow>> {
        if let Some(broken) = refused.iter().find(|bad| bad.error.code.class() != Class::Record) {
            return Err(self.named(&batch[broken.segment], broken.row, &broken.error));
        }
        refused.sort_by_key(|bad| batch[bad.segment].seq[bad.row]);
        let fails = |bad: &Refused| match bad.error.code {
            Code::RecordNullValue => self.settings.null_values == NullValues::Fail,
            Code::RecordUnrouted => self.settings.routes.unmatched == Unmatched::Fail,
            _ => false,
        };
        if let Some(bad) = refused.iter().find(|bad| !self.has_reporter || fails(bad)) {
            return Err(self.named(&batch[bad.segment], bad.row, &bad.error));
        }
        let mut reports: Vec<BadRow> = Vec::with_capacity(refused.len());
        for Refused { segment: s, row, slot, error } in refused {
            let segment = &batch[s];
            if let Some(slot) = slot
                && let Some(partition) = assigned(&mut self.partitions, segment.partitions[row])
            {
                partition.feed_of(slot).no_row();
                self.counters.rows -= 1;
            }
            let (seq, code) = (segment.seq[row], error.code);
            // A record that several tables refuse is reported once.
            if reports.last().is_none_or(|last| last.seq != seq) {
                self.counters.errant.add(code);
                reports.push(BadRow { seq, code, path: error.path, message: error.message });
            }
        }
        Ok(reports)
    }

    /// A bad record as an error of the whole batch.
    fn named(&mut self, segment: &Segment, row: usize, error: &RowError) -> Error {
        let place =
            assigned(&mut self.partitions, segment.partitions[row]).map(|p| p.topic_partition.clone());
        let (topic, partition) = place.map_or(("?".into(), -1), |at| (at.topic, at.partition));
        let field = if error.path.is_empty() { String::new() } else { format!(", field {}", error.path) };
        let offset = segment.offsets[row];
        let message =
            format!("{} (topic {topic}, partition {partition}, offset {offset}{field})", error.message);
        Error::new(error.code, message)
    }
}
