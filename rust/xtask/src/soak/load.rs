//! What the sink is given: as much as it takes, or a rate.

use std::path::Path;

use sluice_testkit::{Broker, Components, Error, Produce, Producer, Result, Sent};

use super::{PARTITIONS, TOPIC};

/// Records that wait in the topic, of which the producer is held above the one and goes on below the other: some seconds of full
/// load. Reading never stops for want of records, and the topic never gets ahead by more than its retention.
const MANY: u64 = 4_000_000;
const FEW: u64 = 2_500_000;

/// More than a task has in a file, so that it does not compress any better for being repeated, and no multiple of the partitions.
const EVENTS: u64 = 200_003;

/// Bytes that each partition keeps: at least three times of what can wait in it, as events have 350 bytes before compression.
const RETENTION: u64 = 384 << 20;
const SEGMENT: u64 = 32 << 20;

pub fn create_topic(broker: &Broker) -> Result<()> {
    let (retention, segment) = (RETENTION.to_string(), SEGMENT.to_string());
    let settings =
        [("retention.bytes", &*retention), ("segment.bytes", &segment), ("file.delete.delay.ms", "1000")];
    broker.create_topic(TOPIC, PARTITIONS, &settings)
}

pub struct Load {
    producer: Producer,
    /// Records in the topic before this producer's.
    before: u64,
    /// As fast as the sink reads.
    full: bool,
    held: bool,
}

impl Load {
    /// Sends until it is dropped; with a rate, so many a second.
    pub fn start(
        components: &Components,
        broker: &Broker,
        folder: &Path,
        rate: Option<u64>,
        before: u64,
    ) -> Result<Self> {
        let what = Produce::Repeated { events: EVENTS };
        let producer = Producer::start(components, &broker.bootstrap(), folder, TOPIC, &what, rate)?;
        Ok(Load { producer, before, full: rate.is_none(), held: false })
    }

    /// Records in the topic, at most half a second ago.
    pub fn sent(&self) -> u64 {
        self.before + self.producer.acknowledged()
    }

    pub fn take_sample(&self) -> Vec<Sent> {
        self.producer.take_sample()
    }

    /// Holds the producer and lets it go on; an error when it has ended. `rows` are in the table.
    pub fn pace(&mut self, rows: u64) -> Result<()> {
        if self.producer.finished()?.is_some() {
            return Err(Error::new("the producer ended before its time"));
        }
        let waiting = self.sent().saturating_sub(rows);
        if self.full && !self.held && waiting > MANY {
            self.producer.process().pause()?;
            self.held = true;
        } else if self.held && waiting < FEW {
            self.producer.process().resume()?;
            self.held = false;
        }
        Ok(())
    }
}
