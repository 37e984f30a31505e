//! The batch that `put` hands over, checked before anything of it is used. Layout: `docs/crossing.md`.

mod buffers;
mod columns;
mod encode;

#[cfg(test)]
mod tests;

use arrow_array::{Array, BinaryArray, Int64Array};

use crate::connect::{Payload, Registry};
use crate::error::{Code, Error, Result};
use crate::wire::CROSSING_VERSION;
pub use buffers::{Buffers, Slot};
use columns::Columns;
pub use encode::{encode, encode_raw};

pub const MAGIC: i32 = 0x534C_4331;
const HEADER: usize = 4;
const SEGMENT_HEADER: usize = 5;
const SCHEMA_ABSENT: i32 = 0;
const SCHEMA_RAW_BYTES: i32 = 1;
const SCHEMA_ANY: i32 = 2;
/// Rows that Java refused: they have coordinates and no value.
const FLAG_REFUSED: i32 = 1;
/// Buffers of every segment, before those of its key and its value.
const FIXED_BUFFERS: usize = 9;
/// Of which the first are there for every row, also a refused one.
const COORDINATES: usize = 3;
/// More rows than any consumer delivers at once; keeps a broken count from being allocated.
const MAX_ROWS: usize = 1 << 24;

/// Rows in arrival order. Checked: all columns have one length.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    pub seq: Vec<i32>,
    /// Ids of the **original** topic-partitions.
    pub partitions: Vec<i32>,
    /// **Original** offsets.
    pub offsets: Vec<i64>,
    /// Java refused these rows and reports them itself; they have no value.
    pub refused: bool,
    /// What [`Needs`] did not ask for is not there.
    pub extras: Extras,
    pub key: Payload,
    pub value: Payload,
}

/// What a task wants of its records beyond coordinates and values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    pub topic: bool,
    pub timestamp: bool,
    pub key: bool,
    pub headers: bool,
}

impl Needs {
    /// As the `start` reply has them.
    pub fn bits(self) -> u8 {
        [self.topic, self.timestamp, self.key, self.headers]
            .into_iter()
            .enumerate()
            .fold(0, |bits, (bit, needed)| bits | u8::from(needed) << bit)
    }

