//! One table of a task: its decoder, its open unit and the unit that is up for commit.

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::port::Table;
use super::{HAND_OVER_BYTES, HAND_OVER_ROWS};
use crate::decode::json::{JsonDecoder, JsonOptions, RowError, UnknownFieldCounts};
use crate::error::{Code, Result};
use crate::offsets::Interval;
use crate::settings::Settings;
use crate::table::TableInfo;

pub struct Slot<T> {
    pub uri: String,
    pub table: T,
    /// Partition ids of the unit that is up for commit, each with the offset that the table holds afterwards.
    pub in_flight: Option<Vec<(usize, i64)>>,
    /// The table was asked for offsets and has not answered.
    pub load_asked: bool,
    /// That answer is of no use, or there was no time to ask: ask (again).
    pub load_again: bool,
    /// Puts up for commit whatever there is, without waiting for a limit.
    pub drain: bool,
    info: Option<Arc<TableInfo>>,
    decoder: Option<JsonDecoder>,
    /// Bytes of the values whose rows are in the decoder.
    decoded_bytes: usize,
    /// Rows of the batch that is being taken, beyond those in the decoder.
    batch: Vec<RecordBatch>,
    batch_bytes: u64,
    batch_records: u64,
    open_bytes: u64,
    open_records: u64,
    /// When the open unit got its first record, in the driver's ms.
    pub open_since: Option<u64>,
}

impl<T: Table> Slot<T> {
    pub fn new(table: T, uri: String) -> Self {
        Slot {
            uri,
            table,
            in_flight: None,
            load_asked: false,
            load_again: false,
            drain: false,
            info: None,
            decoder: None,
            decoded_bytes: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            batch_records: 0,
            open_bytes: 0,
            open_records: 0,
            open_since: None,
        }
    }

    pub fn set_info(&mut self, info: Arc<TableInfo>, settings: &Settings) -> Result<()> {
        if self.info.as_ref() != Some(&info) {
            let options =
                JsonOptions { unknown_fields: settings.unknown_fields, strings: settings.json_strings };
            self.decoder = Some(JsonDecoder::new(&info.schema, options)?);
            self.info = Some(info);
        }
        Ok(())
    }

    pub fn push(&mut self, value: &[u8]) -> Result<(), RowError> {
        let Some(decoder) = &mut self.decoder else {
            let message = "a row before the table is loaded: a defect in Sluice".into();
            return Err(RowError { code: Code::NativePanic, path: String::new(), message });
        };
        decoder.push(value)?;
        self.decoded_bytes += value.len();
        if decoder.rows() >= HAND_OVER_ROWS || self.decoded_bytes >= HAND_OVER_BYTES {
            self.batch.push(decoder.finish());
            self.decoded_bytes = 0;
        }
        Ok(())
    }

    /// A record of the batch that is being taken belongs to the open unit.
    pub fn count(&mut self, bytes: u64) {
        self.batch_bytes += bytes;
        self.batch_records += 1;
    }

    /// The batch is taken: its rows go to the open unit.
    pub fn hand_over(&mut self, now: u64) -> UnknownFieldCounts {
        if self.batch_records > 0 {
            self.open_since.get_or_insert(now);
        }
        self.open_bytes += std::mem::take(&mut self.batch_bytes);
        self.open_records += std::mem::take(&mut self.batch_records);
        let (Some(decoder), Some(info)) = (&mut self.decoder, &self.info) else {
            return UnknownFieldCounts::default();
        };
        if decoder.rows() > 0 {
            self.batch.push(decoder.finish());
            self.decoded_bytes = 0;
        }
        for rows in self.batch.drain(..) {
            self.table.write(info, rows);
        }
        decoder.take_unknown_fields()
    }

    /// The batch is refused: nothing of it remains.
    pub fn forget_batch(&mut self) {
        self.batch.clear();
        (self.batch_bytes, self.batch_records) = (0, 0);
        if let Some(decoder) = &mut self.decoder {
            decoder.finish();
            self.decoded_bytes = 0;
            decoder.take_unknown_fields();
        }
    }

    /// When the open unit is due by time. Units of all tasks of a process are due at the same moments, so that they
    /// meet in one commit; processes differ by when their clock started.
    pub fn due_at(&self, settings: &Settings) -> Option<u64> {
        let interval = settings.commit_interval.as_millis() as u64;
        Some((self.open_since? / interval + 1) * interval)
    }

    pub fn is_due(&self, now: u64, settings: &Settings) -> bool {
        self.drain
            || self.open_bytes >= settings.commit_max_bytes
            || settings.commit_max_records.is_some_and(|max| self.open_records >= max.get())
            || self.due_at(settings).is_some_and(|due| now >= due)
    }

    pub fn commit(&mut self, ids: Vec<usize>, intervals: Vec<Interval>) {
        self.in_flight = Some(ids.into_iter().zip(intervals.iter().map(|interval| interval.to)).collect());
        self.start_unit();
        self.table.commit(intervals);
    }

    pub fn discard(&mut self) {
        self.start_unit();
        self.table.discard();
    }

    fn start_unit(&mut self) {
        (self.open_bytes, self.open_records, self.open_since) = (0, 0, None);
    }
}
