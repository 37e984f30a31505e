//! What the Delta kernel looks up in the log for a commit, known before it asks: the columns of a clustered table, the highest row
//! id where rows are tracked, the time of the last commit where it counts.

use std::collections::BTreeMap;
use std::iter::once;
use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use buoyant_kernel as delta_kernel;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::schema::SchemaRef;
use delta_kernel::table_features::TableFeature;
use delta_kernel::{
    DeltaResult, DeltaResultIterator, Engine, EngineData, Error, FileDataReadResultIterator, FileMeta,
    FileSize, FilteredEngineData, JsonHandler, PredicateRef, Snapshot,
};
use serde_json::json;
use url::Url;

use crate::kernel::Handlers;
use crate::log::Domain;

/// Of one version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// By its name. Removed ones too.
    domains: BTreeMap<String, Domain>,
    in_commit_timestamp: Option<i64>,
}

impl Known {
    /// Reads it from the log.
    pub fn of(snapshot: &Snapshot, engine: &dyn Engine) -> DeltaResult<Known> {
        let mut known =
            Known { in_commit_timestamp: snapshot.get_in_commit_timestamp(engine)?, ..Known::default() };
        if snapshot.table_configuration().is_feature_supported(&TableFeature::DomainMetadata) {
            let domains = snapshot.get_domain_metadatas_internal(engine, None)?;
            known.add(domains.values().map(Domain::from), known.in_commit_timestamp);
        }
        Ok(known)
    }

    /// Goes on to the version of a commit that has these.
    pub fn add(&mut self, domains: impl IntoIterator<Item = Domain>, in_commit_timestamp: Option<i64>) {
        self.domains.extend(domains.into_iter().map(|domain| (domain.domain.clone(), domain)));
        self.in_commit_timestamp = in_commit_timestamp;
    }

    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.get(name).filter(|domain| !domain.removed)
    }

    /// An engine that answers with this instead of reading the log, and is `real` for the rest.
    pub fn engine(&self, real: &dyn Engine) -> DeltaResult<impl Engine + use<>> {
        let info = json!({"commitInfo": {"inCommitTimestamp": self.in_commit_timestamp}});
        let domains = self.domains.values().map(|domain| json!({"domainMetadata": domain}));
        let actions: StringArray = once(info).chain(domains).map(|action| Some(action.to_string())).collect();
        let actions = RecordBatch::try_from_iter([("action", Arc::new(actions) as _)])?;
        Ok(Handlers {
            evaluation: real.evaluation_handler(),
            storage: real.storage_handler(),
            parquet: real.parquet_handler(),
            json: Arc::new(KnownActions { real: real.json_handler(), actions }),
        })
    }
}

struct KnownActions {
    real: Arc<dyn JsonHandler>,
    /// As JSON. `commitInfo` comes first.
    actions: RecordBatch,
}

impl JsonHandler for KnownActions {
    fn parse_json(&self, texts: Box<dyn EngineData>, schema: SchemaRef) -> DeltaResult<Box<dyn EngineData>> {
        self.real.parse_json(texts, schema)
    }

    fn read_json_files(
        &self,
        _files: &[FileMeta],
        schema: SchemaRef,
        _predicate: Option<PredicateRef>,
    ) -> DeltaResult<FileDataReadResultIterator> {
        let actions = Box::new(ArrowEngineData::new(self.actions.clone()));
        Ok(Box::new(once(self.real.parse_json(actions, schema))))
    }

    fn write_json_file(
        &self,
        path: &Url,
        _data: DeltaResultIterator<'_, FilteredEngineData>,
        _overwrite: bool,
    ) -> DeltaResult<FileSize> {
        Err(Error::generic(format!("{path} is written by a claim")))
    }
}
