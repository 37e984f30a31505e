//! Which offsets of a fetched piece of a partition hold a record that a `read_committed` consumer sees.

use std::collections::HashSet;

use roaring::RoaringTreemap;
use sluice_delta::audit::between;

use super::Result;
use super::compression::decompress;
use super::wire::Reader;

/// Base offset and length, which are before what the length counts.
const PREFIX: usize = 12;
/// The format since Kafka 0.11.
const MAGIC: i8 = 2;
const COMPRESSION: i16 = 0b111;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// A transaction that was aborted: whose, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aborted {
    pub producer: i64,
    pub first_offset: i64,
}

/// What was seen of a partition. A bit for each offset, and less where all are alike.
#[derive(Debug, Default)]
pub struct Seen {
    /// Offsets with a record.
    pub records: RoaringTreemap,
    /// Those whose record has no value.
    pub tombstones: RoaringTreemap,
    /// Offsets of aborted transactions and of control records.
    pub hidden: RoaringTreemap,
}

impl Seen {
    /// Offsets of `from..to` of which Kafka has nothing any more: compacted away.
    pub fn holes(&self, from: i64, to: i64) -> u64 {
        let there = between(&self.records, from, to) + between(&self.hidden, from, to);
        ((to - from).max(0) as u64).saturating_sub(there)
    }
}

/// Takes in the batches of one fetch, from the offset that was asked for. Gives the next offset to fetch; none when there was
/// no whole batch.
pub fn take_in(
    seen: &mut Seen,
    records: &[u8],
    asked: i64,
    mut aborted: Vec<Aborted>,
) -> Result<Option<i64>> {
    aborted.sort_unstable_by_key(|aborted| std::cmp::Reverse(aborted.first_offset));
    let mut aborting: HashSet<i64> = HashSet::new();
    let mut next = None;
    let mut rest = Reader(records);
    while let Some(mut batch) = whole_batch(&mut rest)? {
        let base = batch.i64()?;
        let _length = batch.i32()?;
        let _epoch = batch.i32()?;
        let magic = batch.i8()?;
        if magic != MAGIC {
            return Err(format!("a batch at offset {base} has format {magic}, from before Kafka 0.11"));
        }
        let _crc = batch.u32()?;
        let attributes = batch.i16()?;
        let last = base.saturating_add(batch.i32()?.into());
        let _timestamps = (batch.i64()?, batch.i64()?);
        let producer = batch.i64()?;
        let _producer_epoch = batch.i16()?;
        let _sequence = batch.i32()?;
        let count = batch.i32()?;
        while aborted.last().is_some_and(|aborted| aborted.first_offset <= last) {
            aborting.extend(aborted.pop().map(|aborted| aborted.producer));
        }
        let hidden =
            attributes & CONTROL != 0 || attributes & TRANSACTIONAL != 0 && aborting.contains(&producer);
        let body = decompress(attributes & COMPRESSION, batch.0)?;
        let mut body = Reader(&body);
        for _ in 0..count {
            let record = record(&mut body)?;
            let offset = base.saturating_add(record.offset);
            if attributes & CONTROL != 0 && record.key == ABORT {
                aborting.remove(&producer);
            }
            let Some(place) = u64::try_from(offset).ok().filter(|_| offset >= asked) else { continue };
            match hidden {
                true => seen.hidden.insert(place),
                false => seen.records.insert(place),
            };
            if !hidden && record.tombstone {
                seen.tombstones.insert(place);
            }
        }
        next = Some(last.saturating_add(1));
    }
    Ok(next)
}

/// None at the end, and at a batch that the broker cut off.
fn whole_batch<'a>(rest: &mut Reader<'a>) -> Result<Option<Reader<'a>>> {
    if rest.0.len() < PREFIX {
        return Ok(None);
    }
    let length = Reader(&rest.0[8..]).i32()?;
    let length = PREFIX + usize::try_from(length).map_err(|_| format!("a batch has {length} bytes"))?;
    match length <= rest.0.len() {
        true => rest.take(length).map(|batch| Some(Reader(batch))),
        false => Ok(None),
    }
}

/// The key of a control record: version 0, type 0.
const ABORT: Option<&[u8]> = Some(&[0, 0, 0, 0]);

struct Record<'a> {
    offset: i64,
    key: Option<&'a [u8]>,
    tombstone: bool,
}

