//! Rows as Avro records, to be decoded again: Sluice itself writes none.

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type};
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use sluice_core::schema::{DataType, Field, Schema};

/// A record schema with the table's columns.
pub fn schema(table: &Schema) -> String {
    let mut records = 0;
    record(&table.fields, &mut records)
}

fn record(fields: &[Field], records: &mut usize) -> String {
    *records += 1;
    let mut text = format!(r#"{{"type":"record","name":"R{records}","fields":["#);
    for (index, field) in fields.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let data_type = optional(&field.data_type, field.nullable, records);
        write!(text, r#"{comma}{{"name":{:?},"type":{data_type}}}"#, field.name).expect("memory");
    }
    text + "]}"
}

fn optional(data_type: &DataType, nullable: bool, records: &mut usize) -> String {
    let data_type = type_of(data_type, records);
    if nullable { format!(r#"["null",{data_type}]"#) } else { data_type }
}

fn type_of(data_type: &DataType, records: &mut usize) -> String {
    let logical = |base: &str, logical: &str| format!(r#"{{"type":"{base}","logicalType":"{logical}"}}"#);
    match data_type {
        DataType::Boolean => r#""boolean""#.into(),
        DataType::Byte | DataType::Short | DataType::Integer => r#""int""#.into(),
        DataType::Long => r#""long""#.into(),
        DataType::Float => r#""float""#.into(),
        DataType::Double => r#""double""#.into(),
        DataType::String => r#""string""#.into(),
        DataType::Binary => r#""bytes""#.into(),
        DataType::Date => logical("int", "date"),
        DataType::Timestamp => logical("long", "timestamp-micros"),
        DataType::TimestampNtz => logical("long", "local-timestamp-micros"),
        DataType::Decimal { precision, scale } => {
            format!(r#"{{"type":"bytes","logicalType":"decimal","precision":{precision},"scale":{scale}}}"#)
        }
        DataType::Struct(fields) => record(fields, records),
        DataType::Array { element, contains_null } => {
            let items = optional(element, *contains_null, records);
            format!(r#"{{"type":"array","items":{items}}}"#)
        }
        DataType::Map { value, value_contains_null, .. } => {
            let values = optional(value, *value_contains_null, records);
            format!(r#"{{"type":"map","values":{values}}}"#)
        }
    }
}

/// Each row as a record of that schema.
pub fn records(table: &Schema, rows: &RecordBatch) -> Vec<Vec<u8>> {
    (0..rows.num_rows())
        .map(|row| {
            let mut out = Vec::new();
            for (field, column) in table.fields.iter().zip(rows.columns()) {
                put_optional(&mut out, &field.data_type, field.nullable, column, row);
            }
            out
        })
        .collect()
}

fn put_optional(out: &mut Vec<u8>, data_type: &DataType, nullable: bool, column: &ArrayRef, row: usize) {
    if nullable {
        put_long(out, i64::from(column.is_valid(row)));
    }
    if column.is_valid(row) {
        put(out, data_type, column, row);
    }
}

fn put(out: &mut Vec<u8>, data_type: &DataType, column: &ArrayRef, row: usize) {
    match data_type {
        DataType::Boolean => out.push(column.as_boolean().value(row).into()),
        DataType::Byte => put_long(out, column.as_primitive::<Int8Type>().value(row).into()),
        DataType::Short => put_long(out, column.as_primitive::<Int16Type>().value(row).into()),
        DataType::Integer => put_long(out, column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Long => put_long(out, column.as_primitive::<Int64Type>().value(row)),
        DataType::Float => out.extend(column.as_primitive::<Float32Type>().value(row).to_le_bytes()),
        DataType::Double => out.extend(column.as_primitive::<Float64Type>().value(row).to_le_bytes()),
        DataType::String => put_bytes(out, column.as_string::<i32>().value(row).as_bytes()),
        DataType::Binary => put_bytes(out, column.as_binary::<i32>().value(row)),
        DataType::Date => put_long(out, column.as_primitive::<Date32Type>().value(row).into()),
        DataType::Timestamp | DataType::TimestampNtz => {
            put_long(out, column.as_primitive::<TimestampMicrosecondType>().value(row));
        }
        DataType::Decimal { .. } => {
            let bytes = column.as_primitive::<Decimal128Type>().value(row).to_be_bytes();
            // As few as hold the sign: what Java's BigInteger gives.
            let spare = |at: &usize| {
                let fill = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
                bytes[*at] == fill && (bytes[at + 1] ^ fill) & 0x80 == 0
            };
            put_bytes(out, &bytes[(0..15).take_while(spare).count()..]);
        }
        DataType::Struct(fields) => {
            for (field, column) in fields.iter().zip(column.as_struct().columns()) {
                put_optional(out, &field.data_type, field.nullable, column, row);
            }
        }
        DataType::Array { element, contains_null } => {
            let elements = column.as_list::<i32>().value(row);
            block(out, elements.len(), |out, at| put_optional(out, element, *contains_null, &elements, at));
        }
        DataType::Map { value, value_contains_null, .. } => {
            let entries = column.as_map().value(row);
            let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1));
            block(out, entries.len(), |out, at| {
                put_bytes(out, keys.value(at).as_bytes());
                put_optional(out, value, *value_contains_null, values, at);
            });
        }
    }
}

fn block(out: &mut Vec<u8>, count: usize, mut element: impl FnMut(&mut Vec<u8>, usize)) {
    if count > 0 {
        put_long(out, count as i64);
        (0..count).for_each(|at| element(out, at));
    }
    put_long(out, 0);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}
