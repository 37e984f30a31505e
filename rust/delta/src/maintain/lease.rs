//! Whose turn it is to maintain a table: a `txn` in its log, whose version is when the turn ends, in ms since the epoch. Who
//! takes a turn does so by a commit that is made on the version that has the last turn's end, so that of two who try one has
//! it. It keeps work from being done twice. Nothing's safety rests on it: clocks may be wrong.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_core::Result;

use crate::commit::Attempt;
use crate::log::Origin;
use crate::table::TableState;

const OPERATION: &str = "MAINTENANCE";

/// Of the `txn`.
pub const LEASE_APP_ID: &str = "sluice-maintenance";

/// How long a turn lasts that is not taken again.
pub const LEASE: Duration = Duration::from_secs(600);

/// What one process knows of a table's turns.
#[derive(Debug, Default)]
pub struct Lease(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The next commit is to take a turn, or to take it again.
    wanted: bool,
    /// What our last commit of a turn set.
    ours: Option<i64>,
    /// What the newest version has, as far as it was read.
    held: Option<i64>,
}

/// Whose turn it is, and until when, in ms since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Nobodys,
    Ours(i64),
    Others(i64),
}

impl Lease {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next commit to the table may take a turn along.
    pub fn want(&self) {
        self.known().wanted = true;
    }

    pub fn whose(&self, now: i64) -> Turn {
        let known = self.known();
        match known.held.filter(|until| *until > now) {
            None => Turn::Nobodys,
            Some(until) if known.ours == Some(until) => Turn::Ours(until),
            Some(until) => Turn::Others(until),
        }
    }

    /// The `txn` version that a commit on top of `held` takes along. None: no turn is wanted, or it is another one's.
    pub(crate) fn offer(&self, held: Option<i64>, now: i64) -> Option<i64> {
        let mut known = self.known();
        known.held = held;
        let free = held.is_none_or(|until| until <= now || known.ours == Some(until));
        // Never the same twice: by it each knows their own.
        let until = (now + LEASE.as_millis() as i64).max(held.map_or(i64::MIN, |held| held + 1));
        (known.wanted && free).then_some(until)
    }

    /// The commit that took it landed.
    pub(crate) fn landed(&self, until: i64) {
        *self.known() = Known { wanted: false, ours: Some(until), held: Some(until) };
    }

    /// What the newest version has.
    pub(crate) fn seen(&self, held: Option<i64>) {
        self.known().held = held;
    }
}

impl TableState {
    /// See [`Lease::offer`].
    pub(crate) fn offered_turn(&self) -> Result<Option<i64>> {
        Ok(self.lease.offer(self.held(LEASE_APP_ID)?, self.world.epoch_millis()))
    }

    /// Takes the turn, or takes it again, by a commit of its own, unless it is another one's. After an error it may have been taken.
    pub(crate) fn take_turn(&mut self) -> Result<Turn> {
        let mut races = 0;
        loop {
            self.advance("")?;
            self.lease.want();
            let Some(until) = self.offered_turn()? else {
                return Ok(self.lease.whose(self.world.epoch_millis()));
            };
            let origin = Origin { commit: self.world.uuid().to_string(), units: vec![], alterations: vec![] };
            match self.claim(OPERATION, origin, &[], &[(LEASE_APP_ID.to_owned(), until)]) {
                Attempt::Landed(_) => return Ok(Turn::Ours(until)),
                Attempt::Lost => {
                    races += 1;
                    self.lost_race(races);
                }
                Attempt::Unknown(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: i64 = LEASE.as_millis() as i64;

    #[test]
    fn a_turn_is_taken_where_it_is_wanted_and_nobodys() {
        let lease = Lease::default();
        assert_eq!(lease.offer(None, 5), None);
        lease.want();
        assert_eq!(lease.offer(None, 5), Some(5 + LASTS));
        assert_eq!(lease.whose(5), Turn::Nobodys);
        lease.landed(5 + LASTS);
        assert_eq!(lease.whose(6), Turn::Ours(5 + LASTS));
        assert_eq!(lease.offer(Some(5 + LASTS), 6), None);
        assert_eq!(lease.whose(5 + LASTS), Turn::Nobodys);
    }

    #[test]
    fn another_ones_turn_is_waited_for_and_ours_is_taken_again() {
        let lease = Lease::default();
        lease.want();
        assert_eq!(lease.offer(Some(100), 50), None);
        assert_eq!(lease.whose(50), Turn::Others(100));
        assert_eq!(lease.offer(Some(100), 100), Some(100 + LASTS));
        lease.landed(100 + LASTS);
        lease.want();
        assert_eq!(lease.offer(Some(100 + LASTS), 200), Some(200 + LASTS));
        // Another one took it meanwhile, with a clock that is ahead.
        lease.seen(Some(300 + LASTS));
        assert_eq!(lease.whose(200), Turn::Others(300 + LASTS));
        assert_eq!(lease.offer(Some(300 + LASTS), 200), None);
    }

    #[test]
    fn a_clock_that_went_back_does_not_make_the_same_turn_twice() {
        let lease = Lease::default();
        lease.want();
        assert_eq!(lease.offer(Some(9_000_000), 9_000_000), Some(9_000_000 + LASTS));
        let ahead = Lease::default();
        ahead.want();
        ahead.landed(9_000_000);
        ahead.want();
        assert_eq!(ahead.offer(Some(9_000_000), 1), Some(9_000_001));
    }
}
