//! Who starts workers and tasks, and everything that goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sluice_core::offsets::{Alteration, TopicPartition};
use sluice_delta::Hub;
use sluice_delta::budget::Budget;

use crate::connect::{self, Cluster, Stop};
use crate::machine::{Millis, OUTSIDE, ProcessId, Sim};
use crate::plan::TOPIC;
use crate::predecessor::{Job, Predecessor};
use crate::storage::Storage;
use crate::upkeep::HOUR;
use crate::writer::{self, Change, Writer};

/// After so many tries to alter offsets somebody mends the network: with every other request harmed, no table would ever be opened.
const TRIES_UNTIL_MENDED: u32 = 30;

/// After which nothing of other writers, of workers that were thrown out and of late requests is under way any more.
const AT_WORK_STILL: Millis = 200_000;

/// A Connect worker, or what is left of one that was thrown out of the cluster.
struct Worker {
    process: ProcessId,
    hub: Arc<Hub>,
    tasks: BTreeMap<usize, Stop>,
}

pub struct Operator {
    pub cluster: Arc<Cluster>,
    storage: Arc<Storage>,
    workers: Vec<Worker>,
    last_process: ProcessId,
    changes: u64,
}

impl Operator {
    pub fn new(cluster: Arc<Cluster>, storage: Arc<Storage>) -> Operator {
        Operator { cluster, storage, workers: Vec::new(), last_process: OUTSIDE, changes: 0 }
    }

    /// Starts the cluster.
    pub async fn start(&mut self) {
        let plan = self.cluster.plan.clone();
        if plan.retention.is_some() || plan.predecessor.is_some() {
            self.create_tables().await;
        }
        if let Some(predecessor) = plan.predecessor {
            self.follow(predecessor).await;
        }
        for _ in 0..self.cluster.plan.workers {
            let worker = self.new_worker();
            self.workers.push(worker);
        }
        self.start_missing();
    }

    /// Nothing goes wrong any more.
    pub fn calm(&mut self) {
        self.sim().trace(|| "nothing goes wrong any more".into());
        self.cluster.calm.store(true, Ordering::Relaxed);
        self.storage.net.calm();
        self.tell();
        self.start_missing();
    }

    /// Tells all tasks to stop.
    pub fn stop(&mut self) {
        for worker in &mut self.workers {
            std::mem::take(&mut worker.tasks).values().for_each(Stop::now);
        }
    }

    /// All of it is switched off for a day or two. What was under way has arrived before that, or never will.
    pub async fn rest(&mut self) {
        let sim = self.sim().clone();
        sim.trace(|| "the cluster is switched off".into());
        self.cluster.rests.store(true, Ordering::Relaxed);
        for worker in std::mem::take(&mut self.workers) {
            sim.kill(worker.process);
        }
        sim.sleep_ms(AT_WORK_STILL).await;
        sim.leap(sim.between(25 * HOUR, 60 * HOUR));
        self.cluster.rests.store(false, Ordering::Relaxed);
        sim.trace(|| "the cluster is switched on again".into());
        for _ in 0..self.cluster.plan.workers {
            let worker = self.new_worker();
            self.workers.push(worker);
        }
        self.start_missing();
    }

    fn sim(&self) -> &Sim {
        &self.cluster.sim
    }

    fn new_worker(&mut self) -> Worker {
        self.last_process += 1;
        let process = self.last_process;
        let storage = self.storage.clone();
        let stores = Box::new(move |uri: &str, _: &_| storage.table(process, uri));
        let budget = self.cluster.plan.memory.map_or_else(Budget::unlimited, Budget::new);
        let hub = Hub::with_stores(self.sim().world(process), 2, budget, stores);
        Worker { process, hub, tasks: BTreeMap::new() }
    }

    fn start_task(&mut self, worker: usize, task: usize) {
        let stop = Stop::default();
        let worker = &mut self.workers[worker];
        let run = connect::run(self.cluster.clone(), worker.process, worker.hub.clone(), task, stop.clone());
        self.cluster.sim.spawn(worker.process, run);
        worker.tasks.insert(task, stop);
    }

    fn start_missing(&mut self) {
        let tasks = self.cluster.plan.tasks;
        let running: BTreeSet<usize> =
            self.workers.iter().flat_map(|worker| worker.tasks.keys().copied()).collect();
        for task in (0..tasks).filter(|task| !running.contains(task)) {
            let worker = self.cluster.sim.draw(self.workers.len() as u64) as usize;
            self.start_task(worker, task);
        }
    }

