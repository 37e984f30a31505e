//! Stores that fail for a while: when to try again, when to give up, and what the log says, once for each table.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sluice_core::{Code, Error};
use tracing::{info, warn};

use crate::measure::TableMeter;
use crate::world::World;

/// Before jitter; the longest wait is half as much again.
const BACKOFF_LONGEST: Duration = Duration::from_secs(20);
/// How often the log says that an outage goes on.
const REMIND: Duration = Duration::from_secs(600);
/// A failure this long ago has nothing to do with the next one: nothing was tried since, the rows went elsewhere.
const STALE: Duration = Duration::from_secs(3600);

/// What the tasks of a process know together of one table's store.
pub(crate) struct Outage {
    world: Arc<dyn World>,
    table: String,
    meter: Arc<TableMeter>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    worked: bool,
    /// How many [`Attempts`] fail.
    failing: usize,
    /// When the first of them failed, and when the log was last told.
    times: Option<(Instant, Instant)>,
}

impl State {
    /// How long the outage has lasted, when the log is to be told.
    fn due(&mut self, now: Instant) -> Option<Duration> {
        let known = self.times;
        let (since, told) = known.unwrap_or((now, now));
        if known.is_some() && now - told < REMIND {
            return None;
        }
        self.times = Some((since, now));
        Some(now - since)
    }
}

impl Outage {
    pub fn of(world: Arc<dyn World>, table: &str) -> Arc<Self> {
        Arc::new(Outage { world, table: table.to_owned(), meter: Arc::default(), state: Mutex::default() })
    }

    /// Whether anything with this table has ever worked in this process.
    pub fn worked(&self) -> bool {
        self.state().worked
    }

    /// Lasts as long as what is known of the table.
    pub fn meter(&self) -> &Arc<TableMeter> {
        &self.meter
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, error: &Error, left: Duration) {
        let Some(lasted) = self.state().due(self.world.now()) else { return };
        let (table, left) = (&self.table, Lasting(left));
        if lasted.is_zero() {
            warn!("the store of table {table} fails; it is tried again for {left}: {error}");
        } else {
            let lasted = Lasting(lasted);
            warn!("the store of table {table} has failed for {lasted}; it is tried for {left} more: {error}");
        }
    }

    fn left(&self, works: bool) {
        let mut state = self.state();
        state.failing -= 1;
        if state.failing == 0
            && let Some((since, _)) = state.times.take()
            && works
        {
            info!(
                "the store of table {} works again after {}",
                self.table,
                Lasting(self.world.now() - since)
            );
        }
    }
}

/// One thing that is tried until it works.
pub(crate) struct Attempts {
    outage: Arc<Outage>,
    failing: Option<Failing>,
}

#[derive(Clone, Copy)]
struct Failing {
    first: Instant,
    last: Instant,
    tries: u32,
}

impl Attempts {
    pub fn new(outage: Arc<Outage>) -> Self {
        Attempts { outage, failing: None }
    }

    pub fn outage(&self) -> &Outage {
        &self.outage
    }

    /// Counts a failure, where `error` is one that may pass.
    pub fn failed(&mut self, error: Error) -> Failure {
        if error.code != Code::StoreIo {
            return Failure { error, failing: None };
        }
        let now = self.outage.world.now();
        if self.failing.is_some_and(|failing| now - failing.last > STALE) {
            self.stop();
        }
        if self.failing.is_none() {
            self.outage.state().failing += 1;
        }
        let failing = self.failing.get_or_insert(Failing { first: now, last: now, tries: 0 });
        failing.last = now;
        failing.tries += 1;
        Failure { error, failing: Some(*failing) }
    }

    /// How long to wait before the next try.
    pub fn wait(&self, failure: &Failure, left: Duration) -> Duration {
        self.outage.meter.counts().retries += 1;
        self.outage.tell(&failure.error, left);
        let tries = failure.failing.map_or(0, |failing| failing.tries);
        self.outage.world.backoff(tries, BACKOFF_LONGEST).min(left)
    }

    pub fn succeeded(&mut self) {
        self.outage.state().worked = true;
        self.end(true);
    }

