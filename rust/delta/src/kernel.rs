//! The seam to the Delta kernel: its engine on our stores, its commits through our claims, its errors as ours.

use std::collections::HashMap;
use std::io;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use buoyant_kernel as delta_kernel;
use buoyant_kernel_engine::{DefaultEngine, DefaultEngineBuilder};
use delta_kernel::actions::LOG_TXN_SCHEMA;
use delta_kernel::committer::{CommitMetadata, CommitResponse, Committer, PublishMetadata};
use delta_kernel::engine::arrow_data::EngineDataArrowExt;
use delta_kernel::engine::arrow_utils::to_json_bytes;
use delta_kernel::{
    DeltaResult, DeltaResultIterator, Engine, EvaluationHandler, FileMeta, FilteredEngineData, JsonHandler,
    ParquetHandler, Snapshot, StorageHandler,
};
use sluice_core::{Code, Error};

use crate::log::Domain;
use crate::store::{Claim, Store, store_error};
use crate::world::{KernelExecutor, World};

pub type KernelEngine = DefaultEngine<KernelExecutor>;

/// How many files of a log are read at once, on a local file system as far as there are threads
/// ([`crate::BLOCKING_THREADS`]).
const READS_AT_ONCE: NonZero<usize> = NonZero::new(64).unwrap();

pub fn engine(store: &dyn Store, world: &Arc<dyn World>) -> KernelEngine {
    DefaultEngineBuilder::new(store.objects())
        .with_buffer_size(READS_AT_ONCE)
        .with_task_executor(Arc::new(KernelExecutor(world.clone())))
        .build()
}

/// An engine of handlers that are not all the same one's.
pub struct Handlers {
    pub evaluation: Arc<dyn EvaluationHandler>,
    pub storage: Arc<dyn StorageHandler>,
    pub parquet: Arc<dyn ParquetHandler>,
    pub json: Arc<dyn JsonHandler>,
}

impl Engine for Handlers {
    fn evaluation_handler(&self) -> Arc<dyn EvaluationHandler> {
        self.evaluation.clone()
    }

    fn storage_handler(&self) -> Arc<dyn StorageHandler> {
        self.storage.clone()
    }

    fn json_handler(&self) -> Arc<dyn JsonHandler> {
        self.json.clone()
    }

    fn parquet_handler(&self) -> Arc<dyn ParquetHandler> {
        self.parquet.clone()
    }
}

/// Commits by claiming the version at our store.
pub struct ClaimCommitter {
    store: Arc<dyn Store>,
    said: Arc<Mutex<Said>>,
}

/// What the kernel does not hand on to whoever commits.
#[derive(Default)]
pub struct Said {
    /// The store's own error: the kernel's type cannot hold it.
    pub error: Option<Error>,
    /// What the kernel has put into the commit.
    pub domains: Vec<Domain>,
    pub in_commit_timestamp: Option<i64>,
}

impl ClaimCommitter {
    pub fn new(store: Arc<dyn Store>) -> Self {
        ClaimCommitter { store, said: Arc::default() }
    }

    pub fn said(&self) -> Arc<Mutex<Said>> {
        self.said.clone()
    }
}

impl Committer for ClaimCommitter {
    fn commit(
        &self,
        _engine: &dyn Engine,
        actions: DeltaResultIterator<'_, FilteredEngineData>,
        metadata: CommitMetadata,
    ) -> DeltaResult<CommitResponse> {
        let commit = to_json_bytes(actions)?;
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.domains = metadata.domain_metadata_changes().iter().map(Domain::from).collect();
        said.in_commit_timestamp = Some(metadata.in_commit_timestamp());
        match self.store.claim(metadata.version(), &commit) {
            Ok(Claim::Won) => Ok(CommitResponse::Committed {
                file_meta: FileMeta::new(
                    metadata.published_commit_path()?,
                    metadata.in_commit_timestamp(),
                    commit.len() as u64,
                ),
            }),
            Ok(Claim::Taken) => Ok(CommitResponse::Conflict { version: metadata.version() }),
            Err(error) => {
                let text = error.to_string();
                said.error = Some(error);
                Err(delta_kernel::Error::IOError(io::Error::other(text)))
            }
        }
    }

    fn is_catalog_committer(&self) -> bool {
        false
    }

    fn publish(&self, _engine: &dyn Engine, _metadata: PublishMetadata) -> DeltaResult<()> {
        Ok(())
    }
}

/// A `txn` action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Txn {
    pub version: i64,
    /// Milliseconds since 1970.
    pub last_updated: Option<i64>,
}

/// The newest `txn` of each app id, expired ones too.
pub fn newest_txns(snapshot: &Snapshot, engine: &KernelEngine) -> DeltaResult<HashMap<String, Txn>> {
    let mut txns = HashMap::new();
    // The newest come first.
    for batch in snapshot.log_segment().read_actions(engine, LOG_TXN_SCHEMA.clone())? {
        let batch = batch?.actions.try_into_record_batch()?;
        let txn = batch.column(0).as_struct();
        let ids = txn.column(0).as_string::<i32>();
        let (versions, updated) =
            (txn.column(1).as_primitive::<Int64Type>(), txn.column(2).as_primitive::<Int64Type>());
        for row in (0..batch.num_rows()).filter(|row| txn.is_valid(*row) && ids.is_valid(*row)) {
            let last_updated = updated.is_valid(row).then(|| updated.value(row));
            let found = Txn { version: versions.value(row), last_updated };
            txns.entry(ids.value(row).to_owned()).or_insert(found);
        }
    }
    Ok(txns)
}

pub fn kernel_error(doing: &str, error: &delta_kernel::Error) -> Error {
    use delta_kernel::Error as Kernel;
    match error {
        Kernel::Backtraced { source, .. } => kernel_error(doing, source),
        Kernel::IOError(source) => store_error(doing, source),
        Kernel::ObjectStore(source) => store_error(doing, source),
        Kernel::Unsupported(_) | Kernel::InvalidProtocol(_) | Kernel::InvalidTransactionState(_) => {
            Error::new(Code::TableUnsupported, format!("{doing}: {error}"))
        }
        Kernel::MaxCatalogVersion(_) => Error::new(
            Code::TableUnsupported,
            format!("{doing}: it has the table feature catalogManaged, which Sluice does not write"),
        ),
        // Damage, unless the store failed while the file was read.
        Kernel::Parquet(source) if !is_external(source) => {
            Error::new(Code::TableCorrupt, format!("{doing}: {error}"))
        }
        Kernel::MalformedJson(_)
        | Kernel::Arrow(_)
        | Kernel::InvalidCheckpoint(_)
        | Kernel::ParseError(..)
        | Kernel::ParseIntError(_)
        | Kernel::MissingData(_)
        | Kernel::Schema(_)
        | Kernel::MissingMetadata
        | Kernel::MissingProtocol
        | Kernel::MissingMetadataAndProtocol
        | Kernel::MissingVersion
        | Kernel::FileNotFound(_)
        | Kernel::InvalidLogPath(_) => Error::new(Code::TableCorrupt, format!("{doing}: {error}")),
        other => store_error(doing, other),
    }
}

fn is_external(error: &delta_kernel::parquet::errors::ParquetError) -> bool {
    matches!(error, delta_kernel::parquet::errors::ParquetError::External(_))
}
