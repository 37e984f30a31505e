//! The JSON grammar (RFC 8259, strictly) over the bytes of one record.

use super::number::Number;
use super::{JsonOptions, MAX_DEPTH, MAX_RECORD_BYTES, RowError};
use crate::Code;
pub(crate) use crate::decode::Parse;
use crate::decode::{Budget, excerpt};

pub(crate) struct Reader<'a> {
    pub options: JsonOptions,
    input: &'a [u8],
    position: usize,
    depth: usize,
    budget: Budget,
    /// The last string that had escapes, without them.
    scratch: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub fn new(input: &'a [u8], options: JsonOptions, scratch: Vec<u8>) -> Self {
        Reader { options, input, position: 0, depth: 0, budget: Budget::new(input.len()), scratch }
    }

    pub fn into_scratch(self) -> Vec<u8> {
        self.scratch
    }

    pub fn spent(&self) -> usize {
        self.budget.spent
    }

    /// After this every slice between two ASCII bytes of the input is UTF-8.
    pub fn check_encoding(&self) -> Parse {
        if self.input.len() > MAX_RECORD_BYTES {
            let message =
                format!("the record has {} bytes, at most {MAX_RECORD_BYTES} fit", self.input.len());
            return Err(RowError::boxed(Code::RecordRange, message));
        }
        simdutf8::compat::from_utf8(self.input).map_err(|error| {
            let message = format!("not UTF-8 at byte {}", error.valid_up_to());
            RowError::boxed(Code::RecordNotJson, message)
        })?;
        Ok(())
    }

    /// The byte to be read, 0 at the end (which the grammar has no place for either).
    #[inline(always)]
    pub fn byte(&self) -> u8 {
        self.input.get(self.position).copied().unwrap_or(0)
    }

    pub fn at_end(&self) -> bool {
        self.position >= self.input.len()
    }

    pub fn position(&self) -> usize {
        self.position
    }

    /// Back to the start of a value that was read or passed over whole.
    pub fn rewind(&mut self, start: usize) {
        self.position = start;
    }

    pub fn text_from(&self, start: usize) -> &'a [u8] {
        &self.input[start..self.position]
    }

    #[inline(always)]
    pub fn whitespace(&mut self) {
        while self.byte() <= b' ' && matches!(self.byte(), b' ' | b'\n' | b'\r' | b'\t') {
            self.position += 1;
        }
    }

    #[inline(always)]
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.byte() == byte && !self.at_end();
        self.position += usize::from(found);
        found
    }

    #[inline(always)]
    pub fn eat_text(&mut self, text: &[u8]) -> bool {
        let found = self.input[self.position..].starts_with(text);
        if found {
            self.position += text.len();
        }
        found
    }

    pub fn literal(&mut self, word: &str) -> Parse {
        if self.eat_text(word.as_bytes()) { Ok(()) } else { Err(self.expected(word)) }
    }

    /// Reads the bracket of an object or array. True: it is empty and already closed.
    #[inline(always)]
    pub fn open(&mut self, closing: u8) -> Parse<bool> {
        if self.depth == MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels at byte {}", self.position);
            return Err(RowError::boxed(Code::RecordTooDeep, message));
        }
        self.position += 1;
        self.depth += 1;
        self.whitespace();
        let empty = self.eat(closing);
        self.depth -= usize::from(empty);
        Ok(empty)
    }

    /// After a value in an object or array. True: another one follows; false: it is closed.
    #[inline(always)]
    pub fn more(&mut self, closing: u8) -> Parse<bool> {
        self.whitespace();
        if self.eat(b',') {
            self.whitespace();
            return Ok(true);
        }
        if self.eat(closing) {
            self.depth -= 1;
            return Ok(false);
        }
        Err(self.expected(if closing == b'}' { "',' or '}'" } else { "',' or ']'" }))
    }

    /// Between a key and its value.
    #[inline(always)]
    pub fn colon(&mut self) -> Parse {
        self.whitespace();
        if !self.eat(b':') {
            return Err(self.expected("':'"));
        }
        self.whitespace();
        Ok(())
    }

    pub fn key(&mut self) -> Parse<&[u8]> {
        if self.byte() == b'"' { self.string() } else { Err(self.expected("a field name")) }
    }

    /// The string that starts here (at its quote), without escapes.
    #[inline(always)]
    pub fn string(&mut self) -> Parse<&[u8]> {
        let start = self.position + 1;
        let end = plain_end(self.input, start);
        if self.input.get(end) == Some(&b'"') {
            self.position = end + 1;
            return Ok(&self.input[start..end]);
        }
        self.string_with_escapes(start, end)
    }

    fn string_with_escapes(&mut self, mut start: usize, mut end: usize) -> Parse<&[u8]> {
        self.scratch.clear();
        loop {
            self.scratch.extend_from_slice(&self.input[start..end]);
            self.position = end;
            match self.input.get(end) {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(&self.scratch);
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.not_json("a control character in a string")),
                None => return Err(self.not_json("a string without its end")),
            }
            start = self.position;
            end = plain_end(self.input, start);
        }
    }

    fn escape(&mut self) -> Parse {
        let plain = match self.input.get(self.position + 1) {
            Some(b'u') => return self.unicode_escape(),
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(&byte @ (b'"' | b'\\' | b'/')) => byte,
            _ => return Err(self.not_json("an unknown escape")),
        };
        self.scratch.push(plain);
        self.position += 2;
        Ok(())
    }

    fn unicode_escape(&mut self) -> Parse {
        let first = self.code_unit(self.position);
        let (scalar, length) = match first {
            Some(high @ 0xd800..=0xdbff) => match self.code_unit(self.position + 6) {
                Some(low @ 0xdc00..=0xdfff) => (0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), 12),
                _ => return Err(self.not_json("a lone surrogate escape")),
            },
            Some(0xdc00..=0xdfff) => return Err(self.not_json("a lone surrogate escape")),
            Some(unit) => (unit, 6),
            None => return Err(self.not_json("an escape without four hex digits")),
        };
        let character = char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.scratch.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.position += length;
        Ok(())
    }

    /// Of `\uXXXX` at `at`.
    fn code_unit(&self, at: usize) -> Option<u32> {
        let digits = self.input.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
    }

    #[inline(always)]
    pub fn at_number(&self) -> bool {
        matches!(self.byte(), b'0'..=b'9' | b'-')
    }

    #[inline(always)]
    pub fn number(&mut self) -> Parse<Number<'a>> {
        match Number::scan(&self.input[self.position..]) {
            Ok(number) => {
                self.position += number.text.len();
                Ok(number)
            }
            Err(at) => {
                self.position += at;
                Err(self.expected("a digit"))
            }
        }
    }

    /// Checks one value of any kind and passes over it, without recursion.
    pub fn skip(&mut self) -> Parse {
        let outside = self.depth;
        // One bit for each open level, the innermost last: 1 is an object.
        let mut objects: u64 = 0;
        loop {
            match self.byte() {
                b'{' => {
                    if !self.open(b'}')? {
                        objects = objects << 1 | 1;
                        self.skip_key()?;
                        continue;
                    }
                }
                b'[' => {
                    if !self.open(b']')? {
                        objects <<= 1;
                        continue;
                    }
                }
                b'"' => {
                    self.string()?;
                }
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                _ if self.at_number() => {
                    self.number()?;
                }
                _ => return Err(self.expected("a value")),
            }
            loop {
                if self.depth == outside {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                if self.more(if in_object { b'}' } else { b']' })? {
                    if in_object {
                        self.skip_key()?;
                    }
                    break;
                }
                objects >>= 1;
            }
        }
    }

    fn skip_key(&mut self) -> Parse {
        self.key()?;
        self.colon()
    }

    #[inline(always)]
    pub fn spend(&mut self, bytes: usize) -> Parse {
        self.budget.spend(bytes)
    }

    /// The error for the value at `start`, which may already be read: it does not fit its column.
    #[cold]
    pub fn misfit(&mut self, start: usize, code: Code, takes: &str, why: &str) -> Box<RowError> {
        self.position = start;
        let kind = match self.byte() {
            b'"' => "string",
            b'{' => "object",
            b'[' => "array",
            b't' | b'f' => "boolean",
            b'n' => "null",
            _ => "number",
        };
        if let Err(error) = self.skip() {
            return error;
        }
        let found =
            if kind == "null" { kind.into() } else { format!("{kind} {}", excerpt(self.text_from(start))) };
        RowError::boxed(code, format!("column takes {takes}, record has {found}{why}"))
    }

    #[cold]
    pub fn expected(&self, what: &str) -> Box<RowError> {
        let found = match &self.input[self.position..] {
            [] => "the end".to_owned(),
            rest => excerpt(rest),
        };
        self.not_json(&format!("expected {what}, found {found},"))
    }

    #[cold]
    fn not_json(&self, what: &str) -> Box<RowError> {
        RowError::boxed(Code::RecordNotJson, format!("{what} at byte {}", self.position))
    }
}

/// Where the run of bytes that stand for themselves in a string ends: at a quote, a backslash, a control character or the
/// end of the input.
#[inline(always)]
fn plain_end(input: &[u8], start: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // A byte's high bit is set where the byte is less than `limit`; above such a byte a borrow may set others.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    let mut at = start;
    while let Some(chunk) = input.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let special = below(word, 0x20)
            | below(word ^ (ONES * b'"' as u64), 1)
            | below(word ^ (ONES * b'\\' as u64), 1);
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = input.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\').unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_runs_end_at_the_first_special_byte() {
        for length in 0..40 {
            for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
                for at in 0..length {
                    for filler in [b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
                        let mut text = vec![filler; length];
                        text[at] = special;
                        text[length - 1] = special;
                        assert_eq!(plain_end(&text, 0), at);
                    }
                }
            }
            assert_eq!(plain_end(&vec![b'x'; length], 0), length);
        }
    }
}
