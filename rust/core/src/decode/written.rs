//! Records that were written with a schema of their own, which may be another one for each record, into the rows of one
//! table.

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::column::Format;
use super::rows::Rows;
use super::{RowError, UnknownFieldCounts, UnknownFields, avro};
use crate::Result;
use crate::connect::ConnectSchema;
use crate::schema::Schema;

/// Schemas whose plans are kept; beyond that they are made anew.
const MAX_PLANS: usize = 256;

/// A schema that records were written with.
#[derive(Debug, Clone)]
pub enum Written {
    Avro(Arc<avro::Schema>),
}

enum Plan {
    Avro(avro::Plan),
}

pub struct WrittenDecoder {
    unknown_fields: UnknownFields,
    rows: Rows,
    plans: Vec<(Written, Plan)>,
    /// The plan of the last record.
    last: usize,
}

impl Written {
    /// What a converter of Connect would make of it, for the columns of a table.
    pub fn connect(&self) -> Result<ConnectSchema> {
        match self {
            Written::Avro(schema) => schema.connect(),
        }
    }

    /// By identity.
    pub fn is(&self, other: &Written) -> bool {
        match (self, other) {
            (Written::Avro(one), Written::Avro(other)) => Arc::ptr_eq(one, other),
        }
    }
}

impl WrittenDecoder {
    pub fn new(schema: &Schema, unknown_fields: UnknownFields) -> Result<Self> {
        let rows = Rows::new(schema, Format::Connect)?;
        Ok(WrittenDecoder { unknown_fields, rows, plans: Vec::new(), last: 0 })
    }

    /// Appends one row. After an error nothing of the record is in any column.
    ///
    /// # Panics
    /// If the columns already hold [`super::MAX_RECORD_BYTES`]: call [`WrittenDecoder::finish`] long before.
    pub fn push(&mut self, written: &Written, value: &[u8]) -> Result<(), RowError> {
        self.find_plan(written);
        let (plan, unknown_fields) = (&self.plans[self.last].1, self.unknown_fields);
        self.rows.push(value.len(), |root, rows| match plan {
            Plan::Avro(plan) => plan.read(root, rows, value, unknown_fields),
        })
    }

    fn find_plan(&mut self, written: &Written) {
        if self.plans.get(self.last).is_some_and(|(known, _)| known.is(written)) {
            return;
        }
        self.last = match self.plans.iter().position(|(known, _)| known.is(written)) {
            Some(at) => at,
            None => {
                if self.plans.len() == MAX_PLANS {
                    self.plans.clear();
                }
                let plan = match written {
                    Written::Avro(schema) => Plan::Avro(avro::Plan::new(schema, self.rows.root())),
                };
                self.plans.push((written.clone(), plan));
                self.plans.len() - 1
            }
        };
    }

    pub fn rows(&self) -> usize {
        self.rows.rows()
    }

    /// Bytes that the rows take in the columns. Walks the columns, so ask once per batch of records.
    pub fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    /// Takes the rows; the decoder is empty afterwards and can be used again.
    pub fn finish(&mut self) -> RecordBatch {
        self.rows.finish()
    }

    /// What was counted since the last call.
    pub fn take_unknown_fields(&mut self) -> UnknownFieldCounts {
        self.rows.take_unknown_fields()
    }
}
