use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::*;
use crate::maintain::Quiet;
use crate::partition::add_path;
use crate::store::{LocalStore, commit_name};
use crate::world::{Driven, World, of_tests};

const HOUR: u64 = 3600 * 1000;
const DAY: u64 = 24 * HOUR;

struct Table {
    folder: TempDir,
    versions: AtomicU64,
}

impl Table {
    fn new() -> Table {
        Table::with(&[], json!({}))
    }

    fn with(partition_by: &[&str], configuration: Value) -> Table {
        let table = Table { folder: tempfile::tempdir().unwrap(), versions: AtomicU64::new(0) };
        let field = |name: &&str| json!({"name": name, "type": "string", "nullable": true, "metadata": {}});
        let fields: Vec<_> = ["v"].iter().chain(partition_by).map(field).collect();
        table.commit(&[
            json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7,
                "readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}}),
            json!({"metaData": {"id": "0", "format": {"provider": "parquet", "options": {}},
                "schemaString": json!({"type": "struct", "fields": fields}).to_string(),
                "partitionColumns": partition_by, "configuration": configuration}}),
        ]);
        table
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn commit(&self, actions: &[Value]) -> u64 {
        let version = self.versions.fetch_add(1, Ordering::Relaxed);
        let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
        let path = self.root().join(commit_name(version));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        version
    }

    /// A file that was written so long ago.
    fn put(&self, name: &str, age: u64) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "12345").unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(before(age) as u64);
        fs::OpenOptions::new().write(true).open(path).unwrap().set_modified(modified).unwrap();
    }

    fn has(&self, name: &str) -> bool {
        self.root().join(name).exists()
    }

    fn maintained(&self) -> Maintained {
        self.maintained_in(of_tests())
    }

    fn maintained_in(&self, world: Arc<dyn World>) -> Maintained {
        let url = Url::from_directory_path(self.root()).unwrap();
        Maintained::new(Arc::new(LocalStore::new(url).unwrap()), world)
    }

    fn try_vacuum(&self, vacuuming: &Vacuuming) -> Result<Vacuumed> {
        vacuum(&self.maintained(), vacuuming, &Quiet)
    }

    /// What was deleted.
    fn vacuum(&self, vacuuming: &Vacuuming) -> Vec<String> {
        let mut vacuumed = self.try_vacuum(vacuuming).unwrap();
        assert_eq!(vacuumed.deleted, if vacuuming.delete { vacuumed.found } else { Sum::default() });
        vacuumed.names.sort_unstable();
        vacuumed.names
    }
}

fn before(age: u64) -> i64 {
    of_tests().epoch_millis() - age as i64
}

fn add(path: &str) -> Value {
    json!({"add": {"path": path, "size": 5, "partitionValues": {}, "modificationTime": 0, "dataChange": true}})
}

fn remove(path: &str, age: u64) -> Value {
    json!({"remove": {"path": path, "deletionTimestamp": before(age), "dataChange": true}})
}

fn with_vector(mut action: Value, storage_type: &str, path: &str) -> Value {
    for of in action.as_object_mut().unwrap().values_mut() {
        of["deletionVector"] = json!({"storageType": storage_type, "pathOrInlineDv": path, "offset": 1,
            "sizeInBytes": 40, "cardinality": 3});
    }
    action
}

fn delete() -> Vacuuming {
    Vacuuming { delete: true, ..Vacuuming::default() }
}

fn of_no_retention() -> Vacuuming {
    Vacuuming { retention: Some(Duration::ZERO), shorter: true, ..delete() }
}

/// Does something when work on something begins, and stops after so much of it.
struct Watcher<F> {
    on: &'static str,
    act: F,
    left: Option<AtomicU64>,
    begun: Mutex<bool>,
}

impl<F: Fn()> Watcher<F> {
    fn new(on: &'static str, act: F) -> Self {
        Watcher { on, act, left: None, begun: Mutex::new(false) }
    }
}

impl<F: Fn() + Send + Sync> Progress for Watcher<F> {
    fn begin(&self, what: &'static str, _: u64) {
        if what == self.on {
            *self.begun.lock().unwrap() = true;
            (self.act)();
        }
    }

    fn is_stopped(&self) -> bool {
        let Some(left) = self.left.as_ref().filter(|_| *self.begun.lock().unwrap()) else { return false };
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }
}

