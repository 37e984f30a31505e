//! Rows as Protobuf messages, to be decoded again: Sluice itself writes none.

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use sluice_core::schema::{DataType, Field, Schema};

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// A file whose first message has the table's columns.
pub fn schema(table: &Schema) -> String {
    let head = "syntax = \"proto3\";\nimport \"google/protobuf/timestamp.proto\";\nimport \"confluent/type/decimal.proto\";\n";
    format!("{head}{}", message("Row", &table.fields))
}

fn message(name: &str, fields: &[Field]) -> String {
    let mut text = format!("message {name} {{\n");
    for (number, field) in (1..).zip(fields) {
        let declared = match &field.data_type {
            DataType::Struct(fields) => {
                text += &message(&format!("M{number}"), fields);
                format!("M{number}")
            }
            DataType::Array { element, .. } => format!("repeated {}", scalar(element)),
            other if field.nullable => format!("optional {}", scalar(other)),
            other => scalar(other).to_owned(),
        };
        writeln!(text, "{declared} {} = {number};", field.name).expect("memory");
    }
    text + "}\n"
}

fn scalar(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "bool",
        DataType::Integer => "int32",
        DataType::Long => "int64",
        DataType::Float => "float",
        DataType::Double => "double",
        DataType::String => "string",
        DataType::Binary => "bytes",
        DataType::Timestamp => "google.protobuf.Timestamp",
        DataType::Decimal { .. } => "confluent.type.Decimal",
        other => panic!("the events have no {other}"),
    }
}

/// Each row as such a message.
pub fn records(table: &Schema, rows: &RecordBatch) -> Vec<Vec<u8>> {
    let of_row = |row| {
        let mut out = Vec::new();
        put_fields(&mut out, &table.fields, rows.columns(), row);
        out
    };
    (0..rows.num_rows()).map(of_row).collect()
}

fn put_fields(out: &mut Vec<u8>, fields: &[Field], columns: &[ArrayRef], row: usize) {
    for ((number, field), column) in (1..).zip(fields).zip(columns) {
        if column.is_null(row) {
            continue;
        }
        match &field.data_type {
            DataType::Array { element, .. } => {
                let elements = column.as_list::<i32>().value(row);
                (0..elements.len()).for_each(|at| put(out, number, element, &elements, at));
            }
            other => put(out, number, other, column, row),
        }
    }
}

fn put(out: &mut Vec<u8>, number: u64, data_type: &DataType, column: &ArrayRef, row: usize) {
    let mut inner = Vec::new();
    match data_type {
        DataType::Boolean => put_number(out, number, column.as_boolean().value(row).into()),
        DataType::Integer => {
            put_number(out, number, i64::from(column.as_primitive::<Int32Type>().value(row)) as u64)
        }
        DataType::Long => put_number(out, number, column.as_primitive::<Int64Type>().value(row) as u64),
        DataType::Float => {
            put_varint(out, number << 3 | FIXED32);
            out.extend(column.as_primitive::<Float32Type>().value(row).to_le_bytes());
        }
        DataType::Double => {
            put_varint(out, number << 3 | FIXED64);
            out.extend(column.as_primitive::<Float64Type>().value(row).to_le_bytes());
        }
        DataType::String => put_bytes(out, number, column.as_string::<i32>().value(row).as_bytes()),
        DataType::Binary => put_bytes(out, number, column.as_binary::<i32>().value(row)),
        DataType::Timestamp => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
            put_number(&mut inner, 1, micros.div_euclid(1_000_000) as u64);
            put_number(&mut inner, 2, 1000 * micros.rem_euclid(1_000_000) as u64);
            put_bytes(out, number, &inner);
        }
        DataType::Decimal { scale, .. } => {
            let unscaled = column.as_primitive::<Decimal128Type>().value(row);
            let unscaled = i64::try_from(unscaled).expect("the events' decimals are small");
            put_bytes(&mut inner, 1, &unscaled.to_be_bytes());
            put_number(&mut inner, 3, u64::from(*scale));
            put_bytes(out, number, &inner);
        }
        DataType::Struct(fields) => {
            put_fields(&mut inner, fields, column.as_struct().columns(), row);
            put_bytes(out, number, &inner);
        }
        other => panic!("the events have no {other}"),
    }
}

fn put_number(out: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(out, number << 3 | VARINT);
    put_varint(out, value);
}

fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | BYTES);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
