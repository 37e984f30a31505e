//! From the bytes of a record's value to a row of Arrow columns.

pub mod json;

pub use json::{RowError, UnknownFieldCounts};
