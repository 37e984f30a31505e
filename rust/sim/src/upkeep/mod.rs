//! Upkeep of the tables, by workers and from outside of them, and what has to hold of it: no row comes or goes by it, what may still
//! be read can be, and whatever it leaves in the log says what the commits say.

pub mod actions;
pub mod jobs;
pub mod log;
pub mod readers;
pub mod watch;

use std::num::NonZeroU64;
use std::time::Duration;

use sluice_core::settings::{Compaction, CompactionScope, Order};

use crate::machine::{Millis, Sim};

pub const HOUR: Millis = 3_600_000;

/// What keeps tables, drawn from the seed.
#[derive(Debug, Clone)]
pub struct Upkeep {
    /// Workers do it besides their commits.
    pub by_workers: bool,
    /// Other processes do it.
    pub by_others: bool,
    /// The cluster rests for a day or two, after which much is old.
    pub rests: bool,
    pub file_retention: Millis,
    pub log_retention: Millis,
    checkpoint_interval: u64,
    v2: bool,
    tracks_rows: bool,
    log_compaction: u64,
    compacts: bool,
    min_files: u64,
    cold: Option<Millis>,
    interval: Millis,
    orders: bool,
}

impl Upkeep {
    pub fn draw(sim: &Sim) -> Upkeep {
        let retention = || match sim.draw(4) {
            0 | 1 => sim.between(20_000, 100_000),
            2 => sim.between(HOUR, 26 * HOUR),
            _ => sim.between(1, 30) * 24 * HOUR,
        };
        let by_workers = sim.chance(700);
        Upkeep {
            by_workers,
            by_others: !by_workers || sim.chance(600),
            rests: sim.chance(600),
            file_retention: retention(),
            log_retention: retention(),
            checkpoint_interval: sim.between(2, 12),
            v2: sim.chance(250),
            tracks_rows: sim.chance(250),
            log_compaction: if sim.chance(300) { 0 } else { sim.between(2, 8) },
            compacts: sim.chance(700),
            min_files: sim.between(2, 6),
            cold: sim.chance(300).then(|| sim.between(1_000, 8_000)),
            interval: sim.between(1_000, 5_000),
            orders: sim.chance(300),
        }
    }

    /// What there is else does not go with all of it.
    pub fn suit(&mut self, forgets: bool, has_other_writers: bool) {
        self.rests &= !forgets;
        self.tracks_rows &= !has_other_writers;
    }

    /// Of the tables.
    pub fn properties(&self) -> Vec<(String, String)> {
        let duration = |ms: Millis| format!("interval {ms} milliseconds");
        let mut properties = vec![
            ("delta.checkpointInterval", self.checkpoint_interval.to_string()),
            ("delta.deletedFileRetentionDuration", duration(self.file_retention)),
            ("delta.logRetentionDuration", duration(self.log_retention)),
        ];
        if self.v2 {
            properties.push(("delta.checkpointPolicy", "v2".to_owned()));
        }
        if self.tracks_rows {
            properties.push(("delta.enableRowTracking", "true".to_owned()));
        }
        properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Of the connector.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("delta.maintenance.enabled", self.by_workers.to_string())];
        if !self.by_workers {
            return settings;
        }
        settings.push(("delta.maintenance.log.compaction.commits", self.log_compaction.to_string()));
        if self.compacts {
            settings.push(("delta.compaction.enabled", "true".to_owned()));
            settings.push(("delta.compaction.min.files", self.min_files.to_string()));
            settings.push(("delta.compaction.interval.ms", self.interval.to_string()));
            match self.cold {
                Some(cold) => settings.push(("delta.compaction.cold.ms", cold.to_string())),
                None => settings.push(("delta.compaction.scope", "all".to_owned())),
            }
            if self.orders {
                settings.push(("delta.compaction.order.by", "v".to_owned()));
            }
        }
        settings.push(("delta.vacuum.mode", "delete".to_owned()));
        settings.push(("delta.vacuum.interval.ms", (2 * self.interval).to_string()));
        settings
    }

    /// As `sluice maintain` merges files.
    pub fn compaction(&self) -> Compaction {
        Compaction {
            min_files: self.min_files as usize,
            scope: if self.cold.is_some() { CompactionScope::Cold } else { CompactionScope::All },
            cold: Duration::from_millis(self.cold.unwrap_or_default()),
            order: if self.orders { Order::By(vec!["v".to_owned()]) } else { Order::None },
            ..Compaction::default()
        }
    }

    pub fn log_compaction(&self) -> NonZeroU64 {
        NonZeroU64::new(self.log_compaction).unwrap_or(NonZeroU64::MIN)
    }
}
