//! Small file systems in memory, to run full and to be made read-only.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Unmounted when dropped.
pub struct Mount(PathBuf);

impl Mount {
    /// None, with a message that cannot be missed, where this process may not mount.
    pub fn new(folder: PathBuf, options: &str) -> Option<Self> {
        fs::create_dir_all(&folder).unwrap();
        if run("mount", &["-t", "tmpfs", "-o", options, "tmpfs"], &folder) {
            return Some(Mount(folder));
        }
        // Not by a macro, whose output the test harness keeps to itself.
        let _ = writeln!(
            io::stderr(),
            "\n*** SKIPPED: {} has to be a mount, which needs root and CAP_SYS_ADMIN ***\n",
            folder.display()
        );
        None
    }

    pub fn remount(&self, options: &str) {
        assert!(run("mount", &["-o", &format!("remount,{options}")], &self.0), "cannot remount {options}");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a worker may still have files open there.
        run("umount", &["-l"], &self.0);
    }
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).arg(folder).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Takes away what a run that was killed has left.
pub fn unmount_below(folder: &Path) {
    for line in fs::read_to_string("/proc/mounts").unwrap_or_default().lines() {
        let mounted = Path::new(line.split(' ').nth(1).unwrap_or_default());
        if mounted.starts_with(folder) {
            run("umount", &["-l"], mounted);
        }
    }
}
