//! One JSON object per record, straight into columns, directed by the table's schema. What each column type takes is in
//! `docs/json.md`.

pub(super) mod number;
pub(super) mod read;
pub(crate) mod reader;
mod scalar;

#[cfg(test)]
mod differential;
#[cfg(test)]
mod rules;

use super::column::Format;
use super::rows::Rows;
pub use super::{
    MAX_DEPTH, MAX_RECORD_BYTES, MAX_UNKNOWN_NAMES, RowError, UnknownFieldCounts, UnknownFields,
};
use crate::Result;
use crate::schema::Schema;
use read::ByColumn;
use reader::{Parse, Reader};

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

pub struct JsonDecoder {
    options: JsonOptions,
    rows: Rows,
    scratch: Vec<u8>,
}

impl JsonDecoder {
    pub fn new(schema: &Schema, options: JsonOptions) -> Result<Self> {
        Ok(JsonDecoder { options, rows: Rows::new(schema, Format::Json)?, scratch: Vec::new() })
    }

    /// Appends one row. After an error nothing of the record is in any column.
    ///
    /// # Panics
    /// If the columns already hold [`MAX_RECORD_BYTES`]: call [`JsonDecoder::finish`] long before.
    pub fn push(&mut self, value: &[u8]) -> Result<(), RowError> {
        let (options, scratch) = (self.options, &mut self.scratch);
        self.rows.push(value.len(), |root, rows| {
            read_record(value, options, scratch, |reader| root.read_json(reader, rows, ByColumn))
        })
    }
}

super::rows::hands_out_rows!(JsonDecoder);

/// Reads the one object that a record is; `read` is called where it opens. Returns what was spent of the record's budget.
#[inline(always)]
pub(super) fn read_record<'v>(
    value: &'v [u8],
    options: JsonOptions,
    scratch: &mut Vec<u8>,
    read: impl FnOnce(&mut Reader<'v>) -> Parse,
) -> Parse<usize> {
    let mut reader = Reader::new(value, options, std::mem::take(scratch));
    let outcome = read_object(&mut reader, read);
    let spent = reader.spent();
    *scratch = reader.into_scratch();
    outcome.map(|()| spent)
}

#[inline(always)]
fn read_object<'v>(reader: &mut Reader<'v>, read: impl FnOnce(&mut Reader<'v>) -> Parse) -> Parse {
    reader.check_encoding()?;
    reader.whitespace();
    if reader.byte() != b'{' {
        return Err(reader.expected("a JSON object"));
    }
    read(reader)?;
    reader.whitespace();
    if reader.at_end() { Ok(()) } else { Err(reader.expected("nothing after the object")) }
}