fn record<'a>(body: &mut Reader<'a>) -> Result<Record<'a>> {
    let length = body.varint()?;
    let length = usize::try_from(length).map_err(|_| format!("a record has {length} bytes"))?;
    let mut record = Reader(body.take(length)?);
    let _attributes = record.i8()?;
    let _timestamp = record.varint()?;
    let offset = record.varint()?;
    let key = usize::try_from(record.varint()?).ok().map(|length| record.take(length)).transpose()?;
    let tombstone = record.varint()? < 0;
    Ok(Record { offset, key, tombstone })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(out: &mut Vec<u8>, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest > 0x7f {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    /// A batch of records as a broker sends it: each with its distance from `base`, its key, and whether it is a tombstone.
    fn batch(
        base: i64,
        last: i32,
        attributes: i16,
        producer: i64,
        records: &[(i64, &[u8], bool)],
    ) -> Vec<u8> {
        let mut body = Vec::new();
        for (distance, key, tombstone) in records {
            let mut record = vec![0];
            varint(&mut record, 0);
            varint(&mut record, *distance);
            varint(&mut record, key.len() as i64);
            record.extend(*key);
            match tombstone {
                true => varint(&mut record, -1),
                false => {
                    varint(&mut record, 1);
                    record.push(b'v');
                }
            }
            varint(&mut record, 0);
            varint(&mut body, record.len() as i64);
            body.extend(record);
        }
        if attributes & COMPRESSION == 4 {
            body = zstd::encode_all(&body[..], 1).unwrap();
        }
        let mut out = super::super::wire::Writer::default();
        out.i64(base).i32(body.len() as i32 + 49).i32(0).i8(MAGIC).i32(0).i16(attributes).i32(last);
        out.i64(0).i64(0).i64(producer).i16(0).i32(0).i32(records.len() as i32);
        out.0.extend(body);
        out.0
    }

    fn offsets(set: &RoaringTreemap) -> Vec<u64> {
        set.iter().collect()
    }

    const VALUE: &[u8] = b"k";

    #[test]
    fn plain_records_tombstones_and_compaction_gaps() {
        let mut seen = Seen::default();
        let mut fetched = batch(10, 4, 4, -1, &[(0, VALUE, false), (3, VALUE, true), (4, VALUE, false)]);
        fetched.extend(batch(20, 0, 0, -1, &[(0, VALUE, false)]));
        let cut = batch(21, 0, 0, -1, &[(0, VALUE, false)]);
        fetched.extend(&cut[..cut.len() - 1]);
        assert_eq!(take_in(&mut seen, &fetched, 11, vec![]), Ok(Some(21)));
        assert_eq!(offsets(&seen.records), [13, 14, 20], "10 is before what was asked for");
        assert_eq!(offsets(&seen.tombstones), [13]);
        assert_eq!(seen.holes(11, 21), 7);
        assert_eq!(between(&seen.records, 14, 20), 1);
        assert_eq!(take_in(&mut seen, &cut[..30], 21, vec![]), Ok(None));
    }

    /// As Kafka's consumer has it: an aborted transaction hides its producer's records up to its marker, and no others.
    #[test]
    fn aborted_transactions_and_markers_are_hidden() {
        let (abort, commit): (&[u8], &[u8]) = (&[0, 0, 0, 0], &[0, 0, 0, 1]);
        let both = TRANSACTIONAL | CONTROL;
        let mut fetched = batch(0, 0, TRANSACTIONAL, 7, &[(0, VALUE, false)]);
        fetched.extend(batch(1, 0, TRANSACTIONAL, 8, &[(0, VALUE, false)]));
        fetched.extend(batch(2, 0, 0, -1, &[(0, VALUE, false)]));
        fetched.extend(batch(3, 0, both, 7, &[(0, abort, false)]));
        fetched.extend(batch(4, 0, both, 8, &[(0, commit, false)]));
        fetched.extend(batch(5, 0, TRANSACTIONAL, 7, &[(0, VALUE, false)]));
        fetched.extend(batch(6, 0, both, 7, &[(0, commit, false)]));
        let mut seen = Seen::default();
        let aborted = vec![Aborted { producer: 7, first_offset: 0 }];
        assert_eq!(take_in(&mut seen, &fetched, 0, aborted), Ok(Some(7)));
        assert_eq!(offsets(&seen.records), [1, 2, 5]);
        assert_eq!(offsets(&seen.hidden), [0, 3, 4, 6]);
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let whole = batch(0, 0, 0, -1, &[(0, VALUE, false)]);
        for position in 12..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 0xff;
            let _ = take_in(&mut Seen::default(), &damaged, 0, vec![]);
        }
        let mut old = whole;
        old[16] = 1;
        assert!(take_in(&mut Seen::default(), &old, 0, vec![]).unwrap_err().contains("format 1"));
    }
}
