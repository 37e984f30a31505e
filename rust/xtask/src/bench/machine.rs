//! Where and with what was measured.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sluice_testkit::{Components, Context, Error, Result, java_home_tool};

use super::Bench;
use crate::checkout::Checkout;

/// Facts that a figure is worth nothing without, each with its name.
pub type Facts = Vec<(&'static str, String)>;

pub(super) fn facts(checkout: &Checkout, bench: &Bench, rounds: u32) -> Result<Facts> {
    let mut facts = here(checkout, [vec![bench.rival()?], worker(&bench.components)?].concat())?;
    facts.extend([
        (
            "records",
            format!(
                "{} events of about 350 bytes in {} partitions, one task; rounds: {}",
                bench.records,
                super::PARTITIONS,
                rounds
            ),
        ),
        (
            "settings",
            format!(
                "heap 1 GB, commit interval {} ms, Parquet with zstd level 1",
                setting(&bench.demo, "delta.commit.interval.ms")
            ),
        ),
    ]);
    Ok(facts)
}

/// The machine, Sluice's version, and those of what else takes part.
pub fn here(checkout: &Checkout, others: Vec<String>) -> Result<Facts> {
    let read = |file: &str| std::fs::read_to_string(file).at(Path::new(file));
    let cpus = read("/proc/cpuinfo")?;
    let model = field(&cpus, "model name").unwrap_or("processor of unknown name");
    let cores = std::thread::available_parallelism().context(|| "the number of processors".into())?;
    let memory = field(&read("/proc/meminfo")?, "MemTotal").and_then(kilobytes).unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty"]).current_dir(&checkout.root);
    let commit = said(&mut git).unwrap_or_else(|_| "not from git".into());
    let versions = [vec![format!("Sluice {} ({commit})", checkout.version)], others].concat();
    Ok(vec![
        ("date", said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?),
        ("machine", format!("{cores} x {model}, {:.0} GB, Linux {}", memory as f64 / 1e6, kernel.trim())),
        ("load average before", format!("{:.1}", load()?)),
        ("versions", versions.join(", ")),
    ])
}

/// What a worker consists of.
pub fn worker(components: &Components) -> Result<Vec<String>> {
    let kafka = jar_version(&components.kafka_libs(), "connect-runtime-")?;
    Ok(vec![format!("Kafka {kafka}"), said(Command::new(java_home_tool("java")).arg("--version"))?])
}

pub fn iceberg(plugins: &Path) -> Result<String> {
    let version = jar_version(&plugins.join("sink"), "iceberg-kafka-connect-")?;
    Ok(format!("Iceberg {version}"))
}

pub fn setting<'a>(settings: &'a Value, key: &str) -> &'a str {
    settings[key].as_str().unwrap_or_default()
}

/// For a report's JSON.
pub fn by_name(facts: &Facts) -> BTreeMap<&'static str, &str> {
    facts.iter().map(|(name, fact)| (*name, fact.as_str())).collect()
}

/// As a list in Markdown.
pub fn listed(facts: &Facts) -> String {
    facts.iter().map(|(name, fact)| format!("- {name}: {fact}\n")).collect()
}

/// Of the last minute.
pub fn load() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").context(|| "/proc/loadavg".into())?;
    text.split(' ').next().unwrap_or_default().parse().context(|| format!("/proc/loadavg: {text}"))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

fn kilobytes(text: &str) -> Option<u64> {
    text.strip_suffix("kB")?.trim().parse().ok()
}

/// The first line of the output.
fn said(command: &mut Command) -> Result<String> {
    let output = command.output().context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        return Err(Error::new(format!("{command:?} failed ({})", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

/// That of the jar `PREFIXversion.jar`.
pub fn jar_version(libs: &Path, prefix: &str) -> Result<String> {
    let names =
        std::fs::read_dir(libs).at(libs)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let versions = names.filter_map(|name| version_in(&name, prefix).map(str::to_owned));
    versions.max().ok_or_else(|| Error::new(format!("no {prefix}*.jar in {}", libs.display())))
}

fn version_in<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let version = name.strip_prefix(prefix)?.strip_suffix(".jar")?;
    version.starts_with(|first: char| first.is_ascii_digit()).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_jar_itself() {
        assert_eq!(version_in("iceberg-kafka-connect-1.12.0.jar", "iceberg-kafka-connect-"), Some("1.12.0"));
        assert_eq!(version_in("iceberg-kafka-connect-events-1.12.0.jar", "iceberg-kafka-connect-"), None);
    }

    #[test]
    fn fields_of_proc_are_found() {
        assert_eq!(field("processor\t: 0\nmodel name\t: AMD EPYC\n", "model name"), Some("AMD EPYC"));
        assert_eq!(field("MemTotal:  24 kB\n", "MemTotal").and_then(kilobytes), Some(24));
        assert!(load().unwrap() >= 0.0);
    }
}
