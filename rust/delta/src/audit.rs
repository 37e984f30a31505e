//! Checks a table from its log alone: whether the intervals of each app id join (I4), whether the rows that they count
//! are in the files that came with them, and whether each file is there and belongs to one commit (I3).

use std::collections::{BTreeMap, HashMap};

use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::Serialize;
use sluice_core::offsets::{APP_ID_PREFIX, TopicPartition};
use sluice_core::{Code, Error, Result};
use tokio::runtime::Handle;

use crate::log::{Commit, UnitOrigin};
use crate::store::{Store, commit_path, commit_version, root_path, store_error};

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    pub table: String,
    /// First and last version whose commit is still in the log.
    pub first_version: u64,
    pub last_version: u64,
    /// Commits of Sluice among them.
    pub commits: u64,
    pub app_ids: BTreeMap<String, Progress>,
    /// Rows of all intervals.
    pub rows: i64,
    pub findings: Vec<Finding>,
}

/// One app id over the whole history.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub connector: String,
    pub topic: String,
    pub partition: i32,
    pub from_offset: i64,
    /// The next offset to read.
    pub to_offset: i64,
    pub intervals: u64,
    pub rows: i64,
}

#[derive(Debug, Serialize)]
pub struct Finding {
    pub version: u64,
    pub kind: &'static str,
    pub message: String,
}

impl Audit {
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn finding(&mut self, version: u64, kind: &'static str, message: String) {
        self.findings.push(Finding { version, kind, message });
    }

    fn commit(&mut self, version: u64, commit: &Commit) {
        let mut txns: HashMap<&str, i64> = commit
            .txns
            .iter()
            .filter(|txn| txn.app_id.starts_with(APP_ID_PREFIX))
            .map(|txn| (txn.app_id.as_str(), txn.version))
            .collect();
        if let Some(origin) = &commit.origin {
            self.commits += 1;
            for unit in &origin.units {
                self.unit(version, unit, &mut txns);
            }
            let counted: i64 = origin.units.iter().flat_map(|unit| &unit.intervals).map(|i| i.rows).sum();
            let in_files: Option<u64> = commit.adds.iter().map(|add| add.num_records()).sum();
            match in_files {
                Some(rows) if rows as i64 == counted => {}
                Some(rows) => self.finding(
                    version,
                    "rows",
                    format!("the intervals count {counted} rows, the files' numRecords {rows}"),
                ),
                None => self.finding(version, "rows", "a file has no numRecords".into()),
            }
            self.rows += counted;
        }
        for (app_id, to) in txns {
            self.finding(version, "txn", format!("{app_id} is set to offset {to} without an interval"));
        }
    }

    fn unit(&mut self, version: u64, unit: &UnitOrigin, txns: &mut HashMap<&str, i64>) {
        for interval in &unit.intervals {
            let partition = TopicPartition::new(interval.topic.as_str(), interval.partition);
            let app_id = partition.app_id(&unit.connector);
            let (from, to) = (interval.from_offset, interval.to_offset);
            if txns.remove(app_id.as_str()) != Some(to) {
                self.finding(
                    version,
                    "txn",
                    format!("{app_id}: the interval ends at {to}, the txn does not"),
                );
            }
            if from > to || interval.rows > to - from {
                let rows = interval.rows;
                self.finding(version, "interval", format!("{app_id}: {rows} rows from {from} to {to}"));
            }
            let previous = self.app_ids.get(&app_id).map(|progress| progress.to_offset);
            match previous {
                Some(previous) if from > previous => self.finding(
                    version,
                    "gap",
                    format!("{app_id}: offsets {previous} to {from} are in no interval"),
                ),
                Some(previous) if from < previous => self.finding(
                    version,
                    "overlap",
                    format!("{app_id}: offsets {from} to {previous} are in more than one interval"),
                ),
                _ => {}
            }
            let progress = self.app_ids.entry(app_id).or_insert_with(|| Progress {
                connector: unit.connector.clone(),
                topic: interval.topic.clone(),
                partition: interval.partition,
                from_offset: from,
                ..Progress::default()
            });
            progress.to_offset = to;
            progress.intervals += 1;
            progress.rows += interval.rows;
        }
    }
}

/// Walks the log of the table from the first commit that is still there.
pub fn audit(store: &dyn Store, runtime: &Handle) -> Result<Audit> {
    runtime.block_on(walk(store))
}

