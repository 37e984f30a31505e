//! Single values in tagged bytes, without columns.

use std::borrow::Cow;

use super::reader::Reader;
use crate::connect::tagged::{BYTES, KEYED_MAP, LIST, MAP, NULL, STRING};
use crate::decode::value::Value;
use crate::decode::{Parse, UnknownFields};

/// A map without entries.
pub const EMPTY_MAP: &[u8] = &[MAP, 0];

/// Whether it is a map whose keys are strings.
pub fn is_map(tagged: &[u8]) -> bool {
    tagged.first() == Some(&MAP)
}

/// A map with this one entry. `name` is shorter than 128 bytes.
pub fn named(name: &str, tagged: &[u8]) -> Vec<u8> {
    let mut map = vec![MAP, 1, name.len() as u8];
    map.extend_from_slice(name.as_bytes());
    map.extend_from_slice(tagged);
    map
}

/// A text, a whole number, or true or false in nested maps, as text. None where it is missing, null or something else.
pub fn text_at<'a>(tagged: &'a [u8], path: &[String]) -> Option<Cow<'a, str>> {
    let mut reader = Reader::new(tagged, UnknownFields::Ignore).ok()?;
    find(&mut reader, path).ok()?
}

/// The last header of a name, as text.
pub fn header_text<'a>(tagged: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    last_header(tagged, name, |reader| find(reader, &[]))
}

/// The last header of a name, where it is bytes or text.
pub fn header_bytes<'a>(tagged: &'a [u8], name: &str) -> Option<&'a [u8]> {
    last_header(tagged, name, |reader| {
        let tag = reader.tag()?;
        match tag {
            STRING => reader.text().map(|text| Some(text.as_bytes())),
            BYTES => reader.bytes().map(Some),
            _ => Ok(None),
        }
    })
}

/// `read` reads one value, or leaves it to be passed over.
fn last_header<'a, V>(
    tagged: &'a [u8],
    name: &str,
    read: impl Fn(&mut Reader<'a>) -> Parse<Option<V>>,
) -> Option<V> {
    let mut reader = Reader::new(tagged, UnknownFields::Ignore).ok()?;
    let mut last = None;
    if reader.tag().ok()? != LIST {
        return None;
    }
    for _ in 0..reader.count().ok()? {
        // A list of two: the name and the value.
        if (reader.tag().ok()?, reader.count().ok()?) != (LIST, 2) {
            return None;
        }
        let tag = reader.tag().ok()?;
        match reader.scalar(tag).ok()? {
            Value::Text(found) if found == name => {
                last = read(&mut reader.clone()).ok()?;
                reader.skip().ok()?;
            }
            _ => reader.skip().ok()?,
        }
    }
    last
}

/// Reads one value.
fn find<'a>(reader: &mut Reader<'a>, path: &[String]) -> Parse<Option<Cow<'a, str>>> {
    let before = reader.clone();
    let tag = reader.tag()?;
    match path.split_first() {
        None if !matches!(tag, NULL | LIST | MAP | KEYED_MAP) => Ok(match reader.scalar(tag)? {
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Value::Integer(number) => Some(Cow::Owned(number.to_string())),
            Value::Boolean(yes) => Some(Cow::Borrowed(if yes { "true" } else { "false" })),
            _ => None,
        }),
        Some((name, rest)) if tag == MAP => {
            reader.enter()?;
            let mut found = None;
            for _ in 0..reader.count()? {
                match reader.text()? == name {
                    true => found = find(reader, rest)?,
                    false => reader.skip()?,
                }
            }
            reader.leave();
            Ok(found)
        }
        _ => {
            *reader = before;
            reader.skip()?;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{list, long, map, text};
    use super::*;

    #[test]
    fn a_path_finds_scalars_only() {
        let record = map(&[
            ("a", map(&[("b", text("x")), ("n", long(-5))])),
            ("l", list(&[text("y")])),
            ("b", text("z")),
        ]);
        let at = |path: &str| {
            let path: Vec<_> = path.split('.').map(str::to_owned).collect();
            text_at(&record, &path).map(Cow::into_owned)
        };
        assert_eq!([at("a.b"), at("a.n"), at("b")], [Some("x".into()), Some("-5".into()), Some("z".into())]);
        assert_eq!([at("a"), at("l"), at("a.b.c"), at("q")], [None, None, None, None]);
        assert_eq!(text_at(&record[..5], &["b".into()]), None, "cut short");
    }

    #[test]
    fn the_last_header_of_a_name_counts() {
        let header = |name: &str, value| list(&[text(name), value]);
        let headers = list(&[
            header("t", text("a")),
            header("u", list(&[])),
            header("t", long(7)),
            header("x", text("b")),
        ]);
        assert_eq!(header_text(&headers, "t").as_deref(), Some("7"));
        assert_eq!(header_text(&headers, "u"), None);
        assert_eq!(header_text(&headers, "none"), None);
    }
}
