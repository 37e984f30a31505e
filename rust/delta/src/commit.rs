//! Committing staged units: the compare-and-swap on their offsets, and what to do when a claim is lost or its outcome
//! unknown. The rules are in `docs/exactly-once.md`.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::{Array, ArrayRef, Int64Array, MapArray, RecordBatch, StringArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema as ArrowSchema};
use arrow_select::concat::concat;
use buoyant_kernel as delta_kernel;
use delta_kernel::engine::arrow_conversion::TryFromArrow;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::schema::StructType;
use delta_kernel::transaction::CommitResult;
use serde::Serialize;
use sluice_core::offsets::{Interval, RESET, TakenOver, TopicPartition, offset_of};
use sluice_core::schema::still_fits;
use sluice_core::settings::OtherConnectors;
use sluice_core::{Code, Error, Result};
use tracing::{Span, error_span, info, warn};
use uuid::Uuid;

use crate::fail_point::FailPoint;
use crate::kernel::{ClaimCommitter, kernel_error};
use crate::landed::Landed;
use crate::log::{IntervalOrigin, Origin, TakenOverOrigin, UnitOrigin};
use crate::maintain::lease::LEASE_APP_ID;
use crate::table::{Advance, TableState};
use crate::unit::{Outcome, StagedFile, StagedUnit};

const OPERATION: &str = "STREAMING UPDATE";

/// A unit with the place where its outcome goes.
pub struct Submission {
    pub unit: StagedUnit,
    /// How long it is tried while the store fails.
    pub patience: Duration,
    /// How long it waits for units of other tasks at most.
    pub linger: Duration,
    /// Whose unit it is, for the log.
    pub span: Span,
    pub outcome: Box<dyn FnOnce(Outcome) + Send>,
}

impl Submission {
    pub fn end(self, outcome: Outcome) {
        (self.outcome)(outcome);
    }
}

/// Units that go into one commit.
pub(crate) struct Group {
    /// Stays the same however often it is tried: by it the commit is found in the log.
    id: String,
    pub units: Vec<Submission>,
    /// Whose commit it is, for the log.
    pub span: Span,
    /// When it was first tried.
    begun: Option<Instant>,
    /// It may have landed.
    tried: bool,
}

impl Group {
    pub fn new(id: Uuid, units: Vec<Submission>) -> Self {
        let span = span_of(&units);
        Group { id: id.to_string(), units, span, begun: None, tried: false }
    }
}

/// The task's; that of the connector, where it is several tasks'.
fn span_of(units: &[Submission]) -> Span {
    let Some((first, others)) = units.split_first() else { return Span::none() };
    let same = |of: fn(&StagedUnit) -> &str| others.iter().all(|other| of(&other.unit) == of(&first.unit));
    match (same(|unit| &unit.connector), same(|unit| &unit.task)) {
        (true, true) => first.span.clone(),
        (true, false) => error_span!(parent: None, "connector", connector = first.unit.connector),
        (false, _) => Span::none(),
    }
}

/// How one attempt ended.
pub(crate) enum Attempt {
    Landed(u64),
    Lost,
    /// The store or the kernel failed; the commit may be there.
    Unknown(Error),
}

impl TableState {
    /// Commits a group: every unit is ended. After an error those that are left may have landed all the same. The same
    /// group again settles it, before anything else reads the log on.
    pub(crate) fn commit(&mut self, group: &mut Group) -> Result<()> {
        let mut races = 0;
        group.begun.get_or_insert(self.world.now());
        loop {
            if group.tried
                && let Some(version) = self.advance(&group.id)?.landed
            {
                return self.end_all(group, version, true);
            }
            if !group.tried {
                self.look_again()?;
            }
            self.refuse_stale(group)?;
            if group.units.is_empty() {
                return Ok(());
            }
            group.tried = true;
            match self.attempt(group) {
                Attempt::Landed(version) => return self.end_all(group, version, false),
                Attempt::Lost => {
                    races += 1;
                    self.lost_race(races);
                }
                Attempt::Unknown(error) => match self.advance(&group.id) {
                    Ok(Advance { landed: Some(version) }) => return self.end_all(group, version, true),
                    Ok(Advance { landed: None }) => return Err(error),
                    // What the store said of the claim is nearer to the cause, where it said more than "failed".
                    Err(read) => return Err(if error.code == Code::StoreIo { read } else { error }),
                },
            }
        }
    }

