//! Real components for tests and for `cargo xtask demo`: a Kafka broker, Connect workers, a producer, an independent Delta
//! reader, object stores, DynamoDB and a schema registry, each a process of its own on 127.0.0.1 that cannot outlive whoever started it.
//!
//! ```no_run
//! # use sluice_testkit::{Broker, Components, Worker, WorkerOptions};
//! # use std::path::Path;
//! # fn main() -> sluice_testkit::Result<()> {
//! let components = Components::find()?;
//! let folder = Path::new("/tmp/example");
//! let broker = Broker::start(&components, &folder.join("broker"))?;
//! broker.create_topic("events", 4, &[])?;
//! let worker = Worker::start(&components, &broker.bootstrap(), &folder.join("worker"), &WorkerOptions::default())?;
//! # Ok(()) }
//! ```

mod azurite;
mod broker;
mod components;
mod connect;
mod dynamodb;
mod error;
mod java;
mod leash;
mod mbeans;
mod ports;
mod post;
mod produce;
mod proxy;
mod read;
mod registry;
mod s3_server;
mod secured;
mod serve;
mod table_log;
mod usage;
mod worker;

pub use azurite::Azurite;
pub use broker::{Broker, Record};
pub use components::{Components, cache_folder};
pub use connect::{Connect, ConnectorStatus, State};
pub use dynamodb::DynamoDb;
pub use error::{Context, Error, Result};
pub use java::{java_home_tool, tail};
pub use leash::Leashed;
pub use mbeans::{jmx_arguments, read_mbeans};
pub use ports::free_ports;
pub use produce::{Produce, Producer, Sent, write_events};
pub use proxy::{Fault, FaultProxy, Kind, Reply, Request, Seen};
pub use read::{Expected, SequencesRead, TableRead, read_rows, read_sequences, read_table};
pub use registry::SchemaRegistry;
pub use s3_server::{S3Options, S3Program, S3Server};
pub use secured::Secured;
pub use table_log::TableLog;
pub use usage::{
    Resident, SAY_HEAP_RANGE, compiler_seconds, cpu_seconds, descriptors, heap_range, peak_memory,
    resident_memory, thread_names, thread_seconds, threads,
};
pub use worker::{Worker, WorkerOptions};

use std::time::{Duration, Instant};

/// Asks every 100 ms until there is an answer; an error naming `what` after `patience`.
pub fn wait_for<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() > end {
            return Err(Error::new(format!("waited {} s in vain for {what}", patience.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
