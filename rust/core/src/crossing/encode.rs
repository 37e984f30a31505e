//! Batches as Java encodes them: for drivers without a JVM, and for tests.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryArray};
use arrow_buffer::{BooleanBuffer, OffsetBuffer};
use arrow_schema::DataType as ArrowType;

use super::{
    Extras, FIXED_BUFFERS, FLAG_REFUSED, MAGIC, SCHEMA_ABSENT, SCHEMA_ANY, SCHEMA_RAW_BYTES, Segment, Slot,
};
use crate::connect::{Payload, Registry, describe};
use crate::error::Result;
use crate::wire::CROSSING_VERSION;

/// A batch of one raw segment, its records in the order given.
pub fn encode_raw<'a>(rows: impl IntoIterator<Item = (i32, i64, Option<&'a [u8]>)>) -> (Vec<i32>, Vec<Slot>) {
    let (mut partitions, mut offsets, mut ends, mut data) = (vec![], vec![], vec![0], vec![]);
    let mut validity = Vec::new();
    for (row, (partition, offset, value)) in rows.into_iter().enumerate() {
        partitions.push(partition);
        offsets.push(offset);
        if row & 63 == 0 {
            validity.push(0i64);
        }
        if let Some(value) = value {
            validity[row >> 6] |= 1 << (row & 63);
            data.extend_from_slice(value);
        }
        ends.push(data.len() as i32);
    }
    let rows = partitions.len() as i32;
    let mut buffers = vec![Slot::Ints((0..rows).collect()), Slot::Ints(partitions), Slot::Longs(offsets)];
    buffers.resize(FIXED_BUFFERS, Slot::Null);
    buffers.extend([Slot::Longs(validity), Slot::Ints(ends), Slot::Bytes(data)]);
    let header = [SCHEMA_ABSENT, SCHEMA_RAW_BYTES, rows, buffers.len() as i32, 0];
    let meta = [[MAGIC, CROSSING_VERSION, 1, rows].as_slice(), &header].concat();
    (meta, buffers)
}

/// Any batch. Registers the schemas of its segments.
pub fn encode(segments: &[Segment], registry: &mut Registry) -> Result<(Vec<i32>, Vec<Slot>)> {
    let records: usize = segments.iter().map(Segment::rows).sum();
    let mut meta = vec![MAGIC, CROSSING_VERSION, segments.len() as i32, records as i32];
    let mut buffers = Vec::new();
    for segment in segments {
        let before = buffers.len();
        buffers.push(Slot::Ints(segment.seq.clone()));
        buffers.push(Slot::Ints(segment.partitions.clone()));
        buffers.push(Slot::Longs(segment.offsets.clone()));
        put_extras(&segment.extras, &mut buffers);
        let key = put_payload(&segment.key, registry, &mut buffers)?;
        let value = put_payload(&segment.value, registry, &mut buffers)?;
        let flags = if segment.refused { FLAG_REFUSED } else { 0 };
        meta.extend([key, value, segment.rows() as i32, (buffers.len() - before) as i32, flags]);
    }
    Ok((meta, buffers))
}

fn put_extras(extras: &Extras, buffers: &mut Vec<Slot>) {
    let slot = |given: Option<Slot>| given.unwrap_or(Slot::Null);
    buffers.push(slot(extras.topics.clone().map(Slot::Ints)));
    let timestamps = extras.timestamps.as_ref();
    buffers.push(timestamps.map_or(Slot::Null, |timestamps| validity(timestamps)));
    buffers.push(slot(timestamps.map(|timestamps| Slot::Longs(timestamps.values().to_vec()))));
    let types = extras.timestamp_types.as_ref();
    buffers.push(slot(types.map(|types| Slot::Bytes(types.iter().map(|id| *id as u8).collect()))));
    match &extras.headers {
        Some(headers) => put_bytes(headers.offsets(), headers.value_data(), buffers),
        None => buffers.extend([Slot::Null, Slot::Null]),
    }
}

fn put_payload(payload: &Payload, registry: &mut Registry, buffers: &mut Vec<Slot>) -> Result<i32> {
    let binary = |values: &BinaryArray, buffers: &mut Vec<Slot>| {
        buffers.push(validity(values));
        put_bytes(values.offsets(), values.value_data(), buffers);
    };
    Ok(match payload {
        Payload::Absent => SCHEMA_ABSENT,
        Payload::Raw(values) => {
            binary(values, buffers);
            SCHEMA_RAW_BYTES
        }
        Payload::Any(values) => {
            binary(values, buffers);
            SCHEMA_ANY
        }
        Payload::Typed { schema, array } => {
            put_node(array, buffers);
            registry.register_schema(&describe(schema))?
        }
    })
}

/// The array is none that was sliced.
fn put_node(array: &ArrayRef, buffers: &mut Vec<Slot>) {
    buffers.push(validity(array));
    match array.data_type() {
        ArrowType::Boolean => buffers.push(Slot::Longs(words(array.as_boolean().values()))),
        ArrowType::Int8 => {
            let values = array.as_primitive::<Int8Type>().values();
            buffers.push(Slot::Bytes(values.iter().map(|value| *value as u8).collect()));
        }
        ArrowType::Int16 => buffers.push(Slot::Shorts(array.as_primitive::<Int16Type>().values().to_vec())),
        ArrowType::Int32 => buffers.push(Slot::Ints(array.as_primitive::<Int32Type>().values().to_vec())),
        ArrowType::Int64 => buffers.push(Slot::Longs(array.as_primitive::<Int64Type>().values().to_vec())),
        ArrowType::Float32 => {
            buffers.push(Slot::Floats(array.as_primitive::<Float32Type>().values().to_vec()));
        }
        ArrowType::Float64 => {
            buffers.push(Slot::Doubles(array.as_primitive::<Float64Type>().values().to_vec()));
        }
        ArrowType::Utf8 => {
            let text = array.as_string::<i32>();
            put_bytes(text.offsets(), text.value_data(), buffers);
        }
        ArrowType::Binary => {
            let bytes = array.as_binary::<i32>();
            put_bytes(bytes.offsets(), bytes.value_data(), buffers);
        }
        ArrowType::List(_) => {
            let list = array.as_list::<i32>();
            buffers.push(Slot::Ints(list.offsets().to_vec()));
            put_node(list.values(), buffers);
        }
        ArrowType::Map(..) => {
            let map = array.as_map();
            buffers.push(Slot::Ints(map.offsets().to_vec()));
            put_node(map.keys(), buffers);
            put_node(map.values(), buffers);
        }
        ArrowType::Struct(_) => {
            array.as_struct().columns().iter().for_each(|column| put_node(column, buffers));
        }
        other => unreachable!("no Connect type crosses as {other}"),
    }
}

fn put_bytes(offsets: &OffsetBuffer<i32>, data: &[u8], buffers: &mut Vec<Slot>) {
    buffers.extend([Slot::Ints(offsets.to_vec()), Slot::Bytes(data.to_vec())]);
}

fn validity(array: &dyn Array) -> Slot {
    array.nulls().map_or(Slot::Null, |nulls| Slot::Longs(words(nulls.inner())))
}

fn words(bits: &BooleanBuffer) -> Vec<i64> {
    bits.bit_chunks().iter_padded().map(|word| word as i64).take(bits.len().div_ceil(64)).collect()
}
