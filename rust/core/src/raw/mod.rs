//! What stands around a raw value in Kafka: its compression.

pub mod compression;
