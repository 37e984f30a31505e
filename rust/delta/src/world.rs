//! What background work asks of the machine: time, threads and chance. The process has one world; a simulation brings
//! another, in which a seed decides.

#![expect(clippy::disallowed_methods, reason = "this is the place for them")]

use std::fmt::Debug;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use buoyant_kernel::DeltaResult;
use buoyant_kernel_engine::executor::TaskExecutor;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::encoders::resting;
use crate::fail_point::FailPoint;

const BACKOFF_FIRST: Duration = Duration::from_millis(10);

/// A future that is driven for its effects.
pub type Driven<'a> = Pin<&'a mut dyn Future<Output = ()>>;

pub trait World: Debug + Send + Sync + 'static {
    /// Never goes back.
    fn now(&self) -> Instant;

    /// Milliseconds since the epoch, as far as the machine knows. May jump.
    fn epoch_millis(&self) -> i64;

    /// 128 random bits.
    fn random(&self) -> u128;

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;

    /// Runs in the background.
    fn spawn(&self, future: BoxFuture<'static, ()>);

    /// Runs on a thread of its own, where it may block. Ends early when the work panics.
    fn run(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()>;

    /// Waits for a future. Blocks: only for work of [`World::run`].
    fn drive(&self, future: Driven<'_>);

    /// A durable step is reached. For tests, which may end here.
    fn reached(&self, _point: FailPoint) {}
}

impl dyn World {
    /// Waits for a future and has its outcome. Blocks, as [`World::drive`] does.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let mut outcome = None;
        resting(self, || self.drive(pin!(async { outcome = Some(future.await) })));
        match outcome {
            Some(outcome) => outcome,
            None => unreachable!("a future that was driven to its end has an outcome"),
        }
    }

    /// Waits on a thread that may block.
    pub fn pause(&self, time: Duration) {
        self.wait(self.sleep(time));
    }

    /// Runs work that blocks. None: it panicked.
    pub fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let (send, receive) = oneshot::channel();
        let ran = self.run(Box::new(move || {
            // Nobody may wait for it any more.
            let _ = send.send(work());
        }));
        async move {
            ran.await;
            receive.await.ok()
        }
    }

    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random().to_le_bytes()).into_uuid()
    }

    /// How long to wait before another try: exponential, with jitter of a half to one and a half.
    pub fn backoff(&self, tries: u32, longest: Duration) -> Duration {
        let wait = BACKOFF_FIRST.saturating_mul(1 << tries.min(16)).min(longest);
        let part = self.random() as u32;
        wait.mul_f64(0.5 + f64::from(part) / f64::from(u32::MAX))
    }
}

/// The world of a process.
#[derive(Debug)]
pub struct Tokio(Handle);

impl Tokio {
    /// On a runtime with several threads.
    pub fn world(runtime: Handle) -> Arc<dyn World> {
        Arc::new(Tokio(runtime))
    }
}

impl World for Tokio {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn epoch_millis(&self) -> i64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
    }

    fn random(&self) -> u128 {
        rand::random()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        // Its timer belongs to the runtime that it is first polled on.
        Box::pin(async move { tokio::time::sleep(time).await })
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.0.spawn(future);
    }

    fn run(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let running = self.0.spawn_blocking(work);
        Box::pin(async move {
            // The panic hook has reported a panic.
            let _ = running.await;
        })
    }

    fn drive(&self, future: Driven<'_>) {
        self.0.block_on(future);
    }
}

/// The Delta kernel's way to the world.
#[derive(Debug)]
pub struct KernelExecutor(pub Arc<dyn World>);

impl TaskExecutor for KernelExecutor {
    type Guard<'a> = ();

    fn block_on<T>(&self, task: T) -> T::Output
    where
        T: Future + Send + 'static,
        T::Output: Send + 'static,
    {
        self.0.wait(task)
    }

    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.spawn(Box::pin(task));
    }

    fn spawn_blocking<T, R>(&self, task: T) -> BoxFuture<'_, DeltaResult<R>>
    where
        T: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let ran = self.0.blocking(task);
        let panicked = || buoyant_kernel::Error::generic("work in the background panicked");
        Box::pin(async move { ran.await.ok_or_else(panicked) })
    }

    fn enter(&self) -> Self::Guard<'_> {}
}

#[cfg(test)]
pub fn of_tests() -> Arc<dyn World> {
    use std::sync::LazyLock;
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap());
    Tokio::world(RUNTIME.handle().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_as_much_again_as_the_longest() {
        let world = of_tests();
        let longest = |tries| {
            let waits = (0..100).map(|_| world.backoff(tries, Duration::from_secs(20)));
            waits.max().unwrap_or_default()
        };
        assert!(longest(1) <= Duration::from_millis(30));
        assert!(longest(40) > Duration::from_secs(20) && longest(40) <= Duration::from_secs(30));
    }

    #[test]
    fn work_that_panics_has_no_outcome() {
        let world = of_tests();
        assert_eq!(world.wait(world.blocking(|| 7)), Some(7));
        assert_eq!(world.wait(world.blocking(|| -> u8 { panic!("planted") })), None);
    }
}
