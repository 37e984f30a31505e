//! An object store as one process sees it: S3's promises, and a net in between.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::bucket::Bucket;
use crate::machine::{OUTSIDE, ProcessId};
use crate::net::{Effect, Net};

#[derive(Clone)]
pub struct Objects {
    pub net: Arc<Net>,
    pub process: ProcessId,
    pub inner: Arc<Bucket>,
}

/// Of S3.
const DELETED_AT_ONCE: usize = 1000;

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store of process {}", self.process)
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

fn no_reply<T>() -> Result<T> {
    Err(Error::Generic { store: "sim", source: "no reply".into() })
}

impl Objects {
    async fn ask<T: Send + 'static>(&self, what: &'static str, effect: Effect<Result<T>>) -> Result<T> {
        self.net.request(self.process, what, effect).await.unwrap_or_else(no_reply)
    }

    fn listed(&self, prefix: Option<&Path>, offset: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let this = self.clone();
        let (inner, prefix, offset) = (self.inner.clone(), prefix.cloned(), offset.cloned());
        let effect: Effect<Result<Vec<_>>> = Arc::new(move || {
            let (inner, prefix, offset) = (inner.clone(), prefix.clone(), offset.clone());
            async move { Ok(inner.list(prefix.as_ref(), offset.as_ref()).await) }.boxed()
        });
        stream::once(async move {
            let found = this.ask("list", effect).await?;
            Ok::<_, Error>(stream::iter(found))
        })
        .try_flatten()
        .boxed()
    }

    /// What one request deletes, each by itself: some may fail.
    async fn delete_together(&self, paths: Vec<Path>) -> Vec<Result<Path>> {
        let (inner, net, process, gone) = (self.inner.clone(), self.net.clone(), self.process, paths.clone());
        let effect: Effect<Result<Vec<Result<Path>>>> = Arc::new(move || {
            let (inner, net, gone) = (inner.clone(), net.clone(), gone.clone());
            async move {
                let mut outcomes = Vec::new();
                for path in gone {
                    let refused = process != OUTSIDE && net.is_part_refused();
                    let outcome =
                        if refused { no_reply() } else { inner.delete(process, &path).await.map(|()| path) };
                    outcomes.push(outcome);
                }
                Ok(outcomes)
            }
            .boxed()
        });
        match self.ask("delete", effect).await {
            Ok(outcomes) => outcomes,
            Err(_) => paths.iter().map(|_| no_reply()).collect(),
        }
    }
}

#[async_trait]
impl ObjectStore for Objects {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let (inner, process, path) = (self.inner.clone(), self.process, path.clone());
        let effect: Effect<Result<PutResult>> = Arc::new(move || {
            let (inner, path, payload, options) =
                (inner.clone(), path.clone(), payload.clone(), options.clone());
            async move { inner.put(process, &path, payload, options).await }.boxed()
        });
        self.ask("put", effect).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("files of a simulation are small")
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let (inner, path) = (self.inner.clone(), path.clone());
        let effect: Effect<Result<GetResult>> = Arc::new(move || {
            let (inner, path, options) = (inner.clone(), path.clone(), options.clone());
            async move { inner.get(&path, options).await }.boxed()
        });
        self.ask("get", effect).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        paths
            .try_ready_chunks(DELETED_AT_ONCE)
            .map_err(|failed| failed.1)
            .and_then(move |paths| {
                let this = this.clone();
                async move { Ok(stream::iter(this.delete_together(paths).await)) }
            })
            .try_flatten()
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, Some(offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let (inner, prefix) = (self.inner.clone(), prefix.cloned());
        let effect: Effect<Result<ListResult>> = Arc::new(move || {
            let (inner, prefix) = (inner.clone(), prefix.clone());
            async move { inner.list_with_delimiter(prefix.as_ref()).await }.boxed()
        });
        self.ask("list", effect).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unreachable!("nothing copies objects")
    }
}
