//! What the fuzzer feeds with arbitrary bytes. The same functions run as an ordinary test over damaged valid inputs:
//! `rust/core/tests/damaged_inputs.rs`.

pub mod crossing;
pub mod formats;
pub mod golden;
pub mod json;
pub mod messages;
pub mod table;
pub mod written;
