//! Values that are one column as they are: text or bytes.

use super::column::{Format, Values};
use super::object::Object;
use super::rows::Rows;
use super::value::Value;
use super::{MAX_RECORD_BYTES, Parse, RowError};
use crate::schema::{DataType, Field, Schema};
use crate::{Code, Error, Result};

/// What a table is created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Single {
    String,
    Bytes,
}

impl Single {
    /// The one column, by this name, of a table that is created from such values.
    pub fn field(self, name: &str) -> Field {
        let data_type = match self {
            Single::String => DataType::String,
            Single::Bytes => DataType::Binary,
        };
        Field { name: name.into(), data_type, nullable: true, metadata: Default::default() }
    }
}

pub struct SingleDecoder {
    rows: Rows,
    column: usize,
}

impl SingleDecoder {
    /// The values go to the column of that name, in any case. It is a string or binary; whichever it is, it takes the
    /// values of both formats.
    pub fn new(schema: &Schema, column: &str) -> Result<Self> {
        let lower = column.to_lowercase();
        let Some(at) = schema.fields.iter().position(|field| field.name.to_lowercase() == lower) else {
            let message = format!("the table has no column {column} for the records' values");
            return Err(Error::new(Code::SchemaMismatch, message));
        };
        let field = &schema.fields[at];
        if !matches!(field.data_type, DataType::String | DataType::Binary) {
            let message = format!(
                "column {} is {}: a value as it is fits a column of string or binary only",
                field.name, field.data_type
            );
            return Err(Error::new(Code::SchemaMismatch, message));
        }
        Ok(SingleDecoder { rows: Rows::new(schema, Format::Connect)?, column: at })
    }

    /// Appends one row. After an error nothing of the record is in any column.
    ///
    /// # Panics
    /// If the columns already hold [`MAX_RECORD_BYTES`]: call [`SingleDecoder::finish`] long before.
    pub fn push(&mut self, value: &[u8]) -> Result<(), RowError> {
        let column = self.column;
        self.rows.push(value.len(), |root, rows| {
            read(root, rows, column, value)?;
            Ok(0)
        })
    }
}

super::rows::hands_out_rows!(SingleDecoder);

fn read(root: &mut Object, rows: usize, column: usize, value: &[u8]) -> Parse {
    if value.len() > MAX_RECORD_BYTES {
        let message = format!("the record has {} bytes, at most {MAX_RECORD_BYTES} fit", value.len());
        return Err(RowError::boxed(Code::RecordRange, message));
    }
    let member = &mut root.members[column];
    let is_text = matches!(member.column.values, Values::String { .. });
    let read = if is_text { text(value).map(Value::Text) } else { Ok(Value::Bytes(value)) };
    read.and_then(|value| member.column.put(&value)).map_err(|error| error.in_field(&member.name))?;
    root.fill_missing(rows)
}

fn text(value: &[u8]) -> Parse<&str> {
    simdutf8::compat::from_utf8(value).map_err(|error| {
        let message = format!("the value is not UTF-8 at byte {}", error.valid_up_to());
        RowError::boxed(Code::RecordEncoding, message)
    })
}

#[cfg(test)]
mod tests;
