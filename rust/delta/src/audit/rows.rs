//! The rows themselves, where the table has columns with the topic, partition and offset of each: no offset twice, each in an
//! interval of the commit that added its file, and as many as the interval counts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_schema::DataType;
use buoyant_kernel as delta_kernel;
use delta_kernel::engine::arrow_data::EngineDataArrowExt;
use delta_kernel::scan::Scan;
use delta_kernel::scan::state::{ScanFile, transform_to_logical};
use delta_kernel::schema::SchemaRef;
use delta_kernel::{DeltaResult, Engine, FileMeta};
use roaring::RoaringTreemap;
use sluice_core::offsets::TopicPartition;
use sluice_core::{Code, Error, Result};
use tokio::runtime::Handle;

use super::kind::Kind;
use super::report::{Audit, Author, Finding, Taken};
use super::snapshot::Snapshots;
use crate::kernel::{KernelEngine, kernel_error};
use crate::store::Store;
use crate::world::Tokio;

/// How many of a kind a message names.
const NAMED: usize = 3;

/// Where a row says which record it is from. Names of nested fields are behind a dot.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// None: all rows are of the only topic that there is.
    pub topic: Option<String>,
    /// None: of its only partition.
    pub partition: Option<String>,
    pub offset: String,
}

/// The offsets that rows come from. A bit for each, two bytes where they are sparse.
#[derive(Debug, Default)]
pub struct Rows {
    pub partitions: BTreeMap<TopicPartition, RoaringTreemap>,
    /// Whether rows may have been taken away, by deletion vectors or other writers.
    pub incomplete: bool,
}

/// Reads the columns of every file of the audited version, and adds to the audit what it finds.
pub fn rows(store: &dyn Store, runtime: &Handle, audit: &mut Audit, columns: &Columns) -> Result<Rows> {
    let snapshots = Snapshots::new(store, &Tokio::world(runtime.clone()));
    let table = Table::open(&snapshots, audit, columns)?;
    let mut check = Check::new(audit, columns)?;
    let files = table.files().map_err(|e| table.failed(&e))?;
    let mut files: Vec<(Option<u64>, ScanFile)> =
        files.into_iter().map(|file| (audit.files.get(&file.path).copied(), file)).collect();
    files.sort_by(|(version, file), (other, beside)| (version, &file.path).cmp(&(other, &beside.path)));
    for (version, file) in files {
        let mut seen = InFile::new(&file.path, version);
        let counted = table.read(&file, |batch| check.batch(batch, &mut seen));
        let rows = counted.map_err(|e| kernel_error(&format!("cannot read {}", file.path), &e))??;
        let recorded = file.stats.as_ref().map(|stats| stats.num_records);
        if recorded.is_some_and(|recorded| recorded != rows) {
            let message =
                format!("{} has {rows} rows, its numRecords is {}", file.path, recorded.unwrap_or_default());
            check.found.push(Finding::new(Kind::Rows, version.unwrap_or(audit.first_version), message));
        }
        check.end_file(seen);
    }
    Ok(check.tell(audit))
}

/// The table's files and how to read the columns of one.
struct Table {
    engine: KernelEngine,
    scan: Scan,
    root: url::Url,
}

