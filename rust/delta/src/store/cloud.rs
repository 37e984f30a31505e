//! A table in an object store.

use std::sync::{Arc, OnceLock};

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use sluice_core::{Code, Error, Result};
use url::Url;

use super::dynamodb::DynamoLock;
use super::lock_table::Entries;
use super::settled::Settled;
use super::upload::{UploadedFile, Uploads};
use super::{Claim, DataFile, Store, commit_path, object_path, path_of, put_if_absent, store_error};
use crate::fail_point::FailPoint;
use crate::world::World;

/// Found out with an object of this name whether the store minds the condition of a put. It stays there.
const PROBE: &str = ".sluice/conditional-put";

pub enum Lock {
    /// `If-None-Match: *` and its like.
    ConditionalPut(ConditionalPut),
    DynamoDb(Arc<DynamoLock>),
}

#[derive(Default)]
pub struct ConditionalPut {
    /// Whether there are stores of this kind that take the condition and do not mind it.
    pub may_be_ignored: bool,
    /// Where writers under the other lock would have entries, and under which names of the table.
    pub other: Option<(Arc<dyn Entries>, Vec<String>)>,
}

pub struct CloudStore {
    root: Url,
    path: Path,
    uploads: Uploads,
    lock: Lock,
    checked: OnceLock<()>,
}

impl CloudStore {
    pub fn new(root: Url, uploads: Uploads, lock: Lock) -> Result<Self> {
        let path = path_of(&root)?;
        Ok(CloudStore { root, path, uploads, lock, checked: OnceLock::new() })
    }

    pub(super) fn lock(&self) -> &Lock {
        &self.lock
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// As they are: under a lock too, whoever lists them finishes nothing.
    pub(super) fn bare(&self) -> &dyn ObjectStore {
        &*self.uploads.objects
    }

    fn world(&self) -> &dyn World {
        &*self.uploads.world
    }

    fn at(&self, name: &str) -> Result<Path> {
        object_path(&self.path, name)
    }

    async fn claim_by_put(&self, version: u64, commit: &[u8]) -> Result<Claim> {
        let path = commit_path(&self.path, version);
        let failed = |e: object_store::Error| store_error(&format!("cannot write the commit {path}"), &e);
        let objects = &self.uploads.objects;
        self.world().reached(FailPoint::PutReady);
        let put = put_if_absent(objects, &path, commit).await;
        self.world().reached(FailPoint::PutDone);
        if put.map_err(failed)? {
            return Ok(Claim::Won);
        }
        // A retry finds our own object there when the first request landed and its reply did not.
        let there = async { objects.get(&path).await?.bytes().await };
        Ok(Claim::won_if(there.await.map_err(failed)? == commit))
    }

    async fn check_conditional_put(&self, conditional: &ConditionalPut) -> Result<()> {
        let failed = |e: object_store::Error| store_error(&format!("cannot write to {}", self.root), &e);
        let (objects, probe) = (&self.uploads.objects, self.at(PROBE)?);
        if conditional.may_be_ignored
            && put_if_absent(objects, &probe, b"sluice").await.map_err(failed)?
            && put_if_absent(objects, &probe, b"sluice").await.map_err(failed)?
        {
            let message = format!(
                "the store of {} writes over an object although If-None-Match: * forbids it, so two writers could both \
                 win a version. Set delta.commit.lock=dynamodb, or upgrade the store",
                self.root
            );
            return Err(Error::new(Code::StoreUnconditional, message));
        }
        self.check_signs_of_another_lock(conditional).await
    }

    pub(super) async fn check_signs_of_another_lock(&self, conditional: &ConditionalPut) -> Result<()> {
        let refused = |sign: String| {
            let message = format!(
                "{sign}: table {} is written under the DynamoDB lock, and without it a commit would be lost. Set \
                 delta.commit.lock=dynamodb; or, if no writer uses that lock any more, delete what is named here",
                self.root
            );
            Err(Error::new(Code::CommitLock, message))
        };
        let temp = self.path.clone().join("_delta_log").join(".tmp");
        let mut unfinished = self.uploads.objects.list(Some(&temp));
        let failed = |e: object_store::Error| store_error(&format!("cannot list {temp}"), &e);
        if let Some(commit) = unfinished.try_next().await.map_err(failed)? {
            return refused(format!("there is {}", commit.location));
        }
        let Some((table, names)) = &conditional.other else { return Ok(()) };
        for name in names {
            // Who may not read the lock table, or has none, is told nothing by it.
            if let Ok(Some(entry)) = table.latest(name).await {
                return refused(format!(
                    "the lock table has an entry for version {} of {name}",
                    entry.version
                ));
            }
        }
        Ok(())
    }
}

impl Store for CloudStore {
    fn root(&self) -> &Url {
        &self.root
    }

    fn objects(&self) -> Arc<dyn ObjectStore> {
        match &self.lock {
            Lock::ConditionalPut(_) => self.uploads.objects.clone(),
            Lock::DynamoDb(lock) => Arc::new(Settled(lock.clone())),
        }
    }

    fn check(&self) -> Result<()> {
        if self.checked.get().is_none() {
            self.world().wait(async {
                match &self.lock {
                    Lock::ConditionalPut(conditional) => self.check_conditional_put(conditional).await,
                    Lock::DynamoDb(lock) => lock.check().await,
                }
            })?;
            let _ = self.checked.set(());
        }
        Ok(())
    }

    /// There are no folders to make.
    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    fn create(&self, name: &str) -> Result<Box<dyn DataFile>> {
        Ok(Box::new(UploadedFile::new(self.uploads.clone(), self.at(name)?)))
    }

    /// An object is there when it is whole, and not before.
    fn replace(&self, name: &str) -> Result<Box<dyn DataFile>> {
        self.create(name)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let deleted = self.world().wait(self.uploads.objects.delete(&self.at(name)?));
        deleted.map_err(|e| store_error(&format!("cannot delete {name}"), &e))
    }

    fn claim(&self, version: u64, commit: &[u8]) -> Result<Claim> {
        self.world().wait(async {
            match &self.lock {
                Lock::ConditionalPut(_) => self.claim_by_put(version, commit).await,
                Lock::DynamoDb(lock) => lock.claim(version, commit).await,
            }
        })
    }
}
