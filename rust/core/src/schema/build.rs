//! Short ways to write schemas in tests.

use super::{DataType, Field, Schema};

pub fn field(name: &str, data_type: DataType, nullable: bool) -> Field {
    Field { name: name.into(), data_type, nullable, metadata: Default::default() }
}

pub fn schema<const N: usize>(fields: [Field; N]) -> Schema {
    Schema { fields: fields.into() }
}

pub fn structure<const N: usize>(fields: [Field; N]) -> DataType {
    DataType::Struct(fields.into())
}

pub fn array(element: DataType, contains_null: bool) -> DataType {
    DataType::Array { element: Box::new(element), contains_null }
}

pub fn map(key: DataType, value: DataType, value_contains_null: bool) -> DataType {
    DataType::Map { key: Box::new(key), value: Box::new(value), value_contains_null }
}

pub fn parse(text: &str) -> Schema {
    Schema::parse(text).unwrap()
}