#[test]
fn what_is_needed_or_young_is_kept_and_the_rest_is_deleted() {
    let table = Table::new();
    for (name, age) in [
        ("live", 90),
        ("gone", 90),
        ("going", 90),
        ("timeless", 90),
        ("again", 90),
        ("forgotten", 8),
        ("new", 6),
    ] {
        table.put(&format!("{name}.parquet"), age * DAY);
    }
    table.commit(&["live", "gone", "going", "timeless", "again"].map(|name| add(&format!("{name}.parquet"))));
    table.commit(&[
        remove("gone.parquet", 8 * DAY),
        remove("going.parquet", 6 * DAY),
        json!({"remove": {"path": "timeless.parquet", "dataChange": true}}),
        remove("again.parquet", 8 * DAY),
    ]);
    table.commit(&[add("again.parquet")]);

    let dry = table.try_vacuum(&Vacuuming::default()).unwrap();
    let sum = |files| Sum { files, bytes: 5 * files };
    assert!(dry.dry_run && !dry.stopped);
    assert_eq!((dry.version, dry.retention, dry.unreferenced), (3, 7 * DAY, 7 * DAY));
    assert_eq!((dry.listed, dry.found, dry.deleted, dry.young), (sum(7), sum(2), sum(0), sum(1)));
    assert!(table.has("gone.parquet") && table.has("forgotten.parquet"));
    assert!(!table.has(".sluice"), "a dry run writes nothing");

    assert_eq!(table.vacuum(&delete()), ["forgotten.parquet", "gone.parquet"]);
    for name in ["live", "going", "timeless", "again", "new"] {
        assert!(table.has(&format!("{name}.parquet")), "{name}");
    }
    assert!(!table.has("gone.parquet") && !table.has("forgotten.parquet"));
    assert_eq!(fs::read_dir(table.root().join(".sluice")).unwrap().count(), 0);
    assert_eq!(table.vacuum(&delete()), [""; 0]);
    assert_eq!(fs::read_dir(table.root().join("_delta_log")).unwrap().count(), 4);
}

/// I3: a file that no commit refers to may be that of a unit which waits for its commit.
#[test]
fn an_upload_without_its_commit_is_left_for_a_day_whatever_the_retention() {
    let table = Table::new();
    for (name, age) in [("removed.parquet", 2), ("young.parquet", 23), ("old.parquet", 25)] {
        table.put(name, age * HOUR);
    }
    table.commit(&[add("removed.parquet")]);
    table.commit(&[remove("removed.parquet", HOUR)]);
    assert_eq!(table.vacuum(&of_no_retention()), ["old.parquet", "removed.parquet"]);
    assert_eq!(table.vacuum(&delete()), [""; 0]);
    let explicit = Vacuuming { unreferenced: Duration::from_secs(3600), ..of_no_retention() };
    assert_eq!(table.vacuum(&explicit), ["young.parquet"]);
}

/// Old files: of a unit that waited for long, or brought back by RESTORE.
#[test]
fn what_is_committed_meanwhile_is_kept() {
    for on in ["files of the table", "files looked at"] {
        let table = Table::new();
        let vector = "deletion_vector_61d16c75-6994-46b7-a15b-8b538852e50e.bin";
        for name in ["late.parquet", "other.parquet", vector, "orphan.parquet"] {
            table.put(name, 30 * DAY);
        }
        let watcher = Watcher::new(on, || {
            table.commit(&[add("late.parquet")]);
            table.commit(&[with_vector(add("other.parquet"), "u", "vBn[lx{q8@P<9BNH/isA")]);
        });
        let vacuumed = vacuum(&table.maintained(), &delete(), &watcher).unwrap();
        assert_eq!(vacuumed.names, ["orphan.parquet"], "{on}");
        for name in ["late.parquet", "other.parquet", vector] {
            assert!(table.has(name), "{on} {name}");
        }
    }
    let table = Table::new();
    table.put("orphan.parquet", 30 * DAY);
    let upgraded = Watcher::new("files looked at", || {
        table.commit(&[json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["tomorrow"]}})]);
    });
    let refused = vacuum(&table.maintained(), &delete(), &upgraded).unwrap_err();
    assert_eq!(refused.code, Code::TableUnsupported);
    assert!(table.has("orphan.parquet"));
}