impl Table {
    fn open(snapshots: &Snapshots<'_>, audit: &Audit, columns: &Columns) -> Result<Table> {
        let snapshot = snapshots.open(Some(audit.last_version))?;
        let schema = snapshot.schema();
        let wanted = [columns.topic.as_deref(), columns.partition.as_deref(), Some(&columns.offset)];
        let mut names = Vec::new();
        for column in wanted.into_iter().flatten() {
            let first = column.split('.').next().unwrap_or(column);
            let there = schema.fields().find(|field| field.name().eq_ignore_ascii_case(first));
            let name = there.map(|field| field.name().clone()).ok_or_else(|| {
                Error::new(Code::ColumnMismatch, format!("the table has no column {first}"))
            })?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let root = snapshot.table_root().clone();
        let scan = || -> DeltaResult<Scan> {
            let projected: SchemaRef = schema.project(&names)?;
            snapshot.scan_builder().with_schema(projected).build()
        };
        let scan = scan().map_err(|e| kernel_error("cannot read the table's rows", &e))?;
        Ok(Table { engine: snapshots.engine(), scan, root })
    }

    fn failed(&self, error: &delta_kernel::Error) -> Error {
        kernel_error(&format!("cannot list the files of {}", self.root), error)
    }

    fn files(&self) -> DeltaResult<Vec<ScanFile>> {
        let mut files = Vec::new();
        for metadata in self.scan.scan_metadata(&self.engine)? {
            files = metadata?.visit_scan_files(files, |files: &mut Vec<ScanFile>, file| files.push(file))?;
        }
        Ok(files)
    }

    /// Gives the rows that deletion vectors leave, and counts all.
    fn read(&self, file: &ScanFile, mut take: impl FnMut(Piece) -> Result<()>) -> DeltaResult<Result<u64>> {
        let engine: &dyn Engine = &self.engine;
        let mut kept = file.dv_info.get_selection_vector(engine, &self.root)?;
        let meta = FileMeta::new(self.root.join(&file.path)?, 0, file.size.max(0) as u64);
        let (physical, logical) = (self.scan.physical_schema(), self.scan.logical_schema());
        let mut rows = 0;
        for data in engine.parquet_handler().read_parquet_files(&[meta], physical.clone(), None)? {
            let data = transform_to_logical(engine, data?, physical, logical, file.transform.clone())?;
            let batch = data.try_into_record_batch()?;
            let count = batch.num_rows();
            rows += count as u64;
            // The vector ends at the last row that is deleted.
            let mask = kept.as_mut().map(|kept| kept.drain(..count.min(kept.len())).collect());
            if let Err(error) = take(Piece { batch, kept: mask }) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(rows))
    }
}

/// Some rows of a file.
struct Piece {
    batch: RecordBatch,
    /// Which of the first ones are still there; none: all.
    kept: Option<Vec<bool>>,
}

/// What a commit may have rows of.
enum Allowed {
    /// Its own intervals.
    Of(Vec<(TopicPartition, i64, i64)>),
    /// Of any interval: the commit moved rows that were there.
    Any,
}

struct InFile {
    path: String,
    version: Option<u64>,
    strays: Vec<String>,
    stray: u64,
    /// Lowest and highest offset.
    spans: HashMap<TopicPartition, (i64, i64)>,
}

impl InFile {
    fn new(path: &str, version: Option<u64>) -> Self {
        InFile { path: path.to_owned(), version, strays: vec![], stray: 0, spans: HashMap::new() }
    }
}

struct Check {
    columns: Columns,
    only_topic: Option<String>,
    by_version: HashMap<u64, Vec<(TopicPartition, i64, i64)>>,
    covered: HashMap<TopicPartition, Coverage>,
    authors: HashMap<u64, Arc<Author>>,
    rows: BTreeMap<TopicPartition, RoaringTreemap>,
    twice: BTreeMap<TopicPartition, RoaringTreemap>,
    /// Files with the later row of an offset that is there twice, and its version.
    doubling: BTreeMap<TopicPartition, Vec<(String, Option<u64>)>>,
    spans: HashMap<TopicPartition, Vec<(String, i64, i64)>>,
    nameless: u64,
    deleted: u64,
    found: Vec<Finding>,
}

impl Check {
    fn new(audit: &Audit, columns: &Columns) -> Result<Check> {
        let mut by_version: HashMap<u64, Vec<_>> = HashMap::new();
        let mut taken: HashMap<TopicPartition, Vec<(i64, i64)>> = HashMap::new();
        let mut authors = HashMap::new();
        for progress in audit.app_ids.values() {
            let partition = progress.partition();
            for Taken { from, to, by, .. } in &progress.taken {
                by_version.entry(by.version).or_default().push((partition.clone(), *from, *to));
                taken.entry(partition.clone()).or_default().push((*from, *to));
                authors.insert(by.version, by.clone());
            }
        }
        let topics: HashSet<&str> = audit.app_ids.values().map(|progress| progress.topic.as_str()).collect();
        let only_topic = match (&columns.topic, topics.iter().next()) {
            (None, Some(topic)) if topics.len() == 1 => Some((*topic).to_owned()),
            (None, _) => {
                let message = "the rows do not say of which topic they are, and there is not just one";
                return Err(Error::new(Code::ColumnMismatch, message.to_owned()));
            }
            _ => None,
        };
        let covered = taken.into_iter().map(|(partition, taken)| (partition, Coverage::of(taken))).collect();
        Ok(Check {
            columns: columns.clone(),
            only_topic,
            by_version,
            covered,
            authors,
            rows: BTreeMap::new(),
            twice: BTreeMap::new(),
            doubling: BTreeMap::new(),
            spans: HashMap::new(),
            nameless: 0,
            deleted: 0,
            found: vec![],
        })
    }

