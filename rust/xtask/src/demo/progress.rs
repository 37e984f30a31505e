use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The live line: on a terminal in place twice a second, elsewhere a line every five seconds.
pub struct Progress {
    records: u64,
    start: Instant,
    terminal: bool,
    next: Duration,
    written: bool,
}

impl Progress {
    pub fn new(records: u64) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Progress { records, start: Instant::now(), terminal, next: Duration::ZERO, written: false }
    }

    pub fn show(&mut self, produced: u64, rows: u64, commits: u64) {
        let elapsed = self.start.elapsed();
        if elapsed < self.next {
            return;
        }
        let lag = produced.saturating_sub(rows);
        let percent = rows * 100 / self.records;
        let line = format!(
            "{:6.1} s   sent {produced}   in the table {rows} ({percent} %)   commits {commits}   lag {lag}",
            elapsed.as_secs_f64()
        );
        if self.terminal {
            print!("\r\x1b[K    {line}");
            let _ = std::io::stdout().flush();
            self.written = true;
        } else {
            println!("    {line}");
        }
        self.next = elapsed + Duration::from_millis(if self.terminal { 500 } else { 5_000 });
    }

    /// Leaves the last line standing.
    pub fn clear(&mut self) {
        if self.written {
            println!();
            self.written = false;
        }
    }

    /// Shows the last state and gives the time since the start.
    pub fn end(mut self, produced: u64, rows: u64, commits: u64) -> Duration {
        self.next = Duration::ZERO;
        self.show(produced, rows, commits);
        self.clear();
        self.start.elapsed()
    }
}
