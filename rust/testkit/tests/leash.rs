//! No process may survive whoever started it.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sluice_testkit::{Leashed, cpu_seconds};

fn holder(argument: &str) -> (Child, Vec<u32>) {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_hold-leash"))
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pids = line.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    (holder, pids)
}

fn runs(pid: u32) -> bool {
    // A zombie that nobody reaps (no init in a container) is dead all the same.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}

fn all_gone_within(pids: &[u32], patience: Duration) -> bool {
    let end = Instant::now() + patience;
    while pids.iter().any(|&pid| runs(pid)) {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

#[test]
fn holder_killed_with_9_takes_child_and_grandchild_along() {
    let (mut holder, pids) = holder("hold");
    assert_eq!(pids.len(), 3, "child, grandchild, child: {pids:?}");
    assert!(pids.iter().all(|&pid| runs(pid)), "{pids:?}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(all_gone_within(&pids, Duration::from_secs(5)), "survived: {pids:?}");
}

#[test]
fn released_child_survives_its_holder() {
    let (mut holder, pids) = holder("release");
    assert!(holder.wait().unwrap().success());
    std::thread::sleep(Duration::from_millis(300));
    let alive = pids.iter().all(|&pid| runs(pid));
    for pid in &pids {
        let _ = Command::new("kill").arg("-9").arg(pid.to_string()).stderr(Stdio::null()).status();
    }
    assert!(alive, "{pids:?}");
    assert!(all_gone_within(&pids, Duration::from_secs(5)));
}

#[test]
fn orders_reach_the_child_and_its_status_comes_back() {
    let log = std::env::temp_dir().join(format!("leash-orders-{}.log", std::process::id()));
    let sh = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Leashed::spawn(&command, Path::new(&log)).unwrap()
    };
    let patience = Duration::from_secs(5);
    assert_eq!(sh("exit 7").wait(patience).unwrap().code(), Some(7));

    let mut polite = sh("trap 'exit 3' TERM; while :; do sleep 0.05; done");
    std::thread::sleep(Duration::from_millis(200));
    polite.pause().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let used = cpu_seconds(polite.pid()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(cpu_seconds(polite.pid()).unwrap(), used, "a paused process uses no time");
    assert!(polite.is_running());
    polite.resume().unwrap();
    polite.stop(patience).unwrap();
    assert_eq!(polite.wait(patience).unwrap().code(), Some(3));

    let mut deaf = sh("trap '' TERM; while :; do sleep 0.05; done");
    std::thread::sleep(Duration::from_millis(200));
    deaf.stop(Duration::from_millis(300)).unwrap();
    assert_eq!(deaf.wait(patience).unwrap().code(), Some(137));
    let _ = std::fs::remove_file(&log);
}

#[test]
fn dropping_the_handle_kills_the_child() {
    let log = std::env::temp_dir().join(format!("leash-drop-{}.log", std::process::id()));
    let child = Leashed::spawn(Command::new("sleep").arg("600"), &log).unwrap();
    let pid = child.pid();
    assert!(runs(pid));
    drop(child);
    assert!(all_gone_within(&[pid], Duration::from_secs(5)));
    let _ = std::fs::remove_file(&log);
}
