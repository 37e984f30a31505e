//! Virtual time, and what runs in it: futures, and work that blocks on threads of [`crate::threads`]. One thing runs at a
//! time; which one of those that could, the seed says. What was run, and when, makes the digest by which two runs are compared.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use sluice_delta::world::{Driven, World};
use tokio::sync::oneshot;

use crate::threads::{self, Panic, Running, Threads, Work, Yielded};

/// Milliseconds since the simulation began.
pub type Millis = u64;

/// Of a worker's life from its start to its death; 0 is the world outside of the workers, which is never killed.
pub type ProcessId = usize;

pub const OUTSIDE: ProcessId = 0;

/// A simulation that needs more goes round in circles.
const MOST_STEPS: u64 = 1_000_000;

/// Where the machine's wall clock starts, in ms since the epoch. The Delta kernel asks the real one what has expired when it
/// makes a checkpoint: until the year 2100 nothing has, whenever a seed is run.
const EPOCH: i64 = 4_102_444_800_000;

type Id = u64;

enum Runs {
    Future(BoxFuture<'static, ()>),
    NotStarted(Work),
    Thread(Running),
}

struct Shared {
    rng: SmallRng,
    now: Duration,
    leapt: Millis,
    last_id: Id,
    /// New ones, each with its process.
    fresh: Vec<(Id, ProcessId, Runs)>,
    ready: BTreeSet<Id>,
    timers: BinaryHeap<Reverse<(Duration, Id, WakerCell)>>,
    stalled: BTreeMap<ProcessId, Duration>,
    killed: BTreeSet<ProcessId>,
    unburied: Vec<ProcessId>,
    /// How far the wall clock of a process is off, in ms.
    skew: BTreeMap<ProcessId, i64>,
    failure: Option<String>,
    trace: Option<Vec<String>>,
    digest: u64,
}

/// Timers are ordered by their time and number only.
struct WakerCell(Arc<Mutex<Timer>>);

#[derive(Default)]
struct Timer {
    over: bool,
    waker: Option<Waker>,
}

impl PartialEq for WakerCell {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for WakerCell {}
impl PartialOrd for WakerCell {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for WakerCell {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

/// The way to the machine, for everything in it.
#[derive(Clone)]
pub struct Sim {
    shared: Arc<Mutex<Shared>>,
    begun: Instant,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sim")
    }
}

struct Wakes {
    sim: Sim,
    id: Id,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.sim.shared().ready.insert(self.id);
    }
}

impl Sim {
    pub fn new(seed: u64, traced: bool) -> Sim {
        let shared = Shared {
            rng: SmallRng::seed_from_u64(seed),
            now: Duration::ZERO,
            leapt: 0,
            last_id: 0,
            fresh: Vec::new(),
            ready: BTreeSet::new(),
            timers: BinaryHeap::new(),
            stalled: BTreeMap::new(),
            killed: BTreeSet::new(),
            unburied: Vec::new(),
            skew: BTreeMap::new(),
            failure: None,
            trace: traced.then(Vec::new),
            digest: 0xcbf2_9ce4_8422_2325,
        };
        Sim { shared: Arc::new(Mutex::new(shared)), begun: Instant::now() }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> Millis {
        self.shared().now.as_millis() as Millis
    }

    /// What clocks show that are right.
    pub fn epoch_millis(&self) -> i64 {
        EPOCH + self.now() as i64
    }

    /// A number from 0 up to, not including, `below`.
    pub fn draw(&self, below: u64) -> u64 {
        self.shared().rng.random_range(0..below.max(1))
    }

    /// A number of the range, both ends included.
    pub fn between(&self, low: u64, high: u64) -> u64 {
        self.shared().rng.random_range(low..=high)
    }

    /// Whether something that happens `per_mille` times in a thousand happens.
    pub fn chance(&self, per_mille: u64) -> bool {
        self.draw(1000) < per_mille
    }

    /// One of the things, each of which happens so many times in a thousand; or none.
    pub fn one_of<T, const N: usize>(&self, things: [(u64, T); N]) -> Option<T> {
        let mut at = self.draw(1000);
        for (odds, thing) in things {
            if at < odds {
                return Some(thing);
            }
            at -= odds;
        }
        None
    }

    /// One line of the trace, made only when somebody reads it.
    pub fn trace(&self, line: impl FnOnce() -> String) {
        let mut shared = self.shared();
        if shared.trace.is_some() {
            let line = format!("{:>8} {}", shared.now.as_millis(), line());
            shared.trace.get_or_insert_default().push(line);
        }
    }

    pub fn take_trace(&self) -> Vec<String> {
        self.shared().trace.take().unwrap_or_default()
    }

    pub fn digest(&self) -> u64 {
        self.shared().digest
    }

    /// Makes something part of what two runs of a seed have to have in common.
    pub fn note(&self, value: u64) {
        let mut shared = self.shared();
        shared.digest = (shared.digest ^ value).wrapping_mul(0x0000_0100_0000_01b3);
    }

    /// The first one counts.
    pub fn fail(&self, why: String) {
        self.trace(|| format!("FAILED: {why}"));
        self.shared().failure.get_or_insert(why);
    }

    pub fn failure(&self) -> Option<String> {
        self.shared().failure.clone()
    }

    fn add(&self, process: ProcessId, runs: Runs) {
        let mut shared = self.shared();
        if shared.killed.contains(&process) {
            return;
        }
        shared.last_id += 1;
        let id = shared.last_id;
        shared.fresh.push((id, process, runs));
        shared.ready.insert(id);
    }

    pub fn spawn(&self, process: ProcessId, future: impl Future<Output = ()> + Send + 'static) {
        self.add(process, Runs::Future(future.boxed()));
    }

    pub fn sleep(&self, time: Duration) -> Sleep {
        let timer = Arc::new(Mutex::new(Timer::default()));
        let mut shared = self.shared();
        shared.last_id += 1;
        let at = (shared.now + time, shared.last_id, WakerCell(timer.clone()));
        shared.timers.push(Reverse(at));
        Sleep(timer)
    }

    pub fn sleep_ms(&self, time: Millis) -> Sleep {
        self.sleep(Duration::from_millis(time))
    }

    /// Nothing of the process runs for this long.
    pub fn stall(&self, process: ProcessId, time: Millis) {
        let mut shared = self.shared();
        let until = shared.now + Duration::from_millis(time);
        shared.stalled.insert(process, until);
    }

    /// Nothing of the process ever runs again. What it has sent is on its way.
    pub fn kill(&self, process: ProcessId) {
        let mut shared = self.shared();
        shared.killed.insert(process);
        shared.unburied.push(process);
    }

    /// So much time passes at once.
    pub fn leap(&self, time: Millis) {
        let mut shared = self.shared();
        shared.now += Duration::from_millis(time);
        shared.leapt += time;
    }

    /// How much time has passed, but for leaps.
    pub fn lived(&self) -> Millis {
        self.now() - self.shared().leapt
    }

    /// Sets the wall clock of a process off.
    pub fn skew(&self, process: ProcessId, millis: i64) {
        self.shared().skew.insert(process, millis);
    }

    pub fn world(&self, process: ProcessId) -> Arc<dyn World> {
        Arc::new(OfProcess { sim: self.clone(), process })
    }
}

pub struct Sleep(Arc<Mutex<Timer>>);

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut timer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if timer.over {
            return Poll::Ready(());
        }
        timer.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

struct OfProcess {
    sim: Sim,
    process: ProcessId,
}

impl fmt::Debug for OfProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.process)
    }
}

