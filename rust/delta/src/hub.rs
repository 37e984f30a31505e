//! All tables of a process. The tasks that write one table share its state, and their units meet in one commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_core::error::Result;
use sluice_core::schema::Schema;
use sluice_core::settings::{Settings, StoreSettings, TableSettings};
use sluice_core::table::TableInfo;
use sluice_core::task::Tables;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use crate::commit::Submission;
use crate::handle::{DeltaTable, Writing};
use crate::store::{Clients, Store};
use crate::table::{Loaded, Spec, TableState};

/// How many tables of a process are loaded or committed to at once.
const TABLES_AT_WORK: usize = 16;

/// How long a unit waits for those of other tasks: all tasks of a process put up their units at the same moments.
const GROUP_LINGER: Duration = Duration::from_millis(10);

pub(crate) type EvolveReply = Box<dyn FnOnce(Result<Arc<TableInfo>>) + Send>;
pub(crate) type LoadReply = Box<dyn FnOnce(Result<Loaded>) + Send>;

pub(crate) enum Request {
    Load { spec: Spec, app_ids: Vec<String>, reply: LoadReply },
    Evolve { spec: Spec, wanted: Schema, reply: EvolveReply },
    Commit(Submission),
}

/// The store of a table, by its URI.
pub type Stores = Box<dyn Fn(&str, &StoreSettings) -> Result<Arc<dyn Store>> + Send + Sync>;

pub struct Hub {
    runtime: Handle,
    stores: Stores,
    tables: Mutex<HashMap<(String, StoreSettings), mpsc::WeakUnboundedSender<Request>>>,
    /// Bounds how many threads encode at once.
    encoders: Arc<Semaphore>,
    /// Bounds how many threads wait for stores at once.
    tables_at_work: Arc<Semaphore>,
}

impl Hub {
    pub fn new(runtime: Handle, encoders: usize) -> Arc<Self> {
        let clients = Clients::new(runtime.clone());
        Hub::with_stores(runtime, encoders, Box::new(move |uri, settings| clients.store(uri, settings)))
    }

    pub fn with_stores(runtime: Handle, encoders: usize, stores: Stores) -> Arc<Self> {
        Arc::new(Hub {
            runtime,
            stores,
            tables: Mutex::default(),
            encoders: Arc::new(Semaphore::new(encoders)),
            tables_at_work: Arc::new(Semaphore::new(TABLES_AT_WORK)),
        })
    }

    /// The way to a table, shared with every task that has it open. Ends when the last of them lets go.
    fn requests(&self, uri: &str, settings: &StoreSettings) -> Result<mpsc::UnboundedSender<Request>> {
        let key = (uri.to_owned(), settings.clone());
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = tables.get(&key).and_then(|weak| weak.upgrade()).filter(|open| !open.is_closed())
        {
            return Ok(open);
        }
        let state = TableState::new((self.stores)(uri, settings)?, self.runtime.clone());
        let (sender, receiver) = mpsc::unbounded_channel();
        self.runtime.spawn(serve(state, receiver, self.tables_at_work.clone()));
        tables.retain(|_, weak| weak.strong_count() > 0);
        tables.insert(key, sender.downgrade());
        Ok(sender)
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

    fn open(&mut self, uri: &str, settings: &Arc<TableSettings>) -> DeltaTable {
        match Spec::of(settings) {
            Ok(spec) => self.open_as(uri, spec),
            Err(error) => DeltaTable::failed(error),
        }
    }
}

impl TaskTables {
    pub fn open_as(&mut self, uri: &str, spec: Spec) -> DeltaTable {
        let settings = &self.settings.store;
        let opened = (self.hub.stores)(uri, settings).and_then(|store| {
            let writing = Writing {
                store,
                compression: self.settings.compression,
                target_bytes: self.settings.target_file_bytes,
                connector: self.settings.connector.clone(),
                task: self.settings.task.clone(),
            };
            Ok((writing, self.hub.requests(uri, settings)?))
        });
        match opened {
            Ok((writing, requests)) => {
                DeltaTable::start(&self.hub.runtime, self.hub.encoders.clone(), writing, spec, requests)
            }
            Err(error) => DeltaTable::failed(error),
        }
    }
}

/// Serves one table, one request after the other, on blocking threads; units that are ready together go together.
async fn serve(
    mut state: TableState,
    mut requests: mpsc::UnboundedReceiver<Request>,
    at_work: Arc<Semaphore>,
) {
    while let Some(first) = requests.recv().await {
        if matches!(first, Request::Commit(_)) {
            tokio::time::sleep(GROUP_LINGER).await;
        }
        let Ok(permit) = at_work.clone().acquire_owned().await else { return };
        let mut ready = vec![first];
        while let Ok(request) = requests.try_recv() {
            ready.push(request);
        }
        let served = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut units = Vec::new();
            for request in ready {
                match request {
                    Request::Load { spec, app_ids, reply } => reply(state.load(&spec, app_ids)),
                    Request::Evolve { spec, wanted, reply } => reply(state.evolve(&spec, &wanted)),
                    Request::Commit(submission) => units.push(submission),
                }
            }
            state.commit(units);
            state
        });
        match served.await {
            Ok(back) => state = back,
            // The panic hook has reported it; tasks learn it from their replies being dropped.
            Err(_) => return,
        }
    }
}
