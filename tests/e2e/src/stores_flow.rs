//! Tables on an S3 server: by conditional put, and under the lock in DynamoDB.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use sluice_testkit::{FaultProxy, Kind, TableLog};

use crate::cluster::cluster;
use crate::scenario::{PATIENCE, Scenario};
use crate::stores::{every_version_is_completed, stores};

fn commits(scenario: &Scenario) -> u64 {
    let mut log = TableLog::new(&scenario.table);
    log.refresh().unwrap();
    log.versions
}

#[test]
fn an_uncontended_commit_to_s3_is_one_conditional_put_beside_one_put_for_each_file() {
    let proxy = FaultProxy::start(&stores().s3.endpoint()).unwrap();
    let unconditional = Arc::new(Mutex::new(Vec::new()));
    let seen = unconditional.clone();
    proxy.rule(move |request| {
        let commit = request.kind == Kind::PutObject && request.target.contains("/_delta_log/");
        if commit && request.header("If-None-Match") != Some("*") {
            seen.lock().unwrap().push(request.target.clone());
        }
        None
    });
    let scenario = Scenario::new("s3-requests", 1).on_s3();
    let config = scenario.config().with_s3(&proxy.endpoint());
    scenario.put(&config);
    scenario.send(500);
    scenario.reaches_the_end();

    let before = commits(&scenario);
    proxy.forget_requests();
    for _ in 0..2 {
        scenario.send(500);
        scenario.reaches_the_end();
    }
    let requests = proxy.requests();
    let commits = commits(&scenario) - before;
    assert!(commits >= 2, "{requests:?}");
    let count = |kind, part: &str| {
        requests.iter().filter(|seen| seen.kind == kind && seen.target.contains(part)).count() as u64
    };
    assert_eq!(count(Kind::PutObject, "/_delta_log/"), commits, "{requests:?}");
    assert_eq!(count(Kind::PutObject, ".parquet"), commits, "{requests:?}");
    assert_eq!(proxy.counts(), BTreeMap::from([(Kind::PutObject, 2 * commits as usize)]), "{requests:?}");
    assert_eq!(*unconditional.lock().unwrap(), Vec::<String>::new());

    scenario.audit_by_uri_is_clean(&config);
    scenario.completes();
}

/// Two connectors in two workers write one table, and one of the workers dies on the way.
#[test]
fn a_table_shared_under_the_lock_loses_nothing_to_a_killed_worker() {
    let mut first = cluster().spawn_worker("worker-1", "locked", &[]);
    let beside = Scenario::new("locked-beside", 2).on_s3();
    let mut killed = Scenario::on(first.connect(), "locked-killed", 2).with_table(beside.table.clone());
    killed.uri = beside.uri.clone();
    beside.skip_to(20_000);
    let config = |scenario: &Scenario| {
        let (s3, dynamodb) = (stores().s3.endpoint(), stores().dynamodb.endpoint());
        scenario.config().with_s3(&s3).with_dynamodb_lock(&dynamodb)
    };
    first.wait_until_ready().unwrap();
    let mut producers =
        [killed.start_sending(20_000, Some(1_500)), beside.start_sending(20_000, Some(1_500))];
    killed.put(&config(&killed));
    beside.put(&config(&beside));
    killed.runs(1);
    beside.runs(1);
    let before = commits(&killed);
    sluice_testkit::wait_for("commits", PATIENCE, || Ok((commits(&killed) > before + 5).then_some(())))
        .unwrap();
    first.kill().unwrap();

    let mut second = cluster().spawn_worker("worker-2", "locked", &[]);
    second.wait_until_ready().unwrap();
    killed.talk_to(second.connect());
    producers.iter_mut().for_each(|producer| {
        producer.wait(PATIENCE).unwrap();
    });
    killed.reaches_the_end();
    beside.reaches_the_end();
    beside.holds(&beside.table, 0, 40_000);
    beside.audit_by_uri_is_clean(&config(&beside));
    every_version_is_completed(&beside.uri, &beside.table);
    killed.ends();
    beside.ends();
    second.stop().unwrap();
}
