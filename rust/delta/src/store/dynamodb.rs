//! Claims by an entry in DynamoDB: the multi-cluster protocol of Delta's `S3DynamoDBLogStore`
//! (`io.delta.storage.BaseExternalLogStore`), described in `docs/dynamodb-lock.md`.

use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use sluice_core::{Code, Error, Result};
use tracing::{info, warn};

use super::lock_table::{Entries, Entry, file_name};
use super::look::{Part, Trouble};
use super::{Claim, commit_path, put_if_absent, store_error};
use crate::fail_point::FailPoint;
use crate::world::World;

/// How often a decided commit is finished by us before that is left to the next reader or writer.
const FINISH_TRIES: u32 = 3;

/// The lock of one table.
#[derive(Debug)]
pub struct DynamoLock {
    pub world: Arc<dyn World>,
    pub entries: Arc<dyn Entries>,
    /// The table in the lock table: scheme, bucket and path without a slash at the end, nothing encoded.
    pub table_path: String,
    /// The same with the other scheme, which no writer may use beside ours.
    pub other_path: String,
    /// As they are: whoever lists through it sees no further than the store.
    pub objects: Arc<dyn ObjectStore>,
    pub root: Path,
}

impl DynamoLock {
    /// Claims a version. Once the entry is there the commit is decided, whatever fails afterwards.
    pub async fn claim(&self, version: u64, commit: &[u8]) -> Result<Claim> {
        if let Some(before) = version.checked_sub(1) {
            match self.entries.get(&self.table_path, before).await? {
                Some(entry) if !entry.complete => self.finish(&entry).await?,
                Some(_) => {}
                None if self.read(before).await?.is_some() => {}
                None => {
                    let message = format!("table {} has no version {before} any more", self.table_path);
                    return Err(Error::new(Code::TableReplaced, message));
                }
            }
        }
        if let Some(there) = self.read(version).await? {
            return Ok(Claim::won_if(there == commit));
        }
        let temp = format!(".tmp/{}.{}", file_name(version), self.world.uuid());
        self.world.reached(FailPoint::TemporaryReady);
        self.overwrite(&self.in_log(&temp), commit).await?;
        self.world.reached(FailPoint::TemporaryPut);
        let added = self.entries.add(&self.table_path, version, &temp).await;
        let entry = match added {
            Ok(true) => None,
            // Refused, or refused to the retry of a request that had gone through, or no reply at all.
            refused => match (self.entries.get(&self.table_path, version).await?, refused) {
                (Some(entry), _) if entry.temp == temp => None,
                (Some(entry), _) => Some(entry),
                (None, Err(error)) => return Err(error),
                (None, Ok(_)) => {
                    let message = format!("the entry for version {version} came and went");
                    return Err(Error::new(Code::StoreIo, message));
                }
            },
        };
        match entry {
            None => {
                self.world.reached(FailPoint::EntryWritten);
                Ok(self.finish_own(version, commit).await)
            }
            Some(entry) => {
                if !entry.complete {
                    self.finish(&entry).await?;
                }
                // Ours from before, if an earlier claim with the same commit got no reply.
                Ok(Claim::won_if(self.read(version).await?.is_some_and(|there| there == commit)))
            }
        }
    }

    /// The entry is there: the commit is won even if it cannot be finished now, unless a writer without the lock has
    /// put another one in its place.
    async fn finish_own(&self, version: u64, commit: &[u8]) -> Claim {
        for attempt in 1..=FINISH_TRIES {
            let finished = async {
                let ours = self.publish(version, commit).await?;
                self.complete(version).await?;
                Ok::<_, Error>(ours)
            };
            match finished.await {
                Ok(ours) => return Claim::won_if(ours),
                Err(error) => {
                    warn!(
                        "version {version} of {} is committed and not finished yet: {error}",
                        self.table_path
                    );
                    self.world.sleep(Duration::from_millis(100) * attempt).await;
                }
            }
        }
        Claim::Won
    }

    /// Finishes what a writer has decided, be it dead or only slower than we are.
    async fn finish(&self, entry: &Entry) -> Result<()> {
        if self.read(entry.version).await?.is_none() {
            let temp = self.in_log(&entry.temp);
            match self.objects.get(&temp).await {
                Ok(found) => {
                    let commit = found.bytes().await.map_err(|e| self.unreadable(&temp, &e))?;
                    self.publish(entry.version, &commit).await?;
                    info!("finished version {} of {} for another writer", entry.version, self.table_path);
                }
                // Its own writer was faster after all.
                Err(object_store::Error::NotFound { .. }) if self.read(entry.version).await?.is_some() => {}
                Err(object_store::Error::NotFound { .. }) => {
                    let message = format!(
                        "the DynamoDB table {} says that version {} of {} is in {temp}, which is not there",
                        self.entries.name(),
                        entry.version,
                        self.table_path
                    );
                    return Err(Error::new(Code::TableCorrupt, message));
                }
                Err(error) => return Err(self.unreadable(&temp, &error)),
            }
        }
        self.complete(entry.version).await
    }

