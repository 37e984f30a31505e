//! One connector in a worker of its own, watched from outside.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_testkit::{
    Context, Error, Result, SAY_HEAP_RANGE, Worker, WorkerOptions, compiler_seconds, cpu_seconds, heap_range,
    peak_memory, resident_memory,
};

use super::entry::{Entry, Sink};
use super::progress::{Progress, Written};
use super::{Bench, machine};
use crate::checkout::empty;

const PATIENCE: Duration = Duration::from_secs(900);
const LOOK_AT_ROWS: Duration = Duration::from_millis(10);
const LOOK_AT_MEMORY: Duration = Duration::from_millis(500);

/// What a worker used between two moments of one run, both in the midst of it, see [`Window`].
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub records: u64,
    pub seconds: f64,
    /// CPU seconds, without the JVM's compiler.
    pub cpu: f64,
    /// CPU seconds of the JVM's compiler from the worker's start to the second moment.
    pub compiler: f64,
    /// Of the whole run, as is all that follows. Bytes resident; heap and the rest each at its own peak.
    pub peak: u64,
    pub heap: u64,
    pub native: u64,
    pub commits: u64,
    pub written: Written,
    /// The machine's load average before the worker started.
    pub load: f64,
}

impl Run {
    /// CPU seconds per million records, which is microseconds per record.
    pub fn per_million(&self) -> f64 {
        self.cpu / self.records as f64 * 1e6
    }

    pub fn json(&self) -> Value {
        json!({
            "records": self.records, "cpu_seconds_per_million": self.per_million(), "wall_seconds": self.seconds,
            "compiler_cpu_seconds": self.compiler, "peak_bytes": self.peak, "peak_heap_bytes": self.heap,
            "peak_native_bytes": self.native, "commits": self.commits, "data_files": self.written.data_files,
            "data_bytes": self.written.data_bytes, "log_files": self.written.log_files,
            "log_bytes": self.written.log_bytes, "load_average": self.load,
        })
    }
}

/// When so many records were through, and the CPU seconds until then.
#[derive(Debug, Clone, Copy)]
struct Moment {
    records: u64,
    at: Instant,
    cpu: f64,
    compiler: f64,
}

/// From the first commit after a quarter of the topic to the last one before nine tenths of it. So neither the start of JVM and
/// connector counts nor most of the JVM's compiling, nor how long a sink waits for more before it commits the last; and at both
/// ends it has begun with about as many records that are not through yet.
#[derive(Default)]
struct Window {
    from: Option<Moment>,
    to: Option<Moment>,
}

impl Window {
    /// `moment` is one at which more records were through than before.
    fn add(&mut self, moment: Moment, all: u64) {
        if self.from.is_none() {
            self.from = (moment.records >= all / 4).then_some(moment);
        } else if moment.records <= all - all / 10 {
            self.to = Some(moment);
        }
    }
}

impl Bench {
    pub fn measure(&self, entry: Entry, round: u32) -> Result<Run> {
        println!("==> round {round}, {}: {}", entry.input.name(), entry.sink.name());
        self.measure_with(entry, &format!("{}-{round}", entry.slug()), &[])
    }

    /// As the connector of that name, with settings beside those of the entry. What it writes stays until the next one.
    pub fn measure_with(&self, entry: Entry, name: &str, more: &[(&str, String)]) -> Result<Run> {
        let output = self.folder.join("output");
        empty(&output)?;
        let plugins = match entry.sink {
            Sink::Noop => Some(self.noop_plugins.clone()),
            Sink::Iceberg => Some(self.iceberg_plugins.clone()),
            Sink::Other => self.other_plugins.clone(),
            Sink::Sluice => None,
        };
        // A machine with many processors would start and end compiler threads, and an ended one's time is lost to us.
        let jvm = vec![SAY_HEAP_RANGE.into(), "-XX:-UseDynamicNumberOfCompilerThreads".into()];
        let options = WorkerOptions { group: name.to_owned(), plugins, jvm, ..WorkerOptions::default() };
        let load = machine::load()?;
        let folder = self.folder.join("workers").join(name);
        let worker = Worker::start(&self.components, &self.broker.bootstrap(), &folder, &options)?;
        let mut settings = entry.settings(&self.demo, entry.input.topic(), &output)?;
        let schema =
            self.encoded().join(entry.input.raw_format().unwrap_or_default()).with_extension("schema");
        if entry.sink != Sink::Noop && schema.exists() {
            settings["delta.raw.schema.file"] = schema.display().to_string().into();
        }
        for (key, value) in more {
            settings[*key] = value.as_str().into();
        }
        worker.connect().put_connector(name, &settings)?;
        Watch::new(name.to_owned(), worker, Progress::of(entry.sink, &output))?.follow(
            self.records,
            &output,
            load,
        )
    }
}

