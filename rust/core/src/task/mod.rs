//! The state machine of one Connect task: from batches to staged units to offsets. It knows neither the JVM nor a
//! store nor a clock; a driver calls it with the time and a [`Tables`] and carries its replies to Connect.
//!
//! It decides what is put up for commit only at the start of a call. A bad row's report is safe before the next
//! call (`docs/crossing.md`), so no offset moves past a bad record that might still be lost (I1).

mod counters;
mod partition;
mod port;
mod slot;

#[cfg(test)]
mod tests;

pub use counters::Counters;
pub use port::{Event, Table, Tables};

use std::sync::Arc;

use tracing::{info, warn};

use crate::connect::Payload;
use crate::crossing::Segment;
use crate::error::{Code, Error, Result};
use crate::offsets::TopicPartition;
use crate::settings::Settings;
use crate::table::TableInfo;
use partition::{Admission, Partition};
use slot::Slot;

/// Above this backlog of unencoded rows the partitions are paused, in bytes.
const BACKLOG_PAUSE: usize = 32 << 20;
/// Above this one a batch is refused.
const BACKLOG_REFUSE: usize = 128 << 20;
/// Rows are handed on in portions of at most this, so that no column outgrows its 32-bit offsets.
const HAND_OVER_ROWS: usize = 16 << 10;
const HAND_OVER_BYTES: usize = 32 << 20;

/// How soon the driver should call again, in ms: something is under way, or nothing is.
const TICK_BUSY: u64 = 20;
const TICK_IDLE: u64 = 1000;

pub struct Task<T: Tables> {
    settings: Settings,
    /// Bad rows can be reported one by one; without a reporter the first one fails the batch.
    has_reporter: bool,
    tables: T,
    slots: Vec<Slot<T::Table>>,
    /// By the id that Java gave; none: not assigned.
    partitions: Vec<Option<Partition>>,
    failed: Option<Error>,
    offsets_moved: bool,
    counters: Counters,
}

/// What the driver has to do in Connect before its next call.
#[derive(Debug, Default, PartialEq)]
pub struct Actions {
    pub pause: bool,
    pub request_commit: bool,
    pub tick_ms: u64,
    /// Partition ids, each with the offset to rewind to.
    pub rewinds: Vec<(i32, i64)>,
}

#[derive(Debug, PartialEq)]
pub struct BadRow {
    pub seq: i32,
    pub code: Code,
    pub path: String,
    pub message: String,
}

fn raw_value(segment: &Segment, row: usize) -> Option<&[u8]> {
    let Payload::Raw(values) = &segment.value else { return None };
    (!segment.is_null(row)).then(|| values.value(row))
}

/// The partition behind an id from Java; none where it is not assigned.
fn assigned(partitions: &mut [Option<Partition>], id: i32) -> Option<&mut Partition> {
    partitions.get_mut(usize::try_from(id).ok()?)?.as_mut()
}

impl<T: Tables> Task<T> {
    pub fn new(settings: Settings, has_reporter: bool, tables: T) -> Self {
        Task {
            settings,
            has_reporter,
            tables,
            slots: Vec::new(),
            partitions: Vec::new(),
            failed: None,
            offsets_moved: false,
            counters: Counters::default(),
        }
    }

    /// Partitions that are newly assigned. Their rows are taken once the table's offsets are there.
    pub fn open(&mut self, now: u64, assigned: Vec<(i32, TopicPartition)>) -> Result<Actions> {
        for (id, topic_partition) in assigned {
            let index = usize::try_from(id)
                .ok()
                .filter(|index| *index < 1 << 20)
                .ok_or_else(|| Error::new(Code::CrossingInvalid, format!("partition id {id}")))?;
            let uri = self.settings.table_uri.table_for(&topic_partition.topic);
            let slot = self.slot(uri);
            let app_id = topic_partition.app_id(&self.settings.connector);
            if self.partitions.len() <= index {
                self.partitions.resize_with(index + 1, || None);
            }
            self.partitions[index] = Some(Partition::new(topic_partition, app_id, slot));
        }
        for slot in 0..self.slots.len() {
            self.load(slot);
        }
        self.tick(now)
    }

    fn slot(&mut self, uri: String) -> usize {
        self.slots.iter().position(|slot| slot.uri == uri).unwrap_or_else(|| {
            self.slots.push(Slot::new(self.tables.open(&uri), uri));
            self.slots.len() - 1
        })
    }

    /// Lets time pass: takes in what came of earlier requests and puts up for commit what is due.
    pub fn tick(&mut self, now: u64) -> Result<Actions> {
        self.turn(now)?;
        Ok(self.actions(now))
    }

