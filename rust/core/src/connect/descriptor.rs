//! A Connect schema as Java registers it. Layout: `docs/crossing.md`.

use std::collections::HashSet;

use super::{ConnectSchema, Kind};
use crate::error::{Code, Error, Result};
use crate::wire::Request;

/// Levels of a schema, its root being the first.
pub const MAX_DEPTH: usize = 64;

const OPTIONAL: u8 = 1;
const HAS_VERSION: u8 = 2;
const HAS_NAME: u8 = 4;
const HAS_DOC: u8 = 8;
const HAS_PARAMETERS: u8 = 16;
const ALL_FLAGS: u8 = OPTIONAL | HAS_VERSION | HAS_NAME | HAS_DOC | HAS_PARAMETERS;

impl ConnectSchema {
    pub fn parse(descriptor: &[u8]) -> Result<Self> {
        let mut request = Request::new(descriptor);
        let schema = node(&mut request, 1)?;
        request.end()?;
        Ok(schema)
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::CrossingInvalid, message)
}

fn node(request: &mut Request<'_>, depth: usize) -> Result<ConnectSchema> {
    if depth > MAX_DEPTH {
        return Err(invalid(format!("a schema deeper than {MAX_DEPTH} levels")));
    }
    let (kind, flags) = (request.u8()?, request.u8()?);
    if flags & !ALL_FLAGS != 0 {
        return Err(invalid(format!("schema flags {flags:#x}")));
    }
    let has = |flag| flags & flag != 0;
    let text = |request: &mut Request<'_>| Ok::<Box<str>, Error>(request.str()?.into());
    let version = has(HAS_VERSION).then(|| request.i32()).transpose()?;
    let name = has(HAS_NAME).then(|| text(request)).transpose()?;
    let doc = has(HAS_DOC).then(|| text(request)).transpose()?;
    let parameters = match has(HAS_PARAMETERS) {
        true => (0..request.count()?).map(|_| Ok((text(request)?, text(request)?))).collect::<Result<_>>()?,
        false => Default::default(),
    };
    let kind = match kind {
        0 => Kind::Int8,
        1 => Kind::Int16,
        2 => Kind::Int32,
        3 => Kind::Int64,
        4 => Kind::Float32,
        5 => Kind::Float64,
        6 => Kind::Boolean,
        7 => Kind::String,
        8 => Kind::Bytes,
        9 => Kind::Array(Box::new(node(request, depth + 1)?)),
        10 => Kind::Map(Box::new(node(request, depth + 1)?), Box::new(node(request, depth + 1)?)),
        11 => Kind::Struct(fields(request, depth)?),
        12 => Kind::Any,
        other => return Err(invalid(format!("schema kind {other}"))),
    };
    Ok(ConnectSchema { kind, optional: has(OPTIONAL), name, version, parameters, doc })
}

fn fields(request: &mut Request<'_>, depth: usize) -> Result<Vec<(Box<str>, ConnectSchema)>> {
    let mut names = HashSet::new();
    (0..request.count()?)
        .map(|_| {
            let name: Box<str> = request.str()?.into();
            if !names.insert(name.clone()) {
                return Err(invalid(format!("a struct schema with two fields {name:?}")));
            }
            Ok((name, node(request, depth + 1)?))
        })
        .collect()
}

/// What Java would register, for tests and drivers without a JVM.
pub fn describe(schema: &ConnectSchema) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_node(schema, &mut bytes);
    bytes
}

