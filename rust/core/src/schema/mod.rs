//! A Delta schema: read from and written to Delta's own JSON (`schemaString` of the metaData action), mapped to Arrow, and
//! compared with another one.

mod fits;
mod from_connect;
mod infer;
mod merge;
mod names;
mod still_fits;
mod text;
mod widen;

#[cfg(test)]
pub(crate) mod build;

use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType as ArrowType, Field as ArrowField, Fields, Schema as ArrowSchema, TimeUnit};

pub use fits::check_fits;
pub use from_connect::from_connect;
pub(crate) use from_connect::unusable;
pub use infer::Inference;
pub use merge::{Evolution, merge};
pub use names::check_names;
pub use still_fits::still_fits;

/// The columns of a table. Never empty; names are unique without regard to case, at every level.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum DataType {
    Byte,
    Short,
    Integer,
    Long,
    Float,
    Double,
    /// Precision 1..=38, scale 0..=precision.
    Decimal {
        precision: u8,
        scale: u8,
    },
    String,
    Binary,
    Boolean,
    Date,
    Timestamp,
    TimestampNtz,
    Struct(Vec<Field>),
    Array {
        element: Box<DataType>,
        contains_null: bool,
    },
    Map {
        key: Box<DataType>,
        value: Box<DataType>,
        value_contains_null: bool,
    },
}

impl Schema {
    /// The Arrow schema as the Delta kernel maps it, without field metadata.
    pub fn arrow(&self) -> arrow_schema::SchemaRef {
        Arc::new(ArrowSchema::new(arrow_fields(&self.fields)))
    }
}

impl DataType {
    /// The inner field names and the nullability of entries are those of the Delta kernel (`arrow_conversion`).
    pub fn arrow(&self) -> ArrowType {
        match self {
            DataType::Byte => ArrowType::Int8,
            DataType::Short => ArrowType::Int16,
            DataType::Integer => ArrowType::Int32,
            DataType::Long => ArrowType::Int64,
            DataType::Float => ArrowType::Float32,
            DataType::Double => ArrowType::Float64,
            DataType::Decimal { precision, scale } => ArrowType::Decimal128(*precision, *scale as i8),
            DataType::String => ArrowType::Utf8,
            DataType::Binary => ArrowType::Binary,
            DataType::Boolean => ArrowType::Boolean,
            DataType::Date => ArrowType::Date32,
            DataType::Timestamp => ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            DataType::TimestampNtz => ArrowType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Struct(fields) => ArrowType::Struct(arrow_fields(fields)),
            DataType::Array { element, contains_null } => {
                ArrowType::List(Arc::new(ArrowField::new("element", element.arrow(), *contains_null)))
            }
            DataType::Map { key, value, value_contains_null } => {
                let entries = Fields::from(vec![
                    ArrowField::new("key", key.arrow(), false),
                    ArrowField::new("value", value.arrow(), *value_contains_null),
                ]);
                ArrowType::Map(
                    Arc::new(ArrowField::new("key_value", ArrowType::Struct(entries), false)),
                    false,
                )
            }
        }
    }
}

fn arrow_fields(fields: &[Field]) -> Fields {
    fields.iter().map(|field| ArrowField::new(&field.name, field.data_type.arrow(), field.nullable)).collect()
}

/// As in SQL: `long`, `decimal(10,2)`, `array<string>`, `struct<a:long>`.
impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataType::Struct(fields) => {
                f.write_str("struct<")?;
                for (i, field) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{}", field.name, field.data_type)?;
                }
                f.write_str(">")
            }
            DataType::Array { element, .. } => write!(f, "array<{element}>"),
            DataType::Map { key, value, .. } => write!(f, "map<{key},{value}>"),
            primitive => f.write_str(&primitive.primitive_name()),
        }
    }
}

/// `parent.name`, or `name` at the top.
pub fn child_path(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Schema {
        Schema::parse(text).unwrap()
    }

    #[test]
    fn arrow_types_are_those_of_the_delta_kernel() {
        let schema = parse(
            r#"{"type":"struct","fields":[
            {"name":"ts","type":"timestamp","nullable":true,"metadata":{"x":"y"}},
            {"name":"ntz","type":"timestamp_ntz","nullable":true,"metadata":{}},
            {"name":"d","type":"decimal(10,2)","nullable":false,"metadata":{}},
            {"name":"l","type":{"type":"array","elementType":"date","containsNull":false},"nullable":true,"metadata":{}},
            {"name":"m","type":{"type":"map","keyType":"string","valueType":"binary","valueContainsNull":true},
             "nullable":true,"metadata":{}}]}"#,
        );
        let arrow = schema.arrow();
        assert_eq!(arrow.field(0).metadata().len(), 0);
        assert_eq!(
            arrow.field(0).data_type(),
            &ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        );
        assert_eq!(arrow.field(1).data_type(), &ArrowType::Timestamp(TimeUnit::Microsecond, None));
        assert_eq!(arrow.field(2), &ArrowField::new("d", ArrowType::Decimal128(10, 2), false));
        assert_eq!(
            arrow.field(3).data_type(),
            &ArrowType::List(Arc::new(ArrowField::new("element", ArrowType::Date32, false)))
        );
        let entries = Fields::from(vec![
            ArrowField::new("key", ArrowType::Utf8, false),
            ArrowField::new("value", ArrowType::Binary, true),
        ]);
        let entries = ArrowField::new("key_value", ArrowType::Struct(entries), false);
        assert_eq!(arrow.field(4).data_type(), &ArrowType::Map(Arc::new(entries), false));
    }
}
