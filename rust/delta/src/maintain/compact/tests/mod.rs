mod bounds;
mod evolution;
mod order;
mod plans;
mod rows;
mod tracking;

use std::collections::BTreeSet;
use std::fs;

use arrow_array::RecordBatch;
use buoyant_kernel as delta_kernel;
use delta_kernel::actions::deletion_vector_writer::{KernelDeletionVector, StreamingDeletionVectorWriter};
use sluice_core::schema::Field;
use url::Url;

use super::*;
use crate::maintain::Quiet;
use crate::maintain::maintainer::Maintainer;
use crate::readback::Rig;
use crate::store::{Claim, Store, commit_name};

/// A table, and what merges its files.
pub struct Table {
    pub rig: Rig,
}

/// Merges whatever can be merged.
pub fn eager() -> Compaction {
    Compaction {
        min_files: 2,
        scope: CompactionScope::All,
        bytes_per_second: None,
        memory_bytes: 64 << 20,
        ..Compaction::default()
    }
}

impl Table {
    pub fn new(fields: Vec<Field>, partition_by: &[&str], properties: &[(&str, &str)]) -> Table {
        Table { rig: Rig::new(fields, partition_by, properties) }
    }

    pub fn maintained(&self) -> Maintained {
        Maintained::new(self.rig.store.clone(), self.rig.world.clone())
    }

    pub fn maintainer(&self) -> Maintainer {
        Maintainer::new(self.rig.store.clone(), self.rig.world.clone())
    }

    pub fn files(&self) -> Vec<LiveFile> {
        let table = self.maintained();
        let mut files = Vec::new();
        each_live_file(&table, &table.newest().unwrap(), &mut |file| files.push(file)).unwrap();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        files
    }

    pub fn version(&self) -> u64 {
        self.maintained().newest().unwrap().version()
    }

    pub fn try_compact(&self, settings: &Compaction) -> Result<Compacted> {
        let mut maintainer = self.maintainer();
        let commit = &mut |rewrite| maintainer.commit(rewrite);
        compact(&self.maintained(), settings, Compression::Snappy, None, commit, &Quiet)
    }

    /// The rows have to stay what they are, and no file may be left over.
    pub fn compact(&self, settings: &Compaction) -> Compacted {
        let (before, unreferenced) = (self.rig.read(None), self.unreferenced());
        let live = self.files();
        let compacted = self.try_compact(settings).unwrap();
        let after = self.rig.read(None);
        assert_eq!(before.num_rows(), after.num_rows());
        assert_eq!(before, after);
        let gone = live.iter().filter(|file| !self.files().contains(file)).count() as u64;
        assert_eq!(gone, compacted.removed_files);
        let removed = |name: &String| live.iter().any(|file| name_of(&file.path) == *name);
        let left: BTreeSet<String> = self.unreferenced().into_iter().filter(|name| !removed(name)).collect();
        assert!(left.is_subset(&unreferenced), "{left:?}");
        let deleted = |file: &LiveFile| file.num_records.unwrap() - file.deleted();
        assert_eq!(self.files().iter().map(deleted).sum::<u64>(), after.num_rows() as u64);
        compacted
    }

    /// Compacts until nothing more is done, which has to be at once.
    pub fn compact_all(&self, settings: &Compaction) -> Compacted {
        let compacted = self.compact(settings);
        let version = self.version();
        let again = self.compact(settings);
        assert_eq!((again.commits, self.version()), (0, version), "{again:?}");
        compacted
    }

    pub fn commit(&self, actions: &[Value]) {
        let claim = self.rig.store.claim(self.version() + 1, &crate::actions::lines(actions));
        assert_eq!(claim, Ok(Claim::Won));
    }

    /// Changes the table's columns and properties.
    pub fn alter(&mut self, change: impl FnOnce(&mut TableInfo)) {
        let mut info = (*self.rig.table).clone();
        change(&mut info);
        self.commit(&[json!({"metaData": {"id": "t", "format": {"provider": "parquet", "options": {}},
            "schemaString": info.schema.to_json(), "partitionColumns": info.partition_by,
            "configuration": info.properties}})]);
        self.rig.table = Arc::new(info);
    }

    fn log_of(&self, path: &str, kind: &str) -> Value {
        let commits = (0..=self.version())
            .rev()
            .map(|version| fs::read_to_string(self.rig.folder.path().join(commit_name(version))).unwrap());
        let actions = commits.flat_map(|commit| {
            let lines: Vec<Value> = commit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            lines
        });
        actions.map(|mut action| action[kind].take()).find(|action| action["path"] == *path).unwrap()
    }

    /// The newest `add` of a file.
    pub fn add_of(&self, file: &LiveFile) -> Value {
        self.log_of(&file.path, "add")
    }

    /// Takes rows of a file away, as other engines do.
    pub fn delete(&self, file: &LiveFile, rows: impl IntoIterator<Item = u64>) {
        let mut deleted = KernelDeletionVector::new();
        deleted.add_deleted_row_indexes(rows);
        let mut bytes = Vec::new();
        let mut writer = StreamingDeletionVectorWriter::new(&mut bytes);
        let written = writer.write_deletion_vector(deleted).unwrap();
        writer.finalize().unwrap();
        let path = self.rig.folder.path().join(format!("deleted-{}.bin", self.version()));
        fs::write(&path, bytes).unwrap();
        let mut add = self.add_of(file);
        let mut remove = json!({"path": file.path, "deletionTimestamp": 0, "dataChange": true});
        remove["deletionVector"] = add["deletionVector"].take();
        add["deletionVector"] = json!({"storageType": "p", "offset": written.offset,
            "pathOrInlineDv": Url::from_file_path(path).unwrap(),
            "sizeInBytes": written.size_in_bytes, "cardinality": written.cardinality});
        self.commit(&[json!({"remove": remove}), json!({"add": add})]);
    }

    /// Data files that the newest version does not have, by their names.
    pub fn unreferenced(&self) -> BTreeSet<String> {
        let live: BTreeSet<String> = self.files().iter().map(|file| name_of(&file.path)).collect();
        data_files(self.rig.folder.path()).into_iter().filter(|name| !live.contains(name)).collect()
    }

    /// The columns of a file as they lie in it.
    pub fn stored(&self, file: &LiveFile) -> RecordBatch {
        let url = self.rig.store.root().join(&file.path).unwrap();
        let file = fs::File::open(url.to_file_path().unwrap()).unwrap();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let schema = reader.schema().clone();
        let batches: Vec<_> = reader.build().unwrap().map(std::result::Result::unwrap).collect();
        arrow_select::concat::concat_batches(&schema, &batches).unwrap()
    }
}

fn name_of(path: &str) -> String {
    path.rsplit('/').next().unwrap().to_owned()
}

fn data_files(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(std::result::Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            if name != "_delta_log" {
                found.extend(data_files(&entry.path()));
            }
        } else if name.ends_with(".parquet") {
            found.push(name);
        }
    }
    found
}
