//! The batch that `put` hands over, checked before anything of it is used. Layout: `docs/crossing.md`.

use arrow_array::{Array, BinaryArray, Int64Array};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};

use crate::connect::Payload;
use crate::error::{Code, Error, Result};
use crate::wire::CROSSING_VERSION;

pub const MAGIC: i32 = 0x534C_4331;
const HEADER: usize = 4;
const SEGMENT_HEADER: usize = 5;
const SCHEMA_ABSENT: i32 = 0;
const SCHEMA_RAW_BYTES: i32 = 1;
/// Rows that Java refused: they have coordinates and no value.
const FLAG_REFUSED: i32 = 1;
const BUFFERS: usize = 6;
/// More rows than any consumer delivers at once; keeps a broken count from being allocated.
const MAX_ROWS: usize = 1 << 24;

/// The buffers of a call, by slot. Each method gives the first `len` elements and fails when the array is of
/// another type, shorter, or null where null is not allowed.
pub trait Buffers {
    fn slots(&self) -> usize;
    fn is_null(&mut self, slot: usize) -> Result<bool>;
    fn ints(&mut self, slot: usize, len: usize) -> Result<Vec<i32>>;
    fn longs(&mut self, slot: usize, len: usize) -> Result<Vec<i64>>;
    fn bytes(&mut self, slot: usize, len: usize) -> Result<Vec<u8>>;
}

/// Rows in arrival order. Checked: all columns have one length.
#[derive(Debug, PartialEq)]
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
    pub fn and(self, other: Needs) -> Needs {
        Needs {
            topic: self.topic || other.topic,
            timestamp: self.timestamp || other.timestamp,
            key: self.key || other.key,
            headers: self.headers || other.headers,
        }
    }
}

