//! What the threads of a worker use, by whose they are.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_testkit::{Error, Result, cpu_seconds, thread_names, thread_seconds};

/// Native ones and the one that passes log lines on.
pub const OURS: &str = "sluice";
/// In the order in which they are told.
pub const GROUPS: [&str; 5] = [OURS, "tasks", "heartbeats", "JVM", "others"];

/// How their names begin. Linux keeps 15 bytes of a name.
const NAMES: [(&str, &str); 13] = [
    ("sluice", OURS),
    ("task-thread-", "tasks"),
    ("kafka-coordinat", "heartbeats"),
    ("C1 ", "JVM"),
    ("C2 ", "JVM"),
    ("G1 ", "JVM"),
    ("GC ", "JVM"),
    ("VM ", "JVM"),
    ("Common-Cleaner", "JVM"),
    ("Finalizer", "JVM"),
    ("Reference ", "JVM"),
    ("Sweeper", "JVM"),
    ("Monitor ", "JVM"),
];

fn group(name: &str) -> &'static str {
    let known = NAMES.iter().find(|(start, _)| name.starts_with(start));
    known.map_or("others", |(_, group)| group)
}

/// Of a process over some time.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    pub seconds: f64,
    /// CPU seconds of all threads, also of those that ended.
    pub cpu: f64,
    /// Threads at the end, and their CPU seconds.
    pub groups: BTreeMap<&'static str, (u64, f64)>,
}

impl Usage {
    pub fn over(pid: u32, time: Duration) -> Result<Self> {
        let start = Instant::now();
        let (all_before, before) = (cpu(pid)?, thread_seconds(pid));
        sleep(time);
        let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu(pid)? - all_before);
        let mut usage = Usage { seconds, cpu, groups: BTreeMap::new() };
        for (id, (name, seconds)) in thread_seconds(pid) {
            let (threads, sum) = usage.groups.entry(group(&name)).or_default();
            *threads += 1;
            *sum += seconds - before.get(&id).map_or(0.0, |(_, seconds)| *seconds);
        }
        Ok(usage)
    }

    /// Of one core.
    pub fn share(&self) -> f64 {
        self.cpu / self.seconds
    }

    pub fn share_of(&self, group: &str) -> f64 {
        self.groups.get(group).map_or(0.0, |(_, seconds)| seconds / self.seconds)
    }

    pub fn threads_of(&self, group: &str) -> u64 {
        self.groups.get(group).map_or(0, |(threads, _)| *threads)
    }

    pub fn threads(&self) -> u64 {
        self.groups.values().map(|(threads, _)| threads).sum()
    }

    pub fn json(&self) -> Value {
        let groups = self.groups.iter();
        let groups = groups
            .map(|(name, (threads, seconds))| (*name, json!({"threads": threads, "cpu_seconds": seconds})));
        json!({"seconds": self.seconds, "cpu_seconds": self.cpu, "groups": groups.collect::<BTreeMap<_, _>>()})
    }
}

pub fn cpu(pid: u32) -> Result<f64> {
    cpu_seconds(pid).ok_or_else(|| Error::new("the worker ended"))
}

/// How many of ours there are now.
pub fn ours(pid: u32) -> u64 {
    thread_names(pid).iter().filter(|(name, _)| group(name) == OURS).map(|(_, threads)| threads).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn threads_are_told_apart_by_their_names() {
        let names = ["sluice", "sluice-log", "task-thread-man", "kafka-coordinat", "G1 Conc#0", "qtp12-34"];
        assert_eq!(names.map(group), ["sluice", "sluice", "tasks", "heartbeats", "JVM", "others"]);
        assert!(NAMES.iter().all(|(_, group)| GROUPS.contains(group)) && GROUPS.contains(&group("")));
    }

    #[test]
    fn what_a_thread_uses_meanwhile_counts() {
        let done = Arc::new(AtomicBool::new(false));
        let seen = done.clone();
        let busy = std::thread::Builder::new()
            .name("sluice".into())
            .spawn(move || while !seen.load(Ordering::Relaxed) {});
        let usage = Usage::over(std::process::id(), Duration::from_millis(500)).unwrap();
        assert!(ours(std::process::id()) >= 1);
        done.store(true, Ordering::Relaxed);
        busy.unwrap().join().unwrap();
        assert!(usage.threads_of(OURS) >= 1 && usage.threads() > usage.threads_of(OURS));
        assert!(usage.share_of(OURS) > 0.0 && usage.cpu > 0.0 && usage.share() > 0.0, "{usage:?}");
    }
}
