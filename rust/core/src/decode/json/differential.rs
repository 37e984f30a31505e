//! Random schemas and records against serde_json and chrono, and damaged records against serde_json.

use std::fmt::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use chrono::DateTime;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::*;
use crate::schema::{DataType, Field, Schema};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

fn schema(random: &mut Random) -> Schema {
    Schema { fields: fields(random, 0) }
}

fn fields(random: &mut Random, depth: u32) -> Vec<Field> {
    let count = 1 + random.below(8);
    (0..count)
        .map(|i| Field {
            name: format!(
                "{}{i}",
                random.pick(&["a", "long_name_of_a_field_", "é", "q\"", "b\\", "dot.ted", " "])
            ),
            data_type: data_type(random, depth),
            nullable: !random.one_in(4),
            metadata: Default::default(),
        })
        .collect()
}

fn data_type(random: &mut Random, depth: u32) -> DataType {
    match random.below(if depth < 3 { 17 } else { 13 }) {
        0 => DataType::Byte,
        1 => DataType::Short,
        2 => DataType::Integer,
        3 => DataType::Long,
        4 => DataType::Float,
        5 => DataType::Double,
        6 => {
            let precision = 1 + random.below(38) as u8;
            DataType::Decimal { precision, scale: random.below(u64::from(precision) + 1) as u8 }
        }
        7 => DataType::Binary,
        8 => DataType::Boolean,
        9 => DataType::Date,
        10 => DataType::Timestamp,
        11 => DataType::TimestampNtz,
        12 | 13 => DataType::String,
        14 => DataType::Struct(fields(random, depth + 1)),
        15 => DataType::Array {
            element: Box::new(data_type(random, depth + 1)),
            contains_null: random.one_in(2),
        },
        _ => DataType::Map {
            key: Box::new(DataType::String),
            value: Box::new(data_type(random, depth + 1)),
            value_contains_null: random.one_in(2),
        },
    }
}

/// Writes valid records in as many ways as JSON has.
struct Writer<'r> {
    random: &'r mut Random,
    text: String,
    unknown: u64,
}

