//! Readers that keep to an older version, by the Delta kernel.

use std::collections::BTreeMap;
use std::sync::Arc;

use buoyant_kernel as delta_kernel;
use buoyant_kernel_engine::DefaultEngineBuilder;
use delta_kernel::scan::state::ScanFile;
use delta_kernel::{DeltaResult, Snapshot};
use sluice_delta::store::Store;
use sluice_delta::world::{KernelExecutor, World};

/// A version, and what whoever reads it is to find.
#[derive(Debug, Clone)]
pub struct Pin {
    pub table: String,
    pub version: u64,
    /// By path, in order.
    pub files: BTreeMap<String, Vec<i64>>,
    /// None: the table forgets them.
    pub txns: Option<Vec<(String, i64)>>,
}

impl Pin {
    /// What the kernel finds otherwise. Blocks.
    pub fn compare(&self, store: &dyn Store, world: Arc<dyn World>) -> Option<String> {
        match self.read(store, world) {
            Ok(None) => None,
            Ok(Some(differs)) => Some(format!("version {} of {}: {differs}", self.version, self.table)),
            Err(error) => Some(format!("version {} of {} cannot be read: {error}", self.version, self.table)),
        }
    }

    fn read(&self, store: &dyn Store, world: Arc<dyn World>) -> DeltaResult<Option<String>> {
        let engine = DefaultEngineBuilder::new(store.objects())
            .with_task_executor(Arc::new(KernelExecutor(world)))
            .build();
        let snapshot =
            Snapshot::builder_for(store.root().as_str()).at_version(self.version).build(&engine)?;
        let mut found: Vec<String> = Vec::new();
        for metadata in snapshot.clone().scan_builder().build()?.scan_metadata(&engine)? {
            found = metadata?
                .visit_scan_files(found, |found: &mut Vec<String>, file: ScanFile| found.push(file.path))?;
        }
        found.sort();
        let expected: Vec<&String> = self.files.keys().collect();
        if found.iter().collect::<Vec<_>>() != expected {
            return Ok(Some(format!("it has files {found:?}, not {expected:?}")));
        }
        for (app_id, version) in self.txns.iter().flatten() {
            let found = snapshot.get_app_id_version(app_id, &engine)?;
            if found != Some(*version) {
                return Ok(Some(format!("it has {found:?} for {app_id}, not {version}")));
            }
        }
        Ok(None)
    }
}
