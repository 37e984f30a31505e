//! The packaged plugin in real workers against a real broker, checked by a reader that shares no code with it. All tests
//! share one broker, and one worker where they do not kill it; each has a topic, a connector and a table of its own.
//! What they leave is in `target/e2e` until the next run.

#![allow(clippy::unwrap_used)]

mod audit;
mod avro;
mod cluster;
mod columns;
mod configs;
mod connect;
mod crashes;
mod evolution;
mod flow;
mod forgetting;
mod formats;
mod gaps;
mod kafka_delta_ingest;
mod memory;
mod metrics;
mod mounts;
mod offsets;
mod operators;
mod parity;
mod plugin;
mod promql;
mod reader;
mod records;
mod routed;
mod routing;
mod rules;
mod scenario;
mod settings;
mod store;
mod stores;
mod stores_alter;
mod stores_denied;
mod stores_faults;
mod stores_flow;
mod stores_secrets;
mod upgrade;
mod upkeep;
mod validation;
mod workers;
