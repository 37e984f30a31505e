//! A local file system, or a mounted one with hard links (not FUSE, SMB or exFAT without them).

#![expect(clippy::disallowed_methods, reason = "a simulation has no file system")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use sluice_core::{Code, Error, Result};
use url::Url;
use uuid::Uuid;

use super::look::look_at_folder;
use super::{Claim, DataFile, Store, commit_name, store_error};
use crate::fail_point::FailPoint;
use crate::world::World;

/// In a table's folder: where files lie that are not whole yet.
pub const UNFINISHED: &str = ".sluice";

/// Whether a file there is one that is not whole: a commit, or what is to take another file's place. Who dies leaves it.
pub fn is_unfinished(name: &str) -> bool {
    let is_id = |text: &str| Uuid::try_parse(text).is_ok();
    name.split_once('.').is_some_and(|(first, rest)| match rest {
        "part" => is_id(first),
        id => first.len() == 20 && first.bytes().all(|byte| byte.is_ascii_digit()) && is_id(id),
    })
}

pub struct LocalStore {
    url: Url,
    root: PathBuf,
    objects: Arc<LocalFileSystem>,
    /// Who is told of the steps of a claim.
    world: Option<Arc<dyn World>>,
}

impl LocalStore {
    pub fn new(url: Url) -> Result<Self> {
        let root = url.to_file_path().map_err(|()| {
            Error::new(Code::ConfigInvalid, format!("table URI {url} does not name a local folder"))
        })?;
        Ok(LocalStore { url, root, objects: Arc::new(LocalFileSystem::new()), world: None })
    }

    pub fn in_world(url: Url, world: Arc<dyn World>) -> Result<Self> {
        Ok(LocalStore { world: Some(world), ..LocalStore::new(url)? })
    }

    /// Whether its place can be reached.
    pub(super) fn look_at_folder(&self) -> Result<()> {
        look_at_folder(&self.root)
    }

    fn reached(&self, point: FailPoint) {
        if let Some(world) = &self.world {
            world.reached(point);
        }
    }

    fn failed(&self, doing: &str, path: &Path, error: &io::Error) -> Error {
        store_error(&format!("{doing} {}", path.display()), error)
    }

    /// Makes a folder and what is missing above it, and syncs each parent that gets a new entry.
    fn make_folder(&self, folder: &Path) -> Result<()> {
        let missing: Vec<_> = folder.ancestors().take_while(|path| !path.exists()).collect();
        fs::create_dir_all(folder).map_err(|e| self.failed("cannot create the folder", folder, &e))?;
        missing.iter().filter_map(|path| path.parent()).try_for_each(|parent| self.sync_folder(parent))
    }

    fn sync_folder(&self, folder: &Path) -> Result<()> {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|e| self.failed("cannot sync the folder", folder, &e))
    }
}

impl Store for LocalStore {
    fn root(&self) -> &Url {
        &self.url
    }

    fn objects(&self) -> Arc<dyn ObjectStore> {
        self.objects.clone()
    }

    fn prepare(&self) -> Result<()> {
        self.make_folder(&self.root)
    }

