//! Harm to the broker and the workers: killed, stopped, held still.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sluice_testkit::{Broker, Components, Connect, Error, Result, Worker, WorkerOptions, tail};

use super::random::{Deck, Random};
use super::stage::Stage;

pub const WORKERS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy)]
enum Harm {
    KillWorker,
    StopWorker,
    /// For longer than its session and its consumers', 6 s each: it wakes as a zombie.
    HoldWorker,
    HoldWorkerShortly,
    KillBroker,
    StopBroker,
}

const HARMS: [Harm; 9] = [
    Harm::KillWorker,
    Harm::KillWorker,
    Harm::HoldWorker,
    Harm::HoldWorker,
    Harm::HoldWorker,
    Harm::HoldWorkerShortly,
    Harm::StopWorker,
    Harm::KillBroker,
    Harm::StopBroker,
];

struct Slot {
    worker: Worker,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Started, and does not answer yet.
    Starting,
    Ready,
    /// By SIGSTOP, until then.
    Held(Instant),
    /// To be started again then.
    Ended(Instant),
}

/// Asked shortly: whoever waits for an answer wakes nobody.
fn answers(worker: &Worker) -> bool {
    let (limit, patience) = (Duration::from_secs(1), Duration::ZERO);
    Connect::within(worker.rest_url(), limit, patience).connectors().is_ok()
}

/// The broker and the workers.
pub struct Processes {
    components: Components,
    folder: PathBuf,
    pub broker: Broker,
    slots: Vec<Slot>,
}

impl Processes {
    /// A broker, and workers that may not be ready yet.
    pub fn start(components: &Components, folder: &Path) -> Result<Self> {
        let broker = Broker::start(components, &folder.join("broker"))?;
        let mut processes = Processes {
            components: components.clone(),
            folder: folder.to_owned(),
            broker,
            slots: Vec::new(),
        };
        for number in 0..WORKERS {
            let worker = processes.spawn(number)?;
            processes.slots.push(Slot { worker, state: State::Starting });
        }
        Ok(processes)
    }

    fn spawn(&self, number: usize) -> Result<Worker> {
        // Many JVMs share few processors, and none lives long enough for the best code.
        let jvm = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"].map(str::to_owned).into();
        let options =
            WorkerOptions { group: "chaos".into(), heap: "384m".into(), jvm, ..WorkerOptions::default() };
        Worker::spawn(
            &self.components,
            &self.broker.bootstrap(),
            &worker_folder(&self.folder, number),
            &options,
        )
    }

