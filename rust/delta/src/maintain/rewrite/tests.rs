use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::{Int64Array, RecordBatch};
use object_store::ObjectStore;
use serde_json::json;
use sluice_core::schema::Schema;
use sluice_core::settings::Compression;
use url::Url;

use super::*;
use crate::commit::Attempt;
use crate::log::Origin;
use crate::maintain::Maintained;
use crate::maintain::lease::Turn;
use crate::store::{DataFile, LocalStore, Store, commit_name};
use crate::table::Spec;
use crate::world::of_tests;
use crate::writer::UnitWriter;

/// A store that makes a claim and does not say so.
struct Forgetful {
    inner: LocalStore,
    forgets: AtomicBool,
}

impl Store for Forgetful {
    fn root(&self) -> &Url {
        self.inner.root()
    }

    fn objects(&self) -> Arc<dyn ObjectStore> {
        self.inner.objects()
    }

    fn prepare(&self) -> Result<()> {
        self.inner.prepare()
    }

    fn create(&self, name: &str) -> Result<Box<dyn DataFile>> {
        self.inner.create(name)
    }

    fn replace(&self, name: &str) -> Result<Box<dyn DataFile>> {
        self.inner.replace(name)
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.inner.delete(name)
    }

    fn claim(&self, version: u64, commit: &[u8]) -> Result<Claim> {
        let claim = self.inner.claim(version, commit)?;
        match self.forgets.swap(false, Ordering::Relaxed) {
            true => Err(Error::new(Code::StoreIo, "no reply")),
            false => Ok(claim),
        }
    }
}

struct Table {
    folder: tempfile::TempDir,
    store: Arc<Forgetful>,
    state: TableState,
}

impl Table {
    fn new(properties: &[(&str, &str)]) -> Table {
        let folder = tempfile::tempdir().unwrap();
        let inner = LocalStore::new(Url::from_directory_path(folder.path()).unwrap()).unwrap();
        let store = Arc::new(Forgetful { inner, forgets: AtomicBool::new(false) });
        let mut state = TableState::new(store.clone(), of_tests());
        let field = json!({"name": "v", "type": "long", "nullable": true, "metadata": {}});
        let schema = Schema::parse(&json!({"type": "struct", "fields": [field]}).to_string()).unwrap();
        let properties =
            properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let spec = Spec { schema: Some(schema), auto_create: true, properties, ..Spec::default() };
        state.load(&spec, vec![]).unwrap();
        Table { folder, store, state }
    }

    fn write(&self, rows: i64) -> StagedFile {
        let info = self.state.current().unwrap().info.clone();
        let mut writer =
            UnitWriter::new(self.store.clone(), self.state.world.clone(), Compression::None, u64::MAX);
        let column = Arc::new((0..rows).collect::<Int64Array>());
        writer.write(&info, &RecordBatch::try_new(info.schema.arrow(), vec![column]).unwrap()).unwrap();
        writer.finish().unwrap().remove(0)
    }

    /// Appends a file.
    fn append(&mut self, rows: i64) -> LiveFile {
        let file = self.write(rows);
        self.state.advance("").unwrap();
        let origin =
            Origin { commit: self.state.world.uuid().to_string(), units: vec![], alterations: vec![] };
        let Attempt::Landed(version) = self.state.claim("WRITE", origin, &[&file], &[]) else { panic!() };
        let add = self.actions(version).into_iter().find_map(|action| action.get("add").cloned()).unwrap();
        LiveFile {
            path: file.add_path(),
            size: file.size,
            modified: file.modified,
            partition_values: Arc::default(),
            num_records: Some(file.rows),
            deletion_vector: None,
            base_row_id: add["baseRowId"].as_i64(),
            default_row_commit_version: add["defaultRowCommitVersion"].as_i64(),
            order: None,
            is_clustered: false,
        }
    }

    fn version(&self) -> u64 {
        self.state.current().unwrap().tip.version()
    }

