//! An S3 server and DynamoDB with a proxy before each, through which the connectors reach them.

use std::path::Path;
use std::str::FromStr;

use serde_json::{Value, json};
use sluice_testkit::{Components, DynamoDb, FaultProxy, Result, S3Options, S3Server};

/// How a connector claims the versions of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// By conditional put.
    S3,
    /// By an entry in DynamoDB.
    S3DynamoDb,
}

impl Lock {
    pub fn name(self) -> &'static str {
        match self {
            Lock::S3 => "s3",
            Lock::S3DynamoDb => "s3-dynamodb",
        }
    }
}

/// Those that a run tests at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locks(pub Vec<Lock>);

impl Default for Locks {
    fn default() -> Self {
        Locks(vec![Lock::S3, Lock::S3DynamoDb])
    }
}

impl FromStr for Locks {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "s3" => Ok(Locks(vec![Lock::S3])),
            "s3-dynamodb" => Ok(Locks(vec![Lock::S3DynamoDb])),
            "both" => Ok(Locks::default()),
            _ => Err("it is one of s3, s3-dynamodb, both"),
        }
    }
}

pub struct Stores {
    pub s3: S3Server,
    pub s3_proxy: FaultProxy,
    /// With its proxy, where a lock needs it.
    pub dynamodb: Option<(DynamoDb, FaultProxy)>,
}

impl Stores {
    pub fn start(components: &Components, folder: &Path, locks: &Locks) -> Result<Self> {
        let s3 = S3Server::start(components, &folder.join("s3"), S3Options::default())?;
        let s3_proxy = FaultProxy::start(&s3.endpoint())?;
        let dynamodb = if locks.0.contains(&Lock::S3DynamoDb) {
            let dynamodb = DynamoDb::start(components, &folder.join("dynamodb"))?;
            let proxy = FaultProxy::start(&dynamodb.endpoint())?;
            Some((dynamodb, proxy))
        } else {
            None
        };
        Ok(Stores { s3, s3_proxy, dynamodb })
    }

    pub fn uri(&self, table: &str) -> String {
        format!("s3://{}/{table}", self.s3.options().bucket)
    }

    /// What a connector, or the audit, needs to reach a table; `harmed`: through the proxies.
    pub fn settings(&self, lock: Lock, table: &str, harmed: bool) -> Value {
        let endpoint = if harmed { self.s3_proxy.endpoint() } else { self.s3.endpoint() };
        let mut settings = json!({
            "delta.table.uri": self.uri(table),
            "delta.s3.endpoint": endpoint,
            "delta.s3.region": S3Server::REGION,
            "delta.s3.access.key.id": self.s3.options().access_key,
            "delta.s3.secret.access.key": self.s3.options().secret_key,
        });
        if let (Lock::S3DynamoDb, Some((dynamodb, proxy))) = (lock, &self.dynamodb) {
            let endpoint = if harmed { proxy.endpoint() } else { dynamodb.endpoint() };
            settings["delta.commit.lock"] = "dynamodb".into();
            settings["delta.dynamodb.endpoint"] = endpoint.into();
            settings["delta.dynamodb.region"] = DynamoDb::REGION.into();
            settings["delta.dynamodb.access.key.id"] = DynamoDb::ACCESS_KEY.into();
            settings["delta.dynamodb.secret.access.key"] = "test-secret-key".into();
            settings["delta.dynamodb.table.auto.create"] = "true".into();
        }
        settings
    }

    pub fn dynamodb_proxy(&self) -> Option<&FaultProxy> {
        self.dynamodb.as_ref().map(|(_, proxy)| proxy)
    }

    /// So that an hour's requests do not fill the memory.
    pub fn forget_requests(&self) {
        self.s3_proxy.forget_requests();
        if let Some(proxy) = self.dynamodb_proxy() {
            proxy.forget_requests();
        }
    }
}