#[test]
fn deletion_vectors_are_kept_as_long_as_any_file_that_is_needed_has_them() {
    let table = Table::new();
    let shared = "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin";
    let old = "deletion_vector_61d16c75-6994-46b7-a15b-8b538852e50e.bin";
    let absolute = "vectors of old/x%20.bin";
    let shared_path = "ab^-aqEH.-t@S}K{vb[*k^";
    for name in [shared, old, absolute, "a.parquet", "b.parquet", "c.parquet", "d.parquet"] {
        table.put(name, 90 * DAY);
    }
    let absolute_path = Url::from_file_path(table.root().join(absolute)).unwrap();
    table.commit(&[
        with_vector(add("a.parquet"), "u", shared_path),
        with_vector(add("b.parquet"), "u", shared_path),
        with_vector(add("c.parquet"), "u", "vBn[lx{q8@P<9BNH/isA"),
        with_vector(add("d.parquet"), "p", absolute_path.as_str()),
    ]);
    table.commit(&[
        with_vector(remove("a.parquet", 9 * DAY), "u", shared_path),
        with_vector(remove("c.parquet", 9 * DAY), "u", "vBn[lx{q8@P<9BNH/isA"),
        with_vector(remove("d.parquet", 5 * DAY), "p", absolute_path.as_str()),
        // The same rows with a vector in the log itself.
        json!({"add": {"path": "c.parquet", "size": 5, "partitionValues": {}, "modificationTime": 0, "dataChange": true,
            "deletionVector": {"storageType": "i", "pathOrInlineDv": "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
                "sizeInBytes": 40, "cardinality": 6}}}),
    ]);
    assert_eq!(table.vacuum(&delete()), ["a.parquet", old]);
    for name in [shared, absolute, "b.parquet", "c.parquet", "d.parquet"] {
        assert!(table.has(name), "{name}");
    }
}

