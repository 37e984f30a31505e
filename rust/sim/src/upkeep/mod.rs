//! Upkeep of the tables, by workers and from outside of them, and what has to hold of it: no row comes or goes by it, what may still
//! be read can be, and whatever it leaves in the log says what the commits say.

pub mod actions;
pub mod jobs;
pub mod log;
pub mod readers;
pub mod watch;

use crate::machine::{Millis, Sim};
use crate::net::Longest;

/// What keeps tables, drawn from the seed.
#[derive(Debug, Clone)]
pub struct Upkeep {
    /// Workers do it besides their commits.
    pub by_workers: bool,
    /// What is old is deleted within the life of the cluster.
    pub deletes: bool,
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
        const DAY: Millis = 24 * 3600 * 1000;
        let deletes = sim.chance(500);
        let retention = |short: Millis, days: Millis| {
            if deletes { sim.between(short, 2 * short) } else { days * DAY }
        };
        Upkeep {
            by_workers: sim.chance(700),
            deletes,
            file_retention: retention(60_000, 7),
            log_retention: retention(20_000, 30),
            checkpoint_interval: sim.between(2, 12),
            v2: sim.chance(250),
            tracks_rows: sim.chance(250),
            log_compaction: if sim.chance(300) { 0 } else { sim.between(2, 8) },
            compacts: sim.chance(700),
            min_files: sim.between(2, 6),
            cold: sim.chance(300).then(|| sim.between(1_000, 8_000)),
            interval: sim.between(1_000, 8_000),
            orders: sim.chance(300),
        }
    }

    /// What goes wrong ends well before what is deleted for its age may still be wanted: nobody can tell an upload of a unit
    /// that is held up for so long from one that was given up.
    pub fn longest(&self) -> Longest {
        match self.deletes {
            true => Longest { late: 5_000, slow: 4_000, away: 5_000, stall: 14_000, skew: 2_000 },
            false => Longest::default(),
        }
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
}
