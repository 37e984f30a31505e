//! Partitions by their leaders.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use super::Result;
use super::api::{self, Code};
use super::batches::{Seen, take_in};
use super::connection::Connection;
use super::properties::Security;

const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// First offset that is there, and the next that will be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    pub start: i64,
    pub end: i64,
}

pub struct Client {
    bootstrap: Vec<String>,
    security: Security,
    /// By address.
    connections: HashMap<String, Connection>,
    brokers: HashMap<i32, String>,
    /// By topic and partition.
    leaders: HashMap<(String, i32), i32>,
}

impl Client {
    pub fn new(bootstrap: &str, security: Security) -> Client {
        Client {
            bootstrap: bootstrap.split(',').map(|address| address.trim().to_owned()).collect(),
            security,
            connections: HashMap::new(),
            brokers: HashMap::new(),
            leaders: HashMap::new(),
        }
    }

    /// The topic's partitions; none: there is no such topic.
    pub async fn partitions(&mut self, topic: &str) -> Result<Option<Vec<i32>>> {
        let mut last = "no broker is given".to_owned();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            for address in self.bootstrap.clone() {
                match self.look_up(&address, topic).await {
                    Ok(Ok(partitions)) => return Ok(Some(partitions)),
                    Ok(Err(Code::UNKNOWN_TOPIC)) => return Ok(None),
                    Ok(Err(code)) if code.passes() => last = code.to_string(),
                    Ok(Err(code)) => return Err(format!("topic {topic}: {code}")),
                    // A wrong password does not become right.
                    Err(e) if self.connections.is_empty() && self.bootstrap.len() == 1 => return Err(e),
                    Err(e) => last = e,
                }
            }
        }
        Err(format!("topic {topic}: {last}"))
    }

    async fn look_up(&mut self, address: &str, topic: &str) -> Result<std::result::Result<Vec<i32>, Code>> {
        let connection = self.connection(address).await?;
        let found = match api::metadata(connection, topic).await {
            Ok(found) => found,
            Err(e) => {
                self.connections.remove(address);
                return Err(e);
            }
        };
        self.brokers.extend(found.brokers);
        Ok(found.partitions.map(|partitions| {
            let leaders = partitions.iter().map(|(id, leader)| ((topic.to_owned(), *id), *leader));
            self.leaders.extend(leaders);
            let mut ids: Vec<i32> = partitions.into_iter().map(|(id, _)| id).collect();
            ids.sort_unstable();
            ids
        }))
    }

    pub async fn ends(&mut self, topic: &str, partition: i32) -> Result<Ends> {
        let start = self.offset(topic, partition, api::EARLIEST).await?;
        let end = self.offset(topic, partition, api::LATEST).await?;
        Ok(Ends { start, end })
    }

    async fn offset(&mut self, topic: &str, partition: i32, time: i64) -> Result<i64> {
        let mut tries = Tries::new(topic, partition);
        loop {
            let answer = match self.leader(topic, partition).await {
                Ok(leader) => api::list_offset(leader, topic, partition, time).await,
                Err(e) => Err(e),
            };
            match answer {
                Ok(Ok(offset)) => return Ok(offset),
                failed => self.again(&mut tries, failed.map(|refused| refused.map(drop))).await?,
            }
        }
    }

    /// Reads what a `read_committed` consumer sees of `from..to`. Gives the offset up to which it has read: less than `to` where
    /// a transaction is not decided yet.
    pub async fn read(
        &mut self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
        seen: &mut Seen,
    ) -> Result<i64> {
        let (mut next, mut tries) = (from, Tries::new(topic, partition));
        while next < to {
            let answer = match self.leader(topic, partition).await {
                Ok(leader) => api::fetch(leader, topic, partition, next).await,
                Err(e) => Err(e),
            };
            match answer {
                Ok(Ok(fetched)) => {
                    let read = take_in(seen, &fetched.records, next, fetched.aborted)
                        .map_err(|e| format!("{topic}-{partition}: {e}"))?;
                    match read {
                        Some(read) => (next, tries) = (read.max(next), Tries::new(topic, partition)),
                        None if fetched.stable <= next => return Ok(next),
                        None => self.again(&mut tries, Err("no records come".to_owned())).await?,
                    }
                }
                failed => self.again(&mut tries, failed.map(|refused| refused.map(drop))).await?,
            }
        }
        Ok(next)
    }

    /// Waits before the next try; an error when there should be none.
    async fn again(
        &mut self,
        tries: &mut Tries<'_>,
        failed: Result<std::result::Result<(), Code>>,
    ) -> Result<()> {
        let why = match failed {
            Ok(Err(code)) if !code.passes() => return Err(tries.failed(&code.to_string())),
            Ok(Err(code)) => code.to_string(),
            Err(e) => e,
            Ok(Ok(())) => String::new(),
        };
        if tries.left == 0 {
            return Err(tries.failed(&why));
        }
        tries.left -= 1;
        self.connections.clear();
        tokio::time::sleep(BETWEEN_TRIES).await;
        self.partitions(tries.topic).await.map(drop)
    }

    async fn leader(&mut self, topic: &str, partition: i32) -> Result<&mut Connection> {
        let leader = self.leaders.get(&(topic.to_owned(), partition));
        let address = leader.and_then(|leader| self.brokers.get(leader)).cloned();
        let address = address.ok_or_else(|| "it has no leader".to_owned())?;
        self.connection(&address).await
    }

    async fn connection(&mut self, address: &str) -> Result<&mut Connection> {
        Ok(match self.connections.entry(address.to_owned()) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => place.insert(Connection::open(address, &self.security).await?),
        })
    }
}

/// How often a request of a partition is tried again.
struct Tries<'a> {
    topic: &'a str,
    partition: i32,
    left: u32,
}

impl<'a> Tries<'a> {
    fn new(topic: &'a str, partition: i32) -> Self {
        Tries { topic, partition, left: TRIES }
    }

    fn failed(&self, why: &str) -> String {
        format!("{}-{}: {why}", self.topic, self.partition)
    }
}
