//! Moving offsets because a user wants it, by Connect's REST interface. docs/offsets.md has the rules.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::future::{Either, join_all, select};
use sluice_core::alter::TableAlterations;
use sluice_core::error::{Code, Error, Result};
use sluice_core::offsets::{Alteration, TopicPartition, offset_of};
use sluice_core::settings::Settings;
use tokio::sync::{mpsc, oneshot};
use tracing::{Span, info};

use crate::commit::Attempt;
use crate::hub::Hub;
use crate::log::{AlterationOrigin, Origin};
use crate::serve::{AlterReply, Ask, Request, What};
use crate::table::{Spec, TableState};
use crate::world::World;

const OPERATION: &str = "ALTER OFFSETS";

/// How long a failing store is tried. Connect's REST interface waits for 90 s, and has to alter the group after us.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long the caller waits for all tables.
const DEADLINE: Duration = Duration::from_secs(60);
/// Tables that are asked for longer were not all seen at one time.
const AT_ONCE: Duration = Duration::from_secs(10);

/// What one table is to hold.
#[derive(Debug, Clone)]
pub(crate) struct Alter {
    pub connector: String,
    pub what: TableAlterations,
    /// From then on nobody waits for it: the user may have asked again, and tasks may run.
    pub until: Instant,
}

/// What a table does not hold as it should, and the `txn` versions that change it.
#[derive(Default)]
struct Missing {
    alterations: Vec<AlterationOrigin>,
    txns: Vec<(String, i64)>,
}

impl Hub {
    /// Makes the tables hold these offsets of a connector whose tasks are stopped, and waits until they do. Doing it again
    /// changes nothing more; after an error some tables may have been altered. Not for threads of the runtime: it blocks.
    pub fn alter(&self, settings: &Settings, tables: BTreeMap<String, TableAlterations>) -> Result<()> {
        let until = self.world().now() + DEADLINE;
        let table = |(uri, what): (String, _)| {
            let requests = self.requests(&uri, &settings.store, None)?.requests;
            let patience = settings.store_retry_timeout.min(PATIENCE);
            let alter = Alter { connector: settings.connector.clone(), what, until };
            Ok(Asked { requests, patience, alter })
        };
        let tables: Vec<_> = tables.into_iter().map(table).collect::<Result<_>>()?;
        let world = self.world();
        match world.wait(select(pin!(altered(world, &tables)), world.sleep(DEADLINE))) {
            Either::Left((done, _)) => done,
            Either::Right(_) => Err(Error::new(
                Code::StoreIo,
                format!(
                    "the offsets could not be altered within {} s; ask Connect again",
                    DEADLINE.as_secs()
                ),
            )),
        }
    }
}

/// A table, and what is asked of it.
struct Asked {
    requests: mpsc::UnboundedSender<Request>,
    patience: Duration,
    alter: Alter,
}

/// A task that was not stopped may move a table on while the next one is altered: so all are asked until none had to be.
async fn altered(world: &dyn World, tables: &[Asked]) -> Result<()> {
    loop {
        let begun = world.now();
        let done: Result<Vec<_>> = join_all(tables.iter().map(Asked::ask)).await.into_iter().collect();
        if !done?.contains(&true) && world.now() - begun < AT_ONCE {
            return Ok(());
        }
    }
}

impl Asked {
    /// Whether there was something to alter.
    async fn ask(&self) -> Result<bool> {
        let (reply, answer) = oneshot::channel();
        // Nobody may wait for it any more.
        let reply: AlterReply = Box::new(move |done| reply.send(done).unwrap_or_default());
        let what = What::Alter(self.alter.clone(), reply);
        // A request that cannot be sent is dropped, and there is no answer.
        let (spec, patience, span) = (Spec::default(), self.patience, Span::current());
        let _ = self.requests.send(Request::Ask(Ask { spec, patience, span, what }));
        answer.await.unwrap_or_else(|_| {
            let why = "the table's background work ended; the worker's log has the reason";
            Err(Error::new(Code::NativePanic, why))
        })
    }
}

