//! The rows of a table as they grow, whatever they are read from.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::column::Format;
use super::object::Object;
use super::{MAX_RECORD_BYTES, Parse, RowError, UnknownFieldCounts};
use crate::Result;
use crate::schema::Schema;

pub(super) struct Rows {
    schema: SchemaRef,
    root: Object,
    rows: usize,
    /// Never less than the bytes in the columns, and cheaper.
    bytes_at_most: usize,
}

impl Rows {
    pub fn new(schema: &Schema, format: Format) -> Result<Self> {
        Ok(Rows {
            schema: schema.arrow(),
            root: Object::new(&schema.fields, "", 1, format)?,
            rows: 0,
            bytes_at_most: 0,
        })
    }

    /// The columns, for a plan of how they are filled.
    pub fn root(&self) -> &Object {
        &self.root
    }

    /// Appends one row of a record of so many bytes. `read` is told how many rows there are, and tells what
    /// [`super::Budget`] was spent. After an error nothing of the record is in any column.
    ///
    /// # Panics
    /// If the columns already hold [`MAX_RECORD_BYTES`].
    #[inline(always)]
    pub fn push(
        &mut self,
        record_bytes: usize,
        read: impl FnOnce(&mut Object, usize) -> Parse<usize>,
    ) -> Result<(), RowError> {
        // Arrow's offsets are i32: fewer bytes than 2^30 held, and no more than 2^30 on top of them.
        if self.bytes_at_most >= MAX_RECORD_BYTES {
            self.bytes_at_most = self.bytes();
            assert!(self.bytes_at_most < MAX_RECORD_BYTES, "finish() was not called in time");
        }
        match read(&mut self.root, self.rows) {
            Ok(spent) => {
                self.rows += 1;
                self.bytes_at_most += self.root.width + record_bytes + spent;
                Ok(())
            }
            Err(error) => {
                self.root.truncate(self.rows);
                Err(*error)
            }
        }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn bytes(&self) -> usize {
        self.root.bytes()
    }

    pub fn finish(&mut self) -> RecordBatch {
        self.rows = 0;
        self.bytes_at_most = 0;
        RecordBatch::try_new(self.schema.clone(), self.root.finish())
            .expect("the columns are built from this schema and have the same length")
    }

    pub fn take_unknown_fields(&mut self) -> UnknownFieldCounts {
        let mut counts = UnknownFieldCounts::default();
        self.root.take_unknown(&mut counts);
        counts
    }
}

/// What every decoder with a field `rows` has.
macro_rules! hands_out_rows {
    ($decoder:ty) => {
        impl $decoder {
            pub fn rows(&self) -> usize {
                self.rows.rows()
            }

            /// Bytes that the rows take in the columns (a boolean counts as one). Walks the columns, so ask once per batch of
            /// records, not per record.
            pub fn bytes(&self) -> usize {
                self.rows.bytes()
            }

            /// Takes the rows; the decoder is empty afterwards and can be used again.
            pub fn finish(&mut self) -> arrow_array::RecordBatch {
                self.rows.finish()
            }

            /// What was counted since the last call: fields that have no column.
            pub fn take_unknown_fields(&mut self) -> $crate::decode::UnknownFieldCounts {
                self.rows.take_unknown_fields()
            }
        }
    };
}

pub(super) use hands_out_rows;
