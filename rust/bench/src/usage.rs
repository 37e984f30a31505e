//! What this process uses.

use rustix::time::{ClockId, clock_gettime};

/// CPU seconds of all threads.
pub fn cpu_of_process() -> f64 {
    seconds(ClockId::ProcessCPUTime)
}

/// CPU seconds of this thread.
pub fn cpu_of_thread() -> f64 {
    seconds(ClockId::ThreadCPUTime)
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Bytes resident now, and at most so far.
pub fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux's status");
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a size");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("kilobytes") * 1024
    };
    (bytes("VmRSS:"), bytes("VmHWM:"))
}
