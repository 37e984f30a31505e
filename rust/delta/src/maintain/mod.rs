//! Upkeep of a table, apart from commits: whatever fails here, commits go on. Nothing that it does rests on being the only one
//! who does it; that is for not doing work twice.

pub mod checkpoint;
pub mod checksum;
pub mod clean_log;
pub mod compact;
pub mod compact_log;
pub(crate) mod duties;
mod engine;
pub mod files;
pub(crate) mod keep;
pub mod lease;
mod listing;
pub mod maintainer;
pub mod rewrite;
mod schedule;
mod sidecars;
#[cfg(test)]
mod tests;
pub mod vacuum;

use std::sync::Arc;

use buoyant_kernel::Snapshot;
use buoyant_kernel::snapshot::SnapshotRef;
use sluice_core::{Code, Error, Result};

use crate::features::{Protocol, unknown};
use crate::kernel::{KernelEngine, engine, kernel_error};
use crate::store::Store;
use crate::world::World;

/// A table as upkeep sees it. Its methods block; not for threads of the runtime.
pub struct Maintained {
    pub store: Arc<dyn Store>,
    pub world: Arc<dyn World>,
    /// For reading. What it writes is not durable on every store.
    pub(crate) engine: KernelEngine,
}

/// Who wants to know how work goes, and may end it.
pub trait Progress: Send + Sync {
    /// Work on so many of something begins.
    fn begin(&self, _what: &'static str, _of: u64) {}

    fn advance(&self, _by: u64) {}

    /// Whether to end early, at the next place where that leaves nothing half done.
    fn is_stopped(&self) -> bool {
        false
    }
}

/// Nobody.
pub struct Quiet;

impl Progress for Quiet {}

impl Maintained {
    pub fn new(store: Arc<dyn Store>, world: Arc<dyn World>) -> Self {
        let engine = engine(&*store, &world);
        Maintained { store, world, engine }
    }

    pub fn uri(&self) -> &str {
        self.store.root().as_str()
    }

    pub fn newest(&self) -> Result<SnapshotRef> {
        let doing = format!("cannot open the Delta table {}", self.uri());
        Snapshot::builder_for(self.uri()).build(&self.engine).map_err(|e| kernel_error(&doing, &e))
    }

    pub(crate) fn at(&self, version: u64) -> Result<SnapshotRef> {
        let doing = format!("cannot open version {version} of the Delta table {}", self.uri());
        let builder = Snapshot::builder_for(self.uri()).at_version(version);
        builder.build(&self.engine).map_err(|e| kernel_error(&doing, &e))
    }
}

fn kernel_failed(doing: &str, error: &buoyant_kernel::Error) -> Error {
    use buoyant_kernel::Error as Kernel;
    match error {
        Kernel::ChecksumWriteUnsupported(_) | Kernel::CheckpointWrite(_) => {
            Error::new(Code::TableUnsupported, format!("{doing}: {error}"))
        }
        other => kernel_error(doing, other),
    }
}

/// A feature that is not known may ask of a log what we do not do.
fn known_features(snapshot: &Snapshot, doing: &str) -> Result<()> {
    let protocol =
        Protocol::of(snapshot).map_err(|e| Error::new(Code::TableCorrupt, format!("{doing}: {e}")))?;
    match unknown(&protocol) {
        Some(reason) => Err(Error::new(Code::TableUnsupported, format!("{doing}: {reason}"))),
        None => Ok(()),
    }
}
