//! Sluice's own app ids: whether the intervals of each join end to end (I4), and whether each offset that was stored has
//! one.

use std::collections::HashMap;
use std::sync::Arc;

use sluice_core::offsets::{APP_ID_PREFIX, Predecessor, TopicPartition};

use super::kind::Kind;
use super::report::{Audit, Author, Finding, Progress, Taken, range};
use crate::log::{AlterationOrigin, Commit, IntervalOrigin, Origin, UnitOrigin};
use crate::maintain::lease::LEASE_APP_ID;

/// A `txn` version below 0 counts as "no offset held".
pub(super) fn held(version: i64) -> Option<i64> {
    Some(version).filter(|version| *version >= 0)
}

pub(super) fn is_ours(app_id: &str) -> bool {
    app_id.starts_with(APP_ID_PREFIX)
}

/// Of a writer that is not Sluice. A turn at maintaining the table is of nobody's rows.
pub(super) fn is_anothers(app_id: &str) -> bool {
    !is_ours(app_id) && app_id != LEASE_APP_ID
}

impl Author {
    pub(super) fn of(version: u64, commit: &Commit) -> Author {
        let info = &commit.info;
        Author {
            version,
            commit: commit.origin.as_ref().map(|origin| origin.commit.clone()),
            operation: info.operation.clone(),
            engine: info.engine_info.clone().or_else(|| info.client_version.clone()),
            timestamp: info.in_commit_timestamp.or(info.timestamp),
            ..Author::default()
        }
    }

    fn of_unit(&self, unit: &UnitOrigin) -> Author {
        Author { connector: Some(unit.connector.clone()), task: Some(unit.task.clone()), ..self.clone() }
    }
}

/// The `txn` actions of one commit that no interval has accounted for yet.
type Txns<'a> = HashMap<&'a str, i64>;

impl Audit {
    pub(super) fn follow(&mut self, version: u64, commit: &Commit, author: &Author) {
        let ours = commit.txns.iter().filter(|txn| is_ours(&txn.app_id));
        let mut txns: Txns = ours.map(|txn| (txn.app_id.as_str(), txn.version)).collect();
        if let Some(origin) = &commit.origin {
            self.commits += 1;
            for unit in &origin.units {
                let by = Arc::new(author.of_unit(unit));
                for interval in &unit.intervals {
                    self.interval(unit, interval, &by, &mut txns);
                }
            }
            for alteration in &origin.alterations {
                self.alteration(alteration, author, &mut txns);
            }
            self.count_rows(version, commit, origin, author);
        }
        let mut unaccounted: Vec<_> = txns.into_iter().collect();
        unaccounted.sort_unstable();
        for (app_id, stored) in unaccounted {
            self.unaccounted(app_id, stored, author);
        }
    }

    fn interval(&mut self, unit: &UnitOrigin, interval: &IntervalOrigin, by: &Arc<Author>, txns: &mut Txns) {
        let partition = TopicPartition::new(interval.topic.as_str(), interval.partition);
        let app_id = partition.app_id(&unit.connector);
        let (from, to, rows) = (interval.from_offset, interval.to_offset, interval.rows);
        let known = self.app_ids.get(&app_id);
        let before = known.and_then(|progress| progress.last.clone());
        let previous = known.and_then(|progress| progress.to_offset);
        let finding =
            |kind, message| Finding::new(kind, by.version, message).of(&app_id).by(by).after(before.as_ref());
        let mut found = Vec::new();
        let stored = txns.remove(app_id.as_str());
        if stored != Some(to) {
            let stored = stored.map_or("stores no offset".to_owned(), |stored| format!("stores {stored}"));
            found.push(finding(Kind::Txn, format!("the interval ends at {to}, and the commit {stored}")));
        }
        if from > to || rows < 0 || rows > to - from {
            found.push(finding(Kind::Interval, format!("{rows} rows from offset {from} up to {to}")));
        }
        match previous {
            Some(previous) if from > previous => {
                let mut gap = finding(Kind::Gap, format!("no commit has {}", range(previous, from)));
                gap.offsets = Some((previous, from));
                found.push(gap);
            }
            Some(previous) if from < previous => {
                let again = range(from, previous.min(to).max(from + 1));
                found.push(finding(Kind::Overlap, format!("committed before: {again}")));
            }
            _ => {}
        }
        if let Some(taken_over) = &interval.taken_over {
            let next = Predecessor::new(taken_over.app_id.clone()).holds(Some(taken_over.version)).next;
            if next != Some(from) {
                let message = format!(
                    "{} stood at version {}, and the first interval starts at {from}",
                    taken_over.app_id, taken_over.version
                );
                found.push(finding(Kind::TakeOver, message));
            }
            let last = self.other_app_ids.get(&taken_over.app_id).map(|other| other.to);
            if last.is_some_and(|last| last != taken_over.version) {
                let message = format!(
                    "taken over from {} at {}, whose last version is {}",
                    taken_over.app_id,
                    taken_over.version,
                    last.unwrap_or_default()
                );
                found.push(finding(Kind::TakeOver, message));
            }
            let message = format!("{partition} goes on at offset {from} where {} left it", taken_over.app_id);
            self.note("takeover", message);
        }
        self.findings.extend(found);
        let progress = self.app_ids.entry(app_id).or_insert_with(|| Progress {
            connector: unit.connector.clone(),
            topic: interval.topic.clone(),
            partition: interval.partition,
            from_offset: from,
            ..Progress::default()
        });
        // What the table holds now; the next commit starts from it.
        progress.to_offset = stored.map_or(Some(to), held);
        progress.intervals += 1;
        progress.rows += rows;
        progress.last = Some(by.clone());
        progress.taken.push(Taken { from, to, rows, by: by.clone() });
    }

