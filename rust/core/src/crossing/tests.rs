//! What Java sends is read as it was meant; what it cannot send is refused.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::connect::{ConnectSchema, Kind, arbitrary, describe};

fn value(segment: &Segment, row: usize) -> Option<&[u8]> {
    let Payload::Raw(values) = &segment.value else { panic!("{segment:?}") };
    values.is_valid(row).then(|| values.value(row))
}

fn read(meta: &[i32], buffers: &[Slot]) -> Result<Vec<Segment>> {
    read_batch(meta, &mut &buffers[..], &Registry::default(), Needs::default())
}

#[test]
fn a_batch_is_read_as_it_was_encoded() {
    let rows = [(0, 5, Some(&b"{}"[..])), (1, 9, None), (0, 6, Some(&b""[..]))];
    let (meta, buffers) = encode_raw(rows);
    let segments = read(&meta, &buffers).unwrap();
    let segment = &segments[0];
    let got: Vec<_> =
        (0..3).map(|row| (segment.partitions[row], segment.offsets[row], value(segment, row))).collect();
    assert_eq!(got, rows);
}

#[test]
fn an_empty_put_has_no_segment() {
    assert_eq!(read(&[MAGIC, CROSSING_VERSION, 0, 0], &[]), Ok(vec![]));
}

/// Every single broken field is refused: nothing that Java could send wrongly gets as far as an index.
#[test]
fn broken_batches_are_refused() {
    let (meta, buffers) = encode_raw([(0, 5, Some(&b"{}"[..])), (1, 9, None)]);
    type Break = fn(&mut Vec<i32>, &mut Vec<Slot>);
    let breaks: [(&str, Break); 14] = [
        ("magic", |m, _| m[0] = 1),
        ("version", |m, _| m[1] = 99),
        ("too many segments", |m, _| m[2] = 2),
        ("negative records", |m, _| m[3] = -1),
        ("fewer records than seq", |m, _| m[3] = 1),
        ("unknown key schema", |m, _| m[4] = 16),
        ("negative rows", |m, _| m[6] = -2),
        ("huge rows", |m, _| m[6] = i32::MAX),
        ("more rows than arrays hold", |m, _| m[6] = 3),
        ("unknown flag", |m, _| m[8] = 2),
        ("a buffer is missing", |_, b| drop(b.pop())),
        ("a buffer too many", |_, b| b.push(Slot::Null)),
        ("descending value offsets", |_, b| b[10] = Slot::Ints(vec![0, 2, 1])),
        ("value offsets past the data", |_, b| b[10] = Slot::Ints(vec![0, 2, 900])),
    ];
    for (what, apply) in breaks {
        let (mut meta, mut buffers) = (meta.clone(), buffers.clone());
        apply(&mut meta, &mut buffers);
        assert_eq!(read(&meta, &buffers).unwrap_err().code, Code::CrossingInvalid, "{what}");
    }
    for (slot, wrong) in [
        (0, Slot::Ints(vec![0, 0])),
        (0, Slot::Ints(vec![1, 0])),
        (1, Slot::Longs(vec![0, 0])),
        (2, Slot::Longs(vec![5, -1])),
        (2, Slot::Null),
        (3, Slot::Ints(vec![0, 0])),
        (4, Slot::Longs(vec![0])),
        (8, Slot::Bytes(vec![])),
        (9, Slot::Longs(vec![])),
        (11, Slot::Bytes(vec![1])),
    ] {
        let mut buffers = buffers.clone();
        buffers[slot] = wrong;
        assert!(read(&meta, &buffers).is_err(), "slot {slot}");
    }
}

#[test]
fn rows_that_java_refused_have_no_value() {
    let (mut meta, mut buffers) = encode_raw([(0, 5, Some(&b"{}"[..]))]);
    meta[8] = FLAG_REFUSED;
    assert!(read(&meta, &buffers).is_err(), "a value is not allowed");
    (meta[5], meta[7]) = (SCHEMA_ABSENT, FIXED_BUFFERS as i32);
    buffers.truncate(FIXED_BUFFERS);
    let segments = read(&meta, &buffers).unwrap();
    assert!(segments[0].refused && segments[0].is_null(0));

    // Only the last segment may be of that kind.
    meta.extend_from_within(HEADER..);
    (meta[2], meta[3]) = (2, 2);
    buffers.extend_from_within(..);
    buffers[FIXED_BUFFERS] = Slot::Ints(vec![1]);
    assert!(read(&meta, &buffers).is_err());
}