    fn pick(&self) -> usize {
        self.sim().draw(self.workers.len() as u64) as usize
    }

    /// Something happens.
    pub async fn event(&mut self) {
        let sim = self.sim().clone();
        match sim.draw(10) {
            0 | 1 => {
                let index = self.pick();
                let fresh = self.new_worker();
                let dead = std::mem::replace(&mut self.workers[index], fresh);
                sim.trace(|| format!("process {} is killed", dead.process));
                sim.kill(dead.process);
                sim.sleep_ms(sim.between(0, 8_000)).await;
                self.start_missing();
            }
            2 | 3 => {
                let index = self.pick();
                let asleep = sim.between(500, 45_000);
                let process = self.workers[index].process;
                sim.trace(|| format!("process {process} stands still for {asleep} ms"));
                sim.stall(process, asleep);
                if asleep > 12_000 || sim.chance(200) {
                    // Thrown out: its tasks run elsewhere, and it learns that some time after it wakes.
                    let fresh = self.new_worker();
                    let zombie = std::mem::replace(&mut self.workers[index], fresh);
                    let late = sim.clone();
                    let after = asleep + sim.between(0, 10_000);
                    sim.spawn(OUTSIDE, async move {
                        late.sleep_ms(after).await;
                        zombie.tasks.values().for_each(Stop::now);
                        // It keeps what it runs alive until it has stopped.
                        late.sleep_ms(30_000).await;
                        late.kill(zombie.process);
                    });
                    sim.sleep_ms(sim.between(0, 12_000)).await;
                    self.start_missing();
                }
            }
            4 => {
                let index = self.pick();
                let tasks: Vec<usize> = self.workers[index].tasks.keys().copied().collect();
                if let Some(task) = tasks.get(sim.draw(tasks.len() as u64) as usize).copied() {
                    sim.trace(|| format!("task {task} is restarted"));
                    if let Some(stop) = self.workers[index].tasks.remove(&task) {
                        stop.now();
                    }
                    sim.sleep_ms(sim.between(0, 2_000)).await;
                    self.start_missing();
                }
            }
            5 => {
                let away = sim.between(1_000, 40_000);
                sim.trace(|| format!("the store is away for {away} ms"));
                self.storage.net.go_away(away);
            }
            6 => {
                let process = self.workers[self.pick()].process;
                sim.skew(process, sim.between(0, 20_000_000) as i64 - 10_000_000);
            }
            7 => {
                let Cluster { kafka, oracle, plan, .. } = &*self.cluster;
                let partition = sim.draw(plan.partitions as u64) as usize;
                let most = match plan.goes_by_the_group() {
                    true => kafka.committed(partition),
                    false => Some(kafka.end(partition)),
                };
                if plan.goes_by_the_group() || oracle.is_held(partition) {
                    let offset = sim.chance(700).then(|| sim.between(0, most.unwrap_or(0) as u64) as i64);
                    if kafka.set_committed(partition, offset) {
                        sim.trace(|| format!("the group's offset of {partition} is set to {offset:?}"));
                    }
                }
            }
            8 if self.cluster.plan.alters => self.alter().await,
            8 => self.tell(),
            _ if self.cluster.plan.another_writer => self.another_writer(),
            _ => {}
        }
    }

    /// A user stops the connector, alters the offset of a partition by Connect's REST interface, and resumes it.
    async fn alter(&mut self) {
        let (sim, kafka) = (self.sim().clone(), self.cluster.kafka.clone());
        self.stop();
        let partition = sim.draw(self.cluster.plan.partitions as u64) as usize;
        let to = sim.chance(700).then(|| sim.between(0, kafka.end(partition) as u64) as i64);
        // After an error, or when a task of a worker that was thrown out is there again, the user asks once more.
        let mut tries = 0;
        loop {
            self.cluster.oracle.altering(partition);
            sim.sleep_ms(500).await;
            if !kafka.is_empty() {
                continue;
            }
            tries += 1;
            if tries == TRIES_UNTIL_MENDED {
                self.storage.net.calm();
            }
            let worker = &self.workers[self.pick()];
            sim.trace(|| format!("process {} alters {partition} to {to:?}", worker.process));
            let altered = Stop::default();
            let (cluster, hub, done) = (self.cluster.clone(), worker.hub.clone(), altered.clone());
            let work =
                sim.world(worker.process).blocking(move || alter(&cluster, &hub, partition, to, &done));
            sim.spawn(worker.process, async move {
                work.await;
            });
            let deadline = sim.now() + 70_000;
            while !altered.is_asked() && sim.now() < deadline {
                sim.sleep_ms(100).await;
            }
            if altered.is_asked() && kafka.is_empty() {
                kafka.set_committed(partition, to);
                self.cluster.oracle.altered(partition, to);
                break;
            }
        }
        self.start_missing();
    }