    fn create(&self, name: &str) -> Result<Box<dyn DataFile>> {
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(|e| self.failed("cannot create the folder", folder, &e))?;
        let of_table = |folder: &&Path| folder.starts_with(&self.root);
        let folders = folder.ancestors().take_while(of_table).map(Path::to_owned).collect();
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|e| self.failed("cannot create the data file", &path, &e))?;
        let file = Some(BufWriter::with_capacity(1 << 18, file));
        Ok(Box::new(LocalFile { path, named: None, folders, file }))
    }

    /// Written in `.sluice`, as a commit is: see [`Store::claim`].
    fn replace(&self, name: &str) -> Result<Box<dyn DataFile>> {
        let named = self.root.join(name);
        let folder = named.parent().unwrap_or(&self.root);
        self.make_folder(folder)?;
        let of_table = |folder: &&Path| folder.starts_with(&self.root);
        let folders = folder.ancestors().take_while(of_table).map(Path::to_owned).collect();
        let unfinished = self.root.join(UNFINISHED);
        self.make_folder(&unfinished)?;
        let path = unfinished.join(format!("{}.part", Uuid::new_v4()));
        let file = File::create_new(&path).map_err(|e| self.failed("cannot create the file", &path, &e))?;
        let file = Some(BufWriter::with_capacity(1 << 18, file));
        Ok(Box::new(LocalFile { path, named: Some(named), folders, file }))
    }

    fn delete(&self, name: &str) -> Result<()> {
        let path = self.root.join(name);
        fs::remove_file(&path).map_err(|e| self.failed("cannot delete", &path, &e))
    }

    /// Links a finished and synced file to the version's name: `link` fails when the name is there, and a crash
    /// before it leaves only a file in `.sluice`, which readers and VACUUM pass over. Not below `_delta_log`: a file
    /// there makes the kernel take a folder for a table.
    fn claim(&self, version: u64, commit: &[u8]) -> Result<Claim> {
        if version > 0 && !self.root.join(commit_name(version - 1)).exists() {
            let table = self.url.as_str();
            let message = format!("table {table} has no version {} any more", version - 1);
            return Err(Error::new(Code::TableReplaced, message));
        }
        let target = self.root.join(commit_name(version));
        let log = self.root.join("_delta_log");
        let folder = self.root.join(UNFINISHED);
        self.make_folder(&log)?;
        self.make_folder(&folder)?;
        let finished = folder.join(format!("{version:020}.{}", Uuid::new_v4()));
        let written = File::create_new(&finished).and_then(|mut file| {
            file.write_all(commit)?;
            file.sync_all()
        });
        let linked = written.and_then(|()| {
            self.reached(FailPoint::LinkReady);
            fs::hard_link(&finished, &target)
        });
        let claim = match linked {
            Ok(()) => {
                self.reached(FailPoint::LinkDone);
                self.sync_folder(&log).map(|()| Claim::Won)
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match fs::read(&target) {
                Ok(there) if there == commit => Ok(Claim::Won),
                _ => Ok(Claim::Taken),
            },
            Err(e) => Err(self.failed("cannot write the commit", &target, &e)),
        };
        // Left behind it does no harm.
        let _ = fs::remove_file(&finished);
        claim
    }
}

struct LocalFile {
    path: PathBuf,
    /// Where it goes when it is finished, if it is not there yet.
    named: Option<PathBuf>,
    /// Those that it is in, up to the table's.
    folders: Vec<PathBuf>,
    /// None once finished.
    file: Option<BufWriter<File>>,
}

impl LocalFile {
    fn file(&mut self) -> io::Result<&mut BufWriter<File>> {
        self.file.as_mut().ok_or_else(|| io::Error::other("the file is finished"))
    }
}

impl Write for LocalFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file()?.flush()
    }
}

