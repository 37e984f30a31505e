//! Where the arrays of a `put` come from.

use super::invalid;
use crate::error::Result;

/// The arrays of a call, by slot. Each method gives the first `len` elements and fails when the array is of
/// another type, shorter, or null where null is not allowed.
pub trait Buffers {
    fn slots(&self) -> usize;
    fn is_null(&mut self, slot: usize) -> Result<bool>;
    fn bytes(&mut self, slot: usize, len: usize) -> Result<Vec<u8>>;
    /// Java's `byte[]`, as `bytes` takes it too.
    fn signed_bytes(&mut self, slot: usize, len: usize) -> Result<Vec<i8>>;
    fn shorts(&mut self, slot: usize, len: usize) -> Result<Vec<i16>>;
    fn ints(&mut self, slot: usize, len: usize) -> Result<Vec<i32>>;
    fn longs(&mut self, slot: usize, len: usize) -> Result<Vec<i64>>;
    fn floats(&mut self, slot: usize, len: usize) -> Result<Vec<f32>>;
    fn doubles(&mut self, slot: usize, len: usize) -> Result<Vec<f64>>;
}

/// Buffers in memory: for golden files, the fuzzer and drivers without a JVM.
#[derive(Debug, Clone, PartialEq)]
pub enum Slot {
    Null,
    Bytes(Vec<u8>),
    Shorts(Vec<i16>),
    Ints(Vec<i32>),
    Longs(Vec<i64>),
    Floats(Vec<f32>),
    Doubles(Vec<f64>),
}

/// The first `$len` elements of a slot that has to be of one kind.
macro_rules! head {
    ($slots:ident, $slot:ident, $kind:ident, $len:ident) => {
        match &$slots[$slot] {
            Slot::$kind(all) => all.get(..$len).map(<[_]>::to_vec).ok_or_else(|| {
                invalid(format!("slot {} has {} elements, {} expected", $slot, all.len(), $len))
            }),
            _ => Err(invalid(format!("slot {} does not have {}", $slot, stringify!($kind)))),
        }
    };
}

impl Buffers for &[Slot] {
    fn slots(&self) -> usize {
        self.len()
    }

    fn is_null(&mut self, slot: usize) -> Result<bool> {
        Ok(matches!(self[slot], Slot::Null))
    }

    fn bytes(&mut self, slot: usize, len: usize) -> Result<Vec<u8>> {
        head!(self, slot, Bytes, len)
    }

    fn signed_bytes(&mut self, slot: usize, len: usize) -> Result<Vec<i8>> {
        Ok(self.bytes(slot, len)?.into_iter().map(|byte| byte as i8).collect())
    }

    fn shorts(&mut self, slot: usize, len: usize) -> Result<Vec<i16>> {
        head!(self, slot, Shorts, len)
    }

    fn ints(&mut self, slot: usize, len: usize) -> Result<Vec<i32>> {
        head!(self, slot, Ints, len)
    }

    fn longs(&mut self, slot: usize, len: usize) -> Result<Vec<i64>> {
        head!(self, slot, Longs, len)
    }

    fn floats(&mut self, slot: usize, len: usize) -> Result<Vec<f32>> {
        head!(self, slot, Floats, len)
    }

    fn doubles(&mut self, slot: usize, len: usize) -> Result<Vec<f64>> {
        head!(self, slot, Doubles, len)
    }
}
