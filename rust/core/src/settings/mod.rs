//! The settings of one task: plain data, read from the map that Connect gives.

mod aliases;
pub mod choices;
mod connect;
pub mod declare;
pub mod generate;
pub mod maintenance;
mod raw;
mod reader;
pub mod registry;
mod routes;
mod secret;
pub mod store;
mod table;
mod table_properties;
mod table_uri;

pub use choices::{
    BillingMode, CommitLock, Compression, Evolution, InputMode, JsonStrings, KeyMode, NullValues,
    OtherConnectors, PathScheme, PathStyle, RawCompression, RawFormat, RawFraming, RegistryApi,
    ServerSideEncryption, UnknownFields, Unmatched,
};
pub use connect::topics;
pub use maintenance::{Compaction, CompactionScope, Maintenance, Order, VacuumMode};
pub use reader::SettingError;
pub use registry::RegistrySettings;
pub use routes::{RouteBy, RouteMap, Routes, TableRef};
pub use secret::Secret;
pub use store::StoreSettings;
pub use table::{SchemaSource, TableSettings};
pub use table_uri::TableUriTemplate;

use crate::crossing::Needs;
use crate::error::{Code, Error, Result};
use crate::raw::{Framing, RawSettings};
use reader::{Reader, of_a_table};
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Connect's own setting: the connector's name.
pub const NAME: &str = "name";
/// Connect's own settings: which topics the connector reads.
pub const TOPICS: &str = "topics";
pub const TOPICS_REGEX: &str = "topics.regex";
/// Set by the connector for each of its tasks.
pub const TASK_ID: &str = "sluice.task.id";

#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub connector: String,
    /// `0` where no connector has set it.
    pub task: String,
    pub routes: Routes,
    /// Of every table that [`Settings::of_tables`] does not name.
    pub of_any_table: Arc<TableSettings>,
    /// By the table's name.
    pub of_tables: BTreeMap<String, Arc<TableSettings>>,
    pub null_values: NullValues,
    pub other_connectors: OtherConnectors,
    pub input_mode: InputMode,
    pub raw: Arc<RawSettings>,
    pub commit_interval: Duration,
    /// Bytes of record values, for each table.
    pub commit_max_bytes: Option<NonZeroU64>,
    /// For each table; none sets no limit.
    pub commit_max_records: Option<NonZeroU64>,
    pub target_file_bytes: u64,
    /// For all connectors of a process; none asks for nothing.
    pub memory_budget: Option<NonZeroU64>,
    pub compression: Compression,
    pub store: StoreSettings,
    /// How long a task bears a store that fails.
    pub store_retry_timeout: Duration,
    pub registry: Option<RegistrySettings>,
    /// Whether a validation also tries what the settings name.
    pub validate_connectivity: bool,
}

impl Settings {
    /// Finds every error, not the first one only. Keys without the prefix `delta.` are Connect's: of those only a few
    /// are read besides what is declared.
    pub fn parse(given: &BTreeMap<String, String>) -> Result<Settings, Vec<SettingError>> {
        let (given, wrong_aliases) = aliases::resolve(given);
        let given = &given;
        let mut read = Reader::new(given);
        let connector = read.any_text(NAME);
        if connector.is_none() {
            read.error(NAME, Code::ConfigMissing, "has no default and is not given");
        }
        let routes = routes(&mut read);
        let target_file_bytes = read.long(declare::TARGET_FILE_BYTES);
        let of_any_table = TableSettings::read(&mut read, target_file_bytes);
        let null_values = read.choice(declare::NULL_VALUES);
        let other_connectors = read.choice(declare::OFFSETS_OTHER_CONNECTORS);
        let input_mode = read.choice(declare::INPUT_MODE);
        connect::check_converter(&mut read, input_mode);
        let raw = raw::settings(&mut read);
        if let (Some(raw), Some(Routes { by: Some(RouteBy::Field(_)), .. })) = (&raw, &routes)
            && (raw.format != RawFormat::Json || raw.compression != RawCompression::None)
            && input_mode != Some(InputMode::Connect)
        {
            let why = "of raw records, only JSON that is not compressed is looked into: route by header(name) or topic";
            read.invalid(declare::ROUTE_BY, why);
        }
        let commit_interval = Duration::from_millis(read.long(declare::COMMIT_INTERVAL_MS));
        let commit_max_bytes = NonZeroU64::new(read.long(declare::COMMIT_MAX_BYTES));
        let commit_max_records = NonZeroU64::new(read.long(declare::COMMIT_MAX_RECORDS));
        let memory_budget = NonZeroU64::new(read.long(declare::MEMORY_BUDGET_BYTES));
        let compression = read.choice(declare::PARQUET_COMPRESSION);
        let store = StoreSettings::read(&mut read).map(|store| store.for_files_of(target_file_bytes));
        let store_retry_timeout = Duration::from_millis(read.long(declare::STORE_RETRY_TIMEOUT_MS));
        if let (Some(routes), Some(store)) = (&routes, &store) {
            check_lock(routes, store.lock, &mut read);
        }
        let registry = RegistrySettings::read(&mut read);
        let validate_connectivity = read.boolean(declare::VALIDATE_CONNECTIVITY);
        read.refuse_unknown();
        read.check_rules();
        let of_tables = of_tables(given, target_file_bytes, &mut read);
        if let (Some(routes), Some(of_any_table)) = (&routes, &of_any_table) {
            connect::check_predecessors(routes, of_any_table, &of_tables, &mut read);
        }

        let task = read.any_text(TASK_ID).unwrap_or("0").to_string();
        let errors = [wrong_aliases, read.errors].concat();
        let settings = || {
            Some(Settings {
                connector: connector?.to_string(),
                task,
                routes: routes?,
                of_any_table: Arc::new(of_any_table?),
                of_tables,
                null_values: null_values?,
                other_connectors: other_connectors?,
                input_mode: input_mode?,
                raw: Arc::new(raw?),
                commit_interval,
                commit_max_bytes,
                commit_max_records,
                target_file_bytes,
                memory_budget,
                compression: compression?,
                store: store?,
                store_retry_timeout,
                registry,
                validate_connectivity,
            })
        };
        match errors.is_empty().then(settings).flatten() {
            Some(settings) => Ok(settings),
            None => Err(errors),
        }
    }

