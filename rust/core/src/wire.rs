//! The messages of `docs/crossing.md`, apart from the batch itself: little-endian, strings with a `u32` length.

use std::collections::BTreeMap;

use crate::error::{Class, Code, Error, Result};
use crate::metrics::Samples;
use crate::offsets::{Alteration, TopicPartition};

/// Both sides of the crossing carry this number; `init` refuses another.
pub const CROSSING_VERSION: i32 = 4;

/// Longest list or string that a request may announce; a larger count is a broken message, not a request.
const MAX_COUNT: u32 = 1 << 24;

pub struct Request<'a> {
    rest: &'a [u8],
}

impl<'a> Request<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Request { rest: bytes }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        if self.rest.len() < count {
            return Err(Error::new(Code::CrossingInvalid, "message ends early"));
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub fn flag(&mut self) -> Result<bool> {
        match self.u8()? {
            flag @ (0 | 1) => Ok(flag == 1),
            flag => Err(Error::new(Code::CrossingInvalid, format!("{flag} for yes or no"))),
        }
    }

    /// Keys and values.
    fn strings(&mut self) -> Result<BTreeMap<String, String>> {
        (0..self.count()?).map(|_| Ok((self.str()?.to_owned(), self.str()?.to_owned()))).collect()
    }

    pub fn count(&mut self) -> Result<usize> {
        match u32::from_le_bytes(self.array()?) {
            count if count <= MAX_COUNT => Ok(count as usize),
            count => Err(Error::new(Code::CrossingInvalid, format!("a count of {count}"))),
        }
    }

    pub fn str(&mut self) -> Result<&'a str> {
        let length = self.count()?;
        std::str::from_utf8(self.take(length)?)
            .map_err(|_| Error::new(Code::CrossingInvalid, "a string that is not UTF-8"))
    }

    pub fn end(self) -> Result<()> {
        match self.rest.len() {
            0 => Ok(()),
            n => Err(Error::new(Code::CrossingInvalid, format!("{n} bytes after the message's end"))),
        }
    }
}

/// What `start` is told.
#[derive(Debug, PartialEq)]
pub struct Start {
    pub has_reporter: bool,
    pub settings: BTreeMap<String, String>,
}

pub fn read_start(bytes: &[u8]) -> Result<Start> {
    let mut request = Request::new(bytes);
    let (has_reporter, settings) = (request.flag()?, request.strings()?);
    request.end()?;
    Ok(Start { has_reporter, settings })
}

/// What `alterOffsets` is told.
#[derive(Debug, PartialEq)]
pub struct Alter {
    pub settings: BTreeMap<String, String>,
    pub alterations: Vec<Alteration>,
}

pub fn read_alter(bytes: &[u8]) -> Result<Alter> {
    let mut request = Request::new(bytes);
    let settings = request.strings()?;
    let alterations = (0..request.count()?)
        .map(|_| {
            let partition = TopicPartition::new(request.str()?, request.i32()?);
            let to = match request.flag()? {
                true => Some(request.i64()?),
                false => None,
            };
            Ok(Alteration { partition, to })
        })
        .collect::<Result<_>>()?;
    request.end()?;
    Ok(Alter { settings, alterations })
}

/// The settings of a `validate`.
pub fn read_validate(bytes: &[u8]) -> Result<BTreeMap<String, String>> {
    let mut request = Request::new(bytes);
    let settings = request.strings()?;
    request.end()?;
    Ok(settings)
}

/// The newly assigned partitions of an `open`, each with the id that Java gave it.
pub fn read_open(bytes: &[u8]) -> Result<Vec<(i32, TopicPartition)>> {
    let mut request = Request::new(bytes);
    let assigned = (0..request.count()?)
        .map(|_| Ok((request.i32()?, TopicPartition::new(request.str()?, request.i32()?))))
        .collect::<Result<_>>()?;
    request.end()?;
    Ok(assigned)
}

/// A reply that starts with its status.
pub struct Reply {
    bytes: Vec<u8>,
}

impl Reply {
    pub fn ok() -> Self {
        Reply { bytes: vec![0] }
    }

    pub fn error(error: &Error) -> Self {
        let status = match error.code.class() {
            Class::Retriable => 1,
            Class::Record => 2,
            Class::Fatal => 3,
            Class::Config => 4,
        };
        Reply { bytes: vec![status] }.str(error.code.name()).str(&error.message)
    }

