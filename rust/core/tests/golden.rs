//! The batches that Java wrote are read as the `.json` beside each says.

use std::fs;
use std::path::PathBuf;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, BinaryArray};
use serde_json::{Map, Value, json};
use sluice_core::connect::{ConnectSchema, Kind, Payload, Registry};
use sluice_core::crossing::{Needs, Segment, read_batch};

#[path = "../../../tests/fuzz/src/golden.rs"]
mod format;

#[test]
fn java_s_batches_are_read_as_java_says() {
    let folder = PathBuf::from("../../tests/golden");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(".bin")?.to_owned()))
        .collect();
    names.sort();
    let expected = [
        "all-refused",
        "any",
        "empty",
        "mixed",
        "raw",
        "refused",
        "schemas",
        "segments",
        "tombstones",
        "typed",
    ]
    .map(|n| format!("put-{n}"));
    assert_eq!(names, expected, "no golden file is left out");
    for name in names {
        let bytes = fs::read(folder.join(format!("{name}.bin"))).unwrap();
        let format::Put { meta, buffers, registry } = format::read(&bytes).expect("the golden format");
        let said: Value =
            serde_json::from_str(&fs::read_to_string(folder.join(format!("{name}.json"))).unwrap()).unwrap();
        let all = name == "put-typed";
        let needs = Needs { topic: all, timestamp: all, key: all, headers: all };
        let segments = read_batch(&meta, &mut &buffers[..], &registry, needs).unwrap();
        let read: Vec<_> = segments.iter().map(|segment| in_clear(segment, &registry)).collect();
        // `meta` is checked against this count, and does not give it.
        assert_eq!(json!({"records": meta[3], "segments": read}), said, "{name}");
    }
}

fn in_clear(segment: &Segment, registry: &Registry) -> Value {
    let (key, value) = (id(&segment.key, registry), id(&segment.value, registry));
    let (keys, values) = (payload(&segment.key, segment.rows()), payload(&segment.value, segment.rows()));
    let extras = &segment.extras;
    let rows: Vec<_> = values
        .into_iter()
        .zip(keys)
        .enumerate()
        .map(|(row, (value, one_key))| {
            let mut clear = json!({
                "seq": segment.seq[row],
                "partition": segment.partitions[row],
                "offset": segment.offsets[row],
                "value": value,
            });
            if key != 0 {
                clear["key"] = one_key;
            }
            if let Some(topics) = &extras.topics {
                clear["topic"] = json!(topics[row]);
            }
            if let Some(timestamps) = &extras.timestamps {
                clear["timestamp"] = json!(timestamps.is_valid(row).then(|| timestamps.value(row)));
            }
            if let Some(types) = &extras.timestamp_types {
                clear["timestampType"] = json!(types[row]);
            }
            if let Some(headers) = &extras.headers {
                clear["headers"] = hex(headers, row);
            }
            clear
        })
        .collect();
    json!({"flags": i32::from(segment.refused), "key": key, "value": value, "rows": rows})
}

fn id(payload: &Payload, registry: &Registry) -> i32 {
    match payload {
        Payload::Absent => 0,
        Payload::Raw(_) => 1,
        Payload::Any(_) => 2,
        Payload::Typed { schema, .. } => (16..)
            .find(|id| registry.schema(*id).expect("a registered schema") == schema)
            .expect("there are that many ids"),
    }
}

fn payload(payload: &Payload, rows: usize) -> Vec<Value> {
    let (schema, array): (_, &dyn Array) = match payload {
        Payload::Absent => return vec![Value::Null; rows],
        Payload::Raw(values) => {
            return values
                .iter()
                .map(|value| json!(value.map(|value| str::from_utf8(value).expect("text"))))
                .collect();
        }
        Payload::Any(values) => (&ConnectSchema::new(Kind::Any, true), values),
        Payload::Typed { schema, array } => (&**schema, array),
    };
    assert_eq!(array.len(), rows);
    (0..rows).map(|row| typed(schema, array, row)).collect()
}

fn typed(schema: &ConnectSchema, array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let all = |schema: &ConnectSchema, array: &dyn Array| -> Vec<Value> {
        (0..array.len()).map(|row| typed(schema, array, row)).collect()
    };
    match &schema.kind {
        Kind::Int8 => json!(array.as_primitive::<Int8Type>().value(row)),
        Kind::Int16 => json!(array.as_primitive::<Int16Type>().value(row)),
        Kind::Int32 => json!(array.as_primitive::<Int32Type>().value(row)),
        Kind::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        Kind::Float32 => json!(array.as_primitive::<Float32Type>().value(row)),
        Kind::Float64 => json!(array.as_primitive::<Float64Type>().value(row)),
        Kind::Boolean => json!(array.as_boolean().value(row)),
        Kind::String => json!(array.as_string::<i32>().value(row)),
        Kind::Bytes | Kind::Any => hex(array.as_binary(), row),
        Kind::Array(element) => Value::Array(all(element, &array.as_list::<i32>().value(row))),
        Kind::Map(key, value) => {
            let entries = array.as_map().value(row);
            let keys = all(key, entries.column(0));
            keys.into_iter()
                .zip(all(value, entries.column(1)))
                .map(|(key, value)| json!([key, value]))
                .collect()
        }
        Kind::Struct(fields) => {
            let columns = array.as_struct().columns().iter();
            let named = fields.iter().zip(columns);
            let values = named.map(|((name, schema), column)| (name.to_string(), typed(schema, column, row)));
            Value::Object(values.collect::<Map<_, _>>())
        }
    }
}

fn hex(array: &BinaryArray, row: usize) -> Value {
    Value::String(array.value(row).iter().map(|byte| format!("{byte:02x}")).collect())
}
