//! VACUUM: deletes the files below a table's root that no version needs any more which can still be read.
//!
//! What keeps it safe beside writers that know nothing of it, and beside another vacuum:
//!
//! - The store is listed *before* the newest version is read. Whatever is listed was there before that, so a file is either
//!   referred to by then or by no commit yet. The other way around, a file that is uploaded and committed in between would be
//!   listed and unknown.
//! - What no commit refers to may be an upload whose commit is still to come, of ours, which may wait for long for its store, or
//!   of others: it is deleted only when it is old, by the store's own time.
//! - Such a commit may come at last, and RESTORE brings old files back. So each portion is compared with the newest commits right
//!   before it is deleted. What is left is the time of one request, and needs a writer that commits what it uploaded before
//!   all of the retention.
//! - Nothing is to be cleaned up after it: killed anywhere, some files are gone that nobody needs.

mod log;
mod seen;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use buoyant_kernel::Snapshot;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::{ObjectMeta, ObjectStoreExt};
use serde::Serialize;
use sluice_core::schema::Schema;
use sluice_core::table::{DELETED_FILE_RETENTION, interval};
use sluice_core::{Code, Error, Result};

use super::{Maintained, Progress, known_features};
use crate::partition::hive_escaped;
use crate::physical::PHYSICAL_NAME;
use crate::store::{commit_version, delete_all, object_path, root_path, store_error};
use log::Referring;
use seen::{Mark, Seen};

/// Of `delta.deletedFileRetentionDuration`.
const USUAL_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
const YOUNGEST_UNREFERENCED: Duration = Duration::from_secs(24 * 3600);
/// Files that are looked at, and deleted, before it can be stopped: what S3 deletes with one request.
const PORTION: usize = 1000;
/// How many names are told.
const TOLD: usize = 100;

#[derive(Debug, Clone, PartialEq)]
pub struct Vacuuming {
    /// False: a dry run, which writes nothing at all.
    pub delete: bool,
    /// How long files that were removed are kept; none: as the table says.
    pub retention: Option<Duration>,
    /// Whether the retention may be shorter than the table's. Then who reads an older version may find files gone.
    pub shorter: bool,
    /// How old a file has to be at least that no commit refers to, whatever the retention.
    pub unreferenced: Duration,
}

impl Default for Vacuuming {
    fn default() -> Self {
        Vacuuming { delete: false, retention: None, shorter: false, unreferenced: YOUNGEST_UNREFERENCED }
    }
}

/// Times are in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Vacuumed {
    /// The version that says what is needed.
    pub version: u64,
    pub dry_run: bool,
    pub retention: u64,
    /// How old files have to be that no commit refers to.
    pub unreferenced: u64,
    /// Everything but the log and what is hidden.
    pub listed: Sum,
    /// Neither needed nor too young.
    pub found: Sum,
    pub deleted: Sum,
    /// Of no version, and too young to be sure that no commit is on its way.
    pub young: Sum,
    /// The first ones that were found.
    pub names: Vec<String>,
    /// It was ended early.
    pub stopped: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    pub files: u64,
    pub bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// Blocks; not for threads of the runtime.
pub fn vacuum(maintained: &Maintained, vacuuming: &Vacuuming, progress: &dyn Progress) -> Result<Vacuumed> {
    let now = now(maintained, vacuuming.delete)?;
    let mut vacuumed = Vacuumed { dry_run: !vacuuming.delete, ..Vacuumed::default() };
    let Some(there) = There::list(maintained, progress)? else {
        return Ok(Vacuumed { stopped: true, ..vacuumed });
    };
    let There { mut seen, nested, commits } = there;

    let snapshot = maintained.newest()?;
    check_protocol(maintained, &snapshot)?;
    let configuration = snapshot.table_configuration().metadata().configuration();
    let of_table = table_retention(configuration.get(DELETED_FILE_RETENTION).map(String::as_str))?;
    let ages = Ages::new(vacuuming, of_table, now)?;
    vacuumed.version = snapshot.version();
    (vacuumed.retention, vacuumed.unreferenced) = (ages.retention, ages.unreferenced);
    let hidden = Hidden::of(&snapshot);

    progress.begin("files of the table", 0);
    let mut referring = Referring::new(maintained, snapshot.version())?;
    if !referring.mark_snapshot(&snapshot, ages.removed_before, &mut seen, progress)? {
        return Ok(Vacuumed { stopped: true, ..vacuumed });
    }
    // Checkpoints forget what was removed before the table's own retention. As far as there still are commits, they know.
    if ages.retention > of_table.as_millis() as u64 {
        let first = commits.first_since(ages.removed_before);
        referring.mark_commits(first..=snapshot.version(), &mut seen)?;
    }
    drop(snapshot);

    // Names are too many to be kept. They are listed again: what is new in this list is in none of the marks.
    progress.begin("files looked at", seen.len() as u64);
    let mut list = List::new(maintained)?;
    let mut portion = Vec::new();
    loop {
        let listed = list.next()?;
        let is_end = listed.is_none();
        for (name, meta) in listed.into_iter().flatten() {
            progress.advance(1);
            let Some(mark) = seen.mark_of(&name) else { continue };
            if hidden.has(&name) || is_nested(&nested, &name) {
                continue;
            }
            vacuumed.listed.add(meta.size);
            let modified = meta.last_modified.timestamp_millis();
            match mark {
                Mark::Needed => {}
                Mark::Removed if modified < ages.removed_before => portion.push((name, meta.size)),
                Mark::Unknown if modified < ages.unreferenced_before => portion.push((name, meta.size)),
                Mark::Removed | Mark::Unknown => vacuumed.young.add(meta.size),
            }
        }
        if portion.len() >= PORTION || (is_end && !portion.is_empty()) {
            referring.mark_newer(&mut seen)?;
            let portion = std::mem::take(&mut portion);
            let unneeded = portion.into_iter().filter(|(name, _)| seen.mark_of(name) != Some(Mark::Needed));
            vacuumed.take(maintained, unneeded.collect())?;
        }
        if is_end {
            return Ok(vacuumed);
        }
        if progress.is_stopped() {
            return Ok(Vacuumed { stopped: true, ..vacuumed });
        }
    }
}

