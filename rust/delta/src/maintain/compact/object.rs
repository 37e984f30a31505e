//! The bytes of a data file.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::super::files::LiveFile;
use crate::store::{Store, store_error};

/// Files that are no larger are read with one request.
pub const SMALL_BYTES: u64 = 4 << 20;
/// Of others, read at once in the hope that it is the whole footer.
const FOOTER_BYTES: usize = 64 << 10;

pub struct ObjectFile {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    /// Of a small file.
    whole: Option<Bytes>,
}

impl ObjectFile {
    /// `whole`: what is in it, if that is known.
    pub fn new(store: &dyn Store, file: &LiveFile, whole: Option<Bytes>) -> sluice_core::Result<Self> {
        Ok(ObjectFile { objects: store.objects(), path: path_of(store, file)?, size: file.size, whole })
    }

    async fn whole(&mut self) -> Result<Option<&Bytes>> {
        if self.whole.is_none() && self.size <= SMALL_BYTES {
            let whole = self.objects.get_range(&self.path, 0..self.size).await.map_err(external)?;
            self.whole = Some(whole);
        }
        Ok(self.whole.as_ref())
    }
}

impl AsyncFileReader for ObjectFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            match self.whole().await? {
                Some(whole) => part(whole, range),
                None => self.objects.get_range(&self.path, range).await.map_err(external),
            }
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move {
            match self.whole().await? {
                Some(whole) => ranges.into_iter().map(|range| part(whole, range)).collect(),
                None => self.objects.get_ranges(&self.path, &ranges).await.map_err(external),
            }
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let size = self.size;
            let reader = ParquetMetaDataReader::new()
                .with_arrow_reader_options(options)
                .with_prefetch_hint(Some(FOOTER_BYTES));
            reader.load_and_finish(self, size).await.map(Arc::new)
        }
        .boxed()
    }
}

pub fn path_of(store: &dyn Store, file: &LiveFile) -> sluice_core::Result<Path> {
    let doing = || format!("cannot read {}", file.path);
    let url = store.root().join(&file.path).map_err(|e| store_error(&doing(), &e))?;
    Path::from_url_path(url.path()).map_err(|e| store_error(&doing(), &e))
}

fn part(whole: &Bytes, range: Range<u64>) -> Result<Bytes> {
    let places = range.start as usize..range.end as usize;
    if places.start > places.end || places.end > whole.len() {
        return Err(ParquetError::EOF(format!("bytes {range:?} of a file of {}", whole.len())));
    }
    Ok(whole.slice(places))
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}
