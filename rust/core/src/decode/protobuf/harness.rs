//! What the tests share: a table's columns for the messages of a schema, rows as JSON, and messages put together by hand.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType as ArrowType, TimeUnit};
use serde_json::{Value, json};

use super::{File, Message, Plan};
use crate::decode::column::Format;
use crate::decode::rows::Rows;
use crate::decode::{RowError, UnknownFieldCounts, UnknownFields};
use crate::schema::{Schema, from_connect};

pub struct Decoder {
    message: Message,
    plan: Option<Plan>,
    rows: Rows,
    pub unknown_fields: UnknownFields,
}

impl Decoder {
    pub fn new(message: &Message, schema: &Schema) -> Self {
        Decoder {
            message: message.clone(),
            plan: None,
            rows: Rows::new(schema, Format::Connect).unwrap(),
            unknown_fields: UnknownFields::Ignore,
        }
    }

    pub fn push(&mut self, value: &[u8]) -> Result<(), RowError> {
        let (plan, message, unknown_fields) = (&mut self.plan, &self.message, self.unknown_fields);
        self.rows.push(value.len(), |root, rows| {
            let plan = plan.get_or_insert_with(|| Plan::new(message, root));
            plan.read(root, rows, value, unknown_fields)
        })
    }

    pub fn rows(&self) -> usize {
        self.rows.rows()
    }

    pub fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    pub fn finish(&mut self) -> RecordBatch {
        self.rows.finish()
    }

    pub fn unknown(&mut self) -> UnknownFieldCounts {
        self.rows.take_unknown_fields()
    }
}

/// The table that is made for a message.
pub fn table_of(message: &Message) -> Schema {
    Schema { fields: from_connect(&message.connect().unwrap()).unwrap() }
}

/// The first message of a `.proto` file.
pub fn first(text: &str) -> Message {
    File::from_source(text, &[]).unwrap().message(None).unwrap()
}

/// What one message becomes in the table that is made for it.
pub fn decode(message: &Message, value: &[u8]) -> Result<Value, RowError> {
    decode_into(message, &table_of(message), value)
}

pub fn decode_into(message: &Message, schema: &Schema, value: &[u8]) -> Result<Value, RowError> {
    let mut decoder = Decoder::new(message, schema);
    decoder.push(value)?;
    Ok(row(&decoder.finish(), 0))
}

pub fn row(batch: &RecordBatch, row: usize) -> Value {
    let schema = batch.schema();
    let fields = schema.fields().iter().zip(batch.columns());
    Value::Object(fields.map(|(field, column)| (field.name().clone(), value(column, row))).collect())
}

fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let double = |value: f64| match value {
        _ if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    };
    match array.data_type() {
        ArrowType::Boolean => json!(array.as_boolean().value(row)),
        ArrowType::Int8 => json!(array.as_primitive::<Int8Type>().value(row)),
        ArrowType::Int16 => json!(array.as_primitive::<Int16Type>().value(row)),
        ArrowType::Int32 => json!(array.as_primitive::<Int32Type>().value(row)),
        ArrowType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        ArrowType::Float32 => double(array.as_primitive::<Float32Type>().value(row).into()),
        ArrowType::Float64 => double(array.as_primitive::<Float64Type>().value(row)),
        ArrowType::Decimal128(..) => json!(array.as_primitive::<Decimal128Type>().value_as_string(row)),
        ArrowType::Date32 => json!(array.as_primitive::<Date32Type>().value(row)),
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            json!(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        ArrowType::Utf8 => json!(array.as_string::<i32>().value(row)),
        ArrowType::Binary => json!(hex(array.as_binary::<i32>().value(row))),
        ArrowType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            Value::Object(columns.map(|(field, column)| (field.name().clone(), value(column, row))).collect())
        }
        ArrowType::List(_) => {
            let elements = array.as_list::<i32>().value(row);
            Value::Array((0..elements.len()).map(|at| value(&elements, at)).collect())
        }
        ArrowType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let pairs = (0..entries.len()).map(|at| (value(keys, at), value(values, at)));
            let mut pairs: Vec<_> = pairs.collect();
            pairs.sort_by_key(|(key, _)| key.to_string());
            Value::Array(pairs.into_iter().map(|(key, value)| json!([key, value])).collect())
        }
        other => panic!("{other}"),
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

// Messages by hand.

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

pub fn int(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

pub fn bytes(number: u64, value: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

pub fn group(number: u64, inside: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 3), inside.to_vec(), varint(number << 3 | 4)].concat()
}

pub fn fixed64(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3 | 1), value.to_le_bytes().to_vec()].concat()
}
