//! The settings of one task: plain data, read from the map that Connect gives.

pub mod choices;
pub mod declare;
pub mod generate;
mod reader;
pub mod table_properties;
mod table_uri;

pub use choices::{Compression, InputMode, JsonStrings, RawFormat, UnknownFields};
pub use reader::SettingError;
pub use table_uri::TableUriTemplate;

use crate::error::{Code, Error};
use crate::schema::Schema;
use reader::Reader;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

/// Connect's own setting: the connector's name.
pub const NAME: &str = "name";
/// Set by the connector for each of its tasks.
pub const TASK_ID: &str = "sluice.task.id";

#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub connector: String,
    /// `0` where no connector has set it.
    pub task: String,
    pub table_uri: TableUriTemplate,
    pub table_auto_create: bool,
    pub schema: SchemaSource,
    pub unknown_fields: UnknownFields,
    pub input_mode: InputMode,
    pub raw_format: RawFormat,
    pub json_strings: JsonStrings,
    pub commit_interval: Duration,
    /// Bytes of record values, for each table.
    pub commit_max_bytes: u64,
    /// For each table; none sets no limit.
    pub commit_max_records: Option<NonZeroU64>,
    pub target_file_bytes: u64,
    pub compression: Compression,
}

/// Where the schema comes from that records are converted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaSource {
    /// A schema in Delta's JSON that [`Schema::parse`] has accepted.
    Inline(String),
    /// An absolute path whose content nobody has looked at yet.
    File(PathBuf),
    /// The table's own.
    Table,
}

impl Settings {
    /// Finds every error, not the first one only. Keys without the prefix `delta.` are Connect's: of those only
    /// [`NAME`] and [`TASK_ID`] are read.
    pub fn parse(given: &BTreeMap<String, String>) -> Result<Settings, Vec<SettingError>> {
        let mut read = Reader::new(given);
        let connector = read.any_text(NAME);
        if connector.is_none() {
            read.error(NAME, Code::ConfigMissing, "has no default and is not given");
        }
        let table_uri = read.text(declare::TABLE_URI, TableUriTemplate::parse);
        let table_auto_create = read.boolean(declare::TABLE_AUTO_CREATE);
        let schema = schema_source(&mut read);
        let unknown_fields = read.choice(declare::SCHEMA_UNKNOWN_FIELDS);
        let input_mode = read.choice(declare::INPUT_MODE);
        let raw_format = read.choice(declare::RAW_FORMAT);
        let json_strings = read.choice(declare::RAW_JSON_STRINGS);
        let commit_interval = Duration::from_millis(read.long(declare::COMMIT_INTERVAL_MS));
        let commit_max_bytes = read.long(declare::COMMIT_MAX_BYTES);
        let commit_max_records = NonZeroU64::new(read.long(declare::COMMIT_MAX_RECORDS));
        let target_file_bytes = read.long(declare::TARGET_FILE_BYTES);
        let compression = read.choice(declare::PARQUET_COMPRESSION);
        read.refuse_unknown();
        read.check_rules();

        let task = read.any_text(TASK_ID).unwrap_or("0").to_string();
        let errors = read.errors;
        let settings = || {
            Some(Settings {
                connector: connector?.to_string(),
                task,
                table_uri: table_uri?,
                table_auto_create,
                schema,
                unknown_fields: unknown_fields?,
                input_mode: input_mode?,
                raw_format: raw_format?,
                json_strings: json_strings?,
                commit_interval,
                commit_max_bytes,
                commit_max_records,
                target_file_bytes,
                compression: compression?,
            })
        };
        match errors.is_empty().then(settings).flatten() {
            Some(settings) => Ok(settings),
            None => Err(errors),
        }
    }
}

fn schema_source(read: &mut Reader) -> SchemaSource {
    if let Some(json) = read.any_text(declare::SCHEMA_JSON)
        && let Err(error) = Schema::parse(json)
    {
        read.error(declare::SCHEMA_JSON, error.code, error.message);
    }
    let json = read.text(declare::SCHEMA_JSON, |json| Ok(json.to_string()));
    let file = read.text(declare::SCHEMA_FILE, |path| match path.starts_with('/') {
        true => Ok(PathBuf::from(path)),
        false => Err("a relative path is refused: give an absolute path".into()),
    });
    match (json, file) {
        (Some(json), _) => SchemaSource::Inline(json),
        (None, Some(file)) => SchemaSource::File(file),
        (None, None) => SchemaSource::Table,
    }
}

/// All errors as one, for a reply that has room for one: the code of the first, every message.
pub fn as_one_error(errors: &[SettingError]) -> Error {
    let code = errors.first().map_or(Code::ConfigInvalid, |first| first.code);
    let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
    Error::new(code, messages.join("; "))
}

#[cfg(test)]
mod tests;
