//! The columns of a table that is made from a Connect schema. The mapping is in `docs/types.md`.

use super::names::check_unique;
use super::{DataType, Field, child_path};
use crate::connect::{ConnectSchema, Kind};
use crate::{Code, Error, Result};

const MAX_PRECISION: u8 = 38;

/// The columns for the fields of a STRUCT.
///
/// A field that Connect requires becomes NOT NULL, but only at the top and in structs that are NOT NULL themselves, and
/// entries of an outermost list or map: nothing else can be enforced by Delta, and Spark refuses such tables.
pub fn from_connect(schema: &ConnectSchema) -> Result<Vec<Field>> {
    let Kind::Struct(members) = &schema.kind else {
        return Err(unusable(
            "",
            "only a STRUCT has fields for columns. Put the value into one (the transform HoistField)",
        ));
    };
    let fields = fields("", members)?;
    check_unique(&fields)?;
    Ok(fields)
}

fn fields(parent: &str, members: &[(Box<str>, ConnectSchema)]) -> Result<Vec<Field>> {
    if members.is_empty() {
        let why = "a STRUCT without fields cannot be a column. Leave it out (the transform ReplaceField), or give it a field";
        return Err(unusable(parent, why));
    }
    let field = |(name, schema): &(Box<str>, ConnectSchema)| {
        let data_type = data_type(&child_path(parent, name), schema)?;
        let nullable_inside = schema.optional && matches!(data_type, DataType::Struct(_));
        let comment = schema.doc.as_deref().filter(|doc| !doc.is_empty());
        Ok(Field {
            name: name.to_string(),
            data_type: if nullable_inside { data_type.all_nullable() } else { data_type },
            nullable: schema.optional,
            metadata: comment.map(|doc| ("comment".to_owned(), doc.into())).into_iter().collect(),
        })
    };
    members.iter().map(field).collect()
}

fn data_type(path: &str, schema: &ConnectSchema) -> Result<DataType> {
    if let Some(named) = named(path, schema)? {
        return Ok(named);
    }
    Ok(match &schema.kind {
        Kind::Int8 => DataType::Byte,
        Kind::Int16 => DataType::Short,
        Kind::Int32 => DataType::Integer,
        Kind::Int64 => DataType::Long,
        Kind::Float32 => DataType::Float,
        Kind::Float64 => DataType::Double,
        Kind::Boolean => DataType::Boolean,
        Kind::String => DataType::String,
        Kind::Bytes => DataType::Binary,
        Kind::Array(element) => DataType::Array {
            contains_null: element.optional,
            element: Box::new(data_type(&child_path(path, "element"), element)?.all_nullable()),
        },
        Kind::Map(key, value) => DataType::Map {
            key: Box::new(key_type(&child_path(path, "key"), key)?.all_nullable()),
            value_contains_null: value.optional,
            value: Box::new(data_type(&child_path(path, "value"), value)?.all_nullable()),
        },
        Kind::Struct(members) => DataType::Struct(fields(path, members)?),
        Kind::Any => {
            let why = "Connect gives no schema for it, so it has no type of its own. Give the table's schema \
                       (delta.schema.json or delta.schema.file)";
            return Err(unusable(path, why));
        }
    })
}

/// The type that goes by the schema's name, if it is a name that says more than the kind.
fn named(path: &str, schema: &ConnectSchema) -> Result<Option<DataType>> {
    let Some(name) = schema.name.as_deref() else { return Ok(None) };
    Ok(match (&schema.kind, name) {
        (Kind::Bytes, "org.apache.kafka.connect.data.Decimal") => Some(decimal(path, schema)?),
        (Kind::Int32, "org.apache.kafka.connect.data.Date" | "io.debezium.time.Date") => Some(DataType::Date),
        (Kind::Int64, "org.apache.kafka.connect.data.Timestamp") => Some(DataType::Timestamp),
        (
            Kind::Int64,
            "io.debezium.time.Timestamp"
            | "io.debezium.time.MicroTimestamp"
            | "io.debezium.time.NanoTimestamp",
        ) => Some(DataType::TimestampNtz),
        (Kind::String, "io.debezium.time.ZonedTimestamp") => Some(DataType::Timestamp),
        (Kind::Int64, name) if name.ends_with(".TimestampMicros") || name.ends_with(".TimestampNanos") => {
            Some(DataType::Timestamp)
        }
        _ => None,
    })
}

