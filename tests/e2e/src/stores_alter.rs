//! Offsets altered by Connect's REST interface in tables on an S3 server, also while the store or the library is not there.

use sluice_testkit::FaultProxy;

use crate::cluster::cluster;
use crate::scenario::{Config, Scenario};
use crate::stores::{every_version_is_completed, stores};

fn on_s3(name: &str, endpoint: &str) -> (Scenario, Config) {
    let scenario = Scenario::new(name, 1).on_s3();
    let config = scenario.small_config().with_s3(endpoint);
    (scenario, config)
}

/// Forward, back, and reset; the task that goes on after each holds I1 and I4 (the audit at the end).
fn goes_through_alterations(scenario: &Scenario, config: &Config) {
    scenario.send_ids(0..40);
    scenario.put(config);
    scenario.reaches_the_end();
    scenario.stop();
    scenario.send_ids(40..50);
    scenario.alter(Some(45));
    assert_eq!(scenario.held(0), Some(45), "before Connect answers");
    scenario.resume();
    scenario.reaches_the_end();
    scenario.stop();
    scenario.alter(Some(48));
    scenario.resume();
    scenario.reaches_the_end();
    scenario.stop();
    scenario.reset();
    assert_eq!(scenario.held(0), Some(-1));
    scenario.resume();
    scenario.reaches_the_end();
    scenario.audit_by_uri_is_clean(config);
    scenario.holds_ids((0..40).chain(45..50).chain(48..50).chain(0..50));
}

#[test]
fn offsets_are_altered_in_a_table_on_s3() {
    let (scenario, config) = on_s3("altered-s3", &stores().s3.endpoint());
    goes_through_alterations(&scenario, &config);
    scenario.ends();
}

#[test]
fn offsets_are_altered_in_a_table_under_the_lock() {
    let (scenario, config) = on_s3("altered-locked", &stores().s3.endpoint());
    let config = config.with_dynamodb_lock(&stores().dynamodb.endpoint());
    goes_through_alterations(&scenario, &config);
    every_version_is_completed(&scenario.uri, &scenario.table);
    scenario.ends();
}

/// A worker without the library, and a store that is away: Connect answers with the code, and alters neither the table nor the
/// group. The same request succeeds once they are back.
#[test]
fn an_alteration_that_cannot_be_made_is_answered_with_its_code_and_changes_nothing() {
    let proxy = FaultProxy::start(&stores().s3.endpoint()).unwrap();
    let mut worker = cluster().spawn_worker("altering", "altering", &[]);
    worker.wait_until_ready().unwrap();
    let mut scenario = Scenario::on(worker.connect(), "unaltered", 1).on_s3();
    let config =
        scenario.small_config().with_s3(&proxy.endpoint()).set("delta.store.retry.timeout.ms", 2_000);
    scenario.send_ids(0..30);
    scenario.put(&config);
    scenario.reaches_the_end();
    scenario.stop();
    let group = format!("connect-{}", scenario.name);
    let group_offsets = || cluster().broker.group_offsets(&group).unwrap();
    let before = group_offsets();
    let refused = |scenario: &Scenario, words: &[&str]| {
        let name = &scenario.name;
        let error = scenario.connect().alter_offset(name, name, 0, Some(10)).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        assert_eq!((scenario.held(0), group_offsets()), (Some(30), before.clone()), "{error}");
    };

    proxy.set_reachable(false);
    refused(&scenario, &["STORE_IO", "delta.store.retry.timeout.ms"]);
    proxy.set_reachable(true);

    worker.stop().unwrap();
    let without = ["-Dsluice.native.path=/nonexistent/libsluice.so"];
    let mut broken = cluster().spawn_worker("altering-broken", "altering", &without);
    broken.wait_until_ready().unwrap();
    scenario.talk_to(broken.connect());
    refused(&scenario, &["NATIVE_UNAVAILABLE", "/nonexistent/libsluice.so"]);
    broken.stop().unwrap();

    let mut whole = cluster().spawn_worker("altering-whole", "altering", &[]);
    whole.wait_until_ready().unwrap();
    scenario.talk_to(whole.connect());
    scenario.alter(Some(10));
    assert_eq!(scenario.held(0), Some(10));
    scenario.resume();
    scenario.reaches_the_end();
    scenario.holds_ids((0..30).chain(10..30));
    whole.stop().unwrap();
}
