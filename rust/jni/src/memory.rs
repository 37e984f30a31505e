//! How much memory this process may use.

use std::fs;

/// Of it, what rows may hold where no connector says otherwise. The Java heap takes a quarter by default, too.
const SHARE: usize = 4;
/// Where nothing tells: not on Linux.
const UNKNOWN: usize = 4 << 30;

pub fn default_budget() -> usize {
    available() / SHARE
}

/// The least of what the machine has and what its container's control group allows, in either version of those.
fn available() -> usize {
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = |controller: &str| {
        let line = group.lines().find(|line| line.split(':').nth(1) == Some(controller));
        line.and_then(|line| line.splitn(3, ':').nth(2)).unwrap_or("/").trim_end_matches('/').to_owned()
    };
    let limits = [
        format!("/sys/fs/cgroup{}/memory.max", path("")),
        "/sys/fs/cgroup/memory.max".to_owned(),
        format!("/sys/fs/cgroup/memory{}/memory.limit_in_bytes", path("memory")),
        "/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned(),
    ];
    // A group without a limit says `max`, or a number beyond what any machine has.
    let limits = limits.iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    limits.chain(of_machine()).min().unwrap_or(UNKNOWN)
}

fn of_machine() -> Option<usize> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: usize = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1 << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_a_part_of_what_the_machine_has() {
        let machine = of_machine().expect("Linux tells");
        let budget = default_budget();
        assert!(budget > 0 && budget <= machine / SHARE, "{budget} of {machine}");
    }
}
