//! The table in DynamoDB that holds whose commit a version is.

#![expect(clippy::disallowed_methods, reason = "a simulation has no AWS")]

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ProvisionedThroughput,
    ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification,
};
use sluice_core::settings::{self, StoreSettings};
use sluice_core::{Code, Error, Result};
use tracing::{info, warn};

use super::aws;
use crate::measure::{Answer, RequestKind, Requests};

/// What Spark gives a table that it creates.
const CAPACITY_UNITS: i64 = 5;
const TABLE_ACTIVE_WAIT: Duration = Duration::from_secs(60);

/// What DynamoDB calls its refusals.
const DENIED: [&str; 5] = [
    "AccessDeniedException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
];
const THROTTLED: [&str; 3] =
    ["ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"];

/// One entry: whose commit a version is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub version: u64,
    /// Where the commit is until it is finished, below `_delta_log/`.
    pub temp: String,
    pub complete: bool,
    /// When DynamoDB may delete it, in seconds since the epoch.
    pub expires: Option<u64>,
}

/// The entries of all tables, by the tables' paths.
#[async_trait]
pub trait Entries: Debug + Send + Sync {
    /// Where they are, for messages.
    fn name(&self) -> &str;

    /// Makes sure that they have a place with the keys of the protocol.
    async fn ensure(&self) -> Result<()>;

    /// Whether they have a place, which must have the keys of the protocol. None is an error where it would not be made.
    async fn look(&self) -> Result<bool> {
        Ok(true)
    }

    /// The newest entry of a table.
    async fn latest(&self, table_path: &str) -> Result<Option<Entry>>;

    async fn get(&self, table_path: &str, version: u64) -> Result<Option<Entry>>;

    /// False: there is an entry for the version.
    async fn add(&self, table_path: &str, version: u64, temp: &str) -> Result<bool>;

    /// Marks an entry as complete, unless it is already. `now` is in seconds since the epoch.
    async fn complete(&self, table_path: &str, version: u64, now: u64) -> Result<()>;
}

/// A table in DynamoDB.
#[derive(Debug, Clone)]
pub struct LockTable {
    client: Client,
    requests: Arc<Requests>,
    name: String,
    ttl: Duration,
    /// None: it has to be there.
    create_as: Option<settings::BillingMode>,
}

