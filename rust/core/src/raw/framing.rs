//! The schema's name in front of a value, or in a header.

use std::borrow::Cow;
use std::fmt;

use arrow_array::Array;

use super::{Framing, SchemaKey};
use crate::crossing::Extras;
use crate::decode::any::header_bytes;
use crate::decode::protobuf::message_indexes;
use crate::decode::{RowError, excerpt};
use crate::error::Code;

/// Confluent's `SchemaId.VALUE_SCHEMA_ID_HEADER`.
const HEADER: &str = "__value_schema_id";

/// Which schema a record was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name {
    /// It does not say: the one that the settings give.
    Given,
    Registered(SchemaKey),
    /// Of one that the settings give.
    Fingerprint(u64),
    /// Its own, which is the number of those that records brought along.
    Embedded(u32),
}

/// A value without what stood around it.
#[derive(Debug, PartialEq)]
pub struct Framed<'a> {
    pub name: Name,
    pub message: Message,
    pub value: Cow<'a, [u8]>,
}

/// Which of a Protobuf schema's messages a record is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// It does not say.
    Untold,
    First,
    /// By Confluent's indexes.
    At(Vec<i32>),
    Called(String),
}

/// As messages call it.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Given => f.write_str("the settings"),
            Name::Registered(key) => key.fmt(f),
            Name::Fingerprint(print) => write!(f, "fingerprint {print:016x}"),
            Name::Embedded(_) => f.write_str("the record itself"),
        }
    }
}

impl Framing {
    /// `has_messages`: the record says which message it is.
    pub fn take_off<'a>(
        self,
        value: Cow<'a, [u8]>,
        extras: &Extras,
        row: usize,
        has_messages: bool,
    ) -> Result<Framed<'a>, RowError> {
        let mut message = Message::Untold;
        let (name, from) = match self {
            Framing::Bare => (Name::Given, 0),
            Framing::Confluent => confluent(&value, has_messages.then_some(&mut message))?,
            Framing::ConfluentHeader => {
                let headers = extras.headers.as_ref().filter(|headers| headers.is_valid(row));
                match headers.and_then(|headers| header_bytes(headers.value(row), HEADER)) {
                    Some(header) => {
                        let told = confluent(header, has_messages.then_some(&mut message));
                        let told =
                            told.map_err(|error| refused(format!("the header {HEADER}: {}", error.message)));
                        (told?.0, 0)
                    }
                    None => confluent(&value, has_messages.then_some(&mut message))?,
                }
            }
            Framing::AvroSingleObject => single_object(&value)?,
            // It holds what the caller keeps.
            Framing::AvroContainer => (Name::Given, 0),
            Framing::ApicurioGlobal => {
                apicurio(&value, SchemaKey::GlobalId, has_messages.then_some(&mut message))?
            }
            Framing::ApicurioContent => {
                apicurio(&value, SchemaKey::ContentId, has_messages.then_some(&mut message))?
            }
        };
        Ok(Framed { name, message, value: after(value, from) })
    }
}

