//! The background work that keeps a table healthy that this process writes: sees when something is due, takes the turn, does it.
//! Whatever fails here is logged, counted and tried again later.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use sluice_core::{Code, Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tracing::{Span, debug, warn};

use super::Progress;
use super::duties::{Duties, Found, Wanted};
use super::lease::{LEASE, Lease, Turn};
use super::schedule::{LONGEST_AFTER_FAILURES, Next, Schedule};
use crate::encoders::Encoders;
use crate::measure::maintenance::Duty;
use crate::serve::{Ask, Request, What};
use crate::table::Spec;
use crate::world::World;

/// How long a turn waits at least for a commit that takes it along, before it makes one of its own.
const RIDE: Duration = Duration::from_secs(10);
const LOOKS: Duration = Duration::from_millis(500);
/// How long a failing store is tried.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// Nothing is due by time.
const LONG: Duration = Duration::from_secs(3600);

/// What tasks want of a table's upkeep: the one that opened it last decides.
pub(crate) type Wishes = Arc<Mutex<Wanted>>;

/// Bounds how many tables of the process are worked on at once. Logs do not wait for data files, which may take long.
#[derive(Clone)]
pub(crate) struct AtWork {
    logs: Arc<Semaphore>,
    data: Arc<Semaphore>,
}

impl AtWork {
    /// How many threads it takes.
    pub const THREADS: usize = 2;

    fn of(&self, duty: Duty) -> Arc<Semaphore> {
        match duty {
            Duty::Log => self.logs.clone(),
            Duty::Compaction | Duty::Vacuum => self.data.clone(),
        }
    }
}

impl Default for AtWork {
    fn default() -> Self {
        AtWork { logs: Arc::new(Semaphore::new(1)), data: Arc::new(Semaphore::new(1)) }
    }
}

pub(crate) struct Keeper {
    pub world: Arc<dyn World>,
    pub wishes: Wishes,
    pub lease: Arc<Lease>,
    pub at_work: AtWork,
    pub encoders: Encoders,
    pub duties: Arc<Duties>,
}

impl Keeper {
    /// Ends when the table is let go. `versions` tells of the commits that this process made.
    pub async fn keep(self, mut versions: watch::Receiver<Option<u64>>) {
        let part = f64::from(self.world.random() as u32) / f64::from(u32::MAX);
        let mut schedule = Schedule::new(self.world.now(), &self.wanted().maintenance, part);
        while versions.has_changed().is_ok() {
            let version = *versions.borrow_and_update();
            let wanted = self.wanted();
            let wishes = &wanted.maintenance;
            let next = match version.filter(|_| wishes.enabled) {
                Some(version) => schedule.next(self.world.now(), version, wishes),
                None => Next::In(None),
            };
            match next {
                Next::Due(duty) => self.attend(duty, wanted, &mut schedule).await,
                Next::In(wait) => {
                    let sleep = self.world.sleep(wait.unwrap_or(LONG));
                    select(pin!(versions.changed()), sleep).await;
                }
            }
        }
    }

