//! Which levels are wanted of which targets. Java says so, by the worker's own configuration of the log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::metadata::LevelFilter;
use tracing::{Level, Metadata};

/// Of our own code, until Java says.
const OURS: LevelFilter = LevelFilter::INFO;
/// Of libraries, at most: what they say below may show the headers of requests, and with them signatures and tokens.
const OF_LIBRARIES: LevelFilter = LevelFilter::WARN;

/// Targets in the order in which they came up. Those of our crates are there from the start, so that a level that was set for all of a
/// crate holds for a module that nobody has heard of.
struct Targets(Vec<(&'static str, LevelFilter)>);

static TARGETS: Mutex<Targets> = Mutex::new(Targets(Vec::new()));

fn targets() -> MutexGuard<'static, Targets> {
    let mut targets = TARGETS.lock().unwrap_or_else(PoisonError::into_inner);
    if targets.0.is_empty() {
        targets.0 =
            ["sluice", "sluice_core", "sluice_delta", "sluice_registry"].map(|ours| (ours, OURS)).into();
    }
    targets
}

impl Targets {
    fn level(&mut self, target: &'static str) -> LevelFilter {
        if let Some((_, level)) = self.0.iter().find(|(known, _)| *known == target) {
            return *level;
        }
        let level = self.inherited(target);
        self.0.push((target, level));
        level
    }

    /// Of the nearest module around it that is known.
    fn inherited(&self, target: &str) -> LevelFilter {
        let around = |known: &str| target.strip_prefix(known).is_some_and(|rest| rest.starts_with("::"));
        let nearest = self.0.iter().filter(|(known, _)| around(known)).max_by_key(|(known, _)| known.len());
        nearest.map_or(most(target), |(_, level)| *level)
    }

    /// Whether anything is another than before.
    fn set(&mut self, levels: &[u8]) -> bool {
        let mut changed = false;
        for ((target, level), wanted) in self.0.iter_mut().zip(levels) {
            let wanted = filter(*wanted);
            let wanted = if is_ours(target) { wanted } else { wanted.min(OF_LIBRARIES) };
            changed |= *level != wanted;
            *level = wanted;
        }
        changed
    }
}

fn is_ours(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or(target);
    name == "sluice" || name.starts_with("sluice_")
}

fn most(target: &str) -> LevelFilter {
    if is_ours(target) { OURS } else { OF_LIBRARIES }
}

/// As it crosses: 0 none, 1 error to 5 trace.
fn filter(number: u8) -> LevelFilter {
    match number {
        0 => LevelFilter::OFF,
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

pub fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

pub fn wants(metadata: &'static Metadata<'static>) -> bool {
    *metadata.level() <= targets().level(metadata.target())
}

/// Takes over what is wanted of the first so many targets. Whether anything changed.
pub fn set(levels: &[u8]) -> bool {
    targets().set(levels)
}

/// Without the first ones.
pub fn targets_from(first: usize) -> Vec<&'static str> {
    targets().0.iter().skip(first).map(|(target, _)| *target).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_the_level_of_the_nearest_known_module_until_it_is_said() {
        let mut targets =
            Targets(vec![("sluice_delta", LevelFilter::DEBUG), ("sluice_delta::store", LevelFilter::OFF)]);
        assert_eq!(targets.level("sluice_delta::commit"), LevelFilter::DEBUG);
        assert_eq!(targets.level("sluice_delta::store::aws"), LevelFilter::OFF);
        assert_eq!(targets.level("sluice_delta_more"), LevelFilter::INFO);
        assert_eq!(targets.level("hyper::client"), LevelFilter::WARN);
        assert_eq!(targets.0.len(), 6);
    }

    #[test]
    fn libraries_are_never_told_to_say_more_than_warnings() {
        let mut targets = Targets(vec![]);
        targets.level("aws_smithy_runtime::client");
        targets.level("sluice_core::task");
        assert!(targets.set(&[5, 5]));
        assert!(!targets.set(&[4, 5, 3]), "nothing is another than before, and nobody is the third");
        let levels: Vec<_> = targets.0.iter().map(|(_, level)| *level).collect();
        assert_eq!(levels, [LevelFilter::WARN, LevelFilter::TRACE]);
        assert!(targets.set(&[1]));
        assert_eq!(targets.level("aws_smithy_runtime::client"), LevelFilter::ERROR);
    }
}
