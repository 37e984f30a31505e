//! Arbitrary `meta` and buffers through `put`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use arrow_array::Array;
use sluice_core::connect::Payload;
use sluice_core::crossing::{Needs, Segment, read_batch};
use sluice_core::metrics::{RECORDS, ROWS};
use sluice_core::offsets::TopicPartition;
use sluice_core::schema::Schema;
use sluice_core::settings::Settings;
use sluice_core::task::Task;

use super::golden;
use super::table::{Held, Memory};

const SCHEMA: &str = r#"{"type":"struct","fields":[
    {"name":"id","type":"long","nullable":true,"metadata":{}},
    {"name":"name","type":"string","nullable":true,"metadata":{}},
    {"name":"i","type":"integer","nullable":true,"metadata":{}}]}"#;
/// As in the golden files.
const PARTITIONS: [(&str, i32); 3] = [("flights", 0), ("flights", 1), ("zipcodes", 0)];

/// `input` has the golden files' format. Whether the batch was accepted.
pub fn run(input: &[u8]) -> bool {
    let Some(golden::Put { meta, buffers, registry }) = golden::read(input) else { return false };
    let Ok(batch) = read_batch(&meta, &mut &buffers[..], &registry, Needs::default()) else { return false };
    for segment in &batch {
        for payload in [&segment.key, &segment.value] {
            if let Payload::Typed { schema, array } = payload {
                assert_eq!(array.data_type(), &schema.arrow());
                array.to_data().validate_full().expect("columns that Arrow accepts");
            }
        }
        (0..segment.rows()).for_each(|row| {
            segment.is_null(row);
        });
    }
    for has_reporter in [true, false] {
        put(&batch, has_reporter);
    }
    true
}

fn put(batch: &[Segment], has_reporter: bool) {
    let held = Rc::new(RefCell::new(Held::default()));
    let tables = Memory { schema: Schema::parse(SCHEMA).expect("a schema"), held: held.clone() };
    let settings = [("name", "fuzz"), ("delta.table.uri", "/tables/all")];
    let settings: BTreeMap<_, _> =
        settings.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let mut task = Task::new(Settings::parse(&settings).expect("settings"), has_reporter, tables);
    let ids = [0, 1, 2];
    let opened = ids.into_iter().zip(PARTITIONS);
    let opened = opened.map(|(id, (topic, partition))| (id, TopicPartition::new(topic, partition))).collect();
    task.open(0, opened).expect("the table is loaded");
    task.tick(1).expect("and running");

    let Ok((_, bad)) = task.put(2, batch) else {
        let counted = task.meter().samples(2);
        assert_eq!((counted.total(&RECORDS), counted.total(&ROWS)), (0, 0), "a refused batch leaves nothing");
        drain(&mut task, &ids);
        assert_eq!(
            (held.borrow().rows, held.borrow().offsets.len()),
            (0, 0),
            "a refused batch leaves nothing"
        );
        return;
    };
    let records: usize = batch.iter().map(Segment::rows).sum();
    assert!(bad.len() <= records);
    drain(&mut task, &ids);
    let rows = held.borrow().rows;
    assert!(rows + bad.len() <= records);

    // Delivered again, nothing of it is taken; Connect is never told more than the table holds (I2), for partitions of
    // which anything came through.
    let (_, bad) = task.put(4, batch).expect("a batch that was taken before");
    drain(&mut task, &ids);
    let asked = ids.map(|id| (id, i64::MAX));
    for (id, offset) in task.pre_commit(&asked) {
        if !batch.iter().any(|segment| segment.partitions.contains(&id)) {
            assert_eq!(offset, i64::MAX, "Connect's own");
            continue;
        }
        let (topic, partition) = PARTITIONS[id as usize];
        let app_id = TopicPartition::new(topic, partition).app_id("fuzz");
        assert_eq!(held.borrow().offsets.get(&app_id), Some(&offset));
    }
    if is_in_order(batch) {
        assert_eq!((held.borrow().rows, bad.len()), (rows, 0));
    }
    task.close(&ids);
}

fn drain(task: &mut Task<Memory>, ids: &[i32]) {
    task.drain(3, ids).expect("a commit");
    task.tick(3).expect("and its outcome");
    assert!(task.is_drained());
}

/// Whether no two rows are in another order than Kafka's: what is overtaken is dropped as delivered before.
fn is_in_order(batch: &[Segment]) -> bool {
    let mut rows: Vec<_> = batch
        .iter()
        .flat_map(|s| (0..s.rows()).map(|row| (s.seq[row], s.partitions[row], s.offsets[row])))
        .collect();
    rows.sort_unstable();
    let mut next = BTreeMap::new();
    rows.into_iter()
        .all(|(_, partition, offset)| next.insert(partition, offset).is_none_or(|before| before < offset))
}
