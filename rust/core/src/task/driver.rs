//! Calls of Connect's that wait for what goes on in the background. Whoever drives a task gives one the time, again and again with
//! a little sleep in between, until it is ready.

use std::task::Poll;

use super::{Actions, BadRow, Tables, Task};
use crate::crossing::Segment;
use crate::error::{Code, Result};
use crate::offsets::TopicPartition;

/// How long `open` waits for a table's offsets, in ms. After that it goes on, and the partitions stay paused.
const OPEN_WAIT: u64 = 1_000;
/// How long `put` waits for a table that records name first, or that has to be created or to grow first, and for the schemas
/// that records name. After that Connect delivers the batch again.
const PUT_WAIT: u64 = 1_000;
/// How long `close` waits for the rows of partitions that go away. Connect gives a worker 5 s to stop.
const CLOSE_WAIT: u64 = 3_000;

pub trait Call {
    type Reply;

    /// Not called again once it is ready.
    fn step<T: Tables>(&mut self, task: &mut Task<T>, now: u64) -> Poll<Self::Reply>;
}

/// Opens partitions that are newly assigned.
pub struct Open {
    assigned: Vec<(i32, TopicPartition)>,
    until: Option<u64>,
    /// What all steps asked of Connect.
    actions: Actions,
}

impl Open {
    pub fn new(assigned: Vec<(i32, TopicPartition)>) -> Self {
        Open { assigned, until: None, actions: Actions::default() }
    }
}

impl Call for Open {
    type Reply = Result<Actions>;

    fn step<T: Tables>(&mut self, task: &mut Task<T>, now: u64) -> Poll<Self::Reply> {
        let Actions { pause, request_commit, tick_ms, rewinds } = match self.until {
            None => task.open(now, std::mem::take(&mut self.assigned))?,
            Some(_) => task.tick(now)?,
        };
        self.actions.rewinds.extend(rewinds);
        self.actions.request_commit |= request_commit;
        (self.actions.pause, self.actions.tick_ms) = (pause, tick_ms);
        if pause && now < *self.until.get_or_insert(now + OPEN_WAIT) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(std::mem::take(&mut self.actions)))
    }
}

/// Hands a batch over.
pub struct Put<'a> {
    batch: &'a [Segment],
    until: Option<u64>,
}

impl<'a> Put<'a> {
    pub fn new(batch: &'a [Segment]) -> Self {
        Put { batch, until: None }
    }
}

impl Call for Put<'_> {
    type Reply = Result<(Actions, Vec<BadRow>)>;

    fn step<T: Tables>(&mut self, task: &mut Task<T>, now: u64) -> Poll<Self::Reply> {
        let until = *self.until.get_or_insert(now + PUT_WAIT);
        match task.put(now, self.batch) {
            Err(error) if is_passing(error.code) && now < until => Poll::Pending,
            taken => Poll::Ready(taken),
        }
    }
}

fn is_passing(code: Code) -> bool {
    matches!(code, Code::TablePending | Code::RegistryPending)
}

/// Closes partitions, their rows in the table where that does not take too long.
pub struct Close<'a> {
    ids: &'a [i32],
    until: Option<u64>,
}

impl<'a> Close<'a> {
    pub fn new(ids: &'a [i32]) -> Self {
        Close { ids, until: None }
    }
}

impl Call for Close<'_> {
    type Reply = ();

    fn step<T: Tables>(&mut self, task: &mut Task<T>, now: u64) -> Poll<()> {
        // A task that has failed drains nothing; its error is thrown by `put`.
        let drains = match self.until {
            None => task.drain(now, self.ids).is_ok() && !task.is_drained(),
            Some(_) => task.still_drains(now),
        };
        if drains && now < *self.until.get_or_insert(now + CLOSE_WAIT) {
            return Poll::Pending;
        }
        task.close(self.ids);
        Poll::Ready(())
    }
}
