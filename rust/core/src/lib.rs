//! The core of Sluice: everything between a batch of records and a staged unit that needs neither I/O nor a JVM.

pub mod decode;
pub mod error;
pub mod crossing;
pub mod offsets;
pub mod task;
pub mod wire;
pub mod schema;
pub mod settings;

pub use error::{Class, Code, Error, Result};