    fn batch(&mut self, piece: Piece, file: &mut InFile) -> Result<()> {
        let Piece { batch, kept } = piece;
        let offsets = long(&column(&batch, &self.columns.offset)?)?;
        let partitions =
            self.columns.partition.as_deref().map(|name| long(&column(&batch, name)?)).transpose()?;
        let topics = self.columns.topic.as_deref().map(|name| text(&column(&batch, name)?)).transpose()?;
        let allowed = match file.version.and_then(|version| self.by_version.get(&version)) {
            Some(intervals) => Allowed::Of(intervals.clone()),
            None => Allowed::Any,
        };
        let mut last: Option<TopicPartition> = None;
        for row in 0..batch.num_rows() {
            if kept.as_ref().is_some_and(|kept| kept.get(row) == Some(&false)) {
                self.deleted += 1;
                continue;
            }
            let topic = match &topics {
                Some(topics) => topics.is_valid(row).then(|| topics.value(row)),
                None => self.only_topic.as_deref(),
            };
            let partition = match &partitions {
                Some(partitions) => partitions.is_valid(row).then(|| partitions.value(row)),
                None => Some(0),
            };
            let (Some(topic), Some(partition), true) = (topic, partition, offsets.is_valid(row)) else {
                self.nameless += 1;
                continue;
            };
            let same =
                last.as_ref().filter(|last| &*last.topic == topic && i64::from(last.partition) == partition);
            let partition = match same {
                Some(same) => same.clone(),
                None => TopicPartition::new(topic, partition as i32),
            };
            self.row(&partition, offsets.value(row), &allowed, file);
            last = Some(partition);
        }
        Ok(())
    }

    fn row(&mut self, partition: &TopicPartition, offset: i64, allowed: &Allowed, file: &mut InFile) {
        let inside = match allowed {
            Allowed::Of(intervals) => {
                intervals.iter().any(|(of, from, to)| of == partition && (*from..*to).contains(&offset))
            }
            // Where no interval is known, a row may be another writer's.
            Allowed::Any => self.covered.get(partition).is_none_or(|covered| covered.reaches(offset)),
        };
        if !inside {
            file.stray += 1;
            if file.strays.len() < NAMED {
                file.strays.push(format!("offset {offset} of {partition}"));
            }
        }
        let span = file.spans.entry(partition.clone()).or_insert((offset, offset));
        *span = (span.0.min(offset), span.1.max(offset));
        let Ok(place) = u64::try_from(offset) else { return };
        if !self.rows.entry(partition.clone()).or_default().insert(place) {
            self.twice.entry(partition.clone()).or_default().insert(place);
            let files = self.doubling.entry(partition.clone()).or_default();
            if files.last().is_none_or(|(path, _)| *path != file.path) {
                files.push((file.path.clone(), file.version));
            }
        }
    }

    fn end_file(&mut self, file: InFile) {
        for (partition, (low, high)) in file.spans {
            self.spans.entry(partition).or_default().push((file.path.clone(), low, high));
        }
        if file.stray > 0 {
            let rows = if file.stray == 1 { "1 row".to_owned() } else { format!("{} rows", file.stray) };
            let message = format!("{rows} of {}, such as {}", file.path, file.strays.join(", "));
            let mut finding = Finding::new(Kind::Stray, file.version.unwrap_or_default(), message);
            if let Some(author) = file.version.and_then(|version| self.authors.get(&version)) {
                finding = finding.by(author);
            }
            self.found.push(finding);
        }
    }

    fn tell(mut self, audit: &mut Audit) -> Rows {
        let incomplete = self.deleted > 0 || audit.rows_changed;
        let twice = std::mem::take(&mut self.twice);
        for (partition, twice) in &twice {
            self.tell_twice(partition, twice, audit);
        }
        self.count_intervals(audit, incomplete);
        audit.findings.append(&mut self.found);
        if self.nameless > 0 {
            let message = format!("{} rows have no topic, partition or offset.", self.nameless);
            audit.untold.push(message);
        }
        if incomplete {
            audit.untold.push(format!(
                "Rows were deleted or rewritten ({} by deletion vectors): which rows are missing cannot be told.",
                self.deleted
            ));
        }
        Rows { partitions: self.rows, incomplete }
    }