async fn walk(store: &dyn Store) -> Result<Audit> {
    let table = store.root().to_string();
    let failed = |e: object_store::Error| store_error(&format!("cannot read {table}"), &e);
    let root = root_path(store)?;
    let objects = store.objects();
    let mut sizes: HashMap<String, u64> = HashMap::new();
    let mut listing = objects.list(Some(&root));
    while let Some(entry) = listing.next().await {
        let entry = entry.map_err(failed)?;
        let below = entry.location.prefix_match(&root).map(|parts| parts.collect::<Path>());
        sizes.extend(below.map(|name| (name.to_string(), entry.size)));
    }
    let mut versions: Vec<u64> = sizes.keys().filter_map(|name| commit_version(name)).collect();
    versions.sort_unstable();
    let (Some(first), Some(last)) = (versions.first(), versions.last()) else {
        return Err(Error::new(Code::TableMissing, format!("no Delta table at {table}: it has no commit")));
    };
    let mut audit = Audit { first_version: *first, last_version: *last, ..Audit::default() };
    let mut added: HashMap<String, u64> = HashMap::new();
    for (position, version) in versions.iter().enumerate() {
        if position > 0 && versions[position - 1] + 1 != *version {
            audit.finding(*version, "log", "the version before it has no commit".into());
        }
        let text = objects
            .get(&commit_path(&root, *version))
            .await
            .map_err(failed)?
            .bytes()
            .await
            .map_err(failed)?;
        let commit = Commit::parse(*version, &text)?;
        for remove in &commit.removes {
            added.remove(&remove.path);
        }
        for add in &commit.adds {
            if let Some(earlier) = added.insert(add.path.clone(), *version)
                && add.data_change
            {
                audit.finding(*version, "file", format!("{} is in commit {earlier} too", add.path));
            }
            let name = percent_encoding::percent_decode_str(&add.path).decode_utf8_lossy();
            match sizes.get(name.as_ref()) {
                Some(size) if *size == add.size => {}
                Some(size) => {
                    audit.finding(
                        *version,
                        "file",
                        format!("{} has {size} bytes, not {}", add.path, add.size),
                    );
                }
                None if add.path.contains("://") => {}
                None => audit.finding(*version, "missing", add.path.clone()),
            }
        }
        audit.commit(*version, &commit);
    }
    // A file that is gone is in order where a later commit removed it.
    let live = |finding: &Finding| finding.kind != "missing" || added.contains_key(&finding.message);
    audit.findings.retain(live);
    for finding in audit.findings.iter_mut().filter(|finding| finding.kind == "missing") {
        finding.message.push_str(" is referenced and not there");
    }
    audit.table = table;
    Ok(audit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{LocalStore, commit_name};
    use std::fs;
    use url::Url;

    /// A log of commits, each with the intervals (from, to, rows) of one partition and the rows of its file.
    fn audited(commits: &[(i64, i64, i64, u64)], break_it: impl FnOnce(&std::path::Path)) -> Audit {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("_delta_log")).unwrap();
        for (version, (from, to, rows, in_file)) in commits.iter().enumerate() {
            let name = format!("part-{version}.parquet");
            fs::write(folder.path().join(&name), "12345").unwrap();
            let text = format!(
                concat!(
                    r#"{{"commitInfo":{{"sluice":{{"commit":"c{v}","units":[{{"connector":"k","task":"0","intervals":"#,
                    r#"[{{"topic":"t","partition":0,"fromOffset":{from},"toOffset":{to},"rows":{rows}}}]}}]}}}}}}"#,
                    "\n",
                    r#"{{"txn":{{"appId":"sluice/k/t/0","version":{to}}}}}"#,
                    "\n",
                    r#"{{"add":{{"path":"{name}","size":5,"dataChange":true,"stats":"{{\"numRecords\":{file}}}"}}}}"#,
                    "\n"
                ),
                v = version,
                from = from,
                to = to,
                rows = rows,
                name = name,
                file = in_file
            );
            fs::write(folder.path().join(commit_name(version as u64)), text).unwrap();
        }
        break_it(folder.path());
        let store = LocalStore::new(Url::from_directory_path(folder.path()).unwrap()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        audit(&store, runtime.handle()).unwrap()
    }

    fn kinds(audit: &Audit) -> Vec<&'static str> {
        audit.findings.iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn joined_intervals_are_clean() {
        let audit = audited(&[(5, 10, 5, 5), (10, 12, 0, 0), (12, 20, 7, 7)], |_| {});
        assert_eq!(kinds(&audit), [""; 0]);
        let progress = &audit.app_ids["sluice/k/t/0"];
        assert_eq!((progress.from_offset, progress.to_offset, progress.rows, audit.rows), (5, 20, 12, 12));
    }

    /// I4: what does not join is found, and so is what was not counted right.
    #[test]
    fn each_kind_of_damage_is_found() {
        assert_eq!(kinds(&audited(&[(0, 5, 5, 5), (6, 9, 3, 3)], |_| {})), ["gap"]);
        assert_eq!(kinds(&audited(&[(0, 5, 5, 5), (4, 9, 5, 5)], |_| {})), ["overlap"]);
        assert_eq!(kinds(&audited(&[(0, 5, 5, 4)], |_| {})), ["rows"]);
        assert_eq!(kinds(&audited(&[(0, 5, 6, 6)], |_| {})), ["interval"]);
        let lost = audited(&[(0, 5, 5, 5)], |root| fs::remove_file(root.join("part-0.parquet")).unwrap());
        assert_eq!(kinds(&lost), ["missing"]);
        let cut = audited(&[(0, 5, 5, 5)], |root| fs::write(root.join("part-0.parquet"), "1").unwrap());
        assert_eq!(kinds(&cut), ["file"]);
        let hole = audited(&[(0, 5, 5, 5), (5, 6, 1, 1), (6, 7, 1, 1)], |root| {
            fs::remove_file(root.join(commit_name(1))).unwrap();
        });
        assert_eq!(kinds(&hole), ["log", "gap"]);
        let moved = audited(&[(0, 5, 5, 5)], |root| {
            fs::write(root.join(commit_name(1)), r#"{"txn":{"appId":"sluice/k/t/0","version":9}}"#).unwrap();
        });
        assert_eq!(kinds(&moved), ["txn"]);
        let twice = audited(&[(0, 5, 5, 5)], |root| {
            let add = r#"{"add":{"path":"part-0.parquet","size":5,"dataChange":true}}"#;
            fs::write(root.join(commit_name(1)), add).unwrap();
        });
        assert_eq!(kinds(&twice), ["file"]);
    }

    #[test]
    fn a_file_that_was_removed_may_be_gone() {
        let audit = audited(&[(0, 5, 5, 5)], |root| {
            let remove = r#"{"remove":{"path":"part-0.parquet"}}"#;
            fs::write(root.join(commit_name(1)), remove).unwrap();
            fs::remove_file(root.join("part-0.parquet")).unwrap();
        });
        assert_eq!(kinds(&audit), [""; 0]);
    }
}
