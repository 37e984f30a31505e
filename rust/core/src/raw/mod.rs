//! Raw values: what stands around them, and the schema that they were written with. docs/raw.md has both.

pub mod compression;
mod framing;
mod writers;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use compression::Compression;
pub(crate) use writers::{Found, FoundRow, Writers};

use crate::decode::csv::CsvOptions;
use crate::decode::written::Written;
use crate::decode::{avro, hyphenated, json_schema, protobuf};
use crate::error::{Code, Error, Result};
use crate::settings::{JsonStrings, RawFormat, RawFraming};

/// How a descriptor set begins, and no `.proto` file: the tag of its first file.
const DESCRIPTOR_SET: u8 = 0x0a;

/// How raw values are decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct RawSettings {
    pub format: RawFormat,
    pub framing: Framing,
    pub json_strings: JsonStrings,
    pub compression: Compression,
    /// The Protobuf message that records are which do not say it.
    pub message: Option<String>,
    /// But for what is the table's own.
    pub csv: CsvOptions,
    /// Where the whole value goes.
    pub value_column: String,
    /// The schema that all records were written with.
    pub given: Given,
}

/// Where a record says which schema it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Nowhere: all have the one that the settings give.
    Bare,
    /// A zero byte and the id in four bytes.
    Confluent,
    /// A header with the schema's GUID; without it as [`Framing::Confluent`].
    ConfluentHeader,
    /// A zero byte and Apicurio's global id in eight bytes.
    ApicurioGlobal,
    /// A zero byte and Apicurio's content id in eight bytes.
    ApicurioContent,
    /// Avro's two-byte marker and the schema's fingerprint. The settings give the schemas.
    AvroSingleObject,
    /// The schema itself, in a container file that holds one record.
    AvroContainer,
}

#[derive(Debug, Clone)]
pub enum Given {
    None,
    Schema(Written),
    /// An absolute path whose content nobody has looked at yet.
    File(PathBuf),
}

/// How a record names the schema that it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaKey {
    /// The four bytes of Confluent's framing.
    Id(u32),
    /// Of a version of an artifact in Apicurio.
    GlobalId(u64),
    /// Of a content in Apicurio, which several versions may share.
    ContentId(u64),
    /// The UUID in Confluent's header.
    Guid([u8; 16]),
}

/// A registry, for instance. It is asked from the thread that Connect waits for.
pub trait Schemas: Send + Sync {
    /// Never waits: what is not there yet is fetched meanwhile.
    fn get(&self, key: &SchemaKey) -> Lookup;

    /// Why a schema that is [`Lookup::Pending`] is not there yet, where something went wrong.
    fn pending_reason(&self, key: &SchemaKey) -> Option<String>;
}

#[derive(Debug, Clone)]
pub enum Lookup {
    Known(Arc<Fetched>),
    /// It is being fetched; see [`Schemas::pending_reason`].
    Pending,
    /// There is no such schema, or one that cannot be used. The message names both.
    Unknown(String),
    /// Asking again is of no use: access is denied, or what answers is no registry.
    Refused(Error),
}

#[derive(Debug, PartialEq, Eq)]
pub struct Fetched {
    pub schema_type: SchemaType,
    pub text: String,
    /// What the text refers to, and what that refers to: each once, and after all that it refers to itself.
    pub references: Vec<Reference>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// As the text that refers to it names it: an Avro type's full name, a `.proto` file's path, the value of a `$ref`.
    pub name: String,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaType {
    Avro,
    Protobuf,
    Json,
}

impl RawFraming {
    pub(crate) fn framing(self, has_registry: bool) -> Framing {
        match self {
            RawFraming::Auto if has_registry => Framing::Confluent,
            RawFraming::Auto | RawFraming::None => Framing::Bare,
            RawFraming::Confluent => Framing::Confluent,
            RawFraming::ConfluentHeader => Framing::ConfluentHeader,
            RawFraming::Apicurio => Framing::ApicurioGlobal,
            RawFraming::ApicurioContent => Framing::ApicurioContent,
            RawFraming::AvroSingleObject => Framing::AvroSingleObject,
            RawFraming::AvroContainer => Framing::AvroContainer,
        }
    }
}

impl RawFormat {
    /// Whether records of it are decoded by the schema that they were written with.
    pub fn has_schemas(self) -> bool {
        matches!(self, RawFormat::JsonSchema | RawFormat::Avro | RawFormat::Protobuf)
    }

    /// A schema that the settings give.
    pub(crate) fn parse(self, text: &[u8], message: Option<&str>) -> Result<Written> {
        if self == RawFormat::Protobuf && text.first() == Some(&DESCRIPTOR_SET) {
            return Ok(Written::Protobuf(protobuf::File::from_descriptor_set(text)?.message(message)?));
        }
        let text = std::str::from_utf8(text);
        let text = text.map_err(|_| Error::new(Code::ConfigInvalid, "the schema is not UTF-8"))?;
        match self {
            RawFormat::Avro => Ok(Written::Avro(Arc::new(avro::Schema::parse(text, &[])?))),
            RawFormat::JsonSchema => Ok(Written::Json(Arc::new(json_schema::Schema::parse(text, &[])?))),
            RawFormat::Protobuf => {
                Ok(Written::Protobuf(protobuf::File::from_source(text, &[])?.message(message)?))
            }
            _ => Err(Error::new(Code::ConfigInvalid, "records of that format have no schema")),
        }
    }
}

impl RawSettings {
    /// Reads the file that the schema is in.
    pub fn read_schema_file(&mut self, read: impl Fn(&PathBuf) -> Result<Vec<u8>>) -> Result<()> {
        if let Given::File(path) = &self.given {
            let schema = self.format.parse(&read(path)?, self.message.as_deref());
            let schema = schema.map_err(|error| {
                Error::new(Code::ConfigInvalid, format!("{}: {}", path.display(), error.message))
            })?;
            self.given = Given::Schema(schema);
        }
        Ok(())
    }
}

impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Given::None, Given::None) => true,
            (Given::Schema(one), Given::Schema(other)) => one.is(other),
            (Given::File(one), Given::File(other)) => one == other,
            _ => false,
        }
    }
}

/// As messages call it.
impl fmt::Display for SchemaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaKey::Id(id) => write!(f, "id {id}"),
            SchemaKey::GlobalId(id) => write!(f, "global id {id}"),
            SchemaKey::ContentId(id) => write!(f, "content id {id}"),
            SchemaKey::Guid(bytes) => write!(f, "GUID {}", guid(bytes)),
        }
    }
}

pub fn guid(bytes: &[u8; 16]) -> String {
    hyphenated(bytes).map(char::from).iter().collect()
}
