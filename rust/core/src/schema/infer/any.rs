//! What one record without a Connect schema tells. The tags are in `docs/crossing.md`.

use super::seen::{MAX_PRECISION, Members, Seen};
use crate::decode::json::MAX_DEPTH;
use crate::schema::DataType;

/// None: bytes that make no value.
pub fn seen(record: &[u8]) -> Option<Seen> {
    let mut input = Input(record);
    let seen = input.value(0)?;
    input.0.is_empty().then_some(seen)
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn value(&mut self, depth: usize) -> Option<Seen> {
        if depth > MAX_DEPTH {
            return None;
        }
        Some(match self.take(1)?[0] {
            0 => Seen::Nothing,
            1 | 2 => Seen::Boolean,
            3 => Seen::integer(DataType::Byte, i8::from_le_bytes(self.fixed()?).into()),
            4 => Seen::integer(DataType::Short, i16::from_le_bytes(self.fixed()?).into()),
            5 | 18 => Seen::integer(DataType::Integer, i32::from_le_bytes(self.fixed()?).into()),
            6 => Seen::integer(DataType::Long, i64::from_le_bytes(self.fixed()?)),
            7 => self.skip(4, Seen::Float)?,
            8 => self.skip(8, Seen::Double)?,
            9 => self.sized().map(|_| Seen::String)?,
            10 => self.sized().map(|_| Seen::Binary)?,
            11 => {
                let mut elements = Seen::Nothing;
                for _ in 0..self.count()? {
                    elements.add(self.value(depth + 1)?);
                }
                Seen::Array(Box::new(elements))
            }
            12 => {
                let mut members = Members::default();
                for _ in 0..self.count()? {
                    let name = std::str::from_utf8(self.sized()?).ok()?.to_owned();
                    members.add(name, self.value(depth + 1)?);
                }
                Seen::Struct(members)
            }
            13 => {
                let (mut keys, mut values) = (Seen::Nothing, Seen::Nothing);
                for _ in 0..self.count()? {
                    keys.add(self.value(depth + 1)?);
                    values.add(self.value(depth + 1)?);
                }
                Seen::Map(Box::new(keys), Box::new(values))
            }
            14 => {
                let scale = i32::from_le_bytes(self.fixed()?);
                decimal(scale, self.sized()?)
            }
            15 | 19 => self.skip(8, Seen::Timestamp)?,
            17 => self.skip(4, Seen::Date)?,
            _ => return None,
        })
    }

    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn skip(&mut self, bytes: usize, seen: Seen) -> Option<Seen> {
        self.take(bytes).map(|_| seen)
    }

    /// A length or a count: seven bits in each byte, the lowest first.
    fn count(&mut self) -> Option<usize> {
        let mut count = 0;
        for shift in (0..32).step_by(7) {
            let byte = self.take(1)?[0];
            count |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return usize::try_from(count).ok();
            }
        }
        None
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        self.take(length)
    }
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
