//! The schemas that a table's records were written with.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::BinaryArray;

use super::compression::{Compression, Decompressor};
use super::framing::{Framed, Message, Name};
use super::{Fetched, Framing, Given, Lookup, RawSettings, SchemaType, Schemas};
use crate::crossing::Segment;
use crate::decode::RowError;
use crate::decode::written::Written;
use crate::decode::{avro, json_schema, protobuf};
use crate::error::{Code, Error, Result};
use crate::settings::RawFormat;

/// Beyond these they are parsed anew.
const MAX_SCHEMAS: usize = 4096;

pub struct Writers {
    settings: Arc<RawSettings>,
    schemas: Option<Arc<dyn Schemas>>,
    pub decompressor: Decompressor,
    /// What became of those that there are.
    parsed: HashMap<Name, Result<Parsed, RowError>>,
    /// The texts of schemas that records bring along, each with its number.
    embedded: HashMap<Vec<u8>, u32>,
    /// The next number. None is given twice: a batch may hold schemas that were forgotten since.
    next_embedded: u32,
}

/// What records were written with.
pub struct Found<'v> {
    pub schemas: Vec<Written>,
    pub rows: Vec<(usize, Result<FoundRow<'v>, RowError>)>,
}

pub struct FoundRow<'v> {
    /// Which of the schemas.
    pub schema: usize,
    /// Without what stood around it.
    pub value: Cow<'v, [u8]>,
}

#[derive(Clone)]
enum Parsed {
    Whole(Written),
    /// A record is one of its messages.
    Protobuf(protobuf::File),
}

impl Writers {
    pub fn new(settings: &Arc<RawSettings>, schemas: &Option<Arc<dyn Schemas>>) -> Self {
        Writers {
            decompressor: Decompressor::new(settings.compression),
            settings: settings.clone(),
            schemas: schemas.clone(),
            parsed: HashMap::new(),
            embedded: HashMap::new(),
            next_embedded: 0,
        }
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
        let mut names: Vec<(Name, Message)> = Vec::new();
        let mut missing = None;
        for &row in rows {
            let of_row = match self.take_off(segment, values, row) {
                Ok(Framed { name, message, value }) => {
                    let known = names.iter().rposition(|(known, which)| *known == name && *which == message);
                    let schema = match known {
                        Some(known) => Ok(known),
                        None => match self.find(name, &message) {
                            Ok(Ok(schema)) => {
                                names.push((name, message));
                                found.schemas.push(schema);
                                Ok(names.len() - 1)
                            }
                            Ok(Err(error)) => Err(error),
                            // All that are missing are asked for at once.
                            Err(error) => {
                                missing.get_or_insert(error);
                                continue;
                            }
                        },
                    };
                    schema.map(|schema| FoundRow { schema, value })
                }
                Err(error) => Err(error),
            };
            found.rows.push((row, of_row));
        }
        missing.map_or(Ok(found), Err)
    }

    fn take_off<'v>(
        &mut self,
        segment: &Segment,
        values: &'v BinaryArray,
        row: usize,
    ) -> Result<Framed<'v>, RowError> {
        let value = match self.settings.compression {
            Compression::None => Cow::Borrowed(values.value(row)),
            _ => Cow::Owned(self.decompressor.decompress(values.value(row))?.to_vec()),
        };
        if self.settings.framing == Framing::AvroContainer {
            return self.open(&value);
        }
        let has_messages = self.settings.format == RawFormat::Protobuf;
        self.settings.framing.take_off(value, &segment.extras, row, has_messages)
    }

    fn open(&mut self, value: &[u8]) -> Result<Framed<'static>, RowError> {
        let container = avro::Container::open(value).map_err(|error| *error)?;
        let data = self.decompressor.decompress_avro(container.codec, container.data)?.to_vec();
        let number = match self.embedded.get(container.schema) {
            Some(number) => *number,
            None => {
                if self.embedded.len() == MAX_SCHEMAS {
                    self.embedded.clear();
                    self.parsed.clear();
                }
                let number = self.next_embedded;
                self.next_embedded = number.wrapping_add(1);
                let schema = std::str::from_utf8(container.schema).map_err(|_| "it is not UTF-8".to_owned());
                let schema =
                    schema.and_then(|text| avro::Schema::parse(text, &[]).map_err(|error| error.message));
                let name = Name::Embedded(number);
                let parsed = schema.map(|schema| Parsed::Whole(Written::Avro(Arc::new(schema))));
                self.parsed.insert(name, parsed.map_err(|why| unusable(name, why)));
                self.embedded.insert(container.schema.to_vec(), number);
                number
            }
        };
        Ok(Framed { name: Name::Embedded(number), message: Message::Untold, value: Cow::Owned(data) })
    }

    fn find(&mut self, name: Name, message: &Message) -> Result<Result<Written, RowError>> {
        if name == Name::Given {
            return match &self.settings.given {
                Given::Schema(schema) => Ok(Ok(schema.clone())),
                // The settings were checked, and files read, before there were records.
                Given::None | Given::File(_) => {
                    Err(Error::new(Code::NativePanic, "raw records without a schema"))
                }
            };
        }
        if matches!(name, Name::Fingerprint(_)) && self.parsed.is_empty() {
            self.take_fingerprints();
        }
        let parsed = match self.parsed.get(&name) {
            Some(parsed) => parsed.clone(),
            None => match self.fetched(name)? {
                Ok(fetched) => {
                    let parsed =
                        parse(self.settings.format, &fetched).map_err(|error| unusable(name, error.message));
                    if self.parsed.len() == MAX_SCHEMAS {
                        self.parsed.clear();
                    }
                    self.parsed.insert(name, parsed.clone());
                    parsed
                }
                Err(error) => return Ok(Err(error)),
            },
        };
        Ok(parsed.and_then(|parsed| match parsed {
            Parsed::Whole(schema) => Ok(schema),
            Parsed::Protobuf(file) => of_message(&file, message).map(Written::Protobuf).ok_or_else(|| {
                let which = match message {
                    Message::Untold | Message::First => "no message".into(),
                    Message::At(indexes) => format!("no message at the indexes {indexes:?}"),
                    Message::Called(name) => format!("no message {name}"),
                };
                unusable(name, format!("it has {which}"))
            }),
        }))
    }

    /// Of the schema that the settings give, or of each in it.
    fn take_fingerprints(&mut self) {
        let Given::Schema(Written::Avro(given)) = &self.settings.given else { return };
        for schema in avro::Schema::clone(given).alternatives() {
            let name = Name::Fingerprint(schema.fingerprint());
            self.parsed.insert(name, Ok(Parsed::Whole(Written::Avro(Arc::new(schema)))));
        }
    }

    fn fetched(&self, name: Name) -> Result<Result<Arc<Fetched>, RowError>> {
        let Name::Registered(key) = name else {
            let message = format!("no schema of delta.raw.schema has the {name}");
            return Ok(Err(RowError { code: Code::RecordSchemaUnknown, path: String::new(), message }));
        };
        let Some(schemas) = &self.schemas else {
            return Err(Error::new(Code::NativePanic, "raw records with ids and no registry"));
        };
        match schemas.get(&key) {
            Lookup::Known(fetched) => Ok(Ok(fetched)),
            Lookup::Pending => {
                let why = schemas.pending_reason(&key).map(|why| format!(": {why}")).unwrap_or_default();
                let message = format!("the schema of {key} is being fetched{why}");
                Err(Error::new(Code::RegistryPending, message))
            }
            Lookup::Unknown(message) => {
                Ok(Err(RowError { code: Code::RecordSchemaUnknown, path: String::new(), message }))
            }
            Lookup::Refused(error) => Err(error),
        }
    }
}

