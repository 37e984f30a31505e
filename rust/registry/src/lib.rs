//! A client of schema registries: schemas as texts, by the ids that records name them by. It knows nothing of what the texts say.

mod access;
mod apicurio;
mod cache;
mod confluent;
mod gate;
mod hosts;
mod http;
mod probe;
mod references;
mod shared;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use sluice_core::Result;
pub use sluice_core::raw::{Fetched, Lookup, Reference, SchemaKey, SchemaType, Schemas};
use sluice_core::settings::RegistrySettings;
use tokio::runtime::Handle;

use cache::Next;
pub use probe::probe;
use shared::{Shared, Timing};

/// The client of one registry, for all tasks of a process.
pub struct Registry {
    shared: Arc<Shared>,
    runtime: Handle,
}

impl Registry {
    /// Asks nothing yet; reads the files of certificates.
    pub fn new(settings: RegistrySettings, runtime: Handle) -> Result<Arc<Registry>> {
        Registry::with_timing(settings, runtime, Timing::default())
    }

    fn with_timing(settings: RegistrySettings, runtime: Handle, timing: Timing) -> Result<Arc<Registry>> {
        Ok(Arc::new(Registry { shared: Arc::new(Shared::new(settings, timing)?), runtime }))
    }
}

impl Schemas for Registry {
    /// The first call starts to fetch the schema, later ones find what came of it. It is tried again for as long as somebody
    /// calls this.
    fn get(&self, key: &SchemaKey) -> Lookup {
        match locked(&self.shared.cache).look(key, Instant::now()) {
            Next::Answer(lookup) => lookup,
            Next::Fetch => {
                self.runtime.spawn(shared::fetch(self.shared.clone(), *key));
                Lookup::Pending
            }
        }
    }

    fn pending_reason(&self, key: &SchemaKey) -> Option<String> {
        let reason = locked(&self.shared.cache).reason(key)?;
        reason.or_else(|| self.shared.hosts.outage())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Relaxed);
    }
}

/// The registries of a process: equal settings share one for as long as a task holds it.
pub struct Registries {
    runtime: Handle,
    known: Mutex<HashMap<RegistrySettings, Weak<Registry>>>,
}

impl Registries {
    pub fn new(runtime: Handle) -> Registries {
        Registries { runtime, known: Mutex::default() }
    }

    pub fn of(&self, settings: &RegistrySettings) -> Result<Arc<Registry>> {
        let mut known = locked(&self.known);
        if let Some(registry) = known.get(settings).and_then(Weak::upgrade) {
            return Ok(registry);
        }
        let registry = Registry::new(settings.clone(), self.runtime.clone())?;
        known.retain(|_, registry| registry.strong_count() > 0);
        known.insert(settings.clone(), Arc::downgrade(&registry));
        Ok(registry)
    }
}

/// As both kinds of registry name it.
fn schema_type(name: &str) -> Option<SchemaType> {
    match name {
        "AVRO" => Some(SchemaType::Avro),
        "PROTOBUF" => Some(SchemaType::Protobuf),
        "JSON" => Some(SchemaType::Json),
        _ => None,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
