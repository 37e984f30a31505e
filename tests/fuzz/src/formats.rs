//! Arbitrary JSON Schemas with records, rows of CSV, and compressed values.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use sluice_core::decode::csv::{CsvDecoder, CsvOptions};
use sluice_core::decode::json::JsonOptions;
use sluice_core::decode::json_schema::Schema as JsonSchema;
use sluice_core::decode::written::{Written, WrittenDecoder};
use sluice_core::decode::{RowError, UnknownFieldCounts};
use sluice_core::raw::compression::{Compression, Decompressor};
use sluice_core::schema::{Schema, from_connect};

const CSV: &str = r#"{"type":"struct","fields":[
    {"name":"a","type":"long","nullable":false,"metadata":{}},
    {"name":"b","type":"string","nullable":true,"metadata":{}},
    {"name":"c","type":"decimal(9,2)","nullable":true,"metadata":{}},
    {"name":"d","type":"binary","nullable":true,"metadata":{}},
    {"name":"e","type":"timestamp","nullable":true,"metadata":{}}]}"#;

/// The first byte: which format. Whether any record made a row, or the value was decompressed.
pub fn run(input: &[u8]) -> bool {
    let Some((choice, rest)) = input.split_first() else { return false };
    match choice & 3 {
        0 => json_schema(rest),
        1 => csv(rest),
        _ => compressed(choice >> 2, rest),
    }
}

/// The first line is the schema, the others are records of the table that is made of it.
fn json_schema(input: &[u8]) -> bool {
    let mut lines = input.split(|byte| *byte == b'\n');
    let Ok(text) = std::str::from_utf8(lines.next().unwrap_or_default()) else { return false };
    let Ok(writer) = JsonSchema::parse(text, &[]) else { return false };
    let Ok(fields) = writer.connect().and_then(|connect| from_connect(&connect)) else { return false };
    let Ok(mut decoder) = WrittenDecoder::of_text(&Schema { fields }, JsonOptions::default()) else {
        return false;
    };
    let written = Written::Json(Arc::new(writer));
    let mut rows = 0;
    for record in lines {
        count(&mut rows, decoder.push(&written, record));
        assert_eq!(decoder.rows(), rows);
    }
    finished(decoder.finish(), rows, decoder.take_unknown_fields())
}

/// Records end with a zero byte: a row may have ends of lines in it.
fn csv(input: &[u8]) -> bool {
    let schema = Schema::parse(CSV).expect("a schema");
    let mut decoder = CsvDecoder::new(&schema, CsvOptions::default()).expect("a decoder");
    let mut rows = 0;
    for record in input.split(|byte| *byte == 0) {
        count(&mut rows, decoder.push(record));
        assert_eq!(decoder.rows(), rows);
    }
    finished(decoder.finish(), rows, decoder.take_unknown_fields())
}

fn count(rows: &mut usize, outcome: Result<(), RowError>) {
    match outcome {
        Ok(()) => *rows += 1,
        Err(error) => assert_eq!(error.code.class().name(), "RECORD", "{error}"),
    }
}

fn finished(batch: RecordBatch, rows: usize, unknown: UnknownFieldCounts) -> bool {
    assert_eq!(batch.num_rows(), rows);
    for column in batch.columns() {
        column.to_data().validate_full().expect("columns that Arrow accepts");
    }
    assert!(unknown.names.values().sum::<u64>() <= unknown.total);
    rows > 0
}

fn compressed(choice: u8, payload: &[u8]) -> bool {
    let settings =
        [Compression::Auto, Compression::Gzip, Compression::Zstd, Compression::Snappy, Compression::Lz4];
    let mut decompressor = Decompressor::new(settings[usize::from(choice) % settings.len()]);
    match decompressor.decompress(payload) {
        Ok(value) => {
            assert!(value.len() <= (16 << 20) + 1000 * payload.len());
            value != payload
        }
        Err(error) => {
            assert_eq!(error.code.class().name(), "RECORD", "{error}");
            false
        }
    }
}
