//! The schema's name in front of a value, or in a header.

use arrow_array::{Array, BinaryArray};

use super::{Framing, SchemaKey};
use crate::crossing::Extras;
use crate::decode::RowError;
use crate::decode::any::header_bytes;
use crate::error::Code;

/// Confluent's `SchemaId.VALUE_SCHEMA_ID_HEADER`.
const HEADER: &str = "__value_schema_id";
/// Before a GUID in that header.
const GUID_MAGIC: u8 = 1;

impl Framing {
    /// Which schema the value of a row was written with, and the value.
    pub fn take_off<'a>(
        self,
        values: &'a BinaryArray,
        extras: &Extras,
        row: usize,
    ) -> Result<(Option<SchemaKey>, &'a [u8]), RowError> {
        let value = values.value(row);
        match self {
            Framing::Bare => Ok((None, value)),
            Framing::Confluent => confluent(value),
            Framing::ConfluentHeader => {
                let headers = extras.headers.as_ref().filter(|headers| headers.is_valid(row));
                match headers.and_then(|headers| header_bytes(headers.value(row), HEADER)) {
                    Some(header) => Ok((Some(guid(header)?), value)),
                    None => confluent(value),
                }
            }
            Framing::ApicurioGlobal => apicurio(value, SchemaKey::GlobalId),
            Framing::ApicurioContent => apicurio(value, SchemaKey::ContentId),
        }
    }
}

fn confluent(value: &[u8]) -> Result<(Option<SchemaKey>, &[u8]), RowError> {
    let (id, rest) = after_magic(value)?;
    Ok((Some(SchemaKey::Id(u32::from_be_bytes(id))), rest))
}

fn apicurio(value: &[u8], key: fn(u64) -> SchemaKey) -> Result<(Option<SchemaKey>, &[u8]), RowError> {
    let (id, rest) = after_magic(value)?;
    Ok((Some(key(u64::from_be_bytes(id))), rest))
}

fn after_magic<const N: usize>(value: &[u8]) -> Result<([u8; N], &[u8]), RowError> {
    match value.split_first() {
        Some((0, rest)) => match rest.split_first_chunk() {
            Some((id, rest)) => Ok((*id, rest)),
            None => Err(refused(format!("{} bytes have no room for a schema's id", value.len()))),
        },
        Some((other, _)) => Err(refused(format!(
            "it begins with the byte {other}, and not with 0 and a schema's id (delta.raw.framing)"
        ))),
        None => Err(refused("it is empty".into())),
    }
}

fn guid(header: &[u8]) -> Result<SchemaKey, RowError> {
    match header.split_first() {
        Some((&GUID_MAGIC, rest)) if rest.len() >= 16 => {
            let mut guid = [0; 16];
            guid.copy_from_slice(&rest[..16]);
            Ok(SchemaKey::Guid(guid))
        }
        _ => Err(refused(format!(
            "the header {HEADER} has {} bytes that are no schema's GUID; it has to come as it is \
             (header.converter=org.apache.kafka.connect.converters.ByteArrayConverter)",
            header.len()
        ))),
    }
}

fn refused(message: String) -> RowError {
    RowError { code: Code::RecordFraming, path: String::new(), message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::any::tests::{list, text};

    fn take_off(framing: Framing, value: &[u8], headers: Option<&[u8]>) -> Result<(Option<SchemaKey>, Vec<u8>), String> {
        let values = BinaryArray::from(vec![value]);
        let extras = Extras { headers: Some(BinaryArray::from(vec![headers])), ..Extras::default() };
        let taken = framing.take_off(&values, &extras, 0);
        taken.map(|(key, value)| (key, value.to_vec())).map_err(|error| {
            assert_eq!(error.code, Code::RecordFraming);
            error.message
        })
    }

    fn header(name: &str, value: &[u8]) -> Vec<u8> {
        let bytes = [vec![10, value.len() as u8], value.to_vec()].concat();
        list(&[list(&[text(name), bytes])])
    }

    #[test]
    fn ids_stand_before_the_value() {
        let framed = [0, 0, 0, 1, 2, 7, 8, 9, 10];
        assert_eq!(take_off(Framing::Bare, &framed, None), Ok((None, framed.to_vec())));
        assert_eq!(take_off(Framing::Confluent, &framed, None), Ok((Some(SchemaKey::Id(258)), vec![7, 8, 9, 10])));
        let id = 0x0000_0102_0708_090a;
        assert_eq!(take_off(Framing::ApicurioGlobal, &framed, None), Ok((Some(SchemaKey::GlobalId(id)), vec![])));
        assert_eq!(take_off(Framing::ApicurioContent, &framed, None), Ok((Some(SchemaKey::ContentId(id)), vec![])));
        assert!(take_off(Framing::Confluent, b"{}", None).unwrap_err().contains("begins with the byte 123"));
        assert!(take_off(Framing::Confluent, &[0, 0, 0, 1], None).unwrap_err().contains("4 bytes have no room"));
        assert!(take_off(Framing::ApicurioGlobal, &framed[..8], None).is_err());
        assert!(take_off(Framing::Confluent, &[], None).unwrap_err().contains("empty"));
    }

    #[test]
    fn a_header_names_the_schema_where_there_is_one() {
        let guid: Vec<u8> = (0..16).collect();
        let named = header(HEADER, &[&[1][..], &guid].concat());
        let (key, value) = take_off(Framing::ConfluentHeader, &[5], Some(&named)).unwrap();
        assert_eq!((key.unwrap().to_string(), value), ("GUID 00010203-0405-0607-0809-0a0b0c0d0e0f".into(), vec![5]));
        let framed = [0, 0, 0, 0, 3, 5];
        for headers in [None, Some(header("other", &[1]))] {
            let taken = take_off(Framing::ConfluentHeader, &framed, headers.as_deref());
            assert_eq!(taken, Ok((Some(SchemaKey::Id(3)), vec![5])));
        }
        let broken = header(HEADER, &[1, 2]);
        assert!(take_off(Framing::ConfluentHeader, &[5], Some(&broken)).unwrap_err().contains("2 bytes that are no"));
    }
}