    /// Of these files into one, planned on the newest version.
    fn rewriting(&self, removed: &[LiveFile]) -> Rewriting {
        let rows: u64 = removed.iter().filter_map(|file| file.num_records).sum();
        let rewrite = Rewrite {
            table_id: self.state.current().unwrap().metadata_id.clone(),
            version: self.version(),
            removed: removed.to_vec(),
            added: vec![self.write(rows as i64)],
            tags: Map::new(),
            parameters: json!({"predicate": "[]"}),
            metrics: json!({"numRemovedFiles": removed.len().to_string()}),
        };
        Rewriting::new(rewrite, self.state.world.uuid())
    }

    fn actions(&self, version: u64) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join(commit_name(version))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn by_another(&self, version: u64, actions: &[Value]) {
        assert_eq!(self.store.claim(version, &lines(actions)), Ok(Claim::Won));
    }

    /// Paths of the newest version's files, as the kernel reads it.
    fn live(&self) -> Vec<String> {
        let maintained = Maintained::new(self.store.clone(), self.state.world.clone());
        let scan = maintained.newest().unwrap().scan_builder().build().unwrap();
        let mut paths = Vec::new();
        for metadata in scan.scan_metadata(&maintained.engine).unwrap() {
            paths = metadata
                .unwrap()
                .visit_scan_files(paths, |paths: &mut Vec<String>, file| paths.push(file.path))
                .unwrap();
        }
        paths.sort();
        paths
    }
}

#[test]
fn the_merged_file_is_in_the_place_of_those_that_were_read() {
    let mut table = Table::new(&[]);
    let files = [table.append(3), table.append(4)];
    let kept = table.append(5);
    let mut rewriting = table.rewriting(&files);
    let merged = rewriting.rewrite.added[0].add_path();
    assert_eq!(table.state.rewrite(&mut rewriting), Ok(Rewritten::Landed(4)));
    let mut expected = [merged, kept.path];
    expected.sort();
    assert_eq!(table.live(), expected);
    let actions = table.actions(4);
    assert_eq!(actions[0]["commitInfo"]["operation"], "OPTIMIZE");
    assert_eq!(actions[0]["commitInfo"]["isBlindAppend"], false);
    let changes: Vec<_> =
        actions[1..].iter().map(|action| action.as_object().unwrap().values().next().unwrap()).collect();
    assert_eq!(changes.len(), 3);
    assert!(changes.iter().all(|change| change["dataChange"] == false));
}

