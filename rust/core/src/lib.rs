//! The core of Sluice: everything between a batch of records and a staged unit that needs neither I/O nor a JVM.

pub mod alter;
pub mod computed;
pub mod connect;
pub mod crossing;
pub mod decode;
pub mod error;
pub mod metrics;
pub mod offsets;
pub mod raw;
pub mod schema;
pub mod settings;
pub mod table;
pub mod task;
pub mod wire;

pub use error::{Class, Code, Error, Result};