    /// Takes a batch, whole or not at all.
    pub fn put(&mut self, now: u64, batch: &[Segment]) -> Result<(Actions, Vec<BadRow>)> {
        self.turn(now)?;
        if self.backlog() > BACKLOG_REFUSE {
            return Err(Error::new(Code::Busy, format!("{} bytes wait to be encoded", self.backlog())));
        }
        let before: Vec<_> = self.partitions.iter().map(|p| p.as_ref().map(|p| p.cursor)).collect();
        let counters_before = self.counters;
        match self.take(now, batch) {
            Ok(bad) => Ok((self.actions(now), bad)),
            Err(error) => {
                for (partition, cursor) in self.partitions.iter_mut().zip(before) {
                    if let (Some(partition), Some(cursor)) = (partition, cursor) {
                        partition.cursor = cursor;
                    }
                }
                self.counters = counters_before;
                self.slots.iter_mut().for_each(Slot::forget_batch);
                Err(error)
            }
        }
    }

    fn take(&mut self, now: u64, batch: &[Segment]) -> Result<Vec<BadRow>> {
        if !self.has_reporter && batch.iter().any(|segment| segment.refused) {
            return Err(Error::new(
                Code::CrossingInvalid,
                "refused rows, and no reporter that could have them",
            ));
        }
        let mut bad = Vec::new();
        let mut order: Vec<(usize, usize)> = batch
            .iter()
            .enumerate()
            .flat_map(|(s, segment)| (0..segment.rows()).map(move |r| (s, r)))
            .collect();
        order.sort_by_key(|(s, r)| batch[*s].seq[*r]);
        for (s, row) in order {
            let segment = &batch[s];
            let offset = segment.offsets[row];
            self.counters.records += 1;
            let Some(partition) = assigned(&mut self.partitions, segment.partitions[row]) else {
                self.counters.revoked += 1;
                continue;
            };
            match partition.admit(offset) {
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
                Admission::Take => {}
            }
            let slot = &mut self.slots[partition.table];
            let made_row = match raw_value(segment, row) {
                Some(value) => match slot.push(value) {
                    Ok(()) => true,
                    Err(error) if self.has_reporter => {
                        let (seq, code) = (segment.seq[row], error.code);
                        bad.push(BadRow { seq, code, path: error.path, message: error.message });
                        self.counters.errant += 1;
                        false
                    }
                    Err(error) => {
                        let at = &partition.topic_partition;
                        let path = if error.path.is_empty() { "(record)" } else { &error.path };
                        let message = format!(
                            "topic {} partition {} offset {offset}, field {path}: {}",
                            at.topic, at.partition, error.message
                        );
                        return Err(Error::new(error.code, message));
                    }
                },
                None if segment.refused => {
                    self.counters.errant += 1;
                    false
                }
                None => {
                    self.counters.tombstones += 1;
                    false
                }
            };
            partition.take(offset, made_row);
            slot.count(raw_value(segment, row).map_or(0, <[u8]>::len) as u64);
            self.counters.rows += u64::from(made_row);
        }
        for slot in &mut self.slots {
            let unknown = slot.hand_over(now);
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
        }
        Ok(bad)
    }

    /// The offsets that Connect may commit of those it asks about (I2), each with the next offset that Connect
    /// itself would commit. Never fails: the table's offsets are true even after a failure.
    pub fn pre_commit(&mut self, asked: &[(i32, i64)]) -> Vec<(i32, i64)> {
        self.take_events();
        let mut offsets = Vec::with_capacity(asked.len());
        for (id, consumed) in asked {
            let Some(partition) = assigned(&mut self.partitions, *id) else { continue };
            partition.consumed_up_to(*consumed);
            // Connect refuses offsets ahead of its consumer: it is about to be rewound.
            if let Some(committed) = partition.committable(*consumed) {
                offsets.push((*id, committed));
            }
        }
        offsets
    }

    /// Starts to bring the rows of partitions that go away into the table. Poll [`Task::is_drained`] for a while.
    pub fn drain(&mut self, now: u64, ids: &[i32]) -> Result<()> {
        for id in ids {
            if let Some(partition) = assigned(&mut self.partitions, *id) {
                self.slots[partition.table].drain = true;
            }
        }
        self.turn(now)
    }

    /// Whether all that was taken is in the table, for the slots that are drained.
    pub fn is_drained(&self) -> bool {
        self.failed.is_some()
            || (0..self.slots.len()).all(|index| {
                !self.slots[index].drain || (self.slots[index].in_flight.is_none() && !self.has_open(index))
            })
    }

    /// The partitions are gone. What of theirs is not in the table is left to their next owner.
    pub fn close(&mut self, ids: &[i32]) {
        let mut torn = vec![false; self.slots.len()];
        for id in ids {
            if let Some(partition) = self.partitions.get_mut(*id as usize).and_then(Option::take) {
                torn[partition.table] |= partition.has_open();
            }
        }
        for (index, torn) in torn.into_iter().enumerate() {
            self.slots[index].drain = false;
            if torn {
                self.reset(index);
            }
        }
    }

    pub fn counters(&self) -> Vec<(&'static str, i64)> {
        let backlog = self.backlog();
        self.counters.named(backlog)
    }