fn decimal(path: &str, schema: &ConnectSchema) -> Result<DataType> {
    let number = |name: &str| match schema.parameters.get(name) {
        None => Ok(None),
        Some(text) => text.parse::<i64>().map(Some).map_err(|_| {
            unusable(
                path,
                &format!(
                    "the Decimal's parameter {name} is {text:?}, not a number. Mend the producer's schema"
                ),
            )
        }),
    };
    let Some(scale) = number("scale")? else {
        return Err(unusable(path, "the Decimal has no parameter scale. Mend the producer's schema"));
    };
    let precision = number("connect.decimal.precision")?.unwrap_or(MAX_PRECISION.into());
    let fitting = |number: i64, range: std::ops::RangeInclusive<i64>| {
        u8::try_from(number).ok().filter(|_| range.contains(&number))
    };
    match (fitting(precision, 1..=MAX_PRECISION.into()), fitting(scale, 0..=precision)) {
        (Some(precision), Some(scale)) => Ok(DataType::Decimal { precision, scale }),
        _ => Err(unusable(
            path,
            &format!(
                "Delta has no decimal({precision},{scale}): the precision is 1 to {MAX_PRECISION}, the scale 0 to the \
                 precision. Change the producer's schema, or cast the field before Sluice"
            ),
        )),
    }
}

fn key_type(path: &str, schema: &ConnectSchema) -> Result<DataType> {
    let key = data_type(path, schema)?;
    if holds_map(&key) {
        return Err(unusable(path, "a map's key cannot hold a map. Change the producer's schema"));
    }
    Ok(key)
}

fn holds_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map { .. } => true,
        DataType::Array { element, .. } => holds_map(element),
        DataType::Struct(fields) => fields.iter().any(|field| holds_map(&field.data_type)),
        _ => false,
    }
}

