//! One seed from its beginning to its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::bucket::Bucket;
use crate::connect::{Cluster, Counts, Stop};
use crate::entries::LockTable;
use crate::kafka::{Kafka, Kind};
use crate::machine::{Machine, Millis, OUTSIDE, Sim};
use crate::net::Net;
use crate::operator::Operator;
use crate::oracle::Oracle;
use crate::plan::Plan;
use crate::storage::Storage;
use crate::threads::Threads;
use crate::upkeep::jobs::Keeper;
use crate::upkeep::watch::Tally;

/// How long the cluster has, once nothing goes wrong any more, to bring all rows into the tables.
const PROGRESS_BOUND: Millis = 300_000;

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
    pub tally: Tally,
}

async fn produce(cluster: Arc<Cluster>) {
    let (sim, plan) = (cluster.sim.clone(), &cluster.plan);
    let mut grown = false;
    while !cluster.calm.load(Ordering::Relaxed) {
        for _ in 0..sim.draw(12) {
            let partition = sim.draw(plan.partitions as u64) as usize;
            grown |= plan.grows && sim.chance(20);
            let (kind, has_more) = (plan.kind(&sim), grown && sim.chance(500));
            cluster.kafka.produce(partition, kind, has_more, plan.route(&sim));
        }
        sim.sleep_ms(sim.between(50, 2_000)).await;
    }
}

async fn until(operator: &mut Operator, time: Millis) {
    let sim = operator.cluster.sim.clone();
    while sim.now() < time {
        sim.sleep_ms(sim.between(100, 10_000)).await;
        operator.event().await;
    }
}

async fn operate(mut operator: Operator, keeper: Option<Keeper>, finish: Stop) {
    let cluster = operator.cluster.clone();
    let sim = cluster.sim.clone();
    operator.start().await;
    let (over, kept) = (Stop::default(), Stop::default());
    match keeper {
        None => kept.now(),
        Some(keeper) => {
            let (over, kept) = (over.clone(), kept.clone());
            sim.spawn(OUTSIDE, async move {
                keeper.run(over).await;
                kept.now();
            });
        }
    }
    let mut duration = cluster.plan.duration;
    if cluster.plan.upkeep.as_ref().is_some_and(|upkeep| upkeep.rests) {
        until(&mut operator, sim.between(0, duration)).await;
        let before = sim.now();
        operator.rest().await;
        duration += sim.now() - before;
    }
    until(&mut operator, duration).await;
    operator.calm();
    for partition in 0..cluster.plan.partitions {
        cluster.kafka.produce(partition, Kind::Row, false, cluster.plan.route(&sim));
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
    if let Some(retention) = cluster.plan.retention {
        sim.sleep_ms(2 * retention).await;
        if let Some(neglected) = cluster.oracle.neglected() {
            return sim.fail(format!("no progress: {neglected}"));
        }
    }
    operator.stop();
    sim.sleep_ms(10_000).await;
    over.now();
    while !kept.is_asked() {
        sim.sleep_ms(100).await;
    }
    finish.now();
}

/// Runs one seed from its beginning to its end.
pub fn run(seed: u64, traced: bool, threads: Threads) -> (Report, Threads) {
    let sim = Sim::new(seed, traced);
    let plan = Arc::new(Plan::draw(&sim));
    let kafka = Kafka::new(sim.clone(), plan.protocol, plan.partitions);
    let objects = Arc::new(Bucket::new(sim.clone(), plan.upkeep.is_some()));
    let locks = LockTable::default();
    let oracle = Oracle::new(sim.clone(), kafka.clone(), objects.clone(), locks.clone(), plan.clone());
    let net = Net::new(sim.clone(), plan.odds);
    let under_dynamodb = plan.under_dynamodb;
    let storage = Arc::new(Storage { net: net.clone(), objects, locks, under_dynamodb });
    let cluster = Arc::new(Cluster {
        sim: sim.clone(),
        kafka,
        oracle: oracle.clone(),
        tells: (!plan.told_late).into(),
        plan,
        calm: false.into(),
        rests: false.into(),
        counts: Counts::default(),
    });
    let keeper = Keeper::new(cluster.clone(), storage.clone());
    let operator = Operator::new(cluster.clone(), storage);
    let finish = Stop::default();
    sim.spawn(OUTSIDE, produce(cluster.clone()));
    sim.spawn(OUTSIDE, operate(operator, keeper, finish.clone()));
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
        virtual_ms: sim.lived(),
        tally: sums.tally,
    };
    (report, threads)
}
