//! The memory of a process that rows take up, from when they are handed over until their file is in the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What parts on their way to stores may take of it at most, and never more than a quarter.
const PARTS_BYTES: usize = 128 << 20;
/// The semaphore counts these: it cannot count bytes.
const PARTS_PERMITS: usize = 1 << 12;

/// Above half of it, who holds more than their share give it back and take no more; above all of it, nobody takes any more. A batch counts
/// while it is decoded, so that what is held passes it by one batch at most, and not by one for each task.
pub struct Budget {
    /// Where nobody has asked for one.
    default: usize,
    /// The most that anybody has asked for.
    asked: AtomicUsize,
    held: AtomicUsize,
    /// Shares that hold anything.
    holders: AtomicUsize,
    parts: Arc<Semaphore>,
}

impl Budget {
    pub fn new(default: usize) -> Arc<Self> {
        Arc::new(Budget {
            default,
            asked: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            holders: AtomicUsize::new(0),
            parts: Arc::new(Semaphore::new(PARTS_PERMITS)),
        })
    }

    pub fn unlimited() -> Arc<Self> {
        Budget::new(usize::MAX)
    }

    /// What a task wants the process to have. The most that was ever asked for counts, and only where nobody asks, the default.
    pub fn ask(&self, bytes: usize) {
        self.asked.fetch_max(bytes, Ordering::Relaxed);
    }

    pub fn limit(&self) -> usize {
        match self.asked.load(Ordering::Relaxed) {
            0 => self.default,
            asked => asked,
        }
    }

    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub fn share(self: &Arc<Self>) -> Share {
        Share { budget: self.clone(), held: AtomicUsize::new(0) }
    }

    /// For a batch. None where too much is held already.
    pub(crate) fn room(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        let limit = self.limit();
        let more = |held: usize| (held <= limit).then(|| held + bytes);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Room { budget: self.clone(), bytes })
    }

    /// For work that can wait. None where it would not leave half of the memory to those who have rows.
    pub(crate) fn spare(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        let half = self.limit() / 2;
        let more = |held: usize| held.checked_add(bytes).filter(|all| *all <= half);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Room { budget: self.clone(), bytes })
    }

    /// A part that goes to a store now. Waits while too much is on its way.
    pub(crate) async fn part(self: &Arc<Self>, bytes: usize) -> Part {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        let mut part = Part { _room: Room { budget: self.clone(), bytes }, _permit: None };
        let permit_bytes = (PARTS_BYTES.min(self.limit() / 4) / PARTS_PERMITS).max(1);
        let permits = bytes.div_ceil(permit_bytes).min(PARTS_PERMITS) as u32;
        // The semaphore is never closed.
        let permit = self.parts.clone().acquire_many_owned(permits).await.ok();
        part._permit = permit;
        part
    }
}

/// Gives back when it is dropped.
pub struct Room {
    budget: Arc<Budget>,
    bytes: usize,
}

pub(crate) struct Part {
    _room: Room,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What one handle on a table holds. Gives all back when it is dropped.
pub struct Share {
    budget: Arc<Budget>,
    held: AtomicUsize,
}

impl Share {
    pub fn add(&self, bytes: usize) {
        if bytes > 0 && self.held.fetch_add(bytes, Ordering::Relaxed) == 0 {
            self.budget.holders.fetch_add(1, Ordering::Relaxed);
        }
        self.budget.held.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn remove(&self, bytes: usize) {
        if bytes > 0 && self.held.fetch_sub(bytes, Ordering::Relaxed) == bytes {
            self.budget.holders.fetch_sub(1, Ordering::Relaxed);
        }
        self.budget.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Its holder has to give some back before it takes more.
    pub fn is_short(&self) -> bool {
        let (all, limit) = (self.budget.held(), self.budget.limit());
        let holders = self.budget.holders.load(Ordering::Relaxed).max(1);
        all > limit || (all > limit / 2 && self.held() > limit / 2 / holders)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.remove(self.held());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_with_more_than_their_share_are_short() {
        let budget = Budget::new(1000);
        let (large, small) = (budget.share(), budget.share());
        large.add(500);
        assert!(!large.is_short());
        small.add(100);
        assert_eq!((large.is_short(), small.is_short()), (true, false));
        large.add(401);
        assert_eq!((large.is_short(), small.is_short()), (true, true));
        large.remove(901);
        assert_eq!((large.is_short(), small.is_short()), (false, false));
        drop((large, small));
        assert_eq!((budget.held(), budget.holders.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn one_batch_passes_the_limit_and_not_one_of_each_task() {
        let budget = Budget::new(1000);
        let room = budget.room(1500);
        assert!(room.is_some(), "however large it is");
        assert!(budget.room(1).is_none());
        drop(room);
        let share = budget.share();
        share.add(1000);
        assert!(budget.room(10).is_some());
        share.add(1);
        assert!(budget.room(10).is_none());
    }

    #[test]
    fn what_can_wait_takes_nothing_above_half() {
        let budget = Budget::new(1000);
        let share = budget.share();
        share.add(300);
        assert!(budget.spare(201).is_none());
        let room = budget.spare(200);
        assert_eq!((room.is_some(), budget.held()), (true, 500));
        drop(room);
        assert_eq!(budget.held(), 300);
        assert!(Budget::unlimited().spare(usize::MAX / 4).is_some());
    }

    #[test]
    fn the_most_that_is_asked_for_counts_and_else_the_default() {
        let budget = Budget::new(1000);
        assert_eq!(budget.limit(), 1000);
        budget.ask(200);
        assert_eq!(budget.limit(), 200);
        budget.ask(300);
        budget.ask(100);
        assert_eq!(budget.limit(), 300);
    }

    #[tokio::test]
    async fn parts_wait_for_others_above_a_quarter() {
        let budget = Budget::new(4 * PARTS_PERMITS);
        let part = budget.part(PARTS_PERMITS - 10).await;
        let budget_of_next = budget.clone();
        let mut next = Box::pin(async move { budget_of_next.part(11).await });
        assert!(futures::poll!(&mut next).is_pending());
        drop(part);
        drop(next.await);
        // One that is larger than all goes alone.
        drop(budget.part(100 * PARTS_PERMITS).await);
        assert_eq!(budget.held(), 0);
    }
}