impl Writer<'_> {
    fn space(&mut self) {
        while self.random.one_in(6) {
            self.text.push(*self.random.pick(&[' ', '\n', '\t', '\r']));
        }
    }

    fn string(&mut self, plain: &str) {
        self.text.push('"');
        for c in plain.chars() {
            if c < ' ' || c == '"' || c == '\\' || self.random.one_in(12) {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(self.text, "\\u{unit:04x}").unwrap();
                }
            } else {
                self.text.push(c);
            }
        }
        self.text.push('"');
    }

    fn words(&mut self) -> String {
        let count = self.random.below(30) as usize;
        (0..count)
            .map(|_| *self.random.pick(&['a', 'Z', '0', ' ', '/', '"', '\\', '\n', '\u{1}', 'é', '漢', '😀']))
            .collect()
    }

    fn object(&mut self, fields: &[Field]) {
        let mut order: Vec<Option<&Field>> = fields.iter().map(Some).collect();
        order.extend((0..self.random.below(3)).map(|_| None));
        if self.random.one_in(3) {
            for i in (1..order.len()).rev() {
                order.swap(i, self.random.below(i as u64 + 1) as usize);
            }
        }
        self.text.push('{');
        let mut first = true;
        for field in order {
            if field.is_some_and(|field| field.nullable) && self.random.one_in(6) {
                continue;
            }
            if !std::mem::take(&mut first) {
                self.text.push(',');
            }
            self.space();
            match field {
                Some(field) => self.string(&field.name),
                None => {
                    self.unknown += 1;
                    let name = format!("unknown {}", self.unknown);
                    self.string(&name);
                }
            }
            self.space();
            self.text.push(':');
            self.space();
            match field {
                Some(field) => self.value(&field.data_type, field.nullable),
                None => self.anything(0),
            }
            self.space();
        }
        if first {
            self.space();
        }
        self.text.push('}');
    }

    fn anything(&mut self, depth: u32) {
        match self.random.below(if depth < 4 { 8 } else { 6 }) {
            0 => self.text.push_str("null"),
            1 => self.text.push_str("true"),
            2 => self.text.push_str("false"),
            3 => self.text.push_str("-12.50e+3"),
            4 | 5 => {
                let words = self.words();
                self.string(&words);
            }
            6 => self.list(depth, |writer, depth| writer.anything(depth + 1)),
            _ => {
                let data_type = DataType::Struct(fields(self.random, 9));
                self.value(&data_type, true);
            }
        }
    }

    fn list(&mut self, depth: u32, mut item: impl FnMut(&mut Self, u32)) {
        self.text.push('[');
        self.space();
        for i in 0..self.random.below(5) {
            if i > 0 {
                self.text.push(',');
            }
            self.space();
            item(self, depth);
            self.space();
        }
        self.text.push(']');
    }

    fn value(&mut self, data_type: &DataType, nullable: bool) {
        if nullable && self.random.one_in(6) {
            self.text.push_str("null");
            return;
        }
        let bits = self.random.next();
        let text = match data_type {
            DataType::Byte => format!("{}", bits as i8),
            DataType::Short => format!("{}.00", bits as i16),
            DataType::Integer => format!("{}", bits as i32),
            DataType::Long => format!("{}", bits as i64 >> self.random.below(64)),
            DataType::Float => format!("{:?}", (bits as i32 as f32) / 1024.0),
            DataType::Double => {
                format!("{:?}", (bits as i64 as f64) * 10f64.powi(self.random.below(40) as i32 - 30))
            }
            &DataType::Decimal { precision, scale } => return self.decimal(precision, scale),
            DataType::String => {
                let words = self.words();
                return self.string(&words);
            }
            DataType::Binary => {
                let bytes = bits.to_le_bytes();
                let text = encode(&bytes[..self.random.below(9) as usize]);
                return self.string(&text);
            }
            DataType::Boolean => format!("{}", bits & 1 == 1),
            DataType::Date => {
                let day = DateTime::from_timestamp(bits as i64 % 60_000_000_000, 0).unwrap();
                format!("\"{}\"", day.format("%Y-%m-%d"))
            }
            DataType::Timestamp | DataType::TimestampNtz => {
                let time =
                    DateTime::from_timestamp(bits as i64 % 60_000_000_000, (bits % 1_000_000) as u32 * 1000);
                let zone = match (data_type, self.random.below(3)) {
                    (DataType::TimestampNtz, _) => "",
                    (_, 0) => "Z",
                    (_, 1) => "-11:30",
                    _ => "+05:45",
                };
                format!("\"{}{zone}\"", time.unwrap().format("%Y-%m-%dT%H:%M:%S%.6f"))
            }
            DataType::Struct(fields) => return self.object(fields),
            DataType::Array { element, contains_null } => {
                return self.list(0, |writer, _| writer.value(element, *contains_null));
            }
            DataType::Map { value, value_contains_null, .. } => {
                self.text.push('{');
                for i in 0..self.random.below(5) {
                    let comma = if i == 0 { "" } else { "," };
                    write!(self.text, "{comma}\"k{i}\":").unwrap();
                    self.space();
                    self.value(value, *value_contains_null);
                }
                self.text.push('}');
                return;
            }
        };
        self.text.push_str(&text);
    }

    /// As a string; as a number where a double holds it, because serde_json reads no more.
    fn decimal(&mut self, precision: u8, scale: u8) {
        let digits = 1 + self.random.below(u64::from(precision)) as u8;
        let magnitude = i128::from(self.random.next() >> 1) * i128::from(self.random.next());
        let value = magnitude % 10i128.pow(digits.into());
        let power = 10i128.pow(scale.into());
        let minus = if self.random.one_in(2) && value != 0 { "-" } else { "" };
        let mut text = format!("{minus}{}", value / power);
        if scale > 0 {
            write!(text, ".{:0width$}", value % power, width = scale.into()).unwrap();
        }
        if digits <= 15 && self.random.one_in(2) { self.text.push_str(&text) } else { self.string(&text) }
    }
}

