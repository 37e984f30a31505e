//! What a run survived, and whether it did.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sluice_testkit::{Context, Result, SequencesRead};

use super::upkeep::Kept;

/// What workers log of the things that exactly once is about.
const TOLD: [(&str, &str); 9] = [
    ("fenced on table", "units fenced, their records read again"),
    ("went to another writer", "races for a version lost, committed on top"),
    ("found in its log", "commits of unknown outcome found by their id"),
    (
        "is committed and not finished yet",
        "versions with an entry in the lock table, finished at a later try",
    ),
    ("for another writer", "versions finished for another writer"),
    ("; it is tried again for", "outages that a task told of"),
    (" works again after ", "outages that a task told the end of"),
    ("the upkeep of table", "upkeep that failed and is tried again"),
    ("Successfully joined group with generation", "joins of a group, tasks' and workers'"),
];

/// One table, at the end.
pub struct Table {
    pub name: String,
    pub assignor: &'static str,
    /// Acknowledged records of each partition.
    pub sent: Vec<u64>,
    pub read: SequencesRead,
    /// With rows, and all.
    pub commits: (u64, u64),
    /// Commits that put merged files in the place of others.
    pub rewrites: u64,
    pub kept: Kept,
    /// How often a version that was not the newest any more was read again.
    pub pins_read: u64,
    pub audit_clean: bool,
    pub audit: String,
    /// Connect's offsets that were compared with the table's.
    pub compared: u64,
}

#[derive(Default)]
pub struct Report {
    pub seed: u64,
    pub minutes: u64,
    /// Until everything was in the tables, after the last harm.
    pub caught_up: Option<f64>,
    pub seconds: f64,
    pub events: BTreeMap<String, u64>,
    pub harmed_requests: u64,
    pub told: BTreeMap<String, u64>,
    pub tables: Vec<Table>,
    /// What must not be. None: the run has passed.
    pub findings: Vec<String>,
}

impl Report {
    pub fn passed(&self) -> bool {
        self.findings.is_empty()
    }

    /// Adds what a table got wrong to the findings.
    pub fn add(&mut self, table: Table) {
        let Table { name, sent, read, .. } = &table;
        if !read.is_exactly(sent) {
            let SequencesRead { rows, duplicates, missing, unknown, misplaced, disordered, .. } = read;
            self.findings.push(format!(
                "{name}: {} records were sent, {rows} rows are there: {duplicates} twice, {missing} missing, {unknown} never \
                 sent, {misplaced} from another place, {disordered} out of order; {}",
                sent.iter().sum::<u64>(),
                read.examples.join("; ")
            ));
        }
        if !table.audit_clean {
            self.findings.push(format!("{name}: the audit is not clean: {}", table.audit.trim()));
        }
        // Without it the run has not tried what it is for.
        if table.rewrites == 0 || table.kept.checkpoints == 0 {
            self.findings.push(format!("{name}: nobody merged files or made a checkpoint"));
        }
        self.tables.push(table);
    }

    pub fn write(&self, folder: &Path) -> Result<()> {
        let file = folder.join("report.json");
        fs::write(&file, serde_json::to_string_pretty(&self.json()).context(|| "report".into())? + "\n")
            .at(&file)?;
        let file = folder.join("report.md");
        fs::write(&file, self.markdown()).at(&file)
    }

    fn json(&self) -> Value {
        let tables = self.tables.iter().map(|table| {
            let read = &table.read;
            json!({
                "name": table.name, "assignor": table.assignor, "acknowledged": table.sent, "rows": read.rows,
                "rowsByPartition": read.partitions, "files": read.files, "versions": table.commits.1,
                "commitsWithRows": table.commits.0, "duplicates": read.duplicates, "missing": read.missing,
                "neverSent": read.unknown, "misplaced": read.misplaced, "outOfOrder": read.disordered,
                "rewrites": table.rewrites, "log": table.kept.json(), "pinnedVersionsRead": table.pins_read,
                "auditClean": table.audit_clean, "audit": table.audit, "offsetsCompared": table.compared,
            })
        });
        json!({
            "passed": self.passed(), "seed": self.seed, "minutes": self.minutes, "seconds": self.seconds,
            "caughtUpAfterSeconds": self.caught_up, "events": self.events, "harmedRequests": self.harmed_requests,
            "workersTold": self.told, "tables": tables.collect::<Vec<_>>(), "findings": self.findings,
        })
    }

