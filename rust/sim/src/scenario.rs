//! What a seed stands for: a cluster, its load, and what goes wrong when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use object_store::memory::InMemory;
use object_store::path::Path;
use sluice_core::offsets::{Alteration, TopicPartition};
use sluice_core::settings::{Settings, as_one_error};
use sluice_delta::Hub;
use sluice_delta::budget::Budget;
use sluice_delta::store::{CloudStore, ConditionalPut, DynamoLock, Lock, Store, Uploads};
use url::Url;

use crate::connect::{self, Cluster, Counts, Stop};
use crate::entries::LockTable;
use crate::kafka::{Kafka, Kind, Protocol};
use crate::machine::{Machine, Millis, OUTSIDE, ProcessId, Sim};
use crate::net::{Net, Odds};
use crate::objects::Objects;
use crate::oracle::Oracle;
use crate::threads::Threads;
use crate::writer::{Change, Writer};

pub const CONNECTOR: &str = "sim";
pub const TOPIC: &str = "t";
const SCHEMA: &str =
    r#"{"type":"struct","fields":[{"name":"v","type":"long","nullable":false,"metadata":{}}]}"#;

/// How long the cluster has, once nothing goes wrong any more, to bring all rows into the tables.
const PROGRESS_BOUND: Millis = 300_000;

/// Drawn from the seed.
pub struct Plan {
    protocol: Protocol,
    partitions: usize,
    tables: Vec<String>,
    under_dynamodb: bool,
    workers: usize,
    tasks: usize,
    odds: Odds,
    duration: Millis,
    commit_interval: Millis,
    commit_max_records: u64,
    retry_timeout: Millis,
    grows: bool,
    another_writer: bool,
    alters: bool,
    /// Of the kinds of records, in a thousand.
    tombstones: u64,
    bad: u64,
    filtered: u64,
    gaps: u64,
}

impl Plan {
    fn draw(sim: &Sim) -> Plan {
        let rarely = |most: u64| if sim.chance(500) { 0 } else { sim.draw(most) };
        let storm = sim.draw(3);
        let odds = |most: u64| match storm {
            0 => 0,
            _ => rarely(most * storm),
        };
        Plan {
            protocol: if sim.chance(500) { Protocol::Eager } else { Protocol::Cooperative },
            partitions: sim.between(1, 5) as usize,
            tables: if sim.chance(350) {
                vec!["lake/a".into(), "lake/b".into()]
            } else {
                vec!["lake/a".into()]
            },
            under_dynamodb: sim.chance(400),
            workers: sim.between(1, 3) as usize,
            tasks: sim.between(1, 4) as usize,
            odds: Odds {
                refused: odds(60),
                lost_reply: odds(60),
                late: odds(60),
                retried: odds(60),
                slow: odds(20),
            },
            duration: sim.between(5_000, 60_000),
            commit_interval: sim.between(1_000, 5_000),
            commit_max_records: rarely(30),
            retry_timeout: sim.between(5_000, 120_000),
            grows: sim.chance(200),
            another_writer: sim.chance(400),
            alters: sim.chance(300),
            tombstones: rarely(100),
            bad: rarely(100),
            filtered: rarely(200),
            gaps: rarely(200),
        }
    }