    fn backlog(&self) -> usize {
        self.slots.iter().map(|slot| slot.table.backlog()).sum()
    }

    fn has_open(&self, slot: usize) -> bool {
        self.partitions.iter().flatten().any(|p| p.table == slot && p.has_open())
    }

    fn turn(&mut self, now: u64) -> Result<()> {
        self.take_events();
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        for index in 0..self.slots.len() {
            if self.slots[index].in_flight.is_none() && self.has_open(index) {
                let slot = &mut self.slots[index];
                slot.open_since.get_or_insert(now);
                if slot.is_due(now, &self.settings) {
                    self.cut(index);
                }
            }
        }
        Ok(())
    }

    fn cut(&mut self, index: usize) {
        let cut = self.partitions.iter_mut().enumerate();
        let (ids, intervals) = cut
            .filter_map(|(id, partition)| {
                let partition = partition.as_mut().filter(|p| p.table == index)?;
                Some((id, partition.cut()?))
            })
            .unzip();
        self.slots[index].commit(ids, intervals);
    }

    fn take_events(&mut self) {
        for index in 0..self.slots.len() {
            while let Some(event) = self.slots[index].table.poll() {
                match event {
                    Event::Loaded { table, offsets } => self.loaded(index, table, offsets),
                    Event::Committed { version, .. } => self.committed(index, version),
                    Event::Evolved { .. } => {}
                    Event::Fenced { reason } => {
                        self.counters.fenced += 1;
                        self.slots[index].in_flight = None;
                        info!(
                            "fenced on table {}: {reason}; rewinding to the offsets that it holds",
                            self.slots[index].uri
                        );
                        self.reset(index);
                    }
                    Event::Failed(error) => {
                        self.failed.get_or_insert(error);
                    }
                }
            }
        }
    }

    fn loaded(&mut self, index: usize, table: Option<Arc<TableInfo>>, offsets: Vec<(String, Option<i64>)>) {
        let slot = &mut self.slots[index];
        slot.load_asked = false;
        if slot.load_again {
            return self.load(index);
        }
        let Some(info) = table else { return };
        if let Err(error) = self.slots[index].set_info(info, &self.settings) {
            self.failed.get_or_insert(error);
            return;
        }
        for (app_id, held) in offsets {
            let mut of_table = self.partitions.iter_mut().flatten().filter(|p| p.table == index);
            if let Some(partition) = of_table.find(|p| p.app_id == app_id && p.is_loading()) {
                partition.loaded(held);
            }
        }
    }

    fn committed(&mut self, index: usize, version: u64) {
        let Some(in_flight) = self.slots[index].in_flight.take() else { return };
        self.counters.commits += 1;
        self.counters.version = version;
        for (id, to) in in_flight {
            // A partition that is loading learns from the load that follows what the table holds.
            if let Some(Some(partition)) = self.partitions.get_mut(id)
                && partition.table == index
                && partition.is_running()
            {
                partition.committed = Some(to);
                self.offsets_moved = true;
            }
        }
        if self.slots[index].load_again {
            self.load(index);
        }
    }

    /// Drops what is not in the table and starts again from what is.
    fn reset(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.discard();
        self.partitions.iter_mut().flatten().filter(|p| p.table == index).for_each(Partition::reset);
        self.load(index);
    }

    /// Asks for the offsets of the table's loading partitions, of all at once. Never while a unit is up for commit, nor
    /// while an answer is due: that answer could be from before a commit, or for a partition's earlier stay.
    fn load(&mut self, index: usize) {
        let loading = self.partitions.iter().flatten().filter(|p| p.table == index && p.is_loading());
        let app_ids: Vec<_> = loading.map(|p| p.app_id.clone()).collect();
        let slot = &mut self.slots[index];
        slot.load_again = !app_ids.is_empty() && (slot.load_asked || slot.in_flight.is_some());
        if !app_ids.is_empty() && !slot.load_again {
            slot.load_asked = true;
            slot.table.load(app_ids);
        }
    }

    fn actions(&mut self, now: u64) -> Actions {
        let mut rewinds = Vec::new();
        for (id, partition) in self.partitions.iter_mut().enumerate() {
            if let Some(offset) = partition.as_mut().and_then(Partition::start_running) {
                rewinds.push((id as i32, offset));
            }
        }
        let pause =
            self.backlog() > BACKLOG_PAUSE || self.partitions.iter().flatten().any(|p| !p.is_running());
        let busy = pause || self.slots.iter().any(|slot| slot.in_flight.is_some());
        let open = (0..self.slots.len()).filter(|index| self.has_open(*index));
        let due = open.filter_map(|index| self.slots[index].due_at(&self.settings)).min();
        let tick_ms = match busy {
            true => TICK_BUSY,
            false => due.map_or(TICK_IDLE, |due| due.saturating_sub(now).clamp(1, TICK_IDLE)),
        };
        Actions { pause, request_commit: std::mem::take(&mut self.offsets_moved), tick_ms, rewinds }
    }
}
