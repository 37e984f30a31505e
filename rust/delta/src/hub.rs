//! All tables of a process. The tasks that write one table share its state, and their units meet in one commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sluice_core::error::Result;
use sluice_core::metrics::{BUDGET, BUDGET_HELD, Samples};
use sluice_core::settings::{Settings, StoreSettings, TableSettings};
use sluice_core::task::Tables;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use crate::budget::{Budget, Room};
use crate::coming::Coming;
use crate::encoders::{self, Encoders};
use crate::fail_point::FailPoint;
use crate::handle::{DeltaTable, Writing};
use crate::maintain::Maintained;
use crate::maintain::duties::{Duties, Wanted};
use crate::maintain::keep::{AtWork, Keeper, Wishes};
use crate::measure::{Requests, table_samples};
use crate::outage::Outage;
use crate::serve::{Request, Service, serve};
use crate::store::{Clients, Store};
use crate::table::{Spec, TableState};
use crate::world::{Tokio, World};

/// How many tables of a process are loaded or committed to at once.
const TABLES_AT_WORK: usize = 16;
/// Threads for work that waits for no other: reads of a local file system, look-ups of hosts.
const THREADS_FOR_READS: usize = 16;
/// What part of the commit interval a unit waits for those of other tasks at most, and never longer than so.
const LINGER_PART: u32 = 4;
const LINGER: Duration = Duration::from_millis(500);

/// How many threads for work that blocks a process needs, however many tables it has. What serves a table, or encodes for one,
/// waits for smaller work that needs a thread, too; semaphores bound it, so that some threads are always left for the smaller work,
/// which ends by itself. With fewer threads all could wait for one.
pub const BLOCKING_THREADS: usize = TABLES_AT_WORK + encoders::THREADS + AtWork::THREADS + THREADS_FOR_READS;

/// The store of a table, by its URI.
pub type Stores = Box<dyn Fn(&str, &StoreSettings) -> Result<Arc<dyn Store>> + Send + Sync>;

pub struct Hub {
    world: Arc<dyn World>,
    begun: Instant,
    stores: Stores,
    requests: Arc<Requests>,
    budget: Arc<Budget>,
    tables: Mutex<HashMap<(String, StoreSettings), Known>>,
    encoders: Encoders,
    /// Bounds how many threads wait for stores at once.
    tables_at_work: Arc<Semaphore>,
    maintained: AtWork,
}

/// A table that is open, or that has worked.
struct Known {
    requests: mpsc::WeakUnboundedSender<Request>,
    outage: Arc<Outage>,
    coming: Coming,
    wishes: Wishes,
}

impl Hub {
    pub fn new(runtime: Handle, encoders: usize, budget: Arc<Budget>) -> Arc<Self> {
        Hub::in_world(Tokio::world(runtime), encoders, budget)
    }

    pub fn in_world(world: Arc<dyn World>, encoders: usize, budget: Arc<Budget>) -> Arc<Self> {
        let requests = Requests::new(world.clone());
        let clients = Clients::in_world(world.clone(), budget.clone(), requests.clone());
        let stores = Box::new(move |uri: &str, settings: &_| clients.store(uri, settings));
        Hub::of(world, encoders, budget, stores, requests)
    }

    pub fn with_stores(
        world: Arc<dyn World>,
        encoders: usize,
        budget: Arc<Budget>,
        stores: Stores,
    ) -> Arc<Self> {
        let requests = Requests::new(world.clone());
        Hub::of(world, encoders, budget, stores, requests)
    }

    fn of(
        world: Arc<dyn World>,
        encoders: usize,
        budget: Arc<Budget>,
        stores: Stores,
        requests: Arc<Requests>,
    ) -> Arc<Self> {
        Arc::new(Hub {
            begun: world.now(),
            world,
            stores,
            requests,
            budget,
            tables: Mutex::default(),
            encoders: Encoders::new(encoders),
            tables_at_work: Arc::new(Semaphore::new(TABLES_AT_WORK)),
            maintained: AtWork::default(),
        })
    }

    /// The memory that rows of all tables share.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// What the process measures here, of the tables those that are open.
    pub fn samples(&self) -> Samples {
        let mut samples = Samples::default();
        samples.add(&BUDGET, &[], self.budget.limit() as u64);
        samples.add(&BUDGET_HELD, &[], self.budget.held() as u64);
        self.requests.samples(&mut samples);
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let open = tables.iter().filter(|(_, known)| known.requests.strong_count() > 0);
        let meters: Vec<_> =
            open.map(|((uri, _), known)| (uri.as_str(), known.outage.meter().clone())).collect();
        let now = self.world.now().saturating_duration_since(self.begun);
        table_samples(&meters, now.as_millis() as u64, &mut samples);
        samples
    }

    pub(crate) fn world(&self) -> &dyn World {
        &*self.world
    }

