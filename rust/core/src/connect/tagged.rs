//! Tagged bytes: values that carry their types. Layout: `docs/crossing.md`.

use crate::decode::MAX_DEPTH;

pub const NULL: u8 = 0;
pub const FALSE: u8 = 1;
pub const TRUE: u8 = 2;
pub const INT8: u8 = 3;
pub const INT16: u8 = 4;
pub const INT32: u8 = 5;
pub const INT64: u8 = 6;
pub const FLOAT32: u8 = 7;
pub const FLOAT64: u8 = 8;
pub const STRING: u8 = 9;
pub const BYTES: u8 = 10;
pub const LIST: u8 = 11;
/// Its keys are strings.
pub const MAP: u8 = 12;
/// Its keys are anything.
pub const KEYED_MAP: u8 = 13;
pub const DECIMAL: u8 = 14;
pub const DATE_WITHOUT_SCHEMA: u8 = 15;
pub const DATE: u8 = 17;
pub const TIME: u8 = 18;
pub const TIMESTAMP: u8 = 19;

/// Reads tagged bytes from their start on.
#[derive(Debug, Clone)]
pub struct Tagged<'a> {
    rest: &'a [u8],
}

/// Why bytes are none that Java writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    Broken(&'static str),
    UnknownTag(u8),
    /// More than [`MAX_DEPTH`] lists and maps in one another.
    TooDeep,
}

const ENDS_EARLY: Damage = Damage::Broken("it ends early");

impl<'a> Tagged<'a> {
    pub fn new(rest: &'a [u8]) -> Self {
        Tagged { rest }
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(ENDS_EARLY)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(ENDS_EARLY)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn tag(&mut self) -> Result<u8, Damage> {
        Ok(self.array::<1>()?[0])
    }

    /// A length or count: seven bits a byte, the lowest first.
    pub fn count(&mut self) -> Result<usize, Damage> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damage::Broken("a length of more than 35 bits"))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.count()?;
        self.take(length)
    }

    pub fn text(&mut self) -> Result<&'a str, Damage> {
        as_text(self.bytes()?)
    }

    /// Checks one value, which `depth` lists and maps are around, and passes over it.
    pub fn skip(&mut self, depth: usize) -> Result<(), Damage> {
        match self.tag()? {
            NULL | FALSE | TRUE => {}
            INT8 => drop(self.array::<1>()?),
            INT16 => drop(self.array::<2>()?),
            INT32 | FLOAT32 | DATE | TIME => drop(self.array::<4>()?),
            INT64 | FLOAT64 | DATE_WITHOUT_SCHEMA | TIMESTAMP => drop(self.array::<8>()?),
            STRING => drop(self.text()?),
            BYTES => drop(self.bytes()?),
            DECIMAL => {
                self.array::<4>()?;
                self.bytes()?;
            }
            LIST | MAP | KEYED_MAP if depth == MAX_DEPTH => return Err(Damage::TooDeep),
            tag @ (LIST | MAP | KEYED_MAP) => {
                for _ in 0..self.count()? {
                    match tag {
                        MAP => drop(self.text()?),
                        KEYED_MAP => self.skip(depth + 1)?,
                        _ => {}
                    }
                    self.skip(depth + 1)?;
                }
            }
            other => return Err(Damage::UnknownTag(other)),
        }
        Ok(())
    }
}

pub fn as_text(bytes: &[u8]) -> Result<&str, Damage> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| Damage::Broken("a string that is not UTF-8"))
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Damage::Broken(what) => f.write_str(what),
            Damage::UnknownTag(tag) => write!(f, "tag {tag}"),
            Damage::TooDeep => write!(f, "more than {MAX_DEPTH} levels"),
        }
    }
}
