//! The batches that Java wrote are read as the `.json` beside each says.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use sluice_core::connect::Payload;
use sluice_core::crossing::{Needs, Segment, read_batch};

#[path = "../../../tests/fuzz/src/golden.rs"]
mod format;

#[test]
fn java_s_batches_are_read_as_java_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(".bin")?.to_owned()))
        .collect();
    names.sort();
    let expected = ["all-refused", "empty", "mixed", "raw", "refused", "segments", "tombstones"]
        .map(|n| format!("put-{n}"));
    assert_eq!(names, expected, "no golden file is left out");
    for name in names {
        let bytes = fs::read(folder.join(format!("{name}.bin"))).unwrap();
        let format::Put { meta, buffers, registry } = format::read(&bytes).expect("the golden format");
        let said: Value =
            serde_json::from_str(&fs::read_to_string(folder.join(format!("{name}.json"))).unwrap()).unwrap();
        let segments = read_batch(&meta, &mut &buffers[..], &registry, Needs::default()).unwrap();
        let read: Vec<_> = segments.iter().map(in_clear).collect();
        // `meta` is checked against this count, and does not give it.
        assert_eq!(json!({"records": meta[3], "segments": read}), said, "{name}");
    }
}

fn in_clear(segment: &Segment) -> Value {
    let rows: Vec<_> = (0..segment.rows())
        .map(|row| {
            let value = match &segment.value {
                Payload::Raw(values) if !segment.is_null(row) => {
                    Some(str::from_utf8(values.value(row)).expect("text"))
                }
                _ => None,
            };
            json!({
                "seq": segment.seq[row],
                "partition": segment.partitions[row],
                "offset": segment.offsets[row],
                "value": value,
            })
        })
        .collect();
    json!({"flags": i32::from(segment.refused), "rows": rows})
}
