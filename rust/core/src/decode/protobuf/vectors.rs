//! Messages that Protobuf's own library wrote, and the rows they become: `tests/vectors/protobuf/README.md`.

use std::collections::HashMap;

use serde_json::Value;

use super::harness::{Decoder, decode, row, table_of, unhex};
use super::{File, Message};
use crate::Code;

macro_rules! vector_file {
    ($name:literal) => {
        include_bytes!(concat!("../../../../../tests/vectors/protobuf/", $name))
    };
}

const SETS: [(&str, &[u8]); 5] = [
    ("two.proto", vector_file!("two.set")),
    ("three.proto", vector_file!("three.set")),
    ("edition.proto", vector_file!("edition.set")),
    ("latest.proto", vector_file!("latest.set")),
    ("imports.proto", vector_file!("imports.set")),
];
const SOURCES: [(&str, &[u8]); 5] = [
    ("two.proto", vector_file!("two.proto")),
    ("three.proto", vector_file!("three.proto")),
    ("edition.proto", vector_file!("edition.proto")),
    ("latest.proto", vector_file!("latest.proto")),
    ("imports.proto", vector_file!("imports.proto")),
];

fn by_name<'a>(files: &[(&str, &'a [u8])], name: &str) -> &'a [u8] {
    files.iter().find(|(file, _)| *file == name).unwrap_or_else(|| panic!("{name}")).1
}

fn compiled(file: &str) -> File {
    File::from_descriptor_set(by_name(&SETS, file)).unwrap()
}

/// Without the files that Sluice brings along.
fn from_text(file: &str) -> File {
    let text = |name| std::str::from_utf8(by_name(&SOURCES, name)).unwrap();
    File::from_source(text(file), &[("three.proto", text("three.proto"))]).unwrap()
}

struct Vector {
    file: String,
    message: String,
    case: String,
    bytes: Vec<u8>,
    row: Value,
}

fn vectors() -> Vec<Vector> {
    let all: Vec<Value> = serde_json::from_slice(vector_file!("vectors.json")).unwrap();
    let text = |vector: &Value, name: &str| vector[name].as_str().unwrap().to_owned();
    let vector = |vector: &Value| Vector {
        file: text(vector, "file"),
        message: text(vector, "message"),
        case: text(vector, "case"),
        bytes: unhex(&text(vector, "bytes")),
        row: vector["row"].clone(),
    };
    all.iter().map(vector).collect()
}

/// Texts that hold JSON are compared by what they hold.
fn same(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::String(text), Value::Object(object)) if object.len() == 1 && object.contains_key("$json") => {
            serde_json::from_str::<Value>(text).is_ok_and(|json| json == object["$json"])
        }
        (Value::Number(number), Value::Object(object)) if object.contains_key("$double") => {
            let expected: f64 = object["$double"].as_str().unwrap().parse().unwrap();
            number.as_f64().unwrap().to_bits() == expected.to_bits()
        }
        (Value::Object(found), Value::Object(expected)) => {
            found.len() == expected.len()
                && expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| same(found, value)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len()
                && found.iter().zip(expected).all(|(found, expected)| same(found, expected))
        }
        _ => found == expected,
    }
}

#[test]
fn messages_become_the_rows_that_protobufs_own_library_reads() {
    let mut messages: HashMap<(String, String), Vec<Message>> = HashMap::new();
    let (mut good, mut bad) = (0, 0);
    for vector in vectors() {
        let name = (vector.file.clone(), vector.message.clone());
        let both = messages.entry(name).or_insert_with(|| {
            let message = |file: File| file.message(Some(&vector.message)).unwrap();
            vec![message(compiled(&vector.file)), message(from_text(&vector.file))]
        });
        for (message, from) in both.iter().zip(["a descriptor set", "its text"]) {
            let place = format!("{} {} by {from}", vector.message, vector.case);
            match decode(message, &vector.bytes) {
                Ok(row) => {
                    assert!(
                        same(&row, &vector.row),
                        "{place}\n{}\nfound    {row}\nexpected {}",
                        super::harness::hex(&vector.bytes),
                        vector.row
                    );
                    good += 1;
                }
                Err(error) => {
                    assert_eq!(error.code, Code::RecordProtobuf, "{place}: {error}");
                    assert_eq!(vector.row, Value::Null, "{place}: {error}");
                    bad += 1;
                }
            }
        }
    }
    assert!(good > 500 && bad > 40, "{good} good, {bad} bad");
}

/// Of several records in the same columns, none changes another.
#[test]
fn records_stand_side_by_side() {
    let file = compiled("three.proto");
    let message = file.message(Some("vectors.three.Three")).unwrap();
    let mut decoder = Decoder::new(&message, &table_of(&message));
    let mut expected = Vec::new();
    for vector in vectors().into_iter().filter(|vector| vector.message == "vectors.three.Three") {
        if decoder.push(&vector.bytes).is_ok() {
            expected.push(vector.row);
        }
    }
    let batch = decoder.finish();
    assert_eq!(batch.num_rows(), expected.len());
    for (at, expected) in expected.iter().enumerate() {
        assert!(same(&row(&batch, at), expected), "row {at}");
    }
}

#[test]
fn a_text_says_what_its_descriptor_says() {
    for (name, _) in SETS {
        let (compiled, text) = (compiled(name), from_text(name));
        let of = |file: &File| {
            let messages = file.pool.messages.iter().filter(|message| !only_for_options(message));
            let mut messages: Vec<_> = messages.map(|message| describe(file, message)).collect();
            messages.retain(|message| !message.starts_with("confluent."));
            messages.sort();
            messages
        };
        assert_eq!(of(&text), of(&compiled), "{name}");
        let main = |file: &File| -> Vec<String> {
            let names = (0..).map_while(|at| file.message_at(&[at]));
            names.map(|message| message.full_name().to_owned()).collect()
        };
        assert_eq!(main(&text), main(&compiled));
        assert!(!main(&text).is_empty());
    }
}

/// What `descriptor.proto` has, which Sluice does not bring along.
fn only_for_options(message: &super::model::MessageType) -> bool {
    let name = message.full_name.strip_prefix("google.protobuf.").unwrap_or_default();
    let outer = name.split('.').next().unwrap_or_default();
    outer.ends_with("Options")
        || outer.contains("Descriptor")
        || outer.starts_with("FeatureSet")
        || ["UninterpretedOption", "SourceCodeInfo", "GeneratedCodeInfo"].contains(&outer)
}

/// Without the places of messages, which differ.
fn describe(file: &File, message: &super::model::MessageType) -> String {
    use super::model::Kind;
    let name = |at: &usize| file.pool.messages[*at].full_name.to_string();
    let fields: Vec<_> = message
        .fields
        .iter()
        .map(|field| {
            let mut field = field.clone();
            let mut to = String::new();
            if let Kind::Message { at, .. } = &mut field.kind {
                to = name(at);
                *at = 0;
            }
            if message.map_entry {
                // What presence a map's key and value have decides nothing.
                field.presence = super::model::Presence::Explicit;
            }
            format!("{field:?} {to}")
        })
        .collect();
    let nested: Vec<_> = message.nested.iter().map(name).collect();
    format!("{} {:?} {:?} {} {fields:#?}", message.full_name, message.oneofs, nested, message.map_entry)
}
