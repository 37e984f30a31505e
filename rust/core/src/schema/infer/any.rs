//! What one record without a Connect schema tells.

use super::seen::{MAX_PRECISION, Members, Seen};
use crate::connect::tagged::{self, Damage, Tagged};
use crate::decode::MAX_DEPTH;
use crate::schema::DataType;

/// None: bytes that make no value.
pub fn seen(record: &[u8]) -> Option<Seen> {
    let mut input = Tagged::new(record);
    let seen = value(&mut input, 0).ok()?;
    input.rest().is_empty().then_some(seen)
}

fn value(input: &mut Tagged<'_>, depth: usize) -> Result<Seen, Damage> {
    if depth > MAX_DEPTH {
        return Err(Damage::TooDeep);
    }
    Ok(match input.tag()? {
        tagged::NULL => Seen::Nothing,
        tagged::FALSE | tagged::TRUE => Seen::Boolean,
        tagged::INT8 => Seen::integer(DataType::Byte, i8::from_le_bytes(input.array()?).into()),
        tagged::INT16 => Seen::integer(DataType::Short, i16::from_le_bytes(input.array()?).into()),
        tagged::INT32 | tagged::TIME => {
            Seen::integer(DataType::Integer, i32::from_le_bytes(input.array()?).into())
        }
        tagged::INT64 => Seen::integer(DataType::Long, i64::from_le_bytes(input.array()?)),
        tagged::FLOAT32 => input.take(4).map(|_| Seen::Float)?,
        tagged::FLOAT64 => input.take(8).map(|_| Seen::Double)?,
        tagged::STRING => input.bytes().map(|_| Seen::String)?,
        tagged::BYTES => input.bytes().map(|_| Seen::Binary)?,
        tagged::LIST => {
            let mut elements = Seen::Nothing;
            for _ in 0..input.count()? {
                elements.add(value(input, depth + 1)?);
            }
            Seen::Array(Box::new(elements))
        }
        tagged::MAP => {
            let mut members = Members::default();
            for _ in 0..input.count()? {
                let name = input.text()?.to_owned();
                members.add(name, value(input, depth + 1)?);
            }
            Seen::Struct(members)
        }
        tagged::KEYED_MAP => {
            let (mut keys, mut values) = (Seen::Nothing, Seen::Nothing);
            for _ in 0..input.count()? {
                keys.add(value(input, depth + 1)?);
                values.add(value(input, depth + 1)?);
            }
            Seen::Map(Box::new(keys), Box::new(values))
        }
        tagged::DECIMAL => {
            let scale = i32::from_le_bytes(input.array()?);
            decimal(scale, input.bytes()?)
        }
        tagged::DATE_WITHOUT_SCHEMA | tagged::TIMESTAMP => input.take(8).map(|_| Seen::Timestamp)?,
        tagged::DATE => input.take(4).map(|_| Seen::Date)?,
        other => return Err(Damage::UnknownTag(other)),
    })
}

/// `unscaled` is two's complement, big-endian.
fn decimal(scale: i32, unscaled: &[u8]) -> Seen {
    let fill = if unscaled.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut bytes = [fill; 16];
    // A value of more bytes has more than 38 digits, which is all that counts.
    let precision = match bytes.len().checked_sub(unscaled.len()) {
        Some(at) => {
            bytes[at..].copy_from_slice(unscaled);
            let magnitude = i128::from_be_bytes(bytes).unsigned_abs();
            magnitude.checked_ilog10().map_or(0, |log| log + 1)
        }
        None => MAX_PRECISION + 1,
    };
    let digits = (i64::from(precision) - i64::from(scale)).clamp(0, i64::from(u16::MAX)) as u32;
    let digits = if precision == 0 { 0 } else { digits };
    Seen::decimal(digits, scale.clamp(0, u16::MAX.into()) as u32)
}