    pub fn settings(&self, task: usize) -> Settings {
        let names: Vec<&str> = self.tables.iter().filter_map(|table| table.rsplit('/').next()).collect();
        let mut map: BTreeMap<String, String> = [
            ("name", CONNECTOR.to_owned()),
            ("sluice.task.id", task.to_string()),
            ("delta.table.uri", "s3://bucket/lake/${table}".to_owned()),
            ("delta.topic2table.map", format!("{TOPIC}={}", names.join(","))),
            ("delta.table.auto.create", "true".to_owned()),
            ("delta.schema.json", SCHEMA.to_owned()),
            ("delta.commit.interval.ms", self.commit_interval.to_string()),
            ("delta.store.retry.timeout.ms", self.retry_timeout.to_string()),
            ("delta.parquet.compression", "none".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if self.grows {
            map.insert("delta.schema.evolution".into(), "add".into());
        }
        if self.commit_max_records > 0 {
            map.insert("delta.commit.max.records".into(), self.commit_max_records.to_string());
        }
        match Settings::parse(&map) {
            Ok(settings) => settings,
            Err(errors) => unreachable!("{}", as_one_error(&errors)),
        }
    }

    fn kind(&self, sim: &Sim) -> Kind {
        let kind = sim.one_of([
            (self.tombstones, Kind::Tombstone),
            (self.bad, Kind::Bad),
            (self.filtered, Kind::Filtered),
            (self.gaps, Kind::Gap),
        ]);
        kind.unwrap_or(Kind::Row)
    }
}

/// What came of a seed.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub failure: Option<String>,
    pub digest: u64,
    pub trace: Vec<String>,
    pub steps: u64,
    pub commits: u64,
    pub rows: u64,
    pub requests: u64,
    pub harmed: u64,
    pub fenced: u64,
    pub task_failures: u64,
    pub virtual_ms: u64,
}

/// The store of all processes.
struct Storage {
    net: Arc<Net>,
    objects: Arc<InMemory>,
    locks: LockTable,
    under_dynamodb: bool,
}

impl Storage {
    fn table(&self, process: ProcessId, uri: &str) -> sluice_core::Result<Arc<dyn Store>> {
        let world = self.net.sim.world(process);
        let objects = Arc::new(Objects { net: self.net.clone(), process, inner: self.objects.clone() });
        let uri = uri.trim_end_matches('/');
        let url = Url::parse(&format!("{uri}/"))
            .map_err(|e| sluice_core::Error::new(sluice_core::Code::ConfigInvalid, e.to_string()))?;
        let root = Path::from_url_path(url.path()).unwrap_or_default();
        let lock = match self.under_dynamodb {
            false => Lock::ConditionalPut(ConditionalPut::default()),
            true => Lock::DynamoDb(Arc::new(DynamoLock {
                world: world.clone(),
                entries: self.locks.seen_by(&self.net, process),
                table_path: uri.to_owned(),
                other_path: uri.replacen("s3://", "s3a://", 1),
                objects: objects.clone(),
                root,
            })),
        };
        let uploads = Uploads { objects, world, part_bytes: 64 << 20, budget: Budget::unlimited() };
        Ok(Arc::new(CloudStore::new(url, uploads, lock)?))
    }
}

/// A Connect worker, or what is left of one that was thrown out of the cluster.
struct Worker {
    process: ProcessId,
    hub: Arc<Hub>,
    tasks: BTreeMap<usize, Stop>,
}

/// Who starts workers and tasks, and everything that goes wrong.
struct Operator {
    cluster: Arc<Cluster>,
    net: Arc<Net>,
    storage: Arc<Storage>,
    workers: Vec<Worker>,
    last_process: ProcessId,
    changes: u64,
}

impl Operator {
    fn sim(&self) -> &Sim {
        &self.cluster.sim
    }

    fn new_worker(&mut self) -> Worker {
        self.last_process += 1;
        let process = self.last_process;
        let storage = self.storage.clone();
        let stores = Box::new(move |uri: &str, _: &_| storage.table(process, uri));
        let hub = Hub::with_stores(self.sim().world(process), 2, Budget::unlimited(), stores);
        Worker { process, hub, tasks: BTreeMap::new() }
    }

    fn start_task(&mut self, worker: usize, task: usize) {
        let stop = Stop::default();
        let worker = &mut self.workers[worker];
        let run = connect::run(self.cluster.clone(), worker.process, worker.hub.clone(), task, stop.clone());
        self.cluster.sim.spawn(worker.process, run);
        worker.tasks.insert(task, stop);
    }

