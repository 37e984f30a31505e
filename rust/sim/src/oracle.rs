//! Sees every commit as it lands, reads its files, and holds the invariants I1 to I5 of `docs/exactly-once.md` against them.

mod views;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sluice_core::offsets::TopicPartition;
use sluice_delta::maintain::lease::LEASE_APP_ID;
use sluice_delta::store::commit_name;

use crate::bucket::Bucket;
use crate::entries::LockTable;
use crate::kafka::{Kafka, Offset, Record};
use crate::log::Log;
use crate::machine::Sim;
use crate::plan::{CONNECTOR, Plan, TOPIC};
use crate::upkeep::actions;
use crate::upkeep::watch::{Tally, Watch};

pub use views::View;

/// The value of the record at an offset of a partition. Rows of other writers have negative ones.
pub fn value(partition: usize, offset: Offset) -> i64 {
    partition as i64 * 1_000_000 + offset
}

#[derive(Default)]
struct Table {
    versions: Vec<Vec<u8>>,
    /// By partition: what the last `txn` says, and where the first interval began.
    held: BTreeMap<usize, (Offset, Offset)>,
    /// Partitions that a user has reset, or moved before there was a table: where the next interval starts is the group's to
    /// say, which was moved to this offset.
    reset: BTreeMap<usize, Option<Offset>>,
    /// By partition: the version of the predecessor's `txn`.
    before: BTreeMap<usize, i64>,
    rows: HashSet<i64>,
    referenced: HashSet<String>,
    live: BTreeMap<String, Vec<i64>>,
    log: Log,
    /// Partitions whose offset is in no checkpoint, and was not set again.
    forgotten: BTreeSet<usize>,
    /// Versions that another writer was told it had won, with their commits.
    won: BTreeMap<u64, Vec<u8>>,
    watch: Option<Watch>,
}

#[derive(Default)]
struct State {
    tables: BTreeMap<String, Table>,
    /// A user is about to alter its offset: what a task returns that has not been stopped is of before.
    altering: Option<usize>,
    /// By partition: where a user wants it to be read from, 0 where none has said.
    asked_from: BTreeMap<usize, Offset>,
    /// Tables that were not there when the user asked.
    absent: BTreeSet<String>,
}

#[derive(Clone)]
pub struct Oracle {
    sim: Sim,
    kafka: Kafka,
    objects: Arc<Bucket>,
    locks: LockTable,
    plan: Arc<Plan>,
    state: Arc<Mutex<State>>,
}

/// What the commits of a table add up to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Sums {
    pub commits: u64,
    pub rows: u64,
    pub tally: Tally,
}

type Checked<T> = Result<T, String>;

fn app_id(partition: usize) -> String {
    TopicPartition::new(TOPIC, partition as i32).app_id(CONNECTOR)
}

/// What a commit says of itself: what was done and, of one that is ours, what it does to the offsets.
fn of_origin(commit: &[u8]) -> String {
    let mut actions =
        commit.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let Some(info) = actions.find_map(|action: Value| action.get("commitInfo").cloned()) else {
        return String::new();
    };
    format!(" {} by {}: {}", info["operation"], info["engineInfo"], info["sluice"])
}

impl Table {
    /// A user has moved the offset: rows from there on are expected once more, those before it are not asked for.
    fn alter(&mut self, alteration: &Value, txns: &mut HashMap<String, Option<i64>>) -> Checked<()> {
        let partition = alteration["partition"].as_i64().unwrap_or(-1) as usize;
        let (from, to) = (alteration["fromOffset"].as_i64(), alteration["toOffset"].as_i64());
        if txns.remove(&app_id(partition)).flatten() != Some(to.unwrap_or(-1)) {
            return Err(format!("I4: the txn of partition {partition} does not say {to:?}"));
        }
        let known = self.held.remove(&partition);
        let forgotten = self.forgotten.remove(&partition) && from.is_none();
        if known.map(|(held, _)| held) != from && !forgotten {
            return Err(format!("I4: partition {partition} held {known:?}, and is altered from {from:?}"));
        }
        let again = value(partition, to.unwrap_or(0))..value(partition + 1, 0);
        self.rows.retain(|row| !again.contains(row));
        if to.is_none() {
            self.reset.insert(partition, None);
        }
        if let Some(to) = to {
            let first = known.map_or(to, |(held, first)| if to > held { to } else { first.min(to) });
            self.held.insert(partition, (to, first));
        }
        Ok(())
    }
}

