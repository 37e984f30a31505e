//! A worker with a backlog, with and without compaction beside it.

use serde_json::{Value, json};
use sluice_testkit::{Error, Expected, Result, TableLog, read_table};

use super::super::entry::{Entry, Input, Sink};
use super::super::measure::Run;
use super::super::{Bench, Options};

/// Often, so that there are many small files.
const COMMIT_INTERVAL_MS: u64 = 200;
const COMPACTION_INTERVAL_MS: u64 = 1_000;
const ENTRY: Entry = Entry { input: Input::Bytes, sink: Sink::Sluice };

/// One run of each, one after the other.
pub struct Round {
    pub without: Run,
    pub beside: Run,
    /// Commits of the second that put files in the place of others.
    pub rewrites: u64,
    /// Data files of its last version.
    pub files: u64,
}

impl Round {
    pub fn json(&self) -> Value {
        json!({
            "without": self.without.json(), "with_compaction": self.beside.json(), "rewrites": self.rewrites,
            "live_files": self.files,
        })
    }
}

pub fn fact(options: &Options) -> String {
    format!(
        "{} events of about 350 bytes, one task, a commit each {COMMIT_INTERVAL_MS} ms, compaction of all files each \
         {COMPACTION_INTERVAL_MS} ms, else its defaults; rounds: {}",
        options.records, options.rounds
    )
}

pub fn rounds(bench: &Bench, rounds: u32) -> Result<Vec<Round>> {
    (1..=rounds).map(|round| both(bench, round)).collect()
}

fn both(bench: &Bench, round: u32) -> Result<Round> {
    let interval = COMMIT_INTERVAL_MS.to_string();
    let plain = vec![("delta.commit.interval.ms", interval), ("delta.maintenance.enabled", "false".into())];
    let compacting = [
        ("delta.maintenance.enabled", "true".to_owned()),
        ("delta.compaction.enabled", "true".into()),
        ("delta.compaction.scope", "all".into()),
        ("delta.compaction.interval.ms", COMPACTION_INTERVAL_MS.to_string()),
    ];
    let compacting: Vec<_> = plain[..1].iter().cloned().chain(compacting).collect();
    let mut without = None;
    let mut beside = None;
    // To and fro, so that what drifts does not favour whoever comes first.
    for compacts in if round.is_multiple_of(2) { [true, false] } else { [false, true] } {
        let (name, settings) = if compacts { ("compacting", &compacting) } else { ("plain", &plain) };
        println!("==> round {round}, {name}");
        let run = bench.measure_with(ENTRY, &format!("upkeep-{name}-{round}"), settings)?;
        if compacts {
            beside = Some((run, checked(bench)?));
        } else {
            without = Some(run);
        }
    }
    let (Some(without), Some((beside, (rewrites, files)))) = (without, beside) else {
        return Err(Error::new("a run is missing"));
    };
    Ok(Round { without, beside, rewrites, files })
}

/// Every record is in the table that was merged meanwhile, once and as it was sent. Gives its rewrites and its files.
fn checked(bench: &Bench) -> Result<(u64, u64)> {
    let table = bench.folder.join("output/table");
    let mut log = TableLog::new(&table);
    log.refresh()?;
    println!("==> comparing the table, {} rewrites, with what was sent", log.rewrites);
    let expected = Expected::Generated { first: 0, count: bench.records };
    let read = read_table(&bench.components, &bench.folder.join("reader"), &table, &expected)?;
    if !read.is_exactly(bench.records) {
        return Err(Error::new(format!("{} records were sent: {read:#?}", bench.records)));
    }
    Ok((log.rewrites, read.files))
}
