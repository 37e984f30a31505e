use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::components::Components;
use crate::error::{Context, Error, Result};
use crate::java::{kafka_jvm, kafka_tool, tail, write_logging};
use crate::leash::Leashed;

/// What to send. Records go to the partitions in turn.
#[derive(Debug, Clone)]
pub enum Produce {
    /// Generated events of about 350 bytes, with `demo_id` from `first` on.
    Generate { first: u64, count: u64 },
    /// The first generated events again and again, until it is killed: quicker than what is made anew.
    Repeated { events: u64 },
    /// Records that say their place: `{"id", "partition", "sequence", "text"}`, the sequence counted from 0 in each partition.
    /// Sent again for as long as it takes, so that no end of the broker ends the producer.
    Sequences { count: u64, partitions: u32 },
    /// The lines of a JSON-lines file, each given a first field `demo_id` counted from 0.
    Numbered(PathBuf),
    /// The lines of a file as they are; an empty line is a tombstone.
    Lines(PathBuf),
    /// So many records of a file, again and again: any bytes, with their length before them in four, big-endian.
    Framed { file: PathBuf, count: u64 },
}

/// Writes the first `count` generated events into `folder/events.jsonl`, one a line.
pub fn write_events(components: &Components, folder: &Path, count: u64) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).at(folder)?;
    let file = folder.join("events.jsonl");
    kafka_tool(components, folder, "WriteEvents", &[&file.display().to_string(), &count.to_string()])?;
    Ok(file)
}

/// One of the records that were sent, as the broker has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub partition: u32,
    pub offset: i64,
    /// The record's timestamp: when it was given to the producer, in ms since the epoch.
    pub timestamp: i64,
}

/// A running producer (`tests/tools/Produce.java`). Dropping it kills it.
pub struct Producer {
    process: Leashed,
    acknowledged: Arc<AtomicU64>,
    by_partition: Arc<Mutex<Vec<u64>>>,
    sample: Arc<Mutex<Vec<Sent>>>,
    done: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Producer {
    /// `rate` is in records per second; `None` as fast as it goes. Logs into `folder`. `topic` may be several, `a,b,c`, with as many
    /// partitions each: records go to them in turn.
    pub fn start(
        components: &Components,
        bootstrap: &str,
        folder: &Path,
        topic: &str,
        what: &Produce,
        rate: Option<u64>,
    ) -> Result<Self> {
        std::fs::create_dir_all(folder).at(folder)?;
        let logging = folder.join("log4j2.properties");
        write_logging(&logging, "error")?;
        let mut java = kafka_jvm(components, &logging, "384m");
        java.args(["Produce", bootstrap, topic]);
        match what {
            Produce::Generate { first, count } => {
                java.args(["generate", &first.to_string(), &count.to_string()]);
            }
            Produce::Repeated { events } => {
                java.args(["repeated", &events.to_string()]);
            }
            Produce::Sequences { count, partitions } => {
                java.args(["sequences", &count.to_string(), &partitions.to_string()]);
            }
            Produce::Numbered(file) => {
                java.arg("numbered").arg(file);
            }
            Produce::Lines(file) => {
                java.arg("lines").arg(file);
            }
            Produce::Framed { file, count } => {
                java.arg("framed").arg(file).arg(count.to_string());
            }
        }
        java.args(rate.map(|rate| rate.to_string()));
        let (process, output) = Leashed::spawn_piped(&java, &folder.join("producer.log"))?;
        let acknowledged = Arc::new(AtomicU64::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let by_partition = Arc::new(Mutex::new(Vec::new()));
        let sample = Arc::new(Mutex::new(Vec::new()));
        let reader = {
            let (acknowledged, by_partition, sample, done) =
                (acknowledged.clone(), by_partition.clone(), sample.clone(), done.clone());
            std::thread::spawn(move || {
                for line in output.lines().map_while(|line| line.ok()) {
                    if let Some(counts) = line.strip_prefix("partitions ") {
                        let counts = counts.split(',').filter_map(|count| count.parse().ok()).collect();
                        *by_partition.lock().unwrap_or_else(PoisonError::into_inner) = counts;
                    } else if let Some(sent) = line.strip_prefix("sent ").and_then(sent) {
                        sample.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
                    } else if let Some((word, count)) = line.split_once(' ')
                        && let Ok(count) = count.parse()
                    {
                        acknowledged.store(count, Ordering::Relaxed);
                        done.store(word == "done", Ordering::Relaxed);
                    }
                }
            })
        };
        Ok(Producer { process, acknowledged, by_partition, sample, done, reader: Some(reader) })
    }

    /// Records that the broker has acknowledged so far; at most half a second old.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// What was acknowledged of each partition; empty while it runs.
    pub fn by_partition(&self) -> Vec<u64> {
        self.by_partition.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those of one in about a thousand records that have been acknowledged since this was last asked.
    pub fn take_sample(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sample.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// To pause, resume or kill it.
    pub fn process(&mut self) -> &mut Leashed {
        &mut self.process
    }

    /// The number of all records once the producer has ended well; `None` while it runs.
    pub fn finished(&mut self) -> Result<Option<u64>> {
        if self.process.is_running() {
            return Ok(None);
        }
        if let Some(reader) = self.reader.take() {
            reader.join().map_err(|_| Error::new("the producer's output could not be read"))?;
        }
        if self.done.load(Ordering::Relaxed) {
            return Ok(Some(self.acknowledged()));
        }
        let log = self.process.log();
        Err(Error::new(format!("the producer failed; {}:\n{}", log.display(), tail(log, 20))))
    }

    /// Waits for the end and gives the number of records.
    pub fn wait(&mut self, patience: Duration) -> Result<u64> {
        crate::wait_for("the producer", patience, || self.finished())
    }
}

/// `partition offset timestamp`
fn sent(line: &str) -> Option<Sent> {
    let mut numbers = line.split(' ');
    let partition = numbers.next()?.parse().ok()?;
    let (offset, timestamp) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    Some(Sent { partition, offset, timestamp })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_was_sent_is_read() {
        assert_eq!(
            sent("3 70 1700000000000"),
            Some(Sent { partition: 3, offset: 70, timestamp: 1_700_000_000_000 })
        );
        assert_eq!(sent("3 70"), None);
    }
}
