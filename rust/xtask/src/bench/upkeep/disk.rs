//! What a table has on its disk, whether a version still names it or not.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sluice_testkit::{Context, Result};

/// Number and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Files {
    pub files: u64,
    pub bytes: u64,
}

impl Files {
    fn json(self) -> Value {
        json!({"files": self.files, "bytes": self.bytes})
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disk {
    pub data: Files,
    pub commits: Files,
    /// Of the log, as is all that follows. Their sidecars are in them.
    pub checkpoints: Files,
    pub compacted: Files,
    pub checksums: Files,
}

impl Disk {
    pub fn of(table: &Path) -> Result<Self> {
        let mut disk = Disk::default();
        disk.add(table, false)?;
        Ok(disk)
    }

    fn add(&mut self, folder: &Path, in_log: bool) -> Result<()> {
        for entry in fs::read_dir(folder).at(folder)? {
            let path = entry.at(folder)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                // What writers prepare there is no part of the table.
                if name != ".sluice" {
                    self.add(&path, in_log || name == "_delta_log")?;
                }
                continue;
            }
            let files = match (in_log, path.extension().and_then(|extension| extension.to_str())) {
                (false, Some("parquet")) => &mut self.data,
                (true, Some("parquet")) => &mut self.checkpoints,
                (true, Some("json")) if name.contains(".checkpoint.") => &mut self.checkpoints,
                (true, Some("json")) if name.ends_with(".compacted.json") => &mut self.compacted,
                (true, Some("json")) => &mut self.commits,
                (true, Some("crc")) => &mut self.checksums,
                _ => continue,
            };
            files.files += 1;
            files.bytes += fs::metadata(&path).at(&path)?.len();
        }
        Ok(())
    }

    pub fn json(self) -> Value {
        json!({
            "data": self.data.json(), "commits": self.commits.json(), "checkpoints": self.checkpoints.json(),
            "compacted": self.compacted.json(), "checksums": self.checksums.json(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_counts_as_what_it_is() {
        let table = std::env::temp_dir().join(format!("xtask-disk-{}", std::process::id()));
        let write = |name: &str, bytes: usize| {
            let file = table.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, vec![b'x'; bytes]).unwrap();
        };
        write("day=1/a.parquet", 5);
        write("b.parquet", 6);
        write(".sluice/00000000000000000009.x", 100);
        write("_delta_log/00000000000000000000.json", 7);
        write("_delta_log/00000000000000000001.checkpoint.parquet", 8);
        write("_delta_log/_sidecars/c.parquet", 9);
        write("_delta_log/00000000000000000002.checkpoint.d.json", 10);
        write("_delta_log/00000000000000000000.00000000000000000009.compacted.json", 11);
        write("_delta_log/00000000000000000001.crc", 12);
        write("_delta_log/_last_checkpoint", 100);
        let files = |files, bytes| Files { files, bytes };
        let disk = Disk {
            data: files(2, 11),
            commits: files(1, 7),
            checkpoints: files(3, 27),
            compacted: files(1, 11),
            checksums: files(1, 12),
        };
        assert_eq!(Disk::of(&table).unwrap(), disk);
        fs::remove_dir_all(&table).unwrap();
    }
}