fn segment(rows: usize) -> Segment {
    Segment {
        seq: (0..rows as i32).collect(),
        partitions: vec![0; rows],
        offsets: (0..rows as i64).collect(),
        refused: false,
        extras: Extras::default(),
        key: Payload::Absent,
        value: Payload::Absent,
    }
}

fn typed(schema: &ConnectSchema, array: arrow_array::ArrayRef) -> Payload {
    Payload::Typed { schema: Arc::new(schema.clone()), array }
}

#[test]
fn random_trees_are_read_as_they_were_encoded() {
    for seed in 0..400 {
        let mut random = StdRng::seed_from_u64(seed);
        let (value, key) = (arbitrary::schema(&mut random, 4), arbitrary::schema(&mut random, 1));
        let rows = random.random_range(0..150);
        let mut sent = segment(rows);
        sent.value = typed(&value, arbitrary::array(&mut random, &value, rows, None));
        sent.key = typed(&key, arbitrary::array(&mut random, &key, rows, None));
        let mut registry = Registry::default();
        let (meta, buffers) = encode(std::slice::from_ref(&sent), &mut registry).unwrap();
        let read = read_batch(&meta, &mut &buffers[..], &registry, Needs::default()).unwrap();
        assert_eq!(read, [sent], "seed {seed}");
        let Payload::Typed { schema, array } = &read[0].value else { panic!("not typed") };
        assert_eq!(array.data_type(), &schema.arrow(), "seed {seed}");
        array.to_data().validate_full().unwrap();
    }
}

/// Cut, emptied or exchanged arrays never get further than an error.
#[test]
fn damaged_trees_are_refused_or_whole() {
    let mut refused = 0;
    for seed in 0..3000 {
        let mut random = StdRng::seed_from_u64(seed);
        let schema = arbitrary::schema(&mut random, 3);
        let mut sent = segment(20);
        sent.value = typed(&schema, arbitrary::array(&mut random, &schema, 20, None));
        let mut registry = Registry::default();
        let (meta, mut buffers) = encode(&[sent], &mut registry).unwrap();
        for _ in 0..random.random_range(1..4) {
            let slot = random.random_range(FIXED_BUFFERS..buffers.len());
            let number = [-1, 0, 1, 21, 1 << 20, i32::MAX][random.random_range(0..6)];
            let other = buffers[random.random_range(FIXED_BUFFERS..buffers.len())].clone();
            match (random.random_range(0..3), &mut buffers[slot]) {
                (0, Slot::Ints(ints)) if !ints.is_empty() => {
                    let at = random.random_range(0..ints.len());
                    ints[at..].fill(number);
                }
                (0 | 1, Slot::Longs(longs)) if !longs.is_empty() => longs[0] ^= random.random::<i64>(),
                (1, Slot::Bytes(bytes)) if !bytes.is_empty() => bytes[0] = 0xff,
                (_, slot) => *slot = other,
            }
        }
        match read_batch(&meta, &mut &buffers[..], &registry, Needs::default()) {
            Ok(segments) => {
                let Payload::Typed { array, .. } = &segments[0].value else { panic!("not typed") };
                array.to_data().validate_full().unwrap();
            }
            Err(error) => {
                assert_eq!(error.code, Code::CrossingInvalid, "{error}");
                refused += 1;
            }
        }
    }
    assert!((500..2900).contains(&refused), "{refused} refused");
}

#[test]
fn what_is_under_a_null_has_to_be_null_too() {
    let list = ConnectSchema::new(Kind::Array(Box::new(ConnectSchema::new(Kind::Int8, false))), true);
    let field = ("f".into(), ConnectSchema::new(Kind::Int8, true));
    let map = Kind::Map(Box::new(ConnectSchema::new(Kind::String, false)), Box::new(list.clone()));
    let cases = [
        (ConnectSchema::new(Kind::Struct(vec![field]), true), vec![Slot::Null, Slot::Bytes(vec![7, 7])]),
        (list, vec![Slot::Ints(vec![0, 1, 2]), Slot::Null, Slot::Bytes(vec![7, 7])]),
        (
            ConnectSchema::new(map, true),
            vec![
                Slot::Ints(vec![0, 1, 1]),
                Slot::Longs(vec![0]),
                Slot::Ints(vec![0, 0]),
                Slot::Bytes(vec![]),
                Slot::Null,
                Slot::Ints(vec![0, 0]),
                Slot::Null,
                Slot::Bytes(vec![]),
            ],
        ),
    ];
    for (schema, rest) in cases {
        let mut registry = Registry::default();
        let id = registry.register_schema(&describe(&schema)).unwrap();
        let mut buffers = vec![Slot::Ints(vec![0, 1]), Slot::Ints(vec![0, 0]), Slot::Longs(vec![0, 1])];
        buffers.resize(FIXED_BUFFERS, Slot::Null);
        buffers.push(Slot::Longs(vec![0b01]));
        buffers.extend(rest);
        let meta = [MAGIC, CROSSING_VERSION, 1, 2, 0, id, 2, buffers.len() as i32, 0];
        let error = read_batch(&meta, &mut &buffers[..], &registry, Needs::default()).unwrap_err();
        assert!(error.message.contains("null"), "{error}");
    }
}