    async fn complete(&self, version: u64) -> Result<()> {
        self.entries.complete(&self.table_path, version, self.seconds_since_epoch()).await?;
        self.world.reached(FailPoint::EntryCompleted);
        Ok(())
    }

    /// Makes the newest version that is decided one that everybody can read.
    pub async fn settle(&self) -> Result<()> {
        match self.entries.latest(&self.table_path).await? {
            Some(entry) if !entry.complete => self.finish(&entry).await,
            _ => Ok(()),
        }
    }

    /// What has to hold before the table is written.
    pub async fn check(&self) -> Result<()> {
        self.entries.ensure().await?;
        self.check_entries().await.map_err(|trouble| trouble.error)
    }

    /// The same without making anything.
    pub async fn look(&self) -> Result<(), Trouble> {
        match self.entries.look().await.map_err(Trouble::of(Part::LockTable))? {
            true => self.check_entries().await,
            // It will be made.
            false => Ok(()),
        }
    }

    async fn check_entries(&self) -> Result<(), Trouble> {
        let unreadable = Trouble::of(Part::LockTable);
        if self.entries.latest(&self.other_path).await.map_err(&unreadable)?.is_some() {
            let message = format!(
                "the DynamoDB table {} has entries for {}, and this connector would write {}: the two do not see each \
                 other. Set delta.dynamodb.path.scheme as the other writers have it",
                self.entries.name(),
                self.other_path,
                self.table_path
            );
            return Err(Trouble { part: Part::PathScheme, error: Error::new(Code::CommitLock, message) });
        }
        let latest = self.entries.latest(&self.table_path).await.map_err(&unreadable)?;
        let Some(entry) = latest else { return Ok(()) };
        let next = entry.version + 1;
        let expired = entry.expires.is_some_and(|at| at <= self.seconds_since_epoch());
        if expired || self.read(next).await.map_err(Trouble::of(Part::Objects))?.is_none() {
            return Ok(());
        }
        // Its entry may have been written since.
        let latest = self.entries.latest(&self.table_path).await.map_err(&unreadable)?;
        if latest.is_some_and(|newest| newest.version >= next) {
            return Ok(());
        }
        let message = format!(
            "version {next} of {} has no entry in the DynamoDB table {}, whose newest is for version {}: a writer commits \
             without the lock. Stop all writers, give them the same lock, delete this table's entries, then start them again",
            self.table_path,
            self.entries.name(),
            entry.version
        );
        Err(Trouble { part: Part::Lock, error: Error::new(Code::CommitLock, message) })
    }

    fn seconds_since_epoch(&self) -> u64 {
        self.world.epoch_millis().unsigned_abs() / 1_000
    }

    fn in_log(&self, name: &str) -> Path {
        name.split('/').fold(self.root.clone().join("_delta_log"), |path, part| path.join(part))
    }

    async fn read(&self, version: u64) -> Result<Option<Vec<u8>>> {
        let path = commit_path(&self.root, version);
        match self.objects.get(&path).await {
            Ok(found) => {
                let bytes = found.bytes().await.map_err(|e| self.unreadable(&path, &e))?;
                Ok(Some(bytes.to_vec()))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.unreadable(&path, &error)),
        }
    }

    /// Writes a decided commit to its place. The protocol does not ask for a conditional put here; where the store has one it
    /// keeps a commit that was made without the lock. Whether what is there then is this commit.
    async fn publish(&self, version: u64, commit: &[u8]) -> Result<bool> {
        self.world.reached(FailPoint::PublishReady);
        let ours = self.put_in_place(version, commit).await?;
        self.world.reached(FailPoint::Published);
        Ok(ours)
    }

    async fn put_in_place(&self, version: u64, commit: &[u8]) -> Result<bool> {
        let path = commit_path(&self.root, version);
        let created = put_if_absent(&self.objects, &path, commit).await;
        if let Ok(true) = created {
            return Ok(true);
        }
        match (self.read(version).await?, created) {
            (Some(there), _) => Ok(there == commit),
            (None, Err(_)) => self.overwrite(&path, commit).await.map(|()| true),
            (None, Ok(_)) => {
                let message = format!("cannot write {path} while another put of it is on its way");
                Err(Error::new(Code::StoreIo, message))
            }
        }
    }

    async fn overwrite(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let put = self.objects.put(path, bytes.to_vec().into()).await;
        put.map(|_| ()).map_err(|e| store_error(&format!("cannot write {path}"), &e))
    }

    fn unreadable(&self, path: &Path, error: &object_store::Error) -> Error {
        store_error(&format!("cannot read {path}"), error)
    }
}
