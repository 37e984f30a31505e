//! Trying what the settings name: files, stores, the lock table, the schema registry. Nothing is written.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use serde::Serialize;
use sluice_core::settings::declare::{REGISTRY_URL, TABLE_URI};
use sluice_core::settings::{SettingError, Settings};
use sluice_core::{Code, Error};
use sluice_delta::store::{Clients, Part, Trouble};
use sluice_registry::probe;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::Given;
use crate::blame::{blamed, way};
use crate::files::{File, files, read};
use crate::places::{Place, places};
use crate::rules::uncreatable;

/// For all that is tried together.
pub const LIMIT: Duration = Duration::from_secs(8);
/// A request of a client that nobody waits for any more ends soon.
const LONGEST_CONNECT: Duration = Duration::from_secs(4);

#[derive(Debug, Default)]
pub struct Reach {
    pub errors: Vec<SettingError>,
    /// In the order in which they are told.
    pub tried: Vec<Tried>,
}

/// Something that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    pub thing: Thing,
    pub name: String,
    pub ok: bool,
    /// What is worth knowing of it.
    pub told: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thing {
    File,
    Store,
    Registry,
}

impl Thing {
    pub fn name(self) -> &'static str {
        match self {
            Thing::File => "file",
            Thing::Store => "store",
            Thing::Registry => "registry",
        }
    }
}

/// Ends within [`LIMIT`].
pub async fn reach(settings: &Settings, given: &Given, runtime: &Handle) -> Reach {
    let until = Instant::now() + LIMIT;
    let clients = Arc::new(Clients::for_a_look(runtime.clone()));
    let mut trials: Vec<BoxFuture<'_, Trial>> = Vec::new();
    for file in files(settings, given) {
        trials.push(Box::pin(try_file(file, settings.clone(), runtime, until)));
    }
    for place in places(settings, given) {
        trials.push(Box::pin(try_place(place, settings, clients.clone(), runtime, until)));
    }
    if settings.registry.is_some() {
        trials.push(Box::pin(try_registry(settings, until)));
    }
    let mut reach = Reach::default();
    for trial in join_all(trials).await {
        reach.tried.push(trial.tried);
        // What keeps all tables of a store away is told once.
        let is_new = |error: &SettingError| {
            let same = |known: &SettingError| known.key == error.key && known.code == error.code;
            error.code == Code::TableMissing || !reach.errors.iter().any(same)
        };
        if let Some(error) = trial.error.filter(is_new) {
            reach.errors.push(error);
        }
    }
    if reach.tried.iter().all(|tried| tried.ok || tried.thing != Thing::File) {
        let mut whole = settings.clone();
        if whole.read_schema_files(|path| read(path)).is_ok() {
            reach.errors.extend(uncreatable(&whole, given, runtime));
        }
    }
    reach
}

struct Trial {
    tried: Tried,
    error: Option<SettingError>,
}

impl Trial {
    fn new(thing: Thing, name: String, outcome: Result<Option<&'static str>, (String, Error)>) -> Trial {
        let (told, error) = match outcome {
            Ok(told) => (told, None),
            Err((key, error)) => (None, Some(SettingError { key, code: error.code, message: error.message })),
        };
        Trial { tried: Tried { thing, name, ok: error.is_none(), told }, error }
    }
}

/// `late`: the error when there is no answer in time.
async fn in_time<T>(
    until: Instant,
    work: impl Future<Output = Result<T, (String, Error)>>,
    late: impl FnOnce() -> (String, Code),
) -> Result<T, (String, Error)> {
    timeout_at(until, work).await.unwrap_or_else(|_| {
        let (key, code) = late();
        Err((key, Error::new(code, format!("no answer within {} s", LIMIT.as_secs()))))
    })
}

async fn try_file(file: File, settings: Settings, runtime: &Handle, until: Instant) -> Trial {
    let name = file.path.display().to_string();
    let key = file.key.clone();
    let work = async {
        let checked = runtime.spawn_blocking(move || file.check(&settings)).await;
        checked.unwrap_or_else(|e| Err(panicked(&e))).map_err(|error| (key.clone(), error))
    };
    let outcome = in_time(until, work, || (key.clone(), Code::ConfigInvalid)).await;
    Trial::new(Thing::File, name, outcome.map(|()| None))
}

async fn try_place(
    place: Place,
    settings: &Settings,
    clients: Arc<Clients>,
    runtime: &Handle,
    until: Instant,
) -> Trial {
    let mut store = settings.store.clone();
    store.connect_timeout = store.connect_timeout.min(LONGEST_CONNECT);
    store.request_timeout = store.request_timeout.min(LIMIT);
    let Place { uri, table } = place;
    let opening = {
        let (uri, store) = (uri.clone(), store.clone());
        move || clients.looking(&uri, &store)
    };
    let work = async {
        let look = async {
            let opened = runtime.spawn_blocking(opening).await;
            let failed = |e| Err(Trouble { part: Part::Client, error: panicked(&e) });
            opened.unwrap_or_else(failed)?.look().await
        };
        look.await.map_err(|trouble| (blamed(&trouble, &uri, &store).to_owned(), trouble.error))
    };
    let late = || (way(&uri, &store).to_owned(), Code::StoreIo);
    let outcome = in_time(until, work, late).await.and_then(|is_there| match &table {
        None => Ok(Some("which tables, only the records tell")),
        Some(_) if is_there => Ok(Some("the table is there")),
        Some(table) if settings.of_table(table).auto_create => Ok(Some("the table will be created")),
        Some(_) => {
            let message = format!("no Delta table at {uri}: create it, or set delta.table.auto.create=true");
            Err((TABLE_URI.to_owned(), Error::new(Code::TableMissing, message)))
        }
    });
    Trial::new(Thing::Store, uri, outcome)
}

async fn try_registry(settings: &Settings, until: Instant) -> Trial {
    let Some(registry) = &settings.registry else {
        return Trial::new(Thing::Registry, String::new(), Ok(None));
    };
    let urls: Vec<_> = registry.urls.iter().map(|url| url.url.as_str()).collect();
    let work = async { probe(registry).await.map_err(|(key, error)| (key.to_owned(), error)) };
    let outcome = in_time(until, work, || (REGISTRY_URL.to_owned(), Code::RegistryPending)).await;
    Trial::new(Thing::Registry, urls.join(", "), outcome.map(|()| None))
}

fn panicked(error: &tokio::task::JoinError) -> Error {
    Error::new(Code::NativePanic, error.to_string())
}
