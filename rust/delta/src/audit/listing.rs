//! What is at the table's place.

use std::collections::HashMap;

use futures::StreamExt;
use object_store::path::Path;
use sluice_core::Result;

use crate::store::{Store, commit_version, root_path, store_error};

pub(super) struct Listing {
    /// Size of each object, by its name below the root.
    pub sizes: HashMap<String, u64>,
    /// Versions that have a commit, and those that have a checkpoint; rising.
    pub commits: Vec<u64>,
    pub checkpoints: Vec<u64>,
}

impl Listing {
    pub(super) async fn read(store: &dyn Store) -> Result<Listing> {
        let failed = |e: object_store::Error| store_error(&format!("cannot list {}", store.root()), &e);
        let root = root_path(store)?;
        let objects = store.objects();
        let mut sizes = HashMap::new();
        let mut listing = objects.list(Some(&root));
        while let Some(entry) = listing.next().await {
            let entry = entry.map_err(failed)?;
            let below = entry.location.prefix_match(&root).map(|parts| parts.collect::<Path>());
            sizes.extend(below.map(|name| (name.to_string(), entry.size)));
        }
        let versions = |version: fn(&str) -> Option<u64>| {
            let mut versions: Vec<u64> = sizes.keys().filter_map(|name| version(name)).collect();
            versions.sort_unstable();
            versions.dedup();
            versions
        };
        let (commits, checkpoints) = (versions(commit_version), versions(checkpoint_version));
        Ok(Listing { sizes, commits, checkpoints })
    }
}

/// Of `<version>.checkpoint.parquet`, also in parts and with an id in the name.
fn checkpoint_version(name: &str) -> Option<u64> {
    let (version, kind) = name.strip_prefix("_delta_log/")?.split_once('.')?;
    (version.len() == 20 && kind.starts_with("checkpoint.")).then(|| version.parse().ok()).flatten()
}