fn put_node(schema: &ConnectSchema, bytes: &mut Vec<u8>) {
    let kind = match &schema.kind {
        Kind::Int8 => 0,
        Kind::Int16 => 1,
        Kind::Int32 => 2,
        Kind::Int64 => 3,
        Kind::Float32 => 4,
        Kind::Float64 => 5,
        Kind::Boolean => 6,
        Kind::String => 7,
        Kind::Bytes => 8,
        Kind::Array(_) => 9,
        Kind::Map(..) => 10,
        Kind::Struct(_) => 11,
        Kind::Any => 12,
    };
    let flag = |given: bool, flag: u8| if given { flag } else { 0 };
    let flags = flag(schema.optional, OPTIONAL)
        | flag(schema.version.is_some(), HAS_VERSION)
        | flag(schema.name.is_some(), HAS_NAME)
        | flag(schema.doc.is_some(), HAS_DOC)
        | flag(!schema.parameters.is_empty(), HAS_PARAMETERS);
    bytes.extend([kind, flags]);
    bytes.extend(schema.version.iter().flat_map(|version| version.to_le_bytes()));
    schema.name.iter().chain(&schema.doc).for_each(|text| put_str(text, bytes));
    if !schema.parameters.is_empty() {
        bytes.extend((schema.parameters.len() as u32).to_le_bytes());
        for (key, value) in &schema.parameters {
            put_str(key, bytes);
            put_str(value, bytes);
        }
    }
    match &schema.kind {
        Kind::Array(element) => put_node(element, bytes),
        Kind::Map(key, value) => {
            put_node(key, bytes);
            put_node(value, bytes);
        }
        Kind::Struct(fields) => {
            bytes.extend((fields.len() as u32).to_le_bytes());
            for (name, field) in fields {
                put_str(name, bytes);
                put_node(field, bytes);
            }
        }
        _ => {}
    }
}

fn put_str(text: &str, bytes: &mut Vec<u8>) {
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> ConnectSchema {
        let named = ConnectSchema {
            kind: Kind::Bytes,
            optional: true,
            name: Some("org.apache.kafka.connect.data.Decimal".into()),
            version: Some(1),
            parameters: [("scale".into(), "2".into()), ("größe".into(), "".into())].into(),
            doc: Some("a price".into()),
        };
        let plain = |kind| ConnectSchema::new(kind, false);
        let map = Kind::Map(Box::new(plain(Kind::String)), Box::new(plain(Kind::Any)));
        plain(Kind::Struct(vec![
            ("price".into(), named),
            ("tags".into(), plain(Kind::Array(Box::new(plain(map))))),
            ("none".into(), plain(Kind::Struct(vec![]))),
        ]))
    }

    #[test]
    fn what_is_described_is_parsed() {
        assert_eq!(ConnectSchema::parse(&describe(&schema())), Ok(schema()));
        let kinds =
            [Kind::Int8, Kind::Int16, Kind::Int32, Kind::Int64, Kind::Float32, Kind::Float64, Kind::Boolean];
        for kind in kinds {
            let schema = ConnectSchema::new(kind, true);
            assert_eq!(ConnectSchema::parse(&describe(&schema)), Ok(schema));
        }
    }

    #[test]
    fn the_layout_is_that_of_java() {
        let bytes = b"\x0b\x05\x01\x00\x00\x00T\x01\x00\x00\x00\x02\x00\x00\x00id\x03\x02\x07\x00\x00\x00";
        let field = ConnectSchema { version: Some(7), ..ConnectSchema::new(Kind::Int64, false) };
        let parsed = ConnectSchema::parse(bytes).unwrap();
        assert_eq!(parsed.name.as_deref(), Some("T"));
        assert!(parsed.optional);
        assert_eq!(parsed.kind, Kind::Struct(vec![("id".into(), field)]));
    }

    #[test]
    fn broken_descriptors_are_refused() {
        let bytes = describe(&schema());
        for end in 0..bytes.len() {
            assert!(ConnectSchema::parse(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(ConnectSchema::parse(&[bytes, vec![0]].concat()).is_err(), "a byte too many");
        assert!(ConnectSchema::parse(&[13, 0]).is_err(), "an unknown kind");
        assert!(ConnectSchema::parse(&[0, 32]).is_err(), "an unknown flag");
        let lists = |levels| [[9, 0].repeat(levels), vec![0, 0]].concat();
        assert!(ConnectSchema::parse(&lists(MAX_DEPTH - 1)).is_ok());
        assert!(ConnectSchema::parse(&lists(MAX_DEPTH)).is_err(), "too deep");
        let twice = ConnectSchema::new(
            Kind::Struct(vec![("a".into(), ConnectSchema::new(Kind::Int8, false)); 2]),
            false,
        );
        assert!(ConnectSchema::parse(&describe(&twice)).is_err(), "one name twice");
    }
}
