//! Small files are fetched while those before them are merged: on an object store most of the time goes by waiting for it.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::channel::oneshot;
use object_store::ObjectStoreExt;

use super::super::Maintained;
use super::super::files::LiveFile;
use super::object::{SMALL_BYTES, path_of};

const AT_ONCE: usize = 16;

type Coming = oneshot::Receiver<object_store::Result<Bytes>>;

pub struct Ahead<'a> {
    table: &'a Maintained,
    files: &'a [LiveFile],
    /// Of files that were not taken yet; none: not small.
    coming: VecDeque<Option<(Coming, u64)>>,
    begun: usize,
    bytes: u64,
    most_bytes: u64,
}

impl<'a> Ahead<'a> {
    pub fn new(table: &'a Maintained, files: &'a [LiveFile], most_bytes: u64) -> Self {
        Ahead { table, files, coming: VecDeque::new(), begun: 0, bytes: 0, most_bytes }
    }

    /// Of the next file, if it was fetched. Whoever reads it the usual way finds out why it was not.
    pub fn next(&mut self) -> Option<Bytes> {
        self.begin();
        let (coming, bytes) = self.coming.pop_front().flatten()?;
        self.bytes -= bytes;
        self.table.world.wait(coming).ok()?.ok()
    }

    fn begin(&mut self) {
        while let Some(file) = self.files.get(self.begun)
            && self.coming.len() < AT_ONCE
        {
            let is_small = file.size <= SMALL_BYTES;
            if is_small && !self.coming.is_empty() && self.bytes + file.size > self.most_bytes {
                return;
            }
            self.begun += 1;
            let fetch = is_small.then(|| self.fetch(file)).flatten();
            self.bytes += fetch.as_ref().map_or(0, |(_, bytes)| *bytes);
            self.coming.push_back(fetch);
        }
    }

    fn fetch(&self, file: &LiveFile) -> Option<(Coming, u64)> {
        let store = &self.table.store;
        let (path, objects, size) = (path_of(&**store, file).ok()?, store.objects(), file.size);
        let (send, receive) = oneshot::channel();
        self.table.world.spawn(Box::pin(async move {
            // Nobody may wait for it any more.
            let _ = send.send(objects.get_range(&path, 0..size).await);
        }));
        Some((receive, size))
    }
}