fn encode(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for i in 0..=group.len() {
            text.push(alphabet[(bits >> (18 - 6 * i)) as usize & 63] as char);
        }
    }
    text
}

/// Asserts that `row` of the column is what serde_json read.
fn assert_same(array: &ArrayRef, row: usize, data_type: &DataType, expected: Option<&Value>) {
    let Some(expected) = expected.filter(|value| !value.is_null()) else {
        assert!(array.is_null(row));
        return;
    };
    assert!(array.is_valid(row), "{expected}");
    let close = |found: f64, epsilon: f64| {
        let expected = expected.as_f64().unwrap();
        assert!((found - expected).abs() <= expected.abs() * epsilon, "{found} {expected}");
    };
    let whole = expected.as_f64();
    match data_type {
        DataType::Byte => assert_eq!(Some(f64::from(array.as_primitive::<Int8Type>().value(row))), whole),
        DataType::Short => assert_eq!(Some(f64::from(array.as_primitive::<Int16Type>().value(row))), whole),
        DataType::Integer => assert_eq!(Some(f64::from(array.as_primitive::<Int32Type>().value(row))), whole),
        DataType::Long => assert_eq!(Some(array.as_primitive::<Int64Type>().value(row)), expected.as_i64()),
        DataType::Float => close(array.as_primitive::<Float32Type>().value(row).into(), 1e-7),
        DataType::Double => close(array.as_primitive::<Float64Type>().value(row), 1e-15),
        DataType::Decimal { scale, .. } => {
            let array = array.as_primitive::<Decimal128Type>();
            match expected {
                Value::String(text) => assert_eq!(&array.value_as_string(row), text),
                _ => close(array.value(row) as f64 / 10f64.powi((*scale).into()), 1e-15),
            }
        }
        DataType::String => assert_eq!(Some(array.as_string::<i32>().value(row)), expected.as_str()),
        DataType::Binary => {
            assert_eq!(Some(encode(array.as_binary::<i32>().value(row)).as_str()), expected.as_str())
        }
        DataType::Boolean => assert_eq!(Some(array.as_boolean().value(row)), expected.as_bool()),
        DataType::Date => {
            let date = array.as_primitive::<Date32Type>().value_as_date(row).unwrap();
            assert_eq!(Some(date.to_string().as_str()), expected.as_str());
        }
        DataType::Timestamp | DataType::TimestampNtz => {
            let time = array.as_primitive::<TimestampMicrosecondType>().value(row);
            let mut text = expected.as_str().unwrap().to_owned();
            if *data_type == DataType::TimestampNtz {
                text.push('Z');
            }
            assert_eq!(time, DateTime::parse_from_rfc3339(&text).unwrap().timestamp_micros());
        }
        DataType::Struct(fields) => {
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                assert_same(column, row, &field.data_type, expected.get(&field.name));
            }
        }
        DataType::Array { element, .. } => {
            let values = array.as_list::<i32>().value(row);
            let expected = expected.as_array().unwrap();
            assert_eq!(values.len(), expected.len());
            for (i, expected) in expected.iter().enumerate() {
                assert_same(&values, i, element, Some(expected));
            }
        }
        DataType::Map { value, .. } => {
            let entries = array.as_map().value(row);
            let expected = expected.as_object().unwrap();
            assert_eq!(entries.len(), expected.len());
            for (i, key) in entries.column(0).as_string::<i32>().iter().enumerate() {
                assert_same(entries.column(1), i, value, expected.get(key.unwrap()));
            }
        }
    }
}

fn record(random: &mut Random, schema: &Schema) -> String {
    let mut writer = Writer { random, text: String::new(), unknown: 0 };
    writer.space();
    writer.object(&schema.fields);
    writer.space();
    writer.text
}

