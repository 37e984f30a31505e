//! Checks a table from its log: whether the intervals of each app id join (I4), whether the rows that they count are in the
//! files that came with them, and whether each file is there and belongs to one commit (I3). `docs/audit.md` describes it.

mod chain;
mod files;
mod kind;
mod listing;
mod others;
mod report;
mod rows;
mod snapshot;
#[cfg(test)]
pub(crate) mod tests;

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use sluice_core::{Code, Error, Result};
use tokio::runtime::Handle;

use crate::log::Commit;
use crate::store::{Store, commit_path, root_path, store_error};
use crate::world::Tokio;
use files::Files;
use listing::Listing;
use others::Anonymous;
use snapshot::Snapshots;

pub use kind::Kind;
pub use report::{Audit, Author, Finding, Note, Other, Progress, Taken, Writer};
pub use rows::{Columns, Rows, between, rows};

/// Commits that are fetched at the same time.
const AT_ONCE: usize = 16;

/// Walks the log of the table from the first commit that is still there. Blocks; not for threads of the runtime.
pub fn audit(store: &dyn Store, runtime: &Handle) -> Result<Audit> {
    let listing = runtime.block_on(Listing::read(store))?;
    let (Some(first), Some(last)) = (listing.commits.first(), listing.commits.last()) else {
        let table = store.root();
        return Err(Error::new(Code::TableMissing, format!("no Delta table at {table}: it has no commit")));
    };
    let mut audit = Audit {
        table: store.root().to_string(),
        first_version: *first,
        last_version: *last,
        ..Audit::default()
    };
    let snapshots = Snapshots::new(store, &Tokio::world(runtime.clone()));
    let checkpoint = match audit.is_whole() {
        true => None,
        false => snapshots.first(&listing, &mut audit),
    };
    let mut walk = Walk { audit, files: Files::new(&listing), anonymous: Anonymous::default() };
    if let Some(start) = checkpoint.as_ref().filter(|start| start.version < *first) {
        snapshot::start(&mut walk.audit, start);
    }
    let mut previous = None;
    for versions in listing.commits.chunks(AT_ONCE * 4) {
        for (version, commit) in runtime.block_on(read(store, versions))? {
            if previous.is_some_and(|previous| previous + 1 != version) {
                let message = "the version before it has no commit".to_owned();
                walk.audit.find(Finding::new(Kind::Log, version, message));
            }
            previous = Some(version);
            walk.commit(version, &commit);
            if let Some(start) = checkpoint.as_ref().filter(|start| start.version == version) {
                snapshot::meet(&mut walk.audit, start);
            }
        }
    }
    let Walk { mut audit, files, anonymous } = walk;
    files.tell(&mut audit);
    snapshots.last(&mut audit);
    if !audit.is_whole() {
        let from = audit.first_version;
        audit.untold.push(format!(
            "The commits before version {from} were cleaned up: how the table came to its offsets before, nobody can say."
        ));
    }
    anonymous.tell(&mut audit);
    audit.tell_of_others();
    audit.findings.sort_by_key(|finding| finding.version);
    Ok(audit)
}

async fn read(store: &dyn Store, versions: &[u64]) -> Result<Vec<(u64, Commit)>> {
    let failed = |e: object_store::Error| store_error(&format!("cannot read {}", store.root()), &e);
    let (root, objects) = (root_path(store)?, store.objects());
    let commits = versions.iter().map(|version| {
        let (path, objects) = (commit_path(&root, *version), &objects);
        async move {
            let text = objects.get(&path).await.map_err(failed)?.bytes().await.map_err(failed)?;
            Ok((*version, Commit::parse(*version, &text)?))
        }
    });
    futures::stream::iter(commits).buffered(AT_ONCE).try_collect().await
}

struct Walk<'a> {
    audit: Audit,
    files: Files<'a>,
    anonymous: Anonymous,
}

impl Walk<'_> {
    fn commit(&mut self, version: u64, commit: &Commit) {
        let author = Author::of(version, commit);
        self.audit.other_commits += u64::from(commit.origin.is_none());
        self.files.follow(&mut self.audit, commit, &author);
        self.audit.follow(version, commit, &author);
        self.audit.follow_others(commit, &author);
        self.anonymous.see(commit, &author);
    }
}
