//! Serving one table: its requests one after the other, and again what a failure of its store stopped.

use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use sluice_core::error::{Error, Result};
use sluice_core::schema::Schema;
use sluice_core::table::TableInfo;
use tokio::sync::{Semaphore, mpsc};
use tracing::Span;
use uuid::Uuid;

use crate::alter::Alter;
use crate::coming::Coming;
use crate::commit::{Group, Submission};
use crate::maintain::lease::Turn;
use crate::maintain::rewrite::{Rewriting, Rewritten};
use crate::outage::{Attempts, Outage};
use crate::table::{Loaded, Spec, TableState};
use crate::unit::Outcome;

/// How long a unit waits at least for those of other tasks, of which some may be about to be announced.
const GROUP_LINGER: Duration = Duration::from_millis(10);

/// How long a table that nothing has worked with yet is tried: its location may be misspelt.
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(60);

pub(crate) type EvolveReply = Box<dyn FnOnce(Result<Arc<TableInfo>>) + Send>;
/// Whether there was something to alter.
pub(crate) type AlterReply = Box<dyn FnOnce(Result<bool>) + Send>;
pub(crate) type LoadReply = Box<dyn FnOnce(Result<Loaded>) + Send>;
pub(crate) type RewriteReply = Box<dyn FnOnce(Result<Rewritten>) + Send>;
pub(crate) type TurnReply = Box<dyn FnOnce(Result<Turn>) + Send>;

pub(crate) enum Request {
    Ask(Ask),
    Commit(Submission),
}

/// The way to a table.
pub(crate) struct Service {
    pub requests: mpsc::UnboundedSender<Request>,
    pub outage: Arc<Outage>,
    pub coming: Coming,
}

/// What is asked of a table, and for how long it is tried while the store fails.
pub(crate) struct Ask {
    pub spec: Spec,
    pub patience: Duration,
    /// Who asks, for the log.
    pub span: Span,
    pub what: What,
}

pub(crate) enum What {
    Load(Vec<String>, LoadReply),
    Evolve(Schema, EvolveReply),
    Alter(Alter, AlterReply),
    Rewrite(Box<Rewriting>, RewriteReply),
    Turn(TurnReply),
}

impl What {
    /// Commits do not wait for it.
    fn is_upkeep(&self) -> bool {
        matches!(self, What::Rewrite(..) | What::Turn(_))
    }

    /// Does it and replies. After an error it can be tried again.
    fn work(self, spec: &Spec, state: &mut TableState) -> std::result::Result<(), (What, Error)> {
        match self {
            What::Load(app_ids, reply) => replied(reply, state.load(spec, app_ids.clone()))
                .map_err(|(reply, error)| (What::Load(app_ids, reply), error)),
            What::Evolve(wanted, reply) => replied(reply, state.evolve(spec, &wanted))
                .map_err(|(reply, error)| (What::Evolve(wanted, reply), error)),
            What::Alter(alter, reply) => replied(reply, state.alter(&alter))
                .map_err(|(reply, error)| (What::Alter(alter, reply), error)),
            What::Rewrite(mut rewriting, reply) => replied(reply, state.rewrite(&mut rewriting))
                .map_err(|(reply, error)| (What::Rewrite(rewriting, reply), error)),
            What::Turn(reply) => {
                replied(reply, state.take_turn()).map_err(|(reply, error)| (What::Turn(reply), error))
            }
        }
    }

    fn fail(self, error: Error) {
        match self {
            What::Load(_, reply) => reply(Err(error)),
            What::Evolve(_, reply) => reply(Err(error)),
            What::Alter(_, reply) => reply(Err(error)),
            What::Rewrite(_, reply) => reply(Err(error)),
            What::Turn(reply) => reply(Err(error)),
        }
    }
}

/// After an error the reply is still to be given.
fn replied<T, R: FnOnce(Result<T>)>(reply: R, done: Result<T>) -> std::result::Result<(), (R, Error)> {
    match done {
        Ok(done) => {
            reply(Ok(done));
            Ok(())
        }
        Err(error) => Err((reply, error)),
    }
}

/// What is not done yet.
#[derive(Default)]
struct Waiting {
    /// It may have landed. Settled before anything else, which would read the log past it; and units that come meanwhile
    /// may start where these end.
    group: Option<Group>,
    asks: VecDeque<Ask>,
    units: Vec<Submission>,
    /// Comes last.
    upkeep: VecDeque<Ask>,
}

impl Waiting {
    fn add(&mut self, request: Request) {
        match request {
            Request::Ask(ask) if ask.what.is_upkeep() => self.upkeep.push_back(ask),
            Request::Ask(ask) => self.asks.push_back(ask),
            Request::Commit(unit) => self.units.push(unit),
        }
    }

    fn is_empty(&self) -> bool {
        self.group.is_none() && self.asks.is_empty() && self.units.is_empty() && self.upkeep.is_empty()
    }

    /// Where the next ask is, if there is one.
    fn queue(&mut self) -> &mut VecDeque<Ask> {
        if self.asks.is_empty() { &mut self.upkeep } else { &mut self.asks }
    }

    /// It is the next one again.
    fn put_back(&mut self, ask: Ask) {
        let queue = if ask.what.is_upkeep() { &mut self.upkeep } else { &mut self.asks };
        queue.push_front(ask);
    }

    /// What comes next, and whose it is, for the log.
    fn take_up(&mut self, state: &TableState) -> Span {
        if self.group.is_none() && self.asks.is_empty() && !self.units.is_empty() {
            self.group = Some(self.next_group(state.world.uuid()));
        }
        let span = match &self.group {
            Some(group) => Some(group.span.clone()),
            None => self.queue().front().map(|ask| ask.span.clone()),
        };
        span.unwrap_or_else(Span::none)
    }

