//! JSON numbers, taken from their text exactly.

/// A number by JSON's grammar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number<'a> {
    pub text: &'a [u8],
    negative: bool,
    /// The digits without the point, and how many are behind it. Only where `small`.
    digits: u64,
    fraction: usize,
    /// No exponent, and at most 18 digits.
    small: bool,
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 19] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];
/// Exponents are cut here: far beyond what digits of one record could balance, and no sum overflows.
const MAX_EXPONENT: i64 = 1 << 40;

impl<'a> Number<'a> {
    /// The number at the start of `input`; the error is the position where its grammar breaks.
    #[inline(always)]
    pub fn scan(input: &'a [u8]) -> Result<Self, usize> {
        let byte = |at: usize| input.get(at).copied().unwrap_or(0);
        let negative = byte(0) == b'-';
        let start = usize::from(negative);
        let mut digits: u64 = 0;
        let mut take_digits = |mut at: usize| {
            loop {
                let digit = byte(at).wrapping_sub(b'0');
                if digit > 9 {
                    return at;
                }
                digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
                at += 1;
            }
        };
        let mut end = take_digits(start);
        if end == start {
            return Err(start);
        }
        if byte(start) == b'0' && end > start + 1 {
            return Err(start + 1);
        }
        let mut count = end - start;
        let mut fraction = 0;
        if byte(end) == b'.' {
            let point = end;
            end = take_digits(point + 1);
            fraction = end - point - 1;
            count += fraction;
            if fraction == 0 {
                return Err(end);
            }
        }
        let mut small = count <= 18;
        if byte(end) | 0x20 == b'e' {
            small = false;
            let sign = usize::from(matches!(byte(end + 1), b'+' | b'-'));
            let exponent = end + 1 + sign;
            end = take_digits(exponent);
            if end == exponent {
                return Err(end);
            }
        }
        Ok(Number { text: &input[..end], negative, digits, fraction, small })
    }

    /// The value, if it is integral and fits.
    #[inline(always)]
    pub fn integer(&self) -> Option<i64> {
        if self.small && self.fraction == 0 {
            let value = self.digits as i64;
            return Some(if self.negative { -value } else { value });
        }
        self.scaled(0).and_then(|value| i64::try_from(value).ok())
    }

    /// The value × 10^`scale`, if that is integral and has at most 38 digits.
    #[inline]
    pub fn scaled(&self, scale: u8) -> Option<i128> {
        if self.small && self.fraction <= usize::from(scale) {
            let power = 10i128.checked_pow(u32::from(scale) - self.fraction as u32)?;
            let value = i128::from(self.digits).checked_mul(power)?;
            return Some(if self.negative { -value } else { value });
        }
        self.scaled_from_text(scale)
    }

    fn scaled_from_text(&self, scale: u8) -> Option<i128> {
        let unsigned = &self.text[usize::from(self.negative)..];
        let (mantissa, exponent) = match unsigned.iter().position(|byte| byte | 0x20 == b'e') {
            Some(at) => (&unsigned[..at], exponent(&unsigned[at + 1..])),
            None => (unsigned, 0),
        };
        // The value is `value` × 10^(`zeros` + `shift`), and `value` does not end in 0.
        let mut value: i128 = 0;
        let mut zeros: i64 = 0;
        let mut shift = exponent + i64::from(scale);
        let mut behind_point = false;
        for &byte in mantissa {
            if byte == b'.' {
                behind_point = true;
                continue;
            }
            shift -= i64::from(behind_point);
            match byte - b'0' {
                0 => zeros += i64::from(value != 0),
                digit => {
                    value = times_power(value, zeros + 1)?.checked_add(i128::from(digit))?;
                    zeros = 0;
                }
            }
        }
        if value == 0 {
            return Some(0);
        }
        let value = times_power(value, zeros + shift)?;
        Some(if self.negative { -value } else { value })
    }

    /// The nearest double; infinite when too large.
    #[inline]
    pub fn double(&self) -> f64 {
        // Both operands are exact, so the division rounds once, correctly.
        if self.small && self.digits <= 1 << 53 {
            let value = self.digits as f64 / POWERS[self.fraction];
            return if self.negative { -value } else { value };
        }
        self.as_str().parse().unwrap_or(f64::INFINITY)
    }

