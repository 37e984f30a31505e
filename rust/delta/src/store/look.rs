//! What can be told of a table's store by looking: whether it lets us in, whether there is a table, and whether the lock is the right
//! one. Nothing is written, and nothing that others left is finished.

use std::path::Path as FilePath;

use futures::StreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use sluice_core::{Code, Error, Result};
use url::Url;

use super::cloud::{CloudStore, Lock};
use super::{LocalStore, Store, path_of, store_error};

/// What of a store an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Of the settings no client can be made.
    Client,
    /// The file system, bucket or container.
    Objects,
    /// The table in DynamoDB.
    LockTable,
    /// Which lock the table is under.
    Lock,
    /// How the table is named in the lock table.
    PathScheme,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub part: Part,
    pub error: Error,
}

impl Trouble {
    pub fn of(part: Part) -> impl Fn(Error) -> Trouble {
        move |error| Trouble { part, error }
    }
}

/// A table's store that nobody writes to.
pub struct Looking(pub(super) Opened);

pub(super) enum Opened {
    Local(LocalStore),
    Cloud(CloudStore),
}

impl Looking {
    /// Whether there is a table.
    pub async fn look(&self) -> Result<bool, Trouble> {
        match &self.0 {
            Opened::Local(local) => {
                let root = path_of(local.root()).map_err(Trouble::of(Part::Client))?;
                has_log(&*local.objects(), &root, local.root()).await.map_err(Trouble::of(Part::Objects))
            }
            Opened::Cloud(cloud) => cloud.look().await,
        }
    }
}

impl CloudStore {
    async fn look(&self) -> Result<bool, Trouble> {
        let is_there = has_log(self.bare(), self.path(), self.root()).await;
        let is_there = is_there.map_err(Trouble::of(Part::Objects))?;
        match self.lock() {
            Lock::ConditionalPut(conditional) => {
                self.check_signs_of_another_lock(conditional).await.map_err(|error| {
                    let part = if error.code == Code::CommitLock { Part::Lock } else { Part::Objects };
                    Trouble { part, error }
                })?;
            }
            Lock::DynamoDb(lock) => lock.look().await?,
        }
        Ok(is_there)
    }
}

/// Whether there is a log below the root, which `url` names in messages. A folder without one is not a table.
pub async fn has_log(objects: &dyn ObjectStore, root: &Path, url: &Url) -> Result<bool> {
    let prefix = root.clone().join("_delta_log");
    // Past the temporary commits of the DynamoDB lock, of which there may be very many.
    let mut listing = objects.list_with_offset(Some(&prefix), &prefix.clone().join(".~"));
    while let Some(entry) = listing.next().await {
        let entry = entry.map_err(|e| store_error(&format!("cannot list the log of {url}"), &e))?;
        let of_log = entry.location.prefix_match(&prefix).is_some_and(|parts| parts.count() == 1);
        if of_log && entry.location.filename().is_some_and(|name| name.starts_with(char::is_numeric)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a table's folder is in has to be a folder that can be read.
pub(super) fn look_at_folder(root: &FilePath) -> Result<()> {
    for folder in root.ancestors() {
        match std::fs::read_dir(folder) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(store_error(&format!("cannot list {}", folder.display()), &error)),
        }
    }
    Ok(())
}
