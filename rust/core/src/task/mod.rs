//! The state machine of one Connect task: from batches to staged units to offsets. It knows neither the JVM nor a
//! store nor a clock; a driver calls it with the time and a [`Tables`] and carries its replies to Connect.
//!
//! It decides what is put up for commit only at the start of a call. A bad row's report is safe before the next
//! call (`docs/crossing.md`), so no offset moves past a bad record that might still be lost (I1).

mod batch;
mod decoded;
pub mod driver;
mod keys;
mod meter;
mod partition;
mod port;
mod route;
mod rows;
mod slot;

#[cfg(test)]
mod several;
#[cfg(test)]
mod tests;

pub use meter::{Counters, Meter};
pub use port::{Event, Table, Tables, Written};

use std::collections::HashMap;
use std::iter;
use std::sync::Arc;

use tracing::{debug, info, warn};

use crate::connect::Registry;
use crate::crossing::Needs;
use crate::error::{Code, Error, Result};
use crate::offsets::{TakenOver, TopicPartition};
use crate::raw::Schemas;
use crate::settings::{Settings, TableRef};
use crate::table::{TXN_RETENTION, TableInfo};
use meter::{PartitionStanding, Pause};
use partition::{Feed, Partition};
use slot::{InFlight, Slot};

/// Above this backlog of unencoded rows the partitions are paused, in bytes.
const BACKLOG_PAUSE: usize = 32 << 20;
/// Rows are handed on in portions of at most this, so that no column outgrows its 32-bit offsets.
const HAND_OVER_ROWS: usize = 16 << 10;
const HAND_OVER_BYTES: usize = 32 << 20;

/// How soon the driver should call again, in ms: something is under way, rows wait until their unit is due, or there is nothing
/// that a call could find but offsets that a table is about to forget. Records are delivered as they come.
const TICK_BUSY: u64 = 20;
const TICK_OPEN: u64 = 1_000;
const TICK_IDLE: u64 = 10_000;

pub struct Task<T: Tables> {
    settings: Settings,
    needs: Needs,
    registry: Registry,
    /// Bad rows can be reported one by one; without a reporter the first one fails the batch.
    has_reporter: bool,
    tables: T,
    /// Where raw records name their schemas.
    schemas: Option<Arc<dyn Schemas>>,
    slots: Vec<Slot<T::Table>>,
    /// The tables that a topic's values of `delta.route.by` stand for.
    routed: HashMap<Arc<str>, HashMap<String, Arc<[usize]>>>,
    /// By the id that Java gave; none: not assigned.
    partitions: Vec<Option<Partition>>,
    failed: Option<Error>,
    /// Connect has a batch that was refused, and delivers it again.
    refused: bool,
    offsets_moved: bool,
    /// Of the last call that brought the time, in ms.
    now: u64,
    /// Since when the partitions are paused.
    paused: Option<u64>,
    counters: Counters,
    meter: Arc<Meter>,
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

/// Where a partition starts that the table holds no offset of.
fn tell(predecessor: &TakenOver, partition: &TopicPartition, table: &str) {
    let app_id = &predecessor.app_id;
    match predecessor.next {
        Some(next) => {
            info!("{partition} goes on in table {table} at offset {next}, from the txn of {app_id:?}")
        }
        None => warn!(
            "table {table} holds no txn of {app_id:?}: {partition} starts where the consumer group stands, and where \
             that holds no offset, as auto.offset.reset says"
        ),
    }
}

/// The partition behind an id from Java; none where it is not assigned.
fn assigned(partitions: &mut [Option<Partition>], id: i32) -> Option<&mut Partition> {
    partitions.get_mut(usize::try_from(id).ok()?)?.as_mut()
}

impl<T: Tables> Task<T> {
    pub fn new(settings: Settings, has_reporter: bool, tables: T) -> Self {
        Task {
            needs: settings.needs(),
            settings,
            registry: Registry::default(),
            has_reporter,
            tables,
            schemas: None,
            slots: Vec::new(),
            routed: HashMap::new(),
            partitions: Vec::new(),
            failed: None,
            refused: false,
            offsets_moved: false,
            now: 0,
            paused: None,
            counters: Counters::default(),
            meter: Arc::default(),
        }
    }

