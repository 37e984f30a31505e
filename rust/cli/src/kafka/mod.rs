//! As much of a Kafka client as the audit needs: which offsets of a partition hold a record that a consumer with
//! `isolation.level=read_committed` sees. It speaks the oldest versions of each request that Kafka 4 still takes, so brokers from
//! 2.3 on. Why none of the existing clients: `docs/adr/0010-own-kafka-reader-for-the-audit.md`.

mod api;
mod batches;
mod client;
mod compression;
mod connection;
mod properties;
mod sasl;
mod tls;
mod wire;

pub use batches::Seen;
pub use client::{Client, Ends};
pub use properties::Security;

/// A text for people; the caller knows which broker or topic it is about.
pub type Result<T> = std::result::Result<T, String>;