    pub fn and(self, other: Needs) -> Needs {
        Needs {
            topic: self.topic || other.topic,
            timestamp: self.timestamp || other.timestamp,
            key: self.key || other.key,
            headers: self.headers || other.headers,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extras {
    /// Ids of the topics that the records have after transformations.
    pub topics: Option<Vec<i32>>,
    /// Milliseconds since the epoch; null where a record has none.
    pub timestamps: Option<Int64Array>,
    /// As [`TimestampType`] numbers them.
    pub timestamp_types: Option<Vec<i8>>,
    /// Tagged bytes: a list of `[name, value]` in the record's order.
    pub headers: Option<BinaryArray>,
}

/// Kafka's `TimestampType`, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    None = -1,
    CreateTime = 0,
    LogAppendTime = 1,
}

impl Segment {
    pub fn rows(&self) -> usize {
        self.seq.len()
    }

    /// Bytes of each row's value; of a typed one, as many as of every other. To be asked for once per segment: a typed
    /// array's size is that of all its children.
    pub fn value_bytes(&self) -> impl Fn(usize) -> u64 {
        let (each, typed) = match &self.value {
            Payload::Absent => (None, 0),
            Payload::Raw(values) | Payload::Any(values) => (Some(values), 0),
            Payload::Typed { array, .. } => (None, array.get_array_memory_size() / self.rows().max(1)),
        };
        move |row| each.map_or(typed as u64, |values| values.value_length(row) as u64)
    }

    /// Of all rows together.
    pub fn all_value_bytes(&self) -> u64 {
        match &self.value {
            Payload::Absent => 0,
            Payload::Raw(values) | Payload::Any(values) => {
                let offsets = values.value_offsets();
                offsets.last().zip(offsets.first()).map_or(0, |(end, start)| (end - start) as u64)
            }
            Payload::Typed { array, .. } => array.get_array_memory_size() as u64,
        }
    }

    /// Whether a row has no value: a tombstone, or a row that Java refused.
    pub fn is_null(&self, row: usize) -> bool {
        match &self.value {
            Payload::Absent => true,
            Payload::Raw(values) | Payload::Any(values) => values.is_null(row),
            Payload::Typed { array, .. } => array.is_null(row),
        }
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::CrossingInvalid, message)
}

/// Reads the segments of a `put`. `records` in `meta` bounds every `seq`.
pub fn read_batch(
    meta: &[i32],
    buffers: &mut impl Buffers,
    registry: &Registry,
    needs: Needs,
) -> Result<Vec<Segment>> {
    let [magic, version, segments, records] = *meta
        .first_chunk::<HEADER>()
        .ok_or_else(|| invalid(format!("meta has {} ints, its header has {HEADER}", meta.len())))?;
    if magic != MAGIC || version != CROSSING_VERSION {
        return Err(invalid(format!("meta starts with {magic:#x} version {version}")));
    }
    let (segments, records) = (count(segments, "segments")?, count(records, "records")?);
    if meta.len() != HEADER + segments * SEGMENT_HEADER {
        return Err(invalid(format!("meta has {} ints for {segments} segments", meta.len())));
    }
    let mut seen = vec![false; records];
    let mut slot = 0;
    let mut read = Vec::with_capacity(segments);
    for header in meta[HEADER..].chunks_exact(SEGMENT_HEADER) {
        let [key, value, rows, buffer_count, flags] = [header[0], header[1], header[2], header[3], header[4]];
        let (rows, end) = (count(rows, "rows")?, slot + count(buffer_count, "buffers")?);
        if buffers.slots() < end {
            return Err(invalid(format!("{} buffers, at least {end} expected", buffers.slots())));
        }
        let mut columns = Columns::new(buffers, slot, end);
        let segment = match (key, value, flags) {
            (SCHEMA_ABSENT, SCHEMA_ABSENT, FLAG_REFUSED) if read.len() + 1 == segments => {
                read_refused(&mut columns, rows)?
            }
            (_, _, 0) => read_segment(&mut columns, rows, (key, value), registry, needs)?,
            _ => return Err(invalid(format!("a segment of kind {header:?}"))),
        };
        columns.end()?;
        for seq in &segment.seq {
            match usize::try_from(*seq).ok().and_then(|seq| seen.get_mut(seq)) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(invalid(format!("seq {seq} of {records} records, out of range or twice"))),
            }
        }
        read.push(segment);
        slot = end;
    }
    if buffers.slots() != slot {
        return Err(invalid(format!("{} buffers, {slot} expected", buffers.slots())));
    }
    Ok(read)
}

fn count(value: i32, what: &str) -> Result<usize> {
    usize::try_from(value).ok().filter(|n| *n <= MAX_ROWS).ok_or_else(|| invalid(format!("{value} {what}")))
}

fn read_refused(columns: &mut Columns<'_, impl Buffers>, rows: usize) -> Result<Segment> {
    let refused = Segment { refused: true, ..read_coordinates(columns, rows)? };
    for _ in COORDINATES..FIXED_BUFFERS {
        if columns.given()? {
            return Err(invalid("a refused row with more than its coordinates"));
        }
    }
    Ok(refused)
}

fn read_segment(
    columns: &mut Columns<'_, impl Buffers>,
    rows: usize,
    (key, value): (i32, i32),
    registry: &Registry,
    needs: Needs,
) -> Result<Segment> {
    let coordinates = read_coordinates(columns, rows)?;
    let extras = read_extras(columns, rows, registry, needs)?;
    let key = read_payload(columns, key, rows, registry)?;
    let value = read_payload(columns, value, rows, registry)?;
    Ok(Segment { extras, key, value, ..coordinates })
}

/// A segment with nothing but the coordinates.
fn read_coordinates(columns: &mut Columns<'_, impl Buffers>, rows: usize) -> Result<Segment> {
    let seq = columns.ints(rows)?;
    let partitions = columns.ints(rows)?;
    let offsets = columns.longs(rows)?;
    if !seq.is_sorted() {
        return Err(invalid("seq is not ascending in a segment"));
    }
    if let Some(offset) = offsets.iter().find(|offset| !(0..i64::MAX).contains(*offset)) {
        return Err(invalid(format!("Kafka offset {offset}")));
    }
    Ok(Segment {
        seq,
        partitions,
        offsets,
        refused: false,
        extras: Extras::default(),
        key: Payload::Absent,
        value: Payload::Absent,
    })
}

fn read_extras(
    columns: &mut Columns<'_, impl Buffers>,
    rows: usize,
    registry: &Registry,
    needs: Needs,
) -> Result<Extras> {
    let mut extras = Extras::default();
    if columns.given_or_not(needs.topic)? {
        let topics = columns.ints(rows)?;
        if let Some(id) = topics.iter().find(|id| registry.topic(**id).is_none()) {
            return Err(invalid(format!("topic id {id} was never registered")));
        }
        extras.topics = Some(topics);
    }
    let nulls = columns.validity(rows)?;
    if columns.given_or_not(needs.timestamp)? {
        extras.timestamps = Some(Int64Array::new(columns.longs(rows)?.into(), nulls));
    } else if nulls.is_some() {
        return Err(invalid("the validity of timestamps that are not there"));
    }
    if columns.given_or_not(needs.timestamp)? {
        let types = columns.signed_bytes(rows)?;
        if let Some(id) = types.iter().find(|id| !(-1..=1).contains(*id)) {
            return Err(invalid(format!("timestamp type {id}")));
        }
        extras.timestamp_types = Some(types);
    }
    if columns.given_or_not(needs.headers)? {
        let offsets = columns.offsets(rows)?;
        let lists = columns.bytes(&offsets)?;
        extras.headers = Some(BinaryArray::new(offsets, lists, None));
    } else if columns.given()? {
        return Err(invalid("headers without offsets"));
    }
    Ok(extras)
}

fn read_payload(
    columns: &mut Columns<'_, impl Buffers>,
    id: i32,
    rows: usize,
    registry: &Registry,
) -> Result<Payload> {
    Ok(match id {
        SCHEMA_ABSENT => Payload::Absent,
        SCHEMA_RAW_BYTES => Payload::Raw(columns.binary(rows)?),
        SCHEMA_ANY => Payload::Any(columns.binary(rows)?),
        id => {
            let schema = registry.schema(id).ok_or_else(|| invalid(format!("schema id {id}")))?;
            Payload::Typed { schema: schema.clone(), array: columns.typed(schema, rows)? }
        }
    })
}
