//! One task's handle on a table: encodes its rows in the background and passes its units on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use sluice_core::error::{Code, Error, Result};
use sluice_core::offsets::Interval;
use sluice_core::schema::Schema;
use sluice_core::settings::{Compression, OtherConnectors};
use sluice_core::table::TableInfo;
use sluice_core::task::{Event, Table};
use tokio::sync::mpsc;
use tracing::Span;

use crate::budget::Share;
use crate::coming::{Announced, Coming};
use crate::commit::Submission;
use crate::encoders::Encoders;
use crate::fail_point::FailPoint;
use crate::outage::Attempts;
use crate::serve::{Ask, Request, Service, What};
use crate::store::Store;
use crate::table::Spec;
use crate::unit::{Outcome, StagedUnit};
use crate::world::World;
use crate::writer::UnitWriter;

/// How a task writes its files, and for how long it tries while the store fails.
pub(crate) struct Writing {
    pub world: Arc<dyn World>,
    pub store: Arc<dyn Store>,
    pub compression: Compression,
    pub target_bytes: u64,
    pub connector: String,
    pub task: String,
    pub patience: Duration,
    pub linger: Duration,
    pub other_connectors: OtherConnectors,
}

enum Order {
    Write(Arc<TableInfo>, RecordBatch),
    Commit(Vec<Interval>, Announced),
    Discard,
}

pub struct DeltaTable {
    /// None where the table cannot be opened at all.
    way: Option<Way>,
    events: std_mpsc::Receiver<Event>,
    backlog: Arc<AtomicUsize>,
}

struct Way {
    world: Arc<dyn World>,
    share: Arc<Share>,
    spec: Spec,
    patience: Duration,
    /// After a failed write the table is not asked for offsets before: its rows would come, and fail, at once.
    loads_from: Arc<Mutex<Instant>>,
    coming: Coming,
    requests: mpsc::UnboundedSender<Request>,
    orders: mpsc::UnboundedSender<Order>,
    replies: std_mpsc::Sender<Event>,
}

impl DeltaTable {
    pub(crate) fn start(
        encoders: Encoders,
        writing: Writing,
        share: Share,
        spec: Spec,
        service: Service,
    ) -> Self {
        let Service { requests, outage, coming } = service;
        let (replies, events) = std_mpsc::channel();
        let (orders, receiver) = mpsc::unbounded_channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let loads_from = Arc::new(Mutex::new(writing.world.now()));
        let (patience, world, share) = (writing.patience, writing.world.clone(), Arc::new(share));
        let worker = Worker {
            writing: Arc::new(writing),
            loads_from: loads_from.clone(),
            requests: requests.clone(),
            replies: replies.clone(),
            backlog: backlog.clone(),
            share: share.clone(),
            span: Span::current(),
        };
        world.spawn(Box::pin(worker.run(encoders, receiver, Attempts::new(outage))));
        let way = Way { world, share, spec, patience, loads_from, coming, requests, orders, replies };
        DeltaTable { way: Some(way), events, backlog }
    }

    pub(crate) fn failed(error: Error) -> Self {
        let (replies, events) = std_mpsc::channel();
        // The receiver is right here.
        let _ = replies.send(Event::Failed(error));
        DeltaTable { way: None, events, backlog: Arc::default() }
    }

    fn order(&self, order: Order) {
        if let Some(way) = &self.way
            && way.orders.send(order).is_err()
        {
            let _ = way.replies.send(Event::Failed(ended()));
        }
    }
}

impl Way {
    fn ask(&self, what: What) {
        let from = *self.loads_from.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = from.saturating_duration_since(self.world.now());
        let later = matches!(what, What::Load(..)) && !wait.is_zero();
        let span = Span::current();
        let ask = Request::Ask(Ask { spec: self.spec.clone(), patience: self.patience, span, what });
        let requests = self.requests.clone();
        // A request that cannot be sent is dropped, and its reply tells.
        if later {
            let waited = self.world.sleep(wait);
            self.world.spawn(Box::pin(async move {
                waited.await;
                let _ = requests.send(ask);
            }));
        } else {
            let _ = requests.send(ask);
        }
    }
}