    /// The way to a table, shared with every task that has it open. Ends when the last of them lets go. `wanted`: what a task that
    /// opens it wants of its upkeep.
    pub(crate) fn requests(
        &self,
        uri: &str,
        settings: &StoreSettings,
        wanted: Option<Wanted>,
    ) -> Result<Service> {
        let key = (uri.to_owned(), settings.clone());
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tables.get(&key);
        if let (Some(known), Some(wanted)) = (known, &wanted) {
            *known.wishes.lock().unwrap_or_else(PoisonError::into_inner) = wanted.clone();
        }
        if let Some(known) = known
            && let Some(requests) = known.requests.upgrade().filter(|open| !open.is_closed())
        {
            return Ok(Service { requests, outage: known.outage.clone(), coming: known.coming.clone() });
        }
        let outage = known.map_or_else(|| Outage::of(self.world.clone(), uri), |known| known.outage.clone());
        let store = (self.stores)(uri, settings)?;
        let state = TableState::new(store.clone(), self.world.clone());
        let state = state.measured_by(outage.meter().clone(), self.begun);
        let (requests, receiver) = mpsc::unbounded_channel();
        let wishes = Arc::new(Mutex::new(wanted.unwrap_or_default()));
        let keeper = Keeper {
            world: self.world.clone(),
            wishes: wishes.clone(),
            lease: state.lease.clone(),
            at_work: self.maintained.clone(),
            encoders: self.encoders.clone(),
            duties: Arc::new(Duties::new(
                Maintained::new(store, self.world.clone()),
                self.budget.clone(),
                outage.meter().clone(),
                requests.downgrade(),
            )),
        };
        self.world.spawn(Box::pin(keeper.keep(state.made.subscribe())));
        let (at_work, coming) = (self.tables_at_work.clone(), Coming::default());
        self.world.spawn(Box::pin(serve(state, receiver, at_work, outage.clone(), coming.clone())));
        tables.retain(|_, known| known.requests.strong_count() > 0 || known.outage.worked());
        let known =
            Known { requests: requests.downgrade(), outage: outage.clone(), coming: coming.clone(), wishes };
        tables.insert(key, known);
        Ok(Service { requests, outage, coming })
    }

    /// Of the steps that a task's driver takes.
    pub fn reached(&self, point: FailPoint) {
        self.world.reached(point);
    }

    /// The tables of one task.
    pub fn tables_for(self: &Arc<Self>, settings: &Settings) -> TaskTables {
        TaskTables { hub: self.clone(), settings: settings.clone() }
    }
}

/// [`Tables`] on a [`Hub`].
pub struct TaskTables {
    hub: Arc<Hub>,
    settings: Settings,
}

impl Tables for TaskTables {
    type Table = DeltaTable;
    type Room = Room;

    fn open(&mut self, uri: &str, settings: &Arc<TableSettings>) -> DeltaTable {
        match Spec::of(settings) {
            Ok(spec) => self.open_as(uri, spec),
            Err(error) => DeltaTable::failed(error),
        }
    }

    fn room(&self, bytes: u64) -> Option<Room> {
        self.hub.budget.room(usize::try_from(bytes).unwrap_or(usize::MAX))
    }
}

impl TaskTables {
    pub fn open_as(&mut self, uri: &str, spec: Spec) -> DeltaTable {
        let settings = &self.settings.store;
        let opened = (self.hub.stores)(uri, settings).and_then(|store| {
            let (compression, commit_interval) = (self.settings.compression, self.settings.commit_interval);
            let wanted = Wanted { maintenance: spec.maintenance.clone(), compression, commit_interval };
            let service = self.hub.requests(uri, settings, Some(wanted))?;
            let writing = Writing {
                world: self.hub.world.clone(),
                store,
                compression: self.settings.compression,
                target_bytes: self.settings.target_file_bytes,
                connector: self.settings.connector.clone(),
                task: self.settings.task.clone(),
                patience: self.settings.store_retry_timeout,
                linger: (self.settings.commit_interval / LINGER_PART).min(LINGER),
                other_connectors: self.settings.other_connectors,
            };
            Ok((writing, service))
        });
        match opened {
            Ok((writing, service)) => {
                let (encoders, share) = (self.hub.encoders.clone(), self.hub.budget.share());
                DeltaTable::start(encoders, writing, share, spec, service)
            }
            Err(error) => DeltaTable::failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::LazyLock;

    use sluice_core::task::{Event, Table};
    use tokio::runtime::Runtime;

    use super::*;

    /// Never dropped, which would wait for its threads for ever.
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(1).max_blocking_threads(BLOCKING_THREADS).enable_all().build().unwrap()
    });

    /// On a local file system, where each read needs a thread besides the one that waits for it.
    #[test]
    fn any_number_of_tables_makes_do_with_few_threads() {
        let folder = tempfile::tempdir().unwrap();
        let root = format!("file://{}", folder.path().display());
        let settings = [("name", "k"), ("delta.table.uri", &root), ("delta.table.auto.create", "true")];
        let settings: BTreeMap<_, _> = settings.map(|(key, value)| (key.into(), value.into())).into();
        let hub = Hub::new(RUNTIME.handle().clone(), 1, Budget::unlimited());
        let settings = Settings::parse(&settings).unwrap();
        let mut of_task = hub.tables_for(&settings);
        let mut tables: Vec<_> = (0..200)
            .map(|table| {
                let mut table = of_task.open(&format!("{root}/{table}/"), settings.of_table("t"));
                table.load(vec!["a".into()]);
                table
            })
            .collect();
        let end = hub.world.now() + Duration::from_secs(60);
        for table in &mut tables {
            let event = loop {
                if let Some(event) = table.poll() {
                    break event;
                }
                assert!(hub.world.now() < end, "nothing goes on any more");
                hub.world.pause(Duration::from_millis(5));
            };
            assert!(matches!(event, Event::Loaded { .. }), "{event:?}");
        }
    }
}