fn unusable(name: Name, why: String) -> RowError {
    RowError {
        code: Code::WriterSchema,
        path: String::new(),
        message: format!("the schema of {name}: {why}"),
    }
}

fn of_message(file: &protobuf::File, message: &Message) -> Option<protobuf::Message> {
    match message {
        Message::Untold | Message::First => file.message_at(&[0]),
        Message::At(indexes) => file.message_at(indexes),
        Message::Called(name) => file.message(Some(name)).ok(),
    }
}

fn parse(format: RawFormat, fetched: &Fetched) -> Result<Parsed> {
    let named: Vec<(&str, &str)> =
        fetched.references.iter().map(|reference| (&*reference.name, &*reference.text)).collect();
    match (format, fetched.schema_type) {
        (RawFormat::Avro, SchemaType::Avro) => {
            let references: Vec<&str> = named.iter().map(|(_, text)| *text).collect();
            let schema = avro::Schema::parse(&fetched.text, &references)?;
            Ok(Parsed::Whole(Written::Avro(Arc::new(schema))))
        }
        (RawFormat::Protobuf, SchemaType::Protobuf) => {
            Ok(Parsed::Protobuf(protobuf::File::from_source(&fetched.text, &named)?))
        }
        (RawFormat::JsonSchema, SchemaType::Json) => {
            let schema = json_schema::Schema::parse(&fetched.text, &named)?;
            Ok(Parsed::Whole(Written::Json(Arc::new(schema))))
        }
        (_, found) => {
            let message = format!("it is of the type {found:?}, and delta.raw.format says otherwise");
            Err(Error::new(Code::WriterSchema, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Payload;
    use crate::crossing::Extras;
    use crate::settings::Settings;

    fn container(schema: &str) -> Vec<u8> {
        let long = |value: usize| [((2 * value) & 0x7f) as u8 | 0x80, ((2 * value) >> 7) as u8];
        let text = |text: &str| [&long(text.len())[..], text.as_bytes()].concat();
        let entry = [text("avro.schema"), text(schema)].concat();
        [b"Obj\x01\x02", &entry[..], &[0], &[7; 16], &[2, 0], &[7; 16]].concat()
    }

    #[test]
    fn schemas_that_records_bring_along_are_never_taken_for_one_another() {
        let given = [
            ("name", "k"),
            ("delta.table.uri", "/t"),
            ("delta.raw.format", "avro"),
            ("delta.raw.framing", "avro-container"),
        ];
        let given = given.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let settings = Settings::parse(&given).unwrap();
        let name = |number: usize| format!("R{number}");
        let record =
            |number| container(&format!(r#"{{"type":"record","name":"{}","fields":[]}}"#, name(number)));
        let rows: Vec<usize> = (0..MAX_SCHEMAS + 10).collect();
        let values = BinaryArray::from_iter_values(rows.iter().map(|row| record(*row)));
        let segment = Segment {
            seq: rows.iter().map(|row| *row as i32).collect(),
            partitions: vec![0; rows.len()],
            offsets: rows.iter().map(|row| *row as i64).collect(),
            refused: false,
            extras: Extras::default(),
            key: Payload::Absent,
            value: Payload::Absent,
        };
        let found = Writers::new(&settings.raw, &None).of(&segment, &values, &rows).unwrap();
        for (row, of_row) in found.rows {
            let Written::Avro(schema) = &found.schemas[of_row.unwrap().schema] else {
                panic!("a schema of Avro's")
            };
            assert_eq!(*schema.node(schema.root()).name, *name(row));
        }
    }
}
