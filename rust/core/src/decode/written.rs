//! Records that were written with a schema of their own, which may be another one for each record, into the rows of one
//! table.

use std::sync::Arc;

use super::column::Format;
use super::json::JsonOptions;
use super::rows::Rows;
use super::{RowError, avro, json_schema, protobuf};
use crate::Result;
use crate::connect::ConnectSchema;
use crate::schema::Schema;

/// Schemas whose plans are kept; beyond that they are made anew.
const MAX_PLANS: usize = 256;

/// A schema that records were written with.
#[derive(Debug, Clone)]
pub enum Written {
    Avro(Arc<avro::Schema>),
    Protobuf(protobuf::Message),
    Json(Arc<json_schema::Schema>),
}

enum Plan {
    Avro(avro::Plan),
    Protobuf(protobuf::Plan),
    Json(json_schema::Plan),
}

pub struct WrittenDecoder {
    options: JsonOptions,
    rows: Rows,
    plans: Vec<(Written, Plan)>,
    /// The plan of the last record.
    last: usize,
    scratch: Vec<u8>,
}

impl Written {
    /// What a converter of Connect would make of it, for the columns of a table.
    pub fn connect(&self) -> Result<ConnectSchema> {
        match self {
            Written::Avro(schema) => schema.connect(),
            Written::Protobuf(message) => message.connect(),
            Written::Json(schema) => schema.connect(),
        }
    }

    /// By identity.
    pub fn is(&self, other: &Written) -> bool {
        match (self, other) {
            (Written::Avro(one), Written::Avro(other)) => Arc::ptr_eq(one, other),
            (Written::Protobuf(one), Written::Protobuf(other)) => one.is(other),
            (Written::Json(one), Written::Json(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl WrittenDecoder {
    /// For records whose values have types of their own.
    pub fn new(schema: &Schema, options: JsonOptions) -> Result<Self> {
        Self::of(Rows::new(schema, Format::Connect)?, options)
    }

    /// For records that are text.
    pub fn of_text(schema: &Schema, options: JsonOptions) -> Result<Self> {
        Self::of(Rows::new(schema, Format::Text)?, options)
    }

    fn of(rows: Rows, options: JsonOptions) -> Result<Self> {
        Ok(WrittenDecoder { options, rows, plans: Vec::new(), last: 0, scratch: Vec::new() })
    }

    /// Appends one row. After an error nothing of the record is in any column.
    ///
    /// # Panics
    /// If the columns already hold [`super::MAX_RECORD_BYTES`]: call [`WrittenDecoder::finish`] long before.
    pub fn push(&mut self, written: &Written, value: &[u8]) -> Result<(), RowError> {
        self.find_plan(written);
        let (plan, options, scratch) = (&self.plans[self.last].1, self.options, &mut self.scratch);
        self.rows.push(value.len(), |root, rows| match plan {
            Plan::Avro(plan) => plan.read(root, rows, value, options.unknown_fields),
            Plan::Protobuf(plan) => plan.read(root, rows, value, options.unknown_fields),
            Plan::Json(plan) => plan.read(root, rows, value, options, scratch),
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
                let root = self.rows.root();
                let plan = match written {
                    Written::Avro(schema) => Plan::Avro(avro::Plan::new(schema, root)),
                    Written::Protobuf(message) => Plan::Protobuf(protobuf::Plan::new(message, root)),
                    Written::Json(schema) => Plan::Json(json_schema::Plan::new(schema, root)),
                };
                self.plans.push((written.clone(), plan));
                self.plans.len() - 1
            }
        };
    }

    #[cfg(test)]
    pub(super) fn plan_of_json(&self, schema: &json_schema::Schema) -> json_schema::Plan {
        json_schema::Plan::new(schema, self.rows.root())
    }
}

super::rows::hands_out_rows!(WrittenDecoder);
