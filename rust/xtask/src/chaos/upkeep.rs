//! Upkeep of the tables beside all the rest: by the workers, as the connectors' settings say, and by `sluice maintain`, which is started
//! at random and killed half way.

use std::collections::VecDeque;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use sluice_testkit::{Context, Leashed, Result, TableLog, tail};

use super::random::{Deck, Random};
use super::stage::Stage;

/// Files that were removed are kept so long. A worker may be held for 16 s between the time that it writes into a commit and the commit.
const RETENTION: Duration = Duration::from_secs(60);
/// For which a version that was seen has to stay readable.
const PINNED: Duration = Duration::from_secs(30);
const BETWEEN_PINS: Duration = Duration::from_secs(3);
/// As old as a commit has to be before it is made to look as old as `delta.logRetentionDuration` asks for: longer than any writer here
/// knows of no newer one, and any listing is behind.
const OLD_COMMIT: Duration = Duration::from_secs(75);
const LOOKS_OLD: Duration = Duration::from_secs(3 * 24 * 3600);
/// Of `sluice maintain`, outages included.
const PATIENCE: Duration = Duration::from_secs(90);

/// What connectors have beside their other settings while their workers merge and vacuum.
const BY_WORKERS: [(&str, &str); 6] = [
    ("delta.compaction.enabled", "true"),
    ("delta.compaction.scope", "all"),
    ("delta.compaction.interval.ms", "2000"),
    ("delta.compaction.min.files", "4"),
    ("delta.vacuum.mode", "delete"),
    ("delta.vacuum.interval.ms", "5000"),
];

/// `delta.table.properties` of the tables.
pub fn properties() -> String {
    let retention = RETENTION.as_secs();
    format!(
        "delta.checkpointInterval=10; delta.logRetentionDuration=interval 1 hours; \
         delta.deletedFileRetentionDuration=interval {retention} seconds"
    )
}

/// A connector's settings, with workers that merge and vacuum or that keep the log only.
pub fn set(config: &mut Value, merges: bool) {
    for (key, value) in BY_WORKERS {
        match config.as_object_mut() {
            Some(config) if !merges => drop(config.remove(key)),
            _ => config[key] = value.into(),
        }
    }
}

/// What `sluice maintain` is told.
#[derive(Debug, Clone)]
pub struct Target {
    pub name: String,
    pub uri: String,
    pub folder: PathBuf,
    /// The connector's settings, through the proxies.
    pub config: Value,
}

const CALLS: [&[&str]; 6] = [
    &["--compact", "--all-partitions", "--min-files", "2"],
    &["--compact", "--all-partitions", "--min-files", "2"],
    &["--checkpoint", "--checksum", "--compact-log"],
    &["--clean-log", "--vacuum", "--delete"],
    &[
        "--compact",
        "--all-partitions",
        "--checkpoint",
        "--checksum",
        "--compact-log",
        "--clean-log",
        "--vacuum",
        "--delete",
    ],
    &[],
];

/// Calls `sluice maintain` until the end.
pub fn maintain(targets: &[Target], sluice: &Path, stage: &Stage, seed: u64) -> Result<()> {
    let (mut random, mut deck) = (Random::new(seed, 5), Deck::new(&CALLS));
    for target in targets {
        fs::create_dir_all(&target.folder).at(&target.folder)?;
        let file = config_file(target);
        fs::write(&file, target.config.to_string()).at(&file)?;
    }
    while !stage.has_ended() {
        let quiet = random.millis(1_000, 6_000);
        stage.pause(quiet);
        let (target, options) = (&targets[random.index(targets.len())], deck.draw(&mut random));
        // Half of them end by themselves.
        let killed = random.millis(100, 6_000).checked_sub(Duration::from_millis(3_000));
        call(target, sluice, options, killed, stage)?;
    }
    Ok(())
}

fn config_file(target: &Target) -> PathBuf {
    target.folder.join("maintain.json")
}