/// A field that no column can be made of; none: the value as a whole.
pub(crate) fn unusable(path: &str, why: &str) -> Error {
    let place = if path.is_empty() { "the value".to_owned() } else { format!("field {path}") };
    Error::new(Code::SchemaUnclear, format!("{place}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::super::Schema;
    use super::super::build::{array, field, map, structure};
    use super::*;

    fn required(kind: Kind) -> ConnectSchema {
        ConnectSchema::new(kind, false)
    }

    fn optional(kind: Kind) -> ConnectSchema {
        ConnectSchema::new(kind, true)
    }

    fn named(kind: Kind, name: &str) -> ConnectSchema {
        ConnectSchema { name: Some(name.into()), ..required(kind) }
    }

    fn decimal(parameters: &[(&str, &str)]) -> ConnectSchema {
        let parameters = parameters.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        ConnectSchema { parameters, ..named(Kind::Bytes, "org.apache.kafka.connect.data.Decimal") }
    }

    fn members<const N: usize>(members: [(&str, ConnectSchema); N]) -> Kind {
        Kind::Struct(members.into_iter().map(|(name, schema)| (name.into(), schema)).collect())
    }

    fn refusal(member: ConnectSchema) -> String {
        let error = from_connect(&required(members([("f", member)]))).unwrap_err();
        assert_eq!(error.code, Code::SchemaUnclear);
        error.message
    }

    #[test]
    fn every_type_has_its_column() {
        let debezium = |kind, name: &str| named(kind, &format!("io.debezium.{name}"));
        let connect = |kind, name: &str| named(kind, &format!("org.apache.kafka.connect.data.{name}"));
        let variable = members([("scale", required(Kind::Int32)), ("value", required(Kind::Bytes))]);
        for (schema, expected) in [
            (required(Kind::Int8), "byte"),
            (required(Kind::Int16), "short"),
            (required(Kind::Int32), "integer"),
            (required(Kind::Int64), "long"),
            (required(Kind::Float32), "float"),
            (required(Kind::Float64), "double"),
            (required(Kind::Boolean), "boolean"),
            (required(Kind::String), "string"),
            (required(Kind::Bytes), "binary"),
            (required(Kind::Array(required(Kind::Int8).into())), "array<byte>"),
            (
                required(Kind::Map(required(Kind::Int32).into(), optional(Kind::Bytes).into())),
                "map<integer,binary>",
            ),
            (decimal(&[("scale", "4")]), "decimal(38,4)"),
            (decimal(&[("scale", "0"), ("connect.decimal.precision", "12")]), "decimal(12,0)"),
            (connect(Kind::Int32, "Date"), "date"),
            (connect(Kind::Int32, "Time"), "integer"),
            (connect(Kind::Int64, "Timestamp"), "timestamp"),
            (debezium(Kind::Int32, "time.Date"), "date"),
            (debezium(Kind::Int32, "time.Time"), "integer"),
            (debezium(Kind::Int64, "time.MicroTime"), "long"),
            (debezium(Kind::Int64, "time.NanoTime"), "long"),
            (debezium(Kind::Int64, "time.Timestamp"), "timestamp_ntz"),
            (debezium(Kind::Int64, "time.MicroTimestamp"), "timestamp_ntz"),
            (debezium(Kind::Int64, "time.NanoTimestamp"), "timestamp_ntz"),
            (debezium(Kind::String, "time.ZonedTimestamp"), "timestamp"),
            (debezium(Kind::String, "time.ZonedTime"), "string"),
            (debezium(Kind::Int32, "time.Year"), "integer"),
            (debezium(Kind::Int64, "time.MicroDuration"), "long"),
            (debezium(Kind::String, "time.Interval"), "string"),
            (debezium(Kind::String, "data.Uuid"), "string"),
            (debezium(Kind::String, "data.Json"), "string"),
            (debezium(Kind::Bytes, "data.Bits"), "binary"),
            (debezium(variable, "data.VariableScaleDecimal"), "struct<scale:integer,value:binary>"),
            (named(Kind::Int64, "io.confluent.connect.TimestampMicros"), "timestamp"),
            (named(Kind::Int64, "some.TimestampNanos"), "timestamp"),
            (named(Kind::String, "io.debezium.time.Date"), "string"),
            (named(Kind::Int32, "com.example.Own"), "integer"),
        ] {
            let made = from_connect(&required(members([("f", schema.clone())]))).unwrap();
            assert_eq!(made[0].data_type.to_string(), expected, "{schema:?}");
        }
    }

    #[test]
    fn what_connect_requires_is_not_null_where_delta_can_hold_it() {
        let inner = || members([("r", required(Kind::Int32)), ("o", optional(Kind::Int32))]);
        let list = |element| Kind::Array(Box::new(element));
        let made = from_connect(&optional(members([
            ("s", required(inner())),
            ("maybe", optional(inner())),
            ("l", required(list(required(inner())))),
            ("ll", optional(list(optional(list(required(Kind::Int32)))))),
            ("m", required(Kind::Map(required(inner()).into(), required(inner()).into()))),
        ])));
        let kept = structure([field("r", DataType::Integer, false), field("o", DataType::Integer, true)]);
        let lost = kept.all_nullable();
        assert_eq!(
            made.unwrap(),
            [
                field("s", kept, false),
                field("maybe", lost.clone(), true),
                field("l", array(lost.clone(), false), false),
                field("ll", array(array(DataType::Integer, true), true), true),
                field("m", map(lost.clone(), lost, false), false),
            ]
        );
    }

    #[test]
    fn docs_become_comments_at_every_depth() {
        let documented = |kind, doc: &str| ConnectSchema { doc: Some(doc.into()), ..required(kind) };
        let inner = members([("x", documented(Kind::Int32, "inner"))]);
        let made = from_connect(&required(members([(
            "s",
            documented(Kind::Array(required(inner).into()), "outer"),
        )])));
        let text = Schema { fields: made.unwrap() }.to_json();
        assert!(text.contains(r#""metadata":{"comment":"inner"},"name":"x""#), "{text}");
        assert!(text.contains(r#""metadata":{"comment":"outer"},"name":"s""#), "{text}");
    }

    #[test]
    fn what_cannot_be_a_column_is_named_with_a_way_out() {
        let list = |element| required(Kind::Array(Box::new(element)));
        let any_map = Kind::Map(required(Kind::String).into(), required(Kind::Any).into());
        let map_key = Kind::Map(list(required(any_key())).into(), required(Kind::Int8).into());
        fn any_key() -> Kind {
            Kind::Map(Box::new(required(Kind::String)), Box::new(required(Kind::Int8)))
        }
        for (schema, expected) in [
            (
                list(required(members([("g", required(Kind::Any))]))),
                "field f.element.g: Connect gives no schema",
            ),
            (required(any_map), "field f.value: Connect gives no schema"),
            (required(map_key), "field f.key: a map's key cannot hold a map"),
            (list(required(members([]))), "field f.element: a STRUCT without fields"),
            (decimal(&[]), "field f: the Decimal has no parameter scale"),
            (decimal(&[("scale", "x")]), "field f: the Decimal's parameter scale is \"x\""),
            (decimal(&[("scale", "39")]), "field f: Delta has no decimal(38,39)"),
            (decimal(&[("scale", "-1")]), "field f: Delta has no decimal(38,-1)"),
            (
                decimal(&[("scale", "3"), ("connect.decimal.precision", "2")]),
                "field f: Delta has no decimal(2,3)",
            ),
            (
                decimal(&[("scale", "3"), ("connect.decimal.precision", "39")]),
                "field f: Delta has no decimal(39,3)",
            ),
            (
                required(members([("a", required(Kind::Int8)), ("A", required(Kind::Int8))])),
                "field f.A: another field's name differs by case only",
            ),
            (required(members([("", required(Kind::Int8))])), "field f.: a column's name cannot be empty"),
        ] {
            let message = refusal(schema);
            assert!(message.starts_with(expected), "{message}");
        }
        let error = from_connect(&required(Kind::Int8)).unwrap_err();
        assert!(error.message.starts_with("the value: only a STRUCT"), "{}", error.message);
    }
}