/// I1, I5: rows that another writer moved or took away would be there twice, or again.
#[test]
fn whatever_another_writer_did_with_a_file_that_was_read_forbids_the_commit() {
    let remove = |file: &LiveFile, data_change: bool| json!({"remove": {"path": file.path, "dataChange": data_change, "deletionTimestamp": 1}});
    let add = |path: &str| json!({"add": {"path": path, "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": false}});
    type Change<'a> = &'a dyn Fn(&Table, &LiveFile) -> Vec<Value>;
    let changes: [(Change<'_>, &str); 5] = [
        (&|_, file| vec![remove(file, false)], "a compaction"),
        (&|_, file| vec![remove(file, true)], "a delete"),
        (&|_, file| vec![add(&file.path)], "new statistics, or a deletion vector"),
        (&|table, _| vec![table.actions(0)[2].clone()], "metadata"),
        (&|table, _| vec![table.actions(0)[1].clone()], "a protocol"),
    ];
    for (change, what) in changes {
        let mut table = Table::new(&[]);
        let files = [table.append(3), table.append(4)];
        let mut rewriting = table.rewriting(&files);
        table.by_another(3, &change(&table, &files[1]));
        let end = table.state.rewrite(&mut rewriting).unwrap();
        assert!(matches!(end, Rewritten::Overlaps(_)), "{what}: {end:?}");
        assert!(!table.folder.path().join(commit_name(4)).exists(), "{what}");
    }
}

#[test]
fn what_has_to_do_with_other_files_only_does_not_matter() {
    let mut table = Table::new(&[]);
    let (files, other) = ([table.append(3), table.append(4)], table.append(5));
    let mut rewriting = table.rewriting(&files);
    table.by_another(
        4,
        &[json!({"remove": {"path": other.path, "dataChange": true, "deletionTimestamp": 1}})],
    );
    table.append(6);
    assert_eq!(table.state.rewrite(&mut rewriting), Ok(Rewritten::Landed(6)));
    assert_eq!(table.live().len(), 2);
}

/// As delta-rs does not: facts of its conflict checker.
#[test]
fn of_two_that_merge_the_same_files_one_lands() {
    let mut table = Table::new(&[]);
    let files = [table.append(3), table.append(4)];
    let (mut first, mut second) = (table.rewriting(&files), table.rewriting(&files[..1]));
    assert_eq!(table.state.rewrite(&mut first), Ok(Rewritten::Landed(3)));
    assert!(matches!(table.state.rewrite(&mut second), Ok(Rewritten::Overlaps(_))));
    assert_eq!(table.live(), [first.rewrite.added[0].add_path()]);
}

#[test]
fn the_same_file_is_recognized_however_its_path_is_escaped() {
    let mut table = Table::new(&[]);
    let mut file = table.append(3);
    file.path = "p=a%20b/x.parquet".into();
    let mut rewriting = table.rewriting(&[file]);
    table.by_another(2, &[json!({"remove": {"path": "p=a b/x.parquet", "dataChange": false}})]);
    assert!(matches!(table.state.rewrite(&mut rewriting), Ok(Rewritten::Overlaps(_))));
}

#[test]
fn a_commit_whose_reply_was_lost_is_found_and_not_made_twice() {
    let mut table = Table::new(&[]);
    let files = [table.append(3), table.append(4)];
    let mut rewriting = table.rewriting(&files);
    table.store.forgets.store(true, Ordering::Relaxed);
    assert_eq!(table.state.rewrite(&mut rewriting).unwrap_err().code, Code::StoreIo);
    // Whoever else reads the log on meanwhile does not hide it.
    table.append(5);
    assert_eq!(table.state.rewrite(&mut rewriting), Ok(Rewritten::Landed(3)));
    assert_eq!(table.version(), 4);
    assert_eq!(table.live().len(), 2);
}

#[test]
fn a_table_in_the_place_of_the_one_that_was_read_is_left_alone() {
    let mut table = Table::new(&[]);
    let file = table.append(3);
    let mut rewriting = table.rewriting(&[file]);
    rewriting.rewrite.table_id = "another".into();
    assert!(matches!(table.state.rewrite(&mut rewriting), Ok(Rewritten::Overlaps(_))));
}

#[test]
fn tracked_rows_get_ids_behind_the_highest_one() {
    let mut table =
        Table::new(&[("delta.enableRowTracking", "true"), ("delta.enableInCommitTimestamps", "true")]);
    let files = [table.append(3), table.append(4)];
    assert_eq!(files[1].base_row_id, Some(3));
    let mut rewriting = table.rewriting(&files);
    assert_eq!(table.state.rewrite(&mut rewriting), Ok(Rewritten::Landed(3)));
    let actions = table.actions(3);
    let of = |name: &str| actions.iter().filter_map(|action| action.get(name)).collect::<Vec<_>>();
    assert_eq!(
        (of("add")[0]["baseRowId"].as_i64(), of("add")[0]["defaultRowCommitVersion"].as_i64()),
        (Some(7), Some(3))
    );
    assert_eq!(
        of("remove").iter().map(|remove| remove["baseRowId"].as_i64()).collect::<Vec<_>>(),
        [Some(0), Some(3)]
    );
    assert_eq!(of("domainMetadata")[0]["configuration"], r#"{"rowIdHighWaterMark":13}"#);
    assert!(actions[0]["commitInfo"]["inCommitTimestamp"].is_i64());
    // The next append goes on from there.
    assert_eq!(table.append(1).base_row_id, Some(14));
}

#[test]
fn a_turn_that_is_wanted_goes_along_and_is_seen_by_others() {
    let mut table = Table::new(&[]);
    let file = table.append(3);
    table.state.lease.want();
    let mut rewriting = table.rewriting(&[file]);
    table.state.rewrite(&mut rewriting).unwrap();
    let now = table.state.world.epoch_millis();
    let Turn::Ours(until) = table.state.lease.whose(now) else { panic!("no turn") };
    let mut other = TableState::new(table.store.clone(), table.state.world.clone());
    other.open().unwrap();
    assert_eq!(other.take_turn(), Ok(Turn::Others(until)));
    let version = table.version();
    assert_eq!(other.current().unwrap().tip.version(), version);
}
