//! How much memory this process may use, and what it gives back.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_delta::budget::Budget;

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
    told("/proc/meminfo", "MemTotal:")
}

/// Bytes of the whole process. Nothing tells but on Linux.
fn resident() -> usize {
    told("/proc/self/status", "VmRSS:").unwrap_or(0)
}

fn told(file: &str, name: &str) -> Option<usize> {
    let text = fs::read_to_string(file).ok()?;
    let told = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: usize = told.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1 << 10)
}

/// Of the whole worker, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct InUse {
    /// What `malloc` has given out, and what it has from the system for that. 0 where the C library does not tell.
    pub allocated: u64,
    pub reserved: u64,
    pub resident: u64,
}

pub fn in_use() -> InUse {
    let (allocated, reserved) = malloc_info().unwrap_or_default();
    InUse { allocated, reserved, resident: resident() as u64 }
}

/// Looked up by its name: an older C library has none, and the plugin has to load there all the same.
#[cfg(target_env = "gnu")]
fn malloc_info() -> Option<(u64, u64)> {
    // SAFETY: the name ends with a NUL.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"mallinfo2".as_ptr()) };
    if found.is_null() {
        return None;
    }
    // SAFETY: of this name glibc has this function, which takes nothing and the locks of the arenas itself.
    let info =
        unsafe { std::mem::transmute::<*mut libc::c_void, extern "C" fn() -> libc::mallinfo2>(found)() };
    Some(((info.uordblks + info.hblkhd) as u64, (info.arena + info.hblkhd) as u64))
}

#[cfg(not(target_env = "gnu"))]
fn malloc_info() -> Option<(u64, u64)> {
    None
}

/// At the latest, memory that was freed goes back to the system then.
const GIVE_BACK: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_secs(1);
/// And at once when the process has become larger by as much.
const GROWTH: usize = 32 << 20;

/// As long as rows are held. glibc keeps an arena for some threads each, and in it all that was freed before something that is in use:
/// several hundred MB once many threads have encoded.
pub async fn give_back(budget: Arc<Budget>) {
    let mut held_before = false;
    let (mut last, mut then) = (Instant::now(), resident());
    loop {
        tokio::time::sleep(LOOK).await;
        let holds = budget.held() > 0;
        let due = last.elapsed() >= GIVE_BACK || resident() > then + GROWTH;
        if (holds && due) || (held_before && !holds) {
            trim();
            (last, then) = (Instant::now(), resident());
        }
        held_before = holds;
    }
}

/// From here on, memory is the system's again as soon as it is freed.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 4 << 20;

/// As it starts, glibc raises its own bounds to twice what was ever freed at once, at most to 64 MiB, and keeps as much in the arena of
/// each thread: a hundred tasks with records of 10 MB would keep gigabytes that nobody holds.
#[cfg(target_env = "gnu")]
pub fn keep_little() {
    // SAFETY: it takes no pointer, and the locks of the arenas itself.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * LARGE);
    }
}

#[cfg(not(target_env = "gnu"))]
pub fn keep_little() {}

#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: it takes no pointer, and the locks of the arenas itself.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_env = "gnu")]
    fn what_was_freed_between_what_is_in_use_goes_back() {
        let mut all: Vec<_> = (0..2_000).map(|n| Some(vec![n as u8; 60_000])).collect();
        all.iter_mut().enumerate().filter(|(n, _)| n % 100 != 0).for_each(|(_, piece)| *piece = None);
        let before = resident();
        trim();
        let after = resident();
        assert!(after + (80 << 20) < before, "{before} bytes were resident, and {after} are");
        assert_eq!(all.iter().flatten().count(), 20);
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn what_is_in_use_grows_and_shrinks() {
        let before = in_use();
        let held = vec![7_u8; 64 << 20];
        std::hint::black_box(&held);
        let with = in_use();
        assert!(with.allocated >= before.allocated + (60 << 20), "{before:?}, {with:?}");
        assert!(with.reserved >= with.allocated && with.resident >= held.len() as u64, "{with:?}");
        drop(held);
        assert!(in_use().allocated < with.allocated - (50 << 20));
    }

    #[test]
    fn the_budget_is_a_part_of_what_the_machine_has() {
        let machine = of_machine().expect("Linux tells");
        let budget = default_budget();
        assert!(budget > 0 && budget <= machine / SHARE, "{budget} of {machine}");
    }
}
