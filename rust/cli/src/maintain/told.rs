//! What was done to a table, for people and for machines.

use std::time::Duration;

use serde_json::{Map, Value, json};
use sluice_delta::maintain::clean_log::CleanedLog;
use sluice_delta::maintain::compact::{Compacted, Ended};
use sluice_delta::maintain::vacuum::{Sum, Vacuumed};

use super::{Done, Outcome, Report};
use crate::layout::{Paint, Style, bytes, counted};

/// Names that are listed for people; programs get more.
const MOST_NAMES: usize = 20;

/// The table, a line or more for each job, and what it comes to.
pub fn text(report: &Report, paint: Paint) -> String {
    let mut lines = vec![format!("{:<11}  {}", "table", report.table)];
    for Done { job, outcome, took } in &report.jobs {
        let told = match outcome {
            Ok(outcome) => of(outcome),
            Err(error) => vec![format!("{} {}", paint.paint("FAILED", Style::Bad), error)],
        };
        let mut title = job.name();
        for (number, line) in told.iter().enumerate() {
            let last = if number == 0 && *took >= Duration::from_millis(100) {
                format!(" ({})", time(*took))
            } else {
                String::new()
            };
            lines.push(format!("{title:<11}  {line}{last}"));
            title = "";
        }
    }
    let failed = report.jobs.iter().filter(|done| done.outcome.is_err()).count() as u64;
    let verdict = match (failed, report.stopped) {
        (0, false) => format!("done in {}", time(report.took)),
        (0, true) => "ended early; what was done is whole, and the rest is left for the next time".to_owned(),
        (failed, _) => format!("{} failed", counted(failed, "job")),
    };
    lines.extend([String::new(), format!("maintain: {verdict}")]);
    lines.join("\n")
}

fn of(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::NotDue(why) => vec![format!("nothing to do: {why}")],
        Outcome::Compacted(compacted) => of_compaction(compacted),
        Outcome::Checkpointed(done) if done.written => {
            vec![format!(
                "of version {}: {}, {}",
                done.version,
                counted(done.files, "file"),
                bytes(done.bytes)
            )]
        }
        Outcome::Checkpointed(done) => vec![format!("version {} has one", done.version)],
        Outcome::Checksum(done) if done.written => {
            vec![format!("of version {}: {}", done.version, bytes(done.bytes))]
        }
        Outcome::Checksum(done) => vec![format!("version {} has one", done.version)],
        Outcome::CompactedLog(done) if done.files == 0 => {
            vec!["nothing to do: too few commits since the checkpoint".to_owned()]
        }
        Outcome::CompactedLog(done) => vec![format!(
            "{} put into {}, {}",
            counted(done.commits, "commit"),
            counted(done.files, "file"),
            bytes(done.bytes)
        )],
        Outcome::CleanedLog { cleaned, dry_run } => of_clean_up(cleaned, *dry_run),
        Outcome::Vacuumed(vacuumed) => of_vacuum(vacuumed),
    }
}

fn of_compaction(done: &Compacted) -> Vec<String> {
    let mut lines = vec![match done.commits {
        0 => "nothing to do: no partition has enough small files".to_owned(),
        commits => format!(
            "{} of {} became {} of {}, {}, in {}",
            counted(done.removed_files, "file"),
            bytes(done.removed_bytes),
            counted(done.added_files, "file"),
            bytes(done.added_bytes),
            counted(done.rows, "row"),
            counted(commits, "commit")
        ),
    }];
    if done.deleted_rows > 0 {
        lines.push(format!("{} that deletion vectors took away are gone", counted(done.deleted_rows, "row")));
    }
    if done.split_runs > 0 {
        let runs = counted(done.split_runs, "time");
        lines.push(format!(
            "{runs} rows did not go into memory together and are in order in parts: --memory-bytes"
        ));
    }
    match &done.ended {
        Ended::Done | Ended::Stopped => {}
        Ended::NoMemory => lines.push("there is not enough memory to go on: --memory-bytes".to_owned()),
        Ended::Conflicts(why) => lines.push(format!("others keep changing the files, so it ended: {why}")),
    }
    lines
}

fn of_clean_up(done: &CleanedLog, dry_run: bool) -> Vec<String> {
    let mut lines = vec![match done.names.len() {
        0 => "nothing to do".to_owned(),
        files => {
            let gone = if dry_run { "would be deleted" } else { "deleted" };
            let files = counted(files as u64, "file");
            let from =
                done.from.map(|from| format!("; the log starts at version {from}")).unwrap_or_default();
            format!("{files} of {} {gone}{from}", bytes(done.bytes))
        }
    }];
    if let (Some(why), [first]) = (&done.kept, lines.as_mut_slice()) {
        *first = format!("{first}: {why}");
    }
    lines
}

