//! Values that JSON has no type for and carries as strings: dates, timestamps, bytes.

use std::ops::Range;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Of 0001-01-01T00:00:00Z and 10000-01-01T00:00:00Z: the range that Spark and other readers agree on.
pub(super) const MICROS: Range<i64> = FIRST_MICROS..END_MICROS;
const FIRST_MICROS: i64 = -62_135_596_800 * MICROS_PER_SECOND;
const END_MICROS: i64 = 253_402_300_800 * MICROS_PER_SECOND;
/// Days of the same range.
pub(super) const DAYS: Range<i32> = -719_162..2_932_897;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotATime {
    Malformed,
    /// Digits beyond microseconds, or outside the years 1 to 9999.
    NotExact,
    /// A zone where the type has none.
    Zoned,
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
pub(super) fn date(text: &[u8]) -> Option<i32> {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = text else { return None };
    let year = number(&[y0, y1, y2, y3])?;
    let month = number(&[m0, m1])?;
    let day = number(&[d0, d1])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if year == 0 || day == 0 || day > last {
        return None;
    }
    // Howard Hinnant, "chrono-compatible low-level date algorithms", days_from_civil: years start in March.
    let (march_year, march_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (march_year / 400, march_year % 400);
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// Microseconds since 1970-01-01T00:00:00 of `YYYY-MM-DDThh:mm:ss[.fraction][zone]`; in UTC when `zoned`.
pub(super) fn timestamp(text: &[u8], zoned: bool) -> Result<i64, NotATime> {
    let (seconds, rest) = date_time(text).ok_or(NotATime::Malformed)?;
    let (micros, rest) = fraction(rest)?;
    let offset = offset_seconds(rest).ok_or(NotATime::Malformed)?;
    if !zoned && !rest.is_empty() {
        return Err(NotATime::Zoned);
    }
    let micros = (seconds - offset) * MICROS_PER_SECOND + micros;
    if MICROS.contains(&micros) { Ok(micros) } else { Err(NotATime::NotExact) }
}

fn date_time(text: &[u8]) -> Option<(i64, &[u8])> {
    let (day, rest) = text.split_first_chunk::<10>()?;
    let (time, rest) = rest.split_first_chunk::<9>()?;
    let &[b'T' | b' ', h0, h1, b':', m0, m1, b':', s0, s1] = time else { return None };
    let (hour, minute, second) = (number(&[h0, h1])?, number(&[m0, m1])?, number(&[s0, s1])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(date(day)?) * SECONDS_PER_DAY + i64::from(hour * 3600 + minute * 60 + second);
    Some((seconds, rest))
}

fn fraction(text: &[u8]) -> Result<(i64, &[u8]), NotATime> {
    let [b'.', rest @ ..] = text else { return Ok((0, text)) };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return Err(NotATime::Malformed);
    }
    let (digits, rest) = rest.split_at(count);
    let (significant, beyond) = digits.split_at(count.min(6));
    if beyond.iter().any(|&digit| digit != b'0') {
        return Err(NotATime::NotExact);
    }
    let scale = 10i64.pow(6 - significant.len() as u32);
    Ok((significant.iter().fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0')) * scale, rest))
}

/// Of nothing, `Z`, `+hh:mm`, `+hhmm` or `+hh`.
fn offset_seconds(text: &[u8]) -> Option<i64> {
    let (&sign, digits) = match text {
        [] | [b'Z'] => return Some(0),
        [sign @ (b'+' | b'-'), digits @ ..] => (sign, digits),
        _ => return None,
    };
    let (hours, minutes) = match *digits {
        [h0, h1] => (number(&[h0, h1])?, 0),
        [h0, h1, m0, m1] | [h0, h1, b':', m0, m1] => (number(&[h0, h1])?, number(&[m0, m1])?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = i64::from(hours * 3600 + minutes * 60);
    Some(if sign == b'-' { -seconds } else { seconds })
}

#[inline(always)]
fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |value, &digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + i32::from(digit))
    })
}

/// The text of a UUID.
pub(crate) fn hyphenated(uuid: &[u8; 16]) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in uuid.iter().enumerate() {
        at += usize::from(matches!(index, 4 | 6 | 8 | 10));
        text[at] = DIGITS[usize::from(byte >> 4)];
        text[at + 1] = DIGITS[usize::from(byte & 15)];
        at += 2;
    }
    text
}

/// Appends what `text` stands for in base64 (RFC 4648, standard alphabet, padding optional). False: it is not that, and
/// something may have been appended.
pub(super) fn base64(text: &[u8], bytes: &mut Vec<u8>) -> bool {
    let unpadded = match text {
        [body @ .., b'=', b'='] | [body @ .., b'='] if text.len().is_multiple_of(4) => body,
        _ => text,
    };
    for group in unpadded.chunks(4) {
        let mut bits: u32 = 0;
        for &character in group {
            let Some(sextet) = sextet(character) else { return false };
            bits = bits << 6 | sextet;
        }
        match group.len() {
            4 => bytes.extend_from_slice(&bits.to_be_bytes()[1..]),
            3 if bits & 3 == 0 => bytes.extend_from_slice(&(bits << 6).to_be_bytes()[1..3]),
            2 if bits & 15 == 0 => bytes.push((bits >> 4) as u8),
            _ => return false,
        }
    }
    true
}

fn sextet(character: u8) -> Option<u32> {
    let value = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_calendar() {
        let mut expected = -719_162;
        for year in 1..=9999 {
            for month in 1..=12 {
                let mut days = 0;
                for day in 0..=32 {
                    if let Some(found) = date(format!("{year:04}-{month:02}-{day:02}").as_bytes()) {
                        assert_eq!(found, expected, "{year}-{month}-{day}");
                        expected += 1;
                        days += 1;
                    }
                }
                assert!(days >= 28);
            }
        }
        assert_eq!(expected, 2_932_897);
        assert_eq!(date(b"1970-01-01"), Some(0));
        assert_eq!(date(b"2000-02-29"), Some(11_016));
        for text in
            ["2023-02-29", "1900-02-29", "2024-13-01", "0000-01-01", "2024-1-01", "2024/01/01", "2024-01-01 "]
        {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn timestamps() {
        let parse = |text: &str| timestamp(text.as_bytes(), true);
        let noon = 1_704_110_400_000_000;
        for text in [
            "2024-01-01T12:00:00Z",
            "2024-01-01 12:00:00",
            "2024-01-01T12:00:00.000000000+00:00",
            "2024-01-01T14:30:00+02:30",
            "2024-01-01T14:30:00+0230",
            "2024-01-01T10:00:00-02",
        ] {
            assert_eq!(parse(text), Ok(noon), "{text}");
        }
        assert_eq!(parse("2024-01-01T12:00:00.5Z"), Ok(noon + 500_000));
        assert_eq!(parse("2024-01-01T12:00:00.0000010"), Ok(noon + 1));
        assert_eq!(parse("1969-12-31T23:59:59.999999Z"), Ok(-1));
        assert_eq!(parse("2024-01-01T12:00:00.0000001Z"), Err(NotATime::NotExact));
        assert_eq!(parse("0001-01-01T00:00:00Z"), Ok(FIRST_MICROS));
        assert_eq!(parse("0001-01-01T00:00:00+01"), Err(NotATime::NotExact));
        assert_eq!(parse("9999-12-31T23:59:59.999999Z"), Ok(END_MICROS - 1));
        assert_eq!(parse("9999-12-31T23:59:59-01"), Err(NotATime::NotExact));
        for text in [
            "2024-01-01",
            "2024-01-01T12:00",
            "2024-01-01T12:00:00.",
            "2024-01-01T12:00:00,5",
            "2024-01-01T24:00:00",
            "2024-01-01T12:60:00",
            "2024-01-01T12:00:60",
            "2024-01-01T12:00:00z",
            "2024-01-01T12:00:00+1",
            "2024-01-01T12:00:00+24:00",
            "2024-01-01T12:00:00+00:60",
            "2024-01-01T12:00:00 Z",
            "2024-02-30T12:00:00",
            "2024-01-01T12:00:00Zx",
            "2024-01-01T12:00:00+02:3",
        ] {
            assert_eq!(parse(text), Err(NotATime::Malformed), "{text}");
        }
        assert_eq!(timestamp(b"2024-01-01T12:00:00", false), Ok(noon));
        assert_eq!(timestamp(b"2024-01-01T12:00:00Z", false), Err(NotATime::Zoned));
        assert_eq!(timestamp(b"2024-01-01T12:00:00+00", false), Err(NotATime::Zoned));
        assert_eq!(timestamp(b"2024-01-01T12:00:00x", false), Err(NotATime::Malformed));
    }

    #[test]
    fn base64_of_rfc_4648() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg", "foob"),
            ("Zm9vYmE", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            let mut decoded = Vec::new();
            assert!(base64(text.as_bytes(), &mut decoded), "{text}");
            assert_eq!(decoded, bytes.as_bytes());
        }
        let mut decoded = Vec::new();
        assert!(base64(b"+/+/", &mut decoded));
        assert_eq!(decoded, [0xfb, 0xff, 0xbf]);
        for text in ["Z", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm 9", "-_-_", "=", "====", "Zm9vY", "Zm8=Zm8="] {
            assert!(!base64(text.as_bytes(), &mut Vec::new()), "{text}");
        }
    }
}
