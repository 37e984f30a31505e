//! One task as Connect runs it (`WorkerSinkTask` of Kafka 4), with what our Java side does in between: polls, batches that are
//! delivered again, rewinds, pauses, commits of offsets, rebalances, and failures after which somebody restarts it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use sluice_core::connect::Registry;
use sluice_core::crossing::{Needs, Segment, encode_raw, read_batch};
use sluice_core::error::{Class, Code, Error};
use sluice_core::metrics::UNITS_FENCED;
use sluice_core::offsets::TopicPartition;
use sluice_core::task::driver::{Call, Close, Open, Put};
use sluice_core::task::{Actions, BadRow, Task};
use sluice_delta::{Hub, TaskTables};

use crate::kafka::{Change, Kafka, Kind, MemberId, Offset, Protocol, Record};
use crate::machine::{Millis, ProcessId, Sim};
use crate::oracle::{Oracle, value};
use crate::plan::{Plan, TOPIC};

/// What all tasks of the connector share, wherever they run.
pub struct Cluster {
    pub sim: Sim,
    pub kafka: Kafka,
    pub oracle: Oracle,
    pub plan: Arc<Plan>,
    /// Nothing goes wrong any more.
    pub calm: AtomicBool,
    /// Nobody works.
    pub rests: AtomicBool,
    /// The settings tell of the predecessor.
    pub tells: AtomicBool,
    pub counts: Counts,
}

#[derive(Default)]
pub struct Counts {
    pub fenced: std::sync::atomic::AtomicU64,
    pub failures: std::sync::atomic::AtomicU64,
}

impl Cluster {
    fn goes_wrong(&self, per_mille: u64) -> bool {
        !self.calm.load(Ordering::Relaxed) && self.sim.chance(per_mille)
    }
}

/// Tells a task to stop.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often Connect asks for offsets.
const OFFSET_FLUSH: Millis = 5_000;
const MAX_POLL_RECORDS: usize = 20;

/// Runs task `number` in a process until it is told to stop, restarting it when it fails.
pub async fn run(cluster: Arc<Cluster>, process: ProcessId, hub: Arc<Hub>, number: usize, stop: Stop) {
    let sim = cluster.sim.clone();
    while !stop.is_asked() {
        let mut consumer = Consumer::start(cluster.clone(), process, &hub, number);
        let alive = Arc::new(AtomicBool::new(true));
        sim.spawn(process, heartbeats(cluster.clone(), consumer.member.clone(), alive.clone()));
        let ended = consumer.until_stopped(&stop).await;
        consumer.end().await;
        alive.store(false, Ordering::Relaxed);
        let Err(error) = ended else { continue };
        cluster.counts.failures.fetch_add(1, Ordering::Relaxed);
        sim.trace(|| format!("process {process} task {number} fails: {error}"));
        let is_expected = match error.code {
            Code::StoreIo | Code::RecordType | Code::OffsetsReset => true,
            Code::PredecessorRuns => cluster.plan.still_runs,
            Code::OffsetsOfAnother => cluster.plan.told_late || cluster.plan.still_runs,
            _ => false,
        };
        if !is_expected {
            sim.fail(format!("task {number} fails: {error}"));
        }
        sim.sleep_ms(sim.between(100, 10_000)).await;
    }
}

async fn heartbeats(cluster: Arc<Cluster>, member: Arc<std::sync::Mutex<MemberId>>, alive: Arc<AtomicBool>) {
    while alive.load(Ordering::Relaxed) {
        let id = *member.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        cluster.kafka.heartbeat(id);
        cluster.sim.sleep_ms(3_000).await;
    }
}

/// An offset that Connect takes for committed: where it began or was rewound to, or one that we gave, which carries our mark.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Committed {
    offset: Offset,
    ours: bool,
}

