//! What a process uses, as Linux tells it in `/proc`.

use std::collections::BTreeMap;
use std::ops::Range;

/// The most memory that a process has had resident so far, in bytes.
pub fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    kilobytes(status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?)
}

/// Bytes that are resident now, by where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    pub heap: u64,
    pub native: u64,
}

/// `heap` is the range of addresses of a JVM's heap, see [`heap_range`].
pub fn resident_memory(pid: u32, heap: &Range<u64>) -> Option<Resident> {
    resident_in(&std::fs::read_to_string(format!("/proc/{pid}/smaps")).ok()?, heap)
}

fn resident_in(smaps: &str, heap: &Range<u64>) -> Option<Resident> {
    let mut resident = Resident { heap: 0, native: 0 };
    let mut in_heap = false;
    for line in smaps.lines() {
        if let Some(size) = line.strip_prefix("Rss:") {
            *(if in_heap { &mut resident.heap } else { &mut resident.native }) += kilobytes(size)?;
        } else if let Some(start) = line.split_once('-').and_then(|(start, _)| hexadecimal(start)) {
            in_heap = heap.contains(&start);
        }
    }
    Some(resident)
}

/// The argument that makes a JVM say where its heap is.
pub const SAY_HEAP_RANGE: &str = "-Xlog:gc+heap+coops=debug";

/// Where the heap is of the JVM that logged this.
pub fn heap_range(log: &str) -> Option<Range<u64>> {
    let line = log.lines().find_map(|line| line.split_once("eap address: 0x"))?.1;
    let (start, rest) = line.split_once(',')?;
    let start = hexadecimal(start)?;
    let megabytes: u64 = rest.trim().strip_prefix("size: ")?.split(' ').next()?.parse().ok()?;
    Some(start..start + (megabytes << 20))
}

/// Threads that live now.
pub fn threads(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
}

/// How many of them have a name, in which figures are left out.
pub fn thread_names(pid: u32) -> BTreeMap<String, u64> {
    let mut names = BTreeMap::new();
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    for name in threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok()) {
        let name = name.trim().replace(|c: char| c.is_ascii_digit(), "");
        *names.entry(name).or_default() += 1;
    }
    names
}

/// The name of each thread and the CPU seconds that it has used so far, by its id.
pub fn thread_seconds(pid: u32) -> BTreeMap<u32, (String, f64)> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    stats.filter_map(|stat| thread_in(&stat)).collect()
}

fn thread_in(stat: &str) -> Option<(u32, (String, f64))> {
    let (id, rest) = stat.split_once(" (")?;
    Some((id.parse().ok()?, (rest[..rest.rfind(')')?].to_owned(), seconds_in(stat)?)))
}

/// Files, sockets and all else that a process has open now.
pub fn descriptors(pid: u32) -> Option<u64> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64)
}

/// CPU seconds (user and system, all threads) that a process has used so far.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    seconds_in(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The part of it that a JVM's compiler threads have used.
pub fn compiler_seconds(pid: u32) -> Option<f64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    let compilers = stats.filter(|stat| stat.contains(" (C1 Compiler") || stat.contains(" (C2 Compiler"));
    compilers.map(|stat| seconds_in(&stat)).sum()
}

fn kilobytes(text: &str) -> Option<u64> {
    Some(text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

fn seconds_in(stat: &str) -> Option<f64> {
    // The name in parentheses may hold anything; fields are counted after it. utime and stime are fields 14 and 15.
    let mut fields = stat.get(stat.rfind(')')? + 2..)?.split(' ').skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    // USER_HZ is 100 on every Linux that has a /proc.
    Some((user + system) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_user_and_system_after_a_name_that_holds_anything() {
        assert_eq!(seconds_in("7 (a) b (x) S 1 1 1 0 -1 4194560 1 2 3 4 150 50 9 9 20 0"), Some(2.0));
        assert_eq!(seconds_in("7 (short) S 1"), None);
        let stat = "70 (C2 (x) 1) S 1 1 1 0 -1 4194560 1 2 3 4 150 50 9 9 20 0";
        assert_eq!(thread_in(stat), Some((70, ("C2 (x) 1".into(), 2.0))));
    }

    #[test]
    fn a_process_has_a_peak_of_memory_and_this_one_no_compiler() {
        assert!(peak_memory(std::process::id()).is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(compiler_seconds(std::process::id()), Some(0.0));
        assert_eq!(peak_memory(u32::MAX), None);
    }

    #[test]
    fn threads_and_descriptors_are_counted() {
        let pid = std::process::id();
        assert!(threads(pid).is_some_and(|threads| threads >= 1));
        assert!(thread_names(pid).values().sum::<u64>() >= 1);
        assert!(thread_seconds(pid).contains_key(&pid));
        let before = descriptors(pid).unwrap();
        let open: Vec<_> = (0..50).map(|_| std::fs::File::open("/proc/self/status").unwrap()).collect();
        // Other tests of this process open and close theirs meanwhile.
        assert!(descriptors(pid).unwrap() >= before + 40);
        drop(open);
        assert_eq!((threads(u32::MAX), descriptors(u32::MAX)), (None, None));
    }

    #[test]
    fn memory_is_split_where_the_jvm_says_that_its_heap_is() {
        let log = "[0.003s][debug][gc,heap,coops] Heap address: 0x00000000fc000000, size: 64 MB, Compressed Oops mode: 32-bit";
        let heap = heap_range(log).unwrap();
        assert_eq!(heap, 0xfc00_0000..0x1_0000_0000);
        let smaps = "fc000000-fd000000 rw-p 00000000 00:00 0\nSize: 16384 kB\nRss:     100 kB\nPss: 90 kB\n\
            fd000000-100000000 ---p 00000000 00:00 0\nRss:      20 kB\n\
            100000000-100100000 rw-p 00000000 00:00 0 \nRss:     7 kB\n\
            7f00-7f10 r-xp 00000000 08:01 5  /lib/a-b.so\nRss:       1 kB\n";
        assert_eq!(resident_in(smaps, &heap), Some(Resident { heap: 120 << 10, native: 8 << 10 }));
        assert_eq!(heap_range("Heap: 64 MB"), None);
        assert!(resident_memory(std::process::id(), &heap).is_some_and(|memory| memory.native > 1 << 20));
    }
}
