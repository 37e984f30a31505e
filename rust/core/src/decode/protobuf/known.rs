//! Messages that stand for a single value: timestamps, dates, wrappers and the like.

use super::model::{Known, MessageType};
use super::scalar::{Scalar, put_integer};
use super::wire::{Raw, Wire, each, malformed};
use crate::Code;
use crate::decode::column::{Column, Values};
use crate::decode::value::Value;
use crate::decode::{Parse, text};

const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOS_PER_SECOND: i32 = 1_000_000_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

#[derive(Debug)]
pub(super) enum Single {
    Timestamp,
    Duration,
    Date,
    TimeOfDay,
    Decimal,
    Wrapper(Scalar),
    Empty,
}

impl Single {
    pub fn of(message: &MessageType) -> Option<Self> {
        Some(match message.known? {
            Known::Timestamp => Single::Timestamp,
            Known::Duration => Single::Duration,
            Known::Date => Single::Date,
            Known::TimeOfDay => Single::TimeOfDay,
            Known::Decimal => Single::Decimal,
            Known::Wrapper => {
                let value = message.fields.iter().find(|field| field.number == 1)?;
                Single::Wrapper(Scalar::of(&value.kind)?)
            }
            Known::Empty => Single::Empty,
            Known::Struct | Known::Value | Known::ListValue => return None,
        })
    }

    /// Appends the value of a message. After an error nothing was appended.
    pub fn put(&self, column: &mut Column, message: &[u8]) -> Parse {
        match self {
            Single::Timestamp => {
                let [seconds, nanos] = integers(message)?;
                let nanos = nanos as i32;
                let micros = (0..NANOS_PER_SECOND).contains(&nanos).then(|| micros(seconds, nanos)).flatten();
                column.put(&Value::Timestamp { micros, zoned: true })
            }
            Single::Duration => {
                let [seconds, nanos] = integers(message)?;
                let nanos = nanos as i32;
                let one_sign = (seconds >= 0 || nanos <= 0) && (seconds <= 0 || nanos >= 0);
                let whole = one_sign && (1 - NANOS_PER_SECOND..NANOS_PER_SECOND).contains(&nanos);
                match (&column.values, whole.then(|| micros(seconds, nanos)).flatten()) {
                    (Values::Long(_), Some(micros)) => put_integer(column, micros),
                    (Values::Long(_), None) => {
                        let found = format!(
                            "a duration of {seconds} s and {nanos} ns, which is not a whole number of microseconds in \
                             its range"
                        );
                        Err(column.misfit(Code::RecordRange, &found))
                    }
                    _ => Err(column.misfit(Code::RecordType, "a duration")),
                }
            }
            Single::Date => {
                let [year, month, day] = integers(message)?.map(|part| part as i32);
                let days = match (year, month, day) {
                    (1..=9999, 1..=12, 1..=31) => {
                        text::date(format!("{year:04}-{month:02}-{day:02}").as_bytes())
                    }
                    _ => None,
                };
                match days {
                    Some(days) => column.put(&Value::Date(days)),
                    None => {
                        let found = format!(
                            "a google.type.Date of year {year}, month {month}, day {day}, which is no day"
                        );
                        Err(column.misfit(Code::RecordRange, &found))
                    }
                }
            }
            Single::TimeOfDay => {
                let [hours, minutes, seconds, nanos] = integers(message)?.map(|part| i64::from(part as i32));
                let on_the_clock = (0..24).contains(&hours)
                    && (0..60).contains(&minutes)
                    && (0..60).contains(&seconds)
                    && (0..i64::from(NANOS_PER_SECOND)).contains(&nanos);
                if !on_the_clock || nanos % NANOS_PER_MILLI != 0 {
                    let found = format!(
                        "a google.type.TimeOfDay of {hours}:{minutes}:{seconds} and {nanos} ns, which is not a whole \
                         number of milliseconds of a day"
                    );
                    return Err(column.misfit(Code::RecordRange, &found));
                }
                let seconds = (hours * 60 + minutes) * 60 + seconds;
                column.put(&Value::Integer(seconds * 1000 + nanos / NANOS_PER_MILLI))
            }
            Single::Decimal => {
                let (mut unscaled, mut scale) = (&[][..], 0);
                each(message, |tag, raw| {
                    match tag.number {
                        1 => unscaled = expect(tag.wire, Wire::Bytes, raw)?.bytes,
                        3 => scale = expect(tag.wire, Wire::Varint, raw)?.number as i32,
                        _ => {}
                    }
                    Ok(())
                })?;
                column.put(&Value::decimal(unscaled, scale))
            }
            Single::Wrapper(scalar) => {
                let mut value = Raw::default();
                each(message, |tag, raw| {
                    if tag.number == 1 {
                        value = expect(tag.wire, scalar.wire, raw)?;
                    }
                    Ok(())
                })?;
                scalar.put(column, value)
            }
            Single::Empty => column.put(&Value::Boolean(true)),
        }
    }
}

/// The fields 1 to N of a message, which are all integers.
fn integers<const N: usize>(message: &[u8]) -> Parse<[i64; N]> {
    let mut parts = [0; N];
    each(message, |tag, raw| {
        if let Some(part) = parts.get_mut(tag.number as usize - 1) {
            *part = expect(tag.wire, Wire::Varint, raw)?.number as i64;
        }
        Ok(())
    })?;
    Ok(parts)
}

/// None: finer, or out of range.
fn micros(seconds: i64, nanos: i32) -> Option<i64> {
    if nanos % 1000 != 0 {
        return None;
    }
    seconds.checked_mul(MICROS_PER_SECOND)?.checked_add((nanos / 1000).into())
}

#[inline(always)]
pub(super) fn expect(found: Wire, expected: Wire, raw: Raw<'_>) -> Parse<Raw<'_>> {
    if found == expected { Ok(raw) } else { Err(other_wire(found, expected)) }
}

#[cold]
pub(super) fn other_wire(found: Wire, expected: Wire) -> Box<crate::decode::RowError> {
    malformed(format!(
        "the value has the wire type {found:?}, by the schema it is {expected:?}: the record was written with another schema"
    ))
}
