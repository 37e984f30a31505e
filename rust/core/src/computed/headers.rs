//! The headers of a record, as tagged bytes: a list of `[name, value]`. Layout: `docs/crossing.md`.

use std::borrow::Cow;

use super::calendar;
use crate::Code;
use crate::connect::tagged::*;

pub type Problem = (Code, String);

/// Names with values, in the record's order.
pub struct Headers<'a> {
    reader: Tagged<'a>,
    left: usize,
}

/// A value whose text has not been made yet.
pub struct HeaderValue<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// No bytes are no headers.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Problem> {
        let mut reader = Tagged::new(bytes);
        let left = if bytes.is_empty() { 0 } else { list(&mut reader).map_err(damaged)? };
        Ok(Headers { reader, left })
    }

    fn read(&mut self) -> Result<(&'a str, HeaderValue<'a>), Damage> {
        if list(&mut self.reader)? != 2 || self.reader.tag()? != STRING {
            return Err(Damage::Broken("a header is not a name with a value"));
        }
        let name = self.reader.text()?;
        let start = self.reader.rest();
        self.reader.skip(0)?;
        Ok((name, HeaderValue(&start[..start.len() - self.reader.rest().len()])))
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Result<(&'a str, HeaderValue<'a>), Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let read = self.read().map_err(damaged);
        self.left = if read.is_ok() { self.left - 1 } else { 0 };
        Some(read)
    }
}

/// A value that is text or bytes: strings and bytes as they are, simple values as the text that Connect's
/// `SimpleHeaderConverter` made them from.
impl<'a> HeaderValue<'a> {
    pub fn bytes(&self) -> Result<Option<Cow<'a, [u8]>>, Problem> {
        self.read().map_err(damaged)?.ok_or_else(|| {
            let why = "a list, map or struct, which has no bytes: set \
                       header.converter=org.apache.kafka.connect.converters.ByteArrayConverter";
            (Code::RecordType, why.into())
        })
    }

    /// None: neither text nor a simple value.
    fn read(&self) -> Result<Option<Option<Cow<'a, [u8]>>>, Damage> {
        let mut reader = Tagged::new(self.0);
        let text = match reader.tag()? {
            NULL => return Ok(Some(None)),
            FALSE => "false".to_owned(),
            TRUE => "true".to_owned(),
            INT8 => i8::from_le_bytes(reader.array()?).to_string(),
            INT16 => i16::from_le_bytes(reader.array()?).to_string(),
            INT32 => i32::from_le_bytes(reader.array()?).to_string(),
            INT64 => i64::from_le_bytes(reader.array()?).to_string(),
            FLOAT32 => {
                let value = f32::from_le_bytes(reader.array()?);
                java_float(f64::from(value), &format!("{value:e}"))
            }
            FLOAT64 => {
                let value = f64::from_le_bytes(reader.array()?);
                java_float(value, &format!("{value:e}"))
            }
            STRING | BYTES => return Ok(Some(Some(Cow::Borrowed(reader.bytes()?)))),
            DECIMAL => {
                let scale = i32::from_le_bytes(reader.array()?);
                java_decimal(reader.bytes()?, scale)
            }
            DATE => iso_date(i64::from(i32::from_le_bytes(reader.array()?))),
            TIME => iso_time(i64::from(i32::from_le_bytes(reader.array()?))),
            DATE_WITHOUT_SCHEMA | TIMESTAMP => {
                let ms = i64::from_le_bytes(reader.array()?);
                format!("{}T{}", iso_date(ms.div_euclid(MS_PER_DAY)), iso_time(ms.rem_euclid(MS_PER_DAY)))
            }
            _ => return Ok(None),
        };
        Ok(Some(Some(Cow::Owned(text.into_bytes()))))
    }
}

/// The bytes of a value that is text or bytes; for keys without a schema.
pub fn text_or_bytes(tagged: &[u8]) -> Result<Option<Option<&[u8]>>, Problem> {
    let mut reader = Tagged::new(tagged);
    match reader.tag().map_err(damaged)? {
        NULL => Ok(Some(None)),
        STRING | BYTES => Ok(Some(Some(reader.bytes().map_err(damaged)?))),
        _ => Ok(None),
    }
}

