//! One table as this process knows it: the newest snapshot it has seen and the offsets that snapshot holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use buoyant_kernel as delta_kernel;
use delta_kernel::Snapshot;
use delta_kernel::actions::LOG_TXN_SCHEMA;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::snapshot::SnapshotRef;
use futures::StreamExt;
use sluice_core::schema::{Evolution, Schema, check_fits};
use sluice_core::settings::TableSettings;
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};
use tracing::info;

use crate::features::{self, Protocol};
use crate::kernel::{ClaimCommitter, KernelEngine, engine, kernel_error};
use crate::log::read_commit;
use crate::store::{Store, root_path, store_error};
use crate::world::World;

/// What a task wants of a table that it opens.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    /// The schema from the settings; none: whatever the table has.
    pub schema: Option<Schema>,
    pub auto_create: bool,
    /// Partition columns at creation. A table that is there has to have the same; empty: any.
    pub partition_by: Vec<String>,
    /// Table properties at creation.
    pub properties: BTreeMap<String, String>,
    pub evolution: Evolution,
}

impl Spec {
    pub fn of(settings: &TableSettings) -> Result<Spec> {
        Ok(Spec {
            schema: settings.schema_to_create()?,
            auto_create: settings.auto_create,
            partition_by: settings.computed.partition_by().to_vec(),
            properties: settings.properties.clone(),
            evolution: settings.evolution,
        })
    }
}

/// The table, if there is one, and the `txn` version held under each app id that was asked for.
pub type Loaded = (Option<Arc<TableInfo>>, Vec<(String, Option<i64>)>);

/// Blocks; lives on a blocking thread.
pub struct TableState {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) engine: KernelEngine,
    pub(crate) world: Arc<dyn World>,
    current: Option<Current>,
}

/// A snapshot with what was read from it.
pub(crate) struct Current {
    pub snapshot: SnapshotRef,
    /// The same version, for the kernel to commit on: see [`features::for_transactions`].
    pub commits_on: SnapshotRef,
    pub protocol: Protocol,
    pub info: Arc<TableInfo>,
    /// A `txn` may be gone without anybody having written: [`TableInfo::txn_retention`].
    pub forgets: bool,
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
    pub fn new(store: Arc<dyn Store>, world: Arc<dyn World>) -> Self {
        let engine = engine(&*store, &world);
        TableState { store, engine, world, current: None }
    }

    pub(crate) fn uri(&self) -> &str {
        self.store.root().as_str()
    }

    /// Makes the newest version current. Creates the table where that is wanted and its columns are known.
    pub fn load(&mut self, spec: &Spec, app_ids: Vec<String>) -> Result<Loaded> {
        self.store.check()?;
        if !self.exists()? {
            match &spec.schema {
                None if spec.auto_create => {
                    self.current = None;
                    return Ok((None, app_ids.into_iter().map(|app_id| (app_id, None)).collect()));
                }
                schema => self.create(spec, schema.as_ref())?,
            }
        }
        self.open()?;
        if let Some(given) = &spec.schema {
            if spec.evolution != Evolution::None {
                self.evolve(spec, given)?;
            }
            check_fits(given, &self.current()?.info.schema)?;
        }
        let info = self.current()?.info.clone();
        check_partitions(spec, &info)?;
        let held = app_ids.into_iter().map(|app_id| Ok((app_id.clone(), self.held(&app_id)?)));
        Ok((Some(info), held.collect::<Result<_>>()?))
    }

    /// Makes the newest version current, of whatever table is there.
    pub(crate) fn open(&mut self) -> Result<()> {
        let doing = format!("cannot open the Delta table {}", self.uri());
        let snapshot =
            Snapshot::builder_for(self.uri()).build(&self.engine).map_err(|e| kernel_error(&doing, &e))?;
        let fresh = self.examine(snapshot)?;
        if let Some(known) = &self.current
            && known.metadata_id != fresh.metadata_id
        {
            info!("table {} is another one than before: it was dropped and created again", self.uri());
        }
        self.current = Some(fresh);
        Ok(())
    }