impl Table for DeltaTable {
    fn load(&mut self, app_ids: Vec<String>) {
        let Some(way) = &self.way else { return };
        let mut reply = Reply::new(&way.replies);
        let reply = Box::new(move |loaded| match loaded {
            Ok((table, offsets)) => reply.send(Event::Loaded { table, offsets }),
            Err(error) => reply.send(Event::Failed(error)),
        });
        way.ask(What::Load(app_ids, reply));
    }

    fn evolve(&mut self, wanted: Schema) {
        let Some(way) = &self.way else { return };
        let mut reply = Reply::new(&way.replies);
        let reply = Box::new(move |evolved| match evolved {
            Ok(table) => reply.send(Event::Evolved { table }),
            Err(error) => reply.send(Event::Failed(error)),
        });
        way.ask(What::Evolve(wanted, reply));
    }

    fn write(&mut self, table: &Arc<TableInfo>, rows: RecordBatch) {
        let Some(way) = &self.way else { return };
        let bytes = rows.get_array_memory_size();
        self.backlog.fetch_add(bytes, Ordering::Relaxed);
        way.share.add(bytes);
        self.order(Order::Write(table.clone(), rows));
    }

    fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Relaxed)
    }

    fn held(&self) -> usize {
        self.way.as_ref().map_or(0, |way| way.share.held())
    }

    fn lacks_memory(&self) -> bool {
        self.way.as_ref().is_some_and(|way| way.share.is_short())
    }

    fn commit(&mut self, intervals: Vec<Interval>) {
        if let Some(way) = &self.way {
            self.order(Order::Commit(intervals, way.coming.announce()));
        }
    }

    fn discard(&mut self) {
        self.order(Order::Discard);
    }

    fn poll(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}

fn ended() -> Error {
    Error::new(Code::NativePanic, "the table's background work ended; the worker's log has the reason")
}

/// A reply that is always given: when it is dropped unsent, its work died.
struct Reply {
    to: Option<std_mpsc::Sender<Event>>,
}

impl Reply {
    fn new(to: &std_mpsc::Sender<Event>) -> Self {
        Reply { to: Some(to.clone()) }
    }

    fn send(&mut self, event: Event) {
        if let Some(to) = self.to.take() {
            // The task may be gone.
            let _ = to.send(event);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.send(Event::Failed(ended()));
    }
}

/// Carries out a task's orders, in their order.
struct Worker {
    writing: Arc<Writing>,
    loads_from: Arc<Mutex<Instant>>,
    requests: mpsc::UnboundedSender<Request>,
    replies: std_mpsc::Sender<Event>,
    backlog: Arc<AtomicUsize>,
    share: Arc<Share>,
    /// Whose rows they are, for the log.
    span: Span,
}

/// The open unit. After a failed write nothing more is written until it is discarded.
struct OpenUnit {
    writer: Option<UnitWriter>,
    /// What of the share is the writer's.
    held: usize,
    failed: bool,
    attempts: Attempts,
}

impl OpenUnit {
    fn discard(&mut self) {
        self.writer.take().into_iter().for_each(UnitWriter::discard);
    }

