use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sluice_testkit::{Context, Error, Result, TableLog, TableRead};

use crate::checkout::shown;

/// What `sluice audit` said.
pub struct Audit {
    pub clean: bool,
    pub text: String,
}

/// `config` says how the table's store is reached.
pub fn audit(sluice: &Path, uri: &str, config: &Path) -> Result<Audit> {
    println!("==> sluice audit (do the intervals of all commits join end to end?)");
    let output = Command::new(sluice).args(["audit", uri, "--config"]).arg(config).output().at(sluice)?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(Audit { clean: output.status.success(), text })
}

/// All that the demo has found out.
pub struct Report<'a> {
    pub records: u64,
    pub read: TableRead,
    pub log: TableLog,
    pub audit: Audit,
    pub flow: Duration,
    pub worker_cpu: f64,
    pub total: Duration,
    pub table: &'a Path,
}

impl Report<'_> {
    pub fn print(&self) {
        for line in self.audit.text.lines() {
            println!("    {line}");
        }
        let read = &self.read;
        println!("\n    table version     {}, {} commits with rows", read.version, self.log.appends);
        println!("    files             {}, {:.1} MB", read.files, read.bytes as f64 / 1e6);
        println!("    rows              {}, distinct demo_id {}", read.rows, read.distinct);
        if let Some((lowest, highest)) = read.id_range {
            println!("    demo_id           {lowest} to {highest}");
        }
        println!("    duplicates        {}", read.duplicates);
        println!("    missing           {}", read.missing);
        println!("    rows never sent   {}", read.unknown_ids);
        // A missing or double row alone makes every column differ; then their names say nothing.
        let columns = if read.wrong_rows > 0 { read.wrong_columns.join(", ") } else { String::new() };
        println!("    wrong values      {} rows {columns}", read.wrong_rows);
        for (id, offset) in &self.log.transactions {
            println!("    offset            {id} = {offset}");
        }
        println!("    audit             {}", if self.audit.clean { "clean" } else { "NOT CLEAN" });
        let rate = self.records as f64 / self.flow.as_secs_f64();
        println!(
            "    time              {:.1} s from the first record to the last row ({rate:.0} rows/s, crash included), {:.1} s in all",
            self.flow.as_secs_f64(),
            self.total.as_secs_f64()
        );
        println!("    CPU of workers    {:.1} s, start-up included", self.worker_cpu);
    }

    /// An error unless all is right. Ends with the line that sums the demo up.
    pub fn verdict(&self) -> Result<()> {
        let read = &self.read;
        println!(
            "demo: {} records, {} rows, {} duplicates, {} missing, table {}",
            self.records,
            read.rows,
            read.duplicates,
            read.missing,
            shown(self.table)
        );
        let mut wrong = Vec::new();
        if !read.is_exactly(self.records) {
            wrong.push("the table does not hold exactly what was sent");
        }
        if !self.audit.clean {
            wrong.push("the audit is not clean");
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::new(wrong.join("; "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(change: impl FnOnce(&mut Report)) -> Result<()> {
        let read = TableRead { rows: 10, distinct: 10, ..TableRead::default() };
        let mut report = Report {
            records: 10,
            read,
            log: TableLog::default(),
            audit: Audit { clean: true, text: String::new() },
            flow: Duration::from_secs(1),
            worker_cpu: 0.0,
            total: Duration::from_secs(2),
            table: Path::new("/t"),
        };
        change(&mut report);
        report.print();
        report.verdict()
    }

    #[test]
    fn only_a_perfect_run_passes() {
        assert!(verdict(|_| {}).is_ok());
        assert!(verdict(|report| report.audit.clean = false).is_err());
        assert!(verdict(|report| report.read.rows = 11).is_err());
        assert!(verdict(|report| report.read.wrong_rows = 1).is_err());
        assert!(verdict(|report| report.read.wrong_columns = vec!["a".into()]).is_err());
        assert!(verdict(|report| report.records = 11).is_err());
    }
}
