//! What the work itself costs: our decoders and Parquet writer on one thread, with the data in memory, the same events in each
//! format. `bare-loop CONNECTOR.json EVENTS.jsonl` prints for each format rows per CPU second, decoded and written, and bytes per
//! row as JSON. `cargo xtask bench` runs it.

use std::sync::Arc;

use arrow_array::RecordBatch;
use serde_json::{Map, Value, json};
use sluice_bench::{BATCH, FILE_ROWS, Nowhere, avro, input, seconds};
use sluice_core::decode::avro::Schema as AvroSchema;
use sluice_core::decode::json::{JsonDecoder, JsonOptions};
use sluice_core::decode::written::{Written, WrittenDecoder};
use sluice_core::schema::Schema;
use sluice_core::settings::Compression;
use sluice_core::table::TableInfo;
use sluice_delta::UnitWriter;
use sluice_delta::world::{Tokio, World};

const ROUNDS: usize = 5;

/// One format: its records, and what makes rows of some of them.
struct Format<'a> {
    name: &'static str,
    records: Vec<&'a [u8]>,
    decode: Box<dyn FnMut(&[&[u8]]) -> RecordBatch>,
}

fn main() {
    let (_, schema, events) = input();
    let events: Vec<&[u8]> = events.lines().map(str::as_bytes).collect();
    let mut json = Format { name: "json", records: events, decode: json_decoder(&schema) };
    let mut rows = Vec::new();
    for batch in json.records.chunks(BATCH) {
        rows.push((json.decode)(batch));
    }
    let in_avro: Vec<Vec<u8>> = rows.iter().flat_map(|rows| avro::records(&schema, rows)).collect();
    let in_avro = in_avro.iter().map(Vec::as_slice).collect();
    let mut formats = [json, Format { name: "avro", records: in_avro, decode: avro_decoder(&schema) }];
    for format in &mut formats {
        for (records, rows) in format.records.chunks(BATCH).zip(&rows) {
            assert_eq!(&(format.decode)(records), rows, "the same rows from {}", format.name);
        }
    }

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let world = Tokio::world(runtime.handle().clone());
    let table = Arc::new(TableInfo::unpartitioned(schema));
    let nowhere = Nowhere::new();
    let mut best = vec![(f64::INFINITY, f64::INFINITY); formats.len()];
    let mut written = vec![0; formats.len()];
    // In turn, so that what disturbs one disturbs the others; of all rounds the quickest counts.
    for _ in 0..ROUNDS {
        for ((format, best), written) in formats.iter_mut().zip(&mut best).zip(&mut written) {
            let Format { records, decode, .. } = format;
            let decoding = seconds(|| records.chunks(BATCH).for_each(|batch| drop(decode(batch))));
            let both = seconds(|| write(&nowhere, &world, &table, records, decode));
            *best = (best.0.min(decoding), best.1.min(both));
            *written = nowhere.bytes_written();
        }
    }
    let told = formats.iter().zip(best).zip(written).map(|((format, (decoding, both)), written)| {
        let rows = format.records.len() as f64;
        let bytes: usize = format.records.iter().map(|record| record.len()).sum();
        let told = json!({
            "decode": rows / decoding, "both": rows / both,
            "bytes_per_record": bytes as f64 / rows, "bytes_per_row": written as f64 / rows,
        });
        (format.name.to_owned(), told)
    });
    println!("{}", Value::Object(told.collect::<Map<_, _>>()));
}

fn write(
    nowhere: &Arc<Nowhere>,
    world: &Arc<dyn World>,
    table: &Arc<TableInfo>,
    records: &[&[u8]],
    decode: &mut dyn FnMut(&[&[u8]]) -> RecordBatch,
) {
    for rows in records.chunks(FILE_ROWS) {
        let mut writer = UnitWriter::new(nowhere.clone(), world.clone(), Compression::Zstd, u64::MAX);
        for batch in rows.chunks(BATCH) {
            writer.write(table, &decode(batch)).expect("a written batch");
        }
        writer.finish().expect("a finished file");
    }
}

fn json_decoder(schema: &Schema) -> Box<dyn FnMut(&[&[u8]]) -> RecordBatch> {
    let mut decoder = JsonDecoder::new(schema, JsonOptions::default()).expect("a schema that JSON can fill");
    Box::new(move |batch| {
        batch.iter().for_each(|event| decoder.push(event).expect("a valid event"));
        decoder.finish()
    })
}

fn avro_decoder(schema: &Schema) -> Box<dyn FnMut(&[&[u8]]) -> RecordBatch> {
    let written = AvroSchema::parse(&avro::schema(schema), &[]).expect("a schema of Avro's");
    let written = Written::Avro(Arc::new(written));
    let mut decoder = WrittenDecoder::new(schema, JsonOptions::default()).expect("a schema that Avro can fill");
    Box::new(move |batch| {
        batch.iter().for_each(|record| decoder.push(&written, record).expect("a valid record"));
        decoder.finish()
    })
}
