//! Harm to single requests between the workers and their stores.

use sluice_testkit::{Fault, FaultProxy, Kind, Reply, Request};

use super::random::{Deck, Random};
use super::stage::Stage;
use super::stores::Stores;

#[derive(Debug, Clone, Copy)]
enum Harm {
    /// The store says no; nothing has happened.
    Error,
    /// The store has done it and says that it failed.
    LostReply,
    Reset,
    /// The store has done it, and the connection is gone.
    ResetAfter,
    /// The store sees the request later.
    Late,
    LateReply,
    Trickle,
    /// For a while all replies come late.
    Slow,
    /// For a while listings are old.
    Stale,
    /// For a while nobody answers.
    Unreachable,
}

const HARMS: [Harm; 13] = [
    Harm::Error,
    Harm::Error,
    Harm::LostReply,
    Harm::LostReply,
    Harm::Reset,
    Harm::ResetAfter,
    Harm::ResetAfter,
    Harm::Late,
    Harm::LateReply,
    Harm::Trickle,
    Harm::Slow,
    Harm::Stale,
    Harm::Unreachable,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    S3,
    DynamoDb,
}

impl Store {
    fn name(self) -> &'static str {
        match self {
            Store::S3 => "S3",
            Store::DynamoDb => "DynamoDB",
        }
    }

    fn errors(self) -> [Reply; 3] {
        match self {
            Store::S3 => [(500, "InternalError"), (503, "SlowDown"), (429, "TooManyRequests")]
                .map(|(status, code)| Reply::s3(status, code)),
            Store::DynamoDb => [
                (400, "ProvisionedThroughputExceededException"),
                (400, "ThrottlingException"),
                (500, "InternalServerError"),
            ]
            .map(|(status, code)| Reply::dynamodb(status, code)),
        }
    }

    /// What claims or completes a version.
    fn decides(self, request: &Request) -> bool {
        match self {
            Store::S3 => {
                let writes = matches!(request.kind, Kind::PutObject | Kind::CopyObject);
                writes && request.target.contains("/_delta_log/")
            }
            Store::DynamoDb => matches!(request.kind, Kind::PutItem | Kind::UpdateItem),
        }
    }
}

struct Harmer<'a> {
    store: Store,
    proxy: &'a FaultProxy,
    stage: &'a Stage,
    random: Random,
}

/// Harms a store until the end, then heals it.
pub fn harm(store: Store, proxy: &FaultProxy, stage: &Stage, seed: u64) {
    let random = Random::new(seed, 10 + store as u64);
    let mut harmer = Harmer { store, proxy, stage, random };
    let mut deck = Deck::new(&HARMS);
    while !stage.has_ended() {
        let quiet = harmer.random.millis(500, 5_000);
        stage.pause(quiet);
        let harm = deck.draw(&mut harmer.random);
        harmer.apply(harm);
    }
}

impl Harmer<'_> {
    fn apply(&mut self, harm: Harm) {
        let (store, proxy, name) = (self.store, self.proxy, self.store.name());
        let before = proxy.faults();
        let count = self.random.between(1, 6);
        let mut time = self.random.millis(1_000, 5_000);
        // Half of what hits single requests hits those that decide.
        let decisive = self.random.between(0, 1) == 0;
        let when = move |request: &Request| !decisive || store.decides(request);
        let reply = store.errors()[self.random.index(3)].clone();
        let single = |fault: Fault| proxy.next(count, when, fault);
        let event = match harm {
            Harm::Error => {
                let event = format!("{name} answers {}", reply.status);
                single(Fault::Answer(reply));
                event
            }
            Harm::LostReply => {
                single(Fault::AnswerAfter(Reply { status: reply.status.max(500), ..reply }));
                format!("{name} did it and says that it failed")
            }
            Harm::Reset => {
                single(Fault::Reset);
                format!("{name} resets before it acts")
            }
            Harm::ResetAfter => {
                single(Fault::ResetAfter);
                format!("{name} resets after it acted")
            }
            Harm::Late => {
                single(Fault::Delay(self.random.millis(200, 4_000)));
                format!("{name} gets requests late")
            }
            Harm::LateReply => {
                single(Fault::DelayReply(self.random.millis(200, 6_000)));
                format!("{name} answers late")
            }
            Harm::Trickle => {
                single(Fault::Trickle(self.random.millis(500, 3_000)));
                format!("{name} answers bit by bit")
            }
            Harm::Slow => {
                proxy.always(|_| true, Fault::DelayReply(self.random.millis(50, 400)));
                format!("{name} is slow")
            }
            // DynamoDB is always read consistently, and by POST: there is nothing old to give.
            Harm::Stale if store == Store::S3 => {
                proxy.always(|request| request.kind == Kind::List, Fault::Stale);
                format!("{name} gives old listings")
            }
            Harm::Stale | Harm::Unreachable => {
                time = self.random.millis(500, 8_000);
                proxy.set_reachable(false);
                format!("{name} is not reachable")
            }
        };
        self.stage.pause(time);
        proxy.heal();
        proxy.set_reachable(true);
        let met = proxy.faults() - before;
        // While nobody answers, requests are not even read.
        if met > 0 || matches!(harm, Harm::Stale | Harm::Unreachable) {
            let of = if decisive { "those that decide" } else { "any" };
            self.stage.happened(&event, &format!("{met} requests, of {of}, in {} ms", time.as_millis()));
        }
    }
}

/// Requests that have met with a fault.
pub fn harmed(stores: &Stores) -> u64 {
    stores.s3_proxy.faults() + stores.dynamodb_proxy().map_or(0, FaultProxy::faults)
}
