//! Tables whose logs are made by hand, whole and damaged.

mod chains;
mod checkpoints;
pub(crate) mod history;
mod mutations;
mod rewrites;
mod rows;
mod writers;
