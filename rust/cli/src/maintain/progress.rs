//! How far work is, on standard error: one line that changes on a terminal, else a line now and then.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use sluice_delta::maintain::Progress;

use crate::layout::{Paint, Style, number};

const ON_A_TERMINAL: Duration = Duration::from_millis(100);
const ELSEWHERE: Duration = Duration::from_secs(30);
/// Of the bar, in characters.
const BAR: u64 = 30;

pub struct Shown {
    terminal: bool,
    stopped: Arc<AtomicBool>,
    work: Mutex<Work>,
}

#[derive(Default)]
struct Work {
    job: &'static str,
    what: &'static str,
    /// 0: nobody knows.
    of: u64,
    done: u64,
    told: Option<Instant>,
    /// The line on a terminal is to be taken away.
    drawn: bool,
    /// It was said that it ends.
    ending: bool,
}

impl Shown {
    /// From now on the first Ctrl-C, or the signal of a service manager, ends work at the next safe place, and the second at once.
    pub fn new() -> std::io::Result<Shown> {
        let stopped = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 128 + signal, stopped.clone())?;
            flag::register(signal, stopped.clone())?;
        }
        Ok(Shown { terminal: std::io::stderr().is_terminal(), stopped, work: Mutex::default() })
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn start(&self, job: &'static str) {
        *self.work() = Work { job, ..Work::default() };
    }

    /// Takes the line away.
    pub fn end(&self) {
        let mut work = self.work();
        if work.drawn {
            write("\r\x1b[K");
            work.drawn = false;
        }
    }

    fn tell(&self, work: &mut Work) {
        work.told = Some(Instant::now());
        if self.terminal {
            write(&format!("\r\x1b[K{}", line(work, Paint::Coloured)));
            work.drawn = true;
        } else {
            write(&format!("{}\n", line(work, Paint::Plain)));
        }
    }
}

/// Nobody is to fail by it that nobody reads it.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

fn line(work: &Work, paint: Paint) -> String {
    let Work { job, what, of, done, .. } = *work;
    let job = paint.paint(job, Style::Heading);
    match (of, done) {
        (0, 0) => format!("{job}: {what}"),
        (0, done) => format!("{job}: {what}: {}", number(done)),
        // What is found meanwhile may be more.
        (of, done) if paint == Paint::Plain || done > of => {
            format!("{job}: {what}: {} of {}", number(done), number(of.max(done)))
        }
        (of, done) => {
            let bar = paint.bar(done, of, BAR);
            let rest = " ".repeat(BAR as usize - bar.chars().count().min(BAR as usize));
            let bar = paint.paint(&bar, Style::Good);
            format!("{job}: {what}  {bar}{rest}  {} of {}", number(done), number(of))
        }
    }
}

impl Progress for Shown {
    fn begin(&self, what: &'static str, of: u64) {
        let mut work = self.work();
        (work.what, work.of, work.done) = (what, of, 0);
        self.tell(&mut work);
    }

    fn advance(&self, by: u64) {
        let mut work = self.work();
        work.done += by;
        let every = if self.terminal { ON_A_TERMINAL } else { ELSEWHERE };
        if work.told.is_none_or(|told| told.elapsed() >= every) {
            self.tell(&mut work);
        }
    }

    fn is_stopped(&self) -> bool {
        let is_stopped = self.stopped.load(Ordering::Relaxed);
        let mut work = self.work();
        if is_stopped && !work.ending {
            work.ending = true;
            let before = if std::mem::take(&mut work.drawn) { "\r\x1b[K" } else { "" };
            write(&format!("{before}{}: ends at the next safe place; once more ends it at once\n", work.job));
        }
        is_stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_told() {
        let told = |of, done, paint| {
            line(&Work { job: "vacuum", what: "files", of, done, ..Work::default() }, paint)
        };
        assert_eq!(told(0, 0, Paint::Plain), "vacuum: files");
        assert_eq!(told(0, 12_345, Paint::Plain), "vacuum: files: 12,345");
        assert_eq!(told(20_000, 5_000, Paint::Plain), "vacuum: files: 5,000 of 20,000");
        assert_eq!(told(10, 11, Paint::Coloured), "\x1b[1mvacuum\x1b[0m: files: 11 of 11");
        let bar = told(4, 2, Paint::Coloured);
        assert!(bar.contains(&format!("{}\x1b[0m{}  2 of 4", "█".repeat(15), " ".repeat(15))), "{bar}");
    }
}