    /// Offsets that are in several intervals on purpose, by an alteration or another connector, are only named.
    fn tell_twice(&mut self, partition: &TopicPartition, twice: &RoaringTreemap, audit: &mut Audit) {
        let of = |progress: &&super::Progress| progress.partition() == *partition;
        let app_ids: Vec<_> = audit.app_ids.values().filter(of).collect();
        let on_purpose = app_ids.len() > 1 || app_ids.iter().any(|progress| progress.altered);
        let again = self.covered.get(partition).filter(|_| on_purpose).map(|covered| covered.again.clone());
        let again = again.unwrap_or_default();
        let (expected, wrong) = (twice & &again, twice - &again);
        if !expected.is_empty() {
            let message = format!(
                "{} offsets of {partition} have more than one row: their offset was moved back on purpose, or several connectors \
                 write the topic",
                expected.len()
            );
            audit.note("twice", message);
        }
        let Some(first) = wrong.min() else { return };
        let named: Vec<String> = wrong.iter().take(NAMED).map(|offset| offset.to_string()).collect();
        let doubling = self.doubling.get(partition).cloned().unwrap_or_default();
        let later: Vec<&str> = doubling.iter().map(|(path, _)| path.as_str()).collect();
        let earlier = self.spans.get(partition).into_iter().flatten().filter(|(path, low, high)| {
            (*low..=*high).contains(&(first as i64)) && !later.contains(&path.as_str())
        });
        let earlier: Vec<&str> = earlier.map(|(path, ..)| path.as_str()).take(NAMED).collect();
        let message = format!(
            "{} of {partition} have more than one row, such as {}: in {}, after {}",
            wrong.len(),
            named.join(", "),
            later.iter().copied().take(NAMED).collect::<Vec<_>>().join(", "),
            if earlier.is_empty() { "the same file".to_owned() } else { earlier.join(", ") },
        );
        let version = doubling.first().and_then(|(_, version)| *version);
        let mut finding = Finding::new(Kind::Twice, version.unwrap_or(audit.first_version), message);
        if let Some(author) = version.and_then(|version| self.authors.get(&version)) {
            finding = finding.by(author);
        }
        self.found.push(finding);
    }

    /// As many rows as each interval counts, where it is the only one of its offsets.
    fn count_intervals(&mut self, audit: &Audit, incomplete: bool) {
        let none = RoaringTreemap::new();
        for (app_id, progress) in &audit.app_ids {
            let partition = progress.partition();
            let there = self.rows.get(&partition).unwrap_or(&none);
            let again = self.covered.get(&partition).map(|covered| &covered.again).unwrap_or(&none);
            for taken in &progress.taken {
                if between(again, taken.from, taken.to) > 0 {
                    continue;
                }
                let rows = between(there, taken.from, taken.to) as i64;
                if rows > taken.rows || rows < taken.rows && !incomplete {
                    let message = format!(
                        "the interval from {} up to {} counts {} rows, the table has {rows} of these offsets",
                        taken.from, taken.to, taken.rows
                    );
                    let finding = Finding::new(Kind::Rows, taken.by.version, message);
                    self.found.push(finding.of(app_id).by(&taken.by));
                }
            }
        }
    }
}

/// The intervals of a partition together.
struct Coverage {
    /// Rising, apart from one another.
    ranges: Vec<(i64, i64)>,
    /// Offsets that are in several.
    again: RoaringTreemap,
}

impl Coverage {
    fn of(mut taken: Vec<(i64, i64)>) -> Coverage {
        taken.sort_unstable();
        let (mut ranges, mut again): (Vec<(i64, i64)>, _) = (vec![], RoaringTreemap::new());
        for (from, to) in taken {
            match ranges.last_mut() {
                Some((_, end)) if from <= *end => {
                    again.insert_range(from.max(0) as u64..to.min(*end).max(0) as u64);
                    *end = to.max(*end);
                }
                _ => ranges.push((from, to)),
            }
        }
        Coverage { ranges, again }
    }

    fn reaches(&self, offset: i64) -> bool {
        let behind = self.ranges.partition_point(|(from, _)| *from <= offset);
        behind > 0 && offset < self.ranges[behind - 1].1
    }
}

/// How many of a set are in `from..to`.
pub fn between(set: &RoaringTreemap, from: i64, to: i64) -> u64 {
    let below = |offset: i64| match u64::try_from(offset) {
        Ok(offset) if offset > 0 => set.rank(offset - 1),
        _ => 0,
    };
    below(to).saturating_sub(below(from))
}

fn column(batch: &RecordBatch, path: &str) -> Result<ArrayRef> {
    let missing = || Error::new(Code::ColumnMismatch, format!("the table has no column {path}"));
    let mut parts = path.split('.');
    let first = parts.next().ok_or_else(missing)?;
    let fields = batch.schema();
    let place = fields.fields().iter().position(|field| field.name().eq_ignore_ascii_case(first));
    let mut array = batch.column(place.ok_or_else(missing)?).clone();
    for part in parts {
        let fields = array.as_struct_opt().ok_or_else(missing)?;
        let names = fields.column_names();
        let place = names.iter().position(|name| name.eq_ignore_ascii_case(part)).ok_or_else(missing)?;
        array = fields.column(place).clone();
    }
    Ok(array)
}

fn converted(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    cast(array, to).map_err(|e| Error::new(Code::ColumnMismatch, format!("a metadata column: {e}")))
}

fn long(array: &ArrayRef) -> Result<Int64Array> {
    Ok(converted(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

fn text(array: &ArrayRef) -> Result<StringArray> {
    Ok(converted(array, &DataType::Utf8)?.as_string::<i32>().clone())
}