impl Vacuumed {
    fn take(&mut self, maintained: &Maintained, unneeded: Vec<(String, u64)>) -> Result<()> {
        let (names, sizes): (Vec<_>, Vec<_>) = unneeded.into_iter().unzip();
        sizes.iter().for_each(|size| self.found.add(*size));
        let more = TOLD.saturating_sub(self.names.len());
        self.names.extend(names.iter().take(more).cloned());
        if !self.dry_run {
            delete_all(&*maintained.store, &*maintained.world, &names)?;
            sizes.iter().for_each(|size| self.deleted.add(*size));
        }
        Ok(())
    }
}

/// What time it is, in milliseconds: by the store, whose times the files have, where that can be found out by writing, and by
/// the machine; the earlier one of the two. A clock that is fast would make files old that are not, and a clock that is slow
/// only leaves them for the next time. When a file was removed is told by the clock of whoever removed it; there is nothing else.
fn now(maintained: &Maintained, may_write: bool) -> Result<i64> {
    let Maintained { store, world, .. } = maintained;
    let machine = world.epoch_millis();
    if !may_write {
        return Ok(machine);
    }
    let name = format!(".sluice/vacuum.{}", world.uuid());
    store.create(&name)?.finish()?;
    let (objects, path) = (store.objects(), object_path(&root_path(&**store)?, &name)?);
    let meta = world.wait(objects.head(&path));
    // Left behind it does no harm.
    let _ = store.delete(&name);
    let meta = meta.map_err(|e| store_error(&format!("cannot look at {name} of {}", store.root()), &e))?;
    Ok(machine.min(meta.last_modified.timestamp_millis()))
}

/// All that the store has below the root, as names and in portions.
struct List {
    world: std::sync::Arc<dyn crate::world::World>,
    root: object_store::path::Path,
    uri: String,
    portions: BoxStream<'static, Vec<object_store::Result<ObjectMeta>>>,
}

impl List {
    fn new(maintained: &Maintained) -> Result<List> {
        let root = root_path(&*maintained.store)?;
        let portions = maintained.store.objects().list(Some(&root)).chunks(PORTION).boxed();
        Ok(List { world: maintained.world.clone(), root, uri: maintained.uri().to_owned(), portions })
    }

    /// None: there is no more.
    fn next(&mut self) -> Result<Option<Vec<(String, ObjectMeta)>>> {
        let Some(portion) = self.world.wait(self.portions.next()) else { return Ok(None) };
        let below = |meta: ObjectMeta| {
            let name = meta.location.prefix_match(&self.root)?.collect::<object_store::path::Path>();
            Some((name.to_string(), meta))
        };
        let failed = |e: object_store::Error| store_error(&format!("cannot list {}", self.uri), &e);
        let named = portion.into_iter().map(|meta| Ok(below(meta.map_err(failed)?)));
        let named: Vec<Option<_>> = named.collect::<Result<_>>()?;
        Ok(Some(named.into_iter().flatten().collect()))
    }
}

/// What is listed before the log is read.
struct There {
    seen: Seen,
    /// Tables in folders of this one, each ending with a slash. Their files are theirs.
    nested: BTreeSet<String>,
    commits: CommitTimes,
}

/// Versions of commits that are there, and the times of their files.
#[derive(Default)]
struct CommitTimes(Vec<(u64, i64)>);

