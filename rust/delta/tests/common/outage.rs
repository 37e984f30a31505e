//! Parts of a store that fail for a while, and what the log is told of it.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use sluice_core::{Code, Error, Result};
use sluice_delta::store::DataFile;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    Claim,
    /// The version is claimed, and nobody is told.
    ClaimReply,
    /// Reading and listing.
    Read,
    Create,
    Finish,
}

pub const EVERYTHING: [Part; 4] = [Part::Claim, Part::Read, Part::Create, Part::Finish];

#[derive(Default)]
pub struct Outages {
    until: Mutex<Vec<(Part, Instant)>>,
    /// How many calls failed.
    pub failed: AtomicUsize,
    /// What was asked of the log.
    asked: Mutex<Vec<String>>,
    /// What another writer puts in the place of an object just before it is read.
    pub replaces: Mutex<Option<(Path, Vec<u8>)>>,
    reading: AtomicUsize,
    /// How many reads there were at once, at most.
    pub reads_at_once: AtomicUsize,
}

impl Outages {
    pub fn begin(&self, parts: &[Part], lasts: Duration) {
        let until = Instant::now() + lasts;
        self.until.lock().unwrap().extend(parts.iter().map(|part| (*part, until)));
    }

    pub fn end(&self) {
        self.until.lock().unwrap().clear();
    }

    pub fn note(&self, asked: String) {
        self.asked.lock().unwrap().push(asked);
    }

    /// What was asked of the log since the last call, such as `GET 7.json`.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    pub fn check(&self, part: Part) -> Result<()> {
        let now = Instant::now();
        if self.until.lock().unwrap().iter().any(|(failing, until)| *failing == part && now < *until) {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return Err(Error::new(Code::StoreIo, format!("the store is away ({part:?})")));
        }
        Ok(())
    }
}

pub struct FaultyFile {
    pub inner: Box<dyn DataFile>,
    pub outages: Arc<Outages>,
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl DataFile for FaultyFile {
    fn finish(&mut self) -> Result<u64> {
        self.outages.check(Part::Finish)?;
        self.inner.finish()
    }
}

pub struct FaultyObjects {
    pub inner: Arc<dyn ObjectStore>,
    pub outages: Arc<Outages>,
}

impl FaultyObjects {
    fn check(&self) -> object_store::Result<()> {
        let failed = |error: Error| object_store::Error::Generic { store: "test", source: Box::new(error) };
        self.outages.check(Part::Read).map_err(failed)
    }

    fn note(&self, method: &str, at: &Path) {
        let name = at.filename().unwrap_or_default();
        let short = name.trim_start_matches('0');
        self.outages.note(format!("{method} {}{short}", if short.starts_with('.') { "0" } else { "" }));
    }
}

impl fmt::Debug for FaultyObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Display for FaultyObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for FaultyObjects {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.inner.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.note(if options.head { "HEAD" } else { "GET" }, at);
        let replaced = self.outages.replaces.lock().unwrap().take_if(|(path, _)| path == at);
        if let Some((path, content)) = replaced {
            self.inner.put_opts(&path, content.into(), PutOptions::default()).await?;
        }
        self.check()?;
        let reading = self.outages.reading.fetch_add(1, Ordering::Relaxed) + 1;
        self.outages.reads_at_once.fetch_max(reading, Ordering::Relaxed);
        let read = self.inner.get_opts(at, options).await;
        self.outages.reading.fetch_sub(1, Ordering::Relaxed);
        read
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.outages.note("LIST".into());
        match self.check() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.outages.note("LIST".into());
        match self.check() {
            Ok(()) => self.inner.list_with_offset(prefix, offset),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.check()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// The lines of every test of this process.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub fn listen() {
    // The tests share one listener.
    let _ = tracing::subscriber::set_global_default(Listener);
}

/// Warnings, and ends of outages, that name this.
pub fn told(name: &str) -> Vec<String> {
    let of_outage = |line: &String| !line.starts_with("INFO") || line.contains("works again");
    said(name).into_iter().filter(of_outage).collect()
}

/// All lines that name this.
pub fn said(name: &str) -> Vec<String> {
    LINES.lock().unwrap().iter().filter(|line| line.contains(name)).cloned().collect()
}

struct Listener;

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sluice") && *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        LINES.lock().unwrap().push(format!("{} {}", event.metadata().level(), message.0));
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}