fn call(
    target: &Target,
    sluice: &Path,
    options: &[&str],
    killed: Option<Duration>,
    stage: &Stage,
) -> Result<()> {
    let log = target.folder.join("maintain.log");
    fs::write(&log, "").at(&log)?;
    let mut command = std::process::Command::new(sluice);
    command.args(["maintain", &target.uri]).args(options).arg("--config").arg(config_file(target));
    let start = Instant::now();
    let mut process = Leashed::spawn(&command, &log)?;
    let until = start + killed.unwrap_or(PATIENCE);
    while process.is_running() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    let options = if options.is_empty() { "what is due".to_owned() } else { options.join(" ") };
    let called = format!("{}: {options}", target.name);
    if process.is_running() {
        process.kill()?;
        stage.happened("sluice maintain killed (SIGKILL)", &format!("{called}, after {:?}", start.elapsed()));
        if killed.is_none() {
            stage
                .found(format!("sluice maintain of {called} did not end in {PATIENCE:?}: {}", tail(&log, 5)));
        }
        return Ok(());
    }
    let status = process.wait(Duration::ZERO)?;
    let text = tail(&log, 20);
    // What it cannot do because of the faults of a store is no finding; that it does not say so is.
    if status.success() {
        stage.happened("sluice maintain", &format!("{called}: {text}"));
    } else if status.code() == Some(101) || text.contains("panicked") || text.trim().is_empty() {
        stage.found(format!("sluice maintain of {called} ended with {status}: {text}"));
    } else {
        stage.happened("sluice maintain that failed", &format!("{called} ({status}): {text}"));
    }
    Ok(())
}

/// A version as it was when it was the newest.
struct Pin {
    seen: Instant,
    version: u64,
    files: Vec<String>,
}

/// Versions that somebody still reads.
#[derive(Default)]
pub struct Pins {
    pins: VecDeque<Pin>,
    /// Versions that were looked at again.
    pub read: u64,
}

impl Pins {
    /// Looks at those within retention, and pins the newest one now and then. Gives what is missing.
    pub fn look(&mut self, log: &TableLog, table: &Path) -> Option<String> {
        let missing = self.pins.iter().find_map(|pin| {
            let gone: Vec<_> = pin.files.iter().filter(|file| !table.join(file).exists()).collect();
            let first = gone.first()?;
            let age = pin.seen.elapsed();
            Some(format!(
                "version {}, seen {age:?} ago, lacks {} of its files: {first}",
                pin.version,
                gone.len()
            ))
        });
        self.read += self.pins.len() as u64;
        // Each was looked at when it was old, too.
        self.pins.retain(|pin| pin.seen.elapsed() < PINNED);
        if log.versions > 0 && self.pins.back().is_none_or(|pin| pin.seen.elapsed() >= BETWEEN_PINS) {
            let files = log.paths().map(str::to_owned).collect();
            self.pins.push_back(Pin { seen: Instant::now(), version: log.versions - 1, files });
        }
        missing
    }
}

/// Makes old commits look older still, so that log clean-up takes them away: it keeps an hour at the least. `below`: versions that
/// whoever follows the log has read.
pub fn age(table: &Path, below: u64) -> Result<()> {
    let log = table.join("_delta_log");
    let Ok(entries) = fs::read_dir(&log) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let version = name.strip_suffix(".json").and_then(|number| number.parse::<u64>().ok());
        if version.is_none_or(|version| version >= below) {
            continue;
        }
        // Somebody may delete it meanwhile.
        let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) else { continue };
        let age = SystemTime::now().duration_since(modified).unwrap_or_default();
        if (OLD_COMMIT..LOOKS_OLD).contains(&age)
            && let Ok(file) = File::options().write(true).open(entry.path())
        {
            file.set_times(FileTimes::new().set_modified(modified - LOOKS_OLD)).at(&entry.path())?;
        }
    }
    Ok(())
}

/// What upkeep has left of a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    pub commits: u64,
    pub checkpoints: u64,
    pub compacted: u64,
    pub checksums: u64,
    /// The first version that can be read.
    pub first: u64,
}

