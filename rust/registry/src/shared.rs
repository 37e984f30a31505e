//! What the calls of [`crate::Registry`] and the fetching in the background have in common.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sluice_core::settings::{RegistryApi, RegistrySettings};
use sluice_core::{Error, Result};
use tokio::time::sleep;

use crate::cache::{Cache, Limits, Outcome};
use crate::gate::Pauses;
use crate::hosts::Hosts;
use crate::{Fetched, SchemaKey, apicurio, confluent, locked};

#[derive(Debug, Clone, Copy)]
pub struct Timing {
    pub limits: Limits,
    pub pauses: Pauses,
    /// When the registry has no such schema, it is asked once more after this: a replica of it may lag behind.
    pub ask_again_after: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let ask_again_after = Duration::from_secs(1);
        Timing { limits: Limits::default(), pauses: Pauses::default(), ask_again_after }
    }
}

pub struct Shared {
    pub cache: Mutex<Cache>,
    pub hosts: Hosts,
    api: RegistryApi,
    ask_again_after: Duration,
    /// Nobody holds the registry any longer.
    pub abandoned: AtomicBool,
}

/// Why there is no schema.
#[derive(Debug)]
pub enum Failure {
    /// The registry has none, or one that cannot be used.
    Absent(String),
    Refused(Error),
    /// Nobody wants it any longer.
    Abandoned,
}

/// Who asks the registry.
pub struct Asking<'a> {
    shared: &'a Shared,
    key: SchemaKey,
    /// How many hosts to pass over when choosing the first one.
    pub pass_over: usize,
}

impl Shared {
    pub fn new(settings: RegistrySettings, timing: Timing) -> Result<Shared> {
        let api = settings.api;
        Ok(Shared {
            cache: Mutex::new(Cache::new(timing.limits)),
            hosts: Hosts::new(settings, timing.pauses)?,
            api,
            ask_again_after: timing.ask_again_after,
            abandoned: AtomicBool::new(false),
        })
    }

    async fn ask(&self, key: SchemaKey, pass_over: usize) -> Result<Fetched, Failure> {
        let asking = Asking { shared: self, key, pass_over };
        let fetched = match self.api {
            RegistryApi::Confluent => confluent::fetch(&self.hosts, &key, &asking).await,
            RegistryApi::Apicurio => apicurio::fetch(&self.hosts, &key, &asking).await,
        };
        let named = key.to_string();
        fetched.map_err(|failure| match failure {
            Failure::Absent(why) if !why.contains(&named) => {
                Failure::Absent(format!("schema with {named}: {why}"))
            }
            other => other,
        })
    }
}

impl Asking<'_> {
    pub fn is_wanted(&self) -> bool {
        !self.shared.abandoned.load(Ordering::Relaxed)
            && locked(&self.shared.cache).is_wanted(&self.key, Instant::now())
    }

    /// What keeps the schema away for now.
    pub fn note(&self, why: &str) {
        locked(&self.shared.cache).note(&self.key, why);
    }
}

/// Fetches one schema, however long it takes.
pub async fn fetch(shared: Arc<Shared>, key: SchemaKey) {
    let mut settling = Settling { shared: &shared, key, outcome: Outcome::Abandoned };
    let mut answer = shared.ask(key, 0).await;
    if matches!(answer, Err(Failure::Absent(_))) {
        sleep(shared.ask_again_after).await;
        answer = shared.ask(key, 1).await;
    }
    settling.outcome = match answer {
        Ok(fetched) => Outcome::Known(fetched),
        Err(Failure::Absent(message)) => Outcome::Unknown(message),
        Err(Failure::Refused(error)) => Outcome::Refused(error),
        Err(Failure::Abandoned) => Outcome::Abandoned,
    };
}

/// No schema stays pending that nobody fetches, be it because of a panic.
struct Settling<'a> {
    shared: &'a Shared,
    key: SchemaKey,
    outcome: Outcome,
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::Abandoned);
        locked(&self.shared.cache).settle(&self.key, outcome, Instant::now());
    }
}
