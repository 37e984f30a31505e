//! How fast data files are read.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use crate::world::World;

/// Shorter waits are put off.
const SHORTEST: Duration = Duration::from_millis(20);
/// How often a wait looks whether it is to end; and what may be made up for after a pause.
const LONGEST: Duration = Duration::from_secs(1);

pub struct Pace {
    bytes_per_second: Option<NonZeroU64>,
    /// By when so many bytes are due.
    due: Instant,
}

impl Pace {
    pub fn new(world: &dyn World, bytes_per_second: Option<NonZeroU64>) -> Self {
        Pace { bytes_per_second, due: world.now() }
    }

    /// So many bytes were read: waits until that is no more than allowed.
    pub fn read(&mut self, world: &dyn World, bytes: u64, is_stopped: impl Fn() -> bool) {
        let Some(rate) = self.bytes_per_second else {
            // Whoever encodes with a permit goes to the end of the queue for it.
            return world.wait(std::future::ready(()));
        };
        let earliest = world.now().checked_sub(LONGEST).unwrap_or(self.due);
        self.due = self.due.max(earliest) + Duration::from_secs_f64(bytes as f64 / rate.get() as f64);
        loop {
            let ahead = self.due.saturating_duration_since(world.now());
            if ahead < SHORTEST || is_stopped() {
                return world.wait(std::future::ready(()));
            }
            world.pause(ahead.min(LONGEST));
        }
    }
}
