//! Upkeep from outside of the workers, as by `sluice maintain`, and readers beside it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sluice_core::Result;
use sluice_core::settings::Compression;
use sluice_delta::maintain::checkpoint::checkpoint;
use sluice_delta::maintain::checksum::checksum;
use sluice_delta::maintain::clean_log::{Clean, clean_log};
use sluice_delta::maintain::compact::compact;
use sluice_delta::maintain::compact_log::compact_log;
use sluice_delta::maintain::maintainer::Maintainer;
use sluice_delta::maintain::vacuum::{Vacuuming, vacuum};
use sluice_delta::maintain::{Maintained, Quiet};
use sluice_delta::store::Store;

use super::Upkeep;
use super::readers::Pin;
use crate::connect::{Cluster, Stop};
use crate::machine::{Millis, OUTSIDE, ProcessId, Sim};
use crate::storage::Storage;
use crate::writer::{Change, Writer};

/// Of the first process that is none of Connect's.
const FIRST_PROCESS: ProcessId = 1_000_000;
/// How many versions are kept an eye on.
const MOST_PINS: usize = 12;

#[derive(Debug, Clone, Copy)]
enum Job {
    Turn,
    Checkpoint,
    Checksum,
    CompactLog,
    CleanLog,
    Compact,
    Vacuum,
}

const JOBS: [Job; 14] = [
    Job::Turn,
    Job::Checkpoint,
    Job::Checkpoint,
    Job::Checksum,
    Job::CompactLog,
    Job::CompactLog,
    Job::CleanLog,
    Job::CleanLog,
    Job::Compact,
    Job::Compact,
    Job::Compact,
    Job::Compact,
    Job::Vacuum,
    Job::Vacuum,
];

pub struct Keeper {
    cluster: Arc<Cluster>,
    storage: Arc<Storage>,
    upkeep: Upkeep,
    last_process: ProcessId,
    pins: Vec<Pin>,
    /// May have ended.
    running: Vec<ProcessId>,
}

impl Keeper {
    /// None: nobody keeps the tables.
    pub fn new(cluster: Arc<Cluster>, storage: Arc<Storage>) -> Option<Keeper> {
        let upkeep = cluster.plan.upkeep.clone()?;
        Some(Keeper {
            cluster,
            storage,
            upkeep,
            last_process: FIRST_PROCESS,
            pins: Vec::new(),
            running: Vec::new(),
        })
    }

    fn sim(&self) -> &Sim {
        &self.cluster.sim
    }

    /// Until it is over; then everything that may still be read is.
    pub async fn run(mut self, over: Stop) {
        let sim = self.sim().clone();
        while !over.is_asked() {
            sim.sleep_ms(sim.between(50, 4_000)).await;
            if self.cluster.rests.load(Ordering::Relaxed) {
                std::mem::take(&mut self.running).into_iter().for_each(|process| sim.kill(process));
                continue;
            }
            match sim.draw(12) {
                0 | 1 => {
                    let pin = self.cluster.oracle.pin(self.table());
                    self.pins.extend(pin);
                    if self.pins.len() > MOST_PINS {
                        self.pins.swap_remove(sim.draw(MOST_PINS as u64) as usize);
                    }
                }
                2 | 3 => {
                    let pin = sim.draw(self.pins.len() as u64) as usize;
                    self.read(self.pins.get(pin).cloned()).await;
                }
                4..=6 if self.upkeep.by_workers => self.end_turn(),
                4..=6 => {}
                _ if !self.upkeep.by_others => {}
                _ => {
                    let table = self.table().to_owned();
                    for _ in 0..=u64::from(sim.chance(300)) {
                        self.maintain(&table);
                    }
                }
            }
        }
        let newest = self.cluster.plan.tables.iter().filter_map(|table| self.cluster.oracle.pin(table));
        for pin in std::mem::take(&mut self.pins).into_iter().chain(newest) {
            self.read(Some(pin)).await;
        }
    }

    fn table(&self) -> &str {
        let tables = &self.cluster.plan.tables;
        &tables[self.sim().draw(tables.len() as u64) as usize]
    }

    fn store(&self, process: ProcessId, table: &str) -> Option<Arc<dyn Store>> {
        self.storage.table(process, &format!("s3://bucket/{table}")).ok()
    }

    fn new_process(&mut self) -> ProcessId {
        self.last_process += 1;
        if self.sim().chance(200) {
            let ahead = self.sim().between(0, 20_000_000) as i64 - 10_000_000;
            self.sim().skew(self.last_process, ahead);
        }
        self.running.push(self.last_process);
        self.last_process
    }

