//! Protobuf's wire format: tags and what stands behind them. <https://protobuf.dev/programming-guides/encoding/>

use crate::Code;
use crate::decode::{MAX_DEPTH, Parse, RowError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Varint,
    Fixed64,
    /// With its length in front.
    Bytes,
    Group,
    Fixed32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    pub number: u32,
    pub wire: Wire,
}

/// A value as its wire type alone tells it: `bytes` of [`Wire::Bytes`] and [`Wire::Group`], `number` of the others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Raw<'a> {
    pub number: u64,
    pub bytes: &'a [u8],
}

/// One message's bytes.
#[derive(Clone)]
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Input { bytes, at: 0 }
    }

    #[inline(always)]
    pub fn at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// None at the end of the message.
    #[inline(always)]
    pub fn tag(&mut self) -> Parse<Option<Tag>> {
        if self.at_end() {
            return Ok(None);
        }
        let (number, wire) = self.any_tag()?;
        let wire = match wire {
            0 => Wire::Varint,
            1 => Wire::Fixed64,
            2 => Wire::Bytes,
            3 => Wire::Group,
            5 => Wire::Fixed32,
            _ => return Err(self.broken("the end of a group that did not begin")),
        };
        Ok(Some(Tag { number, wire }))
    }

    /// The value behind a tag.
    #[inline(always)]
    pub fn raw(&mut self, tag: Tag) -> Parse<Raw<'a>> {
        Ok(match tag.wire {
            Wire::Varint => Raw { number: self.varint()?, bytes: &[] },
            Wire::Fixed64 => Raw { number: self.fixed64()?, bytes: &[] },
            Wire::Fixed32 => Raw { number: self.fixed32()?.into(), bytes: &[] },
            Wire::Bytes => Raw { number: 0, bytes: self.bytes()? },
            Wire::Group => Raw { number: 0, bytes: self.group(tag.number)? },
        })
    }

    /// Of more than 64 bits the lower ones, as every other reader does.
    #[inline(always)]
    pub fn varint(&mut self) -> Parse<u64> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(byte.into())
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Parse<u64> {
        let mut value = 0;
        for (i, &byte) in self.bytes[self.at..].iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.at += i + 1;
                return Ok(value);
            }
        }
        let cut = self.bytes.len() - self.at < 10;
        Err(self.broken(if cut { "its end inside a number" } else { "a number of more than 10 bytes" }))
    }

    pub fn fixed64(&mut self) -> Parse<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub fn fixed32(&mut self) -> Parse<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn any_tag(&mut self) -> Parse<(u32, u8)> {
        let start = self.at;
        let tag = self.varint()?;
        match u32::try_from(tag) {
            Ok(tag) if tag >> 3 != 0 && tag & 7 < 6 => Ok((tag >> 3, (tag & 7) as u8)),
            _ => {
                self.at = start;
                Err(self.broken("no tag of a field"))
            }
        }
    }

    fn array<const N: usize>(&mut self) -> Parse<[u8; N]> {
        match self.bytes[self.at..].first_chunk::<N>() {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => Err(self.broken("its end inside a value")),
        }
    }

    fn bytes(&mut self) -> Parse<&'a [u8]> {
        let length = self.varint()?;
        let rest = &self.bytes[self.at..];
        match usize::try_from(length).ok().and_then(|length| rest.get(..length)) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => Err(self.broken(&format!("{} bytes left for a value of {length}", rest.len()))),
        }
    }

    /// What stands between the tag that was read and the one that ends the group.
    fn group(&mut self, number: u32) -> Parse<&'a [u8]> {
        let start = self.at;
        let mut open = [number; MAX_DEPTH];
        let mut depth = 1;
        loop {
            let end = self.at;
            let (number, wire) = self.any_tag()?;
            match wire {
                0 => {
                    self.varint()?;
                }
                1 => {
                    self.fixed64()?;
                }
                2 => {
                    self.bytes()?;
                }
                3 if depth == MAX_DEPTH => return Err(too_deep()),
                3 => {
                    open[depth] = number;
                    depth += 1;
                }
                4 if open[depth - 1] != number => {
                    return Err(self.broken("the end of a group that did not begin"));
                }
                4 => depth -= 1,
                _ => {
                    self.fixed32()?;
                }
            }
            if depth == 0 {
                return Ok(&self.bytes[start..end]);
            }
        }
    }

    #[cold]
    fn broken(&self, what: &str) -> Box<RowError> {
        malformed(format!("not a Protobuf message: {what}, at byte {} of {}", self.at, self.bytes.len()))
    }
}

#[cold]
pub(super) fn malformed(message: String) -> Box<RowError> {
    RowError::boxed(Code::RecordProtobuf, message)
}

#[cold]
pub(super) fn too_deep() -> Box<RowError> {
    RowError::boxed(Code::RecordTooDeep, format!("nested deeper than {MAX_DEPTH} levels"))
}

/// Each field of a message that has no others than scalars, byte strings and messages.
pub(super) fn each<'a>(bytes: &'a [u8], mut take: impl FnMut(Tag, Raw<'a>) -> Parse) -> Parse {
    let mut input = Input::new(bytes);
    while let Some(tag) = input.tag()? {
        let raw = input.raw(tag)?;
        take(tag, raw)?;
    }
    Ok(())
}

pub(super) fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}
