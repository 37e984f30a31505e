//! `cargo xtask upgrade`: the end-to-end tests of an upgrade, from the package of another commit instead of a copy of this one's.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use sluice_testkit::{Context, Error, Result};

use crate::args::Args;
use crate::checkout::{Checkout, shown};
use crate::{install, package, step};

pub struct Options {
    /// A commit, by any name that git knows.
    from: String,
}

impl Options {
    pub fn take(args: &mut Args) -> Result<Self> {
        let from: Option<String> = args.value("--from")?;
        let from = from.ok_or_else(|| Error::new("`--from COMMIT` says what to upgrade from"))?;
        Ok(Options { from })
    }
}

pub fn run(checkout: &Checkout, options: &Options) -> Result<ExitCode> {
    let _alone = checkout.alone("upgrade", "an upgrade is already being tested in this checkout")?;
    install::programs(checkout)?;
    install::components(checkout)?;
    install::registry(checkout)?;
    package::plugin(checkout)?;
    let commit = commit(checkout, &options.from)?;
    let previous = packaged(checkout, &commit)?;
    let mut tests = checkout.cargo(&["test", "--release", "--locked", "--workspace", "--test", "e2e"]);
    tests.args(["--no-fail-fast", "--", "--test-threads=1", "upgrade::"]);
    tests.env("SLUICE_PREVIOUS_PLUGIN", &previous);
    let what = format!("upgrading from {commit}");
    let why = "real workers, worker by worker and within one; some minutes";
    let (status, _) = step::watch(&what, why, &tests, &checkout.log("upgrade"), step::cargo_lines)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn commit(checkout: &Checkout, name: &str) -> Result<String> {
    let git = checkout.command("git", &["rev-parse", "--short", "--verify", &format!("{name}^{{commit}}")]);
    Ok(output(git)?.trim().to_owned())
}

/// The plugin's folder, built by that commit's own `cargo xtask package` in a work tree of its own.
fn packaged(checkout: &Checkout, commit: &str) -> Result<PathBuf> {
    let tree = checkout.target().join("upgrade");
    let mut git = checkout.command("git", &[]);
    if tree.join(".git").exists() {
        git.arg("-C").arg(&tree).args(["checkout", "--quiet", "--detach", commit]);
    } else {
        git.args(["worktree", "add", "--quiet", "--detach"]).arg(&tree).arg(commit);
    }
    output(git)?;
    let mut build = checkout.cargo(&["xtask", "package"]);
    build.current_dir(&tree).env("CARGO_TARGET_DIR", checkout.cache.join("upgrade"));
    let why = "a package of its own; up to a quarter of an hour when nothing is compiled yet";
    let what = format!("packaging {commit} in {}", shown(&tree));
    step::run(&what, why, &build, &checkout.log("upgrade-package"), step::cargo_lines)?;
    Ok(tree.join("target/plugin/sluice"))
}

fn output(mut command: Command) -> Result<String> {
    let output = command.output().context(|| format!("cannot run {command:?}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::new(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::parsed;

    #[test]
    fn what_to_upgrade_from_has_to_be_said() {
        assert_eq!(parsed("--from v0.1.0", Options::take).unwrap().from, "v0.1.0");
        assert!(parsed("", Options::take).err().unwrap().to_string().contains("--from"));
    }
}