    /// Where the schemas come from that raw records name.
    pub fn with_schemas(self, schemas: Arc<dyn Schemas>) -> Self {
        Task { schemas: Some(schemas), ..self }
    }

    /// Partitions that are newly assigned. Their rows are taken once the table's offsets are there.
    pub fn open(&mut self, now: u64, assigned: Vec<(i32, TopicPartition)>) -> Result<Actions> {
        for (id, topic_partition) in assigned {
            let index = usize::try_from(id)
                .ok()
                .filter(|index| *index < 1 << 20)
                .ok_or_else(|| Error::new(Code::CrossingInvalid, format!("partition id {id}")))?;
            let app_id = topic_partition.app_id(&self.settings.connector);
            if self.partitions.len() <= index {
                self.partitions.resize_with(index + 1, || None);
            }
            self.partitions[index] = Some(match self.settings.routes.by {
                Some(_) => Partition::routed(topic_partition, app_id),
                None => {
                    let tables = self.settings.routes.of_topic(&topic_partition.topic);
                    let slots: Vec<_> = tables.into_iter().map(|table| self.slot(table)).collect();
                    Partition::new(topic_partition, app_id, &slots)
                }
            });
        }
        for slot in 0..self.slots.len() {
            self.load(slot);
        }
        self.tick(now)
    }

    fn slot(&mut self, table: TableRef) -> usize {
        self.slots.iter().position(|slot| slot.uri == table.uri).unwrap_or_else(|| {
            let settings = self.settings.of_table(&table.name).clone();
            let handle = self.tables.open(&table.uri, &settings);
            let schemas = self.schemas.clone();
            self.slots.push(Slot::new(handle, table.uri, settings, &self.settings, schemas));
            self.slots.len() - 1
        })
    }

    /// What the records have to bring along.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// The schemas and topics that segments refer to.
    pub fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// Lets time pass: takes in what came of earlier requests and puts up for commit what is due.
    pub fn tick(&mut self, now: u64) -> Result<Actions> {
        self.turn(now)?;
        Ok(self.actions(now))
    }

    /// The offsets that Connect may commit of those it asks about (I2), each with the next offset that Connect
    /// itself would commit. Never fails: the table's offsets are true even after a failure.
    pub fn pre_commit(&mut self, asked: &[(i32, i64)]) -> Vec<(i32, i64)> {
        self.take_events();
        let mut offsets = Vec::with_capacity(asked.len());
        for (id, consumed) in asked {
            let Some(partition) = assigned(&mut self.partitions, *id) else { continue };
            partition.consumed_up_to(*consumed);
            if self.refused {
                partition.may_go_back_unseen();
            }
            // Connect refuses offsets ahead of its consumer: it is about to be rewound.
            if let Some(committed) = partition.committable(*consumed) {
                offsets.push((*id, committed));
                partition.give(committed);
            }
        }
        self.publish();
        offsets
    }

    /// Starts to bring the rows of partitions that go away into the table; [`driver::Close`] waits for it.
    pub fn drain(&mut self, now: u64, ids: &[i32]) -> Result<()> {
        for id in ids {
            if let Some(partition) = assigned(&mut self.partitions, *id) {
                partition.feeds.iter().for_each(|feed| self.slots[feed.slot].drain = true);
            }
        }
        self.turn(now)
    }

