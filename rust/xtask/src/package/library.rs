//! The native library as the plugin carries it: without symbols, and fit to be loaded into a running JVM.

use std::fs;
use std::path::Path;

use sluice_testkit::{Context, Error, Result};

use super::platform::{OLDEST_GLIBC, Platform};
use crate::checkout::Checkout;
use crate::install;

const EXPORTED: &str = "Java_io_sluice_connect_Native_";

/// The parts of glibc, which every machine with glibc has; not libgcc_s, which slim images lack.
const GLIBC_LIBRARIES: [&str; 7] = [
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
];
/// All of musl. Its loader knows that it is that itself, whatever the distribution calls the file.
const MUSL_LIBRARIES: [&str; 1] = ["libc.so"];

/// A copy of the library that was built for this machine, without symbols: a sixth of its size. Not in place, as a running worker
/// may have the file open, and the built one keeps its line tables for the backtraces of tests.
pub fn place(checkout: &Checkout, library: &Path, to: &Path) -> Result<()> {
    demand_program("strip")?;
    let partial = to.with_extension("partial");
    let mut strip = checkout.command("strip", &["--strip-all", "-o"]);
    output(strip.arg(&partial).arg(library))?;
    let said = read(checkout, &partial)?;
    finish(library, &partial, to, &said, problems(&said))
}

/// A copy of the library that was built for `platform`, from which the linker has left the symbols out.
pub fn place_for(checkout: &Checkout, platform: &Platform, library: &Path, to: &Path) -> Result<()> {
    let partial = to.with_extension("partial");
    fs::copy(library, &partial).at(library)?;
    let said = read(checkout, &partial)?;
    let mut problems = problems(&said);
    problems.extend(misfits(&said, platform));
    finish(library, &partial, to, &said, problems)
}

fn finish(built: &Path, partial: &Path, to: &Path, readelf: &str, problems: Vec<String>) -> Result<()> {
    if !problems.is_empty() {
        return Err(Error::new(format!("{} {}", built.display(), problems.join("; "))));
    }
    let size = fs::metadata(partial).at(partial)?.len();
    let glibc =
        glibc(readelf).map_or("no glibc".into(), |(major, minor)| format!("glibc {major}.{minor} or newer"));
    println!("    the native library has {:.1} MB and needs {glibc}", size as f64 / 1e6);
    fs::rename(partial, to).at(to)
}

fn read(checkout: &Checkout, library: &Path) -> Result<String> {
    demand_program("readelf")?;
    let mut readelf = checkout
        .command("readelf", &["--file-header", "--section-headers", "--dynamic", "--dyn-syms", "--wide"]);
    // Its words are translated elsewhere.
    output(readelf.env("LC_ALL", "C").arg(library))
}

fn demand_program(name: &str) -> Result<()> {
    match install::on_path(name) {
        true => Ok(()),
        false => Err(Error::new(format!("no `{name}` here. As root: apt-get install -y binutils"))),
    }
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

/// Why it would not load on every machine of the platform, if so.
fn misfits(readelf: &str, platform: &Platform) -> Vec<String> {
    let mut misfits = Vec::new();
    let machine = readelf.lines().find_map(|line| line.trim().strip_prefix("Machine:")).unwrap_or("").trim();
    if machine != platform.machine {
        misfits.push(format!("is for {machine:?}, not for {}", platform.machine));
    }
    let with = if platform.musl { &MUSL_LIBRARIES[..] } else { &GLIBC_LIBRARIES };
    let others: Vec<_> = needed(readelf).filter(|library| !with.contains(library)).collect();
    if !others.is_empty() {
        misfits.push(format!("needs {}, which a machine may not have", others.join(", ")));
    }
    match glibc(readelf) {
        Some((major, minor)) if platform.musl => {
            misfits.push(format!("wants symbols of glibc {major}.{minor} from musl"));
        }
        Some(newest) if newest > OLDEST_GLIBC => misfits.push(format!(
            "wants symbols of glibc {}.{}, newer than {}.{}",
            newest.0, newest.1, OLDEST_GLIBC.0, OLDEST_GLIBC.1
        )),
        // A library for glibc that names no version of it was linked with something else.
        None if !platform.musl => misfits.push("wants nothing of glibc".into()),
        _ => {}
    }
    if readelf.contains(".symtab") || readelf.contains(".debug_") {
        misfits.push("has symbols that nobody needs: link it with -C strip=symbols".into());
    }
    misfits
}

/// The names of the libraries that are loaded with it. ` 0x1 (NEEDED)   Shared library: [libc.so.6]`
fn needed(readelf: &str) -> impl Iterator<Item = &str> {
    readelf
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split_once('[')?.1.strip_suffix(']'))
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
    use super::super::platform::PLATFORMS;
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

    /// Of the library for a platform.
    fn said_for(platform: &Platform) -> String {
        let libc = if platform.musl { "libc.so" } else { "libc.so.6" };
        let said =
            SAID.replace("fstat64@GLIBC_2.33", if platform.musl { "fstat" } else { "fstat@GLIBC_2.17" });
        let said = said.replace("@GLIBC_2.2.5", if platform.musl { "" } else { "@GLIBC_2.2.5" });
        format!(
            "  Machine:                           {}\n 0x0000000000000001 (NEEDED)             Shared library: [{libc}]\n{said}",
            platform.machine
        )
    }

    #[test]
    fn each_platform_has_its_own_demands() {
        for platform in &PLATFORMS {
            let good = said_for(platform);
            assert_eq!(misfits(&good, platform), [""; 0], "{}", platform.name);
            let machine = if platform.machine == "AArch64" { "Intel 80386" } else { "AArch64" };
            let libc = format!("[{}]", needed(&good).next().unwrap());
            let with_libgcc =
                format!("{libc}\n 0x0000000000000001 (NEEDED)             Shared library: [libgcc_s.so.1]");
            let mut faults = vec![
                (platform.machine, machine, "is for"),
                (&libc, &with_libgcc, "libgcc_s.so.1"),
                ("Num:", "[25] .symtab SYMTAB\n Num:", "strip=symbols"),
            ];
            if platform.musl {
                faults.push(("fstat", "fstat@GLIBC_2.17", "glibc 2.17 from musl"));
                faults.push(("[libc.so]", "[libc.so.6]", "libc.so.6"));
            } else {
                faults.push(("@GLIBC_2.17", "@GLIBC_2.18", "2.18"));
                faults.push(("@GLIBC_", "@OTHER_", "nothing of glibc"));
            }
            for (from, to, named) in faults {
                let bad = good.replace(from, to);
                let misfits = misfits(&bad, platform);
                assert!(misfits.len() == 1 && misfits[0].contains(named), "{from} to {to}: {misfits:?}");
            }
        }
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
