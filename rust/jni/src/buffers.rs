//! Java arrays, copied out. Types, nulls and lengths are checked before anything is read.

use jni::Env;
use jni::objects::{
    JByteArray, JDoubleArray, JFloatArray, JIntArray, JLongArray, JObject, JObjectArray, JPrimitiveArray,
    JShortArray, TypeArray,
};
use jni::refs::{Auto, IntoAuto};
use sluice_core::crossing::Buffers;
use sluice_core::{Code, Error, Result};

use crate::crossing;

fn head<T: TypeArray + Default + Clone>(
    env: &Env<'_>,
    array: &JPrimitiveArray<'_, T>,
    len: Option<usize>,
) -> Result<Vec<T>> {
    if array.is_null() {
        return Err(Error::new(Code::CrossingInvalid, "null instead of an array"));
    }
    let available = array.len(env).map_err(crossing)?;
    let len = len.unwrap_or(available);
    if len > available {
        return Err(Error::new(Code::CrossingInvalid, format!("array of {available}, {len} expected")));
    }
    let mut elements = vec![T::default(); len];
    array.get_region(env, 0, &mut elements).map_err(crossing)?;
    Ok(elements)
}

fn unsigned(bytes: Vec<i8>) -> Vec<u8> {
    let mut bytes = std::mem::ManuallyDrop::new(bytes);
    // SAFETY: i8 and u8 have the same size and alignment, and the vector's parts are passed on unchanged.
    unsafe { Vec::from_raw_parts(bytes.as_mut_ptr().cast(), bytes.len(), bytes.capacity()) }
}

pub fn all_bytes(env: &Env<'_>, array: &JByteArray<'_>) -> Result<Vec<u8>> {
    Ok(unsigned(head(env, array, None)?))
}

pub fn all_ints(env: &Env<'_>, array: &JIntArray<'_>) -> Result<Vec<i32>> {
    head(env, array, None)
}

pub fn all_longs(env: &Env<'_>, array: &JLongArray<'_>) -> Result<Vec<i64>> {
    head(env, array, None)
}

/// The `Object[]` of a `put`.
pub struct JavaBuffers<'e, 'l> {
    env: &'e mut Env<'l>,
    array: &'e JObjectArray<'l, JObject<'l>>,
    slots: usize,
}

impl<'e, 'l> JavaBuffers<'e, 'l> {
    pub fn new(env: &'e mut Env<'l>, array: &'e JObjectArray<'l, JObject<'l>>) -> Result<Self> {
        if array.is_null() {
            return Err(Error::new(Code::CrossingInvalid, "null instead of the buffers"));
        }
        let slots = array.len(env).map_err(crossing)?;
        Ok(JavaBuffers { env, array, slots })
    }

    /// Let go of at once: the JVM keeps few references for a call, and a batch may have many buffers.
    fn slot(&mut self, slot: usize) -> Result<Auto<'l, JObject<'l>>> {
        Ok(self.array.get_element(self.env, slot).map_err(crossing)?.auto())
    }
}

macro_rules! elements {
    ($buffers:ident, $slot:ident, $class:ident, $len:ident) => {{
        let object = $buffers.slot($slot)?;
        // The cast checks the object's class.
        let array = $buffers.env.as_cast::<$class>(&object).map_err(crossing)?;
        head($buffers.env, &array, Some($len))
    }};
}

impl Buffers for JavaBuffers<'_, '_> {
    fn slots(&self) -> usize {
        self.slots
    }

    fn is_null(&mut self, slot: usize) -> Result<bool> {
        Ok(self.slot(slot)?.is_null())
    }

    fn bytes(&mut self, slot: usize, len: usize) -> Result<Vec<u8>> {
        Ok(unsigned(self.signed_bytes(slot, len)?))
    }

    fn signed_bytes(&mut self, slot: usize, len: usize) -> Result<Vec<i8>> {
        elements!(self, slot, JByteArray, len)
    }

    fn shorts(&mut self, slot: usize, len: usize) -> Result<Vec<i16>> {
        elements!(self, slot, JShortArray, len)
    }

    fn ints(&mut self, slot: usize, len: usize) -> Result<Vec<i32>> {
        elements!(self, slot, JIntArray, len)
    }

    fn longs(&mut self, slot: usize, len: usize) -> Result<Vec<i64>> {
        elements!(self, slot, JLongArray, len)
    }

    fn floats(&mut self, slot: usize, len: usize) -> Result<Vec<f32>> {
        elements!(self, slot, JFloatArray, len)
    }

    fn doubles(&mut self, slot: usize, len: usize) -> Result<Vec<f64>> {
        elements!(self, slot, JDoubleArray, len)
    }
}
