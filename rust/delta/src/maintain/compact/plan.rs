//! Which files are merged: decided by what the log says of them alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use url::Url;

use super::super::files::{LiveFile, PartitionValues};

/// Of a bin: that many `remove` actions are in one commit.
pub const MOST_FILES: usize = 10_000;

/// What is wanted of a table's files.
#[derive(Debug, Clone)]
pub struct Aims {
    /// What the files of a bin hold at most, together.
    pub bin_bytes: u64,
    /// Smaller files are small.
    pub small_bytes: u64,
    pub min_files: usize,
    /// Files that came after it are left alone, and their whole partition. Milliseconds since the epoch.
    pub cold_since: Option<i64>,
    /// What the tag of files in order says; none: in any order.
    pub order: Option<Arc<str>>,
}

/// A file that is nearly as large as it is to become stays.
pub fn small_bytes(target: u64) -> u64 {
    target / 4 * 3
}

impl Aims {
    /// Bins are for rows that are in memory together.
    pub fn go_into_memory(&mut self, bin_bytes: u64) {
        self.small_bytes = self.small_bytes.min(small_bytes(bin_bytes));
        self.bin_bytes = bin_bytes;
    }

    fn is_small(&self, file: &LiveFile) -> bool {
        weight(file) < self.small_bytes
    }

    /// A file that is worth to be written anew by itself.
    pub fn has_to_change(&self, file: &LiveFile) -> bool {
        is_worn(file) || (self.order.is_some() && file.order != self.order)
    }

    fn is_cold(&self, modified: i64) -> bool {
        self.cold_since.is_none_or(|since| modified <= since)
    }
}

/// What the file will hold when its deleted rows are gone.
fn weight(file: &LiveFile) -> u64 {
    match file.num_records {
        Some(rows) if rows > 0 => {
            let left = u128::from(rows.saturating_sub(file.deleted()));
            (u128::from(file.size) * left / u128::from(rows)) as u64
        }
        _ => file.size,
    }
}

/// Whether deletion vectors have taken more than a fifth of its rows.
fn is_worn(file: &LiveFile) -> bool {
    file.num_records.is_some_and(|rows| file.deleted() > rows / 5)
}

/// Files that other tables own, as of a shallow clone, have absolute paths. Clustered ones are for the engine that clusters.
fn is_movable(file: &LiveFile) -> bool {
    !file.is_clustered && !file.path.starts_with('/') && Url::parse(&file.path).is_err()
}

/// The files of a table that may be merged, of each partition. Of a table with many large files it holds few.
pub struct Candidates {
    aims: Aims,
    partitions: BTreeMap<Arc<PartitionValues>, Partition>,
}

#[derive(Default)]
struct Partition {
    /// When the last file was added, of whatever kind.
    newest: i64,
    files: Vec<LiveFile>,
}

impl Candidates {
    pub fn new(aims: Aims) -> Self {
        Candidates { aims, partitions: BTreeMap::new() }
    }

    pub fn add(&mut self, file: LiveFile) {
        let partition = self.partitions.entry(file.partition_values.clone()).or_default();
        partition.newest = partition.newest.max(file.modified);
        if is_movable(&file) && (self.aims.is_small(&file) || self.aims.has_to_change(&file)) {
            partition.files.push(file);
        }
    }

    /// Takes away what is in use.
    pub fn cold(mut self) -> Self {
        let aims = &self.aims;
        self.partitions.retain(|values, partition| values.is_empty() || aims.is_cold(partition.newest));
        for partition in self.partitions.values_mut() {
            partition.files.retain(|file| aims.is_cold(file.modified));
        }
        self
    }

    pub fn files(&self) -> impl Iterator<Item = &LiveFile> {
        self.partitions.values().flat_map(|partition| &partition.files)
    }

    /// Whether any would be merged if bins had no end.
    pub fn is_any_due(&self) -> bool {
        self.partitions.values().any(|partition| {
            let files = &partition.files;
            let small = files.iter().filter(|file| self.aims.is_small(file)).count();
            small >= self.aims.min_files.max(2) || files.iter().any(|file| self.aims.has_to_change(file))
        })
    }

    /// Files that become one, or a few, for aims that are no higher. No two bins of a partition would go into one.
    pub fn plan(self, aims: &Aims) -> Vec<Vec<LiveFile>> {
        self.partitions.into_values().flat_map(|partition| of_partition(partition.files, aims)).collect()
    }
}

fn of_partition(mut files: Vec<LiveFile>, aims: &Aims) -> Vec<Vec<LiveFile>> {
    files.retain(|file| aims.is_small(file) || aims.has_to_change(file));
    if files.iter().filter(|file| aims.is_small(file)).count() < aims.min_files {
        files.retain(|file| aims.has_to_change(file));
    }
    // What came together stays together, as far as that goes.
    files.sort_by(|one, other| (one.modified, &one.path).cmp(&(other.modified, &other.path)));
    let mut bins = pack(files, aims.bin_bytes);
    bins.retain(|bin| bin.len() > 1 || bin.iter().any(|file| aims.has_to_change(file)));
    bins
}

/// Each file goes to the fullest bin that it fits into. So a bin is begun only when there is no room for its first file in any other.
fn pack(files: Vec<LiveFile>, bin_bytes: u64) -> Vec<Vec<LiveFile>> {
    let mut bins: Vec<Vec<LiveFile>> = Vec::new();
    let mut rooms: BTreeSet<(u64, usize)> = BTreeSet::new();
    for file in files {
        let weight = weight(&file);
        let (room, bin) = match rooms.range((weight, 0)..).next().copied() {
            Some(fitting) => {
                rooms.remove(&fitting);
                fitting
            }
            None => {
                bins.push(Vec::new());
                (bin_bytes, bins.len() - 1)
            }
        };
        bins[bin].push(file);
        if let Some(left) = room.checked_sub(weight)
            && bins[bin].len() < MOST_FILES
        {
            rooms.insert((left, bin));
        }
    }
    bins
}
