//! What is in the object store, on the virtual clock: when each object was put and by whom, and what changed since it was asked last.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    GetOptions, GetResult, ListResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutOptions, PutPayload,
    PutResult, Result,
};

use crate::machine::{ProcessId, Sim};

/// Of an object.
#[derive(Debug, Clone, Copy)]
pub struct Put {
    /// Milliseconds since the epoch, in whole seconds, as S3 has it.
    pub modified: i64,
    pub by: ProcessId,
}

#[derive(Debug)]
pub enum Change {
    Put(Path),
    Deleted { path: Path, put: Put, by: ProcessId },
}

pub struct Bucket {
    sim: Sim,
    inner: InMemory,
    puts: Mutex<HashMap<Path, Put>>,
    /// None: nobody asks.
    changes: Option<Mutex<Vec<Change>>>,
}

impl Bucket {
    pub fn new(sim: Sim, is_watched: bool) -> Bucket {
        let changes = is_watched.then(Mutex::default);
        Bucket { sim, inner: InMemory::new(), puts: Mutex::default(), changes }
    }

    fn puts(&self) -> MutexGuard<'_, HashMap<Path, Put>> {
        self.puts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self, change: Change) {
        if let Some(changes) = &self.changes {
            changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        }
    }

    /// What changed since it was asked last, in order.
    pub fn take_changes(&self) -> Vec<Change> {
        let take =
            |changes: &Mutex<_>| std::mem::take(&mut *changes.lock().unwrap_or_else(PoisonError::into_inner));
        self.changes.as_ref().map(take).unwrap_or_default()
    }

    /// The content of an object.
    pub fn read(&self, path: &Path) -> Option<Bytes> {
        let read = async { self.inner.get(path).await.ok()?.bytes().await.ok() };
        read.now_or_never().flatten()
    }

    pub async fn put(
        &self,
        by: ProcessId,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let put = self.inner.put_opts(path, payload, options).await?;
        self.puts().insert(path.clone(), Put { modified: self.sim.epoch_millis() / 1000 * 1000, by });
        self.changed(Change::Put(path.clone()));
        Ok(put)
    }

    /// One that is not there is no failure, as on S3.
    pub async fn delete(&self, by: ProcessId, path: &Path) -> Result<()> {
        self.inner.delete(path).await?;
        let put = self.puts().remove(path);
        if let Some(put) = put {
            self.changed(Change::Deleted { path: path.clone(), put, by });
        }
        Ok(())
    }

    fn dated(&self, mut meta: ObjectMeta) -> ObjectMeta {
        meta.last_modified = self.modified(&meta.location).unwrap_or(meta.last_modified);
        meta
    }

    fn modified(&self, path: &Path) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.puts().get(path)?.modified)
    }

    pub async fn get(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let mut found = self.inner.get_opts(path, options).await?;
        found.meta = self.dated(found.meta);
        Ok(found)
    }

    pub async fn list(&self, prefix: Option<&Path>, offset: Option<&Path>) -> Vec<Result<ObjectMeta>> {
        let found: BoxStream<'_, _> = match offset {
            Some(offset) => self.inner.list_with_offset(prefix, offset),
            None => self.inner.list(prefix),
        };
        found.map(|meta| Ok(self.dated(meta?))).collect().await
    }

    pub async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut found = self.inner.list_with_delimiter(prefix).await?;
        found.objects = found.objects.into_iter().map(|meta| self.dated(meta)).collect();
        Ok(found)
    }
}