fn of_vacuum(done: &Vacuumed) -> Vec<String> {
    let sum = |sum: &Sum| format!("{} of {}", counted(sum.files, "file"), bytes(sum.bytes));
    let retention = time(Duration::from_millis(done.retention));
    let mut lines = vec![match (done.dry_run, done.found.files) {
        (_, 0) => format!("nothing to do: none of {} can be deleted", sum(&done.listed)),
        (true, _) => format!("{} would be deleted; --delete deletes them", sum(&done.found)),
        (false, _) => format!("{} deleted", sum(&done.deleted)),
    }];
    lines.push(format!("by version {}, with a retention of {retention}", done.version));
    if done.young.files > 0 {
        let age = time(Duration::from_millis(done.unreferenced));
        let young = sum(&done.young);
        lines.push(format!("kept, as a commit may be on its way: {young} of no version, younger than {age}"));
    }
    if done.dry_run {
        lines.extend(done.names.iter().take(MOST_NAMES).map(|name| format!("  {name}")));
        let more = done.found.files.saturating_sub(done.names.len().min(MOST_NAMES) as u64);
        lines.extend((more > 0).then(|| format!("  and {}", counted(more, "more file"))));
    }
    lines
}

/// `7 days`, `12 hours`, `1.2 s`.
fn time(time: Duration) -> String {
    const DAY: u64 = 24 * 3600;
    match (time.as_secs(), time.subsec_millis()) {
        (seconds, 0) if seconds > 0 && seconds.is_multiple_of(DAY) => counted(seconds / DAY, "day"),
        (seconds, 0) if seconds > 0 && seconds.is_multiple_of(3600) => counted(seconds / 3600, "hour"),
        (seconds, _) if seconds >= 120 => format!("{} min", seconds / 60),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    let jobs = report.jobs.iter().map(|done| {
        let mut fields = Map::new();
        fields.insert("job".to_owned(), done.job.name().into());
        fields.insert("seconds".to_owned(), done.took.as_secs_f64().into());
        fields.insert("ok".to_owned(), done.outcome.is_ok().into());
        match &done.outcome {
            Ok(outcome) => fields.extend(fields_of(outcome)?),
            Err(error) => {
                fields.insert("code".to_owned(), error.code.name().into());
                fields.insert("message".to_owned(), error.message.clone().into());
            }
        }
        Ok(Value::Object(fields))
    });
    let jobs: Vec<Value> = jobs.collect::<Result<_, serde_json::Error>>()?;
    serde_json::to_string_pretty(&json!({
        "table": report.table,
        "ok": report.is_done(),
        "stopped": report.stopped,
        "seconds": report.took.as_secs_f64(),
        "jobs": jobs,
    }))
}

fn fields_of(outcome: &Outcome) -> Result<Map<String, Value>, serde_json::Error> {
    let fields = match outcome {
        Outcome::NotDue(why) => json!({ "notDue": why }),
        Outcome::Compacted(done) => {
            let (ended, why) = match &done.ended {
                Ended::Done => ("done", None),
                Ended::Stopped => ("stopped", None),
                Ended::NoMemory => ("no-memory", None),
                Ended::Conflicts(why) => ("conflicts", Some(why)),
            };
            json!({
                "commits": done.commits,
                "version": done.version,
                "removed": {"files": done.removed_files, "bytes": done.removed_bytes},
                "added": {"files": done.added_files, "bytes": done.added_bytes},
                "rows": done.rows,
                "deletedRows": done.deleted_rows,
                "conflicts": done.conflicts,
                "splitRuns": done.split_runs,
                "ended": ended,
                "why": why,
            })
        }
        Outcome::Checkpointed(done) => json!({
            "version": done.version, "written": done.written, "files": done.files, "bytes": done.bytes}),
        Outcome::Checksum(done) => {
            json!({"version": done.version, "written": done.written, "bytes": done.bytes})
        }
        Outcome::CompactedLog(done) => {
            json!({"commits": done.commits, "files": done.files, "bytes": done.bytes})
        }
        Outcome::CleanedLog { cleaned, dry_run } => json!({
            "dryRun": dry_run,
            "from": cleaned.from,
            "kept": cleaned.kept,
            "commits": cleaned.commits,
            "checkpoints": cleaned.checkpoints,
            "checksums": cleaned.checksums,
            "compacted": cleaned.compacted,
            "unfinished": cleaned.unfinished,
            "sidecars": cleaned.sidecars,
            "files": cleaned.names.len(),
            "bytes": cleaned.bytes,
        }),
        Outcome::Vacuumed(done) => serde_json::to_value(done)?,
    };
    match fields {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

#[cfg(test)]
mod tests {
    use sluice_core::{Code, Error};
    use sluice_delta::maintain::checkpoint::Checkpointed;
    use sluice_delta::maintain::compact_log::CompactedLog;

    use super::super::Job;
    use super::*;

    fn done(job: Job, outcome: Outcome) -> Done {
        Done { job, outcome: Ok(outcome), took: Duration::from_millis(1_240) }
    }

    fn report(jobs: Vec<Done>) -> Report {
        Report {
            table: "s3://lake/events/".to_owned(),
            jobs,
            stopped: false,
            took: Duration::from_millis(9_900),
        }
    }

    fn vacuumed() -> Vacuumed {
        let sum = |files| Sum { files, bytes: files * 1_000_000 };
        Vacuumed {
            version: 128,
            dry_run: true,
            retention: 7 * 24 * 3_600_000,
            unreferenced: 7 * 24 * 3_600_000,
            listed: sum(100),
            found: sum(30),
            young: sum(1),
            names: (0..25).map(|n| format!("{n}.parquet")).collect(),
            ..Vacuumed::default()
        }
    }

    #[test]
    fn each_job_tells_what_it_came_to() {
        let compacted = Compacted {
            commits: 2,
            removed_files: 1_200,
            removed_bytes: 350_000_000,
            added_files: 3,
            added_bytes: 340_000_000,
            rows: 9_000_000,
            deleted_rows: 12,
            ended: Ended::Conflicts("version 9 changed a.parquet".to_owned()),
            ..Compacted::default()
        };
        let checkpointed = Checkpointed { version: 130, written: true, files: 2, bytes: 1_200_000 };
        let report = report(vec![
            done(Job::Compact, Outcome::Compacted(compacted)),
            done(Job::Checkpoint, Outcome::Checkpointed(checkpointed)),
            done(Job::CompactLog, Outcome::CompactedLog(CompactedLog::default())),
            done(Job::Vacuum, Outcome::Vacuumed(vacuumed())),
        ]);
        let told = text(&report, Paint::Plain);
        let expected = "\
table        s3://lake/events/
compact      1,200 files of 350 MB became 3 files of 340 MB, 9,000,000 rows, in 2 commits (1.2 s)
             12 rows that deletion vectors took away are gone
             others keep changing the files, so it ended: version 9 changed a.parquet
checkpoint   of version 130: 2 files, 1.2 MB (1.2 s)
compact-log  nothing to do: too few commits since the checkpoint (1.2 s)
vacuum       30 files of 30 MB would be deleted; --delete deletes them (1.2 s)
             by version 128, with a retention of 7 days
             kept, as a commit may be on its way: 1 file of 1 MB of no version, younger than 7 days
               0.parquet";
        assert!(told.starts_with(expected), "{told}");
        assert!(
            told.ends_with("  19.parquet\n               and 10 more files\n\nmaintain: done in 9.9 s"),
            "{told}"
        );
    }

    #[test]
    fn failures_are_told_and_the_rest_too() {
        let error = Error::new(Code::StoreDenied, "cannot list s3://lake/events/");
        let failed = Done { job: Job::Vacuum, outcome: Err(error), took: Duration::ZERO };
        let why = Outcome::NotDue("there is none".to_owned());
        let report = report(vec![done(Job::Checksum, why), failed]);
        assert!(!report.is_done());
        let told = text(&report, Paint::Plain);
        assert!(
            told.ends_with(
                "vacuum       FAILED STORE_DENIED: cannot list s3://lake/events/\n\nmaintain: 1 job failed"
            ),
            "{told}"
        );
        let json: Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
        assert_eq!((&json["ok"], &json["jobs"][0]["ok"]), (&json!(false), &json!(true)));
        assert_eq!(json["jobs"][0]["notDue"], "there is none");
        assert_eq!(json["jobs"][1]["code"], "STORE_DENIED");
    }

    #[test]
    fn programs_get_every_figure_of_a_vacuum() {
        let report = report(vec![done(Job::Vacuum, Outcome::Vacuumed(vacuumed()))]);
        let json: Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
        let vacuum = &json["jobs"][0];
        assert_eq!((&vacuum["dryRun"], &vacuum["found"]["files"]), (&json!(true), &json!(30)));
        assert_eq!(vacuum["names"].as_array().unwrap().len(), 25);
    }
}
