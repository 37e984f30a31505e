//! Leaving the demo's broker and worker running, and stopping them later.

use std::fs;
use std::path::Path;
use std::process::Command;

use sluice_testkit::{Broker, Context, Error, Leashed, Result, Worker};

use crate::checkout::shown;

const STOP: &str = "stop.sh";

/// Lets all go and says how to talk to them and how to stop them. The table's servers come with what to say of each.
pub fn release(
    folder: &Path,
    mut broker: Broker,
    mut worker: Worker,
    servers: Vec<(String, Leashed)>,
    connector: &str,
) -> Result<()> {
    let stop = folder.join(STOP);
    let mut pids = vec![broker.process().pid(), worker.process().pid()];
    pids.extend(servers.iter().map(|(_, server)| server.pid()));
    fs::write(&stop, stop_script(folder, &pids)).at(&stop)?;
    println!("==> the broker and the worker stay");
    println!("    Kafka:          {}", broker.bootstrap());
    println!("    Connect's REST: {}, such as", worker.rest_url());
    println!("                    curl -s {}/connectors/{connector}/status", worker.rest_url());
    for (what, server) in servers {
        println!("    {what}");
        server.release()?;
    }
    println!("    stop all:       sh {}", shown(&stop));
    broker.into_process().release()?;
    worker.into_process().release()
}

/// Stops what an earlier demo in `folder` has left running.
pub fn stop_kept(folder: &Path) -> Result<()> {
    let stop = folder.join(STOP);
    if !stop.exists() {
        return Ok(());
    }
    println!("    stopping the broker and the worker that an earlier demo kept");
    let status = Command::new("sh").arg(&stop).status().at(&stop)?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("{} failed", shown(&stop)))) }
}

/// A process id may have gone to somebody else since: only a process that names the folder, or runs in it, is killed.
fn stop_script(folder: &Path, pids: &[u32]) -> String {
    let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
    format!(
        "# Stops what `cargo xtask demo --keep` left running.\n\
         for pid in {pids}; do\n  \
         if grep -qF '{0}' /proc/$pid/cmdline 2>/dev/null || readlink /proc/$pid/cwd | grep -qF '{0}'; then\n    \
         kill -9 $pid\n    \
         while [ -e /proc/$pid/exe ] && grep -q . /proc/$pid/cmdline 2>/dev/null; do sleep 0.1; done\n  \
         fi\n\
         done\n",
        folder.display(),
        pids = pids.join(" "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processes_of_the_folder_are_stopped() {
        let folder = std::env::temp_dir().join(format!("xtask-keep-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let named = |name: String| {
            let mut sleep = Command::new("sh");
            sleep.args(["-c", "while :; do sleep 0.05; done", &name]).spawn().unwrap()
        };
        let mut ours = named(folder.join("broker").display().to_string());
        let mut within = Command::new("sh");
        let within = within.args(["-c", "while :; do sleep 0.05; done"]).current_dir(&folder);
        let mut within = within.spawn().unwrap();
        let mut other = named("/somewhere/else".into());
        fs::write(folder.join(STOP), stop_script(&folder, &[ours.id(), within.id(), other.id(), u32::MAX]))
            .unwrap();
        stop_kept(&folder).unwrap();
        let stopped = [&mut ours, &mut within].map(|child| child.try_wait().unwrap().is_some());
        let running = other.try_wait().unwrap().is_none();
        for child in [&mut ours, &mut within, &mut other] {
            let _ = child.kill();
            child.wait().unwrap();
        }
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(stopped, [true; 2], "ours are gone");
        assert!(running, "the other is untouched");
        stop_kept(&folder).unwrap();
    }
}
