//! One JSON object per record, straight into columns, directed by the table's schema. What each column type takes is in
//! `docs/json.md`.

mod column;
mod number;
mod object;
pub(crate) mod reader;
mod scalar;
mod text;

#[cfg(test)]
mod differential;
#[cfg(test)]
mod rules;

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::schema::Schema;
use crate::{Code, Result};
use object::Object;
use reader::Reader;

/// Levels of objects and arrays, the record's own object being the first.
pub const MAX_DEPTH: usize = 64;
/// Bytes of a record, and bytes that the columns hold before the last one.
pub const MAX_RECORD_BYTES: usize = 1 << 30;
/// Names that [`UnknownFieldCounts`] holds.
pub const MAX_UNKNOWN_NAMES: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownFields {
    #[default]
    Ignore,
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strings {
    #[default]
    Strict,
    /// A string column also takes numbers, booleans, objects and arrays, as their JSON source text.
    Lenient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JsonOptions {
    pub unknown_fields: UnknownFields,
    pub strings: Strings,
}

/// Why a record makes no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    pub code: Code,
    /// Such as `a.b[3].c`; empty for the record as a whole.
    pub path: String,
    pub message: String,
}

/// Fields without a column. Fields of refused records count too, up to the place of the error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnknownFieldCounts {
    pub total: u64,
    /// By path without array positions, such as `items[].sku`; at most [`MAX_UNKNOWN_NAMES`].
    pub names: BTreeMap<String, u64>,
}

pub struct JsonDecoder {
    options: JsonOptions,
    schema: SchemaRef,
    root: Object,
    rows: usize,
    /// Never less than the bytes in the columns, and cheaper.
    bytes_at_most: usize,
    scratch: Vec<u8>,
}

impl JsonDecoder {
    pub fn new(schema: &Schema, options: JsonOptions) -> Result<Self> {
        Ok(JsonDecoder {
            options,
            schema: schema.arrow(),
            root: Object::new(&schema.fields, "", 1)?,
            rows: 0,
            bytes_at_most: 0,
            scratch: Vec::new(),
        })
    }

    /// Appends one row. After an error nothing of the record is in any column.
    ///
    /// # Panics
    /// If the columns already hold [`MAX_RECORD_BYTES`]: call [`JsonDecoder::finish`] long before.
    pub fn push(&mut self, value: &[u8]) -> Result<(), RowError> {
        // Arrow's offsets are i32: fewer bytes than 2^30 held, and no more than 2^30 on top of them.
        if self.bytes_at_most >= MAX_RECORD_BYTES {
            self.bytes_at_most = self.bytes();
            assert!(self.bytes_at_most < MAX_RECORD_BYTES, "finish() was not called in time");
        }
        let mut reader = Reader::new(value, self.options, std::mem::take(&mut self.scratch));
        let outcome = self.read(&mut reader);
        let spent = reader.spent();
        self.scratch = reader.into_scratch();
        match outcome {
            Ok(()) => {
                self.rows += 1;
                self.bytes_at_most += self.root.width + value.len() + spent;
                Ok(())
            }
            Err(error) => {
                self.root.truncate(self.rows);
                Err(*error)
            }
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Box<RowError>> {
        reader.check_encoding()?;
        reader.whitespace();
        if reader.byte() != b'{' {
            return Err(reader.expected("a JSON object"));
        }
        self.root.read(reader, self.rows)?;
        reader.whitespace();
        if reader.at_end() { Ok(()) } else { Err(reader.expected("nothing after the object")) }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes that the rows take in the columns (a boolean counts as one). Walks the columns, so ask once per batch of
    /// records, not per record.
    pub fn bytes(&self) -> usize {
        self.root.bytes()
    }

    /// Takes the rows; the decoder is empty afterwards and can be used again.
    pub fn finish(&mut self) -> RecordBatch {
        self.rows = 0;
        self.bytes_at_most = 0;
        RecordBatch::try_new(self.schema.clone(), self.root.finish())
            .expect("the columns are built from this schema and have the same length")
    }

    /// What was counted since the last call.
    pub fn take_unknown_fields(&mut self) -> UnknownFieldCounts {
        let mut counts = UnknownFieldCounts::default();
        self.root.take_unknown(&mut counts);
        counts
    }
}

impl RowError {
    fn boxed(code: Code, message: String) -> Box<Self> {
        Box::new(RowError { code, path: String::new(), message })
    }

    /// Puts a field's name in front of the path.
    fn in_field(mut self: Box<Self>, name: &str) -> Box<Self> {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    /// Puts an array position in front of the path.
    fn in_element(self: Box<Self>, index: usize) -> Box<Self> {
        self.in_field(&format!("[{index}]"))
    }
}

impl std::fmt::Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = if self.path.is_empty() { "" } else { " at " };
        write!(f, "{}{at}{}: {}", self.code.name(), self.path, self.message)
    }
}

impl std::error::Error for RowError {}
