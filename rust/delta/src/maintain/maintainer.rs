//! Maintaining a table that this process does not write rows to.

use std::sync::Arc;
use std::time::Duration;

use sluice_core::{Code, Result};

use super::Maintained;
use super::lease::Turn;
use super::rewrite::{Rewrite, Rewriting, Rewritten};
use crate::store::Store;
use crate::table::TableState;
use crate::world::World;

/// How long a commit is tried while the store fails.
const PATIENCE: Duration = Duration::from_secs(120);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

pub struct Maintainer {
    pub table: Maintained,
    state: TableState,
}

impl Maintainer {
    /// Reads nothing yet.
    pub fn new(store: Arc<dyn Store>, world: Arc<dyn World>) -> Self {
        let state = TableState::new(store.clone(), world.clone());
        Maintainer { table: Maintained::new(store, world), state }
    }

    /// Takes the turn at maintaining the table, unless it is another one's. An error where Sluice would not write to the table:
    /// whatever does not commit works without a turn, too.
    pub fn take_turn(&mut self) -> Result<Turn> {
        self.open()?;
        self.state.take_turn()
    }

    fn open(&mut self) -> Result<()> {
        if self.state.current().is_ok() {
            return Ok(());
        }
        self.state.store.check()?;
        self.state.open()
    }

    /// Commits merged files. After an error the commit may have landed, or may land yet: the added files stay.
    pub fn commit(&mut self, rewrite: Rewrite) -> Result<Rewritten> {
        self.open()?;
        let world = self.table.world.clone();
        let mut rewriting = Rewriting::new(rewrite, world.uuid());
        let (begun, mut tries) = (world.now(), 0);
        loop {
            match self.state.rewrite(&mut rewriting) {
                Err(error) if error.code == Code::StoreIo && world.now() - begun < PATIENCE => {
                    tries += 1;
                    world.pause(world.backoff(tries, LONGEST_WAIT));
                }
                done => return done,
            }
        }
    }
}