    /// Whether there is a log. A folder without one is not a table.
    pub(crate) fn exists(&self) -> Result<bool> {
        let doing = || format!("cannot list the log of {}", self.uri());
        let prefix = root_path(&*self.store)?.join("_delta_log");
        let objects = self.store.objects();
        // Past the temporary commits of the DynamoDB lock, of which there may be very many.
        let mut listing = objects.list_with_offset(Some(&prefix), &prefix.clone().join(".~"));
        self.world.wait(async {
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

    /// Takes from a snapshot what we go by, and refuses tables that we would not write correctly.
    fn examine(&self, snapshot: SnapshotRef) -> Result<Current> {
        let unsupported = |what: String| {
            Error::new(
                Code::TableUnsupported,
                format!("cannot write to the Delta table {}: {what}", self.uri()),
            )
        };
        let metadata = snapshot.table_configuration().metadata();
        let protocol = Protocol::of(&snapshot)
            .map_err(|e| Error::new(Code::TableCorrupt, format!("protocol of {}: {e}", self.uri())))?;
        let info = Arc::new(TableInfo {
            schema: Schema::parse(metadata.schema_string()).map_err(|e| unsupported(e.message))?,
            partition_by: metadata.partition_columns().to_vec(),
            properties: features::in_effect(metadata.configuration(), &protocol),
        });
        if let Some(reason) = features::refusal(&protocol, &info) {
            return Err(unsupported(reason));
        }
        let forgets = info.txn_retention().map_err(|e| unsupported(e.message))?.is_some();
        let commits_on = features::for_transactions(&snapshot, &protocol)
            .and_then(|commits_on| {
                let committer = Box::new(ClaimCommitter::new(self.store.clone()));
                commits_on.clone().transaction(committer, &self.engine).map(|_| commits_on)
            })
            .map_err(|e| unsupported(e.to_string()))?;
        let metadata_id = metadata.id().to_owned();
        Ok(Current { snapshot, commits_on, protocol, info, forgets, metadata_id, held: HashMap::new() })
    }

    pub(crate) fn current(&self) -> Result<&Current> {
        self.current.as_ref().ok_or_else(|| replaced(self.uri()))
    }

    /// The `txn` version in the current snapshot, as it stands: a negative one is no offset, see
    /// [`sluice_core::offsets::offset_of`], and yet another than none at all.
    pub fn held(&mut self, app_id: &str) -> Result<Option<i64>> {
        let doing = format!("cannot read the offsets in the log of {}", self.store.root());
        let Some(current) = &mut self.current else { return self.current().map(|_| None) };
        if let Some(held) = current.held.get(app_id) {
            return Ok(*held);
        }
        let mut held = current
            .snapshot
            .get_app_id_version(app_id, &self.engine)
            .map_err(|e| kernel_error(&doing, &e))?;
        if held.is_none() && current.forgets {
            // One that has expired and is still in the log is as true as ever.
            held = features::never_forgetting(&current.snapshot)
                .and_then(|snapshot| snapshot.get_app_id_version(app_id, &self.engine))
                .map_err(|e| kernel_error(&doing, &e))?;
        }
        current.held.insert(app_id.to_owned(), held);
        Ok(held)
    }

    /// Every app id in the current snapshot with its `txn` version.
    pub(crate) fn all_held(&self) -> Result<BTreeMap<String, i64>> {
        let doing = format!("cannot read the offsets in the log of {}", self.store.root());
        let failed = |e: delta_kernel::Error| kernel_error(&doing, &e);
        let log = self.current()?.snapshot.log_segment();
        let mut all = BTreeMap::new();
        // The newest come first.
        for batch in log.read_actions(&self.engine, LOG_TXN_SCHEMA.clone()).map_err(failed)? {
            let batch =
                ArrowEngineData::try_from_engine_data(batch.map_err(failed)?.actions).map_err(failed)?;
            let txns = batch.record_batch().column(0).as_struct();
            let (app_ids, versions) =
                (txns.column(0).as_string::<i32>(), txns.column(1).as_primitive::<Int64Type>());
            for row in (0..txns.len()).filter(|row| txns.is_valid(*row)) {
                all.entry(app_ids.value(row).to_owned()).or_insert(versions.value(row));
            }
        }
        Ok(all)
    }

    /// Our own commit made `snapshot` from the current one.
    pub(crate) fn committed(&mut self, snapshot: Option<SnapshotRef>, txns: &[(String, i64)]) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        match snapshot {
            Some(snapshot) if Arc::ptr_eq(&current.snapshot, &current.commits_on) => {
                current.snapshot = snapshot.clone();
                current.commits_on = snapshot;
                current.held.extend(txns.iter().map(|(app_id, version)| (app_id.clone(), Some(*version))));
                Ok(())
            }
            _ => self.advance("").map(|_| ()),
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
            let commit = read_commit(&*self.store, &*self.world, version)?;
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

fn check_partitions(spec: &Spec, info: &TableInfo) -> Result<()> {
    let lower = |names: &[String]| names.iter().map(|name| name.to_lowercase()).collect::<Vec<_>>();
    if spec.partition_by.is_empty() || lower(&spec.partition_by) == lower(&info.partition_by) {
        return Ok(());
    }
    let message = format!(
        "delta.partition.by is {:?}, and the table is partitioned by {:?}",
        spec.partition_by, info.partition_by
    );
    Err(Error::new(Code::SchemaMismatch, message))
}

fn replaced(uri: &str) -> Error {
    Error::new(
        Code::TableReplaced,
        format!("table {uri} was dropped and created again while it was written to"),
    )
}