    fn writer(&self, process: ProcessId, table: &str) -> Option<Writer> {
        let store = self.storage.table(process, &format!("s3://bucket/{table}")).ok()?;
        let (sim, oracle) = (self.sim().clone(), self.cluster.oracle.clone());
        Some(Writer { sim, process, oracle, store, table: table.to_owned(), first_value: -1 })
    }

    /// By another writer: the connector would not make them forget offsets.
    async fn create_tables(&self) {
        for table in &self.cluster.plan.tables {
            let Some(writer) = self.writer(OUTSIDE, table) else { return };
            let creation = writer::creation(self.cluster.plan.retention, self.cluster.plan.upkeep.as_ref());
            self.sim().world(OUTSIDE).blocking(move || writer.claim(0, &creation)).await;
        }
    }

    /// The predecessor fills the tables, and stops, or should have.
    async fn follow(&self, predecessor: Predecessor) {
        let sim = self.sim();
        for table in &self.cluster.plan.tables {
            let Some(writer) = self.writer(OUTSIDE, table) else { return };
            let (kafka, next) = (self.cluster.kafka.clone(), BTreeMap::new());
            let job = Job { of: predecessor, kafka, writer, next, commits: 0 };
            let Some(job) = work(self.cluster.clone(), job, sim.between(1, 3)).await else { return };
            if self.cluster.plan.still_runs {
                let works_on = work(self.cluster.clone(), job, sim.between(1, 10));
                sim.spawn(OUTSIDE, async move { drop(works_on.await) });
            }
        }
    }

    /// The user gives the connector the setting that it asked for: its tasks start again.
    fn tell(&mut self) {
        if !self.cluster.tells.swap(true, Ordering::Relaxed) {
            self.sim().trace(|| "the settings tell of the predecessor".into());
            self.stop();
            self.start_missing();
        }
    }

    fn another_writer(&mut self) {
        let sim = self.sim().clone();
        self.last_process += 1;
        self.changes += 1;
        let (process, number) = (self.last_process, self.changes);
        let table =
            self.cluster.plan.tables[sim.draw(self.cluster.plan.tables.len() as u64) as usize].clone();
        let Some(mut writer) = self.writer(process, &table) else { return };
        let plan = &self.cluster.plan;
        let upkeep = plan.upkeep.as_ref();
        let kinds = match (plan.retention.is_some(), upkeep) {
            (true, _) => 10,
            (false, Some(_)) => 8,
            (false, None) => 5,
        };
        let change = match sim.draw(kinds) {
            0 => Change::Append,
            1 => Change::Delete,
            2 => Change::Compact,
            3 => Change::AddColumn,
            5 if let Some(upkeep) = upkeep => Change::Vacuum(upkeep.file_retention.max(24 * HOUR)),
            6 | 7 if upkeep.is_some() => Change::Compact,
            _ => return self.cluster.oracle.checkpoint(&table),
        };
        let world = sim.world(process);
        let work = world.blocking(move || writer.change(change, number));
        sim.spawn(process, async move {
            work.await;
        });
    }
}

/// A predecessor at work, for so many commits. Nobody runs it for ever.
async fn work(cluster: Arc<Cluster>, mut job: Job, commits: u64) -> Option<Job> {
    let sim = &cluster.sim;
    for _ in 0..commits {
        sim.sleep_ms(sim.between(200, 4_000)).await;
        if cluster.calm.load(Ordering::Relaxed) {
            break;
        }
        let working = sim.world(OUTSIDE).blocking(move || {
            job.write();
            job
        });
        job = working.await?;
    }
    Some(job)
}

/// Blocks, as Connect's REST thread does.
fn alter(cluster: &Cluster, hub: &Hub, partition: usize, to: Option<i64>, altered: &Stop) {
    let alteration = Alteration { partition: TopicPartition::new(TOPIC, partition as i32), to };
    let settings = cluster.plan.settings(0, true);
    let tables = sluice_core::alter::plan(&settings, &BTreeMap::new(), vec![alteration]);
    let done = match tables {
        Ok(tables) => hub.alter(&settings, tables),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => altered.now(),
        Err(error) => cluster.sim.trace(|| format!("the offset of {partition} is not altered: {error}")),
    }
}
