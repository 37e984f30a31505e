//! Listings of a log that is shared through the lock table: what is decided is finished first, so that everybody who
//! lists, the Delta kernel too, sees through incomplete entries; as does who reads a commit that is not in its place yet.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::commit_version;
use super::dynamodb::DynamoLock;

#[derive(Debug)]
pub struct Settled(pub Arc<DynamoLock>);

impl Settled {
    fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.0.objects
    }

    fn settled<T: Send + 'static>(
        &self,
        prefix: Option<&Path>,
        list: impl FnOnce() -> BoxStream<'static, Result<T>> + Send + 'static,
    ) -> BoxStream<'static, Result<T>> {
        let lock = self.0.clone();
        let of_log = of_log(&lock, prefix);
        stream::once(async move {
            if of_log {
                settle(&lock).await?;
            }
            Ok::<_, object_store::Error>(list())
        })
        .try_flatten()
        .boxed()
    }
}

/// Whether a listing shows commits.
fn of_log(lock: &DynamoLock, prefix: Option<&Path>) -> bool {
    let log = lock.root.clone().join("_delta_log");
    prefix.is_none_or(|prefix| log.prefix_matches(prefix) || prefix.prefix_matches(&log))
}

fn is_commit(lock: &DynamoLock, path: &Path) -> bool {
    let name = path.as_ref().strip_prefix(lock.root.as_ref()).map(|name| name.trim_start_matches('/'));
    name.and_then(commit_version).is_some()
}

async fn settle(lock: &DynamoLock) -> Result<()> {
    let failed = |e| object_store::Error::Generic { store: "DynamoDB", source: Box::new(e) };
    lock.settle().await.map_err(failed)
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner().fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Settled {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner().put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner().put_multipart_opts(path, options).await
    }

    /// Our own commits are known, and read, before they are in their place.
    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        match self.inner().get_opts(path, options.clone()).await {
            Err(Error::NotFound { .. }) if is_commit(&self.0, path) => {
                settle(&self.0).await?;
                self.inner().get_opts(path, options).await
            }
            found => found,
        }
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner().delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, below) = (self.inner().clone(), prefix.cloned());
        self.settled(prefix, move || inner.list(below.as_ref()))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, below, offset) = (self.inner().clone(), prefix.cloned(), offset.clone());
        self.settled(prefix, move || inner.list_with_offset(below.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        if of_log(&self.0, prefix) {
            settle(&self.0).await?;
        }
        self.inner().list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner().copy_opts(from, to, options).await
    }
}
