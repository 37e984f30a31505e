//! The native library as the plugin carries it: without symbols, and fit to be loaded into a running JVM.

use std::fs;
use std::path::Path;

use sluice_testkit::{Context, Error, Result};

use crate::checkout::Checkout;
use crate::install;

const EXPORTED: &str = "Java_io_sluice_connect_Native_";

/// A copy of the built library without symbols: a sixth of its size. Not in place, as a running worker may have the
/// file open, and the built one keeps its line tables for the backtraces of tests.
pub fn place(checkout: &Checkout, library: &Path, to: &Path) -> Result<()> {
    for program in ["strip", "readelf"] {
        if !install::on_path(program) {
            return Err(Error::new(format!("no `{program}` here. As root: apt-get install -y binutils")));
        }
    }
    let partial = to.with_extension("partial");
    let mut strip = checkout.command("strip", &["--strip-all", "-o"]);
    output(strip.arg(&partial).arg(library))?;
    let mut readelf = checkout.command("readelf", &["--dynamic", "--dyn-syms", "--wide"]);
    let said = output(readelf.arg(&partial))?;
    let problems = problems(&said);
    if !problems.is_empty() {
        return Err(Error::new(format!("{} {}", library.display(), problems.join("; "))));
    }
    let size = fs::metadata(&partial).at(&partial)?.len();
    let glibc =
        glibc(&said).map_or("no glibc".into(), |(major, minor)| format!("glibc {major}.{minor} or newer"));
    println!("    the native library has {:.1} MB and needs {glibc}", size as f64 / 1e6);
    fs::rename(&partial, to).at(to)
}

fn output(command: &mut std::process::Command) -> Result<String> {
    let output = command.output().context(|| format!("cannot run {command:?}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::new(String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Why a JVM cannot load the library safely, if so.
fn problems(readelf: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if readelf.contains("STATIC_TLS") {
        problems.push(
            "wants static TLS, of which a running JVM has little left: a second copy may fail to load".into(),
        );
    }
    if !readelf.contains("NODELETE") {
        problems.push("may be unloaded under its running threads: link it with -z nodelete".into());
    }
    let exported: Vec<_> =
        symbols(readelf).filter(|(section, _)| *section != "UND").map(|(_, name)| name).collect();
    let others: Vec<_> = exported.iter().filter(|name| !name.starts_with(EXPORTED)).copied().collect();
    if exported.is_empty() || !others.is_empty() {
        problems.push(format!("has to export {EXPORTED}* and nothing else, but exports {others:?}"));
    }
    problems
}

/// The newest version of glibc that a symbol is wanted from.
fn glibc(readelf: &str) -> Option<(u32, u32)> {
    let versions = symbols(readelf).filter_map(|(_, name)| {
        let (major, minor) = name.split_once("@GLIBC_")?.1.split_once('.')?;
        Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
    });
    versions.max()
}

/// Section and name of each dynamic symbol. `  12: 0000 0 FUNC GLOBAL DEFAULT UND write@GLIBC_2.2.5 (5)`
fn symbols(readelf: &str) -> impl Iterator<Item = (&str, &str)> {
    readelf.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [number, _, _, _, "GLOBAL" | "WEAK", _, section, name, ..] = words[..] else { return None };
        number.ends_with(':').then_some((section, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = " 0x000000006ffffffb (FLAGS_1)            Flags: NOW NODELETE
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     0: 0000000000000000     0 NOTYPE  LOCAL  DEFAULT  UND
     1: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND fstat64@GLIBC_2.33 (2)
     2: 0000000000000000     0 FUNC    WEAK   DEFAULT  UND gnu_get_libc_version@GLIBC_2.2.5 (3)
     3: 0000000000846b10    79 FUNC    GLOBAL DEFAULT   12 Java_io_sluice_connect_Native_close
";

    #[test]
    fn a_good_library_has_no_problem() {
        assert_eq!(problems(SAID), [""; 0]);
        assert_eq!(glibc(SAID), Some((2, 33)));
    }

    #[test]
    fn each_fault_is_named() {
        for (from, to, named) in [
            ("NOW NODELETE", "NOW NODELETE STATIC_TLS", "static TLS"),
            (" NODELETE", "", "nodelete"),
            ("Java_io_sluice_connect_Native_close", "malloc", "malloc"),
            ("  12 Java", " UND Java", "exports []"),
        ] {
            let problems = problems(&SAID.replace(from, to));
            assert!(problems.len() == 1 && problems[0].contains(named), "{problems:?}");
        }
    }
}
