//! Tagged bytes: values that carry their types. Layout: `docs/crossing.md`.

use crate::Code;
use crate::decode::value::Value;
use crate::decode::{Budget, MAX_DEPTH, MAX_RECORD_BYTES, Parse, RowError, UnknownFields};

pub const NULL: u8 = 0;
pub const LIST: u8 = 11;
/// Its keys are strings.
pub const MAP: u8 = 12;
/// Its keys are anything.
pub const KEYED_MAP: u8 = 13;

#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
    pub budget: Budget,
    pub unknown_fields: UnknownFields,
}

impl<'a> Reader<'a> {
    pub fn new(input: &'a [u8], unknown_fields: UnknownFields) -> Parse<Self> {
        if input.len() > MAX_RECORD_BYTES {
            let message = format!("the record has {} bytes, at most {MAX_RECORD_BYTES} fit", input.len());
            return Err(RowError::boxed(Code::RecordRange, message));
        }
        Ok(Reader { rest: input, depth: 0, budget: Budget::new(input.len()), unknown_fields })
    }

    pub fn end(&self) -> Parse {
        if self.rest.is_empty() { Ok(()) } else { Err(malformed("bytes after its end")) }
    }

    fn take(&mut self, count: usize) -> Parse<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| malformed("it ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Parse<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| malformed("it ends early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn tag(&mut self) -> Parse<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// A length or count: seven bits a byte, the lowest first.
    pub fn count(&mut self) -> Parse<usize> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed("a length of more than 35 bits"))
    }

    fn bytes(&mut self) -> Parse<&'a [u8]> {
        let length = self.count()?;
        self.take(length)
    }

    pub fn text(&mut self) -> Parse<&'a str> {
        simdutf8::basic::from_utf8(self.bytes()?).map_err(|_| malformed("a string that is not UTF-8"))
    }

    /// The value behind a tag that is neither null nor nested.
    pub fn scalar(&mut self, tag: u8) -> Parse<Value<'a>> {
        Ok(match tag {
            1 => Value::Boolean(false),
            2 => Value::Boolean(true),
            3 => Value::Integer(i8::from_le_bytes(self.array()?).into()),
            4 => Value::Integer(i16::from_le_bytes(self.array()?).into()),
            5 | 18 => Value::Integer(i32::from_le_bytes(self.array()?).into()),
            6 => Value::Integer(i64::from_le_bytes(self.array()?)),
            7 => Value::Float(f32::from_le_bytes(self.array()?).into()),
            8 => Value::Float(f64::from_le_bytes(self.array()?)),
            9 => Value::Text(self.text()?),
            10 => Value::Bytes(self.bytes()?),
            14 => {
                let scale = i32::from_le_bytes(self.array()?);
                Value::decimal(self.bytes()?, scale)
            }
            15 | 19 => Value::millis(i64::from_le_bytes(self.array()?), true),
            17 => Value::Date(i32::from_le_bytes(self.array()?)),
            other => return Err(malformed(&format!("tag {other}"))),
        })
    }

    /// A list or map begins.
    pub fn enter(&mut self) -> Parse {
        if self.depth == MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(RowError::boxed(Code::RecordTooDeep, message));
        }
        self.depth += 1;
        Ok(())
    }

    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Checks one value and passes over it.
    pub fn skip(&mut self) -> Parse {
        let tag = self.tag()?;
        match tag {
            NULL => {}
            LIST | MAP | KEYED_MAP => {
                self.enter()?;
                for _ in 0..self.count()? {
                    match tag {
                        MAP => drop(self.text()?),
                        KEYED_MAP => self.skip()?,
                        _ => {}
                    }
                    self.skip()?;
                }
                self.leave();
            }
            tag => drop(self.scalar(tag)?),
        }
        Ok(())
    }
}

#[cold]
fn malformed(what: &str) -> Box<RowError> {
    RowError::boxed(Code::CrossingInvalid, format!("a value without a schema: {what}"))
}
