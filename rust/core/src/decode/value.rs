//! Which value goes into which column: exactly, or not at all. `docs/types.md`.

use std::fmt;

use super::column::{Column, Values};
use super::text::{self, NotATime};
use super::{Parse, RowError, excerpt};
use crate::Code;

/// A value that has a type of its own, is not null and not nested.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    /// `unscaled` × 10^-`scale`; none: more digits than any column holds.
    Decimal {
        unscaled: Option<i128>,
        scale: i32,
    },
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00, in UTC when `zoned`; none: finer, or beyond what a long holds.
    Timestamp {
        micros: Option<i64>,
        zoned: bool,
    },
    /// A point in time as ISO 8601 text with its offset.
    ZonedText(&'a str),
}

/// Why a value does not go into a column.
enum Misfit {
    Type,
    Range(&'static str),
}

const NOT_IN_RANGE: Misfit = Misfit::Range(", which is not a whole number in its range");
const NOT_EXACT: Misfit = Misfit::Range(", which it cannot hold exactly");
const NOT_A_TIME: Misfit = Misfit::Range(": not in the years 0001 to 9999, or finer than a microsecond");

impl<'a> Value<'a> {
    /// Of big-endian two's complement.
    pub fn decimal(unscaled: &[u8], scale: i32) -> Self {
        let negative = unscaled.first().is_some_and(|byte| byte & 0x80 != 0);
        let filler = if negative { 0xff } else { 0 };
        let (surplus, low) = unscaled.split_at(unscaled.len().saturating_sub(16));
        let mut bytes = [filler; 16];
        bytes[16 - low.len()..].copy_from_slice(low);
        let value = i128::from_be_bytes(bytes);
        let fits = surplus.iter().all(|byte| *byte == filler) && (value < 0) == negative;
        Value::Decimal { unscaled: fits.then_some(value), scale }
    }

    pub fn millis(millis: i64, zoned: bool) -> Self {
        Value::Timestamp { micros: millis.checked_mul(1000), zoned }
    }

    fn scaled(&self, scale: i32) -> Result<i128, Misfit> {
        match *self {
            Value::Integer(value) => rescale(value.into(), 0, scale).ok_or(NOT_EXACT),
            Value::Decimal { unscaled, scale: from } => {
                unscaled.and_then(|unscaled| rescale(unscaled, from, scale)).ok_or(NOT_EXACT)
            }
            _ => Err(Misfit::Type),
        }
    }

    fn integer<T: TryFrom<i64> + TryFrom<i128>>(&self) -> Result<T, Misfit> {
        if let Value::Integer(value) = *self {
            return T::try_from(value).map_err(|_| NOT_IN_RANGE);
        }
        let value = self.scaled(0).map_err(|misfit| match misfit {
            Misfit::Range(_) => NOT_IN_RANGE,
            misfit => misfit,
        })?;
        T::try_from(value).map_err(|_| NOT_IN_RANGE)
    }

    fn double(&self) -> Result<f64, Misfit> {
        match *self {
            Value::Float(value) => Ok(value),
            Value::Integer(value) if value as f64 as i128 == i128::from(value) => Ok(value as f64),
            Value::Integer(_) => Err(NOT_EXACT),
            _ => Err(Misfit::Type),
        }
    }

    fn float(&self) -> Result<f32, Misfit> {
        match *self {
            Value::Float(value) if value.is_nan() || f64::from(value as f32) == value => Ok(value as f32),
            Value::Integer(value) if value as f32 as i128 == i128::from(value) => Ok(value as f32),
            Value::Float(_) | Value::Integer(_) => Err(NOT_EXACT),
            _ => Err(Misfit::Type),
        }
    }

    fn boolean(&self) -> Result<bool, Misfit> {
        if let Value::Boolean(value) = self { Ok(*value) } else { Err(Misfit::Type) }
    }

    fn text(&self) -> Result<&'a [u8], Misfit> {
        match self {
            Value::Text(text) | Value::ZonedText(text) => Ok(text.as_bytes()),
            _ => Err(Misfit::Type),
        }
    }

