//! Threads that run one at a time, each only while the scheduler lets it: blocking code of the product is stopped and gone on
//! with like a future is. They are used again: a simulation starts thousands of them.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

pub type Work = Box<dyn FnOnce() + Send>;
pub type Panic = Box<dyn Any + Send>;

/// What a thread that belongs to a killed process unwinds with.
struct Killed;

#[derive(Default)]
struct Seat {
    turn: Mutex<Turn>,
    changed: Condvar,
}

#[derive(Default)]
enum Turn {
    #[default]
    Idle,
    Start(Work),
    Go,
    Die,
    /// It waits for something.
    Waits,
    Ended(Option<Panic>),
}

/// How a turn of a thread ended.
pub enum Yielded {
    Waits,
    /// With the panic that it ended by, if it did.
    Ended(Option<Panic>),
}

thread_local! {
    static SEAT: RefCell<Option<Arc<Seat>>> = const { RefCell::new(None) };
}

impl Seat {
    /// Gives the turn away and waits until it comes back.
    fn swap(&self, turn: Turn, mine: fn(&Turn) -> bool) -> Turn {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = turn;
        self.changed.notify_all();
        self.wait(mine)
    }

    fn wait(&self, mine: fn(&Turn) -> bool) -> Turn {
        let mut current = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        while !mine(&current) {
            current = self.changed.wait(current).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut current)
    }

    fn of_scheduler(turn: &Turn) -> bool {
        matches!(turn, Turn::Waits | Turn::Ended(_))
    }

    fn of_thread(turn: &Turn) -> bool {
        matches!(turn, Turn::Start(_) | Turn::Go | Turn::Die)
    }

    fn run(self: Arc<Self>) {
        SEAT.set(Some(self.clone()));
        let mut turn = self.wait(Seat::of_thread);
        loop {
            let panic = match turn {
                Turn::Start(work) => catch_unwind(AssertUnwindSafe(work)).err(),
                _ => None,
            };
            let panic = panic.filter(|panic| !panic.is::<Killed>());
            turn = self.swap(Turn::Ended(panic), Seat::of_thread);
        }
    }
}

/// Called on one of the threads: lets the scheduler go on until it comes back to this thread.
pub fn wait_here() {
    let Some(seat) = SEAT.with_borrow(Clone::clone) else {
        unreachable!("only work that blocks waits here");
    };
    if let Turn::Die = seat.swap(Turn::Waits, Seat::of_thread) {
        resume_unwind(Box::new(Killed));
    }
}

/// Whether this is one of the threads.
pub fn is_here() -> bool {
    SEAT.with_borrow(Option::is_some)
}

/// A thread with work that is under way.
pub struct Running(Arc<Seat>);

#[derive(Default)]
pub struct Threads {
    idle: Vec<Arc<Seat>>,
}

impl Threads {
    fn seat(&mut self) -> Arc<Seat> {
        self.idle.pop().unwrap_or_else(|| {
            let seat = Arc::new(Seat::default());
            let on = seat.clone();
            std::thread::spawn(move || on.run());
            seat
        })
    }

    /// Runs work until it waits or ends.
    pub fn start(&mut self, work: Work) -> (Running, Yielded) {
        let seat = self.seat();
        let turn = seat.swap(Turn::Start(work), Seat::of_scheduler);
        let running = Running(seat);
        let yielded = self.seen(&running, turn);
        (running, yielded)
    }

    pub fn go_on(&mut self, running: &Running) -> Yielded {
        let turn = running.0.swap(Turn::Go, Seat::of_scheduler);
        self.seen(running, turn)
    }

    /// Its process is killed. It unwinds, which nothing outside of the process sees.
    pub fn kill(&mut self, running: &Running) {
        while let Yielded::Waits = {
            let turn = running.0.swap(Turn::Die, Seat::of_scheduler);
            self.seen(running, turn)
        } {}
    }

    fn seen(&mut self, running: &Running, turn: Turn) -> Yielded {
        match turn {
            Turn::Ended(panic) => {
                self.idle.push(running.0.clone());
                Yielded::Ended(panic)
            }
            _ => Yielded::Waits,
        }
    }
}
