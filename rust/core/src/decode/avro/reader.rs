//! The bytes of a record in Avro's binary encoding.

use crate::Code;
use crate::decode::{Budget, MAX_DEPTH, MAX_RECORD_BYTES, Parse, RowError};

pub struct Reader<'a> {
    input: &'a [u8],
    depth: usize,
    pub budget: Budget,
}

#[cold]
pub fn damaged(why: impl Into<String>) -> Box<RowError> {
    RowError::boxed(Code::RecordAvro, why.into())
}

impl<'a> Reader<'a> {
    pub fn new(input: &'a [u8]) -> Parse<Self> {
        if input.len() > MAX_RECORD_BYTES {
            let message = format!("the record has {} bytes, at most {MAX_RECORD_BYTES} fit", input.len());
            return Err(RowError::boxed(Code::RecordRange, message));
        }
        Ok(Reader { input, depth: 0, budget: Budget::new(input.len()) })
    }

    pub fn end(&self) -> Parse {
        match self.input.len() {
            0 => Ok(()),
            more => Err(damaged(format!("{more} bytes after its end: it was written with another schema"))),
        }
    }

    #[inline(always)]
    pub fn bytes_of(&mut self, count: usize) -> Parse<&'a [u8]> {
        match self.input.split_at_checked(count) {
            Some((bytes, rest)) => {
                self.input = rest;
                Ok(bytes)
            }
            None => Err(ends_within()),
        }
    }

    pub fn array<const N: usize>(&mut self) -> Parse<[u8; N]> {
        match self.input.split_first_chunk() {
            Some((bytes, rest)) => {
                self.input = rest;
                Ok(*bytes)
            }
            None => Err(ends_within()),
        }
    }

    pub fn boolean(&mut self) -> Parse<bool> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(damaged(format!("a boolean is 0 or 1, and this one {other}"))),
        }
    }

    #[inline(always)]
    pub fn long(&mut self) -> Parse<i64> {
        // Most numbers take one byte or two.
        if let [first, rest @ ..] = self.input {
            if *first < 0x80 {
                self.input = rest;
                return Ok(unzigzag(u64::from(*first)));
            }
            if let [second, rest @ ..] = rest
                && *second < 0x80
            {
                self.input = rest;
                return Ok(unzigzag(u64::from(*first & 0x7f) | u64::from(*second) << 7));
            }
        }
        self.long_number()
    }

    fn long_number(&mut self) -> Parse<i64> {
        let mut value = 0;
        for (at, byte) in self.input.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                if at == 9 && *byte > 1 {
                    break;
                }
                self.input = &self.input[at + 1..];
                return Ok(unzigzag(value));
            }
        }
        Err(if self.input.len() < 10 { ends_within() } else { damaged("a number of more than 64 bits") })
    }

    #[inline(always)]
    pub fn int(&mut self) -> Parse<i32> {
        let value = self.long()?;
        i32::try_from(value).map_err(|_| damaged(format!("an int of more than 32 bits: {value}")))
    }

    /// Of bytes, of a string.
    #[inline(always)]
    pub fn bytes(&mut self) -> Parse<&'a [u8]> {
        let count = self.long()?;
        match usize::try_from(count) {
            Ok(count) => self.bytes_of(count),
            Err(_) => Err(damaged(format!("a length of {count}"))),
        }
    }

    pub fn text(&mut self) -> Parse<&'a str> {
        let bytes = self.bytes()?;
        simdutf8::basic::from_utf8(bytes).map_err(|_| damaged("a string that is not UTF-8"))
    }

    /// Which of so many.
    #[inline(always)]
    pub fn choice(&mut self, count: usize, what: &str) -> Parse<usize> {
        let index = self.long()?;
        let valid = usize::try_from(index).ok().filter(|index| *index < count);
        valid.ok_or_else(|| damaged(format!("{what} {index} of {count}")))
    }

    /// How many elements the next block of an array or map has, and their bytes where they are told; no elements: it was the
    /// last block.
    pub fn block(&mut self) -> Parse<(u64, Option<usize>)> {
        let count = self.long()?;
        if count >= 0 {
            return Ok((count as u64, None));
        }
        let bytes = self.long()?;
        let bytes = usize::try_from(bytes).map_err(|_| damaged(format!("a block of {bytes} bytes")))?;
        Ok((count.unsigned_abs(), Some(bytes)))
    }

    /// A record, array or map begins.
    pub fn enter(&mut self) -> Parse {
        if self.depth == MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(RowError::boxed(Code::RecordTooDeep, message));
        }
        self.depth += 1;
        Ok(())
    }

    pub fn leave(&mut self) {
        self.depth -= 1;
    }
}

#[cold]
fn ends_within() -> Box<RowError> {
    damaged("it ends within a value")
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(input: &[u8]) -> Result<i64, String> {
        let mut reader = Reader::new(input).unwrap();
        let value = reader.long().map_err(|error| error.message)?;
        reader.end().map_err(|error| error.message)?;
        Ok(value)
    }

    #[test]
    fn numbers_are_zigzag_and_have_64_bits() {
        for (input, expected) in [
            (&[0][..], 0),
            (&[1], -1),
            (&[2], 1),
            (&[0x7f], -64),
            (&[0x80, 1], 64),
            (&[0xff, 1], -128),
            (&[0x80, 0x80, 1], 8192),
            (&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], i64::MAX),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], i64::MIN),
            (&[0x80, 0], 0),
        ] {
            assert_eq!(long(input), Ok(expected), "{input:?}");
        }
        assert!(long(&[0x80]).unwrap_err().contains("ends within"));
        assert!(long(&[]).unwrap_err().contains("ends within"));
        let too_long = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert!(long(&too_long).unwrap_err().contains("64 bits"));
        assert!(long(&[0x80; 11]).unwrap_err().contains("64 bits"));
        assert!(long(&[0, 0]).unwrap_err().contains("1 bytes after its end"));
    }

    #[test]
    fn lengths_are_within_the_record() {
        let bytes =
            |input: &[u8]| Reader::new(input).unwrap().bytes().map(<[u8]>::to_vec).map_err(|e| e.message);
        assert_eq!(bytes(&[4, 7, 8, 9]), Ok(vec![7, 8]));
        assert!(bytes(&[8, 1]).unwrap_err().contains("ends within"));
        assert!(bytes(&[1]).unwrap_err().contains("a length of -1"));
        assert!(bytes(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).is_err());
    }
}
