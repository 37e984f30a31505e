//! How far a sink is, seen from outside, and what it has left behind.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sluice_testkit::{Context, Result, TableLog};

use super::entry::Sink;

pub enum Progress {
    /// A file with the number of records.
    Count(PathBuf),
    Delta(TableLog),
    /// The folder of an Iceberg table's metadata.
    Iceberg(PathBuf),
}

impl Progress {
    /// `output` is where the sink writes.
    pub fn of(sink: Sink, output: &Path) -> Self {
        match sink {
            Sink::Noop => Progress::Count(output.join("count")),
            Sink::Iceberg => Progress::Iceberg(output.join("bench/table/metadata")),
            Sink::Other | Sink::Sluice => Progress::Delta(TableLog::new(&output.join("table"))),
        }
    }

    /// Records that are through.
    pub fn records(&mut self) -> Result<u64> {
        match self {
            Progress::Count(file) => Ok(read(file).and_then(|text| text.parse().ok()).unwrap_or(0)),
            Progress::Delta(log) => {
                log.refresh()?;
                Ok(u64::try_from(log.rows).unwrap_or(0))
            }
            Progress::Iceberg(folder) => Ok(newest_metadata(folder)?.as_ref().map_or(0, rows_in)),
        }
    }

    pub fn commits(&self) -> Result<u64> {
        match self {
            Progress::Count(_) => Ok(0),
            Progress::Delta(log) => Ok(log.appends),
            Progress::Iceberg(folder) => {
                let metadata = newest_metadata(folder)?.unwrap_or_default();
                Ok(metadata["snapshots"].as_array().map_or(0, |snapshots| snapshots.len() as u64))
            }
        }
    }
}

fn read(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok()
}

fn newest_metadata(folder: &Path) -> Result<Option<Value>> {
    let file = match read(&folder.join("version-hint.text")) {
        Some(version) => folder.join(format!("v{}.metadata.json", version.trim())),
        // No Hadoop catalog: their names start with a number of five digits. Such a catalog has no hint for a moment, and a
        // file whose name is a UUID while it is written.
        None => match sorted(folder, ".metadata.json").into_iter().rfind(|file| is_numbered(file)) {
            Some(file) => file,
            None => return Ok(None),
        },
    };
    // The hint may be caught half written.
    let Some(text) = read(&file) else { return Ok(None) };
    serde_json::from_str(&text).at(&file)
}

fn is_numbered(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.split('-').next().is_some_and(|number| number.len() == 5 && number.parse::<u32>().is_ok())
}

/// Those files of a folder whose names end so, by name. Versions of a log start with their number.
pub fn sorted(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    files.sort_unstable();
    files
}

fn rows_in(metadata: &Value) -> u64 {
    let current = &metadata["current-snapshot-id"];
    let snapshots = metadata["snapshots"].as_array();
    let snapshot = snapshots.into_iter().flatten().find(|snapshot| snapshot["snapshot-id"] == *current);
    let total = snapshot.and_then(|snapshot| snapshot["summary"]["total-records"].as_str());
    total.and_then(|total| total.parse().ok()).unwrap_or(0)
}

/// What a sink has left in its table, number and bytes. The log is all that is not data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    pub data_files: u64,
    pub data_bytes: u64,
    pub log_files: u64,
    pub log_bytes: u64,
}

impl Written {
    pub fn below(folder: &Path) -> Result<Self> {
        let mut written = Written::default();
        each_file(folder, &mut |data, bytes| {
            let (files, sum) = match data {
                true => (&mut written.data_files, &mut written.data_bytes),
                false => (&mut written.log_files, &mut written.log_bytes),
            };
            *files += 1;
            *sum += bytes;
        })?;
        Ok(written)
    }
}

/// Tells of each file below the folder whether it is data, and its bytes.
pub fn each_file(folder: &Path, tell: &mut impl FnMut(bool, u64)) -> Result<()> {
    for entry in fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        let bytes = fs::metadata(&path).at(&path)?.len();
        // Checkpoints are Parquet, too.
        let in_log = path.components().any(|part| part.as_os_str() == "_delta_log");
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => each_file(&path, tell)?,
            Some("parquet") if !in_log => tell(true, bytes),
            // Hadoop's check sums beside local files, and the no-op sink's count.
            Some("crc") if !in_log => {}
            None => {}
            Some(_) => tell(false, bytes),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_hint_the_newest_metadata_is_that_of_the_highest_number() {
        let folder = std::env::temp_dir().join(format!("xtask-numbered-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(newest_metadata(&folder).unwrap(), None);
        for (name, text) in [
            ("00009-f.metadata.json", "9"),
            ("00010-a.metadata.json", "10"),
            ("snap-99.avro", "not JSON"),
            ("91c91736-97fd-4350-93f5-0da042c3808f.metadata.json", ""),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        assert_eq!(newest_metadata(&folder).unwrap(), Some(10.into()));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn an_iceberg_table_is_followed_by_its_newest_metadata() {
        let output = std::env::temp_dir().join(format!("xtask-progress-{}", std::process::id()));
        let table = output.join("bench/table");
        fs::create_dir_all(table.join("metadata")).unwrap();
        let mut progress = Progress::of(Sink::Iceberg, &output);
        assert_eq!((progress.records().unwrap(), progress.commits().unwrap()), (0, 0), "no table yet");
        let write = |name: &str, text: &str| fs::write(table.join(name), text).unwrap();
        write("metadata/version-hint.text", "2");
        assert_eq!(progress.records().unwrap(), 0, "not there yet");
        write("metadata/v1.metadata.json", "{}");
        write(
            "metadata/v2.metadata.json",
            r#"{"current-snapshot-id": 8, "snapshots": [
                {"snapshot-id": 7, "summary": {"total-records": "10"}},
                {"snapshot-id": 8, "summary": {"total-records": "25"}}]}"#,
        );
        assert_eq!((progress.records().unwrap(), progress.commits().unwrap()), (25, 2));

        write("a.parquet", "12345");
        write(".a.parquet.crc", "1");
        let written = Written::below(&output).unwrap();
        assert_eq!((written.data_files, written.data_bytes, written.log_files), (1, 5, 3));
        fs::create_dir_all(table.join("_delta_log")).unwrap();
        write("_delta_log/00000000000000000009.checkpoint.parquet", "123");
        write("_delta_log/00000000000000000009.crc", "1");
        let written = Written::below(&output).unwrap();
        assert_eq!((written.data_files, written.data_bytes, written.log_files), (1, 5, 5), "kept logs");
        fs::remove_dir_all(&output).unwrap();
    }
}
