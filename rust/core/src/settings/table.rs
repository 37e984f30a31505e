//! The settings that may differ from table to table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::choices::{Evolution, KeyMode, UnknownFields};
use super::declare;
use super::maintenance::Maintenance;
use super::reader::Reader;
use super::table_properties;
use crate::computed::{Computed, ComputedSettings};
use crate::error::{Code, Error, Result};
use crate::offsets::{Predecessor, TopicPartition};
use crate::schema::Schema;
use crate::table::TableInfo;

#[derive(Debug, Clone, PartialEq)]
pub struct TableSettings {
    pub auto_create: bool,
    pub properties: BTreeMap<String, String>,
    pub schema: SchemaSource,
    pub evolution: Evolution,
    pub unknown_fields: UnknownFields,
    pub computed: Computed,
    /// The `--app_id` of the job that the table is taken over from.
    pub kafka_delta_ingest: Option<String>,
    /// The name of the connector that the table is taken over from.
    pub from_connector: Option<String>,
    pub maintenance: Maintenance,
}

/// Where the schema comes from that records are converted to.
#[derive(Debug, Clone, PartialEq)]
pub enum SchemaSource {
    /// `delta.schema.json`, or what was in the file.
    Given(Schema),
    /// An absolute path whose content nobody has looked at yet.
    File(PathBuf),
    /// The table's own.
    Table,
}

impl SchemaSource {
    pub fn given(&self) -> Option<&Schema> {
        match self {
            SchemaSource::Given(schema) => Some(schema),
            _ => None,
        }
    }
}

impl TableSettings {
    /// None after an error, which the reader keeps. `target_file_bytes` are everybody's.
    pub(super) fn read(read: &mut Reader, target_file_bytes: u64) -> Option<TableSettings> {
        let auto_create = read.boolean(declare::TABLE_AUTO_CREATE);
        let properties = read.text(declare::TABLE_PROPERTIES, table_properties::parse);
        let schema = schema_source(read);
        let evolution = read.choice(declare::SCHEMA_EVOLUTION);
        let unknown_fields = read.choice(declare::SCHEMA_UNKNOWN_FIELDS);
        let computed = computed(read);
        let kafka_delta_ingest = read.any_text(declare::KAFKA_DELTA_INGEST_APP_ID).map(str::to_owned);
        let from_connector = read.any_text(declare::OFFSETS_FROM_CONNECTOR).map(str::to_owned);
        let maintenance = Maintenance::read(read, target_file_bytes);
        Some(TableSettings {
            auto_create,
            properties: properties.unwrap_or_default(),
            schema,
            evolution: evolution?,
            unknown_fields: unknown_fields?,
            computed: computed?,
            kafka_delta_ingest,
            from_connector,
            maintenance: maintenance?,
        })
    }

    /// Whose offset a partition starts from where the table holds none of its own.
    pub fn predecessor(&self, partition: &TopicPartition) -> Option<Predecessor> {
        let job = self.kafka_delta_ingest.as_ref();
        let job = job.map(|app_id| Predecessor::kafka_delta_ingest(app_id, partition.partition));
        job.or_else(|| Some(Predecessor::new(partition.app_id(self.from_connector.as_ref()?))))
    }

    /// The schema that the settings give, with the computed columns.
    pub fn schema_to_create(&self) -> Result<Option<Schema>> {
        let Some(given) = self.schema.given() else { return Ok(None) };
        let mut fields = given.fields.clone();
        fields.extend(self.computed.missing(given)?);
        Ok(Some(Schema { fields }))
    }

    /// What a table that may grow does not have of the computed columns.
    pub fn wants_of(&self, table: &TableInfo) -> Result<Option<Schema>> {
        if self.evolution == Evolution::None {
            return Ok(None);
        }
        let mut wanted = table.schema.clone();
        wanted.fields.extend(self.computed.missing(&wanted)?);
        Ok((wanted.fields.len() > table.schema.fields.len()).then_some(wanted))
    }

    /// Reads the schema's file, if there is one.
    pub(super) fn read_schema_file(&mut self, read: &impl Fn(&PathBuf) -> Result<Vec<u8>>) -> Result<()> {
        if let SchemaSource::File(path) = &self.schema {
            let text = String::from_utf8(read(path)?);
            let text = text
                .map_err(|_| Error::new(Code::ConfigInvalid, format!("{} is not UTF-8", path.display())))?;
            self.schema = SchemaSource::Given(Schema::parse(&text)?);
        }
        Ok(())
    }
}

fn schema_source(read: &mut Reader) -> SchemaSource {
    let json = read.any_text(declare::SCHEMA_JSON).map(Schema::parse);
    let file = read.path(declare::SCHEMA_FILE);
    match (json, file) {
        (Some(Ok(schema)), _) => SchemaSource::Given(schema),
        (Some(Err(error)), _) => {
            read.error(declare::SCHEMA_JSON, error.code, error.message);
            SchemaSource::Table
        }
        (None, Some(file)) => SchemaSource::File(file),
        (None, None) => SchemaSource::Table,
    }
}

fn computed(read: &mut Reader) -> Option<Computed> {
    let key_mode: KeyMode = read.choice(declare::KEY_MODE)?;
    let settings = ComputedSettings {
        metadata_columns: read.text_or_default(declare::METADATA_COLUMNS),
        metadata_prefix: read.text_or_default(declare::METADATA_PREFIX),
        metadata_struct: read.any_text(declare::METADATA_STRUCT),
        key_columns: key_mode == KeyMode::Columns,
        key_prefix: read.text_or_default(declare::KEY_PREFIX),
        derived: read.text_or_default(declare::DERIVED_COLUMNS),
        partition_by: read.text_or_default(declare::PARTITION_BY),
    };
    Computed::parse(&settings).map_err(|(setting, message)| read.invalid(setting, message)).ok()
}
