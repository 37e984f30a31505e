//! Rows per second of the JSON decoder, beside arrow-json: `cargo run --release -p sluice-core --example json_speed`.

use std::sync::Arc;
use std::time::Instant;

use arrow_json::ReaderBuilder;
use arrow_schema::{DataType, Field, Schema as ArrowSchema};
use sluice_core::decode::json::{JsonDecoder, JsonOptions};
use sluice_core::schema::Schema;

const RECORDS: usize = 200_000;
const BATCH: usize = 8_192;
const ROUNDS: usize = 5;

const SCHEMA: &str = r#"{"type":"struct","fields":[
    {"name":"id","type":"long","nullable":false},{"name":"kind","type":"integer","nullable":true},
    {"name":"price","type":"double","nullable":true},{"name":"weight","type":"double","nullable":true},
    {"name":"user","type":"string","nullable":true},{"name":"session","type":"string","nullable":true},
    {"name":"page","type":"string","nullable":true},{"name":"agent","type":"string","nullable":true},
    {"name":"at","type":"timestamp","nullable":true},{"name":"ok","type":"boolean","nullable":true},
    {"name":"place","nullable":true,"type":{"type":"struct","fields":[
        {"name":"city","type":"string","nullable":true},{"name":"country","type":"string","nullable":true},
        {"name":"lat","type":"double","nullable":true},{"name":"lon","type":"double","nullable":true}]}}]}"#;

fn main() {
    let schema = Schema::parse(SCHEMA).expect("a valid schema");
    let records: Vec<Vec<u8>> = (0..RECORDS as u64).map(record).collect();
    let bytes: usize = records.iter().map(Vec::len).sum();
    println!("{RECORDS} records of {} bytes, batches of {BATCH}", bytes / RECORDS);

    // arrow-json knows "UTC" by this name only, unless it is built with a time zone database.
    let arrow_schema: Vec<Field> = schema
        .arrow()
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Timestamp(unit, Some(_)) => Field::new(
                field.name(),
                DataType::Timestamp(*unit, Some("+00:00".into())),
                field.is_nullable(),
            ),
            _ => field.as_ref().clone(),
        })
        .collect();
    let arrow_schema = Arc::new(ArrowSchema::new(arrow_schema));

    let ours = best(|| {
        let mut decoder = JsonDecoder::new(&schema, JsonOptions::default()).expect("a schema JSON can fill");
        let mut rows = 0;
        for batch in records.chunks(BATCH) {
            for record in batch {
                decoder.push(record).expect("a valid record");
            }
            rows += decoder.finish().num_rows();
        }
        rows
    });
    let arrow = best(|| {
        let mut decoder = ReaderBuilder::new(arrow_schema.clone())
            .with_batch_size(BATCH)
            .build_decoder()
            .expect("a decoder");
        let mut rows = 0;
        for batch in records.chunks(BATCH) {
            for record in batch {
                decoder.decode(record).expect("a valid record");
            }
            rows += decoder.flush().expect("a batch").map_or(0, |batch| batch.num_rows());
        }
        rows
    });
    for (name, seconds) in [("sluice", ours), ("arrow-json", arrow)] {
        let rows = RECORDS as f64 / seconds / 1e6;
        println!("{name:>10}: {rows:.2} M rows/s, {:.0} MB/s", bytes as f64 / seconds / 1e6);
    }
    println!("{:>10}: {:.2}", "ratio", arrow / ours);
}

fn best(mut run: impl FnMut() -> usize) -> f64 {
    let mut seconds = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        assert_eq!(run(), RECORDS);
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    seconds
}

fn record(i: u64) -> Vec<u8> {
    let noise = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (price, weight) = ((noise % 100_000) as f64 / 100.0, (noise >> 20) as f64 / 1e9);
    let (lat, lon) = ((noise % 180_000) as f64 / 1000.0 - 90.0, (noise % 360_000_000) as f64 / 1e6 - 180.0);
    format!(
        r#"{{"id":{i},"kind":{},"price":{price},"weight":{weight},"user":"user-{:08}","session":"{noise:016x}","page":"/shop/item/{}/view","agent":"Mozilla/5.0 (X11; Linux x86_64)","at":"2026-08-{:02}T{:02}:15:30.{:06}Z","ok":{},"place":{{"city":"Wien","country":"AT","lat":{lat},"lon":{lon}}}}}"#,
        noise % 16,
        noise % 100_000_000,
        noise % 10_000,
        1 + noise % 28,
        noise % 24,
        noise % 1_000_000,
        noise.is_multiple_of(2),
    )
    .into_bytes()
}
