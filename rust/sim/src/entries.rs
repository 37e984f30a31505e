//! The lock table in DynamoDB, as one process sees it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use sluice_core::{Code, Error, Result};
use sluice_delta::store::{Entries, Entry};

use crate::machine::ProcessId;
use crate::net::{Effect, Net};

/// How long a complete entry stays, in seconds.
const TTL: u64 = 86_400;

type Items = Arc<Mutex<BTreeMap<(String, u64), Entry>>>;

#[derive(Clone, Default)]
pub struct LockTable {
    items: Items,
}

impl LockTable {
    /// Where the commit of an entry is until it is in its place.
    pub fn temp_of(&self, table_path: &str, version: u64) -> Option<String> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.get(&(table_path.to_owned(), version)).map(|entry| entry.temp.clone())
    }

    pub fn seen_by(&self, net: &Arc<Net>, process: ProcessId) -> Arc<dyn Entries> {
        Arc::new(Seen { items: self.items.clone(), net: net.clone(), process })
    }
}

struct Seen {
    items: Items,
    net: Arc<Net>,
    process: ProcessId,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the lock table of process {}", self.process)
    }
}

impl Seen {
    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        effect: impl Fn(&mut BTreeMap<(String, u64), Entry>) -> T + Send + Sync + 'static,
    ) -> Result<T> {
        let items = self.items.clone();
        let effect: Effect<T> = Arc::new(move || {
            let outcome = effect(&mut items.lock().unwrap_or_else(PoisonError::into_inner));
            async move { outcome }.boxed()
        });
        let reply = self.net.request(self.process, what, effect).await;
        reply.ok_or_else(|| Error::new(Code::StoreIo, "no reply of the lock table"))
    }
}

#[async_trait]
impl Entries for Seen {
    fn name(&self) -> &str {
        "delta_log"
    }

    async fn ensure(&self) -> Result<()> {
        Ok(())
    }

    async fn latest(&self, table_path: &str) -> Result<Option<Entry>> {
        let of = table_path.to_owned();
        self.ask("lock query", move |items| {
            items.range((of.clone(), 0)..=(of.clone(), u64::MAX)).next_back().map(|(_, entry)| entry.clone())
        })
        .await
    }

    async fn get(&self, table_path: &str, version: u64) -> Result<Option<Entry>> {
        let key = (table_path.to_owned(), version);
        self.ask("lock get", move |items| items.get(&key).cloned()).await
    }

    async fn add(&self, table_path: &str, version: u64, temp: &str) -> Result<bool> {
        let (key, temp) = ((table_path.to_owned(), version), temp.to_owned());
        self.ask("lock put", move |items| {
            if items.contains_key(&key) {
                return false;
            }
            let entry = Entry { version, temp: temp.clone(), complete: false, expires: None };
            items.insert(key.clone(), entry);
            true
        })
        .await
    }

    async fn complete(&self, table_path: &str, version: u64, now: u64) -> Result<()> {
        let key = (table_path.to_owned(), version);
        self.ask("lock update", move |items| {
            if let Some(entry) = items.get_mut(&key).filter(|entry| !entry.complete) {
                entry.complete = true;
                entry.expires = Some(now + TTL);
            }
        })
        .await
    }
}
