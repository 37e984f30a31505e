//! A data file on its way to an object store: one put where it is small, else parts that go in parallel.

use std::io::{self, Write};
use std::sync::Arc;

use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use sluice_core::Result;
use tokio::task::JoinSet;

use super::{DataFile, store_error};
use crate::budget::Budget;
use crate::fail_point::FailPoint;
use crate::world::World;

/// Where and how files are uploaded.
#[derive(Clone)]
pub struct Uploads {
    pub objects: Arc<dyn ObjectStore>,
    pub world: Arc<dyn World>,
    pub part_bytes: usize,
    /// Of all that the process uploads.
    pub budget: Arc<Budget>,
}

pub struct UploadedFile {
    uploads: Uploads,
    path: Path,
    buffer: Vec<u8>,
    size: u64,
    /// None as long as one put will do, and once finished.
    parts: Option<Parts>,
}

struct Parts {
    upload: Box<dyn MultipartUpload>,
    on_their_way: JoinSet<object_store::Result<()>>,
}

impl UploadedFile {
    pub fn new(uploads: Uploads, path: Path) -> Self {
        UploadedFile { uploads, path, buffer: Vec::new(), size: 0, parts: None }
    }

    /// Sends the buffer as the next part. Waits while too much is on its way.
    fn send_part(&mut self) -> object_store::Result<()> {
        let payload = PutPayload::from(std::mem::take(&mut self.buffer));
        let Uploads { objects, world, budget, .. } = &self.uploads;
        world.wait(async {
            let parts = match &mut self.parts {
                Some(parts) => parts,
                none => none.insert(Parts {
                    upload: objects.put_multipart(&self.path).await?,
                    on_their_way: JoinSet::new(),
                }),
            };
            while let Some(done) = parts.on_their_way.try_join_next() {
                done??;
            }
            let held = budget.part(payload.content_length()).await;
            let part = parts.upload.put_part(payload);
            parts.on_their_way.spawn(async move {
                let _held = held;
                part.await
            });
            Ok(())
        })
    }

    fn complete(&mut self) -> object_store::Result<()> {
        if self.parts.is_none() {
            let payload = PutPayload::from(std::mem::take(&mut self.buffer));
            let Uploads { objects, world, .. } = &self.uploads;
            return world.wait(objects.put(&self.path, payload)).map(|_| ());
        }
        if !self.buffer.is_empty() {
            self.send_part()?;
        }
        let Some(parts) = &mut self.parts else { return Ok(()) };
        let world = &self.uploads.world;
        world.wait(async {
            while let Some(done) = parts.on_their_way.join_next().await {
                done??;
            }
            world.reached(FailPoint::UploadPartsSent);
            parts.upload.complete().await
        })?;
        self.parts = None;
        Ok(())
    }
}

impl Write for UploadedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.uploads.part_bytes - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        self.size += taken as u64;
        if self.buffer.len() == self.uploads.part_bytes {
            self.send_part().map_err(io::Error::other)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DataFile for UploadedFile {
    fn finish(&mut self) -> Result<u64> {
        self.complete().map_err(|e| store_error(&format!("cannot write {}", self.path), &e))?;
        Ok(self.size)
    }

    fn buffered(&self) -> usize {
        self.buffer.capacity()
    }
}

impl Drop for UploadedFile {
    fn drop(&mut self) {
        if let Some(mut parts) = self.parts.take() {
            self.uploads.world.spawn(Box::pin(async move {
                parts.on_their_way.shutdown().await;
                // Best effort: no reader sees parts, and a lifecycle rule of the bucket takes them away (docs/stores.md).
                let _ = parts.upload.abort().await;
            }));
        }
    }
}
