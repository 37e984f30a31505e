//! The way of a request to the store and back: time passes, and things go wrong as they do between a client and S3 or DynamoDB.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::future::BoxFuture;

use crate::machine::{Millis, OUTSIDE, ProcessId, Sim};

/// How often what goes wrong, in a thousand requests.
#[derive(Debug, Default, Clone, Copy)]
pub struct Odds {
    /// Nothing happens, and the client says so.
    pub refused: u64,
    /// It happens, and the reply is lost.
    pub lost_reply: u64,
    /// The client gives up, and it happens later all the same.
    pub late: u64,
    /// It happens, the client's own retry asks again, and that one's reply is seen.
    pub retried: u64,
    /// It takes very long.
    pub slow: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Well,
    Refused,
    LostReply,
    Late,
    Retried,
    Slow,
}

/// Shared by all processes of a simulation.
pub struct Net {
    pub sim: Sim,
    odds: Odds,
    /// Off: everything goes well from now on.
    faults: AtomicBool,
    /// Until then, in ms, every request fails.
    away_until: AtomicU64,
    pub requests: AtomicU64,
    pub harmed: AtomicU64,
}

/// What a request does there, as often as it arrives.
pub type Effect<T> = Arc<dyn Fn() -> BoxFuture<'static, T> + Send + Sync>;

impl Net {
    pub fn new(sim: Sim, odds: Odds) -> Arc<Net> {
        Arc::new(Net {
            sim,
            odds,
            faults: AtomicBool::new(true),
            away_until: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            harmed: AtomicU64::new(0),
        })
    }

    pub fn calm(&self) {
        self.faults.store(false, Ordering::Relaxed);
        self.away_until.store(0, Ordering::Relaxed);
    }

    pub fn go_away(&self, time: Millis) {
        self.away_until.store(self.sim.now() + time, Ordering::Relaxed);
    }

    /// Of a request for many things, one is not done.
    pub fn is_part_refused(&self) -> bool {
        let odds = self.odds.refused;
        odds > 0 && self.faults.load(Ordering::Relaxed) && self.sim.chance(odds)
    }

    fn fate(&self) -> Fate {
        if !self.faults.load(Ordering::Relaxed) {
            return Fate::Well;
        }
        if self.sim.now() < self.away_until.load(Ordering::Relaxed) {
            // What fails now may have been on its way before.
            return if self.sim.chance(50) { Fate::LostReply } else { Fate::Refused };
        }
        let odds = &self.odds;
        let fate = self.sim.one_of([
            (odds.refused, Fate::Refused),
            (odds.lost_reply, Fate::LostReply),
            (odds.late, Fate::Late),
            (odds.retried, Fate::Retried),
            (odds.slow, Fate::Slow),
        ]);
        fate.unwrap_or(Fate::Well)
    }

    /// `None`: the client has no reply. A request of a process that is killed meanwhile arrives or does not.
    pub fn request<T: Send + 'static>(
        self: &Arc<Self>,
        process: ProcessId,
        what: &'static str,
        effect: Effect<T>,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let net = self.clone();
        async move {
            if process == OUTSIDE {
                return Some(effect().await);
            }
            net.requests.fetch_add(1, Ordering::Relaxed);
            let fate = net.fate();
            if fate != Fate::Well {
                net.harmed.fetch_add(1, Ordering::Relaxed);
                net.sim.trace(|| format!("process {process}: {what} goes {fate:?}"));
            }
            let there = match fate {
                Fate::Slow => net.sim.between(1_000, 40_000),
                _ => net.sim.between(1, 30),
            };
            net.sim.sleep_ms(there).await;
            match fate {
                Fate::Refused => {
                    net.sim.sleep_ms(net.sim.between(1, 2_000)).await;
                    None
                }
                Fate::LostReply => {
                    effect().await;
                    net.sim.sleep_ms(net.sim.between(1, 5_000)).await;
                    None
                }
                Fate::Late => {
                    let late = net.sim.between(100, 60_000);
                    let sim = net.sim.clone();
                    net.sim.spawn(OUTSIDE, async move {
                        sim.sleep_ms(late).await;
                        sim.trace(|| format!("process {process}: {what} arrives late"));
                        effect().await;
                    });
                    net.sim.sleep_ms(net.sim.between(1, 5_000)).await;
                    None
                }
                Fate::Retried => {
                    effect().await;
                    net.sim.sleep_ms(net.sim.between(1, 500)).await;
                    Some(effect().await)
                }
                Fate::Well | Fate::Slow => {
                    let outcome = effect().await;
                    net.sim.sleep_ms(net.sim.between(1, 30)).await;
                    Some(outcome)
                }
            }
        }
    }
}