    pub fn of_table(&self, name: &str) -> &Arc<TableSettings> {
        self.of_tables.get(name).unwrap_or(&self.of_any_table)
    }

    /// Reads the files that schemas are in.
    pub fn read_schema_files(&mut self, read: impl Fn(&PathBuf) -> Result<Vec<u8>>) -> Result<()> {
        Arc::make_mut(&mut self.raw).read_schema_file(&read)?;
        let all = std::iter::once(&mut self.of_any_table).chain(self.of_tables.values_mut());
        for table in all {
            Arc::make_mut(table).read_schema_file(&read)?;
        }
        Ok(())
    }

    /// What the records have to bring along.
    pub fn needs(&self) -> Needs {
        let all = std::iter::once(&self.of_any_table).chain(self.of_tables.values());
        let mut needs = all.map(|table| table.computed.needs()).fold(Needs::default(), Needs::and);
        match self.routes.by {
            Some(RouteBy::Topic) => needs.topic = true,
            Some(RouteBy::Header(_)) => needs.headers = true,
            _ => {}
        }
        needs.headers |= self.raw.framing == Framing::ConfluentHeader;
        needs
    }
}

fn routes(read: &mut Reader) -> Option<Routes> {
    let uri = read.text(declare::TABLE_URI, TableUriTemplate::parse);
    let by = read.text(declare::ROUTE_BY, RouteBy::parse);
    let map = [declare::TOPIC2TABLE_MAP, declare::ROUTE_MAP]
        .map(|setting| read.text(setting, |map| RouteMap::parse(map, uri.as_ref())));
    let unmatched = read.choice(declare::ROUTE_UNMATCHED);
    if by.is_some()
        && read.any_text(declare::ROUTE_MAP).is_none()
        && uri.as_ref().is_some_and(|uri| !uri.takes_a_name())
    {
        read.invalid(
            declare::ROUTE_BY,
            "the names that it finds have no place: delta.table.uri needs ${table}",
        );
    }
    let map = map.into_iter().flatten().next();
    Some(Routes { uri: uri?, by, map, unmatched: unmatched? })
}

fn check_lock(routes: &Routes, lock: CommitLock, read: &mut Reader) {
    let elsewhere = routes.templates().find(|uri| !matches!(uri.scheme(), "s3" | "s3a"));
    if let (CommitLock::DynamoDb, Some(uri)) = (lock, elsewhere) {
        read.invalid(
            declare::COMMIT_LOCK,
            format!("it is for tables on S3, and {} is not there", uri.as_str()),
        );
    }
}

/// Each table's settings are everybody's with its own in their place.
fn of_tables(
    given: &BTreeMap<String, String>,
    target_file_bytes: u64,
    read: &mut Reader,
) -> BTreeMap<String, Arc<TableSettings>> {
    let mut own: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    for (key, value) in given {
        if let Some((table, setting)) = of_a_table(key) {
            own.entry(table).or_insert_with(|| given.clone()).insert(setting.to_owned(), value.clone());
        }
    }
    let mut tables = BTreeMap::new();
    for (table, settings) in &own {
        let mut of_table = Reader::of_table(settings, table);
        let read_settings = TableSettings::read(&mut of_table, target_file_bytes);
        of_table.check_rules();
        // What is wrong with everybody's settings was found already.
        of_table.errors.retain(|error| given.contains_key(&error.key));
        if let Some(settings) = read_settings {
            tables.insert((*table).to_owned(), Arc::new(settings));
        }
        read.errors.append(&mut of_table.errors);
    }
    tables
}

/// All errors as one, for a reply that has room for one: the code of the first, every message.
pub fn as_one_error(errors: &[SettingError]) -> Error {
    let code = errors.first().map_or(Code::ConfigInvalid, |first| first.code);
    let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
    Error::new(code, messages.join("; "))
}

#[cfg(test)]
mod tests;