impl Oracle {
    pub fn new(sim: Sim, kafka: Kafka, objects: Arc<Bucket>, locks: LockTable, plan: Arc<Plan>) -> Oracle {
        let table = |name: &String| {
            let watch = |upkeep| Watch::new(sim.clone(), name, upkeep, plan.retention.is_some());
            (name.clone(), Table { watch: plan.upkeep.clone().map(watch), ..Table::default() })
        };
        let tables = plan.tables.iter().map(table).collect();
        let state = Arc::new(Mutex::new(State { tables, ..State::default() }));
        Oracle { sim, kafka, objects, locks, plan, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, path: &str) -> Option<Vec<u8>> {
        let path = Path::parse(path).ok()?;
        self.objects.read(&path).map(|bytes| bytes.to_vec())
    }

    /// A commit that is decided: under the lock it need not be in its place yet.
    fn version(&self, table: &str, version: u64) -> Option<Vec<u8>> {
        let there = self.get(&format!("{table}/{}", commit_name(version)));
        there.or_else(|| {
            let temp = self.locks.temp_of(&format!("s3://bucket/{table}"), version)?;
            self.get(&format!("{table}/_delta_log/{temp}"))
        })
    }

    /// Takes in what has landed since it looked last.
    pub fn look(&self) {
        let mut state = self.state();
        let altering = state.altering;
        for (name, table) in &mut state.tables {
            while let Some(text) = self.version(name, table.versions.len() as u64) {
                let version = table.versions.len();
                self.sim.trace(|| format!("{name} has version {version}{}", of_origin(&text)));
                self.sim.note(version as u64);
                if let Err(broken) = self.commit(name, table, &text, altering) {
                    self.sim.fail(format!("{broken}, at version {version} of {name}"));
                }
                table.versions.push(text);
            }
        }
        for change in self.objects.take_changes() {
            for watch in state.tables.values_mut().filter_map(|table| table.watch.as_mut()) {
                if let Err(broken) = watch.changed(&change, &self.objects) {
                    self.sim.fail(broken);
                }
            }
        }
    }

    fn commit(&self, name: &str, table: &mut Table, text: &[u8], altering: Option<usize>) -> Checked<()> {
        let mut origin = None;
        let (mut txns, mut adds, mut gone) = (HashMap::new(), Vec::new(), Vec::new());
        let (actions, mut changes_rows) = (actions::of_lines(text)?, false);
        for action in &actions {
            if let Some(found) = action.pointer("/commitInfo/sluice") {
                origin = Some(found.clone());
            }
            if let Some(txn) = action.get("txn") {
                txns.insert(txn["appId"].as_str().unwrap_or_default().to_owned(), txn["version"].as_i64());
            }
            table.log.take(action, self.sim.now());
            changes_rows |= action["add"]["dataChange"] == true || action["remove"]["dataChange"] == true;
            if let Some(path) = action["remove"]["path"].as_str() {
                let rows = table.live.remove(path);
                gone.extend(rows.ok_or_else(|| format!("I5: {path} is removed, and is not in the table"))?);
            }
            if let Some(add) = action.get("add") {
                adds.push(add["path"].as_str().unwrap_or_default().to_owned());
            }
        }
        if let Some(watch) = &mut table.watch {
            watch.commit(&actions);
        }
        txns.remove(LEASE_APP_ID);
        let mut rows = Vec::new();
        for path in adds {
            if !table.referenced.insert(path.clone()) {
                return Err(format!("I3: file {path} is in a second commit"));
            }
            let of_file = self.rows(name, &path)?;
            rows.extend(of_file.iter().copied());
            table.live.insert(path, of_file);
        }
        if !changes_rows {
            rows.sort_unstable();
            gone.sort_unstable();
            if rows != gone {
                return Err(format!("I1: rows {gone:?} are {rows:?} in other files"));
            }
            rows.clear();
        }
        match origin {
            Some(origin) => self.ours(name, table, &origin, txns, rows, altering),
            None => self.of_predecessor(table, txns, &rows),
        }
    }

    fn rows(&self, table: &str, path: &str) -> Checked<Vec<i64>> {
        let bytes = self.get(&format!("{table}/{path}"));
        let bytes = bytes.ok_or_else(|| format!("I1: file {path} is not there"))?;
        let damaged = |e: parquet::errors::ParquetError| format!("I1: file {path}: {e}");
        let file = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).map_err(damaged)?;
        let column = ProjectionMask::columns(file.parquet_schema(), ["v"]);
        let batches = file.with_projection(column).build().map_err(damaged)?;
        let mut values = Vec::new();
        for batch in batches {
            let batch = batch.map_err(|e| format!("I1: file {path}: {e}"))?;
            values.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
        }
        Ok(values)
    }

