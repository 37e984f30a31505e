//! A local store that counts what is asked of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use serde_json::{Value, json};
use sluice_delta::store::{Claim, DataFile, LocalStore, Store};
use url::Url;

/// Requests for the log. Data files are not counted.
#[derive(Debug, Default)]
pub struct Requests {
    lists: AtomicU64,
    gets: AtomicU64,
    puts: AtomicU64,
    bytes_read: AtomicU64,
}

impl Requests {
    fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Ordering::Relaxed);
    }

    /// What was counted since the last call.
    pub fn take(&self) -> Value {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        json!({
            "list": take(&self.lists), "get": take(&self.gets), "put": take(&self.puts),
            "bytes_read": take(&self.bytes_read),
        })
    }
}

pub struct Counted {
    pub inner: LocalStore,
    pub requests: Arc<Requests>,
}

impl Store for Counted {
    fn root(&self) -> &Url {
        self.inner.root()
    }

    fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::new(CountedObjects { inner: self.inner.objects(), requests: self.requests.clone() })
    }

    fn prepare(&self) -> sluice_core::Result<()> {
        self.inner.prepare()
    }

    fn create(&self, name: &str) -> sluice_core::Result<Box<dyn DataFile>> {
        self.inner.create(name)
    }

    fn replace(&self, name: &str) -> sluice_core::Result<Box<dyn DataFile>> {
        self.inner.replace(name)
    }

    fn delete(&self, name: &str) -> sluice_core::Result<()> {
        self.inner.delete(name)
    }

    fn claim(&self, version: u64, commit: &[u8]) -> sluice_core::Result<Claim> {
        Requests::add(&self.requests.puts, 1);
        self.inner.claim(version, commit)
    }
}

#[derive(Debug)]
struct CountedObjects {
    inner: Arc<dyn ObjectStore>,
    requests: Arc<Requests>,
}

impl fmt::Display for CountedObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for CountedObjects {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        Requests::add(&self.requests.puts, 1);
        self.inner.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        Requests::add(&self.requests.gets, 1);
        let head = options.head;
        let got = self.inner.get_opts(at, options).await?;
        if !head {
            Requests::add(&self.requests.bytes_read, got.range.end - got.range.start);
        }
        Ok(got)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        Requests::add(&self.requests.lists, 1);
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        Requests::add(&self.requests.lists, 1);
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        Requests::add(&self.requests.lists, 1);
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
