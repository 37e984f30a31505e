//! What Connect hands over: its schemas, and values in the shape of Arrow columns. Layout: `docs/crossing.md`.

#[cfg(test)]
pub(crate) mod arbitrary;
mod descriptor;
mod registry;
pub mod tagged;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray};
use arrow_schema::{DataType as ArrowType, Field as ArrowField, Fields};

pub use descriptor::describe;
pub use registry::{FIRST_SCHEMA_ID, Registry};

/// A Connect schema, as registered by Java. Named types keep the kind of Connect's `Schema.type()`; the name tells how to
/// read it: a Decimal is BYTES (unscaled, big-endian two's complement), a Date INT32 (days since the epoch), a Time INT32
/// (ms of the day), a Timestamp INT64 (ms since the epoch).
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectSchema {
    pub kind: Kind,
    pub optional: bool,
    pub name: Option<Box<str>>,
    pub version: Option<i32>,
    pub parameters: BTreeMap<Box<str>, Box<str>>,
    pub doc: Option<Box<str>>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
    Bytes,
    Array(Box<ConnectSchema>),
    Map(Box<ConnectSchema>, Box<ConnectSchema>),
    Struct(Vec<(Box<str>, ConnectSchema)>),
    /// A value without a schema, as tagged bytes.
    Any,
}

/// The keys or values of a segment's rows. Arrays have one element for each row; null is null.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// No row has one.
    Absent,
    /// Bytes as they are in Kafka, or a string's UTF-8.
    Raw(BinaryArray),
    /// Values without a schema, as tagged bytes.
    Any(BinaryArray),
    /// `array` has the type that [`ConnectSchema::arrow`] gives.
    Typed { schema: Arc<ConnectSchema>, array: ArrayRef },
}

impl ConnectSchema {
    pub fn new(kind: Kind, optional: bool) -> Self {
        ConnectSchema { kind, optional, name: None, version: None, parameters: BTreeMap::new(), doc: None }
    }

    /// The type of the column in which its values cross. Every child is nullable in Arrow's eyes; what Connect
    /// requires is checked where the values are converted.
    pub fn arrow(&self) -> ArrowType {
        match &self.kind {
            Kind::Int8 => ArrowType::Int8,
            Kind::Int16 => ArrowType::Int16,
            Kind::Int32 => ArrowType::Int32,
            Kind::Int64 => ArrowType::Int64,
            Kind::Float32 => ArrowType::Float32,
            Kind::Float64 => ArrowType::Float64,
            Kind::Boolean => ArrowType::Boolean,
            Kind::String => ArrowType::Utf8,
            Kind::Bytes | Kind::Any => ArrowType::Binary,
            Kind::Array(element) => {
                ArrowType::List(Arc::new(ArrowField::new("element", element.arrow(), true)))
            }
            Kind::Map(key, value) => {
                let entries = Fields::from(vec![
                    ArrowField::new("key", key.arrow(), false),
                    ArrowField::new("value", value.arrow(), true),
                ]);
                ArrowType::Map(
                    Arc::new(ArrowField::new("key_value", ArrowType::Struct(entries), false)),
                    false,
                )
            }
            Kind::Struct(fields) => ArrowType::Struct(
                fields.iter().map(|(name, schema)| ArrowField::new(&**name, schema.arrow(), true)).collect(),
            ),
        }
    }
}
