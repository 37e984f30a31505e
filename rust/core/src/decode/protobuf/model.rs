//! A writer's schema with all names resolved.

use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Pool {
    pub messages: Vec<MessageType>,
    /// Messages by their full names, sorted.
    pub names: Vec<(Box<str>, usize)>,
    /// The messages at the top of the file that the schema is.
    pub main: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct MessageType {
    pub full_name: Box<str>,
    pub fields: Vec<FieldType>,
    /// Without those that only stand for `optional`.
    pub oneofs: Vec<Box<str>>,
    /// As they are counted by Confluent's message indexes: without map entries and groups.
    pub nested: Vec<usize>,
    pub map_entry: bool,
    pub known: Option<Known>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct FieldType {
    pub name: Box<str>,
    pub number: u32,
    pub kind: Kind,
    pub repeated: bool,
    /// Of a field that is not repeated.
    pub presence: Presence,
    /// Among the message's.
    pub oneof: Option<usize>,
    pub params: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Explicit,
    Implicit,
    Required,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Double,
    Float,
    Int64,
    UInt64,
    Int32,
    Fixed64,
    Fixed32,
    Bool,
    String,
    Bytes,
    UInt32,
    SFixed32,
    SFixed64,
    SInt32,
    SInt64,
    Enum(Arc<EnumType>),
    Message { at: usize, delimited: bool },
}

#[derive(Debug, PartialEq)]
pub(super) struct EnumType {
    pub name: Box<str>,
    /// By number; of several names for one number, the first one.
    pub values: Vec<(i32, Box<str>)>,
    /// The number of the value that comes first in the schema.
    pub default: i32,
    pub closed: bool,
}

/// Messages that stand for something else than their fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Timestamp,
    Duration,
    Date,
    TimeOfDay,
    Decimal,
    Wrapper,
    Empty,
    Struct,
    Value,
    ListValue,
}

impl Known {
    pub fn of(full_name: &str) -> Option<Self> {
        Some(match full_name {
            "google.protobuf.Timestamp" => Known::Timestamp,
            "google.protobuf.Duration" => Known::Duration,
            "google.type.Date" => Known::Date,
            "google.type.TimeOfDay" => Known::TimeOfDay,
            "confluent.type.Decimal" => Known::Decimal,
            "google.protobuf.DoubleValue"
            | "google.protobuf.FloatValue"
            | "google.protobuf.Int64Value"
            | "google.protobuf.UInt64Value"
            | "google.protobuf.Int32Value"
            | "google.protobuf.UInt32Value"
            | "google.protobuf.BoolValue"
            | "google.protobuf.StringValue"
            | "google.protobuf.BytesValue" => Known::Wrapper,
            "google.protobuf.Empty" => Known::Empty,
            "google.protobuf.Struct" => Known::Struct,
            "google.protobuf.Value" => Known::Value,
            "google.protobuf.ListValue" => Known::ListValue,
            _ => return None,
        })
    }
}

impl EnumType {
    pub fn name_of(&self, number: i32) -> Option<&str> {
        // Most enums count from 0 without gaps.
        if let Some((found, name)) = usize::try_from(number).ok().and_then(|at| self.values.get(at))
            && *found == number
        {
            return Some(name);
        }
        let at = self.values.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(&self.values[at].1)
    }
}

impl MessageType {
    /// Without its package and the messages around it.
    pub fn name(&self) -> &str {
        self.full_name.rsplit('.').next().unwrap_or(&self.full_name)
    }
}

impl Pool {
    pub fn find(&self, full_name: &str) -> Option<usize> {
        let at = self.names.binary_search_by(|(name, _)| (**name).cmp(full_name)).ok()?;
        Some(self.names[at].1)
    }

    /// The key and the value, where a field is a map.
    pub fn map_entry<'a>(&'a self, field: &FieldType) -> Option<(&'a FieldType, &'a FieldType)> {
        let Kind::Message { at, .. } = field.kind else { return None };
        let entry = &self.messages[at];
        if !field.repeated || !entry.map_entry {
            return None;
        }
        let part = |number| entry.fields.iter().find(|field| field.number == number);
        Some((part(1)?, part(2)?))
    }
}
