//! The worker, looked at from outside every few seconds.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;

use sluice_testkit::{
    Context, Error, Result, Worker, descriptors, heap_range, resident_memory, thread_names, threads,
};

/// The process at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// Since the start.
    pub seconds: f64,
    /// Bytes resident in the JVM's heap.
    pub heap: u64,
    /// Bytes resident elsewhere: what Sluice holds, and the JVM's classes, compiled code and threads.
    pub native: u64,
    pub threads: u64,
    pub descriptors: u64,
    /// In the table.
    pub rows: u64,
    /// Records that were sent and are not in the table.
    pub waiting: u64,
}

pub struct Watched {
    pid: u32,
    heap: Range<u64>,
}

impl Watched {
    pub fn new(worker: &mut Worker) -> Result<Self> {
        let log = fs::read_to_string(worker.log()).at(worker.log())?;
        let heap = heap_range(&log).ok_or_else(|| Error::new("the JVM does not say where its heap is"))?;
        Ok(Watched { pid: worker.process().pid(), heap })
    }

    pub fn thread_names(&self) -> BTreeMap<String, u64> {
        thread_names(self.pid)
    }

    pub fn sample(&self, seconds: f64, rows: u64, sent: u64) -> Result<Sample> {
        let sample = || {
            let memory = resident_memory(self.pid, &self.heap)?;
            Some(Sample {
                seconds,
                heap: memory.heap,
                native: memory.native,
                threads: threads(self.pid)?,
                descriptors: descriptors(self.pid)?,
                rows,
                waiting: sent.saturating_sub(rows),
            })
        };
        sample().ok_or_else(|| Error::new("the worker ended"))
    }
}