impl World for OfProcess {
    fn now(&self) -> Instant {
        let shared = self.sim.shared();
        self.sim.begun + shared.now
    }

    fn epoch_millis(&self) -> i64 {
        let shared = self.sim.shared();
        EPOCH + shared.now.as_millis() as i64 + shared.skew.get(&self.process).copied().unwrap_or(0)
    }

    fn random(&self) -> u128 {
        let mut shared = self.sim.shared();
        u128::from(shared.rng.next_u64()) << 64 | u128::from(shared.rng.next_u64())
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.sim.sleep(time).boxed()
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.sim.add(self.process, Runs::Future(future));
    }

    fn run(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let (ended, end) = oneshot::channel::<()>();
        // Dropped when the work has ended, however it has.
        let work = move || {
            let _ended = ended;
            work();
        };
        self.sim.add(self.process, Runs::NotStarted(Box::new(work)));
        Box::pin(async move {
            let _ = end.await;
        })
    }

    fn drive(&self, mut future: Driven<'_>) {
        if !threads::is_here() {
            // From outside of the machine, as the audit does: nothing of it takes time there.
            return futures::executor::block_on(future);
        }
        let id = THREAD.get();
        let waker = Waker::from(Arc::new(Wakes { sim: self.sim.clone(), id }));
        let mut context = Context::from_waker(&waker);
        while future.as_mut().poll(&mut context).is_pending() {
            threads::wait_here();
        }
    }
}

thread_local! {
    /// What runs on this thread.
    static THREAD: std::cell::Cell<Id> = const { std::cell::Cell::new(0) };
}

pub struct Machine {
    sim: Sim,
    threads: Threads,
    running: BTreeMap<Id, (ProcessId, Runs)>,
    pub steps: u64,
}

impl Machine {
    /// `threads` are used again from simulation to simulation.
    pub fn new(sim: Sim, threads: Threads) -> Machine {
        Machine { sim, threads, running: BTreeMap::new(), steps: 0 }
    }

