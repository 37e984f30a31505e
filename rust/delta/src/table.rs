//! One table as this process knows it: the newest snapshot it has seen and the offsets that snapshot holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use buoyant_kernel as delta_kernel;
use delta_kernel::Snapshot;
use delta_kernel::actions::LOG_TXN_SCHEMA;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::snapshot::SnapshotRef;
use object_store::ObjectStoreExt;
use sluice_core::schema::{Evolution, Schema, check_fits};
use sluice_core::settings::{Maintenance, TableSettings};
use sluice_core::table::TableInfo;
use sluice_core::{Code, Error, Result};
use tokio::sync::watch;
use tracing::info;

use crate::features::{self, Protocol};
use crate::kernel::{ClaimCommitter, KernelEngine, Said, engine, kernel_error};
use crate::known::Known;
use crate::log::read_commit;
use crate::maintain::lease::{LEASE_APP_ID, Lease};
use crate::measure::TableMeter;
use crate::store::{Store, commit_path, has_log, root_path, store_error};
use crate::tip::{configured_as, tip_of};
use crate::world::World;

/// How long a version is taken for the newest one without looking. Log clean-up by others takes away what is old, and an
/// object store lets us have a version that is gone.
const TRUSTED: Duration = Duration::from_secs(600);

/// The longest wait after a lost race, before jitter.
pub(crate) const RACE_BACKOFF: Duration = Duration::from_secs(2);

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
    pub maintenance: Maintenance,
}