    /// The nearest float, rounded once from the text; infinite when too large.
    #[inline]
    pub fn float(&self) -> f32 {
        if self.small && self.digits <= 1 << 24 && self.fraction <= 10 {
            let value = self.digits as f32 / POWERS[self.fraction] as f32;
            return if self.negative { -value } else { value };
        }
        self.as_str().parse().unwrap_or(f32::INFINITY)
    }

    fn as_str(&self) -> &'a str {
        std::str::from_utf8(self.text).unwrap_or_default()
    }
}

fn exponent(text: &[u8]) -> i64 {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] | digits => (1, digits),
    };
    let add = |value: i64, digit: &u8| (value * 10 + i64::from(digit - b'0')).min(MAX_EXPONENT);
    sign * digits.iter().fold(0, add)
}

/// None when `power` is negative or the result does not fit.
fn times_power(value: i128, power: i64) -> Option<i128> {
    if value == 0 && power >= 0 {
        return Some(0);
    }
    value.checked_mul(10i128.checked_pow(u32::try_from(power).ok()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number<'_> {
        let number = Number::scan(text.as_bytes()).unwrap();
        assert_eq!(number.text.len(), text.len());
        number
    }

    #[test]
    fn the_grammar_is_strict() {
        for (text, at) in
            [("", 0), ("-", 1), ("01", 1), ("-01", 2), ("1.", 2), (".5", 0), ("1e", 2), ("1e+", 3), ("+1", 0)]
        {
            assert_eq!(Number::scan(text.as_bytes()).unwrap_err(), at, "{text}");
        }
        assert_eq!(Number::scan(b"10,").unwrap().text, b"10");
    }

    #[test]
    fn integers_are_exact() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("3.0", 3),
            ("3e2", 300),
            ("1.50e1", 15),
            ("-25000e-3", -25),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("9223372036854775807.000", i64::MAX),
            ("0e99999999999999999999999", 0),
            ("0.00e-99999999999999999999999", 0),
            ("0.000000000000000000000000000000000000000000000001e48", 1),
        ] {
            assert_eq!(number(text).integer(), Some(value), "{text}");
        }
        for text in [
            "3.5",
            "9223372036854775808",
            "-9223372036854775809",
            "1e19",
            "1e99999999999999999999999",
            "1e-1",
        ] {
            assert_eq!(number(text).integer(), None, "{text}");
        }
    }

    #[test]
    fn scaled_values_never_round() {
        let largest = "9".repeat(38);
        assert_eq!(number(&largest).scaled(0), Some(10i128.pow(38) - 1));
        assert_eq!(number(&format!("0.{largest}")).scaled(38), Some(10i128.pow(38) - 1));
        assert_eq!(number("1.10").scaled(1), Some(11));
        assert_eq!(number("1.15").scaled(1), None);
        assert_eq!(number("-1.15").scaled(3), Some(-1150));
        assert_eq!(number("123e-2").scaled(2), Some(123));
        assert_eq!(number("123e-3").scaled(2), None);
        assert_eq!(number("0.1").scaled(38), Some(10i128.pow(37)));
        assert_eq!(number(&format!("1{}", "0".repeat(60))).scaled(0), None);
        assert_eq!(number(&format!("1{}e-60", "0".repeat(60))).scaled(0), Some(1));
    }

    #[test]
    fn floats_are_the_nearest() {
        for text in [
            "0.1",
            "123456.789",
            "9007199254740993",
            "9007199254740992",
            "1e22",
            "1e23",
            "-2.5e-320",
            "5e-324",
            "16777217",
            "0.30000001192092896",
            "3.4028234663852886e38",
            "4.35",
            "100.1234567",
            "-0.0",
            "7e-10",
        ] {
            assert_eq!(number(text).double().to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
            assert_eq!(number(text).float().to_bits(), text.parse::<f32>().unwrap().to_bits(), "{text}");
        }
        assert!(number("1e309").double().is_infinite());
        assert!(number("3.5e38").float().is_infinite());
    }
}
