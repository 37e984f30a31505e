//! A client of schema registries: schemas as texts, by the ids that records name them by. It knows nothing of what the texts say.

mod access;
mod apicurio;
mod cache;
mod confluent;
mod gate;
mod hosts;
mod http;
mod references;
mod shared;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use sluice_core::settings::RegistrySettings;
use sluice_core::{Error, Result};
use tokio::runtime::Handle;

use cache::Next;
use shared::{Shared, Timing};

/// What a record names its schema by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaKey {
    /// The four bytes of Confluent's framing.
    Id(u32),
    /// Of a version of an artifact in Apicurio.
    GlobalId(u64),
    /// Of a content in Apicurio, which several versions may share.
    ContentId(u64),
    /// The UUID in Confluent's header.
    Guid([u8; 16]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaType {
    Avro,
    Protobuf,
    Json,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Fetched {
    pub schema_type: SchemaType,
    pub text: String,
    /// What the text refers to, and what that refers to: each once, and after all that it refers to itself.
    pub references: Vec<Reference>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// As the text that refers to it names it: an Avro type's full name, a `.proto` file's path, the value of a `$ref`.
    pub name: String,
    pub text: String,
}

#[derive(Debug, Clone)]
pub enum Lookup {
    Known(Arc<Fetched>),
    /// It is being fetched; see [`Registry::pending_reason`].
    Pending,
    /// The registry has no such schema, or one that cannot be used. The message names both.
    Unknown(String),
    /// Asking again is of no use: access is denied, or what answers is no registry.
    Refused(Error),
}

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

    /// Never waits: the first call starts to fetch the schema, later ones find what came of it. It is tried again for as long as
    /// somebody calls this.
    pub fn get(&self, key: &SchemaKey) -> Lookup {
        match locked(&self.shared.cache).look(key, Instant::now()) {
            Next::Answer(lookup) => lookup,
            Next::Fetch => {
                self.runtime.spawn(shared::fetch(self.shared.clone(), *key));
                Lookup::Pending
            }
        }
    }

    /// Why a schema that is [`Lookup::Pending`] is not there yet, where something went wrong.
    pub fn pending_reason(&self, key: &SchemaKey) -> Option<String> {
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

impl fmt::Display for SchemaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaKey::Id(id) => write!(f, "id {id}"),
            SchemaKey::GlobalId(id) => write!(f, "global id {id}"),
            SchemaKey::ContentId(id) => write!(f, "content id {id}"),
            SchemaKey::Guid(bytes) => write!(f, "GUID {}", guid(bytes)),
        }
    }
}

fn guid(bytes: &[u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

impl SchemaType {
    /// As both kinds of registry name it.
    fn named(name: &str) -> Option<SchemaType> {
        match name {
            "AVRO" => Some(SchemaType::Avro),
            "PROTOBUF" => Some(SchemaType::Protobuf),
            "JSON" => Some(SchemaType::Json),
            _ => None,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