    fn bytes(&self) -> Result<&'a [u8], Misfit> {
        if let Value::Bytes(bytes) = self { Ok(bytes) } else { Err(Misfit::Type) }
    }

    fn date(&self) -> Result<i32, Misfit> {
        match *self {
            Value::Date(days) if text::DAYS.contains(&days) => Ok(days),
            Value::Date(_) => Err(NOT_A_TIME),
            _ => Err(Misfit::Type),
        }
    }

    /// A time without a zone is taken to be in UTC where the column has one; a point in time has no time without a zone.
    fn timestamp(&self, into_zoned: bool) -> Result<i64, Misfit> {
        match *self {
            Value::Timestamp { zoned: true, .. } | Value::ZonedText(_) if !into_zoned => Err(Misfit::Type),
            Value::Timestamp { micros, .. } => {
                micros.filter(|micros| text::MICROS.contains(micros)).ok_or(NOT_A_TIME)
            }
            Value::ZonedText(text) => text::timestamp(text.as_bytes(), true).map_err(|error| match error {
                NotATime::NotExact => NOT_A_TIME,
                NotATime::Malformed | NotATime::Zoned => Misfit::Type,
            }),
            _ => Err(Misfit::Type),
        }
    }
}

fn rescale(unscaled: i128, from: i32, to: i32) -> Option<i128> {
    if unscaled == 0 {
        return Some(0);
    }
    let power = |exponent: i64| 10i128.checked_pow(u32::try_from(exponent).ok()?);
    let exponent = i64::from(to) - i64::from(from);
    if exponent >= 0 {
        return unscaled.checked_mul(power(exponent)?);
    }
    let power = power(-exponent)?;
    (unscaled % power == 0).then_some(unscaled / power)
}

/// As a message calls it.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Boolean(value) => write!(f, "boolean {value}"),
            Value::Integer(value) => write!(f, "integer {value}"),
            Value::Float(value) => write!(f, "floating-point number {value}"),
            Value::Decimal { unscaled: Some(unscaled), scale } => {
                write!(f, "decimal {unscaled}E{}", -i64::from(*scale))
            }
            Value::Decimal { unscaled: None, .. } => f.write_str("decimal of more than 38 digits"),
            Value::Text(text) | Value::ZonedText(text) => write!(f, "string {:?}", excerpt(text.as_bytes())),
            Value::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Value::Date(days) => write!(f, "date {days} days from 1970-01-01"),
            Value::Timestamp { micros, zoned } => {
                f.write_str(if *zoned { "timestamp" } else { "timestamp without time zone" })?;
                micros.map_or(Ok(()), |micros| write!(f, " {micros} µs from 1970-01-01T00:00:00"))
            }
        }
    }
}

impl Column {
    /// Appends a value. After an error nothing was appended.
    pub fn put(&mut self, value: &Value<'_>) -> Parse {
        if let Err(misfit) = put(&mut self.values, value) {
            let (code, why) = match misfit {
                Misfit::Type => (Code::RecordType, ""),
                Misfit::Range(why) => (Code::RecordRange, why),
            };
            return Err(self.misfit(code, &format!("{value}{why}")));
        }
        self.valid.append_non_null();
        Ok(())
    }

    #[cold]
    pub fn misfit(&self, code: Code, found: &str) -> Box<RowError> {
        RowError::boxed(code, format!("column takes {}, record has {found}", self.takes))
    }

    /// Appends the null that a record gives.
    pub fn put_null(&mut self) -> Parse {
        if !self.nullable {
            return Err(null_refused());
        }
        self.append_null();
        Ok(())
    }
}

pub(super) fn null_refused() -> Box<RowError> {
    RowError::boxed(Code::RecordNull, "column is not nullable, record has null".into())
}

#[inline(always)]
fn put(column: &mut Values, value: &Value<'_>) -> Result<(), Misfit> {
    match column {
        Values::Boolean(values) => values.append(value.boolean()?),
        Values::Byte(values) => values.push(value.integer()?),
        Values::Short(values) => values.push(value.integer()?),
        Values::Integer(values) => values.push(value.integer()?),
        Values::Long(values) => values.push(value.integer()?),
        Values::Float(values) => values.push(value.float()?),
        Values::Double(values) => values.push(value.double()?),
        Values::Decimal { values, scale, limit } => {
            let scaled = value.scaled(i32::from(*scale))?;
            if scaled.unsigned_abs() >= limit.unsigned_abs() {
                return Err(NOT_EXACT);
            }
            values.push(scaled);
        }
        Values::String { ends, bytes } => {
            bytes.extend_from_slice(value.text()?);
            ends.push(bytes.len());
        }
        Values::Binary { ends, bytes } => {
            bytes.extend_from_slice(value.bytes()?);
            ends.push(bytes.len());
        }
        Values::Date(values) => values.push(value.date()?),
        Values::Timestamp { values, zoned } => values.push(value.timestamp(*zoned)?),
        Values::Struct(_) | Values::List { .. } | Values::Map { .. } => return Err(Misfit::Type),
    }
    Ok(())
}
