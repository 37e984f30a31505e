//! What the work itself costs: our JSON decoder and Parquet writer on one thread, with the data in memory.
//! `bare-loop CONNECTOR.json EVENTS.jsonl` prints rows per CPU second and bytes per row as JSON. `cargo xtask bench` runs it.

use std::sync::Arc;

use serde_json::json;
use sluice_bench::{BATCH, FILE_ROWS, Nowhere, input, seconds};
use sluice_core::decode::json::{JsonDecoder, JsonOptions};
use sluice_core::settings::Compression;
use sluice_core::table::TableInfo;
use sluice_delta::UnitWriter;
use sluice_delta::world::Tokio;

const ROUNDS: usize = 5;

fn main() {
    let (_, schema, events) = input();
    let table = Arc::new(TableInfo::unpartitioned(schema.clone()));
    let events: Vec<&[u8]> = events.lines().map(str::as_bytes).collect();

    let mut decoder = JsonDecoder::new(&schema, JsonOptions::default()).expect("a schema that JSON can fill");
    let mut decode = |batch: &[&[u8]]| {
        batch.iter().for_each(|event| decoder.push(event).expect("a valid event"));
        decoder.finish()
    };
    let decoding = best(|| events.chunks(BATCH).for_each(|batch| drop(decode(batch))));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let world = Tokio::world(runtime.handle().clone());
    let nowhere = Nowhere::new();
    let mut bytes = 0;
    let both = best(|| {
        for rows in events.chunks(FILE_ROWS) {
            let mut writer = UnitWriter::new(nowhere.clone(), world.clone(), Compression::Zstd, u64::MAX);
            for batch in rows.chunks(BATCH) {
                writer.write(&table, &decode(batch)).expect("a written batch");
            }
            writer.finish().expect("a finished file");
        }
        bytes = nowhere.bytes_written();
    });
    let rows = events.len() as f64;
    println!(
        "{}",
        json!({"decode": rows / decoding, "both": rows / both, "bytes_per_row": bytes as f64 / rows})
    );
}

/// Of the quickest round: the others were disturbed.
fn best(mut round: impl FnMut()) -> f64 {
    (0..ROUNDS).map(|_| seconds(&mut round)).fold(f64::INFINITY, f64::min)
}
