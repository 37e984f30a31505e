//! What each scalar column type takes. Every function reads one value that is not null.

use super::Strings;
use super::reader::{Parse, Reader};
use crate::Code::{RecordRange, RecordType};
use crate::decode::text::{self, NotATime};

#[inline]
pub(super) fn integer<T: TryFrom<i64>>(reader: &mut Reader<'_>, takes: &str) -> Parse<T> {
    let start = reader.position();
    if !reader.at_number() {
        return Err(reader.misfit(start, RecordType, takes, ""));
    }
    match reader.number()?.integer().and_then(|value| T::try_from(value).ok()) {
        Some(value) => Ok(value),
        None => Err(reader.misfit(start, RecordRange, takes, ", which is not a whole number in its range")),
    }
}

#[inline]
pub(super) fn double(reader: &mut Reader<'_>, takes: &str) -> Parse<f64> {
    let start = reader.position();
    if !reader.at_number() {
        return not_finite(reader, takes);
    }
    let value = reader.number()?.double();
    if value.is_finite() {
        Ok(value)
    } else {
        Err(reader.misfit(start, RecordRange, takes, ", which is too large"))
    }
}

#[inline]
pub(super) fn float(reader: &mut Reader<'_>, takes: &str) -> Parse<f32> {
    let start = reader.position();
    if !reader.at_number() {
        return not_finite(reader, takes).map(|value| value as f32);
    }
    let value = reader.number()?.float();
    if value.is_finite() {
        Ok(value)
    } else {
        Err(reader.misfit(start, RecordRange, takes, ", which is too large"))
    }
}

fn not_finite(reader: &mut Reader<'_>, takes: &str) -> Parse<f64> {
    let start = reader.position();
    if reader.byte() == b'"' {
        match reader.string()? {
            b"NaN" => return Ok(f64::NAN),
            b"Infinity" => return Ok(f64::INFINITY),
            b"-Infinity" => return Ok(f64::NEG_INFINITY),
            _ => {}
        }
    }
    Err(reader.misfit(start, RecordType, takes, ""))
}

/// The value × 10^`scale`; its magnitude is below `limit`.
pub(super) fn decimal(reader: &mut Reader<'_>, takes: &str, scale: u8, limit: i128) -> Parse<i128> {
    let start = reader.position();
    let scaled = if reader.at_number() {
        reader.number()?.scaled(scale)
    } else if reader.byte() == b'"' {
        let text = reader.string()?;
        match super::number::Number::scan(text) {
            Ok(number) if number.text.len() == text.len() => number.scaled(scale),
            _ => return Err(reader.misfit(start, RecordType, takes, "")),
        }
    } else {
        return Err(reader.misfit(start, RecordType, takes, ""));
    };
    match scaled {
        Some(value) if value > -limit && value < limit => Ok(value),
        _ => Err(reader.misfit(start, RecordRange, takes, ", which does not fit without rounding")),
    }
}

#[inline]
pub(super) fn boolean(reader: &mut Reader<'_>, takes: &str) -> Parse<bool> {
    match reader.byte() {
        b't' => reader.literal("true").map(|()| true),
        b'f' => reader.literal("false").map(|()| false),
        _ => Err(reader.misfit(reader.position(), RecordType, takes, "")),
    }
}

/// Appends to `bytes`.
#[inline]
pub(super) fn string(reader: &mut Reader<'_>, takes: &str, bytes: &mut Vec<u8>) -> Parse {
    if reader.byte() == b'"' {
        bytes.extend_from_slice(reader.string()?);
        return Ok(());
    }
    let start = reader.position();
    if reader.options.strings == Strings::Strict {
        return Err(reader.misfit(start, RecordType, takes, ""));
    }
    reader.skip()?;
    bytes.extend_from_slice(reader.text_from(start));
    Ok(())
}

/// Appends to `bytes`; after an error something may have been appended.
pub(super) fn binary(reader: &mut Reader<'_>, takes: &str, bytes: &mut Vec<u8>) -> Parse {
    let start = reader.position();
    if reader.byte() == b'"' && text::base64(reader.string()?, bytes) {
        return Ok(());
    }
    Err(reader.misfit(start, RecordType, takes, ""))
}

/// Days since 1970-01-01.
pub(super) fn date(reader: &mut Reader<'_>, takes: &str) -> Parse<i32> {
    let start = reader.position();
    if reader.byte() != b'"' {
        return Err(not_a_time(reader, takes));
    }
    match text::date(reader.string()?) {
        Some(days) => Ok(days),
        None => Err(reader.misfit(start, RecordType, takes, "")),
    }
}

/// Microseconds since 1970-01-01T00:00:00, in UTC when `zoned`.
#[inline]
pub(super) fn timestamp(reader: &mut Reader<'_>, takes: &str, zoned: bool) -> Parse<i64> {
    let start = reader.position();
    if reader.byte() != b'"' {
        return Err(not_a_time(reader, takes));
    }
    let (code, why) = match text::timestamp(reader.string()?, zoned) {
        Ok(micros) => return Ok(micros),
        Err(NotATime::Malformed) => (RecordType, ""),
        Err(NotATime::Zoned) => (RecordType, ": a zone where the type has none"),
        Err(NotATime::NotExact) => {
            (RecordRange, ": not in the years 0001 to 9999, or finer than a microsecond")
        }
    };
    Err(reader.misfit(start, code, takes, why))
}

fn not_a_time(reader: &mut Reader<'_>, takes: &str) -> Box<super::RowError> {
    let why = if reader.at_number() { ": the unit of a number would be ambiguous" } else { "" };
    reader.misfit(reader.position(), RecordType, takes, why)
}
