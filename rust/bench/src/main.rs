//! What the work itself costs: our decoders and Parquet writer on one thread, with the data in memory, the same events in each
//! format. `bare-loop CONNECTOR.json EVENTS.jsonl [FOLDER]` prints for each format rows per CPU second, decoded and written, and bytes per
//! row as JSON, and leaves records and schemas of the other formats in the folder. `cargo xtask bench` runs it.

use std::fs;
use std::sync::Arc;

use arrow_array::RecordBatch;
use serde_json::{Map, Value, json};
use sluice_bench::{BATCH, FILE_ROWS, Nowhere, avro, input, protobuf, seconds};
use sluice_core::decode::avro::Schema as AvroSchema;
use sluice_core::decode::json::{JsonDecoder, JsonOptions};
use sluice_core::decode::protobuf::File as ProtobufFile;
use sluice_core::decode::written::{Written, WrittenDecoder};
use sluice_core::schema::Schema;
use sluice_core::settings::Compression;
use sluice_core::table::TableInfo;
use sluice_delta::UnitWriter;
use sluice_delta::world::{Tokio, World};

const ROUNDS: usize = 5;

type Decode = Box<dyn FnMut(&[&[u8]]) -> RecordBatch>;

/// One format: its records, and what makes rows of some of them.
struct Format<'a> {
    name: &'static str,
    records: Vec<&'a [u8]>,
    decode: Decode,
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
    let in_protobuf: Vec<Vec<u8>> = rows.iter().flat_map(|rows| protobuf::records(&schema, rows)).collect();
    let in_avro_schema = avro::schema(&schema);
    let in_protobuf_schema = protobuf::schema(&schema);
    if let Some(folder) = std::env::args().nth(3) {
        save(&folder, "avro", &in_avro_schema, &in_avro);
        save(&folder, "protobuf", &in_protobuf_schema, &in_protobuf);
    }
    let of_avro = AvroSchema::parse(&in_avro_schema, &[]).expect("a schema of Avro's");
    let of_avro = written_decoder(&schema, Written::Avro(Arc::new(of_avro)));
    let of_protobuf = ProtobufFile::from_source(&in_protobuf_schema, &[]).and_then(|file| file.message(None));
    let of_protobuf = written_decoder(&schema, Written::Protobuf(of_protobuf.expect("a message")));
    let mut formats = [
        json,
        Format { name: "avro", records: in_avro.iter().map(Vec::as_slice).collect(), decode: of_avro },
        Format {
            name: "protobuf",
            records: in_protobuf.iter().map(Vec::as_slice).collect(),
            decode: of_protobuf,
        },
    ];
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

fn json_decoder(schema: &Schema) -> Decode {
    let mut decoder = JsonDecoder::new(schema, JsonOptions::default()).expect("a schema that JSON can fill");
    Box::new(move |batch| {
        batch.iter().for_each(|event| decoder.push(event).expect("a valid event"));
        decoder.finish()
    })
}

fn written_decoder(schema: &Schema, written: Written) -> Decode {
    let mut decoder = WrittenDecoder::new(schema, JsonOptions::default()).expect("columns for the records");
    Box::new(move |batch| {
        batch.iter().for_each(|record| decoder.push(&written, record).expect("a valid record"));
        decoder.finish()
    })
}

/// For a producer: each record with its length before it in four bytes.
fn save(folder: &str, format: &str, schema: &str, records: &[Vec<u8>]) {
    let framed = records.iter().flat_map(|record| {
        let length = u32::try_from(record.len()).expect("records are small");
        [&length.to_be_bytes()[..], record].concat()
    });
    fs::write(format!("{folder}/{format}.schema"), schema).expect("a file");
    fs::write(format!("{folder}/{format}.records"), framed.collect::<Vec<u8>>()).expect("a file");
}
