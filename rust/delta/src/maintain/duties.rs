//! What upkeep of a worker's table is made of. Blocks; not for threads of the runtime.

use std::sync::Arc;

use sluice_core::Result;
use sluice_core::settings::{Maintenance, VacuumMode};
use tokio::sync::mpsc;
use tracing::info;

use super::checkpoint::{self, checkpoint};
use super::checksum::checksum;
use super::schedule::Duty;
use super::{Maintained, Progress};
use crate::budget::Budget;
use crate::encoders::Encoders;
use crate::serve::Request;

pub(crate) struct Duties {
    pub table: Maintained,
    budget: Arc<Budget>,
    encoders: Encoders,
}

/// How things are afterwards.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is nothing to do to the log before this version.
    Log { next: u64 },
    Compaction,
    Vacuum,
}

/// Ends work when no task has the table open any more.
struct WhileOpen(mpsc::WeakUnboundedSender<Request>);

impl Progress for WhileOpen {
    fn is_stopped(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Duties {
    pub fn new(table: Maintained, budget: Arc<Budget>, encoders: Encoders) -> Self {
        Duties { table, budget, encoders }
    }

    /// None: there is something to do.
    pub fn look(&self, duty: Duty, wishes: &Maintenance) -> Result<Option<Found>> {
        Ok(None)
    }
}
