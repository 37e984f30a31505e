//! The table as a reader of its log sees it: each version when it appears, and how old its records are then.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sluice_testkit::{Context, Result, Sent, TableLog};

use super::{CONNECTOR, TOPIC};

pub struct Follower {
    pub log: TableLog,
    folder: PathBuf,
    start: i64,
    pub commits: Vec<Commit>,
    /// Of sampled records, when they were seen in the table and how old they were, in ms.
    pub ages: Vec<(i64, i64)>,
    /// By partition, sampled records that are not in the table yet.
    waiting: BTreeMap<u32, VecDeque<Sent>>,
}

/// A version that added files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// When it was seen, in ms since the start.
    pub at: i64,
    /// From its last data file's end to when it was seen, in ms.
    pub took: i64,
    /// Of its file in the log.
    pub bytes: u64,
    pub files: u64,
    /// Tasks whose rows share it.
    pub units: u64,
}

impl Follower {
    pub fn new(table: &Path) -> Self {
        Follower {
            log: TableLog::new(table),
            folder: table.join("_delta_log"),
            start: now(),
            commits: Vec::new(),
            ages: Vec::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// From here on time is counted anew, and what was found is forgotten.
    pub fn restart(&mut self) {
        self.start = now();
        self.commits.clear();
        self.ages.clear();
    }

    /// Looks for versions that have come. `sent` are records that were sampled since.
    pub fn look(&mut self, sent: Vec<Sent>) -> Result<()> {
        for record in sent {
            self.waiting.entry(record.partition).or_default().push_back(record);
        }
        let seen = self.log.versions;
        self.log.refresh()?;
        let now = now();
        for version in seen..self.log.versions {
            let file = self.folder.join(format!("{version:020}.json"));
            let text = fs::read_to_string(&file).at(&file)?;
            self.commits.extend(commit(&text, now, self.start).at(&file)?);
        }
        for (partition, waiting) in &mut self.waiting {
            let held = self.log.transactions.get(&app_id(*partition)).copied().unwrap_or(0);
            while let Some(record) = waiting.pop_front_if(|record| record.offset < held) {
                self.ages.push((now - self.start, now - record.timestamp));
            }
        }
        Ok(())
    }

    pub fn rows(&self) -> u64 {
        u64::try_from(self.log.rows).unwrap_or(0)
    }

    /// The next offset of the partition, as the table has it.
    pub fn held(&self, partition: u32) -> i64 {
        self.log.transactions.get(&app_id(partition)).copied().unwrap_or(0)
    }
}

fn app_id(partition: u32) -> String {
    format!("sluice/{CONNECTOR}/{TOPIC}/{partition}")
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// None where the version adds no file.
fn commit(text: &str, now: i64, start: i64) -> Result<Option<Commit>> {
    let mut commit = Commit { at: now - start, took: 0, bytes: text.len() as u64, files: 0, units: 0 };
    let mut finished = 0;
    for line in text.lines() {
        let action: Value = serde_json::from_str(line).context(|| "not JSON".into())?;
        if let Some(add) = action.get("add") {
            commit.files += 1;
            finished = finished.max(add["modificationTime"].as_i64().unwrap_or(0));
        } else if let Some(units) = action["commitInfo"]["sluice"]["units"].as_array() {
            commit.units = units.len() as u64;
        }
    }
    commit.took = now - finished;
    Ok((commit.files > 0).then_some(commit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_old_as_its_version_is_late() {
        let table = std::env::temp_dir().join(format!("xtask-soak-{}", std::process::id()));
        fs::create_dir_all(table.join("_delta_log")).unwrap();
        let mut follower = Follower::new(&table);
        let sent = |offset| Sent { partition: 1, offset, timestamp: now() - 5_000 };
        follower.look(vec![sent(3), sent(9)]).unwrap();
        assert!(follower.ages.is_empty(), "no table yet");
        let text = format!(
            "{{\"commitInfo\":{{\"sluice\":{{\"units\":[{{}},{{}}]}}}}}}\n\
             {{\"add\":{{\"path\":\"a\",\"modificationTime\":{},\"stats\":\"{{\\\"numRecords\\\":9}}\"}}}}\n\
             {{\"txn\":{{\"appId\":\"{}\",\"version\":9}}}}\n",
            now() - 70,
            app_id(1)
        );
        fs::write(table.join(format!("_delta_log/{:020}.json", 0)), &text).unwrap();
        follower.look(vec![]).unwrap();
        let [(_, age)] = follower.ages[..] else { panic!("{:?}", follower.ages) };
        assert!((5_000..6_000).contains(&age), "{age}");
        let [commit] = follower.commits[..] else { panic!("{:?}", follower.commits) };
        assert!((70..1_000).contains(&commit.took), "{commit:?}");
        assert_eq!((commit.files, commit.units, commit.bytes), (1, 2, text.len() as u64));
        assert_eq!((follower.rows(), follower.held(1), follower.held(0)), (9, 9, 0));
        follower.restart();
        assert!(follower.ages.is_empty() && follower.commits.is_empty());
        fs::remove_dir_all(&table).unwrap();
    }
}
