//! Schemas and values from a seed, for tests.

use std::sync::Arc;

use arrow_array::*;
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow_schema::DataType as ArrowType;
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

use super::{ConnectSchema, Kind};

/// Structs and lists in it are at most `depth` levels deep. Without ANY: its bytes would have to mean something.
pub fn schema(random: &mut StdRng, depth: usize) -> ConnectSchema {
    let kinds = if depth == 0 { 9 } else { 12 };
    let child = |random: &mut StdRng| Box::new(schema(random, depth - 1));
    let kind = match random.random_range(0..kinds) {
        0 => Kind::Int8,
        1 => Kind::Int16,
        2 => Kind::Int32,
        3 => Kind::Int64,
        4 => Kind::Float32,
        5 => Kind::Float64,
        6 => Kind::Boolean,
        7 => Kind::String,
        8 => Kind::Bytes,
        9 => Kind::Array(child(random)),
        10 => Kind::Map(child(random), child(random)),
        _ => Kind::Struct(fields(random, depth - 1)),
    };
    ConnectSchema::new(kind, random.random())
}

pub fn fields(random: &mut StdRng, depth: usize) -> Vec<(Box<str>, ConnectSchema)> {
    (0..random.random_range(1..5)).map(|i| (format!("f{i}").into(), schema(random, depth))).collect()
}

/// `len` values; those that `parent` has as null are null, others may be.
pub fn array(
    random: &mut StdRng,
    schema: &ConnectSchema,
    len: usize,
    parent: Option<&NullBuffer>,
) -> ArrayRef {
    let own: Option<NullBuffer> =
        random.random::<bool>().then(|| (0..len).map(|_| random.random_range(0..4) > 0).collect());
    let nulls = NullBuffer::union(own.as_ref(), parent).filter(|nulls| nulls.null_count() > 0);
    not_null(random, schema, len, nulls)
}

fn not_null(random: &mut StdRng, schema: &ConnectSchema, len: usize, nulls: Option<NullBuffer>) -> ArrayRef {
    macro_rules! numbers {
        ($array:ident) => {
            Arc::new($array::new((0..len).map(|_| random.random()).collect::<Vec<_>>().into(), nulls))
        };
    }
    let lengths = |random: &mut StdRng, most: usize| {
        let length = |row| match nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            true => 0,
            false => random.random_range(0..most),
        };
        OffsetBuffer::from_lengths((0..len).map(length).collect::<Vec<_>>())
    };
    let end = |offsets: &OffsetBuffer<i32>| offsets[len] as usize;
    match (&schema.kind, schema.arrow()) {
        (Kind::Int8, _) => numbers!(Int8Array),
        (Kind::Int16, _) => numbers!(Int16Array),
        (Kind::Int32, _) => numbers!(Int32Array),
        (Kind::Int64, _) => numbers!(Int64Array),
        (Kind::Float32, _) => numbers!(Float32Array),
        (Kind::Float64, _) => numbers!(Float64Array),
        (Kind::Boolean, _) => {
            let bits: BooleanBuffer = (0..len).map(|_| random.random::<bool>()).collect();
            Arc::new(BooleanArray::new(bits, nulls))
        }
        (Kind::String, _) => {
            let offsets = lengths(random, 12);
            let text: Vec<u8> = (0..end(&offsets)).map(|_| random.random_range(b' '..=b'~')).collect();
            Arc::new(StringArray::new(offsets, text.into(), nulls))
        }
        (Kind::Bytes | Kind::Any, _) => {
            let offsets = lengths(random, 12);
            let mut bytes = vec![0; end(&offsets)];
            random.fill_bytes(&mut bytes);
            Arc::new(BinaryArray::new(offsets, bytes.into(), nulls))
        }
        (Kind::Array(element), ArrowType::List(field)) => {
            let offsets = lengths(random, 4);
            let element = array(random, element, end(&offsets), None);
            Arc::new(ListArray::new(field, offsets, element, nulls))
        }
        (Kind::Map(key, value), ArrowType::Map(field, _)) => {
            let offsets = lengths(random, 4);
            let ArrowType::Struct(fields) = field.data_type() else { panic!("{field}") };
            let keys = not_null(random, key, end(&offsets), None);
            let values = array(random, value, end(&offsets), None);
            let entries = StructArray::new(fields.clone(), vec![keys, values], None);
            Arc::new(MapArray::new(field, offsets, entries, nulls, false))
        }
        (Kind::Struct(members), ArrowType::Struct(fields)) => {
            let members = members.iter().map(|(_, schema)| array(random, schema, len, nulls.as_ref()));
            Arc::new(StructArray::new(fields, members.collect(), nulls))
        }
        (kind, arrow) => panic!("{kind:?} as {arrow}"),
    }
}
