//! Child processes that cannot outlive whoever holds their leash.
//!
//! Each child runs under a small `sh` in a process group of its own (so Ctrl-C at the terminal does not reach it), whose
//! standard input is a pipe held by us. When the pipe closes, for whatever reason, `kill -9` of the holder included, the
//! whole group is killed with -9.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, PipeReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};

/// The watcher reads orders from the leash (descriptor 3); its end means death to the group `$$`.
const SUPERVISOR: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- &
child=$!
echo $child >&4
exec 4>&-
(
  while read -r order <&3; do
    case $order in
      kill) kill -9 $child ;;
      stop) kill -TERM $child ;;
      pause) kill -STOP $child ;;
      resume) kill -CONT $child ;;
      keep) exit 0 ;;
    esac
  done
  kill -9 -$$
) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait $child
status=$?
kill -9 $watcher 2>/dev/null
exit $status
"#;

/// A running child. Dropping it kills the child.
pub struct Leashed {
    supervisor: Child,
    leash: Option<ChildStdin>,
    pid: u32,
    log: PathBuf,
}

impl Leashed {
    /// Starts `command`, its output appended to `log`.
    pub fn spawn(command: &Command, log: &Path) -> Result<Self> {
        let out = OpenOptions::new().create(true).append(true).open(log).at(log)?;
        Self::spawn_with(command, Stdio::from(out.try_clone().at(log)?), Stdio::from(out), log)
    }

    /// The same with standard output left to the caller, see [`Leashed::take_output`].
    pub fn spawn_piped(command: &Command, log: &Path) -> Result<(Self, BufReader<PipeReader>)> {
        let (reader, writer) = std::io::pipe().context(|| "cannot make a pipe".into())?;
        let err = OpenOptions::new().create(true).append(true).open(log).at(log)?;
        let leashed = Self::spawn_with(command, Stdio::from(writer), Stdio::from(err), log)?;
        Ok((leashed, BufReader::new(reader)))
    }

    fn spawn_with(command: &Command, out: Stdio, err: Stdio, log: &Path) -> Result<Self> {
        // The supervisor tells the child's pid through a file: its own standard output belongs to the child.
        let pid_file = log.with_extension(format!("{}.pid", unique()));
        let mut sh = Command::new("sh");
        sh.arg("-c").arg(format!("exec 4>\"$1\"; shift\n{SUPERVISOR}")).arg("leash").arg(&pid_file);
        sh.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => sh.env(key, value),
                None => sh.env_remove(key),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            sh.current_dir(dir);
        }
        sh.process_group(0).stdin(Stdio::piped()).stdout(out).stderr(err);
        let mut supervisor = sh.spawn().context(|| "cannot start sh".into())?;
        let leash = supervisor.stdin.take();
        let pid = wait_for_pid(&pid_file);
        let _ = std::fs::remove_file(&pid_file);
        Ok(Leashed { pid: pid?, supervisor, leash, log: log.to_owned() })
    }

    /// The child's own process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The process group that holds the child and its supervisor.
    pub fn group(&self) -> u32 {
        self.supervisor.id()
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Whether the child still runs; false once it has ended by itself or by order.
    pub fn is_running(&mut self) -> bool {
        matches!(self.supervisor.try_wait(), Ok(None))
    }

    /// SIGKILL to the child, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.order("kill")?;
        self.wait(Duration::from_secs(10)).map(drop)
    }

    /// SIGTERM to the child, and waits; after `patience` SIGKILL.
    pub fn stop(&mut self, patience: Duration) -> Result<()> {
        self.order("stop")?;
        match self.wait(patience) {
            Ok(_) => Ok(()),
            Err(_) => self.kill(),
        }
    }

    /// SIGSTOP: the child stands still, its connections stay open.
    pub fn pause(&mut self) -> Result<()> {
        self.order("pause")
    }

    /// SIGCONT after [`Leashed::pause`].
    pub fn resume(&mut self) -> Result<()> {
        self.order("resume")
    }

    /// Lets the child outlive us.
    pub fn release(mut self) -> Result<()> {
        self.order("keep")?;
        self.leash = None;
        Ok(())
    }

    /// Waits for the child's end; an error after `patience`.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.supervisor.try_wait().context(|| "cannot wait for a child".into())? {
                return Ok(status);
            }
            if Instant::now() >= end {
                return Err(Error::new(format!("process {} still runs after {patience:?}", self.pid)));
            }
            sleep(Duration::from_millis(20));
        }
    }

    fn order(&mut self, order: &str) -> Result<()> {
        let Some(leash) = &mut self.leash else {
            return Err(Error::new("the process was released from its leash"));
        };
        // A write fails only where the supervisor has ended, and then the child has too.
        let _ = writeln!(leash, "{order}");
        Ok(())
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        if self.leash.take().is_some() {
            let _ = self.wait(Duration::from_secs(10));
        }
    }
}

fn wait_for_pid(file: &Path) -> Result<u32> {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        let mut line = String::new();
        if let Ok(file) = File::open(file) {
            let _ = BufReader::new(file).read_line(&mut line);
        }
        if let Some(pid) = line.strip_suffix('\n').and_then(|pid| pid.parse().ok()) {
            return Ok(pid);
        }
        sleep(Duration::from_millis(5));
    }
    Err(Error::new(format!("the supervisor did not write {}", file.display())))
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