    /// Does what was taken up.
    fn advance(&mut self, state: &mut TableState) -> Result<()> {
        if let Some(group) = &mut self.group {
            state.commit(group)?;
            self.group = None;
        } else if let Some(Ask { spec, patience, span, what }) = self.queue().pop_front() {
            let Err((what, error)) = what.work(&spec, state) else { return Ok(()) };
            self.put_back(Ask { spec, patience, span, what });
            return Err(error);
        }
        Ok(())
    }

    /// As many units as can go together, in their order. A commit holds one `txn` for an app id: a second unit for it
    /// starts from the first one's end.
    fn next_group(&mut self, id: Uuid) -> Group {
        let mut app_ids = HashSet::new();
        let (group, later) =
            std::mem::take(&mut self.units).into_iter().partition(|submission: &Submission| {
                let ids = || submission.unit.intervals.iter().map(|interval| interval.app_id.clone());
                let free = ids().all(|id| !app_ids.contains(&id));
                app_ids.extend(ids());
                free
            });
        self.units = later;
        Group::new(id, group)
    }

    /// Ends what is not tried any longer. How long to wait for the next try; none: what is next is another thing.
    fn failed(&mut self, error: Error, attempts: &mut Attempts) -> Option<Duration> {
        let failure = attempts.failed(error);
        let mut longest = None;
        if let Some(group) = &mut self.group {
            for submission in std::mem::take(&mut group.units) {
                match failure.left(submission.patience) {
                    Some(left) => {
                        longest = longest.max(Some(left));
                        group.units.push(submission);
                    }
                    None => submission.end(Outcome::Failed(failure.last())),
                }
            }
            if group.units.is_empty() {
                self.group = None;
            }
        } else if let Some(ask) = self.queue().pop_front() {
            let worked = attempts.outage().worked();
            longest = failure.left(if worked { ask.patience } else { ask.patience.min(PATIENCE_AT_FIRST) });
            match longest {
                Some(_) => self.put_back(ask),
                None => ask.what.fail(failure.last()),
            }
        }
        longest.map(|left| attempts.wait(&failure, left))
    }

    /// Does everything, as far as the store lets it. How long to wait before going on.
    fn work_off(&mut self, state: &mut TableState, attempts: &mut Attempts) -> Option<Duration> {
        while !self.is_empty() {
            let wait = self.take_up(state).in_scope(|| match self.advance(state) {
                Ok(()) => {
                    attempts.succeeded();
                    None
                }
                Err(error) => self.failed(error, attempts),
            });
            if wait.is_some() {
                return wait;
            }
        }
        attempts.stop();
        None
    }
}

/// Serves one table on blocking threads, one request after the other; units that are ready together go together. Ends
/// when every task that has the table open has let go.
pub(crate) async fn serve(
    mut state: TableState,
    mut requests: mpsc::UnboundedReceiver<Request>,
    at_work: Arc<Semaphore>,
    outage: Arc<Outage>,
    coming: Coming,
) {
    let world = state.world.clone();
    let mut waiting = Waiting::default();
    let mut attempts = Attempts::new(outage);
    loop {
        if waiting.is_empty() {
            let Some(first) = requests.recv().await else { return };
            waiting.add(first);
            if let Some(unit) = waiting.units.first() {
                let until = world.now() + unit.linger;
                world.sleep(GROUP_LINGER).await;
                while coming.any() && world.now() < until {
                    world.sleep(GROUP_LINGER).await;
                }
            }
        }
        let queued = world.now();
        let Ok(permit) = at_work.clone().acquire_owned().await else { return };
        state.meter.counts().queue_time += world.now().saturating_duration_since(queued);
        while let Ok(request) = requests.try_recv() {
            waiting.add(request);
        }
        let served = world.blocking(move || {
            let _permit = permit;
            let wait = waiting.work_off(&mut state, &mut attempts);
            (state, waiting, attempts, wait)
        });
        let wait;
        match served.await {
            Some(back) => (state, waiting, attempts, wait) = back,
            // The panic hook has reported it; tasks learn it from their replies being dropped.
            None => return,
        }
        if let Some(wait) = wait {
            let mut over = world.sleep(wait);
            while let Either::Left((request, _)) = select(pin!(requests.recv()), &mut over).await {
                // What is left when nobody is there any more is nobody's: what of it landed has landed.
                let Some(request) = request else { return };
                waiting.add(request);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_core::error::Code;

    use super::*;
    use crate::world::of_tests;

    #[test]
    fn a_table_that_never_worked_is_tried_for_a_minute() {
        for (worked, fails) in [(false, true), (true, false)] {
            let outage = Outage::of(of_tests(), "t");
            if worked {
                Attempts::new(outage.clone()).succeeded();
            }
            let mut attempts = Attempts::failing_for(outage, PATIENCE_AT_FIRST);
            let (reply, answer) = std::sync::mpsc::channel();
            let reply: LoadReply = Box::new(move |loaded| reply.send(loaded.map(drop)).unwrap_or_default());
            let patience = Duration::from_secs(3600);
            let mut waiting = Waiting::default();
            waiting.add(Request::Ask(Ask {
                spec: Spec::default(),
                patience,
                span: Span::none(),
                what: What::Load(vec![], reply),
            }));
            let wait = waiting.failed(Error::new(Code::StoreIo, "away"), &mut attempts);
            assert_eq!((wait.is_none(), waiting.is_empty()), (fails, fails));
            assert_eq!(answer.try_recv().is_ok(), fails);
        }
    }
}