struct Watch {
    name: String,
    worker: Worker,
    pid: u32,
    progress: Progress,
    heap_range: Range<u64>,
    heap: u64,
    native: u64,
    end: Instant,
    next_look: Instant,
}

impl Watch {
    fn new(name: String, mut worker: Worker, progress: Progress) -> Result<Self> {
        let log = fs::read_to_string(worker.log()).at(worker.log())?;
        let heap_range =
            heap_range(&log).ok_or_else(|| Error::new("the JVM does not say where its heap is"))?;
        let (pid, now) = (worker.process().pid(), Instant::now());
        Ok(Watch {
            name,
            worker,
            pid,
            progress,
            heap_range,
            heap: 0,
            native: 0,
            end: now + PATIENCE,
            next_look: now,
        })
    }

    /// To the end of the topic, and the worker's.
    fn follow(mut self, records: u64, output: &Path, load: f64) -> Result<Run> {
        let mut window = Window::default();
        let mut seen = 0;
        while seen < records {
            let now = self.progress.records()?;
            if now > seen {
                seen = now;
                window.add(self.moment(seen)?, records);
            }
            if Instant::now() > self.end {
                let tail = self.worker.log_tail(20);
                return Err(Error::new(format!("{}: {seen} of {records} records; {tail}", self.name)));
            }
            if Instant::now() > self.next_look {
                self.look()?;
                self.next_look = Instant::now() + LOOK_AT_MEMORY;
            }
            sleep(LOOK_AT_ROWS);
        }
        if seen != records {
            return Err(Error::new(format!("{} made {seen} of {records} records", self.name)));
        }
        let Window { from: Some(from), to: Some(to) } = window else {
            let what = "too few commits to measure by; send more `--records`";
            return Err(Error::new(format!("{}: {what}", self.name)));
        };
        self.look()?;
        let peak = self.alive(peak_memory(self.pid))?;
        let commits = self.progress.commits()?;
        self.worker.stop()?;
        Ok(Run {
            records: to.records - from.records,
            seconds: (to.at - from.at).as_secs_f64(),
            cpu: to.cpu - from.cpu,
            compiler: to.compiler,
            peak,
            heap: self.heap,
            native: self.native,
            commits,
            written: Written::below(output)?,
            load,
        })
    }

    fn moment(&self, records: u64) -> Result<Moment> {
        let (cpu, compiler) = (self.alive(cpu_seconds(self.pid))?, self.alive(compiler_seconds(self.pid))?);
        Ok(Moment { records, at: Instant::now(), cpu: cpu - compiler, compiler })
    }

    fn look(&mut self) -> Result<()> {
        let now = self.alive(resident_memory(self.pid, &self.heap_range))?;
        (self.heap, self.native) = (self.heap.max(now.heap), self.native.max(now.native));
        Ok(())
    }

    fn alive<T>(&self, told: Option<T>) -> Result<T> {
        told.ok_or_else(|| {
            Error::new(format!("{}: the worker ended; {}", self.name, self.worker.log_tail(20)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_in_the_midst_of_a_run() {
        let window = |seen: &[u64]| {
            let mut window = Window::default();
            for records in seen {
                window.add(Moment { records: *records, at: Instant::now(), cpu: 0.0, compiler: 0.0 }, 100);
            }
            [window.from, window.to].map(|moment| moment.map(|moment| moment.records))
        };
        assert_eq!(window(&[10, 30, 50, 90, 95, 100]), [Some(30), Some(90)]);
        assert_eq!(window(&[25, 91, 100]), [Some(25), None]);
        assert_eq!(window(&[100]), [Some(100), None]);
    }
}
