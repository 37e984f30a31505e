//! Delta's JSON form of a schema.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{DataType, Field, Schema, child_path};
use crate::{Code, Error, Result};

const PRIMITIVES: [(&str, DataType); 12] = [
    ("byte", DataType::Byte),
    ("short", DataType::Short),
    ("integer", DataType::Integer),
    ("long", DataType::Long),
    ("float", DataType::Float),
    ("double", DataType::Double),
    ("string", DataType::String),
    ("binary", DataType::Binary),
    ("boolean", DataType::Boolean),
    ("date", DataType::Date),
    ("timestamp", DataType::Timestamp),
    ("timestamp_ntz", DataType::TimestampNtz),
];

impl Schema {
    pub fn parse(text: &str) -> Result<Schema> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| invalid("", format!("not JSON: {error}")))?;
        match parse_type("", &value)? {
            DataType::Struct(fields) => Ok(Schema { fields }),
            other => Err(invalid("", format!("the schema has to be a struct, not {other}"))),
        }
    }

    pub fn to_json(&self) -> String {
        struct_json(&self.fields).to_string()
    }
}

impl DataType {
    /// The name of a type that is one word in Delta's JSON; empty for struct, array and map.
    pub(super) fn primitive_name(&self) -> String {
        match self {
            DataType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            other => PRIMITIVES
                .iter()
                .find(|(_, data_type)| data_type == other)
                .map(|(name, _)| (*name).to_owned())
                .unwrap_or_default(),
        }
    }
}

fn parse_type(path: &str, value: &Value) -> Result<DataType> {
    match value {
        Value::String(name) => parse_primitive(path, name),
        Value::Object(object) => parse_nested(path, object),
        other => Err(invalid(path, format!("a type is a name or an object, not {other}"))),
    }
}

fn parse_primitive(path: &str, name: &str) -> Result<DataType> {
    if let Some((_, data_type)) = PRIMITIVES.iter().find(|(known, _)| *known == name) {
        return Ok(data_type.clone());
    }
    let Some(arguments) = name.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) else {
        return Err(invalid(path, format!("unknown type {name:?}")));
    };
    let numbers = arguments.split_once(',').and_then(|(precision, scale)| {
        Some((precision.trim().parse::<u8>().ok()?, scale.trim().parse::<u8>().ok()?))
    });
    match numbers {
        Some((precision @ 1..=38, scale)) if scale <= precision => Ok(DataType::Decimal { precision, scale }),
        _ => Err(invalid(
            path,
            format!("{name:?}: a decimal has a precision of 1 to 38 and a scale of 0 to the precision"),
        )),
    }
}

fn parse_nested(path: &str, object: &Map<String, Value>) -> Result<DataType> {
    match object.get("type").and_then(Value::as_str) {
        Some("struct") => parse_struct(path, object),
        Some("array") => Ok(DataType::Array {
            element: Box::new(parse_type(
                &child_path(path, "element"),
                required(path, object, "elementType")?,
            )?),
            contains_null: required_bool(path, object, "containsNull")?,
        }),
        Some("map") => Ok(DataType::Map {
            key: Box::new(parse_type(&child_path(path, "key"), required(path, object, "keyType")?)?),
            value: Box::new(parse_type(&child_path(path, "value"), required(path, object, "valueType")?)?),
            value_contains_null: required_bool(path, object, "valueContainsNull")?,
        }),
        Some(other) => Err(invalid(path, format!("unknown type {other:?}"))),
        None => Err(invalid(path, "an object without a \"type\" of struct, array or map")),
    }
}

fn parse_struct(path: &str, object: &Map<String, Value>) -> Result<DataType> {
    let Value::Array(items) = required(path, object, "fields")? else {
        return Err(invalid(path, "\"fields\" is not an array"));
    };
    let fields = items.iter().map(|item| parse_field(path, item)).collect::<Result<Vec<_>>>()?;
    if fields.is_empty() {
        return Err(invalid(path, "a struct without fields"));
    }
    let mut names = HashSet::new();
    for field in &fields {
        if !names.insert(field.name.to_lowercase()) {
            return Err(invalid(
                &child_path(path, &field.name),
                "the name is given twice (Delta does not look at case)",
            ));
        }
    }
    Ok(DataType::Struct(fields))
}

fn parse_field(parent: &str, item: &Value) -> Result<Field> {
    let Value::Object(object) = item else {
        return Err(invalid(parent, format!("a field is an object, not {item}")));
    };
    let name = match required(parent, object, "name")? {
        Value::String(name) if !name.is_empty() => name.clone(),
        other => return Err(invalid(parent, format!("a field's name is a string, not {other}"))),
    };
    let path = child_path(parent, &name);
    let metadata = match object.get("metadata") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(metadata)) => metadata.clone(),
        Some(other) => return Err(invalid(&path, format!("\"metadata\" is an object, not {other}"))),
    };
    Ok(Field {
        data_type: parse_type(&path, required(&path, object, "type")?)?,
        nullable: required_bool(&path, object, "nullable")?,
        name,
        metadata,
    })
}

