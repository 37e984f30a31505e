//! The data files of the commits: each in one commit, there, and of the size that was committed (I3).

use std::collections::HashMap;

use super::kind::Kind;
use super::listing::Listing;
use super::report::{Audit, Author, Finding};
use crate::log::Commit;

pub(super) struct Files<'a> {
    listing: &'a Listing,
    /// Which version added each file that is in the table.
    added: HashMap<String, u64>,
    /// Files that are not there. In order where a later commit removes them.
    missing: Vec<(String, Author)>,
}

impl<'a> Files<'a> {
    pub(super) fn new(listing: &'a Listing) -> Self {
        Files { listing, added: HashMap::new(), missing: Vec::new() }
    }

    pub(super) fn follow(&mut self, audit: &mut Audit, commit: &Commit, author: &Author) {
        for remove in &commit.removes {
            self.added.remove(&remove.path);
        }
        for add in &commit.adds {
            let damaged = |message| Finding::new(Kind::File, author.version, message).by(author);
            if let Some(earlier) = self.added.insert(add.path.clone(), author.version)
                && add.data_change
            {
                audit.find(damaged(format!("{} is in commit {earlier} too", add.path)));
            }
            let name = percent_encoding::percent_decode_str(&add.path).decode_utf8_lossy();
            match self.listing.sizes.get(name.as_ref()) {
                Some(size) if *size == add.size => {}
                Some(size) => {
                    audit.find(damaged(format!("{} has {size} bytes, not {}", add.path, add.size)));
                }
                None if add.path.contains("://") => {}
                None => self.missing.push((add.path.clone(), author.clone())),
            }
        }
    }

    pub(super) fn tell(self, audit: &mut Audit) {
        for (path, author) in self.missing {
            if self.added.get(&path) == Some(&author.version) {
                let message = format!("{path} is referenced and not there");
                audit.find(Finding::new(Kind::Missing, author.version, message).by(&author));
            }
        }
        audit.files = self.added;
    }
}
