//! A local store that does not wait for the disk: what a crash of the machine would leave does not matter here.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use sluice_core::{Error, Result};
use sluice_delta::store::{Claim, DataFile, LocalStore, Store, store_error};
use url::Url;

pub struct Unsynced {
    inner: LocalStore,
    root: PathBuf,
}

impl Unsynced {
    pub fn new(url: Url) -> Result<Self> {
        let root = url.to_file_path().expect("a folder");
        Ok(Unsynced { inner: LocalStore::new(url)?, root })
    }
}

fn failed(error: &io::Error) -> Error {
    store_error("cannot write", error)
}

impl Store for Unsynced {
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
        let path = self.root.join(name);
        let created = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create_new(&path));
        Ok(Box::new(Written { file: BufWriter::new(created.map_err(|e| failed(&e))?), bytes: 0 }))
    }

    fn replace(&self, name: &str) -> Result<Box<dyn DataFile>> {
        self.inner.replace(name)
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.inner.delete(name)
    }

    fn claim(&self, version: u64, commit: &[u8]) -> Result<Claim> {
        let log = self.root.join("_delta_log");
        let made = fs::create_dir_all(&log).and_then(|()| {
            let mut file = File::create_new(log.join(format!("{version:020}.json")))?;
            file.write_all(commit)
        });
        match made {
            Ok(()) => Ok(Claim::Won),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(Claim::Taken),
            Err(e) => Err(failed(&e)),
        }
    }
}

struct Written {
    file: BufWriter<File>,
    bytes: u64,
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl DataFile for Written {
    fn finish(&mut self) -> Result<u64> {
        self.file.flush().map_err(|e| failed(&e))?;
        Ok(self.bytes)
    }
}
