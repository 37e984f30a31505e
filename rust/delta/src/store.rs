//! Where a table lives: a folder of objects, with files that are durable once finished and versions that are
//! claimed once.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, PutMode};
use sluice_core::{Code, Error, Result};
use url::Url;

mod aws;
mod clients;
mod cloud;
mod dynamodb;
mod http;
mod local;
mod lock_table;
mod look;
mod settled;
mod upload;

use http::{Refusal, Refused, without_xml};

pub use clients::Clients;
pub use cloud::{CloudStore, ConditionalPut, Lock};
pub use dynamodb::DynamoLock;
pub use local::{LocalStore, UNFINISHED, is_unfinished};
pub use lock_table::{Entries, Entry, file_name as entry_name};
pub use look::{Looking, Part, Trouble, has_log};
pub use upload::Uploads;

use crate::world::World;

/// How many objects are deleted before the next ones are: what S3 takes in one request.
const DELETED_AT_ONCE: usize = 1000;

/// The way to one table's storage.
pub trait Store: Send + Sync {
    /// The table's root, ending with a slash.
    fn root(&self) -> &Url;

    /// Reads, for the Delta kernel and the audit. Rooted where URLs of `root`'s scheme are.
    fn objects(&self) -> Arc<dyn ObjectStore>;

    /// Finds out, once, whether versions can be claimed here so that nobody's commit is lost.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Makes the place for a table that is about to be created.
    fn prepare(&self) -> Result<()>;

    /// A new data file. `name` is relative to the root and unique.
    fn create(&self, name: &str) -> Result<Box<dyn DataFile>>;

    /// A new file that appears whole and durable when it is finished, in the place of any of that name. Readers of a log take
    /// whatever they find below `_delta_log`.
    fn replace(&self, name: &str) -> Result<Box<dyn DataFile>>;

    /// Deletes a data file that no commit refers to.
    fn delete(&self, name: &str) -> Result<()>;

    /// Claims a version of the log by writing its commit. Either the whole commit is there, for every reader and
    /// after a power failure, or nothing is. A commit that is there already is won once more: the reply may have been
    /// lost. So no two commits may be the same to the byte.
    fn claim(&self, version: u64, commit: &[u8]) -> Result<Claim>;
}

/// What came of a claim. An error says nothing: the version may be claimed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Won,
    /// Another commit has the version.
    Taken,
}

impl Claim {
    /// What has the version now is the commit that was claimed with, or another.
    fn won_if(ours: bool) -> Claim {
        if ours { Claim::Won } else { Claim::Taken }
    }
}

/// False: there is an object already. S3 says so too while another put of the key is on its way (409), and then there may
/// be none yet.
async fn put_if_absent(objects: &dyn ObjectStore, path: &Path, bytes: &[u8]) -> object_store::Result<bool> {
    match objects.put_opts(path, bytes.to_vec().into(), PutMode::Create.into()).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file that is being written. Dropped before it is finished, it leaves nothing behind.
pub trait DataFile: io::Write + Send {
    /// The file's size in bytes. Durable when this returns; nothing is written afterwards.
    fn finish(&mut self) -> Result<u64>;

    /// Bytes of it that are still in memory.
    fn buffered(&self) -> usize {
        0
    }
}

/// The name of a commit below the table's root.
pub fn commit_name(version: u64) -> String {
    format!("_delta_log/{version:020}.json")
}

/// The table's root among the store's [`Store::objects`].
pub fn root_path(store: &dyn Store) -> Result<Path> {
    path_of(store.root())
}

fn path_of(root: &Url) -> Result<Path> {
    Path::from_url_path(root.path())
        .map_err(|e| store_error(&format!("table URI {root} names no place in its store"), &e))
}

/// The object of this name below [`root_path`]. The name is taken as it is: what is encoded in it is encoded in the key.
pub fn object_path(root: &Path, name: &str) -> Result<Path> {
    Path::parse(format!("{root}/{name}")).map_err(|e| store_error(&format!("{name} names no object"), &e))
}

/// Deletes what has these names below the root, with one request for many where the store can. What is gone already is no
/// failure. It goes by their order, [`DELETED_AT_ONCE`]: where it fails or dies, all before those are gone and none after them.
/// Blocks; not for threads of the runtime.
pub fn delete_all(store: &dyn Store, world: &dyn World, names: &[String]) -> Result<()> {
    let (root, objects) = (root_path(store)?, store.objects());
    for names in names.chunks(DELETED_AT_ONCE) {
        let paths: Vec<_> = names.iter().map(|name| object_path(&root, name)).collect::<Result<_>>()?;
        let mut deleted = objects.delete_stream(futures::stream::iter(paths.into_iter().map(Ok)).boxed());
        let failed = world.wait(async {
            let mut failed = None;
            // All of them are asked for by now, so that all have their answer before the next ones are.
            while let Some(outcome) = deleted.next().await {
                match outcome {
                    Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            failed
        });
        if let Some(error) = failed {
            return Err(store_error(&format!("cannot delete files of {}", store.root()), &error));
        }
    }
    Ok(())
}

/// Where [`commit_name`] is below [`root_path`].
pub fn commit_path(root: &Path, version: u64) -> Path {
    commit_name(version).split('/').fold(root.clone(), |path, part| path.join(part))
}

/// The version whose [`commit_name`] it is.
pub fn commit_version(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("_delta_log/")?.strip_suffix(".json")?;
    digits.parse().ok().filter(|version| commit_name(*version) == name)
}

/// Our error for a failure of the store or of the kernel on top of it, by the types in its chain of sources.
pub fn store_error(doing: &str, error: &(dyn StdError + 'static)) -> Error {
    let mut code = Code::StoreIo;
    let mut text = format!("{doing}: {}", without_xml(&error.to_string()));
    let mut source = Some(error);
    while let Some(error) = source {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return Error::new(ours.code, format!("{doing}: {}", ours.message));
        }
        if let Some(known) = code_of(error) {
            code = known;
        }
        let more = without_xml(&error.to_string());
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    Error::new(code, text)
}

fn code_of(error: &(dyn StdError + 'static)) -> Option<Code> {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return Some(match refused.why {
            Refusal::Access => Code::StoreDenied,
            Refusal::Missing => Code::StoreMissing,
        });
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return match io.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Some(Code::StoreDenied),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Code::StoreFull),
            _ => io.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).map(|inner| inner.code),
        };
    }
    match error.downcast_ref::<object_store::Error>()? {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            Some(Code::StoreDenied)
        }
        _ => None,
    }
}
