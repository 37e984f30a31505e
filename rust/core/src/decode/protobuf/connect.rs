//! The Connect schema of a message, as Confluent's ProtobufConverter makes it with its default settings. Where that has
//! nothing that a table can hold, `docs/protobuf.md` says what stands there instead.

use super::model::{FieldType, Kind, Known, MessageType, Pool};
use super::{Message, invalid};
use crate::Result;
use crate::connect::{ConnectSchema, Kind as ConnectKind};
use crate::decode::MAX_DEPTH;
use crate::schema::child_path;

/// Fields that one schema may have, those of messages in it included: messages in messages multiply.
const MAX_FIELDS: usize = 100_000;

type Fields = Vec<(Box<str>, ConnectSchema)>;

impl Message {
    /// A STRUCT.
    pub fn connect(&self) -> Result<ConnectSchema> {
        let mut walk = Walk { pool: &self.pool, open: Vec::new(), fields: 0 };
        let fields = walk.fields(self.at, "")?;
        Ok(named(ConnectKind::Struct(fields), self.definition().name(), false))
    }
}

struct Walk<'a> {
    pool: &'a Pool,
    /// The messages that the walk is in.
    open: Vec<usize>,
    fields: usize,
}

impl Walk<'_> {
    /// Oneofs come first, as the converter has them.
    fn fields(&mut self, at: usize, path: &str) -> Result<Fields> {
        let message = &self.pool.messages[at];
        if self.open.contains(&at) {
            return Err(unusable(
                path,
                &format!("the message {} is in itself, and a table's columns have an end", message.full_name),
            ));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(unusable(path, &format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(at);
        let mut fields = Vec::new();
        for (oneof, name) in message.oneofs.iter().enumerate() {
            let column = oneof_column(name, oneof);
            let path = child_path(path, &column);
            let members = message.fields.iter().filter(|field| field.oneof == Some(oneof));
            let members = self.members(members, &path)?;
            if !members.is_empty() {
                let name = format!("io.confluent.connect.protobuf.Union.{name}");
                fields.push((column.into(), named(ConnectKind::Struct(members), &name, true)));
            }
        }
        let plain = message.fields.iter().filter(|field| field.oneof.is_none());
        fields.extend(self.members(plain, path)?);
        self.open.pop();
        Ok(fields)
    }

    fn members<'m>(&mut self, members: impl Iterator<Item = &'m FieldType>, path: &str) -> Result<Fields> {
        let mut fields = Vec::new();
        for field in members {
            self.fields += 1;
            if self.fields > MAX_FIELDS {
                return Err(unusable(
                    path,
                    &format!("the message and those in it have more than {MAX_FIELDS} fields"),
                ));
            }
            if let Some(schema) = self.field(field, &child_path(path, &field.name))? {
                fields.push((field.name.clone(), schema));
            }
        }
        Ok(fields)
    }

    /// None: a message without fields, which no column can be.
    fn field(&mut self, field: &FieldType, path: &str) -> Result<Option<ConnectSchema>> {
        if let Some((key, value)) = self.pool.map_entry(field) {
            let key = self.one(key, &child_path(path, "key"))?;
            let value = self.one(value, &child_path(path, "value"))?;
            return Ok(key.zip(value).map(|(key, value)| {
                ConnectSchema::new(ConnectKind::Map(Box::new(key), Box::new(value)), true)
            }));
        }
        if !field.repeated {
            return self.one(field, path);
        }
        let element = self.one(field, &child_path(path, "element"))?;
        Ok(element.map(|element| ConnectSchema::new(ConnectKind::Array(Box::new(element)), true)))
    }

    fn one(&mut self, field: &FieldType, path: &str) -> Result<Option<ConnectSchema>> {
        let plain = |kind| ConnectSchema::new(kind, true);
        let param = |wanted: &str| {
            field.params.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| &**value)
        };
        Ok(Some(match &field.kind {
            Kind::Int32 | Kind::SInt32 | Kind::SFixed32 => plain(match param("connect.type") {
                Some("int8") => ConnectKind::Int8,
                Some("int16") => ConnectKind::Int16,
                _ => ConnectKind::Int32,
            }),
            Kind::UInt32
            | Kind::Fixed32
            | Kind::Int64
            | Kind::UInt64
            | Kind::SInt64
            | Kind::Fixed64
            | Kind::SFixed64 => plain(ConnectKind::Int64),
            Kind::Float => plain(ConnectKind::Float32),
            Kind::Double => plain(ConnectKind::Float64),
            Kind::Bool => plain(ConnectKind::Boolean),
            Kind::String => plain(ConnectKind::String),
            Kind::Bytes => plain(ConnectKind::Bytes),
            Kind::Enum(found) => named(ConnectKind::String, &found.name, true),
            Kind::Message { at, .. } => {
                let message = &self.pool.messages[*at];
                match message.known {
                    Some(Known::Timestamp) => logical(ConnectKind::Int64, "Timestamp"),
                    Some(Known::Date) => logical(ConnectKind::Int32, "Date"),
                    Some(Known::TimeOfDay) => logical(ConnectKind::Int32, "Time"),
                    Some(Known::Decimal) => {
                        let mut schema = logical(ConnectKind::Bytes, "Decimal");
                        let number = |text: Option<&str>| text.and_then(|text| text.parse::<i32>().ok());
                        let scale = number(param("scale")).unwrap_or(0);
                        schema.parameters.insert("scale".into(), scale.to_string().into());
                        if let Some(precision) = number(param("precision")) {
                            let name = "connect.decimal.precision";
                            schema.parameters.insert(name.into(), precision.to_string().into());
                        }
                        schema
                    }
                    Some(Known::Wrapper) => return self.wrapped(message, path),
                    Some(Known::Struct | Known::Value | Known::ListValue) => {
                        named(ConnectKind::String, message.name(), true)
                    }
                    Some(Known::Empty) => plain(ConnectKind::Boolean),
                    Some(Known::Duration) | None => {
                        let fields = self.fields(*at, path)?;
                        if fields.is_empty() {
                            return Ok(None);
                        }
                        named(ConnectKind::Struct(fields), message.name(), true)
                    }
                }
            }
        }))
    }

    fn wrapped(&mut self, message: &MessageType, path: &str) -> Result<Option<ConnectSchema>> {
        match message.fields.iter().find(|field| field.number == 1) {
            Some(value) if !matches!(value.kind, Kind::Message { .. }) => self.one(value, path),
            _ => Err(unusable(path, &format!("{} is not the message of that name", message.full_name))),
        }
    }
}

/// The column that the members of a oneof are in.
pub(super) fn oneof_column(name: &str, index: usize) -> String {
    format!("{name}_{index}")
}

fn named(kind: ConnectKind, name: &str, optional: bool) -> ConnectSchema {
    ConnectSchema { name: Some(name.into()), ..ConnectSchema::new(kind, optional) }
}

fn logical(kind: ConnectKind, name: &str) -> ConnectSchema {
    let name = format!("org.apache.kafka.connect.data.{name}");
    ConnectSchema { version: Some(1), ..named(kind, &name, true) }
}

fn unusable(path: &str, why: &str) -> crate::Error {
    let place = if path.is_empty() { "the message".to_owned() } else { format!("field {path}") };
    invalid(format!("{place}: {why}. Give the table's schema (delta.schema.json or delta.schema.file)"))
}
