//! For `tests/leash.rs`: starts a child on a leash, prints the child's pid, and holds the leash until it is killed.

use std::process::Command;

use sluice_testkit::{Error, Leashed, Result};

fn main() -> Result<()> {
    let mut command = Command::new("sh");
    // A grandchild as well: the whole group has to go.
    command.args(["-c", "sleep 600 & echo $! $$; wait"]);
    let log = std::env::temp_dir().join(format!("hold-leash-{}.log", std::process::id()));
    let (child, mut output) = Leashed::spawn_piped(&command, &log)?;
    let _ = std::fs::remove_file(&log);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut output, &mut line).map_err(|e| Error::new(e.to_string()))?;
    println!("{} {}", child.pid(), line.trim());
    if std::env::args().nth(1).as_deref() == Some("release") {
        return child.release();
    }
    loop {
        std::thread::sleep(std::time::Duration::from_secs(600));
    }
}
