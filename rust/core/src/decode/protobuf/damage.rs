//! Whatever the bytes, they make a row, or an error and no part of one, in bounded memory; and whatever a schema's bytes,
//! they make one or an error.

use std::fmt::Write;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::harness::{Decoder, row, table_of};
use super::{File, Message};
use crate::Code;
use crate::decode::{COLUMN_BYTES_PER_BYTE, FREE_COLUMN_BYTES, UnknownFields};

const SET: &[u8] = include_bytes!("../../../../../tests/vectors/protobuf/three.set");
const VECTORS: &[u8] = include_bytes!("../../../../../tests/vectors/protobuf/vectors.json");
const SOURCE: &str = include_str!("../../../../../tests/vectors/protobuf/three.proto");

fn seeds(message: &str) -> Vec<Vec<u8>> {
    let all: Vec<serde_json::Value> = serde_json::from_slice(VECTORS).unwrap();
    let of = all.iter().filter(|vector| vector["message"] == message && !vector["row"].is_null());
    let seeds: Vec<_> = of.map(|vector| super::harness::unhex(vector["bytes"].as_str().unwrap())).collect();
    assert!(seeds.len() > 20);
    seeds
}

fn damage(random: &mut StdRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut value = seeds[random.random_range(0..seeds.len())].clone();
    if value.is_empty() || random.random_range(0..20) == 0 {
        return (0..random.random_range(0..60)).map(|_| random.random()).collect();
    }
    for _ in 0..random.random_range(0..4) {
        let at = random.random_range(0..value.len());
        match random.random_range(0..5) {
            0 => value[at] = random.random(),
            1 => value.truncate(at + 1),
            2 => value[at] ^= 1 << random.random_range(0..8),
            3 => {
                let other = &seeds[random.random_range(0..seeds.len())];
                value.splice(at..at, other.iter().copied());
            }
            _ => {
                let end = random.random_range(at..value.len()) + 1;
                let part = value[at..end].to_vec();
                value.extend(part);
            }
        }
    }
    value
}

/// Damaged records between whole ones: those are what they are alone.
fn check(message: &Message, seeds: &[Vec<u8>], rounds: u64) -> (usize, usize) {
    let schema = table_of(message);
    let mut decoder = Decoder::new(message, &schema);
    let mut alone = Decoder::new(message, &schema);
    let mut expected = Vec::new();
    let (mut accepted, mut refused) = (0, 0);
    for number in 0..rounds {
        let mut random = StdRng::seed_from_u64(number);
        let value = damage(&mut random, seeds);
        decoder.unknown_fields = if random.random() { UnknownFields::Ignore } else { UnknownFields::Fail };
        let before = decoder.bytes();
        match decoder.push(&value) {
            Ok(()) => {
                accepted += 1;
                alone.push(&value).unwrap();
                let batch = alone.finish();
                batch.columns().iter().for_each(|column| column.to_data().validate_full().unwrap());
                expected.push(row(&batch, 0));
                let most = FREE_COLUMN_BYTES + (COLUMN_BYTES_PER_BYTE + 1) * value.len() + 10_000;
                assert!(decoder.bytes() - before <= most);
            }
            Err(error) => {
                refused += 1;
                let of_record =
                    [Code::RecordProtobuf, Code::RecordUnknownField, Code::RecordRange, Code::RecordTooDeep];
                assert!(of_record.contains(&error.code), "{error}");
            }
        }
        assert_eq!(decoder.rows(), expected.len());
        if number % 1000 == 999 || number == rounds - 1 {
            let batch = decoder.finish();
            batch.columns().iter().for_each(|column| column.to_data().validate_full().unwrap());
            for (at, expected) in std::mem::take(&mut expected).iter().enumerate() {
                assert_eq!(&row(&batch, at), expected);
            }
        }
    }
    (accepted, refused)
}

