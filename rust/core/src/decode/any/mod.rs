//! One map without a schema per record, straight into columns, directed by the table's schema. What each column type
//! takes is in `docs/types.md`.

mod lookup;
mod read;
mod reader;

#[cfg(test)]
pub(crate) mod tests;

use super::column::Format;
use super::rows::Rows;
use super::{RowError, UnknownFields};
use crate::connect::tagged;
use crate::schema::Schema;
use crate::{Code, Result};
pub use lookup::{EMPTY_MAP, header_bytes, header_text, is_map, named, text_at};
pub(super) use reader::Reader;

pub struct AnyDecoder {
    unknown_fields: UnknownFields,
    rows: Rows,
}

impl AnyDecoder {
    pub fn new(schema: &Schema, unknown_fields: UnknownFields) -> Result<Self> {
        Ok(AnyDecoder { unknown_fields, rows: Rows::new(schema, Format::Connect)? })
    }

    /// Appends one row. After an error nothing of the record is in any column. An error of the code `CROSSING_INVALID`
    /// is not the record's: the bytes are none that Java writes.
    ///
    /// # Panics
    /// If the columns already hold [`super::MAX_RECORD_BYTES`]: call [`AnyDecoder::finish`] long before.
    pub fn push(&mut self, value: &[u8]) -> Result<(), RowError> {
        let unknown_fields = self.unknown_fields;
        self.rows.push(value.len(), |root, rows| {
            let mut reader = Reader::new(value, unknown_fields)?;
            if reader.tag()? != tagged::MAP {
                let message = "the value is not a map with strings as keys; to make it one, use the transformation \
                     HoistField";
                return Err(RowError::boxed(Code::RecordNotStruct, message.into()));
            }
            root.read_any(&mut reader, rows)?;
            reader.end()?;
            Ok(reader.budget.spent)
        })
    }
}

super::rows::hands_out_rows!(AnyDecoder);
