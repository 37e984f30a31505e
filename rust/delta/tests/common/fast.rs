//! A world whose time passes faster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sluice_delta::world::{Driven, World};

#[derive(Debug)]
pub struct Fast {
    pub world: Arc<dyn World>,
    pub begun: Instant,
    pub times: u32,
}

impl World for Fast {
    fn now(&self) -> Instant {
        self.begun + self.world.now().saturating_duration_since(self.begun) * self.times
    }

    fn epoch_millis(&self) -> i64 {
        self.world.epoch_millis()
    }

    fn random(&self) -> u128 {
        self.world.random()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.world.sleep(time / self.times)
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.world.spawn(future);
    }

    fn run(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        self.world.run(work)
    }

    fn drive(&self, future: Driven<'_>) {
        self.world.drive(future);
    }
}
