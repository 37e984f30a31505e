//! The schemas that a table's records were written with.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::BinaryArray;

use super::{Fetched, Given, Lookup, RawSettings, SchemaKey, SchemaType, Schemas};
use crate::crossing::Segment;
use crate::decode::RowError;
use crate::decode::avro;
use crate::decode::written::Written;
use crate::error::{Code, Error, Result};
use crate::settings::RawFormat;

/// Beyond these they are parsed anew.
const MAX_SCHEMAS: usize = 4096;

pub struct Writers {
    settings: Arc<RawSettings>,
    schemas: Option<Arc<dyn Schemas>>,
    /// What became of those that there are.
    parsed: HashMap<SchemaKey, Result<Written, RowError>>,
}

/// What records were written with.
pub struct Found<'v> {
    pub schemas: Vec<Written>,
    /// For each row which of the schemas it is, and its value without what stood around it.
    pub rows: Vec<(usize, Result<(usize, &'v [u8]), RowError>)>,
}

impl Writers {
    pub fn new(settings: &Arc<RawSettings>, schemas: &Option<Arc<dyn Schemas>>) -> Self {
        Writers { settings: settings.clone(), schemas: schemas.clone(), parsed: HashMap::new() }
    }

    pub fn settings(&self) -> &Arc<RawSettings> {
        &self.settings
    }

    /// An error of the whole: a schema is not there yet.
    pub fn of<'v>(
        &mut self,
        segment: &Segment,
        values: &'v BinaryArray,
        rows: &[usize],
    ) -> Result<Found<'v>> {
        let mut found = Found { schemas: Vec::new(), rows: Vec::with_capacity(rows.len()) };
        let mut keys: Vec<Option<SchemaKey>> = Vec::new();
        let mut missing = None;
        for &row in rows {
            let of_row = match self.settings.framing.take_off(values, &segment.extras, row) {
                Ok((key, value)) => match keys.iter().rposition(|known| *known == key) {
                    Some(index) => Ok((index, value)),
                    None => match self.find(key) {
                        Ok(Ok(schema)) => {
                            keys.push(key);
                            found.schemas.push(schema);
                            Ok((keys.len() - 1, value))
                        }
                        Ok(Err(error)) => Err(error),
                        // All that are missing are asked for at once.
                        Err(error) => {
                            missing.get_or_insert(error);
                            continue;
                        }
                    },
                },
                Err(error) => Err(error),
            };
            found.rows.push((row, of_row));
        }
        missing.map_or(Ok(found), Err)
    }

    fn find(&mut self, key: Option<SchemaKey>) -> Result<Result<Written, RowError>> {
        let Some(key) = key else {
            return match &self.settings.given {
                Given::Schema(schema) => Ok(Ok(schema.clone())),
                // The settings were checked, and files read, before there were records.
                Given::None | Given::File(_) => {
                    Err(Error::new(Code::NativePanic, "raw records without a schema"))
                }
            };
        };
        if let Some(schema) = self.parsed.get(&key) {
            return Ok(schema.clone());
        }
        let Some(schemas) = &self.schemas else {
            return Err(Error::new(Code::NativePanic, "raw records with ids and no registry"));
        };
        Ok(match schemas.get(&key) {
            Lookup::Known(fetched) => self.parsed_now(key, &fetched),
            Lookup::Pending => {
                let why = schemas.pending_reason(&key).map(|why| format!(": {why}")).unwrap_or_default();
                let message = format!("the schema of {key} is being fetched{why}");
                return Err(Error::new(Code::RegistryPending, message));
            }
            Lookup::Unknown(message) => {
                Err(RowError { code: Code::RecordSchemaUnknown, path: String::new(), message })
            }
            Lookup::Refused(error) => return Err(error),
        })
    }

    fn parsed_now(&mut self, key: SchemaKey, fetched: &Fetched) -> Result<Written, RowError> {
        let schema = parse(self.settings.format, fetched).map_err(|error| RowError {
            code: Code::WriterSchema,
            path: String::new(),
            message: format!("the schema of {key}: {}", error.message),
        });
        if self.parsed.len() == MAX_SCHEMAS {
            self.parsed.clear();
        }
        self.parsed.insert(key, schema.clone());
        schema
    }
}

fn parse(format: RawFormat, fetched: &Fetched) -> Result<Written> {
    let references: Vec<&str> = fetched.references.iter().map(|reference| reference.text.as_str()).collect();
    match (format, fetched.schema_type) {
        (RawFormat::Avro, SchemaType::Avro) => {
            Ok(Written::Avro(Arc::new(avro::Schema::parse(&fetched.text, &references)?)))
        }
        (_, kind) => {
            let message = format!("it is a schema of {kind:?}, and delta.raw.format says otherwise");
            Err(Error::new(Code::WriterSchema, message))
        }
    }
}