    pub fn u8(mut self, value: u8) -> Self {
        self.bytes.push(value);
        self
    }

    pub fn i32(mut self, value: i32) -> Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub fn i64(mut self, value: i64) -> Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub fn str(self, text: &str) -> Self {
        let mut reply = self.i32(text.len() as i32);
        reply.bytes.extend(text.as_bytes());
        reply
    }

    pub fn list<T>(self, items: impl ExactSizeIterator<Item = T>, put: impl Fn(Self, T) -> Self) -> Self {
        let reply = self.i32(items.len() as i32);
        items.fold(reply, put)
    }

    /// Each metric once, with all of its series.
    pub fn samples(self, samples: &Samples) -> Self {
        let metrics: Vec<_> = samples.0.chunk_by(|one, next| one.metric == next.metric).collect();
        self.list(metrics.into_iter(), |reply, series| {
            let metric = series[0].metric;
            let reply = reply.str(metric.name).str(metric.meaning);
            let reply = reply.list(metric.labels.iter(), |reply, label| reply.str(label));
            reply.list(series.iter(), |reply, sample| {
                sample.labels.iter().fold(reply, |reply, label| reply.str(label)).i64(sample.value)
            })
        })
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let reply = Reply::ok().i32(-5).str("größe").list([1, 2].into_iter(), |r, v| r.i64(v)).into_bytes();
        let mut request = Request::new(&reply);
        assert_eq!(request.u8(), Ok(0));
        assert_eq!(request.i32(), Ok(-5));
        assert_eq!(request.str(), Ok("größe"));
        assert_eq!(request.count(), Ok(2));
        assert!(request.end().is_err(), "sixteen bytes are left");
    }

    #[test]
    fn a_metric_stands_once_with_all_of_its_series() {
        use crate::metrics::{PAUSES, RECORDS};
        let mut samples = Samples::default();
        samples.add(&RECORDS, &[], 5);
        samples.add(&PAUSES, &["memory"], u64::MAX);
        samples.add(&PAUSES, &["loading"], 0);
        let reply = Reply::ok().samples(&samples).into_bytes();
        let mut read = Request::new(&reply[1..]);
        assert_eq!(read.count(), Ok(2));
        let mut metric = |name: &str, meaning, labels: &[&str], series: &[(&str, i64)]| {
            assert_eq!((read.str(), read.str()), (Ok(name), Ok(meaning)));
            assert_eq!(read.count(), Ok(labels.len()));
            labels.iter().for_each(|label| assert_eq!(read.str(), Ok(*label)));
            assert_eq!(read.count(), Ok(series.len()));
            for (label, value) in series {
                if !labels.is_empty() {
                    assert_eq!(read.str(), Ok(*label));
                }
                assert_eq!(read.i64(), Ok(*value));
            }
        };
        metric("sluice-records-total", RECORDS.meaning, &[], &[("", 5)]);
        metric("sluice-pauses-total", PAUSES.meaning, &["reason"], &[("memory", i64::MAX), ("loading", 0)]);
        assert_eq!(read.end(), Ok(()));
    }

    #[test]
    fn alterations_are_read_with_and_without_offset() {
        let request = Reply { bytes: vec![] }.i32(1).str("name").str("k").i32(2);
        let request = request.str("t").i32(3).u8(1).i64(7).str("ü").i32(0).u8(0).into_bytes();
        let altered =
            |topic: &str, partition, to| Alteration { partition: TopicPartition::new(topic, partition), to };
        let read = read_alter(&request).unwrap();
        assert_eq!(read.alterations, [altered("t", 3, Some(7)), altered("ü", 0, None)]);
        assert_eq!(read.settings["name"], "k");
        assert!((0..request.len()).all(|length| read_alter(&request[..length]).is_err()));
    }

    #[test]
    fn broken_requests_are_refused() {
        assert!(Request::new(&[1, 0, 0]).i32().is_err());
        assert!(Request::new(&[255, 255, 255, 255]).str().is_err());
        assert!(Request::new(&[2, 0, 0, 0, 0xff, 0xfe]).str().is_err());
    }

    #[test]
    fn an_error_carries_its_class() {
        let bytes = Reply::error(&Error::new(Code::Busy, "full")).into_bytes();
        let mut reply = Request::new(&bytes);
        assert_eq!((reply.u8(), reply.str(), reply.str()), (Ok(1), Ok("BUSY"), Ok("full")));
    }
}