    /// Takes in what came of it, and says whether to wait on. It gives no actions, unlike [`Task::tick`]: nobody carries them out
    /// while partitions go away, and a rewind of those that stay is told once only.
    fn still_drains(&mut self, now: u64) -> bool {
        self.turn(now).is_ok() && !self.is_drained()
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
                partition.feeds.iter().for_each(|feed| torn[feed.slot] |= feed.has_open());
            }
        }
        for (index, torn) in torn.into_iter().enumerate() {
            self.slots[index].drain = false;
            if torn {
                self.reset(index);
            }
        }
        self.publish();
    }

    /// What the task measures of itself, as of the end of its last call.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    fn publish(&self) {
        let mut standing = self.meter.standing();
        standing.counters = self.counters;
        standing.backlog = self.backlog();
        standing.held = self.slots.iter().map(|slot| slot.table.held()).sum();
        standing.tables = self.slots.len();
        standing.paused = self.paused;
        standing.oldest = self.slots.iter().filter_map(Slot::oldest).min();
        standing.partitions.clear();
        standing.partitions.extend(self.partitions.iter().flatten().map(|partition| {
            let (committed, lag) = partition.standing();
            PartitionStanding { place: partition.topic_partition.clone(), committed, lag }
        }));
    }

    fn backlog(&self) -> usize {
        self.slots.iter().map(|slot| slot.table.backlog()).sum()
    }

    fn feeds(&self, slot: usize) -> impl Iterator<Item = &Feed> {
        let feeds = self.partitions.iter().flatten().flat_map(|partition| &partition.feeds);
        feeds.filter(move |feed| feed.slot == slot)
    }

    fn has_open(&self, slot: usize) -> bool {
        self.feeds(slot).any(Feed::has_open)
    }

    fn turn(&mut self, now: u64) -> Result<()> {
        self.now = now;
        self.take_events();
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        for index in 0..self.slots.len() {
            if self.slots[index].in_flight.is_some() {
                continue;
            }
            let (open, keep) = (self.has_open(index), self.slots[index].keep);
            let slot = &mut self.slots[index];
            if open {
                slot.open_since.get_or_insert(now);
            }
            if (open && slot.is_due(now, &self.settings)) || self.feeds(index).any(|f| f.expires(now, keep)) {
                self.cut(index, now);
            }
        }
        Ok(())
    }

    fn cut(&mut self, index: usize, now: u64) {
        let keep = self.slots[index].keep;
        let cut = self.partitions.iter_mut().enumerate();
        let (ids, intervals): (Vec<_>, Vec<_>) = cut
            .filter_map(|(id, partition)| {
                let Partition { feeds, topic_partition, app_id, .. } = partition.as_mut()?;
                let feed = feeds.iter_mut().find(|feed| feed.slot == index)?;
                Some((id, feed.cut((topic_partition, app_id), now, keep)?))
            })
            .unzip();
        debug!("put up {} partitions for table {}", ids.len(), self.slots[index].uri);
        self.slots[index].commit(now, ids, intervals);
    }

    fn take_events(&mut self) {
        for index in 0..self.slots.len() {
            while let Some(event) = self.slots[index].table.poll() {
                match event {
                    Event::Loaded { table, offsets } => self.loaded(index, table, offsets),
                    Event::Committed { table, written, .. } => self.committed(index, table, written),
                    Event::Evolved { table } => self.evolved(index, table),
                    Event::Fenced { reason } => {
                        self.counters.fenced += 1;
                        self.slots[index].in_flight = None;
                        info!(
                            "fenced on table {}: {reason}; rewinding to the offsets that it holds",
                            self.slots[index].uri
                        );
                        self.reset(index);
                    }
                    Event::Unwritten { put_up } => {
                        self.counters.unwritten += 1;
                        if put_up {
                            self.slots[index].in_flight = None;
                        }
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
        if let Some(table) = table
            && let Err(error) = slot.set_table(table)
        {
            self.failed.get_or_insert(error);
            return;
        }
        let held: HashMap<String, Option<i64>> = offsets.into_iter().collect();
        let slot = &self.slots[index];
        for partition in self.partitions.iter_mut().flatten() {
            let Some(own) = held.get(&partition.app_id).copied() else { continue };
            let predecessor = own.is_none().then(|| slot.settings.predecessor(&partition.topic_partition));
            let taken_over = predecessor.flatten().map(|predecessor| {
                let version = held.get(&predecessor.app_id).copied().flatten();
                predecessor.holds(version)
            });
            if let Some(predecessor) = &taken_over
                && partition.feed(index).is_some_and(|feed| feed.is_loading())
            {
                tell(predecessor, &partition.topic_partition, &slot.uri);
            }
            let (app_id, place) = (partition.app_id.clone(), partition.topic_partition.clone());
            if let Err(error) = partition.loaded(index, own, taken_over, slot.keep.is_some()) {
                self.failed.get_or_insert(error);
            } else if slot.keep.is_some() && partition.feed(index).is_some_and(|feed| feed.holds_nothing()) {
                warn!(
                    "table {} forgets offsets ({TXN_RETENTION}) and holds none of {app_id:?}: {place} starts where the \
                     consumer group stands. That is right for a new partition",
                    slot.uri
                );
            }
        }
    }

    fn evolved(&mut self, index: usize, table: Arc<TableInfo>) {
        self.slots[index].evolving = false;
        if let Err(error) = self.slots[index].set_table(table) {
            self.failed.get_or_insert(error);
        }
    }

    fn committed(&mut self, index: usize, table: Arc<TableInfo>, written: Written) {
        let Some(InFlight { ends, put_up, .. }) = self.slots[index].in_flight.take() else { return };
        let took = self.now.saturating_sub(put_up);
        self.counters.commits += 1;
        self.counters.commit_ms += took;
        self.counters.longest_commit.see(self.now, took);
        self.counters.written.add(written);
        for (id, to) in ends {
            // A partition that is loading learns from the load that follows what the table holds.
            let partition = self.partitions.get_mut(id).and_then(Option::as_mut);
            if let Some(feed) = partition.and_then(|p| p.feed(index)).filter(|feed| feed.is_running()) {
                feed.committed(to);
                self.offsets_moved = true;
            }
        }
        if let Err(error) = self.slots[index].set_table(table) {
            self.failed.get_or_insert(error);
        }
        if self.slots[index].load_again {
            self.load(index);
        }
    }

    /// Drops what is not in the table and starts again from what is.
    fn reset(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.discard();
        self.partitions.iter_mut().flatten().for_each(|partition| partition.reset(index));
        self.load(index);
    }

    /// Asks for the offsets of the table's loading partitions, of all at once. Never while a unit is up for commit, nor
    /// while an answer is due: that answer could be from before a commit, or for a partition's earlier stay.
    fn load(&mut self, index: usize) {
        let loading = |p: &&Partition| p.feeds.iter().any(|feed| feed.slot == index && feed.is_loading());
        let loading = self.partitions.iter().flatten().filter(loading);
        let slot = &self.slots[index];
        let app_ids: Vec<_> = loading
            .flat_map(|partition| {
                let predecessor = slot.settings.predecessor(&partition.topic_partition);
                iter::once(partition.app_id.clone()).chain(predecessor.map(|predecessor| predecessor.app_id))
            })
            .collect();
        let slot = &mut self.slots[index];
        slot.load_again = !app_ids.is_empty() && (slot.load_asked || slot.in_flight.is_some());
        if !app_ids.is_empty() && !slot.load_again {
            slot.load_asked = true;
            slot.table.load(app_ids);
        }
    }

    fn actions(&mut self, now: u64) -> Actions {
        let mut rewinds = Vec::new();
        // Connect delivers the batch that was refused first, also after it has gone back.
        let ready = self.partitions.iter_mut().enumerate().filter(|_| !self.refused);
        for (id, partition) in ready {
            let Some(partition) = partition else { continue };
            if let Some(offset) = partition.start_running() {
                debug!("{} starts at offset {offset}", partition.topic_partition);
                rewinds.push((id as i32, offset));
            }
        }
        let pause = self.has_to_pause(now);
        let busy = pause || self.slots.iter().any(|slot| slot.in_flight.is_some());
        let open = (0..self.slots.len()).filter(|index| self.has_open(*index));
        let due = open.filter_map(|index| self.slots[index].due_at()).min();
        let keep = self.slots.iter().filter_map(|slot| slot.keep).min();
        let idle = keep.map_or(TICK_IDLE, |keep| TICK_IDLE.min(keep / 2).max(TICK_BUSY));
        let tick_ms = match busy {
            true => TICK_BUSY,
            false => due.map_or(idle, |due| due.saturating_sub(now).clamp(1, TICK_OPEN)),
        };
        self.publish();
        Actions { pause, request_commit: std::mem::take(&mut self.offsets_moved), tick_ms, rewinds }
    }

    fn has_to_pause(&mut self, now: u64) -> bool {
        let why = if self.partitions.iter().flatten().any(|partition| !partition.is_running()) {
            Some(Pause::Loading)
        } else if self.slots.iter().any(Slot::lacks_memory) {
            Some(Pause::Memory)
        } else {
            (self.backlog() > BACKLOG_PAUSE).then_some(Pause::Backlog)
        };
        match (why, self.paused) {
            (Some(why), None) => {
                self.counters.pauses[why as usize] += 1;
                self.paused = Some(now);
            }
            (None, Some(since)) => {
                self.counters.paused_ms += now.saturating_sub(since);
                self.paused = None;
            }
            _ => {}
        }
        why.is_some()
    }
}
