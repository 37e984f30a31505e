//! An object store as one process sees it: S3's promises, and a net in between.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::machine::ProcessId;
use crate::net::{Effect, Net};

#[derive(Clone)]
pub struct Objects {
    pub net: Arc<Net>,
    pub process: ProcessId,
    pub inner: Arc<InMemory>,
}

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

    fn listed(
        &self,
        list: impl Fn(&InMemory) -> BoxStream<'static, Result<ObjectMeta>> + Send + Sync + 'static,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let this = self.clone();
        let inner = self.inner.clone();
        let effect: Effect<Result<Vec<ObjectMeta>>> =
            Arc::new(move || list(&inner).try_collect::<Vec<_>>().boxed());
        stream::once(async move {
            let found = this.ask("list", effect).await?;
            Ok::<_, Error>(stream::iter(found.into_iter().map(Ok)))
        })
        .try_flatten()
        .boxed()
    }
}

#[async_trait]
impl ObjectStore for Objects {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let (inner, path) = (self.inner.clone(), path.clone());
        let effect: Effect<Result<PutResult>> = Arc::new(move || {
            let (inner, path, payload, options) =
                (inner.clone(), path.clone(), payload.clone(), options.clone());
            async move { inner.put_opts(&path, payload, options).await }.boxed()
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
            async move { inner.get_opts(&path, options).await }.boxed()
        });
        self.ask("get", effect).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        paths
            .and_then(move |path| {
                let this = this.clone();
                async move {
                    let (inner, gone) = (this.inner.clone(), path.clone());
                    let effect: Effect<Result<()>> = Arc::new(move || {
                        let (inner, gone) = (inner.clone(), gone.clone());
                        async move { inner.delete(&gone).await }.boxed()
                    });
                    this.ask("delete", effect).await.map(|()| path)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        self.listed(move |inner| inner.list(prefix.as_ref()))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (prefix, offset) = (prefix.cloned(), offset.clone());
        self.listed(move |inner| inner.list_with_offset(prefix.as_ref(), &offset))
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
