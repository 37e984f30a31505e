//! How many threads encode at once. One that waits for its store lets another one encode meanwhile, so that a store that hangs holds
//! up nobody else's tables.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::world::World;

thread_local! {
    static PERMIT: RefCell<Option<OwnedSemaphorePermit>> = const { RefCell::new(None) };
}

/// How many threads of a process encode, or wait for the store of what they have encoded.
pub(crate) const THREADS: usize = 64;

#[derive(Clone)]
pub(crate) struct Encoders {
    threads: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
}

/// This thread has a permit.
struct AtWork;

impl AtWork {
    fn with(permit: OwnedSemaphorePermit) -> Self {
        PERMIT.set(Some(permit));
        AtWork
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        PERMIT.take();
    }
}

impl Encoders {
    pub fn new(at_once: usize) -> Self {
        Encoders { threads: Arc::new(Semaphore::new(THREADS)), at_once: Arc::new(Semaphore::new(at_once)) }
    }

    /// Runs work that encodes, on a thread that may block. None: it panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        world: &dyn World,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        // The semaphores are never closed.
        let thread = self.threads.clone().acquire_owned().await.ok()?;
        let permit = self.at_once.clone().acquire_owned().await.ok()?;
        let done = world.blocking(move || {
            let (_thread, _at_work) = (thread, AtWork::with(permit));
            work()
        });
        done.await
    }
}

/// Blocks, without the permit of this thread if it has one.
pub(crate) fn resting<T>(world: &dyn World, wait: impl FnOnce() -> T) -> T {
    let Some(permit) = PERMIT.take() else { return wait() };
    let encoders = permit.semaphore().clone();
    drop(permit);
    let waited = wait();
    world.drive(pin!(async { PERMIT.set(encoders.acquire_owned().await.ok()) }));
    waited
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join;
    use tokio::sync::oneshot;

    use super::*;
    use crate::world::of_tests;

    #[tokio::test]
    async fn who_waits_lets_another_one_encode_and_goes_on_when_that_is_done() {
        let (world, encoders) = (of_tests(), Encoders::new(1));
        let (send, receive) = oneshot::channel();
        let at_work = encoders.at_once.clone();
        let waits = encoders.run(&*world, {
            let world = world.clone();
            move || (world.wait(receive).is_ok(), at_work.available_permits())
        });
        let another = encoders.run(&*world, move || send.send(()).is_ok());
        let both = tokio::time::timeout(Duration::from_secs(20), join(waits, another)).await;
        assert_eq!(both.expect("the first one holds up the other"), (Some((true, 0)), Some(true)));
        assert_eq!(encoders.at_once.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_permit_is_given_back_after_a_panic() {
        let (world, encoders) = (of_tests(), Encoders::new(1));
        assert_eq!(encoders.run(&*world, || -> u8 { panic!("planted") }).await, None);
        assert_eq!(encoders.run(&*world, || 7).await, Some(7));
    }
}
