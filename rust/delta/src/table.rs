//! One table as this process knows it: the newest snapshot it has seen and the offsets that snapshot holds.

use std::collections::HashMap;
use std::sync::Arc;

use buoyant_kernel as delta_kernel;
use delta_kernel::Snapshot;
use delta_kernel::schema::StructType;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::transaction::CommitResult;
use delta_kernel::transaction::create_table::create_table;
use futures::StreamExt;
use sluice_core::schema::{Schema, check_fits};
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};
use tokio::runtime::Handle;
use tracing::info;

use crate::kernel::{ClaimCommitter, KernelEngine, engine, kernel_error};
use crate::log::read_commit;
use crate::store::{Store, root_path, store_error};

/// What a task wants of a table that it opens.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The schema from the settings; none: whatever the table has.
    pub schema: Option<Schema>,
    pub auto_create: bool,
}

/// The table, if there is one, and the `txn` version held under each app id that was asked for.
pub type Loaded = (Option<Arc<TableInfo>>, Vec<(String, Option<i64>)>);

/// Blocks; lives on a blocking thread.
pub struct TableState {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) engine: KernelEngine,
    runtime: Handle,
    current: Option<Current>,
}

/// A snapshot with what was read from it.
pub(crate) struct Current {
    pub snapshot: SnapshotRef,
    pub info: Arc<TableInfo>,
    metadata_id: String,
    /// `txn` versions of this very snapshot, as far as anybody asked.
    held: HashMap<String, Option<i64>>,
}

/// What other writers did since the snapshot that was current.
#[derive(Debug, Default)]
pub struct Advance {
    /// The version at which the commit that was asked about landed.
    pub landed: Option<u64>,
}

impl TableState {
    pub fn new(store: Arc<dyn Store>, runtime: Handle) -> Self {
        let engine = engine(&*store, &runtime);
        TableState { store, engine, runtime, current: None }
    }

    fn uri(&self) -> &str {
        self.store.root().as_str()
    }

    /// Makes the newest version current. Creates the table where that is wanted.
    pub fn load(&mut self, spec: &Spec, app_ids: Vec<String>) -> Result<Loaded> {
        if !self.exists()? {
            self.create(spec)?;
        }
        let doing = format!("cannot open the Delta table {}", self.uri());
        let snapshot =
            Snapshot::builder_for(self.uri()).build(&self.engine).map_err(|e| kernel_error(&doing, &e))?;
        let fresh = self.examine(snapshot)?;
        if let Some(known) = &self.current
            && known.metadata_id != fresh.metadata_id
        {
            info!("table {} is another one than before: it was dropped and created again", self.uri());
        }
        if let Some(given) = &spec.schema {
            check_fits(given, &fresh.info.schema)?;
        }
        let info = fresh.info.clone();
        self.current = Some(fresh);
        let held = app_ids.into_iter().map(|app_id| Ok((app_id.clone(), self.held(&app_id)?)));
        Ok((Some(info), held.collect::<Result<_>>()?))
    }