fn after(value: Cow<'_, [u8]>, from: usize) -> Cow<'_, [u8]> {
    match value {
        Cow::Borrowed(value) => Cow::Borrowed(&value[from..]),
        Cow::Owned(mut value) => {
            value.drain(..from);
            Cow::Owned(value)
        }
    }
}

/// As `SchemaId` of Confluent's serializers reads it: 0 and an id, or 1 and a GUID, and for Protobuf message indexes. Also
/// the bytes that it has.
fn confluent(framed: &[u8], message: Option<&mut Message>) -> Result<(Name, usize), RowError> {
    let (key, mut bytes) = match framed.split_first() {
        Some((1, rest)) => (SchemaKey::Guid(id(framed, rest)?), 17),
        _ => (SchemaKey::Id(u32::from_be_bytes(after_zero(framed)?)), 5),
    };
    if let Some(message) = message {
        let mut indexes = Vec::new();
        bytes += message_indexes(&framed[bytes..], &mut indexes).map_err(|error| refused(error.message))?;
        *message = if indexes == [0] { Message::First } else { Message::At(indexes) };
    }
    Ok((Name::Registered(key), bytes))
}

/// Zero and an id, and for Protobuf the message `Ref` of Apicurio's serializers, with its length before it, which has the
/// message's name in its field 1.
fn apicurio(
    framed: &[u8],
    key: fn(u64) -> SchemaKey,
    message: Option<&mut Message>,
) -> Result<(Name, usize), RowError> {
    let key = key(u64::from_be_bytes(after_zero(framed)?));
    let mut bytes = 9;
    if let Some(message) = message {
        let name = match &framed[bytes..] {
            // Names are far shorter than 126 bytes, or their lengths would take two.
            [length, 0x0a, name_length, rest @ ..] if *length < 0x80 && *length == name_length + 2 => {
                rest.get(..usize::from(*name_length)).and_then(|name| std::str::from_utf8(name).ok())
            }
            _ => None,
        };
        let name = name.ok_or_else(|| {
            refused(format!(
                "after the schema's id it does not name its message as Apicurio's serializer does: {:?}",
                excerpt(&framed[bytes..])
            ))
        })?;
        bytes += 3 + name.len();
        *message = Message::Called(name.to_owned());
    }
    Ok((Name::Registered(key), bytes))
}

/// Apache Avro 1.12, "Single-object encoding".
fn single_object(framed: &[u8]) -> Result<(Name, usize), RowError> {
    match framed {
        [0xc3, 0x01, rest @ ..] => Ok((Name::Fingerprint(u64::from_le_bytes(id(framed, rest)?)), 10)),
        _ => Err(refused(
            "it does not begin with C3 01, as Avro's single-object encoding does (delta.raw.framing)".into(),
        )),
    }
}

fn after_zero<const N: usize>(framed: &[u8]) -> Result<[u8; N], RowError> {
    match framed.split_first() {
        Some((0, rest)) => id(framed, rest),
        Some((other, _)) => Err(refused(format!(
            "it begins with the byte {other}, and not with 0 and a schema's id (delta.raw.framing)"
        ))),
        None => Err(refused("it is empty".into())),
    }
}

fn id<const N: usize>(framed: &[u8], rest: &[u8]) -> Result<[u8; N], RowError> {
    let id = rest.first_chunk().copied();
    id.ok_or_else(|| refused(format!("{} bytes have no room for a schema's id", framed.len())))
}

fn refused(message: String) -> RowError {
    RowError { code: Code::RecordFraming, path: String::new(), message }
}

#[cfg(test)]
mod tests {
    use arrow_array::BinaryArray;

    use super::*;
    use crate::decode::any::tests::{list, text};

    fn take_off(
        framing: Framing,
        value: &[u8],
        headers: Option<&[u8]>,
        has_messages: bool,
    ) -> Result<(Name, Message, Vec<u8>), String> {
        let extras = Extras { headers: Some(BinaryArray::from(vec![headers])), ..Extras::default() };
        let of = |value| framing.take_off(value, &extras, 0, has_messages);
        let (borrowed, owned) = (of(Cow::Borrowed(value)), of(Cow::Owned(value.to_vec())));
        assert_eq!(borrowed, owned);
        borrowed.map(|framed| (framed.name, framed.message, framed.value.to_vec())).map_err(|error| {
            assert_eq!(error.code, Code::RecordFraming);
            error.message
        })
    }

    fn plain(framing: Framing, value: &[u8]) -> Result<(Name, Vec<u8>), String> {
        take_off(framing, value, None, false).map(|(name, _, value)| (name, value))
    }

    fn header(name: &str, value: &[u8]) -> Vec<u8> {
        let bytes = [vec![10, value.len() as u8], value.to_vec()].concat();
        list(&[list(&[text(name), bytes])])
    }

    #[test]
    fn ids_stand_before_the_value() {
        let framed = [0, 0, 0, 1, 2, 7, 8, 9, 10];
        assert_eq!(plain(Framing::Bare, &framed), Ok((Name::Given, framed.to_vec())));
        assert_eq!(
            plain(Framing::Confluent, &framed),
            Ok((Name::Registered(SchemaKey::Id(258)), vec![7, 8, 9, 10]))
        );
        let id = 0x0000_0102_0708_090a;
        assert_eq!(
            plain(Framing::ApicurioGlobal, &framed),
            Ok((Name::Registered(SchemaKey::GlobalId(id)), vec![]))
        );
        assert_eq!(
            plain(Framing::ApicurioContent, &framed),
            Ok((Name::Registered(SchemaKey::ContentId(id)), vec![]))
        );
        assert!(plain(Framing::Confluent, b"{}").unwrap_err().contains("begins with the byte 123"));
        assert!(plain(Framing::Confluent, &[0, 0, 0, 1]).unwrap_err().contains("4 bytes have no room"));
        assert!(plain(Framing::ApicurioGlobal, &framed[..8]).is_err());
        assert!(plain(Framing::Confluent, &[]).unwrap_err().contains("empty"));
        let by_guid = [&[1][..], &[7; 16], b"x"].concat();
        assert_eq!(
            plain(Framing::Confluent, &by_guid),
            Ok((Name::Registered(SchemaKey::Guid([7; 16])), b"x".to_vec()))
        );
        assert!(plain(Framing::Confluent, &by_guid[..16]).is_err());
    }

    #[test]
    fn single_objects_have_a_fingerprint() {
        let framed = [0xc3, 1, 1, 0, 0, 0, 0, 0, 0, 2, 9];
        let name = Name::Fingerprint(0x0200_0000_0000_0001);
        assert_eq!(plain(Framing::AvroSingleObject, &framed), Ok((name, vec![9])));
        for broken in [&framed[..9], &[0xc3, 2, 0], &[]] {
            assert!(plain(Framing::AvroSingleObject, broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn a_header_names_the_schema_where_there_is_one() {
        let guid: Vec<u8> = (0..16).collect();
        let named = header(HEADER, &[&[1][..], &guid].concat());
        let (name, _, value) = take_off(Framing::ConfluentHeader, &[5], Some(&named), false).unwrap();
        assert_eq!((name.to_string(), value), ("GUID 00010203-0405-0607-0809-0a0b0c0d0e0f".into(), vec![5]));
        let framed = [0, 0, 0, 0, 3, 5];
        for headers in [None, Some(header("other", &[1]))] {
            let taken = take_off(Framing::ConfluentHeader, &framed, headers.as_deref(), false);
            assert_eq!(taken, Ok((Name::Registered(SchemaKey::Id(3)), Message::Untold, vec![5])));
        }
        let broken = header(HEADER, &[1, 2]);
        let message = take_off(Framing::ConfluentHeader, &[5], Some(&broken), false).unwrap_err();
        assert!(message.contains("the header __value_schema_id: 2 bytes"), "{message}");
    }

    #[test]
    fn protobuf_records_say_which_message_they_are() {
        let after_id = |rest: &[u8]| [&[0, 0, 0, 0, 3][..], rest].concat();
        let told =
            |value: &[u8], headers: Option<&[u8]>| take_off(Framing::ConfluentHeader, value, headers, true);
        assert_eq!(
            told(&after_id(&[0, 8]), None),
            Ok((Name::Registered(SchemaKey::Id(3)), Message::First, vec![8]))
        );
        assert_eq!(
            told(&after_id(&[2, 0, 8]), None),
            Ok((Name::Registered(SchemaKey::Id(3)), Message::First, vec![8]))
        );
        let nested = Message::At(vec![1, 0]);
        assert_eq!(
            told(&after_id(&[4, 2, 0, 8]), None),
            Ok((Name::Registered(SchemaKey::Id(3)), nested.clone(), vec![8]))
        );
        let named = header(HEADER, &after_id(&[4, 2, 0]));
        assert_eq!(told(&[8], Some(&named)), Ok((Name::Registered(SchemaKey::Id(3)), nested, vec![8])));
        assert!(told(&after_id(&[]), None).is_err());

        let framed = |rest: &[u8]| [&[0; 9][..], rest].concat();
        let told = |value: &[u8]| take_off(Framing::ApicurioGlobal, value, None, true);
        let key = Name::Registered(SchemaKey::GlobalId(0));
        let called = Message::Called("abc".into());
        assert_eq!(told(&framed(&[5, 0x0a, 3, b'a', b'b', b'c', 8])), Ok((key, called, vec![8])));
        for broken in [&[][..], &[5, 0x0a, 3, b'a'], &[4, 0x0a, 3, b'a', b'b', b'c'], &[0]] {
            assert!(told(&framed(broken)).unwrap_err().contains("does not name its message"), "{broken:?}");
        }
    }
}