    /// Nobody tries any longer.
    pub fn stop(&mut self) {
        self.end(false);
    }

    fn end(&mut self, works: bool) {
        if self.failing.take().is_some() {
            self.outage.left(works);
        }
    }
}

impl Drop for Attempts {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A failure, with what went before it.
pub(crate) struct Failure {
    pub error: Error,
    /// None where trying again is of no use.
    failing: Option<Failing>,
}

impl Failure {
    /// How long somebody with this much patience goes on trying. None: not any longer.
    pub fn left(&self, patience: Duration) -> Option<Duration> {
        let failing = self.failing?;
        patience.checked_sub(failing.last - failing.first).filter(|left| !left.is_zero())
    }

    /// The error of who does not go on trying.
    pub fn last(&self) -> Error {
        let Some(Failing { first, last, tries }) = self.failing.filter(|failing| failing.tries > 1) else {
            return self.error.clone();
        };
        let message = format!(
            "{}; it was tried {tries} times in {}, and delta.store.retry.timeout.ms (a minute at most for a table that \
             nothing has worked with yet) is over",
            self.error.message,
            Lasting(last - first)
        );
        Error::new(self.error.code, message)
    }
}

/// As people say it.
struct Lasting(Duration);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs_f64() {
            seconds @ ..120.0 => write!(f, "{seconds:.1} s"),
            seconds @ ..7200.0 => write!(f, "{:.0} min", seconds / 60.0),
            seconds => write!(f, "{:.1} h", seconds / 3600.0),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a moment to count from")]
impl Attempts {
    /// Fails since then.
    pub fn failing_for(outage: Arc<Outage>, time: Duration) -> Self {
        let first = Instant::now() - time;
        outage.state().failing = 1;
        Attempts { outage, failing: Some(Failing { first, last: first, tries: 1 }) }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "moments to count from")]
mod tests {
    use super::*;
    use crate::world::of_tests;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_log_is_told_when_it_begins_and_every_ten_minutes() {
        let mut state = State::default();
        let begin = Instant::now();
        let told = (0..45).filter_map(|minute| state.due(begin + MINUTE * minute)).collect::<Vec<_>>();
        assert_eq!(told, [0, 10, 20, 30, 40].map(|minutes| MINUTE * minutes));
    }

    #[test]
    fn times_are_read_at_a_glance() {
        let said =
            [0.25, 119.9, 120.0, 3_594.0, 7_200.0].map(|s| Lasting(Duration::from_secs_f64(s)).to_string());
        assert_eq!(said, ["0.2 s", "119.9 s", "2 min", "60 min", "2.0 h"]);
    }

    #[test]
    fn it_lasts_until_the_last_of_those_that_fail_works() {
        let outage = Outage::of(of_tests(), "t");
        let mut some = [Attempts::new(outage.clone()), Attempts::new(outage.clone())];
        let failure = || Error::new(Code::StoreIo, "away");
        for attempts in &mut some {
            let failure = attempts.failed(failure());
            attempts.wait(&failure, MINUTE);
        }
        let lasts = || outage.state().times.is_some();
        some[0].succeeded();
        assert!(lasts());
        let [_, last] = some;
        drop(last);
        assert!(!lasts() && outage.worked());
    }

    #[test]
    fn what_will_not_pass_is_not_tried_again() {
        let mut attempts = Attempts::new(Outage::of(of_tests(), "t"));
        let denied = Error::new(Code::StoreDenied, "no");
        assert_eq!(attempts.failed(denied.clone()).left(MINUTE), None);
        assert_eq!(attempts.failed(denied.clone()).last(), denied);
        assert_eq!(attempts.outage.state().failing, 0);
    }

    #[test]
    fn a_failure_of_long_ago_does_not_count() {
        let mut attempts = Attempts::failing_for(Outage::of(of_tests(), "t"), STALE + MINUTE);
        let failure = attempts.failed(Error::new(Code::StoreIo, "away"));
        assert_eq!(failure.left(MINUTE), Some(MINUTE));
    }
}
