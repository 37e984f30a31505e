//! What one JSON record tells.

use super::seen::{Members, Seen};
use crate::decode::json::reader::{Parse, Reader};
use crate::schema::DataType;

/// None: no record that can be decoded.
pub fn seen(record: &[u8]) -> Option<Seen> {
    let mut reader = Reader::new(record, Default::default(), Vec::new());
    reader.check_encoding().ok()?;
    reader.whitespace();
    let seen = value(&mut reader).ok()?;
    reader.whitespace();
    reader.at_end().then_some(seen)
}

fn value(reader: &mut Reader<'_>) -> Parse<Seen> {
    match reader.byte() {
        b'{' => object(reader),
        b'[' => array(reader),
        b'"' => reader.string().map(|_| Seen::String),
        b't' => reader.literal("true").map(|()| Seen::Boolean),
        b'f' => reader.literal("false").map(|()| Seen::Boolean),
        b'n' => reader.literal("null").map(|()| Seen::Nothing),
        _ => number(reader),
    }
}

fn object(reader: &mut Reader<'_>) -> Parse<Seen> {
    let mut members = Members::default();
    let mut more = !reader.open(b'}')?;
    while more {
        let name = String::from_utf8_lossy(reader.key()?).into_owned();
        reader.colon()?;
        members.add(name, value(reader)?);
        more = reader.more(b'}')?;
    }
    Ok(Seen::Struct(members))
}

fn array(reader: &mut Reader<'_>) -> Parse<Seen> {
    let mut elements = Seen::Nothing;
    let mut more = !reader.open(b']')?;
    while more {
        elements.add(value(reader)?);
        more = reader.more(b']')?;
    }
    Ok(Seen::Array(Box::new(elements)))
}

fn number(reader: &mut Reader<'_>) -> Parse<Seen> {
    let number = reader.number()?;
    let whole = !number.text.iter().any(|byte| b".eE".contains(byte));
    let integer = number.integer().filter(|_| whole);
    Ok(integer.map_or(Seen::Number, |value| Seen::integer(DataType::Long, value)))
}