impl TableState {
    /// Makes the table hold the offsets; nothing where there is no table. Whether there was something to alter. Doing it again
    /// changes nothing more; after an error it may have been done.
    pub(crate) fn alter(&mut self, alter: &Alter) -> Result<bool> {
        self.store.check()?;
        if !self.exists()? {
            return Ok(false);
        }
        let mut races = 0;
        loop {
            self.open()?;
            let Missing { alterations, txns } = self.missing(alter)?;
            if txns.is_empty() {
                return Ok(false);
            }
            if self.world.now() >= alter.until {
                let message =
                    format!("too late to alter the offsets in {}: nobody waits for it any more", self.uri());
                return Err(Error::new(Code::OffsetsUnalterable, message));
            }
            let told: Vec<_> = alterations.iter().map(ToString::to_string).collect();
            let origin = Origin { commit: self.world.uuid().to_string(), units: vec![], alterations };
            match self.claim(OPERATION, origin, &[], &txns) {
                Attempt::Landed(version) => {
                    info!("commit {version} to {} alters offsets: {}", self.uri(), told.join(", "));
                    return Ok(true);
                }
                Attempt::Lost => {
                    races += 1;
                    self.lost_race(races);
                }
                Attempt::Unknown(error) => return Err(error),
            }
        }
    }

    fn missing(&self, alter: &Alter) -> Result<Missing> {
        let connector = &alter.connector;
        let wanted = match &alter.what {
            TableAlterations::These(these) => these.clone(),
            TableAlterations::ResetAll => {
                let all = self.current()?.held.keys();
                let ours = all.filter_map(|app_id| TopicPartition::from_app_id(app_id));
                let ours = ours.filter(|(of, _)| of == connector);
                ours.map(|(_, partition)| Alteration { partition, to: None }).collect()
            }
        };
        let mut missing = Missing::default();
        for alteration in wanted {
            let app_id = alteration.partition.app_id(connector);
            let held = self.held(&app_id)?;
            if held != Some(alteration.txn_version()) {
                missing.txns.push((app_id, alteration.txn_version()));
                missing.alterations.push(AlterationOrigin {
                    connector: connector.clone(),
                    topic: alteration.partition.topic.to_string(),
                    partition: alteration.partition.partition,
                    from_offset: offset_of(held),
                    to_offset: alteration.to,
                });
            }
        }
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sluice_core::schema::Schema;
    use url::Url;

    use super::*;
    use crate::store::LocalStore;
    use crate::world::of_tests;

    /// Offsets moved under running tasks when an alteration came that Connect had given up on long ago.
    #[test]
    fn an_alteration_that_nobody_waits_for_any_more_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(Url::from_directory_path(folder.path()).unwrap()).unwrap();
        let mut state = TableState::new(Arc::new(store), of_tests());
        let schema =
            r#"{"type":"struct","fields":[{"name":"v","type":"long","nullable":true,"metadata":{}}]}"#;
        let schema = Schema::parse(schema).unwrap();
        let spec = Spec { schema: Some(schema), auto_create: true, ..Spec::default() };
        state.load(&spec, vec![]).unwrap();
        let now = state.world.now();
        let partition = TopicPartition::new("t", 0);
        let these = vec![Alteration { partition: partition.clone(), to: Some(7) }];
        let what = TableAlterations::These(these);
        let mut alter = Alter { connector: "k".into(), what, until: now };
        assert_eq!(state.alter(&alter).unwrap_err().code, Code::OffsetsUnalterable);
        assert_eq!(state.held(&partition.app_id("k")).unwrap(), None);
        alter.until = now + DEADLINE;
        state.alter(&alter).unwrap();
        assert_eq!(state.held(&partition.app_id("k")).unwrap(), Some(7));
    }
}
