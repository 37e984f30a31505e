//! Following a table's Delta log by its JSON commits, cheaply, while it grows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Context, Error, Result};

/// What the commits read so far add up to.
#[derive(Debug, Clone, Default)]
pub struct TableLog {
    folder: PathBuf,
    /// Versions read so far; the next to read.
    pub versions: u64,
    /// Rows of all files added less those of files removed.
    pub rows: i64,
    /// Commits that added rows.
    pub appends: u64,
    /// Commits whose files have rows that were there before.
    pub rewrites: u64,
    /// The newest `txn` version of each application id.
    pub transactions: BTreeMap<String, i64>,
    /// Rows of each file that is in the table.
    files: BTreeMap<String, i64>,
}

impl TableLog {
    /// `table` is the table's folder; it need not exist yet.
    pub fn new(table: &Path) -> Self {
        TableLog { folder: table.join("_delta_log"), ..TableLog::default() }
    }

    /// Reads the commits that have come since.
    pub fn refresh(&mut self) -> Result<()> {
        self.refresh_below(u64::MAX)
    }

    /// Of these only the versions below `end`.
    pub fn refresh_below(&mut self, end: u64) -> Result<()> {
        while self.versions < end {
            let file = self.folder.join(format!("{:020}.json", self.versions));
            match std::fs::read_to_string(&file) {
                Ok(text) => self.apply(&text).at(&file)?,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                Err(e) => return Err(e).at(&file),
            }
            self.versions += 1;
        }
        Ok(())
    }

    /// Number of files in the table.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Of the files in the table.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Whether the file of that path is in the table.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    fn apply(&mut self, commit: &str) -> Result<()> {
        let (mut appended, mut rewritten) = (false, false);
        for line in commit.lines().filter(|line| !line.is_empty()) {
            let action: Value = serde_json::from_str(line).context(|| "not JSON".into())?;
            let path = |of: &Value| of["path"].as_str().unwrap_or_default().to_owned();
            if let Some(add) = action.get("add") {
                let rows = rows_of(add)?;
                let new = add["dataChange"] != false;
                appended |= new && rows > 0;
                rewritten |= !new;
                self.rows += rows - self.files.insert(path(add), rows).unwrap_or(0);
            } else if let Some(remove) = action.get("remove") {
                self.rows -= self.files.remove(&path(remove)).unwrap_or(0);
            } else if let Some(txn) = action.get("txn") {
                let id = txn["appId"].as_str().unwrap_or_default().to_owned();
                self.transactions.insert(id, txn["version"].as_i64().unwrap_or(-1));
            }
        }
        self.appends += u64::from(appended);
        self.rewrites += u64::from(rewritten);
        Ok(())
    }
}

fn rows_of(add: &Value) -> Result<i64> {
    let stats: Value =
        serde_json::from_str(add["stats"].as_str().unwrap_or("null")).context(|| "stats".into())?;
    stats["numRecords"].as_i64().ok_or_else(|| Error::new("an add action without numRecords"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(path: &str, rows: u32) -> String {
        format!("{{\"add\":{{\"path\":\"{path}\",\"stats\":\"{{\\\"numRecords\\\":{rows}}}\"}}}}\n")
    }

    #[test]
    fn commits_are_followed_as_they_come() {
        let table = std::env::temp_dir().join(format!("testkit-log-{}", std::process::id()));
        let commit = |version: u64, text: &str| {
            std::fs::write(table.join(format!("_delta_log/{version:020}.json")), text).unwrap();
        };
        let mut log = TableLog::new(&table);
        log.refresh().unwrap();
        assert_eq!((log.versions, log.rows), (0, 0), "no table yet");

        std::fs::create_dir_all(table.join("_delta_log")).unwrap();
        commit(0, "{\"metaData\":{}}\n");
        commit(1, &format!("{}{{\"txn\":{{\"appId\":\"a\",\"version\":10}}}}\n", add("x", 10)));
        log.refresh().unwrap();
        assert_eq!((log.versions, log.rows, log.appends), (2, 10, 1));

        commit(2, &format!("{}{{\"txn\":{{\"appId\":\"a\",\"version\":15}}}}\n", add("y", 5)));
        commit(4, &add("later", 1));
        log.refresh().unwrap();
        assert_eq!((log.versions, log.rows, log.appends), (3, 15, 2), "version 3 is not there yet");
        assert_eq!(log.transactions["a"], 15);

        let compacted = add("compacted", 10).replacen("}}", ",\"dataChange\":false}}", 1);
        commit(3, &format!("{{\"remove\":{{\"path\":\"x\"}}}}\n{compacted}"));
        log.refresh_below(4).unwrap();
        assert_eq!((log.versions, log.rows), (4, 15), "not further than asked for");
        log.refresh().unwrap();
        assert_eq!((log.versions, log.rows, log.files()), (5, 16, 3));
        assert_eq!((log.appends, log.rewrites), (3, 1), "what was there before is not appended again");
        assert!(log.has("y") && !log.has("x"));

        commit(5, "{\"add\":{\"path\":\"z\"}}\n");
        assert!(log.refresh().is_err(), "an add without statistics cannot be counted");
        std::fs::remove_dir_all(&table).unwrap();
    }
}
