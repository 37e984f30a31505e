//! What others see of the tables: another writer, which knows the newest version, and readers of older ones.

use std::collections::{BTreeMap, HashMap};

use futures::FutureExt;
use object_store::PutOptions;
use object_store::path::Path;
use serde_json::Value;
use sluice_core::offsets::TopicPartition;
use sluice_delta::store::commit_name;

use super::{Checked, Oracle, Table};
use crate::machine::OUTSIDE;
use crate::upkeep::readers::Pin;

/// A table as another writer reads it.
pub struct View {
    /// The newest.
    pub version: u64,
    pub live: BTreeMap<String, Vec<i64>>,
    pub metadata: Option<Value>,
    /// When files were removed, as the log says, in ms since the epoch.
    pub removed_at: HashMap<String, i64>,
}

impl Oracle {
    pub fn view(&self, table: &str) -> Option<View> {
        let state = self.state();
        let table = state.tables.get(table)?;
        let version = table.versions.len().checked_sub(1)? as u64;
        let removed_at = table.watch.as_ref().map(|watch| watch.removed_at().clone()).unwrap_or_default();
        Some(View { version, live: table.live.clone(), metadata: table.log.metadata().cloned(), removed_at })
    }

    /// Another writer makes a checkpoint, which leaves out what the table is not to keep any longer.
    pub fn checkpoint(&self, name: &str) {
        let mut state = self.state();
        let Some(table) = state.tables.get_mut(name) else { return };
        let Some(version) = table.versions.len().checked_sub(1) else { return };
        if self.get(&format!("{name}/{}", commit_name(version as u64))).is_none() {
            return;
        }
        self.sim.trace(|| format!("another writer makes a checkpoint of version {version} of {name}"));
        for (app_id, partition) in self.expired(table) {
            self.sim.trace(|| format!("{name} forgets the offset of {partition}"));
            table.log.forget(&app_id);
            table.forgotten.insert(partition);
        }
        let path = Path::from(format!("{name}/_delta_log/{version:020}.checkpoint.parquet"));
        match table.log.checkpoint() {
            Ok(content) => {
                let put = self.objects.put(OUTSIDE, &path, content.into(), PutOptions::default());
                drop(put.now_or_never());
            }
            Err(error) => self.sim.fail(format!("no checkpoint: {error}")),
        }
    }

    /// App ids whose offset the table need not keep, each with its partition.
    fn expired(&self, table: &Table) -> Vec<(String, usize)> {
        let Some(retention) = self.plan.retention else { return vec![] };
        let expired = table.log.set_before(self.sim.now().saturating_sub(retention));
        let of_partition = |app_id: String| {
            let (_, at) = TopicPartition::from_app_id(&app_id)?;
            Some((app_id, at.partition as usize))
        };
        expired.into_iter().filter_map(of_partition).collect()
    }

    /// The newest version with what its readers are to find, where anybody watches.
    pub fn pin(&self, name: &str) -> Option<Pin> {
        let state = self.state();
        let table = state.tables.get(name)?;
        let txns = table.watch.as_ref()?.txns();
        let version = table.versions.len().checked_sub(1)? as u64;
        Some(Pin { table: name.to_owned(), version, files: table.live.clone(), txns })
    }

    /// Whether readers may count on reading it.
    pub fn is_retained(&self, pin: &Pin) -> bool {
        let state = self.state();
        let watch = state.tables.get(&pin.table).and_then(|table| table.watch.as_ref());
        watch.is_some_and(|watch| watch.is_retained(pin.version))
    }

    /// The values in a data file.
    pub fn values(&self, table: &str, path: &str) -> Checked<Vec<i64>> {
        self.rows(table, path)
    }

    /// An offset that the connector has not set again in time.
    pub fn neglected(&self) -> Option<String> {
        self.state().tables.iter().find_map(|(name, table)| {
            let (app_id, _) = self.expired(table).into_iter().next()?;
            Some(format!("{name} is about to forget {app_id}"))
        })
    }
}
