//! Reading single commits of the Delta log, and what Sluice writes into their `commitInfo`.

use std::fmt;

use buoyant_kernel::actions::DomainMetadata;
use object_store::ObjectStoreExt;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_core::{Code, Error, Result};

use crate::store::{Store, commit_name, commit_path, root_path, store_error};
use crate::world::World;

/// `commitInfo.sluice`: who committed which intervals (I4). Public: `docs/exactly-once.md` describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Unique for each group of units that is put up for commit together.
    pub commit: String,
    #[serde(default)]
    pub units: Vec<UnitOrigin>,
    /// Offsets that a user moved on purpose. They break the chain of intervals deliberately.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alterations: Vec<AlterationOrigin>,
}

/// Connect's REST interface was told to move a partition's offset. In the same commit a `txn` carries `to_offset`, or -1 for
/// a reset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlterationOrigin {
    pub connector: String,
    pub topic: String,
    pub partition: i32,
    /// What the table held; none: no offset.
    pub from_offset: Option<i64>,
    /// None: a reset; the table is to hold no offset.
    pub to_offset: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitOrigin {
    pub connector: String,
    pub task: String,
    pub intervals: Vec<IntervalOrigin>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntervalOrigin {
    pub topic: String,
    pub partition: i32,
    pub from_offset: i64,
    /// The next offset to read.
    pub to_offset: i64,
    pub rows: i64,
    /// Of a partition's first interval: whose `txn` it starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_over: Option<TakenOverOrigin>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenOverOrigin {
    pub app_id: String,
    pub version: i64,
}

impl fmt::Display for AlterationOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |offset: Option<i64>| offset.map_or("no offset".to_owned(), |offset| offset.to_string());
        let (from, to) = (name(self.from_offset), name(self.to_offset));
        write!(f, "{}-{} from {from} to {to}", self.topic, self.partition)
    }
}

/// The actions of one commit, as far as Sluice looks at them.
#[derive(Debug, Default)]
pub struct Commit {
    pub info: CommitInfo,
    pub origin: Option<Origin>,
    pub txns: Vec<Txn>,
    pub metadata_id: Option<String>,
    pub has_protocol: bool,
    pub adds: Vec<Add>,
    pub removes: Vec<Remove>,
    pub domains: Vec<Domain>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Txn {
    pub app_id: String,
    pub version: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Add {
    pub path: String,
    pub size: u64,
    #[serde(default)]
    pub stats: Option<String>,
    #[serde(default)]
    pub data_change: bool,
    deletion_vector: Option<DeletionVector>,
}

#[derive(Debug, Clone, Deserialize)]
struct DeletionVector {
    cardinality: u64,
}

impl Add {
    pub fn num_records(&self) -> Option<u64> {
        num_records(self.stats.as_deref()?)
    }

    /// Without those that its deletion vector takes away.
    pub fn rows(&self) -> Option<u64> {
        let deleted = self.deletion_vector.as_ref().map_or(0, |vector| vector.cardinality);
        Some(self.num_records()?.saturating_sub(deleted))
    }
}

/// Of a file's statistics.
pub fn num_records(stats: &str) -> Option<u64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Stats {
        num_records: u64,
    }
    Some(serde_json::from_str::<Stats>(stats).ok()?.num_records)
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remove {
    pub path: String,
    #[serde(default)]
    pub data_change: bool,
}

/// A `domainMetadata` action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    pub domain: String,
    pub configuration: String,
    #[serde(default)]
    pub removed: bool,
}

impl From<&DomainMetadata> for Domain {
    fn from(of: &DomainMetadata) -> Domain {
        Domain {
            domain: of.domain().to_owned(),
            configuration: of.configuration().to_owned(),
            removed: of.is_removed(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    commit_info: Option<CommitInfo>,
    txn: Option<Txn>,
    meta_data: Option<Metadata>,
    protocol: Option<IgnoredAny>,
    add: Option<Add>,
    remove: Option<Remove>,
    domain_metadata: Option<Domain>,
}

/// What every writer says of its commits, as far as it does.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CommitInfo {
    pub timestamp: Option<i64>,
    pub in_commit_timestamp: Option<i64>,
    pub operation: Option<String>,
    pub operation_parameters: Option<serde_json::Map<String, Value>>,
    pub engine_info: Option<String>,
    /// In place of `engineInfo` in older versions of delta-rs.
    pub client_version: Option<String>,
    sluice: Option<Origin>,
}

#[derive(Deserialize)]
struct Metadata {
    id: String,
}

impl Commit {
    pub fn parse(version: u64, text: &[u8]) -> Result<Commit> {
        let mut commit = Commit::default();
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            let action: Action = serde_json::from_slice(line).map_err(|e| {
                Error::new(Code::TableCorrupt, format!("{} is not a Delta commit: {e}", commit_name(version)))
            })?;
            if let Some(mut info) = action.commit_info {
                commit.origin = commit.origin.or(info.sluice.take());
                commit.info = info;
            }
            commit.metadata_id = commit.metadata_id.or(action.meta_data.map(|metadata| metadata.id));
            commit.has_protocol |= action.protocol.is_some();
            commit.txns.extend(action.txn);
            commit.adds.extend(action.add);
            commit.removes.extend(action.remove);
            commit.domains.extend(action.domain_metadata);
        }
        Ok(commit)
    }
}

/// Reads the commit of a version that exists. Blocks; not for threads of the runtime.
pub fn read_commit(store: &dyn Store, world: &dyn World, version: u64) -> Result<Commit> {
    let path = commit_path(&root_path(store)?, version);
    let objects = store.objects();
    let bytes = world.wait(async { objects.get(&path).await?.bytes().await });
    let bytes = bytes.map_err(|e| store_error(&format!("cannot read {}", commit_name(version)), &e))?;
    Commit::parse(version, &bytes)
}
