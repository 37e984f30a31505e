//! Object stores, Parquet files and the Delta log.

mod actions;
mod alter;
pub mod audit;
pub mod budget;
mod coming;
mod commit;
mod create;
mod dictionary;
mod encoders;
mod evolve;
pub mod fail_point;
mod features;
mod handle;
mod hub;
pub mod inspect;
mod kernel;
mod known;
mod landed;
mod log;
pub mod maintain;
mod mapping;
mod measure;
mod open_file;
mod outage;
mod partition;
mod physical;
#[cfg(test)]
mod readback;
mod serve;
mod stats;
pub mod store;
mod table;
mod tip;
mod unit;
pub mod world;
mod writer;

pub use create::creatable;
pub use hub::{BLOCKING_THREADS, Hub, Stores, TaskTables};
pub use table::Spec;
pub use unit::StagedFile;
pub use writer::UnitWriter;

/// Written into each commit and file.
pub const ENGINE_INFO: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"));
