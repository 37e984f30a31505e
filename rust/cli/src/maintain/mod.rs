//! `sluice maintain`.

mod arguments;
mod progress;
mod told;

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_core::settings::{Compression, Maintenance, as_one_error};
use sluice_core::{Code, Result};
use sluice_delta::maintain::checkpoint::{self, Checkpointed, checkpoint};
use sluice_delta::maintain::checksum::{Checksum, checksum};
use sluice_delta::maintain::clean_log::{Clean, CleanedLog, clean_log};
use sluice_delta::maintain::compact::{Compacted, compact};
use sluice_delta::maintain::compact_log::{CompactedLog, compact_log};
use sluice_delta::maintain::lease::{LEASE, Turn};
use sluice_delta::maintain::maintainer::Maintainer;
use sluice_delta::maintain::vacuum::{Vacuumed, Vacuuming, vacuum};
use sluice_delta::maintain::{Maintained, Progress};
use sluice_delta::store::{Store, has_log, root_path};
use sluice_delta::world::{Tokio, World};
use tokio::runtime::Handle;

use crate::layout::Paint;
use crate::table;
pub use arguments::{Job, MaintainArguments};
use progress::Shown;

/// What a worker does by itself, with the settings that nobody has changed.
const USUAL: [Job; 4] = [Job::Checkpoint, Job::Checksum, Job::CompactLog, Job::CleanLog];

/// What was done to a table.
struct Report {
    table: String,
    jobs: Vec<Done>,
    /// Somebody did not want to wait for the rest.
    stopped: bool,
    took: Duration,
}

struct Done {
    job: Job,
    outcome: Result<Outcome>,
    took: Duration,
}

/// What a job came to.
#[derive(Debug)]
enum Outcome {
    Compacted(Compacted),
    Checkpointed(Checkpointed),
    Checksum(Checksum),
    CompactedLog(CompactedLog),
    CleanedLog {
        cleaned: CleanedLog,
        dry_run: bool,
    },
    Vacuumed(Vacuumed),
    /// There was nothing to do, and why.
    NotDue(String),
}

impl Report {
    fn is_done(&self) -> bool {
        !self.stopped && self.jobs.iter().all(|done| done.outcome.is_ok())
    }
}

pub fn run(arguments: &MaintainArguments) -> ExitCode {
    let told = maintained(arguments).and_then(|report| {
        let text = match arguments.json {
            true => told::json(&report)?,
            false => told::text(&report, Paint::of_stdout()),
        };
        Ok((text, report.is_done()))
    });
    match told {
        Ok((text, done)) => {
            println!("{text}");
            ExitCode::from(u8::from(!done))
        }
        Err(error) => {
            eprintln!("sluice: {error}");
            ExitCode::from(2)
        }
    }
}

fn maintained(arguments: &MaintainArguments) -> std::result::Result<Report, Box<dyn Error>> {
    let connector = table::settings(arguments.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let store = table::open(&arguments.table, &connector, runtime.handle())?;
    check_is_table(&*store, runtime.handle())?;
    let work = Work::new(arguments, &connector, store, Tokio::world(runtime.handle().clone()))?;
    Ok(work.all())
}

/// The folder of what is no table may be that of very much else.
fn check_is_table(store: &dyn Store, runtime: &Handle) -> Result<()> {
    if runtime.block_on(has_log(&*store.objects(), &root_path(store)?, store.root()))? {
        return Ok(());
    }
    let message = format!("no Delta table at {}: it has no commit", store.root());
    Err(sluice_core::Error::new(Code::TableMissing, message))
}

struct Work<'a> {
    arguments: &'a MaintainArguments,
    settings: Maintenance,
    compression: Compression,
    table: Maintained,
    shown: Shown,
}

impl<'a> Work<'a> {
    fn new(
        arguments: &'a MaintainArguments,
        connector: &BTreeMap<String, String>,
        store: Arc<dyn Store>,
        world: Arc<dyn World>,
    ) -> std::result::Result<Self, Box<dyn Error>> {
        let parsed = Maintenance::parse(&arguments.settings(connector));
        let (settings, compression) = parsed.map_err(|errors| as_one_error(&errors))?;
        let (table, shown) = (Maintained::new(store, world), Shown::new()?);
        Ok(Work { arguments, settings, compression, table, shown })
    }