impl Spec {
    pub fn of(settings: &TableSettings) -> Result<Spec> {
        Ok(Spec {
            schema: settings.schema_to_create()?,
            auto_create: settings.auto_create,
            partition_by: settings.computed.partition_by().to_vec(),
            properties: settings.properties.clone(),
            evolution: settings.evolution,
            maintenance: settings.maintenance.clone(),
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
    pub(crate) meter: Arc<TableMeter>,
    /// What the process's times are counted from.
    begun: Instant,
    pub(crate) lease: Arc<Lease>,
    /// The last version that this process made.
    pub(crate) made: watch::Sender<Option<u64>>,
    current: Option<Current>,
}

/// The newest version with what was read from it.
pub(crate) struct Current {
    /// See [`tip_of`].
    pub tip: SnapshotRef,
    /// The same, for the kernel to commit on: see [`features::for_transactions`].
    pub commits_on: SnapshotRef,
    pub protocol: Protocol,
    pub info: Arc<TableInfo>,
    /// A `txn` may be gone without anybody having written: [`TableInfo::txn_retention`].
    pub forgets: bool,
    /// When it was the newest.
    seen: Instant,
    pub metadata_id: String,
    /// Of this very version.
    pub known: Known,
    /// Every app id in this very version with its `txn` version, expired ones too.
    pub held: BTreeMap<String, i64>,
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
        TableState {
            store,
            engine,
            meter: Arc::default(),
            begun: world.now(),
            world,
            lease: Arc::default(),
            made: watch::Sender::default(),
            current: None,
        }
    }

    pub(crate) fn measured_by(self, meter: Arc<TableMeter>, begun: Instant) -> Self {
        TableState { meter, begun, ..self }
    }

    /// Another writer had the version: waits a little before the next try.
    pub(crate) fn lost_race(&self, races: u32) {
        let wait = self.world.backoff(races, RACE_BACKOFF);
        self.meter.lost_race(wait);
        self.world.pause(wait);
    }

    /// In ms since the process's beginning.
    pub(crate) fn since_begun(&self) -> u64 {
        self.world.now().saturating_duration_since(self.begun).as_millis() as u64
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
        from_a_new_listing(|| self.try_open())
    }

    fn try_open(&mut self) -> Result<()> {
        let doing = format!("cannot open the Delta table {}", self.uri());
        let snapshot =
            Snapshot::builder_for(self.uri()).build(&self.engine).map_err(|e| kernel_error(&doing, &e))?;
        let mut fresh = self.examine(&snapshot, None)?;
        fresh.held = self.held_in(&snapshot)?;
        if let Some(known) = &self.current
            && known.metadata_id != fresh.metadata_id
        {
            info!("table {} is another one than before: it was dropped and created again", self.uri());
        }
        self.make_current(fresh);
        Ok(())
    }

    fn make_current(&mut self, fresh: Current) {
        self.lease.seen(fresh.held.get(LEASE_APP_ID).copied());
        self.current = Some(fresh);
    }

    /// Of a commit at `now`; none where the table does not have such times.
    pub(crate) fn next_in_commit_timestamp(&self, now: i64) -> Result<Option<i64>> {
        let current = self.current()?;
        let failed =
            |e: delta_kernel::Error| kernel_error(&format!("cannot read the log of {}", self.uri()), &e);
        let engine = current.known.engine(&self.engine).map_err(failed)?;
        let last = current.tip.get_in_commit_timestamp(&engine).map_err(failed)?;
        Ok(last.map(|last| now.max(last + 1)))
    }

    /// Whether there is a log. A folder without one is not a table.
    pub(crate) fn exists(&self) -> Result<bool> {
        let (root, objects) = (root_path(&*self.store)?, self.store.objects());
        self.world.wait(has_log(&*objects, &root, self.store.root()))
    }

    /// Takes from a snapshot what we go by, and refuses tables that we would not write correctly. Reads what is not known.
    fn examine(&self, snapshot: &SnapshotRef, known: Option<Known>) -> Result<Current> {
        let unsupported = |what: String| {
            Error::new(
                Code::TableUnsupported,
                format!("cannot write to the Delta table {}: {what}", self.uri()),
            )
        };
        let metadata = snapshot.table_configuration().metadata();
        let protocol = Protocol::of(snapshot)
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
        let known = known
            .map_or_else(|| Known::of(snapshot, &self.engine), Ok)
            .map_err(|e| kernel_error(&format!("cannot read the log of {}", self.uri()), &e))?;
        let (tip, commits_on) = tip_of(snapshot)
            .and_then(|tip| {
                let commits_on = features::for_transactions(&tip, &protocol)?;
                let committer = Box::new(ClaimCommitter::new(self.store.clone()));
                commits_on.clone().transaction(committer, &known.engine(&self.engine)?)?;
                Ok((tip, commits_on))
            })
            .map_err(|e| unsupported(e.to_string()))?;
        let (metadata_id, seen, held) = (metadata.id().to_owned(), self.world.now(), BTreeMap::new());
        Ok(Current { tip, commits_on, protocol, info, forgets, seen, metadata_id, known, held })
    }

    pub(crate) fn current(&self) -> Result<&Current> {
        self.current.as_ref().ok_or_else(|| replaced(self.uri()))
    }

    /// The `txn` version in the current snapshot, as it stands: a negative one is no offset, see
    /// [`sluice_core::offsets::offset_of`], and yet another than none at all.
    pub fn held(&self, app_id: &str) -> Result<Option<i64>> {
        Ok(self.current()?.held.get(app_id).copied())
    }

    /// Reads every `txn` of a snapshot, all at once: each reading goes through the whole log.
    fn held_in(&self, snapshot: &Snapshot) -> Result<BTreeMap<String, i64>> {
        let doing = format!("cannot read the offsets in the log of {}", self.store.root());
        let failed = |e: delta_kernel::Error| kernel_error(&doing, &e);
        let mut held = BTreeMap::new();
        let log = snapshot.log_segment();
        // The newest come first.
        for batch in log.read_actions(&self.engine, LOG_TXN_SCHEMA.clone()).map_err(failed)? {
            let batch =
                ArrowEngineData::try_from_engine_data(batch.map_err(failed)?.actions).map_err(failed)?;
            let txns = batch.record_batch().column(0).as_struct();
            let (app_ids, versions) =
                (txns.column(0).as_string::<i32>(), txns.column(1).as_primitive::<Int64Type>());
            for row in (0..txns.len()).filter(|row| txns.is_valid(*row)) {
                held.entry(app_ids.value(row).to_owned()).or_insert(versions.value(row));
            }
        }
        Ok(held)
    }

    /// Our own commit of these `txn`s made `snapshot` from what was committed on.
    pub(crate) fn committed(
        &mut self,
        snapshot: Option<SnapshotRef>,
        txns: &[(String, i64)],
        said: Said,
    ) -> Result<()> {
        let doing = format!("cannot go on from the last commit to {}", self.uri());
        let failed = |e: delta_kernel::Error| kernel_error(&doing, &e);
        let (Some(current), Some(snapshot)) = (&mut self.current, snapshot) else {
            return self.advance("").map(|_| ());
        };
        let commits_on = tip_of(&snapshot).map_err(failed)?;
        let same = Arc::ptr_eq(&current.tip, &current.commits_on);
        current.tip = match same {
            true => commits_on.clone(),
            false => configured_as(&commits_on, &current.tip).map_err(failed)?,
        };
        current.commits_on = commits_on;
        current.seen = self.world.now();
        current.held.extend(txns.iter().cloned());
        current.known.add(said.domains, said.in_commit_timestamp);
        Ok(())
    }

    /// Makes the newest version current and tells what happened on the way: whether the commit `ours` is in it.
    pub(crate) fn advance(&mut self, ours: &str) -> Result<Advance> {
        from_a_new_listing(|| self.try_advance(ours))
    }

    fn try_advance(&mut self, ours: &str) -> Result<Advance> {
        let doing = format!("cannot read the log of {}", self.uri());
        let old = self.current()?;
        let (from, metadata_id) = (old.tip.version(), old.metadata_id.clone());
        let snapshot = Snapshot::builder_from(old.tip.clone())
            .build(&self.engine)
            .map_err(|e| kernel_error(&doing, &e))?;
        if snapshot.version() <= from && self.lost(&old.tip)? {
            return Err(replaced(self.uri()));
        }
        let mut advance = Advance::default();
        let mut known = old.known.clone();
        let mut txns = Vec::new();
        let mut metadata_changed = false;
        for version in from + 1..=snapshot.version() {
            let commit = read_commit(&*self.store, &*self.world, version)?;
            if commit.origin.is_some_and(|origin| origin.commit == ours) {
                advance.landed = Some(version);
            }
            txns.extend(commit.txns);
            known.add(commit.domains, commit.info.in_commit_timestamp);
            metadata_changed |= commit.metadata_id.is_some();
            if commit.metadata_id.is_some_and(|id| id != metadata_id) {
                return Err(replaced(self.uri()));
            }
        }
        let mut fresh = self.examine(&snapshot, Some(known))?;
        if metadata_changed {
            info!("another writer changed the metadata of table {}", self.uri());
        }
        fresh.held = self.current.take().map(|old| old.held).unwrap_or_default();
        fresh.held.extend(txns.into_iter().map(|txn| (txn.app_id, txn.version)));
        self.make_current(fresh);
        Ok(advance)
    }

    /// Reads the log on where it was not looked at for long.
    pub(crate) fn look_again(&mut self) -> Result<()> {
        let now = self.world.now();
        if self.current.as_ref().is_none_or(|current| now.duration_since(current.seen) < TRUSTED) {
            return Ok(());
        }
        match self.advance("") {
            // What came after our version may have been cleaned up.
            Err(error) if error.code == Code::StoreIo => self.open(),
            read => read.map(|_| ()),
        }
    }

    /// Whether the last commit that we know is gone. The kernel sees only what comes after it.
    fn lost(&self, tip: &Snapshot) -> Result<bool> {
        let log = &tip.log_segment().listed;
        let Some(last) = &log.latest_commit_file else { return Ok(false) };
        let path = commit_path(&root_path(&*self.store)?, last.version);
        let objects = self.store.objects();
        match self.world.wait(async { objects.head(&path).await }) {
            Ok(_) => Ok(false),
            Err(object_store::Error::NotFound { .. }) => Ok(true),
            Err(e) => Err(store_error(&format!("cannot read the log of {}", self.uri()), &e)),
        }
    }
}

/// Once more where the log looks damaged: what was listed may have been gone or another one when it was read, as when two writers
/// make a checkpoint of the same version, or clean-up goes on.
fn from_a_new_listing<T>(mut read: impl FnMut() -> Result<T>) -> Result<T> {
    match read() {
        Err(error) if error.code == Code::TableCorrupt => read(),
        done => done,
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::future::BoxFuture;
    use serde_json::json;
    use url::Url;

    use super::*;
    use crate::commit::{Attempt, Group};
    use crate::log::Origin;
    use crate::store::{Claim, DataFile, LocalStore, commit_name};
    use crate::world::{Driven, of_tests};

    fn open(folder: &tempfile::TempDir, retention: Option<&str>) -> TableState {
        let store = LocalStore::new(Url::from_directory_path(folder.path()).unwrap()).unwrap();
        open_in(of_tests(), Arc::new(store), retention)
    }

    fn open_in(world: Arc<dyn World>, store: Arc<dyn Store>, retention: Option<&str>) -> TableState {
        let mut state = TableState::new(store, world);
        let field = json!({"name": "v", "type": "long", "nullable": true, "metadata": {}});
        let schema = Schema::parse(&json!({"type": "struct", "fields": [field]}).to_string()).unwrap();
        let mut spec = Spec { schema: Some(schema), auto_create: true, ..Spec::default() };
        if let Some(retention) = retention {
            spec.properties.insert("delta.setTransactionRetentionDuration".into(), retention.into());
        }
        state.load(&spec, vec![]).unwrap();
        state
    }

    fn commit(state: &mut TableState, txns: &[(&str, i64)]) {
        let origin = Origin { commit: state.world.uuid().to_string(), units: vec![], alterations: vec![] };
        let txns: Vec<_> = txns.iter().map(|(app_id, version)| ((*app_id).to_owned(), *version)).collect();
        assert!(matches!(state.claim("TEST", origin, &[], &txns), Attempt::Landed(_)));
    }

    /// What is kept is copied for each commit.
    #[test]
    fn what_is_kept_of_the_log_does_not_grow_with_the_commits() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = open(&folder, None);
        let kept = |state: &TableState| {
            let current = state.current().unwrap();
            let commits = |snapshot: &Snapshot| snapshot.log_segment().listed.ascending_commit_files.len();
            (commits(&current.tip), commits(&current.commits_on))
        };
        for version in 1..=20 {
            commit(&mut state, &[("a", version)]);
            assert_eq!(kept(&state), (1, 1));
        }
        assert_eq!(kept(&open(&folder, None)), (1, 1));
        let protocol = json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 4}}).to_string();
        assert_eq!(state.store.claim(21, protocol.as_bytes()), Ok(Claim::Won));
        state.advance("").unwrap();
        for version in 22..=30 {
            commit(&mut state, &[("a", version)]);
            assert_eq!(kept(&state), (1, 1));
        }
        let current = state.current().unwrap();
        assert_eq!(
            (current.tip.version(), current.protocol.clone()),
            (30, Protocol::of(&current.tip).unwrap())
        );
    }

    #[test]
    fn held_is_what_the_log_has_last_expired_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = open(&folder, Some("interval 1 milliseconds"));
        commit(&mut state, &[("a", 1), ("b", 5)]);
        commit(&mut state, &[("a", 2), ("c", -1)]);
        let mut other = open(&folder, None);
        commit(&mut other, &[("b", 6)]);
        state.advance("").unwrap();
        state.world.pause(std::time::Duration::from_millis(5));
        for state in [&state, &other, &open(&folder, None)] {
            let held = ["a", "b", "c", "d"].map(|app_id| state.held(app_id).unwrap());
            assert_eq!(held, [Some(2), Some(6), Some(-1), None]);
        }
    }

    #[test]
    fn a_younger_table_in_the_place_of_ours_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = open(&folder, None);
        commit(&mut state, &[("a", 1)]);
        state.advance("").unwrap();
        std::fs::remove_dir_all(folder.path().join("_delta_log")).unwrap();
        assert_eq!(state.advance("").unwrap_err().code, Code::TableReplaced);
        open(&folder, None);
        assert_eq!(state.advance("").unwrap_err().code, Code::TableReplaced);
    }

    /// As an object store is: what stands before a version does not matter.
    struct Careless(LocalStore);

    impl Store for Careless {
        fn root(&self) -> &Url {
            self.0.root()
        }

        fn objects(&self) -> Arc<dyn object_store::ObjectStore> {
            self.0.objects()
        }

        fn prepare(&self) -> Result<()> {
            self.0.prepare()
        }

        fn create(&self, name: &str) -> Result<Box<dyn DataFile>> {
            self.0.create(name)
        }

        fn replace(&self, name: &str) -> Result<Box<dyn DataFile>> {
            self.0.replace(name)
        }

        fn delete(&self, name: &str) -> Result<()> {
            self.0.delete(name)
        }

        fn claim(&self, version: u64, commit: &[u8]) -> Result<Claim> {
            let path = self.root().to_file_path().unwrap().join(commit_name(version));
            let Ok(mut file) = std::fs::File::create_new(path) else { return Ok(Claim::Taken) };
            std::io::Write::write_all(&mut file, commit).unwrap();
            Ok(Claim::Won)
        }
    }

    #[derive(Debug)]
    struct LongAfter {
        world: Arc<dyn World>,
        is_now: AtomicBool,
    }

    impl World for LongAfter {
        fn now(&self) -> Instant {
            self.world.now() + if self.is_now.load(Ordering::Relaxed) { TRUSTED } else { Duration::ZERO }
        }

        fn epoch_millis(&self) -> i64 {
            self.world.epoch_millis()
        }

        fn random(&self) -> u128 {
            self.world.random()
        }

        fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
            self.world.sleep(time)
        }

        fn spawn(&self, future: BoxFuture<'static, ()>) {
            self.world.spawn(future);
        }

        fn run(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
            self.world.run(work)
        }

        fn drive(&self, future: Driven<'_>) {
            self.world.drive(future);
        }
    }

    /// Its commit would land where nobody reads it.
    #[test]
    fn a_version_that_was_cleaned_up_is_not_claimed_after_a_long_rest() {
        let folder = tempfile::tempdir().unwrap();
        let local = LocalStore::new(Url::from_directory_path(folder.path()).unwrap()).unwrap();
        let world = Arc::new(LongAfter { world: of_tests(), is_now: AtomicBool::new(false) });
        let mut other = open(&folder, None);
        let mut state = open_in(world.clone(), Arc::new(Careless(local)), None);
        (1..=4).for_each(|version| commit(&mut other, &[("a", version)]));
        let snapshot = Snapshot::builder_for(other.uri()).build(&other.engine).unwrap();
        snapshot.checkpoint(&other.engine, None).unwrap();
        (0..=3).for_each(|version| std::fs::remove_file(folder.path().join(commit_name(version))).unwrap());
        world.is_now.store(true, Ordering::Relaxed);
        state.commit(&mut Group::new(state.world.uuid(), vec![])).unwrap();
        assert_eq!((state.current().unwrap().tip.version(), state.held("a").unwrap()), (4, Some(4)));
        commit(&mut state, &[("a", 5)]);
        other.advance("").unwrap();
        assert_eq!(other.held("a").unwrap(), Some(5));
    }
}