    fn start_missing(&mut self, tasks: usize) {
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
    async fn event(&mut self) {
        let sim = self.sim().clone();
        let plan_tasks = self.cluster.plan.tasks;
        match sim.draw(10) {
            0 | 1 => {
                let index = self.pick();
                let fresh = self.new_worker();
                let dead = std::mem::replace(&mut self.workers[index], fresh);
                sim.trace(|| format!("process {} is killed", dead.process));
                sim.kill(dead.process);
                sim.sleep_ms(sim.between(0, 8_000)).await;
                self.start_missing(plan_tasks);
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
                    self.start_missing(plan_tasks);
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
                    self.start_missing(plan_tasks);
                }
            }
            5 => {
                let away = sim.between(1_000, 40_000);
                sim.trace(|| format!("the store is away for {away} ms"));
                self.net.go_away(away);
            }
            6 => {
                let process = self.workers[self.pick()].process;
                sim.skew(process, sim.between(0, 20_000_000) as i64 - 10_000_000);
            }
            7 => {
                let partition = sim.draw(self.cluster.plan.partitions as u64) as usize;
                if self.cluster.oracle.is_held(partition) {
                    let end = self.cluster.kafka.end(partition);
                    let offset = sim.chance(700).then(|| sim.between(0, end as u64) as i64);
                    if self.cluster.kafka.set_committed(partition, offset) {
                        sim.trace(|| format!("the group's offset of {partition} is set to {offset:?}"));
                    }
                }
            }
            8 if self.cluster.plan.alters => self.alter().await,
            _ if self.cluster.plan.another_writer => self.another_writer(),
            _ => {}
        }
    }

