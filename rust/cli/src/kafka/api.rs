//! The requests: metadata, the ends of a partition, and records.

use super::Result;
use super::batches::Aborted;
use super::connection::Connection;
use super::wire::{Reader, Writer};

const FETCH: (i16, i16) = (1, 11);
const LIST_OFFSETS: (i16, i16) = (2, 5);
const METADATA: (i16, i16) = (3, 5);

const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;
/// In place of a time: the end of the partition, and its start.
pub const LATEST: i64 = -1;
pub const EARLIEST: i64 = -2;

const FETCH_BYTES: i32 = 8 << 20;
const FETCH_WAIT_MS: i32 = 500;

/// An error that a broker answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(i16);

impl Code {
    pub const UNKNOWN_TOPIC: Code = Code(3);

    /// Its leader is another broker by now, or has none for the moment.
    pub fn passes(self) -> bool {
        matches!(self.0, 5 | 6 | 7 | 9 | 13 | 56 | 74 | 75 | 78)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            1 => f.write_str("the offset is out of range"),
            3 => f.write_str("there is no such topic or partition"),
            29 => f.write_str("access to the topic is denied (Describe and Read are needed)"),
            other => write!(f, "Kafka's error {other}"),
        }
    }
}

fn code(value: i16) -> std::result::Result<(), Code> {
    if value == 0 { Ok(()) } else { Err(Code(value)) }
}

#[derive(Debug)]
pub struct Topic {
    /// Broker id and address.
    pub brokers: Vec<(i32, String)>,
    /// Partition and its leader.
    pub partitions: std::result::Result<Vec<(i32, i32)>, Code>,
}

pub async fn metadata(connection: &mut Connection, topic: &str) -> Result<Topic> {
    let reply = connection.request(METADATA, |body| {
        // Not created by asking for it.
        body.i32(1).string(topic).i8(0);
    });
    let reply = reply.await?;
    let mut reply = Reader(&reply);
    let _throttle = reply.i32()?;
    let brokers = reply.list(|broker| {
        let (id, host, port) = (broker.i32()?, broker.string()?, broker.i32()?);
        let _rack = broker.nullable_string()?;
        Ok((id, format!("{host}:{port}")))
    })?;
    let _cluster = reply.nullable_string()?;
    let _controller = reply.i32()?;
    let topics = reply.list(|topic| {
        let found = code(topic.i16()?);
        let _name = topic.nullable_string()?;
        let _internal = topic.bool()?;
        let partitions = topic.list(|partition| {
            let _code = partition.i16()?;
            let (id, leader) = (partition.i32()?, partition.i32()?);
            for _replicas in 0..3 {
                partition.list(Reader::i32)?;
            }
            Ok((id, leader))
        })?;
        Ok(found.map(|()| partitions))
    })?;
    let partitions = topics.into_iter().next().ok_or("a reply without the topic")?;
    Ok(Topic { brokers, partitions })
}

/// One topic and one partition of it, as most requests and replies have it.
fn of_one(body: &mut Writer, topic: &str, partition: i32) {
    body.i32(1).string(topic).i32(1).i32(partition);
}

pub async fn list_offset(
    connection: &mut Connection,
    topic: &str,
    partition: i32,
    time: i64,
) -> Result<std::result::Result<i64, Code>> {
    let reply = connection.request(LIST_OFFSETS, |body| {
        body.i32(-1).i8(READ_UNCOMMITTED);
        of_one(body, topic, partition);
        body.i32(-1).i64(time);
    });
    let reply = reply.await?;
    let mut reply = Reader(&reply);
    let _throttle = reply.i32()?;
    let topics = reply.list(|topic| {
        let _name = topic.string()?;
        topic.list(|partition| {
            let (_id, found, _time, offset) =
                (partition.i32()?, code(partition.i16()?), partition.i64()?, partition.i64()?);
            let _epoch = partition.i32()?;
            Ok(found.map(|()| offset))
        })
    })?;
    Ok(topics.into_iter().flatten().next().ok_or("a reply without the partition")?)
}

pub struct Fetched {
    /// Up to where transactions are decided.
    pub stable: i64,
    pub aborted: Vec<Aborted>,
    pub records: Vec<u8>,
}

pub async fn fetch(
    connection: &mut Connection,
    topic: &str,
    partition: i32,
    from: i64,
) -> Result<std::result::Result<Fetched, Code>> {
    let reply = connection.request(FETCH, |body| {
        body.i32(-1).i32(FETCH_WAIT_MS).i32(1).i32(FETCH_BYTES).i8(READ_COMMITTED);
        // No session.
        body.i32(0).i32(-1);
        of_one(body, topic, partition);
        body.i32(-1).i64(from).i64(-1).i32(FETCH_BYTES);
        // Nothing to forget, no rack.
        body.i32(0).string("");
    });
    let reply = reply.await?;
    let mut reply = Reader(&reply);
    let _throttle = reply.i32()?;
    if let Err(refused) = code(reply.i16()?) {
        return Ok(Err(refused));
    }
    let _session = reply.i32()?;
    let topics = reply.list(|topic| {
        let _name = topic.string()?;
        topic.list(|partition| {
            let (_id, found) = (partition.i32()?, code(partition.i16()?));
            let (_high, stable, _start) = (partition.i64()?, partition.i64()?, partition.i64()?);
            let aborted = partition
                .list(|aborted| Ok(Aborted { producer: aborted.i64()?, first_offset: aborted.i64()? }))?;
            let _replica = partition.i32()?;
            let records = partition.bytes()?.to_vec();
            Ok(found.map(|()| Fetched { stable, aborted, records }))
        })
    })?;
    Ok(topics.into_iter().flatten().next().ok_or("a reply without the partition")?)
}
