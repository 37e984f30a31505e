//! Values that are decoded one after the other.

use arrow_array::{BinaryArray, RecordBatch};

use super::{HAND_OVER_BYTES, HAND_OVER_ROWS};
use crate::Result;
use crate::decode::any::AnyDecoder;
use crate::decode::csv::{CsvDecoder, CsvOptions};
use crate::decode::json::{JsonDecoder, JsonOptions};
use crate::decode::single::SingleDecoder;
use crate::decode::written::WrittenDecoder;
use crate::decode::{RowError, UnknownFieldCounts, UnknownFields};
use crate::raw::RawSettings;
use crate::raw::compression::Decompressor;
use crate::schema::Schema;
use crate::settings::RawFormat;

/// Decoded values, each batch with the rows of the segment that it was made from.
#[derive(Default)]
pub struct Decoded {
    pub batches: Vec<(RecordBatch, Vec<usize>)>,
    pub bad: Vec<(usize, RowError)>,
    pub unknown: UnknownFieldCounts,
}

pub trait RowDecoder {
    fn rows(&self) -> usize;
    fn finish(&mut self) -> RecordBatch;
    fn take_unknown_fields(&mut self) -> UnknownFieldCounts;
}

/// Of raw values that were written without a schema.
pub enum Plain {
    Json(JsonDecoder),
    Csv(CsvDecoder),
    Single(SingleDecoder),
}

impl Plain {
    pub fn new(schema: &Schema, raw: &RawSettings, unknown_fields: UnknownFields) -> Result<Self> {
        Ok(match raw.format {
            RawFormat::Csv => {
                let options = CsvOptions { unknown_fields, ..raw.csv.clone() };
                Plain::Csv(CsvDecoder::new(schema, options)?)
            }
            RawFormat::String | RawFormat::Bytes => {
                Plain::Single(SingleDecoder::new(schema, &raw.value_column)?)
            }
            _ => {
                let options = JsonOptions { unknown_fields, strings: raw.json_strings };
                Plain::Json(JsonDecoder::new(schema, options)?)
            }
        })
    }

    pub fn decode(
        &mut self,
        rows: &[usize],
        values: &BinaryArray,
        decompressor: &mut Decompressor,
    ) -> Decoded {
        match self {
            Plain::Json(decoder) => unpacked(rows, values, decompressor, decoder),
            Plain::Csv(decoder) => unpacked(rows, values, decompressor, decoder),
            Plain::Single(decoder) => unpacked(rows, values, decompressor, decoder),
        }
    }
}

/// A decoder of records that say by themselves what they are.
pub trait OneByOne: RowDecoder {
    fn push(&mut self, value: &[u8]) -> Result<(), RowError>;
}

macro_rules! one_by_one {
    ($decoder:ty) => {
        row_decoder!($decoder);

        impl OneByOne for $decoder {
            fn push(&mut self, value: &[u8]) -> Result<(), RowError> {
                self.push(value)
            }
        }
    };
}

macro_rules! row_decoder {
    ($decoder:ty) => {
        impl RowDecoder for $decoder {
            fn rows(&self) -> usize {
                self.rows()
            }
            fn finish(&mut self) -> RecordBatch {
                self.finish()
            }
            fn take_unknown_fields(&mut self) -> UnknownFieldCounts {
                self.take_unknown_fields()
            }
        }
    };
}

one_by_one!(JsonDecoder);
one_by_one!(AnyDecoder);
one_by_one!(CsvDecoder);
one_by_one!(SingleDecoder);
row_decoder!(WrittenDecoder);

pub fn one_by_one<'v>(
    rows: &[usize],
    value: impl Fn(usize) -> &'v [u8],
    decoder: &mut impl OneByOne,
) -> Decoded {
    let mut collected = Collected::default();
    for row in rows {
        let value = value(*row);
        let pushed = decoder.push(value).map(|()| value.len());
        collected.add(*row, pushed, decoder);
    }
    collected.finish(decoder)
}

fn unpacked(
    rows: &[usize],
    values: &BinaryArray,
    decompressor: &mut Decompressor,
    decoder: &mut impl OneByOne,
) -> Decoded {
    let mut collected = Collected::default();
    for row in rows {
        let value = decompressor.decompress(values.value(*row));
        let pushed = value.and_then(|value| decoder.push(value).map(|()| value.len()));
        collected.add(*row, pushed, decoder);
    }
    collected.finish(decoder)
}

/// What comes of rows that are decoded one after the other.
#[derive(Default)]
pub struct Collected {
    decoded: Decoded,
    kept: Vec<usize>,
    bytes: usize,
}

impl Collected {
    /// `pushed`: the bytes of the row's value.
    pub fn add(&mut self, row: usize, pushed: Result<usize, RowError>, decoder: &mut impl RowDecoder) {
        match pushed {
            Ok(bytes) => {
                self.kept.push(row);
                self.bytes += bytes;
            }
            Err(error) => self.decoded.bad.push((row, error)),
        }
        if decoder.rows() >= HAND_OVER_ROWS || self.bytes >= HAND_OVER_BYTES {
            self.hand_over(decoder);
        }
    }

    fn hand_over(&mut self, decoder: &mut impl RowDecoder) {
        self.decoded.batches.push((decoder.finish(), std::mem::take(&mut self.kept)));
        self.bytes = 0;
    }

    pub fn finish(mut self, decoder: &mut impl RowDecoder) -> Decoded {
        if decoder.rows() > 0 {
            self.hand_over(decoder);
        }
        self.decoded.unknown = decoder.take_unknown_fields();
        self.decoded
    }
}