    /// Rows that it writes when the connector has begun are not asked for, nor refused: it should not run.
    fn of_predecessor(
        &self,
        table: &mut Table,
        mut txns: HashMap<String, Option<i64>>,
        rows: &[i64],
    ) -> Checked<()> {
        for partition in 0..self.kafka.partitions() {
            let Some(before) = self.plan.predecessor else { break };
            let Some(version) = txns.remove(&before.app_id(partition)).flatten() else { continue };
            table.before.insert(partition, version);
            if !table.held.contains_key(&partition) {
                let of_partition = value(partition, 0)..value(partition + 1, 0);
                table.rows.extend(rows.iter().filter(|row| of_partition.contains(row)));
                // What became of its bad records is its own affair.
                let passed = self.kafka.records(partition, 0, before.next(version));
                passed.iter().for_each(|record| self.kafka.report(partition, record.offset));
            }
        }
        match txns.is_empty() {
            true => Ok(()),
            false => Err(format!("I4: offsets without an interval: {txns:?}")),
        }
    }

    fn ours(
        &self,
        name: &str,
        table: &mut Table,
        origin: &Value,
        mut txns: HashMap<String, Option<i64>>,
        rows: Vec<i64>,
        altering: Option<usize>,
    ) -> Checked<()> {
        for alteration in origin["alterations"].as_array().into_iter().flatten() {
            table.alter(alteration, &mut txns)?;
        }
        let mut expected = BTreeSet::new();
        let units = origin["units"].as_array().into_iter().flatten();
        for interval in units.flat_map(|unit| unit["intervals"].as_array().into_iter().flatten()) {
            let partition = interval["partition"].as_i64().unwrap_or(-1) as usize;
            let (from, to) = (interval["fromOffset"].as_i64(), interval["toOffset"].as_i64());
            let (Some(from), Some(to)) = (from, to) else {
                return Err("I4: an interval without ends".into());
            };
            if txns.remove(&app_id(partition)).flatten() != Some(to) {
                return Err(format!("I4: the txn of partition {partition} does not say {to}"));
            }
            let forgotten = table.forgotten.remove(&partition);
            let first = match table.held.get(&partition) {
                Some((held, first)) if forgotten => {
                    if self.kafka.records(partition, *held, from).iter().any(|record| record.is_of(name)) {
                        return Err(format!(
                            "I1: the offset {held} of partition {partition} is forgotten, and an interval starts at {from}"
                        ));
                    }
                    let again = value(partition, from)..value(partition, *held);
                    table.rows.retain(|row| !again.contains(row));
                    *first.min(&from)
                }
                Some((held, _)) if *held != from => {
                    return Err(format!(
                        "I4: partition {partition} held {held}, and an interval starts at {from}"
                    ));
                }
                Some((_, first)) => *first,
                None if let Some((before, version)) =
                    self.plan.predecessor.zip(table.before.get(&partition)) =>
                {
                    let taken_over = &interval["takenOver"];
                    let said = (taken_over["appId"].as_str(), taken_over["version"].as_i64());
                    if from != before.next(*version)
                        || said != (Some(&before.app_id(partition)), Some(*version))
                    {
                        return Err(format!(
                            "I4: partition {partition} is taken over at version {version}, and its first interval starts \
                             at {from}, from {taken_over}"
                        ));
                    }
                    0
                }
                None => match table.reset.get(&partition).unwrap_or(&Some(0)) {
                    Some(begin)
                        if self.kafka.records(partition, *begin, from).iter().any(|r| r.is_of(name)) =>
                    {
                        return Err(format!(
                            "I1: the first interval of partition {partition} starts at {from}, behind rows from {begin} on"
                        ));
                    }
                    _ => from,
                },
            };
            if to < from || to > self.kafka.end(partition) {
                return Err(format!("I1: an interval of partition {partition} from {from} to {to}"));
            }
            table.held.insert(partition, (to, first));
            for record in self.kafka.records(partition, from, to) {
                let row = value(partition, record.offset);
                // A task that was not stopped goes by the group's offset, which a user moves only after the tables' (ADR 0007):
                // until both are, rows that come once more may wait for the user's next try.
                let may_wait = self.plan.routed && altering == Some(partition);
                if record.is_row_of(name) && (!may_wait || rows.contains(&row)) {
                    expected.insert(row);
                }
                // One of another table may lie before where a user has moved that table to.
                let concerns = record.is_of(name) || record.route.leads_nowhere();
                if concerns && !self.is_told(partition, &record) {
                    let offset = record.offset;
                    return Err(format!("I1: bad record {partition}/{offset} is passed and not reported"));
                }
            }
        }
        if !txns.is_empty() {
            return Err(format!("I4: offsets without an interval: {txns:?}"));
        }
        let mut found = BTreeSet::new();
        for row in rows {
            if !found.insert(row) || !table.rows.insert(row) {
                return Err(format!("I1: row {row} is in the table twice"));
            }
        }
        match expected.symmetric_difference(&found).next() {
            Some(row) if found.contains(row) => Err(format!("I1: row {row} is of no interval of its commit")),
            Some(row) => Err(format!("I1: row {row} is lost")),
            None => Ok(()),
        }
    }

