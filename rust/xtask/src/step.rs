//! One long step: a command with its output in a log file, and a sign of life for whoever waits.

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use sluice_testkit::{Context, Error, Leashed, Result, tail};

use crate::checkout::shown;

/// Which lines of the output also go to the terminal.
pub type Show = fn(&str) -> bool;

pub fn nothing(_: &str) -> bool {
    false
}

/// What cargo itself says, and the outcome of each test program.
pub fn cargo_lines(line: &str) -> bool {
    let starts =
        ["Compiling ", "Checking ", "Downloading ", "Downloaded ", "Finished ", "Running ", "Installing "];
    let line = line.trim_start();
    starts.iter().any(|start| line.starts_with(start))
        || line.starts_with("test result:")
        || line.ends_with("FAILED")
}

pub fn head(what: &str, why: &str) {
    println!("==> {what} ({why})");
}

/// Runs the command to its end. An error, with the end of the log, unless it succeeds. Gives the whole output.
pub fn run(what: &str, why: &str, command: &Command, log: &Path, show: Show) -> Result<String> {
    let (status, output) = watch(what, why, command, log, show)?;
    if status.success() {
        return Ok(output);
    }
    Err(Error::new(format!("{what} failed ({status}). The end of {}:\n{}", shown(log), tail(log, 30))))
}

/// The same, but a failure is for the caller to judge.
pub fn watch(
    what: &str,
    why: &str,
    command: &Command,
    log: &Path,
    show: Show,
) -> Result<(ExitStatus, String)> {
    head(what, why);
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).at(folder)?;
    }
    File::create(log).at(log)?;
    let start = Instant::now();
    let mut process = Leashed::spawn(command, log)?;
    let mut follower = Follower { file: File::open(log).at(log)?, output: Vec::new(), shown: 0 };
    let mut clock = Clock::new(start);
    let status = loop {
        let running = process.is_running();
        follower.follow(show, &mut clock).at(log)?;
        if !running {
            break process.wait(Duration::ZERO)?;
        }
        clock.tick();
        std::thread::sleep(Duration::from_millis(100));
    };
    clock.clear();
    let verdict = if status.success() { "done" } else { "FAILED" };
    println!("    {verdict} in {:.1} s, log: {}", start.elapsed().as_secs_f64(), shown(log));
    Ok((status, String::from_utf8_lossy(&follower.output).into_owned()))
}

struct Follower {
    file: File,
    output: Vec<u8>,
    shown: usize,
}

impl Follower {
    fn follow(&mut self, show: Show, clock: &mut Clock) -> std::io::Result<()> {
        self.file.read_to_end(&mut self.output)?;
        while let Some(end) = self.output[self.shown..].iter().position(|&byte| byte == b'\n') {
            let line = String::from_utf8_lossy(&self.output[self.shown..self.shown + end]);
            if show(&line) {
                clock.clear();
                println!("    {line}");
            }
            self.shown += end + 1;
        }
        Ok(())
    }
}

/// Elapsed time: on a terminal in place, elsewhere a line each half minute.
struct Clock {
    start: Instant,
    terminal: bool,
    next: Duration,
    written: bool,
}

impl Clock {
    fn new(start: Instant) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let next = Duration::from_secs(if terminal { 1 } else { 30 });
        Clock { start, terminal, next, written: false }
    }

    fn tick(&mut self) {
        let elapsed = self.start.elapsed();
        if elapsed < self.next {
            return;
        }
        if self.terminal {
            print!("\r    {} s", elapsed.as_secs());
            let _ = std::io::stdout().flush();
            self.written = true;
            self.next = elapsed + Duration::from_secs(1);
        } else {
            println!("    {} s ...", elapsed.as_secs());
            self.next = elapsed + Duration::from_secs(30);
        }
    }

    fn clear(&mut self) {
        if self.written {
            print!("\r\x1b[K");
            self.written = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_and_a_failure_shows_its_end() {
        let log = std::env::temp_dir().join(format!("xtask-step-{}.log", std::process::id()));
        let sh = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        let output =
            run("a step", "a test", &sh("echo one; echo two >&2; printf three"), &log, nothing).unwrap();
        assert_eq!(output, "one\ntwo\nthree");
        let failure =
            run("a step", "a test", &sh("echo broken; exit 3"), &log, nothing).unwrap_err().to_string();
        assert!(failure.contains("a step failed") && failure.contains("broken"), "{failure}");
        std::fs::remove_file(&log).unwrap();
    }
}