    fn alteration(&mut self, alteration: &AlterationOrigin, author: &Author, txns: &mut Txns) {
        let partition = TopicPartition::new(alteration.topic.as_str(), alteration.partition);
        let app_id = partition.app_id(&alteration.connector);
        let author = Author { connector: Some(alteration.connector.clone()), ..author.clone() };
        let known = self.app_ids.get(&app_id);
        let before = known.and_then(|progress| progress.last.clone());
        let finding = |kind, message| {
            Finding::new(kind, author.version, message).of(&app_id).by(&author).after(before.as_ref())
        };
        let name = |offset: Option<i64>| offset.map_or("no offset".to_owned(), |o| format!("offset {o}"));
        let (from, to) = (alteration.from_offset.and_then(held), alteration.to_offset.and_then(held));
        let mut found = Vec::new();
        if let Some(progress) = known
            && progress.to_offset != from
        {
            let left = name(progress.to_offset);
            found.push(finding(
                Kind::Alteration,
                format!("moved from {}, where the commits had left {left}", name(from)),
            ));
        }
        match txns.remove(app_id.as_str()) {
            Some(stored) if held(stored) == to => {}
            stored => {
                let stored = stored.map_or("nothing".to_owned(), |stored| stored.to_string());
                found.push(finding(
                    Kind::Txn,
                    format!("moved to {}, and the commit stores {stored}", name(to)),
                ));
            }
        }
        let message = format!(
            "{partition} of {} was moved on purpose from {} to {} by version {}",
            alteration.connector,
            name(from),
            name(to),
            author.version
        );
        self.note("alteration", message);
        self.findings.extend(found);
        let progress = self.app_ids.entry(app_id).or_insert_with(|| Progress {
            connector: alteration.connector.clone(),
            topic: alteration.topic.clone(),
            partition: alteration.partition,
            from_offset: to.unwrap_or_default(),
            ..Progress::default()
        });
        progress.to_offset = to;
        progress.altered = true;
        progress.last = Some(Arc::new(author));
    }

    /// An offset that a commit stored without saying why.
    fn unaccounted(&mut self, app_id: &str, stored: i64, author: &Author) {
        let known = self.app_ids.get_mut(app_id);
        let before = known.as_ref().and_then(|progress| progress.last.clone());
        let previous = known.as_ref().and_then(|progress| progress.to_offset);
        let was = match previous {
            Some(previous) => format!("from {previous} "),
            None => String::new(),
        };
        let message = format!("the offset is moved {was}to {stored} without an interval");
        if let Some(progress) = known {
            progress.to_offset = held(stored);
            progress.last = Some(Arc::new(author.clone()));
        } else if let Some((connector, partition)) = TopicPartition::from_app_id(app_id) {
            let progress = Progress {
                connector,
                topic: partition.topic.to_string(),
                partition: partition.partition,
                from_offset: stored,
                to_offset: held(stored),
                last: Some(Arc::new(author.clone())),
                ..Progress::default()
            };
            self.app_ids.insert(app_id.to_owned(), progress);
        }
        self.find(
            Finding::new(Kind::Txn, author.version, message).of(app_id).by(author).after(before.as_ref()),
        );
    }

    fn count_rows(&mut self, version: u64, commit: &Commit, origin: &Origin, author: &Author) {
        let counted: i64 = origin.units.iter().flat_map(|unit| &unit.intervals).map(|i| i.rows).sum();
        let new = commit.adds.iter().filter(|add| add.data_change);
        let in_files: Option<u64> = new.map(|add| add.num_records()).sum();
        let message = match in_files {
            Some(rows) if rows as i64 == counted => None,
            Some(rows) => Some(format!("the intervals count {counted} rows, the files' numRecords {rows}")),
            None => Some("a file has no numRecords".to_owned()),
        };
        if let Some(message) = message {
            let author = match &origin.units[..] {
                [unit] => author.of_unit(unit),
                _ => author.clone(),
            };
            self.find(Finding::new(Kind::Rows, version, message).by(&author));
        }
        self.rows += counted;
    }
}