    /// A user stops the connector, alters the offset of a partition by Connect's REST interface, and resumes it.
    async fn alter(&mut self) {
        let (sim, kafka) = (self.sim().clone(), self.cluster.kafka.clone());
        for worker in &mut self.workers {
            std::mem::take(&mut worker.tasks).values().for_each(Stop::now);
        }
        let partition = sim.draw(self.cluster.plan.partitions as u64) as usize;
        let to = sim.chance(700).then(|| sim.between(0, kafka.end(partition) as u64) as i64);
        // After an error, or when a task of a worker that was thrown out is there again, the user asks once more.
        loop {
            self.cluster.oracle.altering(partition);
            sim.sleep_ms(500).await;
            if !kafka.is_empty() {
                continue;
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
        self.start_missing(self.cluster.plan.tasks);
    }

    fn another_writer(&mut self) {
        let sim = self.sim().clone();
        self.last_process += 1;
        self.changes += 1;
        let (process, number) = (self.last_process, self.changes);
        let table =
            self.cluster.plan.tables[sim.draw(self.cluster.plan.tables.len() as u64) as usize].clone();
        let Ok(store) = self.storage.table(process, &format!("s3://bucket/{table}")) else { return };
        let change = match sim.draw(4) {
            0 => Change::Append,
            1 => Change::Delete,
            2 => Change::Compact,
            _ => Change::AddColumn,
        };
        let mut writer =
            Writer { sim: sim.clone(), oracle: self.cluster.oracle.clone(), store, table, first_value: -1 };
        let world = sim.world(process);
        let work = world.blocking(move || writer.change(change, number));
        sim.spawn(process, async move {
            work.await;
        });
    }
}

/// Blocks, as Connect's REST thread does.
fn alter(cluster: &Cluster, hub: &Hub, partition: usize, to: Option<i64>, altered: &Stop) {
    let alteration = Alteration { partition: TopicPartition::new(TOPIC, partition as i32), to };
    let settings = cluster.plan.settings(0);
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

async fn produce(cluster: Arc<Cluster>) {
    let (sim, plan) = (cluster.sim.clone(), &cluster.plan);
    let mut grown = false;
    while sim.now() < plan.duration && !cluster.calm.load(Ordering::Relaxed) {
        for _ in 0..sim.draw(12) {
            let partition = sim.draw(plan.partitions as u64) as usize;
            grown |= plan.grows && sim.chance(20);
            cluster.kafka.produce(partition, plan.kind(&sim), grown && sim.chance(500));
        }
        sim.sleep_ms(sim.between(50, 2_000)).await;
    }
}

async fn operate(mut operator: Operator, finish: Stop) {
    let (sim, cluster) = (operator.sim().clone(), operator.cluster.clone());
    for _ in 0..cluster.plan.workers {
        let worker = operator.new_worker();
        operator.workers.push(worker);
    }
    operator.start_missing(cluster.plan.tasks);
    while sim.now() < cluster.plan.duration {
        sim.sleep_ms(sim.between(100, 10_000)).await;
        operator.event().await;
    }
    sim.trace(|| "nothing goes wrong any more".into());
    cluster.calm.store(true, Ordering::Relaxed);
    operator.net.calm();
    operator.start_missing(cluster.plan.tasks);
    for partition in 0..cluster.plan.partitions {
        cluster.kafka.produce(partition, Kind::Row, false);
    }
    let deadline = sim.now() + PROGRESS_BOUND;
    loop {
        sim.sleep_ms(500).await;
        match cluster.oracle.lag() {
            None => break,
            Some(lag) if sim.now() > deadline => return sim.fail(format!("no progress: {lag}")),
            Some(_) => {}
        }
    }
    let behind =
        |partition: &usize| cluster.kafka.committed(*partition) != Some(cluster.kafka.end(*partition));
    while let Some(partition) = (0..cluster.plan.partitions).find(behind) {
        if sim.now() > deadline {
            let committed = cluster.kafka.committed(partition);
            return sim
                .fail(format!("no progress: the group stays at {committed:?} of partition {partition}"));
        }
        sim.sleep_ms(500).await;
    }
    operator.workers.iter().flat_map(|worker| worker.tasks.values()).for_each(Stop::now);
    sim.sleep_ms(10_000).await;
    finish.now();
}

/// Runs one seed from its beginning to its end.
pub fn run(seed: u64, traced: bool, threads: Threads) -> (Report, Threads) {
    let sim = Sim::new(seed, traced);
    let plan = Plan::draw(&sim);
    let kafka = Kafka::new(sim.clone(), plan.protocol, plan.partitions);
    let objects = Arc::new(InMemory::new());
    let locks = LockTable::default();
    let oracle = Oracle::new(sim.clone(), kafka.clone(), objects.clone(), locks.clone(), &plan.tables);
    let net = Net::new(sim.clone(), plan.odds);
    let under_dynamodb = plan.under_dynamodb;
    let storage = Arc::new(Storage { net: net.clone(), objects, locks, under_dynamodb });
    let cluster = Arc::new(Cluster {
        sim: sim.clone(),
        kafka,
        oracle: oracle.clone(),
        plan,
        calm: false.into(),
        counts: Counts::default(),
    });
    let operator = Operator {
        cluster: cluster.clone(),
        net: net.clone(),
        storage: storage.clone(),
        workers: Vec::new(),
        last_process: OUTSIDE,
        changes: 0,
    };
    let finish = Stop::default();
    sim.spawn(OUTSIDE, produce(cluster.clone()));
    sim.spawn(OUTSIDE, operate(operator, finish.clone()));
    let mut machine = Machine::new(sim.clone(), threads);
    let done = || finish.is_asked();
    if !machine.run(&done, &mut || oracle.look()) && sim.failure().is_none() {
        sim.fail("no progress: nothing runs any more".into());
    }
    let steps = machine.steps;
    let threads = machine.end();
    let sums = oracle.end();
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let report = Report {
        failure: sim.failure(),
        digest: sim.digest(),
        trace: sim.take_trace(),
        steps,
        commits: sums.commits,
        rows: sums.rows,
        requests: load(&net.requests),
        harmed: load(&net.harmed),
        fenced: load(&cluster.counts.fenced),
        task_failures: load(&cluster.counts.failures),
        virtual_ms: sim.now(),
    };
    (report, threads)
}