    fn wanted(&self) -> Wanted {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn uri(&self) -> &str {
        self.duties.table.uri()
    }

    async fn attend(&self, duty: Duty, wanted: Wanted, schedule: &mut Schedule) {
        let wanted = Arc::new(wanted);
        let attended = self.try_attend(duty, &wanted).await;
        let (now, wishes) = (self.world.now(), &wanted.maintenance);
        match attended {
            Ok(Attended::Kept(found, took)) => {
                self.duties.meter.maintained(duty, took);
                match found {
                    Found::Log { next } => schedule.log_kept(now, took, next),
                    Found::Compaction { more: true } => schedule.done(duty, now, Duration::ZERO),
                    Found::Compaction { more: false } => {
                        let interval = wishes.compaction.as_ref().map(|compaction| compaction.interval);
                        schedule.done(duty, now, interval.unwrap_or(LONG));
                    }
                    Found::Vacuum => schedule.done(duty, now, wishes.vacuum_interval),
                }
            }
            Ok(Attended::Others(wait)) => {
                debug!("{duty:?} of {} is left to whose turn it is", self.uri());
                self.duties.meter.since_checkpoint(None);
                schedule.put_off(duty, now, wait);
            }
            Err(_) if self.duties.is_stopped() => {}
            Err(error) => {
                self.duties.meter.maintenance_failed(duty);
                let wait = schedule.failed(duty, now);
                let (uri, seconds) = (self.uri(), wait.as_secs());
                let text =
                    format!("the upkeep of table {uri} failed and is tried again in {seconds} s: {error}");
                // A store that is away is told of by those who wait for it.
                match error.code == Code::StoreIo && wait < LONGEST_AFTER_FAILURES {
                    true => debug!("{text}"),
                    false => warn!("{text}"),
                }
            }
        }
    }

    async fn try_attend(&self, duty: Duty, wanted: &Arc<Wanted>) -> Result<Attended> {
        let (begun, permit) = self.permit(duty).await;
        let (duties, wants) = (self.duties.clone(), wanted.clone());
        let look = move || {
            let _permit = permit;
            duties.look(duty, &wants)
        };
        if let Some(found) = self.blocking(look).await? {
            return Ok(Attended::Kept(found, self.world.now() - begun));
        }
        if let Turn::Others(until) = self.take_turn(wanted.commit_interval).await? {
            let wait = until.saturating_sub(self.world.epoch_millis()).clamp(0, LEASE.as_millis() as i64);
            let jitter = self.world.random() as u64 % 5000;
            return Ok(Attended::Others(Duration::from_millis(wait as u64 + jitter)));
        }
        let (begun, permit) = self.permit(duty).await;
        let (duties, wants) = (self.duties.clone(), wanted.clone());
        let work = move || {
            let _permit = permit;
            duties.attend(duty, &wants)
        };
        // Who encodes for commits and who encodes here share the cores.
        let working = async {
            match duty {
                Duty::Compaction => self.encoders.run(&*self.world, work).await.unwrap_or_else(panicked),
                Duty::Log | Duty::Vacuum => self.blocking(work).await,
            }
        };
        let mut working = pin!(working);
        let found = loop {
            match select(working.as_mut(), self.world.sleep(LEASE / 3)).await {
                Either::Left((done, _)) => break done?,
                // Commits of rows take it along.
                Either::Right(_) => self.lease.want(),
            }
        };
        Ok(Attended::Kept(found, self.world.now() - begun))
    }

    /// Waits until it may work, and has the time from then on.
    async fn permit(&self, duty: Duty) -> (Instant, Option<OwnedSemaphorePermit>) {
        // The semaphore is never closed.
        let permit = self.at_work.of(duty).acquire_owned().await.ok();
        (self.world.now(), permit)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.world.blocking(work).await.unwrap_or_else(panicked)
    }

    /// Waits for a commit of rows to take the turn along, which costs nothing, and makes one for it where none comes.
    async fn take_turn(&self, commit_interval: Duration) -> Result<Turn> {
        let end = self.world.now() + RIDE + commit_interval;
        loop {
            let now = self.world.epoch_millis();
            match self.lease.whose(now) {
                Turn::Ours(until) if until - now > LEASE.as_millis() as i64 / 3 => {
                    return Ok(Turn::Ours(until));
                }
                Turn::Others(until) => return Ok(Turn::Others(until)),
                Turn::Ours(_) | Turn::Nobodys => self.lease.want(),
            }
            if self.world.now() >= end {
                return ask(&self.duties.requests, What::Turn).await;
            }
            self.world.sleep(LOOKS).await;
        }
    }
}

fn panicked<T>() -> Result<T> {
    Err(Error::new(Code::NativePanic, "it panicked; the worker's log has the reason"))
}

enum Attended {
    Kept(Found, Duration),
    /// It is another one's turn for so long.
    Others(Duration),
}

/// Asks the table, behind all commits.
pub(super) async fn ask<T: Send + 'static>(
    requests: &mpsc::WeakUnboundedSender<Request>,
    what: impl FnOnce(Box<dyn FnOnce(Result<T>) + Send>) -> What,
) -> Result<T> {
    let gone = || Error::new(Code::NativePanic, "the table is not open any more");
    let (reply, answer) = oneshot::channel();
    // Nobody may wait for it any more.
    let what = what(Box::new(move |done| reply.send(done).unwrap_or_default()));
    let ask = Ask { spec: Spec::default(), patience: PATIENCE, span: Span::none(), what };
    // A request that cannot be sent is dropped, and there is no answer.
    if let Some(requests) = requests.upgrade() {
        let _ = requests.send(Request::Ask(ask));
        drop(requests);
        return answer.await.unwrap_or_else(|_| Err(gone()));
    }
    Err(gone())
}