#[test]
fn damaged_messages_never_leave_part_of_a_row() {
    let file = File::from_descriptor_set(SET).unwrap();
    for name in ["vectors.three.Three", "vectors.three.Known"] {
        let message = file.message(Some(name)).unwrap();
        let (accepted, refused) = check(&message, &seeds(name), 20_000);
        assert!(accepted > 1000 && refused > 1000, "{name}: {accepted} accepted, {refused} refused");
    }
}

/// Messages of one type read by the schema of another, and by schemas that nobody wrote.
#[test]
fn any_schema_reads_any_message() {
    let values = seeds("vectors.three.Three");
    let mut made = 0;
    for number in 0..150 {
        let mut random = StdRng::seed_from_u64(number);
        let text = any_schema(&mut random);
        let message = File::from_source(&text, &[]).unwrap().message(None).unwrap();
        if message.connect().is_err() {
            continue;
        }
        made += 1;
        check(&message, &values, 200);
    }
    assert!(made > 50, "{made}");
}

fn any_schema(random: &mut StdRng) -> String {
    let syntax =
        ["syntax = \"proto2\"", "syntax = \"proto3\"", "edition = \"2023\""][random.random_range(0..3)];
    let mut text = format!(
        "{syntax}; import \"google/protobuf/struct.proto\"; import \"google/protobuf/timestamp.proto\";\n\
         enum E {{ Z = 0; Y = 2; }}\n"
    );
    let labelled = syntax.contains("proto2");
    for message in 0..3 {
        write!(text, "message M{message} {{ ").unwrap();
        for field in 1..random.random_range(2..40) {
            // The later messages only, so that most schemas end.
            let inner = format!("M{}", random.random_range(message + 1..4).min(3));
            let types =
                ["int32", "sint64", "fixed32", "double", "string", "bytes", "bool", "uint64", "E", &inner];
            let data_type = types[random.random_range(0..types.len())];
            let label = match random.random_range(0..4) {
                0 => "repeated ",
                _ if labelled => "optional ",
                _ => "",
            };
            match random.random_range(0..8) {
                0 => write!(text, "map<string, {data_type}> f{field} = {field}; "),
                1 => write!(text, "oneof o{field} {{ {data_type} f{field} = {field}; }} "),
                2 => write!(text, "{label}google.protobuf.Value f{field} = {field}; "),
                3 => write!(text, "{label}google.protobuf.Timestamp f{field} = {field}; "),
                _ => write!(text, "{label}{data_type} f{field} = {field}; "),
            }
            .unwrap();
        }
        text.push_str("}\n");
    }
    text + "message M3 { " + if labelled { "optional " } else { "" } + "string s = 1; }\n"
}

#[test]
fn damaged_descriptor_sets_and_texts_are_refused_or_read() {
    let (mut read, mut refused) = (0, 0);
    for number in 0..3000 {
        let mut random = StdRng::seed_from_u64(number);
        let value = damage(&mut random, &[SET.to_vec()]);
        let file = match number % 2 {
            0 => File::from_descriptor_set(&value),
            _ => {
                let text = damage(&mut random, &[SOURCE.as_bytes().to_vec()]);
                File::from_source(&String::from_utf8_lossy(&text), &[])
            }
        };
        match file {
            Ok(file) => {
                read += 1;
                for at in 0..file.pool.main.len() {
                    let message = file.message_at(&[at as i32]).unwrap();
                    if message.connect().is_err()
                        || crate::schema::from_connect(&message.connect().unwrap()).is_err()
                    {
                        continue;
                    }
                    let mut decoder = Decoder::new(&message, &table_of(&message));
                    for seed in 0..5 {
                        let mut random = StdRng::seed_from_u64(seed);
                        let bytes: Vec<u8> = (0..40).map(|_| random.random()).collect();
                        let _ = decoder.push(&bytes);
                    }
                }
            }
            Err(error) => {
                refused += 1;
                assert_eq!(error.code, Code::SchemaUnclear);
            }
        }
    }
    assert!(read > 200 && refused > 200, "{read} read, {refused} refused");
}