const MS_PER_DAY: i64 = 86_400_000;

fn damaged(damage: Damage) -> Problem {
    (Code::CrossingInvalid, format!("headers: {damage}"))
}

fn list(reader: &mut Tagged<'_>) -> Result<usize, Damage> {
    match reader.tag()? {
        LIST => reader.count(),
        _ => Err(Damage::Broken("not a list")),
    }
}

fn iso_date(days: i64) -> String {
    let (year, month, day) = calendar::civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

fn iso_time(ms: i64) -> String {
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

/// As Java's `Double.toString` and `Float.toString`, from the shortest digits in the form `-1.5e7`.
fn java_float(value: f64, shortest: &str) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_infinite() {
        return format!("{sign}Infinity");
    }
    let (mantissa, exponent) = shortest.trim_start_matches('-').split_once('e').unwrap_or(("0", "0"));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = match exponent {
        -3..0 => ("0".into(), "0".repeat(-exponent as usize - 1) + &digits),
        0..7 => {
            let padded = format!("{digits:0<width$}", width = exponent as usize + 1);
            let (whole, fraction) = padded.split_at(exponent as usize + 1);
            (whole.to_owned(), fraction.to_owned())
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            let rest = if rest.is_empty() { "0" } else { rest };
            return format!("{sign}{first}.{rest}E{exponent}");
        }
    };
    let fraction = if fraction.is_empty() { "0" } else { &fraction };
    format!("{sign}{whole}.{fraction}")
}

/// As Java's `BigDecimal.toString`.
fn java_decimal(unscaled: &[u8], scale: i32) -> String {
    let (negative, digits) = decimal_digits(unscaled);
    let sign = if negative { "-" } else { "" };
    let exponent = digits.len() as i64 - 1 - i64::from(scale);
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    if scale > 0 && exponent >= -6 {
        let scale = scale as usize;
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        return format!("{sign}{whole}.{fraction}");
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    match exponent {
        0 => format!("{sign}{first}{point}{rest}"),
        _ => format!("{sign}{first}{point}{rest}E{exponent:+}"),
    }
}

/// Whether a big-endian two's complement number is negative, and the digits of its magnitude.
fn decimal_digits(bytes: &[u8]) -> (bool, String) {
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let mut magnitude = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            let (sum, overflow) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (sum, overflow);
        }
    }
    let mut digits = Vec::new();
    while magnitude.iter().any(|byte| *byte != 0) {
        let mut remainder = 0u32;
        for byte in &mut magnitude {
            let value = remainder << 8 | u32::from(*byte);
            (*byte, remainder) = ((value / 10) as u8, value % 10);
        }
        digits.push(char::from(b'0' + remainder as u8));
    }
    if digits.is_empty() {
        digits.push('0');
    }
    (negative, digits.iter().rev().collect())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Tagged bytes of headers whose values are tagged already.
    pub fn encode(headers: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![LIST, headers.len() as u8];
        for (name, value) in headers {
            bytes.extend([LIST, 2]);
            bytes.extend(string(name));
            bytes.extend(*value);
        }
        bytes
    }

    pub fn string(text: &str) -> Vec<u8> {
        [&[STRING, text.len() as u8], text.as_bytes()].concat()
    }

    fn text(value: &[u8]) -> Option<String> {
        let bytes = encode(&[("h", value)]);
        let (name, value) = Headers::new(&bytes).unwrap().next().unwrap().unwrap();
        assert_eq!(name, "h");
        value.bytes().unwrap().map(|bytes| String::from_utf8(bytes.into_owned()).unwrap())
    }

    fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
        [&[tag], value].concat()
    }

    #[test]
    fn simple_values_become_the_text_that_connect_writes() {
        let decimal = |scale: i32, unscaled: &[u8]| {
            [&[DECIMAL][..], &scale.to_le_bytes(), &[unscaled.len() as u8], unscaled].concat()
        };
        for (value, expected) in [
            (vec![TRUE], "true"),
            (vec![FALSE], "false"),
            (tagged(INT8, &[0x80]), "-128"),
            (tagged(INT16, &300i16.to_le_bytes()), "300"),
            (tagged(INT32, &(-70_000i32).to_le_bytes()), "-70000"),
            (tagged(INT64, &i64::MIN.to_le_bytes()), "-9223372036854775808"),
            (tagged(FLOAT32, &0.1f32.to_le_bytes()), "0.1"),
            (tagged(FLOAT32, &1e10f32.to_le_bytes()), "1.0E10"),
            (tagged(FLOAT64, &1.5f64.to_le_bytes()), "1.5"),
            (tagged(FLOAT64, &100f64.to_le_bytes()), "100.0"),
            (tagged(FLOAT64, &1e7f64.to_le_bytes()), "1.0E7"),
            (tagged(FLOAT64, &9_999_999.5f64.to_le_bytes()), "9999999.5"),
            (tagged(FLOAT64, &0.001f64.to_le_bytes()), "0.001"),
            (tagged(FLOAT64, &(-0.000_123f64).to_le_bytes()), "-1.23E-4"),
            (tagged(FLOAT64, &(-0f64).to_le_bytes()), "-0.0"),
            (tagged(FLOAT64, &f64::NAN.to_le_bytes()), "NaN"),
            (tagged(FLOAT64, &f64::NEG_INFINITY.to_le_bytes()), "-Infinity"),
            (string("é"), "é"),
            (tagged(BYTES, &[2, b'o', b'k']), "ok"),
            (decimal(2, &[0x05, 0x8C]), "14.20"),
            (decimal(0, &[0xFF]), "-1"),
            (decimal(3, &[0xFB]), "-0.005"),
            (decimal(-3, &[12]), "1.2E+4"),
            (decimal(9, &[1]), "1E-9"),
            (
                decimal(0, &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                "-43556142965880123323311949751266331066368",
            ),
            (tagged(DATE, &19_966i32.to_le_bytes()), "2024-08-31"),
            (tagged(TIME, &45_296_007i32.to_le_bytes()), "12:34:56.007Z"),
            (tagged(TIMESTAMP, &1_725_107_696_007i64.to_le_bytes()), "2024-08-31T12:34:56.007Z"),
            (tagged(DATE_WITHOUT_SCHEMA, &(-1i64).to_le_bytes()), "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(text(&value).as_deref(), Some(expected), "{value:?}");
        }
        assert_eq!(text(&[NULL]), None);
    }

    #[test]
    fn order_and_duplicates_are_kept_and_structures_refused_only_when_asked_for() {
        let map = [&[MAP, 1, 1, b'k', LIST, 2][..], &[NULL], &[KEYED_MAP, 1, TRUE, FALSE]].concat();
        let bytes = encode(&[("a", &string("1")), ("m", &map), ("a", &[NULL]), ("", &string("2"))]);
        let read: Vec<_> = Headers::new(&bytes).unwrap().map(Result::unwrap).collect();
        assert_eq!(read.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["a", "m", "a", ""]);
        assert_eq!(read[3].1.bytes(), Ok(Some(Cow::Borrowed(&b"2"[..]))));
        let (code, why) = read[1].1.bytes().unwrap_err();
        assert!(code == Code::RecordType && why.contains("ByteArrayConverter"), "{why}");
    }

    #[test]
    fn damaged_bytes_are_an_error_and_never_a_panic() {
        let whole = encode(&[("name", &tagged(LIST, &[1, DECIMAL, 0, 0, 0, 0, 1, 7])), ("b", &[TRUE])]);
        let read = |bytes: &[u8]| -> Result<(), Problem> {
            for header in Headers::new(bytes)? {
                let (_, value) = header?;
                match value.bytes() {
                    Err((Code::CrossingInvalid, why)) => return Err((Code::CrossingInvalid, why)),
                    _ => continue,
                }
            }
            Ok(())
        };
        assert_eq!(read(&whole), Ok(()));
        for cut in 1..whole.len() {
            assert_eq!(read(&whole[..cut]).unwrap_err().0, Code::CrossingInvalid, "{cut}");
        }
        for at in 0..whole.len() {
            for byte in 0..=255 {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                let _ = read(&bytes);
            }
        }
        let deep = [encode(&[])[..1].to_vec(), vec![1, LIST, 2], string("x"), [LIST, 1].repeat(100)].concat();
        assert_eq!(read(&deep).unwrap_err().1, "headers: more than 64 levels");
    }
}
