//! What those who harm and those who watch share.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sluice_testkit::{Connect, Context, Error, Result};

/// For a request to a worker that may die in the middle of it.
const REQUEST: Duration = Duration::from_secs(5);
/// For one that may as well fail.
const SHORTLY: Duration = Duration::from_secs(2);

const NOBODY: &str = "no worker answers now";

pub struct Stage {
    pub start: Instant,
    ended: AtomicBool,
    events: Mutex<BTreeMap<String, u64>>,
    findings: Mutex<Vec<String>>,
    /// The REST addresses of the workers that answer now.
    workers: Mutex<Vec<String>>,
    log: Mutex<File>,
}

impl Stage {
    /// Everything that happens is written to `log`.
    pub fn new(log: &Path) -> Result<Self> {
        Ok(Stage {
            start: Instant::now(),
            ended: AtomicBool::new(false),
            events: Mutex::default(),
            findings: Mutex::default(),
            workers: Mutex::default(),
            log: Mutex::new(OpenOptions::new().create(true).append(true).open(log).at(log)?),
        })
    }

    /// Whoever harms undoes it now.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Waits, at most until the end.
    pub fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.has_ended() && Instant::now() < until {
            sleep(Duration::from_millis(50).min(until.saturating_duration_since(Instant::now())));
        }
    }

    /// Counts an event and writes down its particulars.
    pub fn happened(&self, event: &str, particulars: &str) {
        *locked(&self.events).entry(event.to_owned()).or_default() += 1;
        self.note(&format!("{event}: {particulars}"));
    }

    pub fn events(&self) -> BTreeMap<String, u64> {
        locked(&self.events).clone()
    }

    pub fn note(&self, text: &str) {
        // That a line is lost is no reason to stop.
        let _ = writeln!(locked(&self.log), "{:8.2} {text}", self.start.elapsed().as_secs_f64());
    }

    /// Something that must not be.
    pub fn found(&self, finding: String) {
        self.note(&format!("FINDING: {finding}"));
        locked(&self.findings).push(finding);
    }

    pub fn findings(&self) -> Vec<String> {
        locked(&self.findings).clone()
    }

    pub fn set_workers(&self, workers: Vec<String>) {
        *locked(&self.workers) = workers;
    }

    /// One request to the workers that answer, the first in `turn`, until one of them has carried it out.
    pub fn ask<T>(&self, turn: usize, request: impl Fn(&Connect) -> Result<T>) -> Result<T> {
        let workers = locked(&self.workers).clone();
        let mut failed = Error::new(NOBODY);
        for number in 0..workers.len() {
            let worker = &workers[(turn + number) % workers.len()];
            match request(&Connect::within(worker, REQUEST, REQUEST)) {
                Ok(answer) => return Ok(answer),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// One request to one of the workers that answer.
    pub fn ask_one<T>(&self, turn: usize, request: impl Fn(&Connect) -> Result<T>) -> Result<T> {
        let workers = locked(&self.workers).clone();
        match workers.get(turn % workers.len().max(1)) {
            Some(worker) => request(&Connect::within(worker, SHORTLY, SHORTLY)),
            None => Err(Error::new(NOBODY)),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