fn required<'a>(path: &str, object: &'a Map<String, Value>, key: &str) -> Result<&'a Value> {
    object.get(key).ok_or_else(|| invalid(path, format!("\"{key}\" is missing")))
}

fn required_bool(path: &str, object: &Map<String, Value>, key: &str) -> Result<bool> {
    let value = required(path, object, key)?;
    value.as_bool().ok_or_else(|| invalid(path, format!("\"{key}\" is true or false, not {value}")))
}

fn invalid(path: &str, message: impl Into<String>) -> Error {
    let message = message.into();
    let text = if path.is_empty() { message } else { format!("column {path}: {message}") };
    Error::new(Code::SchemaInvalid, text)
}

fn struct_json(fields: &[Field]) -> Value {
    let fields: Vec<Value> = fields
        .iter()
        .map(|field| {
            json!({
                "name": field.name,
                "type": type_json(&field.data_type),
                "nullable": field.nullable,
                "metadata": field.metadata,
            })
        })
        .collect();
    json!({"type": "struct", "fields": fields})
}

fn type_json(data_type: &DataType) -> Value {
    match data_type {
        DataType::Struct(fields) => struct_json(fields),
        DataType::Array { element, contains_null } => {
            json!({"type": "array", "elementType": type_json(element), "containsNull": contains_null})
        }
        DataType::Map { key, value, value_contains_null } => json!({
            "type": "map",
            "keyType": type_json(key),
            "valueType": type_json(value),
            "valueContainsNull": value_contains_null,
        }),
        primitive => Value::String(primitive.primitive_name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(data_type: &str) -> String {
        format!(
            r#"{{"type":"struct","fields":[{{"name":"a","type":{data_type},"nullable":true,"metadata":{{}}}}]}}"#
        )
    }

    fn message(text: &str) -> String {
        let error = Schema::parse(text).unwrap_err();
        assert_eq!(error.code, Code::SchemaInvalid);
        error.message
    }

    #[test]
    fn every_type_survives_the_round_trip_with_its_metadata() {
        for (name, data_type) in PRIMITIVES {
            let schema = Schema::parse(&column(&format!("{name:?}"))).unwrap();
            assert_eq!(schema.fields[0].data_type, data_type);
            assert_eq!(Schema::parse(&schema.to_json()).unwrap(), schema);
        }
        let nested = r#"{"type":"struct","fields":[{"name":"m","nullable":false,"metadata":{"delta.generationExpression":"x","n":1},
            "type":{"type":"map","keyType":"integer","valueContainsNull":false,"valueType":{"type":"array","containsNull":true,
            "elementType":{"type":"struct","fields":[{"name":"d","type":"decimal(38,38)","nullable":true,"metadata":{}}]}}}}]}"#;
        let schema = Schema::parse(nested).unwrap();
        assert_eq!(schema.fields[0].metadata.len(), 2);
        assert_eq!(schema.fields[0].data_type.to_string(), "map<integer,array<struct<d:decimal(38,38)>>>");
        assert_eq!(Schema::parse(&schema.to_json()).unwrap(), schema);
        let before: Value = serde_json::from_str(nested).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&schema.to_json()).unwrap(), before);
    }

    #[test]
    fn refusals_name_the_column() {
        assert_eq!(message(&column("\"varint\"")), "column a: unknown type \"varint\"");
        assert_eq!(
            message(&column(r#"{"type":"array","elementType":"void","containsNull":true}"#)),
            "column a.element: unknown type \"void\""
        );
        assert_eq!(message(&column(r#"{"type":"struct","fields":[]}"#)), "column a: a struct without fields");
        assert_eq!(
            message(&column(
                r#"{"type":"map","keyType":"string","valueType":{"type":"array","elementType":"long"},"valueContainsNull":true}"#
            )),
            "column a.value: \"containsNull\" is missing"
        );
        assert_eq!(message(r#"{"type":"struct","fields":[]}"#), "a struct without fields");
        assert!(message("\"long\"").contains("has to be a struct"));
        assert!(message("{").starts_with("not JSON"));
        assert_eq!(
            message(r#"{"type":"struct","fields":[{"name":"a","type":"long"}]}"#),
            "column a: \"nullable\" is missing"
        );
    }

    #[test]
    fn decimals_are_in_range() {
        for text in
            ["decimal(0,0)", "decimal(39,0)", "decimal(5,6)", "decimal(5,-1)", "decimal(5)", "decimal"]
        {
            message(&column(&format!("{text:?}")));
        }
        let schema = Schema::parse(&column("\"decimal(10, 2)\"")).unwrap();
        assert_eq!(schema.fields[0].data_type, DataType::Decimal { precision: 10, scale: 2 });
    }

    #[test]
    fn names_that_differ_in_case_only_are_the_same() {
        let text = r#"{"type":"struct","fields":[{"name":"Id","type":"long","nullable":true},{"name":"iD","type":"long","nullable":true}]}"#;
        assert!(message(text).starts_with("column iD: the name is given twice"));
    }
}
