//! An S3 server and DynamoDB beside the cluster, started when the first test asks for them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use sluice_testkit::{DynamoDb, S3Options, S3Server, TableLog, wait_for};

use crate::cluster::cluster;
use crate::scenario::{Config, PATIENCE, Scenario};

pub struct Stores {
    pub s3: S3Server,
    pub dynamodb: DynamoDb,
}

static STORES: LazyLock<Stores> = LazyLock::new(|| {
    let (components, folder) = (&cluster().components, cluster().folder.join("stores"));
    let s3 = S3Server::start(components, &folder.join("s3"), S3Options::default()).unwrap();
    let dynamodb = DynamoDb::start(components, &folder.join("dynamodb")).unwrap();
    Stores { s3, dynamodb }
});

pub fn stores() -> &'static Stores {
    &STORES
}

impl Scenario {
    /// The same with the table on the S3 server, see [`Config::with_s3`]. Readers take it from the server's own folder, where
    /// each object is a file.
    pub fn on_s3(self) -> Self {
        let s3 = &stores().s3;
        let key = format!("{}/table", self.name);
        let mut scenario = self.with_table(s3.bucket_folder().join(&key));
        scenario.uri = format!("s3://{}/{key}", s3.options().bucket);
        scenario
    }
}

impl Config {
    /// `endpoint` is the S3 server's own, or that of a proxy before it.
    pub fn with_s3(self, endpoint: &str) -> Self {
        let options = stores().s3.options();
        self.set("delta.s3.endpoint", endpoint)
            .set("delta.s3.region", S3Server::REGION)
            .set("delta.s3.access.key.id", &options.access_key)
            .set("delta.s3.secret.access.key", &options.secret_key)
    }

    /// `endpoint` is DynamoDB's own, or that of a proxy before it.
    pub fn with_dynamodb_lock(self, endpoint: &str) -> Self {
        self.set("delta.commit.lock", "dynamodb")
            .set("delta.dynamodb.endpoint", endpoint)
            .set("delta.dynamodb.region", DynamoDb::REGION)
            .set("delta.dynamodb.access.key.id", DynamoDb::ACCESS_KEY)
            .set("delta.dynamodb.secret.access.key", "test-secret-key")
            .set("delta.dynamodb.table.auto.create", true)
    }
}

/// Waits until each version of the table has an entry in the lock table, under this name of the table, that is complete: a
/// commit can be read a moment earlier.
pub fn every_version_is_completed(name: &str, table: &Path) {
    wait_for(&format!("complete entries for {name}"), PATIENCE, || {
        let mut log = TableLog::new(table);
        log.refresh()?;
        let versions = (0..log.versions).map(|version| format!("{version:020}.json"));
        let items = stores().dynamodb.items("delta_log")?;
        let complete: BTreeSet<String> = items
            .iter()
            .filter(|item| item["tablePath"]["S"] == name && item["complete"]["S"] == "true")
            .filter_map(|item| item["fileName"]["S"].as_str().map(str::to_owned))
            .collect();
        Ok((complete == versions.collect()).then_some(()))
    })
    .unwrap();
}