    /// One job's failure is no reason not to do the others.
    fn all(&self) -> Report {
        let begun = Instant::now();
        let jobs = if self.arguments.jobs.is_empty() { &USUAL[..] } else { &self.arguments.jobs };
        let mut done = Vec::new();
        for job in jobs.iter().take_while(|_| !self.shown.is_stopped()) {
            let begun = Instant::now();
            self.shown.start(job.name());
            let outcome = self.attend(*job);
            self.shown.end();
            done.push(Done { job: *job, outcome, took: begun.elapsed() });
        }
        let table = self.table.uri().to_owned();
        Report { table, jobs: done, stopped: self.shown.is_stopped(), took: begun.elapsed() }
    }

    fn attend(&self, job: Job) -> Result<Outcome> {
        let is_asked_for = !self.arguments.jobs.is_empty();
        match job {
            Job::Compact => self.compact(),
            Job::Checkpoint => {
                let snapshot = self.table.newest()?;
                let due = checkpoint::due_at(&snapshot);
                if is_asked_for || due <= snapshot.version() {
                    return checkpoint(&self.table, &snapshot, &self.shown).map(Outcome::Checkpointed);
                }
                let version = snapshot.version();
                Ok(Outcome::NotDue(format!("the table has version {version}; due at version {due}")))
            }
            Job::Checksum => {
                let snapshot = self.table.newest()?;
                match snapshot.log_segment().checkpoint_version {
                    Some(version) => checksum(&self.table, version).map(Outcome::Checksum),
                    None if is_asked_for => checksum(&self.table, snapshot.version()).map(Outcome::Checksum),
                    None => Ok(Outcome::NotDue("it goes with a checkpoint, and there is none".to_owned())),
                }
            }
            Job::CompactLog => {
                let usual = Maintenance::default().log_compaction_commits.filter(|_| is_asked_for);
                match self.settings.log_compaction_commits.or(usual) {
                    Some(commits) => compact_log(&self.table, &self.table.newest()?, commits, &self.shown)
                        .map(Outcome::CompactedLog),
                    None => Ok(Outcome::NotDue("the connector's settings switch it off".to_owned())),
                }
            }
            Job::CleanLog => {
                let dry_run = self.arguments.dry_run;
                let clean = if dry_run { Clean::DryRun } else { Clean::Delete };
                let cleaned = clean_log(&self.table, &self.table.newest()?, clean, &self.shown)?;
                Ok(Outcome::CleanedLog { cleaned, dry_run })
            }
            Job::Vacuum => {
                let usual = Vacuuming::default();
                let vacuuming = Vacuuming {
                    delete: self.arguments.delete,
                    retention: self.arguments.retention,
                    shorter: self.arguments.shorter,
                    unreferenced: self.arguments.unreferenced.unwrap_or(usual.unreferenced),
                };
                vacuum(&self.table, &vacuuming, &self.shown).map(Outcome::Vacuumed)
            }
        }
    }

    /// Under a turn, so that workers do not do the same work meanwhile. It is not needed for more than that.
    fn compact(&self) -> Result<Outcome> {
        let Some(compaction) = &self.settings.compaction else {
            return Ok(Outcome::NotDue("the connector's settings switch it off".to_owned()));
        };
        let Maintained { store, world, .. } = &self.table;
        let mut maintainer = Maintainer::new(store.clone(), world.clone());
        let mut turn = maintainer.take_turn()?;
        if let Turn::Others(until) = turn {
            let until = sluice_delta::inspect::utc(until).unwrap_or_default();
            eprintln!(
                "sluice: until {until} it is the turn of a worker, or of an earlier run, to maintain {}: where both merge \
                 the same files, one has to start again",
                self.table.uri()
            );
        }
        let mut commit = |rewrite| {
            let rewritten = maintainer.commit(rewrite)?;
            let soon = world.epoch_millis() + LEASE.as_millis() as i64 / 2;
            if matches!(turn, Turn::Ours(until) if until < soon) {
                turn = maintainer.take_turn()?;
            }
            Ok(rewritten)
        };
        compact(&self.table, compaction, self.compression, None, &mut commit, &self.shown)
            .map(Outcome::Compacted)
    }
}
