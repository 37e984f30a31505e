//! The golden files' format, as `docs/crossing.md` has it.

use sluice_core::connect::Registry;
use sluice_core::crossing::Slot;

/// Registered before every batch, with the ids 0, 1, ….
const TOPICS: [&str; 3] = ["flights", "zipcodes", "renamed"];

/// A `put`, and what was registered before it.
pub struct Put {
    pub meta: Vec<i32>,
    pub buffers: Vec<Slot>,
    pub registry: Registry,
}

/// None when the bytes are not of this format.
pub fn read(mut bytes: &[u8]) -> Option<Put> {
    let meta = elements(&mut bytes, i32::from_le_bytes)?;
    let buffers = (0..count(&mut bytes)?).map(|_| buffer(&mut bytes)).collect::<Option<_>>()?;
    let mut registry = Registry::default();
    for topic in TOPICS {
        registry.register_topic(topic).ok()?;
    }
    for _ in 0..count(&mut bytes)? {
        registry.register_schema(&elements(&mut bytes, u8::from_le_bytes)?).ok()?;
    }
    bytes.is_empty().then_some(Put { meta, buffers, registry })
}

fn buffer(bytes: &mut &[u8]) -> Option<Slot> {
    let [kind] = take(bytes)?;
    Some(match kind {
        0 => (count(bytes)? == 0).then_some(Slot::Null)?,
        1 => Slot::Ints(elements(bytes, i32::from_le_bytes)?),
        2 => Slot::Longs(elements(bytes, i64::from_le_bytes)?),
        3 => Slot::Bytes(elements(bytes, u8::from_le_bytes)?),
        4 => Slot::Shorts(elements(bytes, i16::from_le_bytes)?),
        5 => Slot::Floats(elements(bytes, f32::from_le_bytes)?),
        6 => Slot::Doubles(elements(bytes, f64::from_le_bytes)?),
        _ => return None,
    })
}

fn elements<T, const N: usize>(bytes: &mut &[u8], element: fn([u8; N]) -> T) -> Option<Vec<T>> {
    (0..count(bytes)?).map(|_| Some(element(take(bytes)?))).collect()
}

fn count(bytes: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(bytes)?))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}