    fn weigh(&mut self, share: &Share) {
        let held = self.writer.as_ref().map_or(0, UnitWriter::held);
        share.add(held.saturating_sub(self.held));
        share.remove(self.held.saturating_sub(held));
        self.held = held;
    }
}

impl Worker {
    async fn run(self, encoders: Encoders, mut orders: mpsc::UnboundedReceiver<Order>, attempts: Attempts) {
        let worker = Arc::new(self);
        let mut open = OpenUnit { writer: None, held: 0, failed: false, attempts };
        while let Some(first) = orders.recv().await {
            let mut ready = VecDeque::from([first]);
            while let Ok(order) = orders.try_recv() {
                ready.push_back(order);
            }
            let at_work = worker.clone();
            let done = encoders.run(&*worker.writing.world, move || {
                let _of_task = at_work.span.enter();
                for order in ready {
                    at_work.carry_out(order, &mut open);
                    open.weigh(&at_work.share);
                }
                open
            });
            match done.await {
                Some(back) => open = back,
                None => {
                    let _ = worker.replies.send(Event::Failed(ended()));
                    return;
                }
            }
        }
        // The task is gone. What it had open is nobody's.
        let at_work = worker.clone();
        let _ = encoders.run(&*worker.writing.world, move || at_work.span.in_scope(|| open.discard())).await;
    }

    fn carry_out(&self, order: Order, open: &mut OpenUnit) {
        match order {
            Order::Write(table, rows) => {
                let bytes = rows.get_array_memory_size();
                let written = if open.failed { Ok(()) } else { self.write(open, &table, &rows) };
                self.backlog.fetch_sub(bytes, Ordering::Relaxed);
                self.share.remove(bytes);
                self.see(written, open, false);
            }
            Order::Commit(..) if open.failed => self.tell(Event::Unwritten { put_up: true }),
            Order::Commit(intervals, _announced) => {
                let submitted = self.submit(open, intervals);
                self.see(submitted, open, true);
            }
            Order::Discard => {
                open.failed = false;
                open.discard();
            }
        }
    }

    /// After a failure: drops the unit, and says whether it is worth reading its rows again.
    fn see(&self, done: Result<()>, open: &mut OpenUnit, put_up: bool) {
        let Err(error) = done else { return };
        open.failed = true;
        open.discard();
        let failure = open.attempts.failed(error);
        self.tell(match failure.left(self.writing.patience) {
            Some(left) => {
                let from = self.writing.world.now() + open.attempts.wait(&failure, left);
                *self.loads_from.lock().unwrap_or_else(PoisonError::into_inner) = from;
                Event::Unwritten { put_up }
            }
            None => {
                open.attempts.stop();
                Event::Failed(failure.last())
            }
        });
    }

    fn tell(&self, event: Event) {
        // The task may be gone.
        let _ = self.replies.send(event);
    }

    fn write(&self, open: &mut OpenUnit, table: &Arc<TableInfo>, rows: &RecordBatch) -> Result<()> {
        let writing = &self.writing;
        let new = || {
            let world = writing.world.clone();
            UnitWriter::new(writing.store.clone(), world, writing.compression, writing.target_bytes)
        };
        open.writer.get_or_insert_with(new).write(table, rows)
    }

    fn submit(&self, open: &mut OpenUnit, intervals: Vec<Interval>) -> Result<()> {
        let files = open.writer.take().map_or(Ok(vec![]), UnitWriter::finish)?;
        if !files.is_empty() {
            open.attempts.succeeded();
        }
        self.writing.world.reached(FailPoint::UnitStaged);
        let unit = StagedUnit {
            connector: self.writing.connector.clone(),
            task: self.writing.task.clone(),
            files,
            intervals,
            other_connectors: self.writing.other_connectors,
        };
        let written = unit.written();
        let mut reply = Reply::new(&self.replies);
        let outcome = Box::new(move |outcome| {
            reply.send(match outcome {
                Outcome::Committed { version, table } => Event::Committed { version, table, written },
                Outcome::Fenced { reason } => Event::Fenced { reason },
                Outcome::Failed(error) => Event::Failed(error),
            });
        });
        // A submission that cannot be sent is dropped, and its reply tells.
        let _ = self.requests.send(Request::Commit(Submission {
            unit,
            patience: self.writing.patience,
            linger: self.writing.linger,
            span: Span::current(),
            outcome,
        }));
        Ok(())
    }
}