    pub fn markdown(&self) -> String {
        let mut text = format!("# Chaos, seed {}, {} minutes\n\n", self.seed, self.minutes);
        let mut line = |line: String| text.push_str(&(line + "\n"));
        let verdict = if self.passed() { "passed" } else { "FAILED" };
        line(format!("**{verdict}**, {:.0} s in all.\n", self.seconds));
        for finding in &self.findings {
            line(format!("- {finding}"));
        }
        if let Some(seconds) = self.caught_up {
            line(format!("After the last harm everything was in the tables within {seconds:.1} s.\n"));
        }
        line("| survived | times |\n|---|---|".into());
        for (event, count) in &self.events {
            line(format!("| {event} | {count} |"));
        }
        line(format!("| requests to the stores that met with a fault | {} |", self.harmed_requests));
        line("\n| the workers' logs tell of | times |\n|---|---|".into());
        for (what, count) in &self.told {
            line(format!("| {what} | {count} |"));
        }
        line("\n| table | assignor | sent | rows | twice | missing | out of order | commits with rows | rewrites | versions | first left | pinned, read again | audit | offsets compared (I2) |".into());
        line("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|".into());
        for table in &self.tables {
            let read = &table.read;
            line(format!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                table.name,
                table.assignor,
                table.sent.iter().sum::<u64>(),
                read.rows,
                read.duplicates,
                read.missing,
                read.disordered,
                table.commits.0,
                table.rewrites,
                table.commits.1,
                table.kept.first,
                table.pins_read,
                if table.audit_clean { "clean" } else { "NOT CLEAN" },
                table.compared
            ));
        }
        text
    }
}

/// How often the workers' logs tell of each thing; and lines that no worker may write.
pub fn told(logs: &[PathBuf]) -> Result<(BTreeMap<String, u64>, Vec<String>)> {
    let mut told: BTreeMap<String, u64> = TOLD.iter().map(|(_, what)| ((*what).to_owned(), 0)).collect();
    let mut forbidden = Vec::new();
    for log in logs {
        for line in BufReader::new(File::open(log).at(log)?).split(b'\n') {
            let line = line.at(log)?;
            let line = String::from_utf8_lossy(&line);
            for (part, what) in TOLD {
                if line.contains(part) {
                    *told.entry(what.to_owned()).or_default() += 1;
                }
            }
            if line.contains("NATIVE_PANIC") && forbidden.len() < 5 {
                forbidden.push(format!("{}: {line}", log.display()));
            }
        }
    }
    Ok((told, forbidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let read = SequencesRead { rows: 5, partitions: vec![3, 2], ..SequencesRead::default() };
        Table {
            name: "t".into(),
            assignor: "a",
            sent: vec![3, 2],
            read,
            commits: (1, 2),
            rewrites: 1,
            kept: Kept { checkpoints: 1, ..Kept::default() },
            pins_read: 3,
            audit_clean: true,
            audit: "clean".into(),
            compared: 0,
        }
    }

    fn judged(change: impl FnOnce(&mut Table)) -> Report {
        let (mut report, mut table) = (Report::default(), table());
        change(&mut table);
        report.add(table);
        report
    }

    #[test]
    fn only_a_perfect_table_passes() {
        assert!(judged(|_| {}).passed());
        assert!(judged(|_| {}).markdown().contains("**passed**"));
        for spoil in [
            (|table| table.read.rows = 6) as fn(&mut Table),
            |table| table.read.duplicates = 1,
            |table| table.read.missing = 1,
            |table| table.read.disordered = 1,
            |table| table.sent[0] = 4,
            |table| table.audit_clean = false,
            |table| table.rewrites = 0,
        ] {
            let report = judged(spoil);
            assert!(!report.passed() && report.markdown().contains("**FAILED**"));
            assert_eq!(report.json()["passed"], false);
        }
    }

    #[test]
    fn what_workers_tell_is_counted() {
        let log = std::env::temp_dir().join(format!("xtask-chaos-told-{}", std::process::id()));
        let text = "INFO fenced on table x: why\nINFO version 3 of x went to another writer\n\
            INFO fenced on table y: why\nERROR NATIVE_PANIC: boom\n";
        fs::write(&log, text).unwrap();
        let (told, forbidden) = told(std::slice::from_ref(&log)).unwrap();
        fs::remove_file(&log).unwrap();
        assert_eq!(told["units fenced, their records read again"], 2);
        assert_eq!(told["races for a version lost, committed on top"], 1);
        assert_eq!(forbidden.len(), 1);
    }
}
