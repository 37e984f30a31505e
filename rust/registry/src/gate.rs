//! How often a registry that does not answer is asked. All schemas wait together: however many are wanted, one request goes out
//! for each pause.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as AsyncMutex, MutexGuard, Semaphore, SemaphorePermit};
use tokio::time::sleep_until;
use tracing::{info, warn};

/// How many requests are under way at once while the registry answers.
const SLOTS: usize = 8;

#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    /// The longest pause after the first failure; it doubles with each one more. How long a pause is, is left to chance.
    pub first: Duration,
    pub longest: Duration,
    pub warn_every: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Pauses {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(10),
            warn_every: Duration::from_secs(30),
        }
    }
}

pub struct Gate {
    /// Names the registry in log lines.
    name: String,
    pauses: Pauses,
    slots: Semaphore,
    /// Held by the one who may ask during an outage.
    probe: AsyncMutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts outcomes, so that requests that were under way together count as one failure.
    outcomes: u64,
    outage: Option<Outage>,
    warned: Option<Instant>,
}

struct Outage {
    since: Instant,
    failures: u32,
    /// Nobody asks before.
    until: Instant,
    why: String,
    /// The log has it.
    is_told: bool,
}

/// The right to make one request.
pub struct Pass<'a> {
    outcomes: u64,
    _probe: Option<MutexGuard<'a, ()>>,
    _slot: Option<SemaphorePermit<'a>>,
}

impl Gate {
    pub fn new(name: String, pauses: Pauses) -> Gate {
        let (probe, state) = (AsyncMutex::default(), Mutex::default());
        Gate { name, pauses, slots: Semaphore::new(SLOTS), probe, state }
    }

    /// Waits for its turn, and during an outage for the end of the pause.
    pub async fn enter(&self) -> Pass<'_> {
        // Never closed.
        let slot = self.slots.acquire().await.ok();
        let well = self.state(|state| state.outage.is_none().then_some(state.outcomes));
        if let Some(outcomes) = well {
            return Pass { outcomes, _probe: None, _slot: slot };
        }
        let probe = self.probe.lock().await;
        // Whoever held it before has found out something since.
        let (outcomes, until) =
            self.state(|state| (state.outcomes, state.outage.as_ref().map(|outage| outage.until)));
        let Some(until) = until else { return Pass { outcomes, _probe: None, _slot: slot } };
        sleep_until(until.into()).await;
        Pass { outcomes, _probe: Some(probe), _slot: slot }
    }

    /// The registry answers.
    pub fn well(&self) {
        let ended = self.state(|state| {
            state.outcomes += 1;
            state.outage.take()
        });
        if let Some(outage) = ended.filter(|outage| outage.is_told) {
            let seconds = outage.since.elapsed().as_secs();
            info!("the schema registry {} answers again, after {seconds} s", self.name);
        }
    }

    pub fn failed(&self, pass: &Pass<'_>, why: &str) {
        if self.note(pass, why, Instant::now()) {
            warn!(
                "the schema registry does not answer; batches that need a schema of it wait, and nothing is lost: {why}"
            );
        }
    }

    /// Whether the log is to have it.
    fn note(&self, pass: &Pass<'_>, why: &str, now: Instant) -> bool {
        self.state(|state| {
            if state.outcomes != pass.outcomes {
                return false;
            }
            state.outcomes += 1;
            let before = state.outage.take();
            let failures = before.as_ref().map_or(0, |outage| outage.failures).saturating_add(1);
            let quiet = state.warned.is_some_and(|at| now.duration_since(at) < self.pauses.warn_every);
            if !quiet {
                state.warned = Some(now);
            }
            state.outage = Some(Outage {
                since: before.as_ref().map_or(now, |outage| outage.since),
                failures,
                until: now + self.pause(failures),
                why: why.to_owned(),
                is_told: !quiet || before.is_some_and(|outage| outage.is_told),
            });
            !quiet
        })
    }

    /// Why the registry does not answer, while it does not.
    pub fn outage(&self) -> Option<String> {
        self.state(|state| state.outage.as_ref().map(|outage| outage.why.clone()))
    }

    /// Full jitter: anything up to a bound that doubles.
    fn pause(&self, failures: u32) -> Duration {
        let doubled = self.pauses.first.saturating_mul(1 << failures.saturating_sub(1).min(20));
        doubled.min(self.pauses.longest).mul_f64(rand::random())
    }

    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new("x".into(), Pauses { first: Duration::from_millis(1), ..Pauses::default() })
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_are_left_to_chance() {
        let gate = Gate::new("x".into(), Pauses::default());
        let longest = |failures| (0..200).map(|_| gate.pause(failures)).max().unwrap();
        assert!(longest(1) <= Duration::from_millis(200) && longest(1) > Duration::from_millis(100));
        assert!(longest(3) > Duration::from_millis(400) && longest(3) <= Duration::from_millis(800));
        for failures in [20, 21, 1_000, u32::MAX] {
            assert!(
                longest(failures) > Duration::from_secs(5) && longest(failures) <= Duration::from_secs(10)
            );
        }
        assert_ne!(gate.pause(9), gate.pause(9));
    }

    #[tokio::test]
    async fn requests_of_one_moment_are_one_failure() {
        let gate = gate();
        let passes = (gate.enter().await, gate.enter().await, gate.enter().await);
        for pass in [&passes.0, &passes.1, &passes.2] {
            gate.failed(pass, "down");
        }
        assert_eq!(gate.state(|state| state.outage.as_ref().unwrap().failures), 1);
        assert_eq!(gate.outage().as_deref(), Some("down"));
        drop(passes);
        let pass = gate.enter().await;
        gate.failed(&pass, "still down");
        assert_eq!(gate.state(|state| state.outage.as_ref().unwrap().failures), 2);
        gate.well();
        assert_eq!(gate.outage(), None);
    }

    #[test]
    fn the_log_has_an_outage_at_once_and_then_now_and_then() {
        let (gate, start) = (gate(), Instant::now());
        let fails = |second: u64| {
            let pass = Pass { outcomes: gate.state(|state| state.outcomes), _probe: None, _slot: None };
            gate.note(&pass, "down", start + Duration::from_secs(second))
        };
        assert_eq!([0, 1, 29, 30, 59].map(fails), [true, false, false, true, false]);
        // However often it comes and goes.
        gate.well();
        assert_eq!([59, 60].map(fails), [false, true]);
    }

    #[tokio::test]
    async fn one_at_a_time_asks_during_an_outage() {
        let gate = gate();
        gate.failed(&gate.enter().await, "down");
        let first = gate.enter().await;
        let second = tokio::time::timeout(Duration::from_millis(50), gate.enter()).await;
        assert!(second.is_err(), "two ask");
        gate.well();
        drop(first);
        let _both = (gate.enter().await, gate.enter().await);
    }
}
