//! A connector that goes on while its servers fail in every way: no row lost, none twice (I1), the task never fails, and the
//! log says once what is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use sluice_testkit::{Fault, FaultProxy, Kind, Reply, Request, wait_for};

use crate::cluster::cluster;
use crate::scenario::{Config, PATIENCE, Scenario};
use crate::stores::{every_version_is_completed, stores};

/// How many records go while a fault is there.
const RECORDS: u64 = 300;

/// Longer than the clients' own tries take. `SLUICE_LONG_OUTAGE=1` makes it two minutes.
fn outage(seconds: u64) -> Duration {
    Duration::from_secs(if std::env::var_os("SLUICE_LONG_OUTAGE").is_some() { 120 } else { seconds })
}

struct Faulty {
    scenario: Scenario,
    sent: u64,
}

impl Faulty {
    fn begin(name: &str, config: impl Fn(Config) -> Config) -> Self {
        let scenario = Scenario::new(name, 1).on_s3();
        scenario.put(&config(scenario.config()));
        let mut faulty = Faulty { scenario, sent: 0 };
        faulty.goes_on();
        faulty
    }

    fn send(&mut self) {
        self.scenario.send(RECORDS);
        self.sent += RECORDS;
    }

    fn reaches_the_end(&self) {
        let Scenario { name, table, .. } = &self.scenario;
        self.scenario.reaches(name, table, &BTreeMap::from([(0, self.sent as i64)]));
    }

    fn goes_on(&mut self) {
        self.send();
        self.reaches_the_end();
    }

    /// The next `count` requests that `when` picks meet with the fault, and it is over.
    fn survives(&mut self, proxy: &FaultProxy, count: u64, when: fn(&Request) -> bool, fault: Fault) {
        let what = format!("{count} times {fault:?}");
        let before = proxy.faults();
        proxy.next(count, when, fault);
        self.send();
        self.reaches_the_end();
        // What is left of them meets the next commits.
        wait_for(&what, PATIENCE, || {
            if proxy.faults() == before + count {
                return Ok(Some(()));
            }
            self.goes_on();
            Ok(None)
        })
        .unwrap();
        proxy.heal();
    }

    /// Nobody answers for a while, and the log says so once.
    fn survives_an_outage(&mut self, proxy: &FaultProxy, lasts: Duration) {
        let before = self.told();
        proxy.set_reachable(false);
        self.send();
        sleep(lasts);
        proxy.set_reachable(true);
        self.reaches_the_end();
        // The worker's log has a line a moment after the native side said it.
        let both = || Ok(Some(self.told()).filter(|told| told.len() >= before.len() + 2));
        let told = wait_for("the log to say so", PATIENCE, both).unwrap_or_else(|_| self.told());
        let [warning, end] = &told[before.len()..] else { panic!("{told:#?}") };
        assert!(warning.contains("WARN") && warning.contains("it is tried again for"), "{told:#?}");
        assert!(end.contains("INFO") && end.contains("works again after"), "{told:#?}");
    }

    /// What the worker's log says of the table's store.
    fn told(&self) -> Vec<String> {
        let log = fs::read_to_string(cluster().worker.log()).unwrap();
        let of_table = format!("the store of table {}", self.scenario.uri);
        log.lines().filter(|line| line.contains(&of_table)).map(str::to_owned).collect()
    }

    fn ends(mut self) {
        self.goes_on();
        self.scenario.runs(1);
        self.scenario.completes();
    }
}

fn of_s3(status: u16, code: &str) -> Fault {
    Fault::Answer(Reply::s3(status, code))
}

#[test]
fn an_s3_server_that_fails_in_every_way() {
    let proxy = FaultProxy::start(&stores().s3.endpoint()).unwrap();
    let mut faulty = Faulty::begin("s3-faults", |config| config.with_s3(&proxy.endpoint()));
    faulty.survives(&proxy, 3, |_| true, of_s3(500, "InternalError"));
    faulty.survives(&proxy, 3, |_| true, of_s3(503, "SlowDown"));
    faulty.survives(&proxy, 3, |_| true, of_s3(429, "TooManyRequests"));
    faulty.survives(&proxy, 3, |_| true, Fault::AnswerAfter(Reply::s3(500, "InternalError")));
    faulty.survives(&proxy, 3, |_| true, Fault::Reset);
    faulty.survives(&proxy, 3, |_| true, Fault::ResetAfter);
    faulty.survives(&proxy, 2, |_| true, Fault::Trickle(Duration::from_secs(1)));
    assert_eq!(faulty.told(), Vec::<String>::new(), "what a few tries mend is not told");
    faulty.survives_an_outage(&proxy, outage(8));

    // A task that starts on old listings sees a table that has moved on.
    let before = proxy.faults();
    proxy.always(|request| request.kind == Kind::List, Fault::Stale);
    faulty.goes_on();
    faulty.scenario.restart();
    faulty.send();
    wait_for("a stale listing", PATIENCE, || Ok((proxy.faults() > before).then_some(()))).unwrap();
    sleep(Duration::from_secs(3));
    faulty.scenario.has_not_failed().unwrap();
    proxy.heal();
    faulty.ends();
}

#[test]
fn a_lock_table_that_fails_in_every_way() {
    let s3 = stores().s3.endpoint();
    let proxy = FaultProxy::start(&stores().dynamodb.endpoint()).unwrap();
    let mut faulty =
        Faulty::begin("lock-faults", |config| config.with_s3(&s3).with_dynamodb_lock(&proxy.endpoint()));
    let throttled = Reply::dynamodb(400, "ProvisionedThroughputExceededException");
    faulty.survives(&proxy, 4, |_| true, Fault::Answer(throttled));
    faulty.survives(&proxy, 2, |_| true, Fault::Answer(Reply::dynamodb(500, "InternalServerError")));
    faulty.survives(&proxy, 3, |_| true, Fault::Reset);
    faulty.survives(&proxy, 1, |request| request.kind == Kind::PutItem, Fault::ResetAfter);
    faulty.survives(&proxy, 1, |request| request.kind == Kind::UpdateItem, Fault::ResetAfter);
    let (uri, table) = (faulty.scenario.uri.clone(), faulty.scenario.table.clone());
    // The writer itself may still ask again for what is complete already.
    faulty.goes_on();
    every_version_is_completed(&uri, &table);
    faulty.survives_an_outage(&proxy, outage(20));
    faulty.ends();
    every_version_is_completed(&uri, &table);
}