    /// The compare-and-swap: ends the units that do not start from what the table holds, or that no longer fit it.
    fn refuse_stale(&self, group: &mut Group) -> Result<()> {
        let mut failed = None;
        for submission in std::mem::take(&mut group.units) {
            match self.check(&submission.unit) {
                Ok(None) => group.units.push(submission),
                Ok(Some(outcome)) => submission.end(outcome),
                Err(error) => {
                    failed.get_or_insert(error);
                    group.units.push(submission);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// What becomes of the unit where it may not be committed.
    fn check(&self, unit: &StagedUnit) -> Result<Option<Outcome>> {
        let fenced = |reason: String| Ok(Some(Outcome::Fenced { reason }));
        for interval in &unit.intervals {
            let held = self.held(&interval.app_id)?;
            // Who moves an offset sets it: one that is gone was not moved.
            let forgotten = held.is_none() && self.current()?.forgets;
            if held != interval.expected && !forgotten {
                let name = |txn: Option<i64>| match txn {
                    Some(RESET) => "no offset since a reset".to_owned(),
                    Some(offset) => format!("offset {offset}"),
                    None => "no offset".to_owned(),
                };
                return fenced(format!(
                    "for {} the table holds {}, and these rows start from {}",
                    interval.partition,
                    name(held),
                    name(interval.expected)
                ));
            }
            if interval.expected.is_none()
                && let Some(error) = self.of_another(unit, interval)?
            {
                return Ok(Some(Outcome::Failed(error)));
            }
            if let Some(predecessor) = &interval.taken_over {
                let held = self.held(&predecessor.app_id)?;
                // Gone is not moved: a table may forget it.
                if let Some(moved) = held.filter(|_| held != predecessor.version) {
                    return Ok(Some(Outcome::Failed(still_runs(interval, predecessor, moved))));
                }
            }
        }
        let info = &self.current()?.info;
        let changed = unit.files.iter().filter(|file| file.table != *info);
        let misfit = changed.map(|file| still_fits(&file.table, info)).find_map(Result::err);
        misfit.map_or(Ok(None), |changes| {
            fenced(format!("another writer changed the table since the rows were converted: {changes}"))
        })
    }

    /// Why the partition's first rows may not be committed: another connector has written them, as far as its offset says.
    fn of_another(&self, unit: &StagedUnit, interval: &Interval) -> Result<Option<Error>> {
        let taken_over = interval.taken_over.as_ref().is_some_and(|predecessor| predecessor.next.is_some());
        if taken_over || unit.other_connectors == OtherConnectors::Ignore {
            return Ok(None);
        }
        let end = interval.partition.app_id_end();
        let same_partition = |(app_id, version): (&String, &i64)| {
            // There may be thousands: most are not even taken apart.
            let of_partition = Some(app_id).filter(|app_id| app_id.ends_with(&end))?;
            let (connector, _) = TopicPartition::from_app_id(of_partition)?;
            offset_of(Some(*version))
                .filter(|_| connector != unit.connector)
                .map(|offset| format!("{connector:?} has written it up to offset {offset}"))
        };
        let held = &self.current()?.held;
        let others: Vec<_> = held.iter().filter_map(same_partition).collect();
        Ok((!others.is_empty()).then(|| {
            let (table, partition) = (self.uri(), &interval.partition);
            Error::new(
                Code::OffsetsOfAnother,
                format!(
                    "table {table} holds no offset of {partition} of connector {:?}, and {}",
                    unit.connector,
                    others.join(", ")
                ),
            )
        }))
    }

    /// `found`: the store did not say that it landed; the log did.
    fn end_all(&self, group: &mut Group, version: u64, found: bool) -> Result<()> {
        let table = self.current()?.info.clone();
        let now = self.world.now();
        let took = now.saturating_duration_since(group.begun.unwrap_or(now));
        let units = group.units.iter().map(|submission| &submission.unit).collect();
        let landed = Landed { uri: self.uri(), version, units, took, found };
        info!("{landed}");
        let mut counts = self.meter.counts();
        counts.commits += 1;
        counts.version = counts.version.max(Some(version));
        counts.written.add(landed.written());
        counts.commit_time += took;
        counts.longest_commit.see(self.since_begun(), took.as_millis() as u64);
        drop(counts);
        self.made.send_replace(Some(version));
        for submission in std::mem::take(&mut group.units) {
            submission.end(Outcome::Committed { version, table: table.clone() });
        }
        Ok(())
    }

    fn attempt(&mut self, group: &Group) -> Attempt {
        let units = || group.units.iter().map(|submission| &submission.unit);
        let mut txns: Vec<(String, i64)> = units()
            .flat_map(|unit| unit.intervals.iter().map(|interval| (interval.app_id.clone(), interval.to)))
            .collect();
        let turn = match self.offered_turn() {
            Ok(turn) => turn,
            Err(error) => return Attempt::Unknown(error),
        };
        txns.extend(turn.map(|until| (LEASE_APP_ID.to_owned(), until)));
        let files: Vec<&StagedFile> = units().flat_map(|unit| &unit.files).collect();
        let origin = Origin {
            commit: group.id.clone(),
            units: units().map(unit_origin).collect(),
            alterations: vec![],
        };
        self.claim(OPERATION, origin, &files, &txns)
    }

    /// One try to make the next version of these.
    pub(crate) fn claim(
        &mut self,
        operation: &str,
        origin: Origin,
        files: &[&StagedFile],
        txns: &[(String, i64)],
    ) -> Attempt {
        let committer = ClaimCommitter::new(self.store.clone());
        let said = committer.said();
        let said = move || std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner));
        self.world.reached(FailPoint::CommitBegun);
        match self.try_commit(operation, origin, committer, files, txns) {
            Ok(CommitResult::CommittedTransaction(committed)) => {
                self.world.reached(FailPoint::CommitLanded);
                let version = committed.commit_version();
                if let Some((_, until)) = txns.iter().find(|(app_id, _)| app_id == LEASE_APP_ID) {
                    self.lease.landed(*until);
                }
                if let Err(error) = self.committed(committed.post_commit_snapshot().cloned(), txns, said()) {
                    warn!("after commit {version} to {}: {error}", self.store.root());
                }
                Attempt::Landed(version)
            }
            Ok(CommitResult::ConflictedTransaction(lost)) => {
                info!("version {} of {} went to another writer", lost.conflict_version(), self.store.root());
                Attempt::Lost
            }
            Ok(CommitResult::RetryableTransaction(failed)) => {
                Attempt::Unknown(said().error.unwrap_or_else(|| kernel_error("commit", &failed.error)))
            }
            Err(error) => Attempt::Unknown(error),
        }
    }

    fn try_commit(
        &self,
        operation: &str,
        origin: Origin,
        committer: ClaimCommitter,
        files: &[&StagedFile],
        txns: &[(String, i64)],
    ) -> Result<CommitResult> {
        let failed =
            |e: delta_kernel::Error| kernel_error(&format!("cannot commit to {}", self.store.root()), &e);
        let (info, info_schema) = commit_info(origin)?;
        let current = self.current()?;
        let engine = current.known.engine(&self.engine).map_err(failed)?;
        let mut transaction = current
            .commits_on
            .clone()
            .transaction(Box::new(committer), &engine)
            .map_err(failed)?
            .with_operation(operation.to_owned())
            .with_engine_info(crate::ENGINE_INFO)
            .with_commit_info(Box::new(ArrowEngineData::new(info)), Arc::new(info_schema));
        if !files.is_empty() {
            // Without it, a concurrent MERGE or DELETE of Spark takes our rows for ones that it should have read.
            transaction = transaction.with_blind_append();
            for batch in add_actions(files)? {
                transaction.add_files(Box::new(ArrowEngineData::new(batch)));
            }
        }
        for (app_id, version) in txns {
            transaction = transaction.with_transaction_id(app_id.clone(), *version);
        }
        transaction.commit(&engine).map_err(failed)
    }
}

/// `commitInfo.sluice`, which lets anybody check a table afterwards (I4).
fn commit_info(sluice: Origin) -> Result<(RecordBatch, StructType)> {
    #[derive(Serialize)]
    struct Row {
        sluice: Origin,
    }
    let row = Row { sluice };
    let schema = Arc::new(origin_schema());
    let broken = |e: &dyn std::fmt::Display| Error::new(Code::NativePanic, format!("commitInfo: {e}"));
    let mut decoder =
        arrow_json::ReaderBuilder::new(schema.clone()).build_decoder().map_err(|e| broken(&e))?;
    decoder.serialize(&[row]).map_err(|e| broken(&e))?;
    let batch = decoder.flush().map_err(|e| broken(&e))?.ok_or_else(|| broken(&"no row"))?;
    let kernel_schema = StructType::try_from_arrow(schema.as_ref()).map_err(|e| broken(&e))?;
    Ok((batch, kernel_schema))
}

fn unit_origin(unit: &StagedUnit) -> UnitOrigin {
    UnitOrigin {
        connector: unit.connector.clone(),
        task: unit.task.clone(),
        intervals: unit.intervals.iter().map(interval_origin).collect(),
    }
}

fn still_runs(interval: &Interval, predecessor: &TakenOver, moved: i64) -> Error {
    let TakenOver { app_id, version, next } = predecessor;
    let had = version.map_or("no version".to_owned(), |version| format!("version {version}"));
    let both = match (interval.expected, next) {
        (Some(_), Some(next)) => format!(". Both have written, from offset {next} on"),
        (Some(_), None) => ". Both have written".to_owned(),
        (None, _) => String::new(),
    };
    let message = format!(
        "{} was taken over when the txn of {app_id:?} had {had}, and it has version {moved} now: it still runs{both}",
        interval.partition
    );
    Error::new(Code::PredecessorRuns, message)
}

fn interval_origin(interval: &Interval) -> IntervalOrigin {
    let first = interval.taken_over.as_ref().filter(|_| interval.expected.is_none());
    let taken_over = first.and_then(|predecessor| {
        Some(TakenOverOrigin { app_id: predecessor.app_id.clone(), version: predecessor.version? })
    });
    IntervalOrigin {
        topic: interval.partition.topic.to_string(),
        partition: interval.partition.partition,
        from_offset: interval.from,
        to_offset: interval.to,
        rows: interval.rows as i64,
        taken_over,
    }
}

fn origin_schema() -> ArrowSchema {
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let list = |of| DataType::List(Arc::new(Field::new("element", DataType::Struct(of), true)));
    let taken_over = Fields::from(vec![field("appId", DataType::Utf8), field("version", DataType::Int64)]);
    let interval = Fields::from(vec![
        field("topic", DataType::Utf8),
        field("partition", DataType::Int32),
        field("fromOffset", DataType::Int64),
        field("toOffset", DataType::Int64),
        field("rows", DataType::Int64),
        field("takenOver", DataType::Struct(taken_over)),
    ]);
    let unit = Fields::from(vec![
        field("connector", DataType::Utf8),
        field("task", DataType::Utf8),
        field("intervals", list(interval)),
    ]);
    let alteration = Fields::from(vec![
        field("connector", DataType::Utf8),
        field("topic", DataType::Utf8),
        field("partition", DataType::Int32),
        field("fromOffset", DataType::Int64),
        field("toOffset", DataType::Int64),
    ]);
    let origin = Fields::from(vec![
        field("commit", DataType::Utf8),
        field("units", list(unit)),
        field("alterations", list(alteration)),
    ]);
    ArrowSchema::new(vec![field("sluice", DataType::Struct(origin))])
}

/// The kernel's input for `add` actions (its `BASE_ADD_FILES_SCHEMA`): a batch for each run of files with the same
/// columns in their statistics.
pub(crate) fn add_actions(files: &[&StagedFile]) -> Result<Vec<RecordBatch>> {
    let of_same_stats = files.chunk_by(|one, other| one.stats.data_type() == other.stats.data_type());
    let batches = of_same_stats.map(add_batch).collect::<std::result::Result<_, ArrowError>>();
    batches.map_err(|e| Error::new(Code::NativePanic, format!("add actions: {e}")))
}

fn add_batch(files: &[&StagedFile]) -> std::result::Result<RecordBatch, ArrowError> {
    let longs = |value: fn(&StagedFile) -> i64| -> ArrayRef {
        Arc::new(files.iter().map(|file| value(file)).collect::<Int64Array>())
    };
    let names = files.iter().map(|file| Some(file.add_path())).collect::<StringArray>();
    let stats: Vec<&dyn Array> = files.iter().map(|file| &file.stats as &dyn Array).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("path", Arc::new(names) as ArrayRef, false),
        ("partitionValues", Arc::new(partition_values(files)?), false),
        ("size", longs(|file| file.size as i64), false),
        ("modificationTime", longs(|file| file.modified), false),
        ("stats", concat(&stats)?, true),
    ])
}

fn partition_values(files: &[&StagedFile]) -> std::result::Result<MapArray, ArrowError> {
    let entries = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
    ]);
    let entry = Arc::new(Field::new("key_value", DataType::Struct(entries.clone()), false));
    let all = || files.iter().flat_map(|file| &file.partition_values);
    let keys = all().map(|(name, _)| Some(name)).collect::<StringArray>();
    let values = all().map(|(_, value)| value.as_ref()).collect::<StringArray>();
    let pairs = StructArray::try_new(entries, vec![Arc::new(keys), Arc::new(values)], None)?;
    let offsets = OffsetBuffer::from_lengths(files.iter().map(|file| file.partition_values.len()));
    MapArray::try_new(entry, offsets, pairs, None, false)
}
