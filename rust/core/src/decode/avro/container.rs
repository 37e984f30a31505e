//! A record in an object container of its own (Apache Avro 1.12, "Object Container Files").

use super::reader::{Reader, damaged};
use crate::decode::Parse;

const MAGIC: &[u8] = b"Obj\x01";
const SYNC_BYTES: usize = 16;

/// What is in a container that holds one record.
#[derive(Debug, PartialEq)]
pub struct Container<'a> {
    /// As JSON.
    pub schema: &'a [u8],
    pub codec: &'a [u8],
    /// The record, compressed.
    pub data: &'a [u8],
}

impl<'a> Container<'a> {
    pub fn open(value: &'a [u8]) -> Parse<Self> {
        let mut reader = Reader::new(value)?;
        if reader.bytes_of(MAGIC.len().min(value.len()))? != MAGIC {
            return Err(damaged("it does not begin as an object container does: \"Obj\" and 1"));
        }
        let (mut schema, mut codec) = (None, &b"null"[..]);
        loop {
            let (entries, _) = reader.block()?;
            if entries == 0 {
                break;
            }
            for _ in 0..entries {
                let (key, value) = (reader.bytes()?, reader.bytes()?);
                match key {
                    b"avro.schema" => schema = Some(value),
                    b"avro.codec" => codec = value,
                    _ => {}
                }
            }
        }
        let schema = schema.ok_or_else(|| damaged("the object container has no schema"))?;
        let sync = reader.bytes_of(SYNC_BYTES)?;
        let (mut records, mut data) = (0i64, &[][..]);
        while reader.end().is_err() {
            let (count, bytes) = (reader.long()?, reader.bytes()?);
            if reader.bytes_of(SYNC_BYTES)? != sync {
                return Err(damaged("a block of the object container does not end with its marker"));
            }
            if count != 0 {
                data = bytes;
            }
            records = records.saturating_add(count.max(0));
        }
        match records {
            1 => Ok(Container { schema, codec, data }),
            count => {
                Err(damaged(format!("the object container holds {count} records, and a value is one row")))
            }
        }
    }
}
