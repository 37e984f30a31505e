//! What a record says of its table, for `delta.route.by`.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, StructArray};
use arrow_schema::DataType as ArrowType;

use crate::connect::{Payload, Registry};
use crate::crossing::Segment;
use crate::decode::RowError;
use crate::decode::any::{header_text, text_at};
use crate::decode::json::JsonOptions;
use crate::decode::json::reader::{Parse, Reader};
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
    let mut reader = Reader::new(json, JsonOptions::default(), Vec::new());
    let found = (|| {
        reader.check_encoding()?;
        reader.whitespace();
        let found = at_path(&mut reader, path)?;
        reader.whitespace();
        if reader.at_end() { Ok(found) } else { Err(reader.expected("nothing after the value")) }
    })();
    found.map_err(|error| *error)
}

/// Reads one value, and of it only what is at the path. Of a field that is given twice the last one counts.
fn at_path(reader: &mut Reader<'_>, path: &[String]) -> Parse<Option<String>> {
    let Some((name, rest)) = path.split_first() else { return scalar(reader) };
    let mut found = None;
    if reader.byte() != b'{' {
        reader.skip()?;
        return Ok(None);
    }
    if reader.open(b'}')? {
        return Ok(None);
    }
    loop {
        let is_it = reader.key()? == name.as_bytes();
        reader.colon()?;
        match is_it {
            true => found = at_path(reader, rest)?,
            false => reader.skip()?,
        }
        if !reader.more(b'}')? {
            return Ok(found);
        }
    }
}

fn scalar(reader: &mut Reader<'_>) -> Parse<Option<String>> {
    let start = reader.position();
    if reader.byte() == b'"' {
        return Ok(Some(String::from_utf8_lossy(reader.string()?).into_owned()));
    }
    reader.skip()?;
    let text = str::from_utf8(reader.text_from(start)).unwrap_or_default();
    let is_whole = text != "-0" && (text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok());
    Ok((is_whole || text == "true" || text == "false").then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn a_path_into_json_finds_scalars_only() {
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        let json = br#" {"a": {"b":"x","n":-5,"t":true,"z":null,"f":1.5,"l":["b"]},"b":"outer","":{"b":1}, "o\u0041":"\u00e4",
            "big":18446744073709551615,"bigger":18446744073709551616,"zero":-0,"e":1e2,"n":1,"n":2,"a.b":0} "#;
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
            ("oA", Some("ä")),
            ("big", Some("18446744073709551615")),
            ("bigger", None),
            ("zero", None),
            ("e", None),
            ("n", Some("2")),
        ] {
            assert_eq!(in_json(&path(at), json).unwrap().as_deref(), expected, "{at}");
        }
        assert_eq!(in_json(&path("a"), b"[1]").unwrap(), None);
        for broken in [
            &b"{\"a\":1"[..],
            b"{\"a\":1} x",
            b"{\"a\":1,}",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":1, \"b\":01}",
            b"",
        ] {
            assert_eq!(in_json(&path("a"), broken).unwrap_err().code, Code::RecordNotJson, "{broken:?}");
        }
    }
}