impl LockTable {
    pub fn new(config: &SdkConfig, settings: &StoreSettings, requests: Arc<Requests>) -> Self {
        let dynamodb = &settings.dynamodb;
        let mut builder = aws_sdk_dynamodb::config::Builder::from(config);
        if let Some(region) = &dynamodb.region {
            builder = builder.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &dynamodb.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        if let Some(keys) = &dynamodb.keys {
            builder = builder.credentials_provider(aws::fixed(keys));
        }
        LockTable {
            client: Client::from_conf(builder.build()),
            requests,
            name: dynamodb.table.clone(),
            ttl: dynamodb.ttl,
            create_as: dynamodb.auto_create.then_some(dynamodb.billing_mode),
        }
    }

    /// Counts a request and what comes of it, with all of the client's tries as one.
    async fn asked<T, E: ProvideErrorMetadata, R>(
        &self,
        kind: RequestKind,
        request: impl Future<Output = Result<T, SdkError<E, R>>>,
    ) -> Result<T, SdkError<E, R>> {
        let asked = self.requests.begin(kind);
        let answer = request.await;
        asked.answered(match answer.as_ref().err().map(|error| error.code()) {
            None => Answer::Ok,
            Some(None) => Answer::Unanswered,
            Some(Some("ConditionalCheckFailedException" | "ResourceInUseException")) => Answer::Conflict,
            Some(Some("ResourceNotFoundException")) => Answer::Missing,
            Some(Some(code)) if DENIED.contains(&code) => Answer::Denied,
            Some(Some(code)) if THROTTLED.contains(&code) => Answer::Throttled,
            Some(Some(_)) => Answer::Failed,
        });
        answer
    }

    async fn describe(&self) -> Result<Option<TableDescription>> {
        let describe = self.client.describe_table().table_name(&self.name);
        match self.asked(RequestKind::LockRead, describe.send()).await {
            Ok(described) => Ok(described.table),
            Err(e) if e.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(e) => Err(self.failed("cannot describe", e)),
        }
    }

    async fn create(&self) -> Result<TableDescription> {
        let billing_mode = self.create_as.ok_or_else(|| self.missing())?;
        let mut create = self.client.create_table().table_name(&self.name);
        for (name, key_type) in [("tablePath", KeyType::Hash), ("fileName", KeyType::Range)] {
            let definition =
                AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
            let key = KeySchemaElement::builder().attribute_name(name).key_type(key_type);
            create = create
                .attribute_definitions(definition.build().map_err(incomplete)?)
                .key_schema(key.build().map_err(incomplete)?);
        }
        create = match billing_mode {
            settings::BillingMode::PayPerRequest => create.billing_mode(BillingMode::PayPerRequest),
            settings::BillingMode::Provisioned => {
                let units = ProvisionedThroughput::builder()
                    .read_capacity_units(CAPACITY_UNITS)
                    .write_capacity_units(CAPACITY_UNITS);
                create.provisioned_throughput(units.build().map_err(incomplete)?)
            }
        };
        match self.asked(RequestKind::LockWrite, create.send()).await {
            Ok(_) => info!("created the DynamoDB table {} for commit locks", self.name),
            Err(e) if e.code() == Some("ResourceInUseException") => {} // by another writer, at the same moment
            Err(e) => return Err(self.failed("cannot create", e)),
        }
        let description = self.until_active().await?;
        let expiry = TimeToLiveSpecification::builder().attribute_name("expireTime").enabled(true);
        let update = self.client.update_time_to_live().table_name(&self.name);
        let expiry = update.time_to_live_specification(expiry.build().map_err(incomplete)?);
        if let Err(e) = self.asked(RequestKind::LockWrite, expiry.send()).await {
            // Another writer may have set it just now. Without it entries stay, and nothing else.
            warn!("entries of the DynamoDB table {} may not expire: {}", self.name, reason(e));
        }
        Ok(description)
    }

    fn missing(&self) -> Error {
        let message = format!(
            "there is no DynamoDB table {}: create it (docs/stores.md), or set delta.dynamodb.table.auto.create=true",
            self.name
        );
        Error::new(Code::LockTable, message)
    }

    fn check_keys(&self, description: &TableDescription) -> Result<()> {
        let key = |kind: KeyType| {
            let mut keys = description.key_schema().iter();
            keys.find(|key| *key.key_type() == kind).map(|key| key.attribute_name())
        };
        if (key(KeyType::Hash), key(KeyType::Range)) != (Some("tablePath"), Some("fileName")) {
            let message = format!(
                "the DynamoDB table {} is no lock table: its keys have to be tablePath (HASH) and fileName (RANGE)",
                self.name
            );
            return Err(Error::new(Code::LockTable, message));
        }
        Ok(())
    }

    async fn until_active(&self) -> Result<TableDescription> {
        let begun = SystemTime::now();
        loop {
            let described = self.describe().await?;
            if let Some(table) = described.filter(|table| table.table_status() == Some(&TableStatus::Active))
            {
                return Ok(table);
            }
            if begun.elapsed().unwrap_or_default() > TABLE_ACTIVE_WAIT {
                let message = format!("the DynamoDB table {} is still being created", self.name);
                return Err(Error::new(Code::StoreIo, message));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    fn entry(&self, item: &HashMap<String, AttributeValue>) -> Result<Entry> {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
        let entry = || {
            Some(Entry {
                version: text("fileName")?.strip_suffix(".json")?.parse().ok()?,
                temp: text("tempPath")?.clone(),
                complete: text("complete")? == "true",
                expires: item.get("expireTime").and_then(|value| value.as_n().ok()?.parse().ok()),
            })
        };
        entry().ok_or_else(|| {
            let message = format!("the DynamoDB table {} holds an entry that is none: {item:?}", self.name);
            Error::new(Code::LockTable, message)
        })
    }

    fn failed<E, R>(&self, doing: &str, error: SdkError<E, R>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let code = match error.code() {
            Some(code) if DENIED.contains(&code) => Code::StoreDenied,
            Some("ResourceNotFoundException") => Code::LockTable,
            _ => Code::StoreIo,
        };
        Error::new(code, format!("{doing} the DynamoDB table {}: {}", self.name, reason(error)))
    }
}

#[async_trait]
impl Entries for LockTable {
    fn name(&self) -> &str {
        &self.name
    }

    async fn latest(&self, table_path: &str) -> Result<Option<Entry>> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(1)
            .key_condition_expression("tablePath = :path")
            .expression_attribute_values(":path", text(table_path));
        let found = self.asked(RequestKind::LockRead, query.send()).await;
        let found = found.map_err(|e| self.failed("cannot read", e))?;
        found.items().first().map(|item| self.entry(item)).transpose()
    }

    async fn get(&self, table_path: &str, version: u64) -> Result<Option<Entry>> {
        let get = self.client.get_item().table_name(&self.name).consistent_read(true);
        let get = get.key("tablePath", text(table_path)).key("fileName", text(&file_name(version)));
        let found = self.asked(RequestKind::LockRead, get.send()).await;
        let found = found.map_err(|e| self.failed("cannot read", e))?;
        found.item().map(|item| self.entry(item)).transpose()
    }

    async fn add(&self, table_path: &str, version: u64, temp: &str) -> Result<bool> {
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .item("tablePath", text(table_path))
            .item("fileName", text(&file_name(version)))
            .item("tempPath", text(temp))
            .item("complete", text("false"))
            .condition_expression("attribute_not_exists(tablePath) AND attribute_not_exists(fileName)");
        match self.asked(RequestKind::LockWrite, put.send()).await {
            Ok(_) => Ok(true),
            Err(e) if e.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(e) => Err(self.failed("cannot write", e)),
        }
    }

    async fn complete(&self, table_path: &str, version: u64, now: u64) -> Result<()> {
        let expires = now + self.ttl.as_secs();
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("tablePath", text(table_path))
            .key("fileName", text(&file_name(version)))
            .update_expression("SET complete = :true, expireTime = :expires")
            .condition_expression("complete = :false")
            .expression_attribute_values(":true", text("true"))
            .expression_attribute_values(":false", text("false"))
            .expression_attribute_values(":expires", AttributeValue::N(expires.to_string()));
        match self.asked(RequestKind::LockWrite, update.send()).await {
            Ok(_) => Ok(()),
            Err(e) if e.code() == Some("ConditionalCheckFailedException") => Ok(()),
            Err(e) => Err(self.failed("cannot write", e)),
        }
    }

    async fn ensure(&self) -> Result<()> {
        let description = match self.describe().await? {
            Some(description) => description,
            None => self.create().await?,
        };
        self.check_keys(&description)
    }

    async fn look(&self) -> Result<bool> {
        match self.describe().await? {
            Some(description) => self.check_keys(&description).map(|()| true),
            None if self.create_as.is_some() => Ok(false),
            None => Err(self.missing()),
        }
    }
}

/// What DynamoDB says, or what kept it from saying anything. The SDK's own text is only `service error`.
fn reason<E, R>(error: SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match (error.code(), error.message()) {
        // Of a wrong signature the further lines repeat the request with its token.
        (Some(code), message) => {
            format!("{code}: {}", message.and_then(|message| message.lines().next()).unwrap_or("no message"))
        }
        _ => match error.into_source() {
            Ok(source) => aws::chain(&*source),
            Err(error) => error.to_string(),
        },
    }
}

fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    Error::new(Code::NativePanic, format!("the request for a lock table: {error}"))
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub fn file_name(version: u64) -> String {
    format!("{version:020}.json")
}