    /// Runs until `done`, a failure, or until nothing is left that could ever run. Whether it is done.
    pub fn run(&mut self, done: &dyn Fn() -> bool, after_each_step: &mut dyn FnMut()) -> bool {
        loop {
            if done() {
                return true;
            }
            if self.sim.failure().is_some() {
                return false;
            }
            if self.steps > MOST_STEPS {
                self.sim.fail("no progress: it does not end".into());
            }
            match self.next() {
                Some(id) => self.step(id),
                None if self.let_time_pass() => continue,
                None => return false,
            }
            after_each_step();
        }
    }

    /// One of those that could run now.
    fn next(&mut self) -> Option<Id> {
        let mut shared = self.sim.shared();
        for (id, process, runs) in std::mem::take(&mut shared.fresh) {
            self.running.insert(id, (process, runs));
        }
        let dead = std::mem::take(&mut shared.unburied);
        if !dead.is_empty() {
            drop(shared);
            self.bury(&dead);
            shared = self.sim.shared();
        }
        let running = &self.running;
        shared.ready.retain(|id| running.contains_key(id));
        let now = shared.now;
        shared.stalled.retain(|_, until| *until > now);
        let awake =
            |id: &Id| running.get(id).is_some_and(|(process, _)| !shared.stalled.contains_key(process));
        let could: Vec<Id> = shared.ready.iter().copied().filter(awake).collect();
        let choice = match could.len() {
            0 => return None,
            1 => 0,
            n => shared.rng.random_range(0..n),
        };
        shared.ready.remove(&could[choice]);
        Some(could[choice])
    }

    fn bury(&mut self, killed: &[ProcessId]) {
        let dead: Vec<Id> = self
            .running
            .iter()
            .filter(|(_, (process, _))| killed.contains(process))
            .map(|(id, _)| *id)
            .collect();
        for id in dead {
            if let Some((_, Runs::Thread(thread))) = self.running.remove(&id) {
                self.threads.kill(&thread);
            }
        }
    }

    fn step(&mut self, id: Id) {
        self.steps += 1;
        self.sim.note(id);
        let Some((process, runs)) = self.running.remove(&id) else { return };
        let left = match runs {
            Runs::Future(mut future) => {
                let waker = Waker::from(Arc::new(Wakes { sim: self.sim.clone(), id }));
                let polled = catch_unwind(AssertUnwindSafe(|| {
                    future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
                }));
                match polled {
                    Ok(pending) => pending.then_some(Runs::Future(future)),
                    Err(panic) => {
                        self.panicked(&panic);
                        None
                    }
                }
            }
            Runs::NotStarted(work) => {
                let work = Box::new(move || {
                    THREAD.set(id);
                    work();
                });
                let (thread, yielded) = self.threads.start(work);
                self.of_thread(thread, yielded)
            }
            Runs::Thread(thread) => {
                let yielded = self.threads.go_on(&thread);
                self.of_thread(thread, yielded)
            }
        };
        if let Some(runs) = left {
            self.running.insert(id, (process, runs));
        }
    }

    fn of_thread(&self, thread: Running, yielded: Yielded) -> Option<Runs> {
        match yielded {
            Yielded::Waits => Some(Runs::Thread(thread)),
            Yielded::Ended(panic) => {
                panic.iter().for_each(|panic| self.panicked(panic));
                None
            }
        }
    }

    fn panicked(&self, panic: &Panic) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
        self.sim.fail(format!("panic: {text}"));
    }

    /// To the next moment at which something is due. False: there is none.
    fn let_time_pass(&mut self) -> bool {
        let mut shared = self.sim.shared();
        let timer = shared.timers.peek().map(|Reverse((at, ..))| *at);
        // Only what is stalled may be ready now.
        let stalled = shared.stalled.values().min().copied().filter(|_| !shared.ready.is_empty());
        let Some(next) = timer.into_iter().chain(stalled).min() else { return false };
        shared.now = shared.now.max(next);
        let now = shared.now;
        let mut due = Vec::new();
        while shared.timers.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            due.extend(shared.timers.pop().map(|Reverse((.., timer))| timer.0));
        }
        drop(shared);
        for timer in due {
            let mut timer = timer.lock().unwrap_or_else(PoisonError::into_inner);
            timer.over = true;
            let waker = timer.waker.take();
            drop(timer);
            waker.into_iter().for_each(Waker::wake);
        }
        true
    }

    /// Ends everything that is under way, and gives the threads back.
    pub fn end(mut self) -> Threads {
        loop {
            let fresh = std::mem::take(&mut self.sim.shared().fresh);
            for (id, process, runs) in fresh {
                self.running.insert(id, (process, runs));
            }
            let Some((id, _)) = self.running.first_key_value() else { break };
            let id = *id;
            if let Some((_, Runs::Thread(thread))) = self.running.remove(&id) {
                self.threads.kill(&thread);
            }
        }
        self.sim.shared().timers.clear();
        self.threads
    }
}
