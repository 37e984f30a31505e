//! A record's tagged bytes, within what a record may take.

use crate::Code;
use crate::connect::tagged::{self, Damage, Tagged};
use crate::decode::value::Value;
use crate::decode::{Budget, MAX_DEPTH, MAX_RECORD_BYTES, Parse, RowError, UnknownFields};

#[derive(Clone)]
pub struct Reader<'a> {
    input: Tagged<'a>,
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
        Ok(Reader { input: Tagged::new(input), depth: 0, budget: Budget::new(input.len()), unknown_fields })
    }

    pub fn end(&self) -> Parse {
        match self.input.rest() {
            [] => Ok(()),
            _ => Err(Damage::Broken("bytes after its end").into()),
        }
    }

    pub fn tag(&mut self) -> Parse<u8> {
        Ok(self.input.tag()?)
    }

    pub fn count(&mut self) -> Parse<usize> {
        Ok(self.input.count()?)
    }

    pub fn text(&mut self) -> Parse<&'a str> {
        Ok(self.input.text()?)
    }

    /// A text that nobody has checked to be one.
    pub fn bytes(&mut self) -> Parse<&'a [u8]> {
        Ok(self.input.bytes()?)
    }

    /// The value behind a tag that is neither null nor nested.
    pub fn scalar(&mut self, tag: u8) -> Parse<Value<'a>> {
        let input = &mut self.input;
        Ok(match tag {
            tagged::FALSE => Value::Boolean(false),
            tagged::TRUE => Value::Boolean(true),
            tagged::INT8 => Value::Integer(i8::from_le_bytes(input.array()?).into()),
            tagged::INT16 => Value::Integer(i16::from_le_bytes(input.array()?).into()),
            tagged::INT32 | tagged::TIME => Value::Integer(i32::from_le_bytes(input.array()?).into()),
            tagged::INT64 => Value::Integer(i64::from_le_bytes(input.array()?)),
            tagged::FLOAT32 => Value::Float(f32::from_le_bytes(input.array()?).into()),
            tagged::FLOAT64 => Value::Float(f64::from_le_bytes(input.array()?)),
            tagged::STRING => Value::Text(input.text()?),
            tagged::BYTES => Value::Bytes(input.bytes()?),
            tagged::DECIMAL => {
                let scale = i32::from_le_bytes(input.array()?);
                Value::decimal(input.bytes()?, scale)
            }
            tagged::DATE_WITHOUT_SCHEMA | tagged::TIMESTAMP => {
                Value::millis(i64::from_le_bytes(input.array()?), true)
            }
            tagged::DATE => Value::Date(i32::from_le_bytes(input.array()?)),
            other => return Err(Damage::UnknownTag(other).into()),
        })
    }

    /// A list or map begins.
    pub fn enter(&mut self) -> Parse {
        if self.depth == MAX_DEPTH {
            return Err(Damage::TooDeep.into());
        }
        self.depth += 1;
        Ok(())
    }

    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Checks one value and passes over it.
    pub fn skip(&mut self) -> Parse {
        Ok(self.input.skip(self.depth)?)
    }
}

impl From<Damage> for Box<RowError> {
    #[cold]
    fn from(damage: Damage) -> Self {
        match damage {
            Damage::TooDeep => {
                RowError::boxed(Code::RecordTooDeep, format!("nested deeper than {MAX_DEPTH} levels"))
            }
            damage => RowError::boxed(Code::CrossingInvalid, format!("a value without a schema: {damage}")),
        }
    }
}
