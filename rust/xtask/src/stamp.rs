//! Whether a step's sources have changed since it last ended well.

use std::fs;
use std::path::{Path, PathBuf};

use sluice_testkit::{Context, Result};

pub struct Stamp {
    file: PathBuf,
    now: String,
}

impl Stamp {
    /// Over the content of `sources`; a folder counts with all in it, but for what a build leaves there.
    pub fn over(file: PathBuf, root: &Path, sources: &[&str]) -> Result<Self> {
        let mut hash = Fnv::new();
        for source in sources {
            add(&mut hash, &root.join(source))?;
        }
        Ok(Stamp { file, now: format!("{:016x}", hash.0) })
    }

    pub fn is_fresh(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|then| then == self.now)
    }

    /// To be called before the step changes anything, so that one that breaks off is run again.
    pub fn clear(&self) {
        let _ = fs::remove_file(&self.file);
    }

    pub fn set(&self) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).at(folder)?;
        }
        fs::write(&self.file, &self.now).at(&self.file)
    }
}

fn add(hash: &mut Fnv, path: &Path) -> Result<()> {
    if path.is_dir() {
        let entries = fs::read_dir(path).at(path)?;
        let mut paths: Vec<_> =
            entries.collect::<std::io::Result<Vec<_>>>().at(path)?.iter().map(|e| e.path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| !path.ends_with("build") && !path.ends_with(".gradle")) {
            add(hash, path)?;
        }
    } else {
        let content = fs::read(path).at(path)?;
        hash.write(path.as_os_str().as_encoded_bytes());
        hash.write(&(content.len() as u64).to_le_bytes());
        hash.write(&content);
    }
    Ok(())
}

/// FNV-1a: the standard library's hash may change with the compiler.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_of_a_source_makes_the_stamp_stale() {
        let root = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));
        fs::create_dir_all(root.join("src/build")).unwrap();
        fs::write(root.join("src/a"), "1").unwrap();
        let stamp = || Stamp::over(root.join("stamp"), &root, &["src"]).unwrap();
        assert!(!stamp().is_fresh());
        stamp().set().unwrap();
        assert!(stamp().is_fresh());
        fs::write(root.join("src/build/output"), "x").unwrap();
        assert!(stamp().is_fresh(), "what the build leaves is no source");
        fs::write(root.join("src/a"), "2").unwrap();
        assert!(!stamp().is_fresh());
        stamp().set().unwrap();
        fs::write(root.join("src/b"), "").unwrap();
        assert!(!stamp().is_fresh());
        stamp().set().unwrap();
        stamp().clear();
        assert!(!stamp().is_fresh());
        fs::remove_dir_all(&root).unwrap();
    }
}
