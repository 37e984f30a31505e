//! Arbitrary schemas of Avro and Protobuf, and a record of the table that is made of each.

use std::sync::Arc;

use arrow_array::Array;
use sluice_core::decode::json::JsonOptions;
use sluice_core::decode::written::{Written, WrittenDecoder};
use sluice_core::decode::{avro, protobuf};
use sluice_core::schema::{Schema, from_connect};

/// The first byte says which of the two, the text up to the next zero byte is the schema, the rest the record. Whether it made a row.
pub fn run(input: &[u8]) -> bool {
    let Some((choice, rest)) = input.split_first() else { return false };
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let (Some(Ok(text)), Some(record)) = (parts.next().map(std::str::from_utf8), parts.next()) else {
        return false;
    };
    let written = match choice & 1 {
        0 => avro::Schema::parse(text, &[]).map(|schema| Written::Avro(Arc::new(schema))),
        _ => {
            protobuf::File::from_source(text, &[]).and_then(|file| file.message(None)).map(Written::Protobuf)
        }
    };
    if choice & 2 != 0 {
        let _ = avro::Container::open(record);
    }
    let Ok(written) = written else { return false };
    let Ok(fields) = written.connect().and_then(|connect| from_connect(&connect)) else { return false };
    let Ok(mut decoder) = WrittenDecoder::new(&Schema { fields }, JsonOptions::default()) else {
        return false;
    };
    let outcome = decoder.push(&written, record);
    if let Err(error) = &outcome {
        assert_eq!(error.code.class().name(), "RECORD", "{error}");
    }
    let batch = decoder.finish();
    assert_eq!(batch.num_rows(), usize::from(outcome.is_ok()));
    for column in batch.columns() {
        column.to_data().validate_full().expect("columns that Arrow accepts");
    }
    outcome.is_ok()
}
