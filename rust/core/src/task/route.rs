//! What a record says of its table, for `delta.route.by`.

use std::borrow::Cow;
use std::fmt;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, StructArray};
use arrow_schema::DataType as ArrowType;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::connect::{Payload, Registry};
use crate::crossing::Segment;
use crate::decode::RowError;
use crate::decode::any::{header_text, text_at};
use crate::error::Code;
use crate::settings::RouteBy;

/// Text, a whole number or true and false, as text. None where it is missing, null or something else.
pub fn value<'a>(
    by: &RouteBy,
    segment: &'a Segment,
    row: usize,
    registry: &'a Registry,
) -> Result<Option<Cow<'a, str>>, RowError> {
    match by {
        RouteBy::Topic => {
            let id = segment.extras.topics.as_ref().map(|topics| topics[row]);
            Ok(id.and_then(|id| registry.topic(id)).map(|topic| Cow::Borrowed(&**topic)))
        }
        RouteBy::Header(name) => {
            let headers = segment.extras.headers.as_ref().filter(|headers| headers.is_valid(row));
            Ok(headers.and_then(|headers| header_text(headers.value(row), name)))
        }
        RouteBy::Field(path) => match &segment.value {
            Payload::Absent => Ok(None),
            Payload::Raw(values) => in_json(path, values.value(row)).map(|found| found.map(Cow::Owned)),
            Payload::Any(values) => Ok(text_at(values.value(row), path)),
            Payload::Typed { array, .. } => {
                Ok(array.as_struct_opt().and_then(|value| in_struct(path, value, row)).map(Cow::Owned))
            }
        },
    }
}

fn in_struct(path: &[String], value: &StructArray, row: usize) -> Option<String> {
    let (name, rest) = path.split_first()?;
    let column = value.column_by_name(name).filter(|column| column.is_valid(row))?;
    if !rest.is_empty() {
        return in_struct(rest, column.as_struct_opt()?, row);
    }
    match column.data_type() {
        ArrowType::Utf8 => Some(column.as_string::<i32>().value(row).to_owned()),
        ArrowType::Int8 => Some(column.as_primitive::<Int8Type>().value(row).to_string()),
        ArrowType::Int16 => Some(column.as_primitive::<Int16Type>().value(row).to_string()),
        ArrowType::Int32 => Some(column.as_primitive::<Int32Type>().value(row).to_string()),
        ArrowType::Int64 => Some(column.as_primitive::<Int64Type>().value(row).to_string()),
        ArrowType::Boolean => Some(column.as_boolean().value(row).to_string()),
        _ => None,
    }
}

fn in_json(path: &[String], json: &[u8]) -> Result<Option<String>, RowError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    AtPath(path)
        .deserialize(&mut reader)
        .and_then(|found| reader.end().map(|()| found))
        .map_err(|e| RowError { code: Code::RecordNotJson, path: String::new(), message: e.to_string() })
}

/// Reads one value, and of it only what is at the path.
struct AtPath<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for AtPath<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AtPath<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match self.0.split_first() {
                Some((name, rest)) if **name == *key => found = map.next_value_seed(AtPath(rest))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| number.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| yes.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_into_json_finds_scalars_only() {
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        let json = br#"{"a":{"b":"x","n":-5,"t":true,"z":null,"f":1.5,"l":["b"]},"b":"outer","":{"b":1}}"#;
        for (at, expected) in [
            ("a.b", Some("x")),
            ("b", Some("outer")),
            ("a.n", Some("-5")),
            ("a.t", Some("true")),
            ("a.z", None),
            ("a.f", None),
            ("a.l", None),
            ("a", None),
            ("a.b.c", None),
            ("c", None),
        ] {
            assert_eq!(in_json(&path(at), json).unwrap().as_deref(), expected, "{at}");
        }
        assert_eq!(in_json(&path("a"), b"{\"a\":1").unwrap_err().code, Code::RecordNotJson);
        assert_eq!(in_json(&path("a"), b"{\"a\":1} x").unwrap_err().code, Code::RecordNotJson);
    }
}
