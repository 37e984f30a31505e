//! Mistakes in what a store is reached by: what the task's status says of each, and that mending it is all.

use crate::scenario::{Config, Scenario};
use crate::stores::stores;

fn on_s3(scenario: &Scenario) -> Config {
    scenario.config().with_s3(&stores().s3.endpoint())
}

fn locked(scenario: &Scenario) -> Config {
    on_s3(scenario).with_dynamodb_lock(&stores().dynamodb.endpoint())
}

/// Fails with the settings that `spoil` makes, and goes on once they are as they were.
fn fails_until_mended(
    name: &str,
    good: fn(&Scenario) -> Config,
    spoil: fn(Config) -> Config,
    words: &[&str],
) {
    let scenario = Scenario::new(name, 1).on_s3();
    scenario.send(500);
    scenario.put(&spoil(good(&scenario)));
    scenario.fails_with(words);
    scenario.put(&good(&scenario));
    scenario.runs(1);
    scenario.completes();
}

#[test]
fn a_wrong_key_is_refused_access() {
    fails_until_mended(
        "s3-wrong-key",
        on_s3,
        |config| config.set("delta.s3.secret.access.key", "another-secret"),
        &["STORE_DENIED", "SignatureDoesNotMatch", "credentials"],
    );
}

#[test]
fn a_bucket_that_is_not_there_is_named() {
    fails_until_mended(
        "s3-no-bucket",
        on_s3,
        |config| config.set("delta.table.uri", "s3://no-such-bucket/table"),
        &["STORE_MISSING", "no-such-bucket", "delta.table.uri"],
    );
}

#[test]
fn a_missing_lock_table_is_named() {
    fails_until_mended(
        "no-lock-table",
        locked,
        |config| config.set("delta.dynamodb.table", "misspelt").without("delta.dynamodb.table.auto.create"),
        &["LOCK_TABLE", "no DynamoDB table misspelt", "delta.dynamodb.table.auto.create=true"],
    );
}

#[test]
fn a_lock_that_two_names_contradict_each_other_about_is_refused() {
    let scenario = Scenario::new("two-locks", 1).on_s3();
    let config =
        on_s3(&scenario).set("delta.commit.lock", "store").set("AWS_S3_LOCKING_PROVIDER", "dynamodb");
    let problem = "AWS_S3_LOCKING_PROVIDER: it stands for delta.commit.lock, which is given otherwise too";
    scenario.refuses(&config, &[problem]);
    assert!(!scenario.connect().connectors().unwrap().contains(&scenario.name));
}

/// Both ways round.
#[test]
fn a_table_under_another_lock_is_not_written() {
    let reachable: fn(&Scenario) -> Config = |scenario| locked(scenario).set("delta.commit.lock", "store");
    let scenario = Scenario::new("other-lock", 1).on_s3();
    scenario.send(500);
    scenario.put(&locked(&scenario));
    scenario.reaches_the_end();
    scenario.put(&reachable(&scenario));
    scenario.send(500);
    scenario.fails_with(&[
        "COMMIT_LOCK",
        "there is other-lock/table/_delta_log/.tmp/",
        "delta.commit.lock=dynamodb",
    ]);
    scenario.put(&locked(&scenario));
    scenario.runs(1);
    scenario.put(&locked(&scenario).set("delta.dynamodb.path.scheme", "s3a"));
    scenario.fails_with(&["COMMIT_LOCK", "has entries for s3://", "delta.dynamodb.path.scheme"]);
    scenario.put(&locked(&scenario));
    scenario.runs(1);
    scenario.completes();
}