impl Kept {
    pub fn of(table: &Path) -> Result<Self> {
        let log = table.join("_delta_log");
        let mut kept = Kept { first: u64::MAX, ..Kept::default() };
        for entry in fs::read_dir(&log).at(&log)? {
            let name = entry.at(&log)?.file_name().to_string_lossy().into_owned();
            let version = name.split('.').next().and_then(|number| number.parse::<u64>().ok());
            let Some(version) = version else { continue };
            match name.split_once('.').unwrap_or_default().1 {
                "json" => {
                    kept.commits += 1;
                    kept.first = kept.first.min(version);
                }
                "crc" => kept.checksums += 1,
                rest if rest.ends_with("compacted.json") => kept.compacted += 1,
                rest if rest.contains("checkpoint") => kept.checkpoints += 1,
                _ => {}
            }
        }
        Ok(kept)
    }

    pub fn json(self) -> Value {
        json!({
            "commits": self.commits, "checkpoints": self.checkpoints, "logCompactions": self.compacted,
            "checksums": self.checksums, "firstCommit": self.first,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-chaos-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("_delta_log")).unwrap();
        folder
    }

    #[test]
    fn a_file_that_a_pinned_version_needs_is_missed() {
        let table = folder("pins");
        let add = r#"{"add":{"path":"a.parquet","stats":"{\"numRecords\":1}"}}"#;
        fs::write(table.join("_delta_log/00000000000000000000.json"), add).unwrap();
        fs::write(table.join("a.parquet"), "").unwrap();
        let mut log = TableLog::new(&table);
        log.refresh().unwrap();
        let mut pins = Pins::default();
        assert_eq!(pins.look(&log, &table), None);
        assert_eq!((pins.look(&log, &table), pins.read), (None, 1));
        fs::remove_file(table.join("a.parquet")).unwrap();
        let missing = pins.look(&log, &table).unwrap();
        assert!(missing.contains("version 0") && missing.contains("a.parquet"), "{missing}");
        fs::remove_dir_all(&table).unwrap();
    }

    #[test]
    fn only_commits_that_are_old_and_were_read_are_aged_and_once() {
        let table = folder("age");
        let commit = |version: u64| table.join(format!("_delta_log/{version:020}.json"));
        let (now, old) = (SystemTime::now(), SystemTime::now() - OLD_COMMIT - Duration::from_secs(1));
        for (version, modified) in [(0, old), (1, now), (2, old)] {
            let file = File::create(commit(version)).unwrap();
            file.set_times(FileTimes::new().set_modified(modified)).unwrap();
        }
        age(&table, 2).unwrap();
        age(&table, 2).unwrap();
        let modified = |version: u64| fs::metadata(commit(version)).unwrap().modified().unwrap();
        assert_eq!([0, 1, 2].map(modified), [old - LOOKS_OLD, now, old]);
        fs::remove_dir_all(&table).unwrap();
    }

    #[test]
    fn what_upkeep_leaves_is_counted() {
        let table = folder("kept");
        for name in [
            "00000000000000000010.json",
            "00000000000000000011.json",
            "00000000000000000010.crc",
            "00000000000000000010.checkpoint.parquet",
            "00000000000000000010.00000000000000000011.compacted.json",
            "_last_checkpoint",
        ] {
            fs::write(table.join("_delta_log").join(name), "").unwrap();
        }
        let kept = Kept { commits: 2, checkpoints: 1, compacted: 1, checksums: 1, first: 10 };
        assert_eq!(Kept::of(&table).unwrap(), kept);
        fs::remove_dir_all(&table).unwrap();
    }

    #[test]
    fn workers_merge_or_do_not() {
        let mut config = json!({"topics": "t"});
        set(&mut config, true);
        assert_eq!(config["delta.compaction.scope"], "all");
        set(&mut config, false);
        assert_eq!(config, json!({"topics": "t"}));
    }
}
