//! When a table's upkeep is due. Of the log by versions, of the rest by time.

use std::time::{Duration, Instant};

use sluice_core::settings::{Maintenance, VacuumMode};

use crate::measure::maintenance::Duty;

/// After work on the log, so many times as long as that took nothing is done to it: of a table with many commits, upkeep takes a
/// small part of the time however large it is.
const RESTS: u32 = 9;
const LONGEST_REST: Duration = Duration::from_secs(600);

/// The first wait after a failure; it doubles with each further one.
const AFTER_A_FAILURE: Duration = Duration::from_secs(15);
pub const LONGEST_AFTER_FAILURES: Duration = Duration::from_secs(3600);

#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Due(Duty),
    /// Nothing by time; a commit may change that.
    In(Option<Duration>),
}

/// Of one table.
#[derive(Debug)]
pub struct Schedule {
    /// The log is looked at from this version on.
    log_from: u64,
    /// Not before.
    not_before: [Instant; 3],
    failures: [u32; 3],
}

impl Schedule {
    /// `part`, of 0 to 1, keeps the tables and workers that begin together apart.
    pub fn new(now: Instant, wishes: &Maintenance, part: f64) -> Self {
        let compaction = wishes.compaction.as_ref().map_or(Duration::ZERO, |compaction| compaction.interval);
        // A worker that is started again each day vacuums all the same.
        let vacuum = wishes.vacuum_interval / 24;
        let not_before = [now, now + compaction.mul_f64(part), now + vacuum.mul_f64(part)];
        Schedule { log_from: 0, not_before, failures: [0; 3] }
    }

    pub fn next(&self, now: Instant, version: u64, wishes: &Maintenance) -> Next {
        let mut soonest = None;
        for duty in Duty::ALL.into_iter().filter(|duty| self.is_wanted(*duty, version, wishes)) {
            match self.not_before[duty as usize].checked_duration_since(now) {
                None | Some(Duration::ZERO) => return Next::Due(duty),
                Some(wait) => soonest = Some(soonest.map_or(wait, |soonest: Duration| soonest.min(wait))),
            }
        }
        Next::In(soonest)
    }

    fn is_wanted(&self, duty: Duty, version: u64, wishes: &Maintenance) -> bool {
        match duty {
            Duty::Log => version >= self.log_from,
            // Files that nothing was added to since may have grown cold.
            Duty::Compaction => wishes.compaction.is_some(),
            Duty::Vacuum => wishes.vacuum != VacuumMode::Off,
        }
    }

    /// The log is kept; there is nothing to do to it before a version.
    pub fn log_kept(&mut self, now: Instant, took: Duration, next: u64) {
        self.log_from = next;
        self.done(Duty::Log, now, (took * RESTS).min(LONGEST_REST));
    }

    /// Not again before `rest` has passed.
    pub fn done(&mut self, duty: Duty, now: Instant, rest: Duration) {
        self.failures[duty as usize] = 0;
        self.not_before[duty as usize] = now + rest;
    }

    /// It is another one's turn for so long.
    pub fn put_off(&mut self, duty: Duty, now: Instant, wait: Duration) {
        self.not_before[duty as usize] = now + wait;
    }

    /// How long until it is tried again.
    pub fn failed(&mut self, duty: Duty, now: Instant) -> Duration {
        let failures = &mut self.failures[duty as usize];
        let wait = AFTER_A_FAILURE.saturating_mul(1 << (*failures).min(16)).min(LONGEST_AFTER_FAILURES);
        *failures += 1;
        self.not_before[duty as usize] = now + wait;
        wait
    }
}

#[cfg(test)]
mod tests {
    use sluice_core::settings::Compaction;

    use super::*;
    use crate::world::of_tests;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_log_is_due_by_versions_and_rests_after_work() {
        let (now, wishes) = (of_tests().now(), Maintenance::default());
        let mut schedule = Schedule::new(now, &wishes, 0.5);
        assert_eq!(schedule.next(now, 0, &wishes), Next::Due(Duty::Log));
        schedule.log_kept(now, SECOND, 10);
        assert_eq!(schedule.next(now, 9, &wishes), Next::In(None));
        assert_eq!(schedule.next(now, 10, &wishes), Next::In(Some(9 * SECOND)));
        assert_eq!(schedule.next(now + 9 * SECOND, 10, &wishes), Next::Due(Duty::Log));
        schedule.log_kept(now, 1000 * SECOND, 11);
        assert_eq!(schedule.next(now + LONGEST_REST, 11, &wishes), Next::Due(Duty::Log));
    }

    #[test]
    fn the_rest_is_due_by_time_where_it_is_wanted() {
        let (now, mut wishes) = (of_tests().now(), Maintenance::default());
        let schedule = Schedule::new(now, &wishes, 1.0);
        let without_log = |wishes: &Maintenance| {
            let mut schedule = Schedule::new(now, wishes, 1.0);
            schedule.log_kept(now, Duration::ZERO, u64::MAX);
            schedule
        };
        assert_eq!(without_log(&wishes).next(now, 5, &wishes), Next::In(None));
        assert_eq!(schedule.next(now, 5, &wishes), Next::Due(Duty::Log));
        wishes.compaction = Some(Compaction { interval: 600 * SECOND, ..Compaction::default() });
        assert_eq!(without_log(&wishes).next(now, 5, &wishes), Next::In(Some(600 * SECOND)));
        assert_eq!(without_log(&wishes).next(now + 600 * SECOND, 5, &wishes), Next::Due(Duty::Compaction));
        wishes.compaction = None;
        wishes.vacuum = VacuumMode::DryRun;
        assert_eq!(without_log(&wishes).next(now, 5, &wishes), Next::In(Some(3600 * SECOND)));
    }

    #[test]
    fn what_failed_waits_longer_each_time() {
        let (now, wishes) = (of_tests().now(), Maintenance::default());
        let mut schedule = Schedule::new(now, &wishes, 0.0);
        assert_eq!(schedule.failed(Duty::Log, now), AFTER_A_FAILURE);
        assert_eq!(schedule.failed(Duty::Log, now), 2 * AFTER_A_FAILURE);
        assert_eq!(schedule.next(now, 5, &wishes), Next::In(Some(2 * AFTER_A_FAILURE)));
        (0..20).for_each(|_| {
            schedule.failed(Duty::Log, now);
        });
        assert_eq!(schedule.failed(Duty::Log, now), LONGEST_AFTER_FAILURES);
        schedule.log_kept(now, Duration::ZERO, 0);
        assert_eq!(schedule.failed(Duty::Log, now), AFTER_A_FAILURE);
    }
}