#[derive(Debug, Default, PartialEq)]
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

    /// Bytes of a row's value; of a typed one, as many as of every other.
    pub fn value_bytes(&self, row: usize) -> u64 {
        match &self.value {
            Payload::Absent => 0,
            Payload::Raw(values) | Payload::Any(values) => values.value_length(row) as u64,
            Payload::Typed { array, .. } => (array.get_array_memory_size() / self.rows().max(1)) as u64,
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
pub fn read_batch(meta: &[i32], buffers: &mut impl Buffers) -> Result<Vec<Segment>> {
    let [magic, version, segments, records] = *meta
        .first_chunk::<HEADER>()
        .ok_or_else(|| invalid(format!("meta has {} ints, its header has {HEADER}", meta.len())))?;
    if magic != MAGIC || version != CROSSING_VERSION {
        return Err(invalid(format!("meta starts with {magic:#x} version {version}")));
    }
    let count = |value: i32, what: &str| {
        usize::try_from(value)
            .ok()
            .filter(|n| *n <= MAX_ROWS)
            .ok_or_else(|| invalid(format!("{value} {what}")))
    };
    let (segments, records) = (count(segments, "segments")?, count(records, "records")?);
    if meta.len() != HEADER + segments * SEGMENT_HEADER {
        return Err(invalid(format!("meta has {} ints for {segments} segments", meta.len())));
    }
    let mut seen = vec![false; records];
    let mut slot = 0;
    let mut read = Vec::with_capacity(segments);
    for header in meta[HEADER..].chunks_exact(SEGMENT_HEADER) {
        let [key, value, rows, buffer_count, flags] = [header[0], header[1], header[2], header[3], header[4]];
        if (key, value, buffer_count) != (SCHEMA_ABSENT, SCHEMA_RAW_BYTES, BUFFERS as i32)
            || (flags != 0 && flags != FLAG_REFUSED)
        {
            return Err(invalid(format!("a segment of kind {header:?}")));
        }
        if flags == FLAG_REFUSED && read.len() + 1 < segments {
            return Err(invalid("refused rows before the last segment"));
        }
        if buffers.slots() < slot + BUFFERS {
            return Err(invalid(format!(
                "{} buffers, at least {} expected",
                buffers.slots(),
                slot + BUFFERS
            )));
        }
        let segment = read_segment(buffers, slot, count(rows, "rows")?, flags == FLAG_REFUSED)?;
        for seq in &segment.seq {
            match usize::try_from(*seq).ok().and_then(|seq| seen.get_mut(seq)) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(invalid(format!("seq {seq} of {records} records, out of range or twice"))),
            }
        }
        read.push(segment);
        slot += BUFFERS;
    }
    if buffers.slots() != slot {
        return Err(invalid(format!("{} buffers, {slot} expected", buffers.slots())));
    }
    Ok(read)
}

fn read_segment(buffers: &mut impl Buffers, slot: usize, rows: usize, refused: bool) -> Result<Segment> {
    let seq = buffers.ints(slot, rows)?;
    let partitions = buffers.ints(slot + 1, rows)?;
    let offsets = buffers.longs(slot + 2, rows)?;
    if !seq.is_sorted() {
        return Err(invalid("seq is not ascending in a segment"));
    }
    if let Some(offset) = offsets.iter().find(|offset| !(0..i64::MAX).contains(*offset)) {
        return Err(invalid(format!("Kafka offset {offset}")));
    }
    if refused {
        for slot in slot + 3..slot + BUFFERS {
            if !buffers.is_null(slot)? {
                return Err(invalid("a refused row with a value"));
            }
        }
        return Ok(Segment {
            seq,
            partitions,
            offsets,
            refused: true,
            extras: Extras::default(),
            key: Payload::Absent,
            value: Payload::Absent,
        });
    }
    let validity = match buffers.is_null(slot + 3)? {
        true => None,
        false => Some(buffers.longs(slot + 3, rows.div_ceil(64))?),
    };
    let ends = buffers.ints(slot + 4, rows + 1)?;
    if ends[0] != 0 || !ends.is_sorted() {
        return Err(invalid("value offsets do not start at 0 or are not ascending"));
    }
    let data = buffers.bytes(slot + 5, ends[rows] as usize)?;
    let valid = validity.map(|words| {
        let bits = Buffer::from_vec(words);
        NullBuffer::new(BooleanBuffer::new(bits, 0, rows))
    });
    let values = BinaryArray::try_new(OffsetBuffer::new(ends.into()), data.into(), valid)
        .map_err(|e| invalid(e.to_string()))?;
    Ok(Segment {
        seq,
        partitions,
        offsets,
        refused: false,
        extras: Extras::default(),
        key: Payload::Absent,
        value: Payload::Raw(values),
    })
}

/// Buffers in memory: for golden files, the fuzzer and drivers without a JVM.
#[derive(Debug, Clone, PartialEq)]
pub enum Slot {
    Null,
    Ints(Vec<i32>),
    Longs(Vec<i64>),
    Bytes(Vec<u8>),
}

impl Buffers for &[Slot] {
    fn slots(&self) -> usize {
        self.len()
    }

    fn is_null(&mut self, slot: usize) -> Result<bool> {
        Ok(matches!(self[slot], Slot::Null))
    }

    fn ints(&mut self, slot: usize, len: usize) -> Result<Vec<i32>> {
        match &self[slot] {
            Slot::Ints(all) => head(all, len),
            other => Err(invalid(format!("slot {slot} is {other:?}, not ints"))),
        }
    }

    fn longs(&mut self, slot: usize, len: usize) -> Result<Vec<i64>> {
        match &self[slot] {
            Slot::Longs(all) => head(all, len),
            other => Err(invalid(format!("slot {slot} is {other:?}, not longs"))),
        }
    }

    fn bytes(&mut self, slot: usize, len: usize) -> Result<Vec<u8>> {
        match &self[slot] {
            Slot::Bytes(all) => head(all, len),
            other => Err(invalid(format!("slot {slot} is {other:?}, not bytes"))),
        }
    }
}

fn head<T: Clone>(all: &[T], len: usize) -> Result<Vec<T>> {
    all.get(..len)
        .map(<[T]>::to_vec)
        .ok_or_else(|| invalid(format!("{} elements, {len} expected", all.len())))
}

/// Buffers of one raw segment, as Java encodes it: for drivers without a JVM.
pub fn encode_raw<'a>(rows: impl IntoIterator<Item = (i32, i64, Option<&'a [u8]>)>) -> (Vec<i32>, Vec<Slot>) {
    let (mut partitions, mut offsets, mut ends, mut data) = (vec![], vec![], vec![0], vec![]);
    let mut validity = Vec::new();
    for (row, (partition, offset, value)) in rows.into_iter().enumerate() {
        partitions.push(partition);
        offsets.push(offset);
        if row & 63 == 0 {
            validity.push(0i64);
        }
        if let Some(value) = value {
            validity[row >> 6] |= 1 << (row & 63);
            data.extend_from_slice(value);
        }
        ends.push(data.len() as i32);
    }
    let rows = partitions.len() as i32;
    let meta =
        vec![MAGIC, CROSSING_VERSION, 1, rows, SCHEMA_ABSENT, SCHEMA_RAW_BYTES, rows, BUFFERS as i32, 0];
    let buffers = vec![
        Slot::Ints((0..rows).collect()),
        Slot::Ints(partitions),
        Slot::Longs(offsets),
        Slot::Longs(validity),
        Slot::Ints(ends),
        Slot::Bytes(data),
    ];
    (meta, buffers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(segment: &Segment, row: usize) -> Option<&[u8]> {
        let Payload::Raw(values) = &segment.value else { panic!("{segment:?}") };
        values.is_valid(row).then(|| values.value(row))
    }

    fn read(meta: &[i32], buffers: &[Slot]) -> Result<Vec<Segment>> {
        read_batch(meta, &mut &buffers[..])
    }

    #[test]
    fn a_batch_is_read_as_it_was_encoded() {
        let rows = [(0, 5, Some(&b"{}"[..])), (1, 9, None), (0, 6, Some(&b""[..]))];
        let (meta, buffers) = encode_raw(rows);
        let segments = read(&meta, &buffers).unwrap();
        let segment = &segments[0];
        let got: Vec<_> =
            (0..3).map(|row| (segment.partitions[row], segment.offsets[row], value(segment, row))).collect();
        assert_eq!(got, rows);
    }

    #[test]
    fn an_empty_put_has_no_segment() {
        assert_eq!(read(&[MAGIC, CROSSING_VERSION, 0, 0], &[]), Ok(vec![]));
    }

    /// Every single broken field is refused: nothing that Java could send wrongly gets as far as an index.
    #[test]
    fn broken_batches_are_refused() {
        let (meta, buffers) = encode_raw([(0, 5, Some(&b"{}"[..])), (1, 9, None)]);
        type Break = fn(&mut Vec<i32>, &mut Vec<Slot>);
        let breaks: [(&str, Break); 14] = [
            ("magic", |m, _| m[0] = 1),
            ("version", |m, _| m[1] = 99),
            ("too many segments", |m, _| m[2] = 2),
            ("negative records", |m, _| m[3] = -1),
            ("fewer records than seq", |m, _| m[3] = 1),
            ("unknown key schema", |m, _| m[4] = 1),
            ("negative rows", |m, _| m[6] = -2),
            ("huge rows", |m, _| m[6] = i32::MAX),
            ("more rows than arrays hold", |m, _| m[6] = 3),
            ("unknown flag", |m, _| m[8] = 2),
            ("a buffer is missing", |_, b| drop(b.pop())),
            ("a buffer too many", |_, b| b.push(Slot::Null)),
            ("descending value offsets", |_, b| b[4] = Slot::Ints(vec![0, 2, 1])),
            ("value offsets past the data", |_, b| b[4] = Slot::Ints(vec![0, 2, 900])),
        ];
        for (what, apply) in breaks {
            let (mut meta, mut buffers) = (meta.clone(), buffers.clone());
            apply(&mut meta, &mut buffers);
            assert_eq!(read(&meta, &buffers).unwrap_err().code, Code::CrossingInvalid, "{what}");
        }
        for (slot, wrong) in [
            (0, Slot::Ints(vec![0, 0])),
            (0, Slot::Ints(vec![1, 0])),
            (1, Slot::Longs(vec![0, 0])),
            (2, Slot::Longs(vec![5, -1])),
            (2, Slot::Null),
            (3, Slot::Longs(vec![])),
            (5, Slot::Bytes(vec![1])),
        ] {
            let mut buffers = buffers.clone();
            buffers[slot] = wrong;
            assert!(read(&meta, &buffers).is_err(), "slot {slot}");
        }
    }

    #[test]
    fn rows_that_java_refused_have_no_value() {
        let (mut meta, mut buffers) = encode_raw([(0, 5, Some(&b"{}"[..]))]);
        meta[8] = FLAG_REFUSED;
        assert!(read(&meta, &buffers).is_err(), "a value is not allowed");
        buffers[3..].fill(Slot::Null);
        let segments = read(&meta, &buffers).unwrap();
        assert!(segments[0].refused && segments[0].is_null(0));

        // Only the last segment may be of that kind.
        meta.extend_from_within(HEADER..);
        (meta[2], meta[3]) = (2, 2);
        buffers.extend_from_within(..);
        buffers[BUFFERS] = Slot::Ints(vec![1]);
        assert!(read(&meta, &buffers).is_err());
    }
}