/// `WorkerSinkTask` with its consumer.
struct Consumer {
    cluster: Arc<Cluster>,
    sim: Sim,
    kafka: Kafka,
    process: ProcessId,
    number: usize,
    member: Arc<std::sync::Mutex<MemberId>>,
    task: Task<TaskTables>,
    /// Assigned partitions, each with the next offset to fetch.
    positions: BTreeMap<usize, Offset>,
    /// Up to where records are delivered.
    current: BTreeMap<usize, Offset>,
    last_committed: BTreeMap<usize, Committed>,
    /// Those of them that the task was told of.
    open: BTreeSet<usize>,
    /// Those whose records were left out of the last batch: Connect takes them for consumed until it goes back.
    left_out: BTreeSet<usize>,
    /// Asked for with `context.offset`.
    rewinds: BTreeMap<usize, Offset>,
    /// Delivered and refused: to be delivered again.
    batch: Vec<(usize, Record)>,
    /// What `current` is once the batch is taken.
    batch_ends: BTreeMap<usize, Offset>,
    paused: bool,
    commit_asked: bool,
    next_commit: Millis,
    next_call: Millis,
    /// Kafka has taken the offsets of the last commit.
    committed: bool,
    /// A batch was taken whose bad records are not all reported.
    unreported: bool,
}

impl Consumer {
    fn start(cluster: Arc<Cluster>, process: ProcessId, hub: &Arc<Hub>, number: usize) -> Consumer {
        let (sim, kafka) = (cluster.sim.clone(), cluster.kafka.clone());
        let settings = cluster.plan.settings(number, cluster.tells.load(Ordering::Relaxed));
        let tables = hub.tables_for(&settings);
        let task = Task::new(settings, true, tables);
        let next_commit = sim.now() + sim.between(0, OFFSET_FLUSH);
        Consumer {
            member: Arc::new(std::sync::Mutex::new(kafka.join())),
            cluster,
            sim,
            kafka,
            process,
            number,
            task,
            positions: BTreeMap::new(),
            current: BTreeMap::new(),
            last_committed: BTreeMap::new(),
            open: BTreeSet::new(),
            left_out: BTreeSet::new(),
            rewinds: BTreeMap::new(),
            batch: Vec::new(),
            batch_ends: BTreeMap::new(),
            paused: false,
            commit_asked: false,
            next_commit,
            next_call: 0,
            committed: false,
            unreported: false,
        }
    }

