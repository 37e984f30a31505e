//! The data files of the commits: each in one commit, there, and of the size that was committed (I3).

use std::collections::HashMap;

use super::kind::Kind;
use super::listing::Listing;
use super::report::{Audit, Author, Finding};
use crate::log::Commit;

pub(super) struct Files<'a> {
    listing: &'a Listing,
    /// The files that are in the table.
    added: HashMap<String, Added>,
    /// Files that are not there. In order where a later commit removes them.
    missing: Vec<(String, Author)>,
}

struct Added {
    /// The version that did it.
    version: u64,
    rows: Option<u64>,
}

impl<'a> Files<'a> {
    pub(super) fn new(listing: &'a Listing) -> Self {
        Files { listing, added: HashMap::new(), missing: Vec::new() }
    }

    pub(super) fn follow(&mut self, audit: &mut Audit, commit: &Commit, author: &Author) {
        let removed: Vec<_> = commit.removes.iter().map(|remove| self.added.remove(&remove.path)).collect();
        if !commit.adds.is_empty()
            && commit.adds.iter().all(|add| !add.data_change)
            && commit.removes.iter().all(|remove| !remove.data_change)
        {
            check_rewrite(audit, commit, &removed, author);
        }
        for add in &commit.adds {
            let damaged = |message| Finding::new(Kind::File, author.version, message).by(author);
            let added = Added { version: author.version, rows: add.rows() };
            if let Some(earlier) = self.added.insert(add.path.clone(), added)
                && add.data_change
            {
                audit.find(damaged(format!("{} is in commit {} too", add.path, earlier.version)));
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
            if self.added.get(&path).is_some_and(|added| added.version == author.version) {
                let message = format!("{path} is referenced and not there");
                audit.find(Finding::new(Kind::Missing, author.version, message).by(&author));
            }
        }
        audit.files = self.added.into_iter().map(|(path, added)| (path, added.version)).collect();
    }
}

/// A commit that moves rows to other files holds as many as it took (I1). `removed`: what the commit removes, as far as it was in the
/// table. A file that was not there any more was rewritten before, so that its rows are in the table twice.
fn check_rewrite(audit: &mut Audit, commit: &Commit, removed: &[Option<Added>], author: &Author) {
    let found = |message| Finding::new(Kind::Rows, author.version, message).by(author);
    if audit.is_whole()
        && let Some((gone, _)) = commit.removes.iter().zip(removed).find(|(_, removed)| removed.is_none())
    {
        let path = &gone.path;
        audit.find(found(format!("{path} is rewritten, and an earlier commit has removed it already")));
        return;
    }
    let before = removed.iter().map(|removed| removed.as_ref()?.rows).sum::<Option<u64>>();
    let after = commit.adds.iter().map(|add| add.rows()).sum::<Option<u64>>();
    if let (Some(before), Some(after)) = (before, after)
        && before != after
    {
        audit.find(found(format!("files with {before} rows are rewritten, and {after} are in the new ones")));
    }
}
