//! Which of the listed files are needed. Names are kept as 64-bit hashes, so that a million of them fit into 9 MB. Two names with
//! the same hash have the same mark: one is kept because of the other, and none is deleted because of it.

use std::hash::{DefaultHasher, Hasher};

/// What the log says of a file; what is further down counts where several are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Nothing.
    Unknown,
    /// It was removed, long enough ago.
    Removed,
    Needed,
}

#[derive(Default)]
pub struct Names(Vec<u64>);

pub struct Seen {
    /// Rising.
    hashes: Vec<u64>,
    marks: Vec<Mark>,
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name.as_bytes());
    hasher.finish()
}

impl Names {
    pub fn add(&mut self, name: &str) {
        self.0.push(hash(name));
    }

    pub fn seen(self) -> Seen {
        let Names(mut hashes) = self;
        hashes.sort_unstable();
        hashes.dedup();
        Seen { marks: vec![Mark::Unknown; hashes.len()], hashes }
    }
}

impl Seen {
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    pub fn mark(&mut self, name: &str, mark: Mark) {
        if let Ok(place) = self.hashes.binary_search(&hash(name))
            && let Some(known) = self.marks.get_mut(place)
        {
            *known = mark.max(*known);
        }
    }

    /// None: it was not listed.
    pub fn mark_of(&self, name: &str) -> Option<Mark> {
        let place = self.hashes.binary_search(&hash(name)).ok()?;
        self.marks.get(place).copied()
    }
}
