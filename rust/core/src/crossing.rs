//! The batch that `put` hands over, checked before anything of it is used. Layout: `docs/crossing.md`.

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

/// Rows in arrival order. Checked: all vectors have one length, offsets are ascending and inside `data`.
#[derive(Debug, PartialEq)]
pub struct Segment {
    pub seq: Vec<i32>,
    pub partitions: Vec<i32>,
    pub offsets: Vec<i64>,
    pub values: Values,
}

#[derive(Debug, PartialEq)]
pub enum Values {
    /// Java refused these rows and reports them itself.
    Refused,
    Raw {
        validity: Option<Vec<i64>>,
        ends: Vec<i32>,
        data: Vec<u8>,
    },
}

impl Segment {
    pub fn rows(&self) -> usize {
        self.seq.len()
    }

    /// The bytes of a row; none for a tombstone and for a row that Java refused.
    pub fn value(&self, row: usize) -> Option<&[u8]> {
        let Values::Raw { validity, ends, data } = &self.values else { return None };
        let valid = validity.as_ref().is_none_or(|words| words[row >> 6] >> (row & 63) & 1 == 1);
        valid.then(|| &data[ends[row] as usize..ends[row + 1] as usize])
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
        return Ok(Segment { seq, partitions, offsets, values: Values::Refused });
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
    Ok(Segment { seq, partitions, offsets, values: Values::Raw { validity, ends, data } })
}

/// Buffers in memory: for golden files, the fuzzer and drivers without a JVM.
#[derive(Debug, Clone, PartialEq)]
pub enum Buffer {
    Null,
    Ints(Vec<i32>),
    Longs(Vec<i64>),
    Bytes(Vec<u8>),
}

impl Buffers for &[Buffer] {
    fn slots(&self) -> usize {
        self.len()
    }

    fn is_null(&mut self, slot: usize) -> Result<bool> {
        Ok(matches!(self[slot], Buffer::Null))
    }

    fn ints(&mut self, slot: usize, len: usize) -> Result<Vec<i32>> {
        match &self[slot] {
            Buffer::Ints(all) => head(all, len),
            other => Err(invalid(format!("slot {slot} is {other:?}, not ints"))),
        }
    }

    fn longs(&mut self, slot: usize, len: usize) -> Result<Vec<i64>> {
        match &self[slot] {
            Buffer::Longs(all) => head(all, len),
            other => Err(invalid(format!("slot {slot} is {other:?}, not longs"))),
        }
    }

    fn bytes(&mut self, slot: usize, len: usize) -> Result<Vec<u8>> {
        match &self[slot] {
            Buffer::Bytes(all) => head(all, len),
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
pub fn encode_raw<'a>(
    rows: impl IntoIterator<Item = (i32, i64, Option<&'a [u8]>)>,
) -> (Vec<i32>, Vec<Buffer>) {
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
        Buffer::Ints((0..rows).collect()),
        Buffer::Ints(partitions),
        Buffer::Longs(offsets),
        Buffer::Longs(validity),
        Buffer::Ints(ends),
        Buffer::Bytes(data),
    ];
    (meta, buffers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(meta: &[i32], buffers: &[Buffer]) -> Result<Vec<Segment>> {
        read_batch(meta, &mut &buffers[..])
    }

    #[test]
    fn a_batch_is_read_as_it_was_encoded() {
        let rows = [(0, 5, Some(&b"{}"[..])), (1, 9, None), (0, 6, Some(&b""[..]))];
        let (meta, buffers) = encode_raw(rows);
        let segments = read(&meta, &buffers).unwrap();
        let segment = &segments[0];
        let got: Vec<_> =
            (0..3).map(|row| (segment.partitions[row], segment.offsets[row], segment.value(row))).collect();
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
        type Break = fn(&mut Vec<i32>, &mut Vec<Buffer>);
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
            ("a buffer too many", |_, b| b.push(Buffer::Null)),
            ("descending value offsets", |_, b| b[4] = Buffer::Ints(vec![0, 2, 1])),
            ("value offsets past the data", |_, b| b[4] = Buffer::Ints(vec![0, 2, 900])),
        ];
        for (what, apply) in breaks {
            let (mut meta, mut buffers) = (meta.clone(), buffers.clone());
            apply(&mut meta, &mut buffers);
            assert_eq!(read(&meta, &buffers).unwrap_err().code, Code::CrossingInvalid, "{what}");
        }
        for (slot, wrong) in [
            (0, Buffer::Ints(vec![0, 0])),
            (0, Buffer::Ints(vec![1, 0])),
            (1, Buffer::Longs(vec![0, 0])),
            (2, Buffer::Longs(vec![5, -1])),
            (2, Buffer::Null),
            (3, Buffer::Longs(vec![])),
            (5, Buffer::Bytes(vec![1])),
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
        buffers[3..].fill(Buffer::Null);
        let segments = read(&meta, &buffers).unwrap();
        assert_eq!(segments[0].values, Values::Refused);
        assert_eq!(segments[0].value(0), None);

        // Only the last segment may be of that kind.
        meta.extend_from_within(HEADER..);
        (meta[2], meta[3]) = (2, 2);
        buffers.extend_from_within(..);
        buffers[BUFFERS] = Buffer::Ints(vec![1]);
        assert!(read(&meta, &buffers).is_err());
    }
}