    /// The record is a row, or whoever reads the dead-letter queue knows of it.
    fn is_told(&self, partition: usize, record: &Record) -> bool {
        !self.plan.reports(record) || self.kafka.is_reported(partition, record.offset)
    }

    /// I2: what a task returns to Connect.
    pub fn returned(&self, partition: usize, offset: Offset) {
        let state = self.state();
        if state.altering == Some(partition) {
            return;
        }
        let asked_from = state.asked_from.get(&partition).copied().unwrap_or(0);
        let passed = self.kafka.records(partition, asked_from, offset);
        if let Some(record) = passed.iter().find(|record| !self.is_told(partition, record)) {
            let bad = record.offset;
            self.sim.fail(format!(
                "I2: {offset} of partition {partition} is returned, and {bad} is not reported"
            ));
        }
        for (name, table) in &state.tables {
            let held = table.held.get(&partition).map(|(held, _)| *held);
            let ahead = match held {
                Some(held) if !self.plan.routed => offset > held,
                held => passed.iter().any(|record| {
                    let is_there = match held {
                        Some(held) => record.offset < held,
                        None => table.rows.contains(&value(partition, record.offset)),
                    };
                    record.is_row_of(name) && !is_there
                }),
            };
            if ahead {
                self.sim.fail(format!(
                    "I2: {offset} of partition {partition} is returned, {name} holds {held:?}"
                ));
            }
        }
    }

    /// Whether every table holds an offset of the partition.
    pub fn is_held(&self, partition: usize) -> bool {
        self.state().tables.values().all(|table| table.held.contains_key(&partition))
    }

    /// A user asks for another offset, perhaps once more.
    pub fn altering(&self, partition: usize) {
        let mut state = self.state();
        state.altering = Some(partition);
        let absent = state.tables.iter().filter(|(_, table)| table.versions.is_empty());
        state.absent = absent.map(|(name, _)| name.clone()).collect();
    }

    /// It is altered, and the group with it. A table that was not there, and holds none, goes by the group's.
    pub fn altered(&self, partition: usize, to: Option<Offset>) {
        let mut state = self.state();
        state.altering = None;
        state.asked_from.insert(partition, to.unwrap_or(0));
        for name in std::mem::take(&mut state.absent) {
            let table = state.tables.get_mut(&name);
            if let Some(table) = table.filter(|table| !table.held.contains_key(&partition)) {
                table.reset.insert(partition, to);
            }
        }
    }

    /// Another writer was told that this version is its own.
    pub fn won(&self, table: &str, version: u64, commit: Vec<u8>) {
        if let Some(table) = self.state().tables.get_mut(table) {
            table.won.insert(version, commit);
        }
    }

    /// What keeps the tables from having all rows.
    pub fn lag(&self) -> Option<String> {
        let state = self.state();
        for (name, table) in &state.tables {
            for partition in 0..self.kafka.partitions() {
                let first = match table.held.get(&partition) {
                    Some((_, first)) => *first,
                    None if table.reset.contains_key(&partition) => Offset::MAX,
                    None => 0,
                };
                let of_source = self.kafka.records(partition, first, Offset::MAX);
                let lost = |record: &&Record| {
                    record.is_row_of(name) && !table.rows.contains(&value(partition, record.offset))
                };
                if let Some(record) = of_source.iter().find(lost) {
                    return Some(format!("{name} has no row of {partition}/{}", record.offset));
                }
            }
        }
        None
    }

    /// I5, and that nothing of the log has changed since it landed.
    pub fn end(&self) -> Sums {
        let mut sums = Sums::default();
        for (name, table) in &self.state().tables {
            sums.commits += table.versions.len() as u64;
            sums.rows += table.rows.len() as u64;
            sums.tally.add(table.watch.as_ref().map(|watch| watch.tally).unwrap_or_default());
            for (version, text) in table.versions.iter().enumerate() {
                let there = self.version(name, version as u64);
                // What may be deleted is watched.
                if there.is_none() && table.watch.is_some() {
                    continue;
                }
                if there.as_ref() != Some(text) {
                    self.sim.fail(format!("I5: version {version} of {name} was written over"));
                }
            }
            for (version, commit) in &table.won {
                if table.versions.get(*version as usize) != Some(commit) {
                    self.sim
                        .fail(format!("I5: version {version} of {name} was another writer's, and is lost"));
                }
            }
        }
        sums
    }
}