    /// A reader that has the pinned version. An error counts when the version is still to be there when it is told.
    async fn read(&self, pin: Option<Pin>) {
        let Some(pin) = pin.filter(|pin| self.cluster.oracle.is_retained(pin)) else { return };
        let (Some(store), world) = (self.store(OUTSIDE, &pin.table), self.sim().world(OUTSIDE)) else {
            return;
        };
        self.sim().trace(|| format!("a reader reads version {} of {}", pin.version, pin.table));
        let (of, reader) = (pin.clone(), world.clone());
        let differs = world.blocking(move || of.compare(&*store, reader)).await.flatten();
        let missing = || {
            let lost = |(path, rows): (&String, &Vec<i64>)| {
                self.cluster.oracle.values(&pin.table, path).as_ref() != Ok(rows)
            };
            let (path, _) = pin.files.iter().find(|file| lost(*file))?;
            Some(format!("{path} of version {} of {} has not its rows", pin.version, pin.table))
        };
        if let Some(broken) = differs.or_else(missing)
            && self.cluster.oracle.is_retained(&pin)
        {
            self.sim().fail(format!("upkeep: {broken}"));
        }
    }

    /// Workers wait for the turn of a process that is gone, which is longer than a simulation.
    fn end_turn(&mut self) {
        let (table, process) = (self.table().to_owned(), self.new_process());
        let Some(store) = self.store(process, &table) else { return };
        let (sim, oracle) = (self.sim().clone(), self.cluster.oracle.clone());
        let mut writer = Writer { sim, process, oracle, store, table, first_value: 0 };
        let world = self.sim().world(process);
        let work = world.blocking(move || writer.change(Change::EndTurn, process as u64));
        self.sim().spawn(process, async move {
            work.await;
        });
    }

    /// A process that does some jobs and ends, if it is not killed before.
    fn maintain(&mut self, table: &str) {
        let (sim, process) = (self.sim().clone(), self.new_process());
        let Some(store) = self.store(process, table) else { return };
        let jobs: Vec<Job> =
            (0..sim.between(1, 3)).map(|_| JOBS[sim.draw(JOBS.len() as u64) as usize]).collect();
        sim.trace(|| format!("process {process} maintains {table}: {jobs:?}"));
        let (world, upkeep, of) = (sim.world(process), self.upkeep.clone(), sim.clone());
        let work = sim.world(process).blocking(move || {
            let table = Maintained::new(store.clone(), world.clone());
            let mut maintainer = Maintainer::new(store, world);
            for job in jobs {
                let done = run(&table, &mut maintainer, job, &upkeep);
                of.trace(|| match done {
                    Ok(done) => format!("process {process} is done: {done}"),
                    Err(error) => format!("process {process} fails: {job:?}: {error}"),
                });
            }
        });
        sim.spawn(process, async move {
            work.await;
        });
        let is_calm = self.cluster.calm.load(Ordering::Relaxed);
        let fate = if is_calm { 4 } else { sim.draw(4) };
        let killed = sim.clone();
        match fate {
            0 => sim.spawn(OUTSIDE, async move {
                killed.sleep_ms(killed.between(10, 3_000)).await;
                killed.trace(|| format!("process {process} is killed"));
                killed.kill(process);
            }),
            1 => {
                let after: Millis = sim.between(10, 1_000);
                sim.spawn(OUTSIDE, async move {
                    killed.sleep_ms(after).await;
                    killed.trace(|| format!("process {process} stands still"));
                    killed.stall(process, killed.between(500, 45_000));
                });
            }
            _ => {}
        }
    }
}

fn run(table: &Maintained, maintainer: &mut Maintainer, job: Job, upkeep: &Upkeep) -> Result<String> {
    Ok(match job {
        Job::Turn => format!("{:?}", maintainer.take_turn()?),
        Job::Checkpoint => format!("{:?}", checkpoint(table, &table.newest()?, &Quiet)?),
        Job::Checksum => format!("{:?}", checksum(table, table.newest()?.version())?),
        Job::CompactLog => {
            format!("{:?}", compact_log(table, &table.newest()?, upkeep.log_compaction(), &Quiet)?)
        }
        Job::CleanLog => format!("{:?}", clean_log(table, &table.newest()?, Clean::Delete, &Quiet)?),
        Job::Compact => {
            let commit = &mut |rewrite| maintainer.commit(rewrite);
            format!("{:?}", compact(table, &upkeep.compaction(), Compression::None, None, commit, &Quiet)?)
        }
        Job::Vacuum => {
            let vacuuming = Vacuuming { delete: true, ..Vacuuming::default() };
            format!("{:?}", vacuum(table, &vacuuming, &Quiet)?)
        }
    })
}
