//! One record in Avro's binary encoding, straight into columns, by the schema that it was written with and the table's. What
//! each type becomes is in `docs/avro.md`.

mod connect;
mod container;
mod fingerprint;
mod plan;
mod reader;
mod schema;

#[cfg(test)]
mod tests;

pub use container::Container;
pub(super) use plan::Plan;
pub use schema::Schema;
