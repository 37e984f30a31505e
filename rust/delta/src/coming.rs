//! Units that were put up for commit and whose files are still being finished. The commit waits for them a little: the tasks of a
//! process cut their units of a table at the same moments, and finish them one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many of one table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coming(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Announced(Coming);

impl Coming {
    pub fn announce(&self) -> Announced {
        self.0.fetch_add(1, Ordering::Relaxed);
        Announced(self.clone())
    }

    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
