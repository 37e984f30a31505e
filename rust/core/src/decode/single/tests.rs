use arrow_array::Array;
use arrow_array::cast::AsArray;

use super::*;
use crate::Code::*;
use crate::decode::UnknownFieldCounts;
use crate::schema::build::{field, schema};

#[test]
fn a_value_is_its_column_as_it_is() {
    for single in [Single::String, Single::Bytes] {
        let table = Schema { fields: vec![single.field("value")] };
        let mut decoder = SingleDecoder::new(&table, "VALUE").unwrap();
        let values: [&[u8]; 4] = [b"", b"{\"a\":1}", "é\0\n".as_bytes(), b"  "];
        for value in values {
            decoder.push(value).unwrap();
        }
        assert_eq!(decoder.rows(), 4);
        let batch = decoder.finish();
        let column = batch.column(0);
        assert_eq!(column.null_count(), 0);
        for (row, value) in values.into_iter().enumerate() {
            match single {
                Single::String => assert_eq!(column.as_string::<i32>().value(row).as_bytes(), value),
                Single::Bytes => assert_eq!(column.as_binary::<i32>().value(row), value),
            }
        }
        assert_eq!((decoder.rows(), decoder.bytes()), (0, 0));
        assert_eq!(decoder.take_unknown_fields(), UnknownFieldCounts::default());
    }
}

#[test]
fn only_bytes_take_what_is_not_utf_8() {
    let new = |single: Single| {
        SingleDecoder::new(&Schema { fields: vec![single.field("value")] }, "value").unwrap()
    };
    let mut decoder = new(Single::String);
    let error = decoder.push(b"ab\xff").unwrap_err();
    assert_eq!((error.code, &*error.path), (RecordEncoding, "value"));
    assert_eq!(error.message, "the value is not UTF-8 at byte 2");
    assert_eq!((decoder.rows(), decoder.bytes()), (0, 0));
    let mut decoder = new(Single::Bytes);
    decoder.push(b"ab\xff").unwrap();
    assert_eq!(decoder.finish().column(0).as_binary::<i32>().value(0), b"ab\xff");
}

#[test]
fn other_columns_are_null_or_refused() {
    let table = schema([field("Value", DataType::String, false), field("other", DataType::Long, true)]);
    let mut decoder = SingleDecoder::new(&table, "value").unwrap();
    decoder.push(b"x").unwrap();
    assert_eq!(decoder.finish().column(1).null_count(), 1);
    let table = schema([field("value", DataType::String, true), field("other", DataType::Long, false)]);
    let mut decoder = SingleDecoder::new(&table, "value").unwrap();
    let error = decoder.push(b"x").unwrap_err();
    assert_eq!((error.code, &*error.path), (RecordNull, "other"));
    assert_eq!(decoder.bytes(), 0);
}

#[test]
fn a_table_without_the_column_is_refused() {
    let table = schema([field("value", DataType::Long, true)]);
    for (column, expected) in [
        ("value", "column value is long: a value as it is fits"),
        ("payload", "the table has no column payload"),
    ] {
        let error = SingleDecoder::new(&table, column).err().unwrap();
        assert_eq!(error.code, SchemaMismatch);
        assert!(error.message.starts_with(expected), "{}", error.message);
    }
}
