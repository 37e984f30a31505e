//! The schemas that a table's records were written with.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::BinaryArray;

use super::{Given, Lookup, RawSettings, SchemaKey, SchemaText, Schemas};
use crate::crossing::Segment;
use crate::decode::RowError;
use crate::decode::avro;
use crate::decode::written::Written;
use crate::error::{Code, Error, Result};
use crate::raw::SchemaKind;
use crate::settings::RawFormat;

/// Beyond these they are parsed anew.
const MAX_SCHEMAS: usize = 4096;

pub struct Writers {
    settings: Arc<RawSettings>,
    schemas: Option<Arc<dyn Schemas>>,
    /// What became of those that there are.
    parsed: HashMap<SchemaKey, Result<Written, RowError>>,
    /// Of the last record.
    last: Option<(SchemaKey, Written)>,
}

impl Writers {
    pub fn new(settings: &Arc<RawSettings>, schemas: &Option<Arc<dyn Schemas>>) -> Self {
        Writers {
            settings: settings.clone(),
            schemas: schemas.clone(),
            parsed: HashMap::new(),
            last: None,
        }
    }

    pub fn settings(&self) -> &Arc<RawSettings> {
        &self.settings
    }

    /// For each row the schema that it was written with and its value without what stood around it. An error of the whole:
    /// a schema is not there yet.
    pub fn of<'v>(
        &mut self,
        segment: &Segment,
        values: &'v BinaryArray,
        rows: &[usize],
    ) -> Result<Vec<(usize, Result<(Written, &'v [u8]), RowError>)>> {
        let mut found = Vec::with_capacity(rows.len());
        let mut missing = None;
        for &row in rows {
            let of_row = match self.settings.framing.take_off(values, &segment.extras, row) {
                // All that are missing are asked for at once.
                Ok((key, value)) => match self.find(key) {
                    Ok(schema) => schema.map(|schema| (schema, value)),
                    Err(error) => {
                        missing.get_or_insert(error);
                        continue;
                    }
                },
                Err(error) => Err(error),
            };
            found.push((row, of_row));
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
        if let Some((last, schema)) = &self.last
            && *last == key
        {
            return Ok(Ok(schema.clone()));
        }
        let schema = match self.parsed.get(&key) {
            Some(schema) => schema.clone(),
            None => match self.schemas.as_ref().map(|schemas| schemas.get(&key)) {
                Some(Lookup::Known(text)) => {
                    let schema = parse(self.settings.format, &text);
                    let schema = schema.map_err(|error| RowError {
                        code: Code::WriterSchema,
                        path: String::new(),
                        message: format!("{key}: {}", error.message),
                    });
                    if self.parsed.len() == MAX_SCHEMAS {
                        self.parsed.clear();
                    }
                    self.parsed.insert(key, schema.clone());
                    schema
                }
                Some(Lookup::Pending(why)) => {
                    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                    return Err(Error::new(Code::RegistryPending, format!("{key} is being fetched{why}")));
                }
                Some(Lookup::Unknown(message)) => {
                    Err(RowError { code: Code::RecordSchemaUnknown, path: String::new(), message })
                }
                Some(Lookup::Refused(error)) => return Err(error),
                None => return Err(Error::new(Code::NativePanic, "raw records with ids and no registry")),
            },
        };
        if let Ok(schema) = &schema {
            self.last = Some((key, schema.clone()));
        }
        Ok(schema)
    }
}

fn parse(format: RawFormat, text: &SchemaText) -> Result<Written> {
    let references: Vec<&str> = text.references.iter().map(|(_, text)| text.as_str()).collect();
    match (format, text.kind) {
        (RawFormat::Avro, SchemaKind::Avro) => {
            Ok(Written::Avro(Arc::new(avro::Schema::parse(&text.text, &references)?)))
        }
        (_, kind) => {
            let message = format!("it is a schema of {kind:?}, and delta.raw.format says otherwise");
            Err(Error::new(Code::WriterSchema, message))
        }
    }
}