    /// Waits until all workers answer.
    pub fn wait_until_ready(&mut self, stage: &Stage) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !self.slots.iter().all(|slot| slot.state == State::Ready) {
            if Instant::now() > end {
                return Err(Error::new("the workers do not get ready"));
            }
            self.look_after(stage)?;
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Harms until the end; then all runs again.
    pub fn harm(&mut self, stage: &Stage, seed: u64) -> Result<()> {
        let (mut random, mut deck) = (Random::new(seed, 1), Deck::new(&HARMS));
        let mut next = Instant::now() + random.millis(1_000, 4_000);
        while !stage.has_ended() {
            self.look_after(stage)?;
            // With fewer than two that answer, there is nobody to take over.
            if Instant::now() >= next && self.ready().len() >= 2 {
                let harm = deck.draw(&mut random);
                self.apply(harm, &mut random, stage)?;
                next = Instant::now() + random.millis(3_000, 15_000);
            }
            sleep(Duration::from_millis(50));
        }
        for slot in &mut self.slots {
            match slot.state {
                State::Held(_) => slot.state = State::Held(Instant::now()),
                State::Ended(_) => slot.state = State::Ended(Instant::now()),
                State::Starting | State::Ready => {}
            }
        }
        self.wait_until_ready(stage)
    }

    fn ready(&self) -> Vec<usize> {
        let ready = |at: &usize| self.slots[*at].state == State::Ready;
        (0..self.slots.len()).filter(ready).collect()
    }

    fn apply(&mut self, harm: Harm, random: &mut Random, stage: &Stage) -> Result<()> {
        let at = random.one_of(&self.ready());
        let (held, shortly, down) =
            (random.millis(8_000, 16_000), random.millis(200, 4_000), random.millis(0, 4_000));
        let named = format!("worker {}", at + 1);
        match harm {
            Harm::KillWorker => {
                self.slots[at].worker.kill()?;
                self.slots[at].state = State::Ended(Instant::now() + down);
                stage.happened("worker killed (SIGKILL)", &format!("{named}, down for {down:?}"));
            }
            Harm::StopWorker => {
                // Nobody asks it while it stops.
                self.slots[at].state = State::Ended(Instant::now());
                self.tell(stage);
                self.slots[at].worker.stop()?;
                self.slots[at].state = State::Ended(Instant::now() + down);
                stage.happened("worker stopped (SIGTERM)", &format!("{named}, down for {down:?}"));
            }
            Harm::HoldWorker | Harm::HoldWorkerShortly => {
                let (name, time) = match harm {
                    Harm::HoldWorker => ("worker held past its session (SIGSTOP, SIGCONT)", held),
                    _ => ("worker held shortly (SIGSTOP, SIGCONT)", shortly),
                };
                self.slots[at].worker.process().pause()?;
                self.slots[at].state = State::Held(Instant::now() + time);
                stage.happened(name, &format!("{named} for {time:?}"));
            }
            Harm::KillBroker => {
                self.broker.process().kill()?;
                stage.happened("broker killed (SIGKILL)", &format!("down for {down:?}"));
                sleep(down);
                self.broker.start_again()?;
                stage.note("the broker is back");
            }
            Harm::StopBroker => {
                self.broker.process().stop(Duration::from_secs(60))?;
                stage.happened("broker stopped (SIGTERM)", &format!("down for {down:?}"));
                sleep(down);
                self.broker.start_again()?;
                stage.note("the broker is back");
            }
        }
        self.tell(stage);
        Ok(())
    }

    /// Wakes and starts who is due, and sees who is ready and who has ended.
    fn look_after(&mut self, stage: &Stage) -> Result<()> {
        for at in 0..self.slots.len() {
            let was = self.slots[at].state;
            let alive = matches!(was, State::Starting | State::Ready);
            let state = match was {
                State::Held(until) if Instant::now() >= until => {
                    self.slots[at].worker.process().resume()?;
                    stage.note(&format!("worker {} goes on", at + 1));
                    State::Ready
                }
                State::Ended(until) if Instant::now() >= until => {
                    self.slots[at].worker = self.spawn(at)?;
                    State::Starting
                }
                _ if alive && !self.slots[at].worker.process().is_running() => {
                    let folder = worker_folder(&self.folder, at);
                    stage.happened(
                        "worker ended by itself, started again",
                        &format!(
                            "worker {}, which was {was:?}:\n{}",
                            at + 1,
                            tail(&folder.join("worker.log"), 15)
                        ),
                    );
                    State::Ended(Instant::now() + Duration::from_secs(1))
                }
                State::Starting if answers(&self.slots[at].worker) => {
                    stage.note(&format!("worker {} answers at {}", at + 1, self.slots[at].worker.rest_url()));
                    State::Ready
                }
                _ => was,
            };
            self.slots[at].state = state;
        }
        self.tell(stage);
        Ok(())
    }

    fn tell(&self, stage: &Stage) {
        let ready = self.slots.iter().filter(|slot| slot.state == State::Ready);
        stage.set_workers(ready.map(|slot| slot.worker.rest_url()).collect());
    }

    /// SIGTERM to the workers.
    pub fn stop_workers(&mut self) -> Result<()> {
        self.slots.iter_mut().try_for_each(|slot| slot.worker.stop())
    }
}

fn worker_folder(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("worker-{}", number + 1))
}

/// Those that there are.
pub fn worker_logs(folder: &Path) -> Vec<PathBuf> {
    let logs = (0..WORKERS).map(|number| worker_folder(folder, number).join("worker.log"));
    logs.filter(|log| log.is_file()).collect()
}

/// Reports of JVMs that crashed.
pub fn crash_reports(folder: &Path) -> Vec<PathBuf> {
    let folders = (0..WORKERS).map(|number| worker_folder(folder, number));
    let files = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let is_report =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("hs_err"));
    files.map(|file| file.path()).filter(is_report).collect()
}