/// Each day the table's one file is written anew; a version can be read until its file was removed for as long as the retention.
#[test]
fn versions_that_ended_within_the_retention_can_be_read() {
    let table = Table::new();
    for age in (0..=10).rev() {
        table.put(&format!("{age}.parquet"), age * DAY + HOUR);
        let removed = remove(&format!("{}.parquet", age + 1), age * DAY + HOUR);
        let added = add(&format!("{age}.parquet"));
        let actions = if age < 10 { vec![removed, added] } else { vec![added] };
        table.commit(&actions);
        if age == 3 {
            let maintained = table.maintained();
            maintained.newest().unwrap().checkpoint(&maintained.engine, None).unwrap();
        }
    }
    table.vacuum(&delete());
    let whole: Vec<_> = (0..=10).filter(|age| table.has(&format!("{age}.parquet"))).collect();
    assert_eq!(whole, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn names_are_compared_as_they_are_in_the_store() {
    let names = [
        "a b.parquet",
        "a+b&c=d;e.parquet",
        "100%.parquet",
        "%25.parquet",
        "colon:1 .parquet",
        "p=x%2Fy/f.parquet",
        "p=%25/f.parquet",
        "p= /f.parquet",
        "ü/ñ€😀.parquet",
        "q#r?.parquet",
        "[x]^{y}|`<>\\\".parquet",
    ];
    let (table, emptied) = (Table::new(), Table::new());
    for table in [&table, &emptied] {
        names.iter().for_each(|name| table.put(name, 90 * DAY));
        table.commit(&names.map(|name| add(&add_path(name))));
    }
    // Not every writer encodes.
    let not_encoded = ["not encoded%.parquet", "p=not%20encoded/f.parquet"];
    not_encoded.iter().for_each(|name| table.put(name, 90 * DAY));
    table.commit(&not_encoded.map(add));
    table.put("p=x%2Fy/orphan.parquet", 90 * DAY);
    table.put("p=x/y/f.parquet", 90 * DAY);
    table.put("p=%/f.parquet", 90 * DAY);
    assert_eq!(table.vacuum(&delete()), ["p=%/f.parquet", "p=x%2Fy/orphan.parquet", "p=x/y/f.parquet"]);
    for name in names.iter().chain(&not_encoded) {
        assert!(table.has(name), "{name}");
    }
    emptied.commit(&names.map(|name| remove(&add_path(name), 8 * DAY)));
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(emptied.vacuum(&delete()), sorted);
}

#[test]
fn files_that_are_named_in_full_are_found_and_those_of_others_left_alone() {
    let (table, other) = (Table::new(), Table::new());
    for name in ["own.parquet", "own too.parquet", "third.parquet", "orphan.parquet"] {
        table.put(name, 90 * DAY);
        other.put(name, 90 * DAY);
    }
    let full = |table: &Table, name: &str| Url::from_file_path(table.root().join(name)).unwrap().to_string();
    table.commit(&[
        add(&full(&table, "own.parquet")),
        add(&full(&table, "own too.parquet").replace("file://", "hdfs://host")),
        add(&table.root().join("third.parquet").display().to_string()),
        add(&full(&other, "orphan.parquet")),
        remove(&full(&other, "own.parquet"), 90 * DAY),
    ]);
    assert_eq!(table.vacuum(&delete()), ["orphan.parquet"]);
    assert!(other.has("orphan.parquet") && other.has("own.parquet"));
}

#[test]
fn what_is_not_of_the_table_is_left_alone() {
    let table = Table::with(&["_day", "c"], json!({"delta.universalFormat.enabledFormats": "iceberg"}));
    let left = [
        "_delta_log/00000000000000000000.crc",
        "_delta_log/_sidecars/x.parquet",
        ".sluice/x",
        "_temporary/0/x.parquet",
        "c=1/_tmp/x.parquet",
        "c=1/.x.parquet.crc",
        "_other=1/x.parquet",
        "metadata/v1.metadata.json",
        "archive/x.parquet",
        "archive/c=1/x.parquet",
        "archive/_delta_log/00000000000000000000.json",
        "_change_data/young.parquet",
    ];
    let deleted = ["_change_data/old.parquet", "_day=1/x.parquet", "archive of/x.parquet", "c=1/x.parquet"];
    left.iter().chain(&deleted).for_each(|name| table.put(name, 90 * DAY));
    table.put("_change_data/young.parquet", 6 * DAY);
    assert_eq!(table.vacuum(&delete()), deleted);
    for name in left {
        assert!(table.has(name), "{name}");
    }
}

#[test]
fn physical_names_are_those_of_folders() {
    let table = Table::new();
    let mapped = json!({"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "_p h"});
    let fields = json!([
        {"name": "v", "type": "long", "nullable": true, "metadata":
            {"delta.columnMapping.id": 2, "delta.columnMapping.physicalName": "v"}},
        {"name": "day", "type": "string", "nullable": true, "metadata": mapped}]);
    table.commit(&[
        json!({"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}}),
        json!({"metaData": {"id": "0", "format": {"provider": "parquet", "options": {}},
            "schemaString": json!({"type": "struct", "fields": fields}).to_string(), "partitionColumns": ["day"],
            "configuration": {"delta.columnMapping.mode": "name"}}}),
    ]);
    table.put("_p h=1/x.parquet", 90 * DAY);
    table.put("_p=1/x.parquet", 90 * DAY);
    assert_eq!(table.vacuum(&delete()), ["_p h=1/x.parquet"]);
}

#[test]
fn tables_with_unknown_features_are_refused() {
    for (protocol, named) in [
        (json!({"minReaderVersion": 1, "minWriterVersion": 8}), "minWriterVersion is 8"),
        (json!({"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["tomorrow"]}), "tomorrow"),
        (
            json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["catalogManaged", "vacuumProtocolCheck"],
                "writerFeatures": ["catalogManaged", "vacuumProtocolCheck"]}),
            "catalogManaged",
        ),
    ] {
        let table = Table::new();
        table.commit(&[json!({"protocol": protocol})]);
        table.put("orphan.parquet", 90 * DAY);
        for vacuuming in [delete(), Vacuuming::default()] {
            let refused = table.try_vacuum(&vacuuming).unwrap_err();
            assert_eq!(refused.code, Code::TableUnsupported, "{refused}");
            assert!(refused.message.contains(named), "{refused}");
        }
        assert!(table.has("orphan.parquet"));
    }
    // What Sluice does not write to because it is used is no reason.
    let table = Table::with(&[], json!({"delta.constraints.c": "v > 0"}));
    table.commit(&[json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": ["vacuumProtocolCheck"], "writerFeatures": ["checkConstraints", "vacuumProtocolCheck"]}})]);
    table.put("orphan.parquet", 90 * DAY);
    assert_eq!(table.vacuum(&delete()), ["orphan.parquet"]);
}

#[test]
fn the_retention_is_the_table_s_or_a_longer_one() {
    let of = |retention: &str| Table::with(&[], json!({DELETED_FILE_RETENTION: retention}));
    let days = |days: u64| Some(Duration::from_secs(days * 24 * 3600));
    let table = of("interval 30 days");
    table.put("a.parquet", 90 * DAY);
    table.put("b.parquet", 29 * DAY);
    table.commit(&[add("a.parquet")]);
    table.commit(&[remove("a.parquet", 29 * DAY)]);
    assert_eq!(table.vacuum(&delete()), [""; 0]);
    let shorter = Vacuuming { retention: days(20), ..delete() };
    let refused = table.try_vacuum(&shorter).unwrap_err();
    assert_eq!(refused.code, Code::ConfigInvalid);
    assert!(refused.message.contains("a retention of 480 hours is shorter than"), "{refused}");
    assert!(table.has("a.parquet"));
    assert_eq!(table.vacuum(&Vacuuming { shorter: true, ..shorter }), ["a.parquet", "b.parquet"]);

    let unclear = of("interval 1 month").try_vacuum(&delete()).unwrap_err();
    assert_eq!(unclear.code, Code::TableUnsupported);
    assert!(unclear.message.contains("interval 1 month"), "{unclear}");
}

/// A checkpoint forgets what was removed before the table's own retention.
#[test]
fn a_longer_retention_holds_for_what_checkpoints_have_forgotten() {
    let table = Table::new();
    table.put("a.parquet", 90 * DAY);
    table.put("b.parquet", 90 * DAY);
    table.commit(&[add("a.parquet"), add("b.parquet")]);
    let first = table.commit(&[remove("a.parquet", 10 * DAY)]);
    let maintained = table.maintained();
    maintained.newest().unwrap().checkpoint(&maintained.engine, None).unwrap();
    let longer = Vacuuming { retention: Some(Duration::from_millis(30 * DAY)), ..delete() };
    assert_eq!(table.vacuum(&longer), [""; 0]);
    assert!(table.has("a.parquet"));
    // As far as there still are commits.
    for version in 0..=first {
        fs::remove_file(table.root().join(commit_name(version))).unwrap();
    }
    assert_eq!(table.vacuum(&longer), ["a.parquet"]);
}

/// A table, and so many files that nobody needs.
fn with_orphans(count: u64) -> Table {
    let table = Table::new();
    table.put("live.parquet", 90 * DAY);
    table.commit(&[add("live.parquet")]);
    (0..count).for_each(|n| table.put(&format!("c={}/{n}.parquet", n % 7), 90 * DAY));
    table
}

#[test]
fn two_at_once_do_no_harm() {
    let table = with_orphans(2_500);
    let deleted: Vec<u64> = std::thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| table.try_vacuum(&delete()).unwrap()));
        both.map(|vacuumed| vacuumed.join().unwrap().deleted.files).into()
    });
    assert!(deleted.iter().sum::<u64>() >= 2_500, "{deleted:?}");
    assert_eq!(table.vacuum(&delete()), [""; 0]);
    assert!(table.has("live.parquet"));
}

#[test]
fn stopped_or_failed_on_the_way_it_goes_on_the_next_time() {
    let table = with_orphans(2_500);
    let stopping = Watcher { left: Some(AtomicU64::new(1)), ..Watcher::new("files looked at", || ()) };
    let vacuumed = vacuum(&table.maintained(), &delete(), &stopping).unwrap();
    assert!(vacuumed.stopped);
    assert!((1..2_500).contains(&vacuumed.deleted.files), "{vacuumed:?}");
    assert_eq!(vacuumed.names.len(), TOLD);
    let rest = table.try_vacuum(&delete()).unwrap();
    assert!(!rest.stopped);
    assert_eq!(rest.deleted.files, 2_500 - vacuumed.deleted.files);
    assert!(table.has("live.parquet"));

    let at_once = Watcher { left: Some(AtomicU64::new(0)), ..Watcher::new("files listed", || ()) };
    assert!(vacuum(&table.maintained(), &delete(), &at_once).unwrap().stopped);
}

#[test]
fn a_fast_clock_makes_no_file_old() {
    let table = Table::new();
    table.put("upload.parquet", HOUR);
    let fast: Arc<dyn World> = Arc::new(Fast(of_tests()));
    let vacuumed = vacuum(&table.maintained_in(fast), &delete(), &Quiet).unwrap();
    assert_eq!((vacuumed.found.files, vacuumed.young.files), (0, 1));
    assert!(table.has("upload.parquet"));
}

/// Its clock is ten days ahead.
#[derive(Debug)]
struct Fast(Arc<dyn World>);

impl World for Fast {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn epoch_millis(&self) -> i64 {
        self.0.epoch_millis() + 10 * DAY as i64
    }

    fn random(&self) -> u128 {
        self.0.random()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(time)
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.0.spawn(future);
    }

    fn run(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        self.0.run(work)
    }

    fn drive(&self, future: Driven<'_>) {
        self.0.drive(future);
    }
}
