//! The files of a log.

use futures::StreamExt;
use object_store::ObjectMeta;
use sluice_core::Result;

use super::Maintained;
use crate::store::{object_path, root_path, store_error};

pub(super) const LOG: &str = "_delta_log";
pub(super) const SIDECARS: &str = "_delta_log/_sidecars";

/// One that is named by a version; others are nobody's business here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogFile {
    pub version: u64,
    pub kind: Kind,
    /// Milliseconds since the epoch.
    pub modified: i64,
    pub size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// From the file's version on to this one.
    Compacted(u64),
    Commit,
    Checksum,
    Checkpoint(Naming),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Naming {
    Classic,
    /// The first one is 1.
    Part {
        number: u32,
        of: u32,
    },
    /// What stands behind `checkpoint.`: a UUID and an ending.
    Unique(String),
}

impl LogFile {
    /// By its name in the log.
    fn of(name: &str, meta: &ObjectMeta) -> Option<LogFile> {
        let (version, kind) = parse(name)?;
        Some(LogFile { version, kind, modified: meta.last_modified.timestamp_millis(), size: meta.size })
    }

    /// Below the table's root.
    pub fn name(&self) -> String {
        let version = self.version;
        match &self.kind {
            Kind::Compacted(to) => format!("{LOG}/{version:020}.{to:020}.compacted.json"),
            Kind::Commit => format!("{LOG}/{version:020}.json"),
            Kind::Checksum => format!("{LOG}/{version:020}.crc"),
            Kind::Checkpoint(Naming::Classic) => format!("{LOG}/{version:020}.checkpoint.parquet"),
            Kind::Checkpoint(Naming::Part { number, of }) => {
                format!("{LOG}/{version:020}.checkpoint.{number:010}.{of:010}.parquet")
            }
            Kind::Checkpoint(Naming::Unique(rest)) => format!("{LOG}/{version:020}.checkpoint.{rest}"),
        }
    }
}

/// PROTOCOL.md: "Delta Log Entries", "Checkpoint Naming Scheme", "Log Compaction Files", "Version Checksum File".
fn parse(name: &str) -> Option<(u64, Kind)> {
    let number = |text: &str, digits: usize| {
        let all = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| text.parse::<u64>().ok()).flatten()
    };
    let part = |text: &str| number(text, 10).and_then(|part| u32::try_from(part).ok());
    let words: Vec<&str> = name.split('.').collect();
    let (version, rest) = words.split_first()?;
    let kind = match *rest {
        ["json"] => Kind::Commit,
        ["crc"] => Kind::Checksum,
        [to, "compacted", "json"] => Kind::Compacted(number(to, 20)?),
        ["checkpoint", "parquet"] => Kind::Checkpoint(Naming::Classic),
        ["checkpoint", n, of, "parquet"] => {
            Kind::Checkpoint(Naming::Part { number: part(n)?, of: part(of)? })
        }
        ["checkpoint", id, ending @ ("parquet" | "json")] if uuid::Uuid::try_parse(id).is_ok() => {
            Kind::Checkpoint(Naming::Unique(format!("{id}.{ending}")))
        }
        _ => return None,
    };
    Some((number(version, 20)?, kind))
}

impl Maintained {
    /// What is named by `from` or a later version, in the order of versions.
    pub(super) fn log_files(&self, from: u64) -> Result<Vec<LogFile>> {
        let log = root_path(&*self.store)?.join(LOG);
        // Also past the temporary commits of the DynamoDB lock.
        let listing =
            self.store.objects().list_with_offset(Some(&log), &log.clone().join(format!("{from:020}")));
        let mut files = Vec::new();
        self.each(listing, |meta| {
            let Some(mut below) = meta.location.prefix_match(&log) else { return };
            if let (Some(name), None) = (below.next(), below.next()) {
                files.extend(LogFile::of(name.as_ref(), &meta));
            }
        })?;
        files.sort_unstable();
        Ok(files)
    }

    /// What is right in a folder below the root: its name there, the time of its last modification and its size.
    pub(super) fn in_folder(&self, folder: &str) -> Result<Vec<(String, i64, u64)>> {
        let folder = object_path(&root_path(&*self.store)?, folder)?;
        let mut files = Vec::new();
        self.each(self.store.objects().list(Some(&folder)), |meta| {
            let Some(mut below) = meta.location.prefix_match(&folder) else { return };
            if let (Some(name), None) = (below.next(), below.next()) {
                files.push((name.as_ref().to_owned(), meta.last_modified.timestamp_millis(), meta.size));
            }
        })?;
        files.sort_unstable();
        Ok(files)
    }

    fn each(
        &self,
        mut listing: impl futures::Stream<Item = object_store::Result<ObjectMeta>> + Unpin,
        mut take: impl FnMut(ObjectMeta),
    ) -> Result<()> {
        self.world.wait(async {
            while let Some(meta) = listing.next().await {
                take(meta.map_err(|e| store_error(&format!("cannot list the log of {}", self.uri()), &e))?);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_protocol_names_is_a_file_of_the_log() {
        let v = "00000000000000000012";
        let id = "f15b9025-707a-4c73-aac0-31dfcbd29aa6";
        let unique = |ending: &str| Kind::Checkpoint(Naming::Unique(format!("{id}.{ending}")));
        for (rest, kind) in [
            ("json".to_owned(), Kind::Commit),
            ("crc".to_owned(), Kind::Checksum),
            ("checkpoint.parquet".to_owned(), Kind::Checkpoint(Naming::Classic)),
            (
                "checkpoint.0000000002.0000000003.parquet".to_owned(),
                Kind::Checkpoint(Naming::Part { number: 2, of: 3 }),
            ),
            (format!("checkpoint.{id}.json"), unique("json")),
            (format!("checkpoint.{id}.parquet"), unique("parquet")),
            ("00000000000000000014.compacted.json".to_owned(), Kind::Compacted(14)),
        ] {
            let name = format!("{v}.{rest}");
            assert_eq!(parse(&name), Some((12, kind.clone())), "{name}");
            let file = LogFile { version: 12, kind, modified: 0, size: 0 };
            assert_eq!(file.name(), format!("_delta_log/{name}"));
        }
        for other in [
            "_last_checkpoint".to_owned(),
            "12.json".to_owned(),
            format!("{v}.json.tmp"),
            format!("+{}.json", &v[1..]),
            format!("{v}.checkpoint.parquet.bak"),
            format!("{v}.checkpoint.2.3.parquet"),
            format!("{v}.checkpoint.mine.parquet"),
            format!("{v}.14.compacted.json"),
            format!(".{v}.json.crc"),
        ] {
            assert_eq!(parse(&other), None, "{other}");
        }
    }
}