    fn member(&self) -> MemberId {
        *self.member.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn trace(&self, line: impl FnOnce() -> String) {
        self.sim.trace(|| format!("process {} task {}: {}", self.process, self.number, line()));
    }

    async fn until_stopped(&mut self, stop: &Stop) -> Result<(), Error> {
        while !stop.is_asked() {
            if self.commit_asked || self.sim.now() >= self.next_commit {
                let all: Vec<usize> = self.positions.keys().copied().collect();
                self.commit_offsets(&all, false).await;
            }
            self.poll().await?;
            let retried = !self.batch.is_empty();
            if !retried {
                self.fetch();
            }
            self.put().await?;
            let wait = self.next_call.saturating_sub(self.sim.now()).min(1_000);
            // A consumer that has records does not wait.
            let wait = if self.has_more() { wait.min(10) } else { wait };
            self.sim.sleep_ms(wait.max(1)).await;
        }
        Ok(())
    }

    fn has_more(&self) -> bool {
        !self.paused
            && self.positions.iter().any(|(partition, position)| *position < self.kafka.end(*partition))
    }

    /// Rebalances, and carries out what the task has asked for before.
    async fn poll(&mut self) -> Result<(), Error> {
        self.rewind();
        let own: Vec<usize> = self.positions.keys().copied().collect();
        match self.kafka.poll(self.member(), &own) {
            Change::None => {}
            Change::Lost => {
                self.trace(|| format!("has lost {own:?}"));
                self.close(&own).await;
                *self.member.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = self.kafka.join();
            }
            Change::Revoke(partitions) => {
                self.trace(|| format!("gives back {partitions:?}"));
                self.commit_offsets(&partitions, true).await;
                self.kafka.released(self.member(), &partitions);
            }
            Change::Assign(partitions) => {
                // A consumer that is woken up meanwhile tells again, and leaves these out.
                let told = self.cluster.plan.protocol == Protocol::Eager || !self.cluster.goes_wrong(50);
                for partition in &partitions {
                    let offset = self.kafka.committed(*partition).unwrap_or(0);
                    self.positions.insert(*partition, offset);
                    if !told {
                        continue;
                    }
                    self.current.insert(*partition, offset);
                    self.last_committed.insert(*partition, Committed { offset, ours: false });
                }
                self.trace(|| format!("gets {partitions:?}{}", if told { "" } else { ", untold" }));
                if told {
                    self.open(&partitions).await?;
                    self.rewind();
                }
            }
        }
        Ok(())
    }

    fn rewind(&mut self) {
        for (partition, offset) in std::mem::take(&mut self.rewinds) {
            if let Some(position) = self.positions.get_mut(&partition) {
                *position = offset;
                self.current.insert(partition, offset);
                self.last_committed.insert(partition, Committed { offset, ours: false });
            }
        }
    }

    async fn open(&mut self, partitions: &[usize]) -> Result<(), Error> {
        self.open.extend(partitions);
        let assigned =
            partitions.iter().map(|p| (*p as i32, TopicPartition::new(TOPIC, *p as i32))).collect();
        let actions = self.wait_for(Open::new(assigned)).await?;
        self.carry_out(actions);
        Ok(())
    }

    async fn wait_for<C: Call>(&mut self, mut call: C) -> C::Reply {
        loop {
            match call.step(&mut self.task, self.sim.now()) {
                Poll::Ready(reply) => return reply,
                Poll::Pending => self.sim.sleep_ms(20).await,
            }
        }
    }

    fn carry_out(&mut self, actions: Actions) {
        for (partition, offset) in actions.rewinds {
            if self.positions.contains_key(&(partition as usize)) {
                self.trace(|| format!("goes back to {offset} of {partition}"));
                self.rewinds.insert(partition as usize, offset);
            }
        }
        self.paused = actions.pause;
        self.commit_asked |= actions.request_commit;
        self.next_call = self.sim.now() + actions.tick_ms;
    }

    fn fetch(&mut self) {
        self.batch_ends.clear();
        if self.paused {
            return;
        }
        for (partition, position) in &mut self.positions {
            let share = self.sim.between(1, MAX_POLL_RECORDS as u64) as Offset;
            for record in self.kafka.records(*partition, *position, *position + share) {
                *position = record.offset + 1;
                if record.kind != Kind::Gap {
                    self.batch_ends.insert(*partition, record.offset + 1);
                }
                if !matches!(record.kind, Kind::Gap | Kind::Filtered) {
                    self.batch.push((*partition, record));
                }
            }
        }
    }

    /// The batch, but for records of partitions that the task was not told of: they come again.
    fn told(&mut self, untold: &[usize]) -> Vec<(usize, Record)> {
        let (others, told): (Vec<_>, Vec<_>) =
            self.batch.iter().cloned().partition(|(partition, _)| untold.contains(partition));
        let first: BTreeMap<_, _> =
            others.into_iter().rev().map(|(partition, record)| (partition, record.offset)).collect();
        self.left_out = first.keys().copied().collect();
        self.rewinds.extend(first);
        told
    }

    fn encoded(batch: &[(usize, Record)]) -> Result<Vec<Segment>, Error> {
        let text = |partition: usize, record: &Record| {
            let v = value(partition, record.offset);
            let to = record.route.value().map_or(String::new(), |to| format!(r#","to":"{to}""#));
            match record.kind {
                Kind::Tombstone => None,
                Kind::Bad => Some(format!(r#"{{"v":"no number"{to}}}"#)),
                _ if record.grown => Some(format!(r#"{{"v":{v}{to},"grown":"x"}}"#)),
                _ => Some(format!(r#"{{"v":{v}{to}}}"#)),
            }
        };
        let texts: Vec<_> = batch.iter().map(|(partition, record)| text(*partition, record)).collect();
        let rows = batch.iter().zip(&texts).map(|((partition, record), text)| {
            (*partition as i32, record.offset, text.as_ref().map(|text| text.as_bytes()))
        });
        let (meta, buffers) = encode_raw(rows);
        read_batch(&meta, &mut &buffers[..], &Registry::default(), Needs::default())
    }

    async fn put(&mut self) -> Result<(), Error> {
        let untold: Vec<usize> = self.positions.keys().filter(|p| !self.open.contains(p)).copied().collect();
        let batch = self.told(&untold);
        let segments = Self::encoded(&batch)?;
        match self.wait_for(Put::new(&segments)).await {
            Err(error) if error.code.class() == Class::Retriable => {
                self.next_call = self.sim.now() + 200;
                return Ok(());
            }
            Err(error) => return Err(error),
            Ok((actions, bad)) => {
                self.unreported = true;
                self.carry_out(actions);
                self.report(&batch, bad).await?;
                self.unreported = false;
                if !untold.is_empty() {
                    self.open(&untold).await?;
                }
            }
        }
        self.batch.clear();
        self.current.append(&mut self.batch_ends);
        Ok(())
    }

    async fn report(&mut self, batch: &[(usize, Record)], bad: Vec<BadRow>) -> Result<(), Error> {
        for row in bad {
            self.sim.sleep_ms(self.sim.between(1, 50)).await;
            if self.cluster.goes_wrong(20) {
                return Err(Error::new(Code::RecordType, "the report of a bad record failed"));
            }
            if let Some((partition, record)) = batch.get(row.seq as usize) {
                self.kafka.report(*partition, record.offset);
            }
        }
        Ok(())
    }

    /// `WorkerSinkTask.commitOffsets`. With `closing` the partitions go away.
    async fn commit_offsets(&mut self, partitions: &[usize], closing: bool) {
        self.commit_asked = false;
        self.next_commit = self.sim.now() + OFFSET_FLUSH;
        if !self.unreported {
            let asked: Vec<(i32, Offset)> = partitions
                .iter()
                .filter(|partition| !self.left_out.contains(partition))
                .filter_map(|partition| Some((*partition as i32, *self.current.get(partition)?)))
                .collect();
            let offsets = self.task.pre_commit(&asked);
            let offsets: Vec<(usize, Offset)> =
                offsets.into_iter().map(|(p, offset)| (p as usize, offset)).collect();
            // Of one that was thrown out Kafka takes nothing, and a user may have altered the offsets since.
            if self.kafka.is_member(self.member()) {
                offsets
                    .iter()
                    .for_each(|(partition, offset)| self.cluster.oracle.returned(*partition, *offset));
            }
            if self.committed && self.cluster.goes_wrong(30) {
                // What Connect does when `preCommit` throws. Twice in a row, or after a commit that failed, it would look like
                // a topic that was created again (ADR 0009).
                self.committed = false;
                self.trace(|| "preCommit throws".into());
                for (partition, Committed { offset, .. }) in &self.last_committed {
                    if let Some(position) = self.positions.get_mut(partition) {
                        *position = *offset;
                        self.current.insert(*partition, *offset);
                    }
                }
            } else {
                let given = offsets
                    .iter()
                    .map(|(partition, offset)| (*partition, Committed { offset: *offset, ours: true }));
                let mut all = self.last_committed.clone();
                all.extend(given);
                // Connect commits nothing that it takes for committed.
                if all != self.last_committed {
                    self.sim.sleep_ms(self.sim.between(1, 30)).await;
                    self.committed = self.kafka.commit(self.member(), &offsets);
                    if self.committed {
                        self.last_committed = all;
                    }
                }
            }
        }
        if closing {
            self.close(partitions).await;
        }
    }

    async fn close(&mut self, partitions: &[usize]) {
        let ids: Vec<i32> = partitions.iter().map(|partition| *partition as i32).collect();
        if !self.unreported {
            self.wait_for(Close::new(&ids)).await;
        }
        for partition in partitions {
            self.last_committed.remove(partition);
            self.open.remove(partition);
            for map in [&mut self.positions, &mut self.current, &mut self.rewinds, &mut self.batch_ends] {
                map.remove(partition);
            }
        }
        self.batch.retain(|(partition, _)| !partitions.contains(partition));
    }

    async fn end(&mut self) {
        let all: Vec<usize> = self.positions.keys().copied().collect();
        self.commit_offsets(&all, true).await;
        let fenced = self.task.meter().samples(0).total(&UNITS_FENCED);
        self.cluster.counts.fenced.fetch_add(fenced as u64, Ordering::Relaxed);
        self.kafka.leave(self.member());
    }
}