/// No buffer bounds how many structs without fields a list claims to have.
#[test]
fn elements_without_buffers_are_bounded() {
    let none = ConnectSchema::new(Kind::Struct(vec![]), false);
    let schema = ConnectSchema::new(Kind::Array(Box::new(none)), false);
    let mut registry = Registry::default();
    let id = registry.register_schema(&describe(&schema)).unwrap();
    let read = |claimed: i32| {
        let mut buffers = vec![Slot::Ints(vec![0]), Slot::Ints(vec![0]), Slot::Longs(vec![0])];
        buffers.resize(FIXED_BUFFERS + 3, Slot::Null);
        buffers[FIXED_BUFFERS + 1] = Slot::Ints(vec![0, claimed]);
        let meta = [MAGIC, CROSSING_VERSION, 1, 1, 0, id, 1, buffers.len() as i32, 0];
        read_batch(&meta, &mut &buffers[..], &registry, Needs::default())
    };
    let Payload::Typed { array, .. } = &read(3).unwrap()[0].value else { panic!("not typed") };
    assert_eq!(array.as_list::<i32>().value_length(0), 3);
    assert!(read(i32::MAX).is_err());
}

#[test]
fn extras_are_read_when_given_and_have_to_be_when_needed() {
    let mut registry = Registry::default();
    registry.register_topic("a").unwrap();
    let mut sent = segment(3);
    sent.extras = Extras {
        topics: Some(vec![0, 0, 0]),
        timestamps: Some(Int64Array::from(vec![Some(5), None, Some(-7)])),
        timestamp_types: Some(vec![0, -1, 1]),
        headers: Some(BinaryArray::from_vec(vec![b"\x0b\x00", b"\x0b\x00", b"\x0b\x00"])),
    };
    sent.key = Payload::Raw(BinaryArray::from_opt_vec(vec![Some(b"k"), None, Some(b"")]));
    sent.value = Payload::Any(BinaryArray::from_opt_vec(vec![None, Some(b"\x0c\x00"), None]));
    let all = Needs { topic: true, timestamp: true, key: true, headers: true };
    let (meta, buffers) = encode(std::slice::from_ref(&sent), &mut registry).unwrap();
    for needs in [all, Needs::default()] {
        let read = read_batch(&meta, &mut &buffers[..], &registry, needs);
        assert_eq!(read, Ok(vec![sent.clone()]));
    }
    for (slot, needs) in [
        (3, Needs { topic: true, ..Needs::default() }),
        (5, Needs { timestamp: true, ..Needs::default() }),
        (6, Needs { timestamp: true, ..Needs::default() }),
        (7, Needs { headers: true, ..Needs::default() }),
    ] {
        let mut buffers = buffers.clone();
        buffers[slot] = Slot::Null;
        if slot == 7 {
            buffers[8] = Slot::Null;
        }
        let error = read_batch(&meta, &mut &buffers[..], &registry, needs).unwrap_err();
        assert_eq!(error.code, Code::CrossingInvalid, "slot {slot}");
    }
    for (slot, wrong) in [
        (3, Slot::Ints(vec![0, 1, 0])),
        (4, Slot::Ints(vec![0])),
        (5, Slot::Null),
        (6, Slot::Bytes(vec![0, 2, 0])),
        (7, Slot::Null),
        (7, Slot::Ints(vec![0, 2, 4, 99])),
    ] {
        let mut buffers = buffers.clone();
        buffers[slot] = wrong;
        let read = read_batch(&meta, &mut &buffers[..], &registry, Needs::default());
        assert!(read.is_err(), "slot {slot}");
    }
}
