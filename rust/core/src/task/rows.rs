//! How the rows of one table are made.

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::{HAND_OVER_BYTES, HAND_OVER_ROWS};
use crate::connect::Payload;
use crate::crossing::Segment;
use crate::decode::json::{JsonDecoder, JsonOptions};
use crate::decode::{RowError, UnknownFieldCounts};
use crate::error::{Code, Error, Result};
use crate::offsets::TopicPartition;
use crate::schema::Schema;
use crate::settings::{JsonStrings, TableSettings};
use crate::table::TableInfo;

pub struct Rows {
    table: Arc<TableInfo>,
    json: JsonDecoder,
}

#[derive(Default)]
pub struct Made {
    pub batches: Vec<RecordBatch>,
    /// By row of the segment.
    pub bad: Vec<(usize, RowError)>,
    pub unknown: UnknownFieldCounts,
}

pub enum Outcome {
    Made(Made),
    /// The table has to have these columns first.
    Wants(Schema),
}

impl Rows {
    pub fn new(table: Arc<TableInfo>, settings: &TableSettings, strings: JsonStrings) -> Result<Self> {
        let options = JsonOptions { unknown_fields: settings.unknown_fields, strings };
        let json = JsonDecoder::new(&table.schema, options)?;
        Ok(Rows { table, json })
    }

    pub fn table(&self) -> &Arc<TableInfo> {
        &self.table
    }

    pub fn make<'p>(
        &mut self,
        segment: &Segment,
        rows: &[usize],
        _place: &impl Fn(i32) -> Option<&'p TopicPartition>,
    ) -> Result<Outcome> {
        let mut made = Made::default();
        let Payload::Raw(values) = &segment.value else { return Ok(Outcome::Made(made)) };
        let mut bytes = 0;
        for row in rows {
            let value = values.value(*row);
            match self.json.push(value) {
                Ok(()) => bytes += value.len(),
                Err(error) => made.bad.push((*row, error)),
            }
            if self.json.rows() >= HAND_OVER_ROWS || bytes >= HAND_OVER_BYTES {
                made.batches.push(self.json.finish());
                bytes = 0;
            }
        }
        if self.json.rows() > 0 {
            made.batches.push(self.json.finish());
        }
        made.unknown = self.json.take_unknown_fields();
        Ok(Outcome::Made(made))
    }
}

/// The columns of a table that is not there yet.
pub fn wanted_by(
    _settings: &TableSettings,
    _strings: JsonStrings,
    _segment: &Segment,
    _rows: &[usize],
) -> Result<Schema> {
    Err(Error::new(Code::TableMissing, "no table"))
}