impl CommitTimes {
    /// The first version that was committed at this time or later.
    fn first_since(&self, time: i64) -> u64 {
        let young = self.0.iter().filter(|(_, modified)| *modified >= time);
        young.map(|(version, _)| *version).min().unwrap_or(u64::MAX)
    }
}

impl There {
    /// None: it was stopped.
    fn list(maintained: &Maintained, progress: &dyn Progress) -> Result<Option<There>> {
        progress.begin("files listed", 0);
        let (mut names, mut nested, mut commits) =
            (seen::Names::default(), BTreeSet::new(), CommitTimes::default());
        let mut list = List::new(maintained)?;
        while let Some(portion) = list.next()? {
            if progress.is_stopped() {
                return Ok(None);
            }
            progress.advance(portion.len() as u64);
            for (name, meta) in portion {
                if let Some((table, _)) = name.split_once("/_delta_log/") {
                    nested.insert(format!("{table}/"));
                }
                match commit_version(&name) {
                    Some(version) => commits.0.push((version, meta.last_modified.timestamp_millis())),
                    None if name.starts_with("_delta_log/") => {}
                    None => names.add(&name),
                }
            }
        }
        Ok(Some(There { seen: names.seen(), nested, commits }))
    }
}

fn is_nested(nested: &BTreeSet<String>, name: &str) -> bool {
    !nested.is_empty()
        && name.match_indices('/').any(|(slash, _)| nested.contains(name.get(..=slash).unwrap_or_default()))
}

/// The times before which files are old.
struct Ages {
    removed_before: i64,
    unreferenced_before: i64,
    retention: u64,
    unreferenced: u64,
}

impl Ages {
    fn new(vacuuming: &Vacuuming, of_table: Duration, now: i64) -> Result<Ages> {
        let retention = vacuuming.retention.unwrap_or(of_table);
        if retention < of_table && !vacuuming.shorter {
            let message = format!(
                "a retention of {} is shorter than the table's {DELETED_FILE_RETENTION}, {}: whoever reads an older version, and \
                 streams that lag, would find files gone",
                in_hours(retention),
                in_hours(of_table)
            );
            return Err(Error::new(Code::ConfigInvalid, message));
        }
        let unreferenced = retention.max(vacuuming.unreferenced);
        let before = |age: Duration| now.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        Ok(Ages {
            removed_before: before(retention),
            unreferenced_before: before(unreferenced),
            retention: retention.as_millis() as u64,
            unreferenced: unreferenced.as_millis() as u64,
        })
    }
}

fn in_hours(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds % 3600 == 0 => format!("{} hours", seconds / 3600),
        seconds => format!("{seconds} seconds"),
    }
}

fn table_retention(property: Option<&str>) -> Result<Duration> {
    let Some(text) = property else { return Ok(USUAL_RETENTION) };
    interval(text).ok_or_else(|| {
        let message = format!(
            "its property {DELETED_FILE_RETENTION} is {text:?}, which is no interval of fixed length: what may be deleted, \
             nobody can say"
        );
        Error::new(Code::TableUnsupported, message)
    })
}

/// Features may say that there are files that nothing we read refers to. The protocol wants this of every VACUUM where the
/// table has `vacuumProtocolCheck`; there is no reason not to do it always.
fn check_protocol(maintained: &Maintained, snapshot: &Snapshot) -> Result<()> {
    known_features(snapshot, &format!("cannot vacuum {}", maintained.uri()))
}

/// What is not of the table.
struct Hidden {
    /// How folders of partitions start.
    partitions: Vec<String>,
    /// Of Iceberg, where the table is one of its too.
    metadata: bool,
}

impl Hidden {
    fn of(snapshot: &Snapshot) -> Hidden {
        let metadata = snapshot.table_configuration().metadata();
        // Where the schema is one that we cannot read, physical names are not known, and their folders stay.
        let schema = Schema::parse(metadata.schema_string());
        let fields = schema.as_ref().map(|schema| schema.fields.as_slice()).unwrap_or_default();
        let columns = metadata.partition_columns();
        let of_partitions = fields.iter().filter(|field| columns.contains(&field.name));
        let physical = of_partitions.filter_map(|field| field.metadata.get(PHYSICAL_NAME)?.as_str());
        let names = columns.iter().map(String::as_str).chain(physical);
        let partitions = names.flat_map(|name| [format!("{name}="), format!("{}=", hive_escaped(name))]);
        Hidden {
            partitions: partitions.collect(),
            metadata: metadata.configuration().contains_key("delta.universalFormat.enabledFormats"),
        }
    }

    fn has(&self, name: &str) -> bool {
        let is_hidden = |part: &str| {
            part.starts_with(['.', '_'])
                && !self.partitions.iter().any(|partition| part.starts_with(partition))
        };
        if self.metadata && name.starts_with("metadata/") {
            return true;
        }
        name.strip_prefix("_change_data/").unwrap_or(name).split('/').any(is_hidden)
    }
}