#[test]
fn random_records_are_read_as_serde_json_reads_them() {
    for seed in 0..400 {
        let random = &mut Random(seed);
        let schema = schema(random);
        assert_eq!(Schema::parse(&schema.to_json()).unwrap(), schema, "seed {seed}");
        let mut decoder = JsonDecoder::new(&schema, JsonOptions::default()).unwrap();
        for rows in [random.below(50) as usize, 20] {
            let records: Vec<String> = (0..rows).map(|_| record(random, &schema)).collect();
            for text in &records {
                assert_eq!(decoder.push(text.as_bytes()), Ok(()), "seed {seed}: {text}");
            }
            let batch = decoder.finish();
            assert_eq!((batch.num_rows(), batch.schema()), (rows, schema.arrow()));
            for column in batch.columns() {
                column.to_data().validate_full().unwrap();
            }
            for (row, text) in records.iter().enumerate() {
                let value: Value = serde_json::from_str(text).unwrap();
                for (field, column) in schema.fields.iter().zip(batch.columns()) {
                    assert_same(column, row, &field.data_type, value.get(&field.name));
                }
            }
        }
    }
}

fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len() as u64) as usize;
    match random.below(6) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = *random.pick(b"{}[]\",:\\0-.eEntu \x00\x1f\x80\xff"),
        3 => bytes.insert(at, *random.pick(b"{}[]\",:\\0-.eEntu \x00\x1f\x80\xff")),
        4 => {
            bytes.remove(at);
        }
        _ => {
            let end = at + random.below((bytes.len() - at) as u64 + 1) as usize;
            let copy = bytes[at..end].to_vec();
            let to = random.below(bytes.len() as u64 + 1) as usize;
            bytes.splice(to..to, copy);
        }
    }
}

fn assert_agrees(bytes: &[u8], outcome: &Result<(), RowError>) {
    let value = serde_json::from_slice::<Value>(bytes);
    let is_object = value.as_ref().is_ok_and(Value::is_object);
    match outcome {
        Ok(()) if is_object => {}
        // serde_json does not hold numbers like 1e999, which the grammar allows.
        Ok(()) => {
            let error = value.map_err(|error| error.to_string()).unwrap_err();
            assert!(error.starts_with("number out of range"), "{error}: {bytes:?}");
            serde_json::from_str::<IgnoredAny>(std::str::from_utf8(bytes).unwrap()).unwrap();
        }
        Err(error) if error.code == crate::Code::RecordNotJson => assert!(!is_object, "{error}: {bytes:?}"),
        Err(_) => {}
    }
}

#[test]
fn damaged_records_never_harm_their_neighbours() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..300 {
        let random = &mut Random(seed);
        let schema = schema(random);
        let strings = *random.pick(&[Strings::Strict, Strings::Lenient]);
        let options = JsonOptions { strings, ..Default::default() };
        let mut decoder = JsonDecoder::new(&schema, options).unwrap();
        let mut expected = JsonDecoder::new(&schema, options).unwrap();
        let records: Vec<String> = (0..20).map(|_| record(random, &schema)).collect();
        for _ in 0..1000 {
            let mut bytes = random.pick(&records).clone().into_bytes();
            for _ in 0..1 + random.below(2) {
                if !bytes.is_empty() {
                    damage(random, &mut bytes);
                }
            }
            let outcome = decoder.push(&bytes);
            assert_agrees(&bytes, &outcome);
            match outcome {
                Ok(()) => {
                    accepted += 1;
                    expected.push(&bytes).unwrap();
                }
                Err(_) => refused += 1,
            }
            if random.one_in(8) {
                let good = random.pick(&records).as_bytes();
                decoder.push(good).unwrap();
                expected.push(good).unwrap();
            }
        }
        let batch = decoder.finish();
        for column in batch.columns() {
            column.to_data().validate_full().unwrap();
        }
        assert_eq!(batch, expected.finish(), "seed {seed}");
    }
    assert!(accepted > 10_000 && refused > 100_000, "{accepted} {refused}");
}
