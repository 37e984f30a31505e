//! The offsets that snapshots hold, by the Delta kernel: of a checkpoint, where the first commits are gone, and of the newest
//! version, which is what a reader and the connector see.

use std::collections::HashMap;
use std::sync::Arc;

use buoyant_kernel as delta_kernel;
use delta_kernel::Snapshot;
use delta_kernel::snapshot::SnapshotRef;
use sluice_core::Result;
use sluice_core::offsets::TopicPartition;
use sluice_core::table::TXN_RETENTION;

use super::chain::{held, is_anothers, is_ours};
use super::kind::Kind;
use super::listing::Listing;
use super::report::{Audit, Finding, Progress};
use crate::kernel::{KernelEngine, engine, kernel_error, newest_txns};
use crate::store::Store;
use crate::world::World;

pub(super) struct Snapshots<'a> {
    store: &'a dyn Store,
    world: Arc<dyn World>,
    engine: KernelEngine,
}

/// Offsets and the version that holds them.
pub(super) struct Held {
    pub version: u64,
    txns: HashMap<String, i64>,
    /// Offsets may be missing for their age.
    forgets: bool,
}

impl<'a> Snapshots<'a> {
    pub(super) fn new(store: &'a dyn Store, world: &Arc<dyn World>) -> Self {
        Snapshots { store, world: world.clone(), engine: engine(store, world) }
    }

    pub(super) fn engine(&self) -> KernelEngine {
        engine(self.store, &self.world)
    }

    pub(super) fn open(&self, version: Option<u64>) -> Result<SnapshotRef> {
        let mut builder = Snapshot::builder_for(self.store.root().as_str());
        if let Some(version) = version {
            builder = builder.at_version(version);
        }
        builder.build(&self.engine).map_err(|e| kernel_error("the Delta kernel cannot read it", &e))
    }

    fn at(&self, version: Option<u64>) -> Result<Held> {
        let snapshot = self.open(version)?;
        let txns = newest_txns(&snapshot, &self.engine)
            .map_err(|e| kernel_error("the Delta kernel cannot read it", &e))?;
        let txns = txns.into_iter().map(|(app_id, txn)| (app_id, txn.version)).collect();
        let forgets = snapshot.metadata_configuration().contains_key(TXN_RETENTION);
        Ok(Held { version: snapshot.version(), txns, forgets })
    }

    /// The first checkpoint from which the table can be read.
    pub(super) fn first(&self, listing: &Listing, audit: &mut Audit) -> Option<Held> {
        let usable = listing.checkpoints.iter().filter(|version| **version + 1 >= audit.first_version);
        let mut failed = None;
        for version in usable {
            match self.at(Some(*version)) {
                Ok(held) => {
                    audit.checkpoint = Some(*version);
                    return Some(held);
                }
                Err(error) => failed = Some(format!("version {version}: {error}")),
            }
        }
        let why = failed.unwrap_or_else(|| "there is none".to_owned());
        audit.untold.push(format!("No checkpoint says which offsets the first commits start from: {why}."));
        None
    }

    /// Compares the ends of the chains with what the newest snapshot holds.
    pub(super) fn last(&self, audit: &mut Audit) {
        let newest = match self.at(None) {
            Ok(newest) => newest,
            Err(error) => {
                audit.untold.push(format!("Which offsets the newest snapshot holds: {error}."));
                return;
            }
        };
        if newest.version != audit.last_version {
            audit.untold.push(format!(
                "The table was written to meanwhile: it has version {} by now.",
                newest.version
            ));
            return;
        }
        if newest.forgets {
            audit.untold.push(
                "The table has delta.setTransactionRetentionDuration: readers may see fewer offsets than were committed."
                    .to_owned(),
            );
        }
        let all_known = audit.is_whole() || audit.checkpoint.is_some();
        compare(audit, &newest, all_known);
    }
}

/// What a checkpoint right before the first commit holds is where the chains start.
pub(super) fn start(audit: &mut Audit, start: &Held) {
    let mut txns: Vec<_> = start.txns.iter().collect();
    txns.sort_unstable();
    for (app_id, version) in txns {
        if is_anothers(app_id) {
            audit.other_start(app_id, *version);
        } else if !audit.app_ids.contains_key(app_id)
            && let Some((connector, partition)) = TopicPartition::from_app_id(app_id)
        {
            let progress = Progress {
                connector,
                topic: partition.topic.to_string(),
                partition: partition.partition,
                from_offset: *version,
                to_offset: held(*version),
                ..Progress::default()
            };
            audit.app_ids.insert(app_id.clone(), progress);
        }
    }
}

/// A checkpoint among the commits has to hold what they led to so far; it may know older app ids.
pub(super) fn meet(audit: &mut Audit, checkpoint: &Held) {
    compare(audit, checkpoint, false);
    start(audit, checkpoint);
}

/// `all_known`: the commits, and the checkpoint that they start from, have every offset.
fn compare(audit: &mut Audit, snapshot: &Held, all_known: bool) {
    let name = |offset: Option<i64>| offset.map_or("no offset".to_owned(), |o| format!("offset {o}"));
    let mut found = Vec::new();
    for (app_id, progress) in &audit.app_ids {
        let there = snapshot.txns.get(app_id).and_then(|version| held(*version));
        let forgotten = there.is_none() && snapshot.forgets;
        if there != progress.to_offset && !forgotten {
            let message = format!(
                "the snapshot of version {} holds {}, the commits lead to {}",
                snapshot.version,
                name(there),
                name(progress.to_offset)
            );
            let mut finding = Finding::new(Kind::End, snapshot.version, message).of(app_id);
            finding.by = progress.last.as_ref().map(|author| author.as_ref().clone());
            found.push(finding);
        }
    }
    for (app_id, version) in &snapshot.txns {
        let new = is_ours(app_id) && !audit.app_ids.contains_key(app_id);
        if new && all_known && held(*version).is_some() {
            let message = format!(
                "the snapshot of version {} holds offset {version}, no commit does",
                snapshot.version
            );
            found.push(Finding::new(Kind::End, snapshot.version, message).of(app_id));
        }
    }
    for (app_id, other) in &audit.other_app_ids {
        if let Some(there) = snapshot.txns.get(app_id)
            && *there != other.to
        {
            let message = format!(
                "the snapshot of version {} holds version {there} of it, the commits lead to {}",
                snapshot.version, other.to
            );
            found.push(Finding::new(Kind::End, snapshot.version, message).of(app_id));
        }
    }
    audit.findings.extend(found);
}