    /// Whether there is a log. A folder without one is not a table.
    fn exists(&self) -> Result<bool> {
        let doing = || format!("cannot list the log of {}", self.uri());
        let prefix = root_path(&*self.store)?.join("_delta_log");
        let objects = self.store.objects();
        let mut listing = objects.list(Some(&prefix));
        self.runtime.block_on(async {
            while let Some(entry) = listing.next().await {
                let entry = entry.map_err(|e| store_error(&doing(), &e))?;
                let of_log = entry.location.prefix_match(&prefix).is_some_and(|parts| parts.count() == 1);
                if of_log && entry.location.filename().is_some_and(|name| name.starts_with(char::is_numeric))
                {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Makes the table have the wanted columns, as far as the settings allow.
    pub fn evolve(&mut self, _spec: &Spec, _wanted: &Schema) -> Result<Arc<TableInfo>> {
        Ok(self.current()?.info.clone())
    }

    fn create(&self, spec: &Spec) -> Result<()> {
        let missing =
            |why| Err(Error::new(Code::TableMissing, format!("no Delta table at {}: {why}", self.uri())));
        let schema = match (&spec.schema, spec.auto_create) {
            (Some(schema), true) => schema,
            (None, true) => {
                return missing("it cannot be created without delta.schema.json or delta.schema.file");
            }
            (_, false) => return missing("create it, or set delta.table.auto.create=true"),
        };
        let doing = format!("cannot create the Delta table {}", self.uri());
        self.store.prepare()?;
        let columns: StructType = serde_json::from_str(&schema.to_json())
            .map_err(|e| Error::new(Code::SchemaInvalid, format!("{doing}: {e}")))?;
        let committer = ClaimCommitter::new(self.store.clone());
        let store_said = committer.error();
        let made = create_table(self.uri(), Arc::new(columns), crate::ENGINE_INFO)
            .build(&self.engine, Box::new(committer))
            .and_then(|transaction| transaction.commit(&self.engine));
        if let Some(error) = store_said.lock().unwrap_or_else(|e| e.into_inner()).take() {
            return Err(Error::new(error.code, format!("{doing}: {}", error.message)));
        }
        match made {
            Ok(CommitResult::CommittedTransaction(_)) => info!("created table {}", self.uri()),
            Ok(_) => info!("table {} was created by another writer at the same moment", self.uri()),
            Err(_) if self.exists()? => {}
            Err(e) => return Err(kernel_error(&doing, &e)),
        }
        Ok(())
    }

    /// Takes from a snapshot what we go by, and refuses tables that we would not write correctly.
    fn examine(&self, snapshot: SnapshotRef) -> Result<Current> {
        let unsupported = |what: String| {
            Error::new(
                Code::TableUnsupported,
                format!("cannot write to the Delta table {}: {what}", self.uri()),
            )
        };
        let configuration = snapshot.table_configuration();
        if !configuration.logical_partition_columns().is_empty() {
            return Err(unsupported("it is partitioned, which this version does not write yet".into()));
        }
        if configuration.column_mapping_mode() != delta_kernel::table_features::ColumnMappingMode::None {
            return Err(unsupported("it uses column mapping, which this version does not write yet".into()));
        }
        if let Some(duration) = snapshot.table_properties().set_transaction_retention_duration {
            return Err(unsupported(format!(
                "delta.setTransactionRetentionDuration ({} s) would let it forget the offsets that it holds; \
                 unset the property",
                duration.as_secs()
            )));
        }
        snapshot
            .clone()
            .transaction(Box::new(ClaimCommitter::new(self.store.clone())), &self.engine)
            .map_err(|e| unsupported(e.to_string()))?;
        let text = serde_json::to_string(&*snapshot.schema())
            .map_err(|e| Error::new(Code::TableCorrupt, format!("schema of {}: {e}", self.uri())))?;
        let schema = Schema::parse(&text)?;
        let metadata_id = configuration.metadata().id().to_owned();
        let properties = configuration.metadata().configuration().clone().into_iter().collect();
        let info = Arc::new(TableInfo { schema, partition_by: Vec::new(), properties });
        Ok(Current { snapshot, info, metadata_id, held: HashMap::new() })
    }

    pub(crate) fn current(&self) -> Result<&Current> {
        self.current
            .as_ref()
            .ok_or_else(|| Error::new(Code::NativePanic, "a commit before the table is loaded"))
    }

    /// The `txn` version in the current snapshot.
    pub fn held(&mut self, app_id: &str) -> Result<Option<i64>> {
        let doing = format!("cannot read the offsets in the log of {}", self.store.root());
        let Some(current) = &mut self.current else { return self.current().map(|_| None) };
        if let Some(held) = current.held.get(app_id) {
            return Ok(*held);
        }
        let held = current
            .snapshot
            .get_app_id_version(app_id, &self.engine)
            .map_err(|e| kernel_error(&doing, &e))?;
        current.held.insert(app_id.to_owned(), held);
        Ok(held)
    }

    /// Our own commit made `snapshot` from the current one.
    pub(crate) fn committed(&mut self, snapshot: Option<SnapshotRef>, txns: &[(String, i64)]) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        match snapshot {
            Some(snapshot) => {
                current.snapshot = snapshot;
                current.held.extend(txns.iter().map(|(app_id, version)| (app_id.clone(), Some(*version))));
                Ok(())
            }
            None => self.advance("").map(|_| ()),
        }
    }

    /// Makes the newest version current and tells what happened on the way: whether the commit `ours` is in it.
    pub(crate) fn advance(&mut self, ours: &str) -> Result<Advance> {
        let doing = format!("cannot read the log of {}", self.uri());
        let old = self.current()?;
        let (from, metadata_id) = (old.snapshot.version(), old.metadata_id.clone());
        let snapshot = Snapshot::builder_from(old.snapshot.clone())
            .build(&self.engine)
            .map_err(|e| kernel_error(&doing, &e))?;
        let mut advance = Advance::default();
        let mut held = old.held.clone();
        let mut metadata_changed = false;
        for version in from + 1..=snapshot.version() {
            let commit = read_commit(&*self.store, &self.runtime, version)?;
            if commit.origin.is_some_and(|origin| origin.commit == ours) {
                advance.landed = Some(version);
            }
            held.extend(commit.txns.into_iter().map(|txn| (txn.app_id, Some(txn.version))));
            metadata_changed |= commit.metadata_id.is_some();
            if commit.metadata_id.is_some_and(|id| id != metadata_id) {
                return Err(replaced(self.uri()));
            }
        }
        if snapshot.version() < from {
            return Err(replaced(self.uri()));
        }
        let mut fresh = self.examine(snapshot)?;
        fresh.held = held;
        if metadata_changed {
            info!("another writer changed the metadata of table {}", self.uri());
        }
        self.current = Some(fresh);
        Ok(advance)
    }
}

fn replaced(uri: &str) -> Error {
    Error::new(
        Code::TableReplaced,
        format!("table {uri} was dropped and created again while it was written to"),
    )
}