impl DataFile for LocalFile {
    fn finish(&mut self) -> Result<u64> {
        let synced = self.file().and_then(|file| {
            file.flush()?;
            file.get_ref().sync_all()?;
            Ok(file.get_ref().metadata()?.len())
        });
        let synced = synced.and_then(|size| {
            self.named.as_ref().map_or(Ok(()), |named| fs::rename(&self.path, named)).map(|()| size)
        });
        // Another writer may have made a folder and not synced it yet.
        let synced = synced.and_then(|size| {
            self.folders.iter().try_for_each(|folder| File::open(folder)?.sync_all()).map(|()| size)
        });
        let path = self.named.as_ref().unwrap_or(&self.path);
        let size = synced.map_err(|e| store_error(&format!("cannot write {}", path.display()), &e))?;
        self.file = None;
        Ok(size)
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Best effort: a file that no commit refers to is never read (I3), and VACUUM takes it away.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::delete_all;
    use crate::world::of_tests;

    fn store() -> (tempfile::TempDir, LocalStore) {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::from_directory_path(folder.path().join("deep/table")).unwrap();
        (folder, LocalStore::new(url).unwrap())
    }

    #[test]
    fn of_many_claims_one_wins_and_its_bytes_are_there() {
        let (_folder, store) = store();
        for version in 0..20 {
            let won: Vec<usize> = std::thread::scope(|scope| {
                let claims: Vec<_> = (0..8)
                    .map(|n| {
                        let store = &store;
                        scope.spawn(move || store.claim(version, format!("writer {n}").as_bytes()).unwrap())
                    })
                    .collect();
                let won = claims.into_iter().map(|claim| claim.join().unwrap()).enumerate();
                won.filter(|(_, claim)| *claim == Claim::Won).map(|(n, _)| n).collect()
            });
            assert_eq!(won.len(), 1, "version {version}");
            let text = fs::read_to_string(store.root.join(commit_name(version))).unwrap();
            assert_eq!(text, format!("writer {}", won[0]));
        }
        let leftovers = fs::read_dir(store.root.join(".sluice")).unwrap().count();
        assert_eq!(leftovers, 0);
    }

    /// Claiming on top of a version that is gone would leave a hole in the log of the table that took its place.
    #[test]
    fn a_version_without_its_predecessor_is_not_claimed() {
        let (_folder, store) = store();
        assert_eq!(store.claim(0, b"{}"), Ok(Claim::Won));
        assert_eq!(store.claim(2, b"{}").unwrap_err().code, Code::TableReplaced);
    }

    #[test]
    fn an_unfinished_file_leaves_nothing_and_a_finished_one_stays() {
        let (_folder, store) = store();
        let mut dropped = store.create("a.parquet").unwrap();
        dropped.write_all(b"half").unwrap();
        drop(dropped);
        let mut finished = store.create("b.parquet").unwrap();
        finished.write_all(b"whole").unwrap();
        finished.finish().unwrap();
        assert!(!store.root.join("a.parquet").exists());
        assert_eq!(fs::read(store.root.join("b.parquet")).unwrap(), b"whole");
    }

    #[test]
    fn files_in_folders_are_made_and_deleted() {
        let (_folder, store) = store();
        let name = "a=x%2Fy/b= /part.parquet";
        let mut file = store.create(name).unwrap();
        file.write_all(b"whole").unwrap();
        assert_eq!(file.finish(), Ok(5));
        assert!(store.root.join(name).exists());
        store.delete(name).unwrap();
        assert!(!store.root.join(name).exists());
    }

    #[test]
    fn a_file_takes_the_place_of_another_when_it_is_finished_and_not_before() {
        let (_folder, store) = store();
        let (name, path) = ("_delta_log/_last_checkpoint", store.root.join("_delta_log/_last_checkpoint"));
        let write = |text: &str| {
            let mut file = store.replace(name).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        };
        let dropped = write("dropped");
        let unfinished =
            fs::read_dir(store.root.join(UNFINISHED)).unwrap().map(|file| file.unwrap().file_name());
        assert!(unfinished.map(|name| is_unfinished(name.to_str().unwrap())).eq([true]));
        drop(dropped);
        assert!(!path.exists());
        assert_eq!(write("first").finish(), Ok(5));
        let mut second = write("second");
        drop(write("dropped"));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(second.finish(), Ok(6));
        drop(second);
        assert_eq!(fs::read(&path).unwrap(), b"second");
        let leftovers = fs::read_dir(store.root.join(".sluice")).unwrap().count();
        let log = fs::read_dir(store.root.join("_delta_log")).unwrap().count();
        assert_eq!((leftovers, log), (0, 1));
    }

    #[test]
    fn many_files_are_deleted_also_where_some_are_gone() {
        let (_folder, store) = store();
        let names: Vec<_> = (0..25).map(|n| format!("p=a%20b/{n} .parquet")).collect();
        for name in names.iter().skip(1) {
            store.create(name).unwrap().finish().unwrap();
        }
        store.create("p=a%20b/kept").unwrap().finish().unwrap();
        delete_all(&store, &*of_tests(), &names).unwrap();
        let left: Vec<_> =
            fs::read_dir(store.root.join("p=a%20b")).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
    }

    /// A folder is no file that could be deleted.
    #[test]
    fn what_cannot_be_deleted_is_told() {
        let (_folder, store) = store();
        store.create("folder/file").unwrap().finish().unwrap();
        store.create("other").unwrap().finish().unwrap();
        let names = ["gone", "folder", "other"].map(str::to_owned);
        let error = delete_all(&store, &*of_tests(), &names).unwrap_err();
        assert!(error.message.contains("cannot delete files of file:///"), "{error}");
        assert!(store.root.join("folder/file").exists());
    }

    #[test]
    fn a_full_disk_is_named_as_such() {
        let error = io::Error::from_raw_os_error(28);
        assert_eq!(store_error("writing", &error).code, Code::StoreFull);
        let wrapped = object_store::Error::Generic { store: "x", source: Box::new(error) };
        assert_eq!(store_error("writing", &wrapped).code, Code::StoreFull);
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(store_error("writing", &denied).code, Code::StoreDenied);
    }
}
