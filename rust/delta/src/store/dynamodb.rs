//! Claims by an entry in DynamoDB: the multi-cluster protocol of Delta's `S3DynamoDBLogStore`
//! (`io.delta.storage.BaseExternalLogStore`), described in `docs/dynamodb-lock.md`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ProvisionedThroughput,
    ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification,
};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use sluice_core::settings::{self, StoreSettings};
use sluice_core::{Code, Error, Result};
use tracing::{info, warn};
use uuid::Uuid;

use crate::actions::millis_since_epoch;

use super::{Claim, aws, commit_path, put_if_absent, store_error};

/// What Spark gives a table that it creates.
const CAPACITY_UNITS: i64 = 5;
/// How often a decided commit is finished by us before that is left to the next reader or writer.
const FINISH_TRIES: u32 = 3;
const TABLE_ACTIVE_WAIT: Duration = Duration::from_secs(60);

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

/// The entries of all tables.
#[derive(Debug, Clone)]
pub struct LockTable {
    client: Client,
    name: String,
    ttl: Duration,
    /// None: it has to be there.
    create_as: Option<settings::BillingMode>,
}

impl LockTable {
    pub fn new(config: &SdkConfig, settings: &StoreSettings) -> Self {
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
            name: dynamodb.table.clone(),
            ttl: dynamodb.ttl,
            create_as: dynamodb.auto_create.then_some(dynamodb.billing_mode),
        }
    }

    /// The newest entry of a table.
    pub async fn latest(&self, table_path: &str) -> Result<Option<Entry>> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(1)
            .key_condition_expression("tablePath = :path")
            .expression_attribute_values(":path", text(table_path));
        let found = query.send().await.map_err(|e| self.failed("cannot read", e))?;
        found.items().first().map(|item| self.entry(item)).transpose()
    }

    async fn get(&self, table_path: &str, version: u64) -> Result<Option<Entry>> {
        let get = self.client.get_item().table_name(&self.name).consistent_read(true);
        let get = get.key("tablePath", text(table_path)).key("fileName", text(&file_name(version)));
        let found = get.send().await.map_err(|e| self.failed("cannot read", e))?;
        found.item().map(|item| self.entry(item)).transpose()
    }

    /// False: there is an entry for the version.
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
        match put.send().await {
            Ok(_) => Ok(true),
            Err(e) if e.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(e) => Err(self.failed("cannot write", e)),
        }
    }

    /// Marks an entry as complete, unless it is already.
    async fn complete(&self, table_path: &str, version: u64) -> Result<()> {
        let expires = seconds_since_epoch() + self.ttl.as_secs();
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
        match update.send().await {
            Ok(_) => Ok(()),
            Err(e) if e.code() == Some("ConditionalCheckFailedException") => Ok(()),
            Err(e) => Err(self.failed("cannot write", e)),
        }
    }

    /// Makes sure that the table is there and has the keys of the protocol.
    async fn ensure(&self) -> Result<()> {
        let description = match self.describe().await? {
            Some(description) => description,
            None => self.create().await?,
        };
        let key = |kind: KeyType| {
            description
                .key_schema()
                .iter()
                .find(|key| *key.key_type() == kind)
                .map(|key| key.attribute_name())
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

    async fn describe(&self) -> Result<Option<TableDescription>> {
        match self.client.describe_table().table_name(&self.name).send().await {
            Ok(described) => Ok(described.table),
            Err(e) if e.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(e) => Err(self.failed("cannot describe", e)),
        }
    }

    async fn create(&self) -> Result<TableDescription> {
        let Some(billing_mode) = self.create_as else {
            let message = format!(
                "there is no DynamoDB table {}: create it (docs/stores.md), or set delta.dynamodb.table.auto.create=true",
                self.name
            );
            return Err(Error::new(Code::LockTable, message));
        };
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
        match create.send().await {
            Ok(_) => info!("created the DynamoDB table {} for commit locks", self.name),
            Err(e) if e.code() == Some("ResourceInUseException") => {} // by another writer, at the same moment
            Err(e) => return Err(self.failed("cannot create", e)),
        }
        let description = self.until_active().await?;
        let expiry = TimeToLiveSpecification::builder().attribute_name("expireTime").enabled(true);
        let update = self.client.update_time_to_live().table_name(&self.name);
        let expiry = update.time_to_live_specification(expiry.build().map_err(incomplete)?);
        if let Err(e) = expiry.send().await {
            // Another writer may have set it just now. Without it entries stay, and nothing else.
            warn!("entries of the DynamoDB table {} may not expire: {}", self.name, reason(e));
        }
        Ok(description)
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
            Some(
                "AccessDeniedException"
                | "UnrecognizedClientException"
                | "InvalidSignatureException"
                | "MissingAuthenticationTokenException"
                | "IncompleteSignatureException",
            ) => Code::StoreDenied,
            Some("ResourceNotFoundException") => Code::LockTable,
            _ => Code::StoreIo,
        };
        Error::new(code, format!("{doing} the DynamoDB table {}: {}", self.name, reason(error)))
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

fn file_name(version: u64) -> String {
    format!("{version:020}.json")
}

fn seconds_since_epoch() -> u64 {
    millis_since_epoch().unsigned_abs() / 1_000
}

/// The lock of one table.
#[derive(Debug)]
pub struct DynamoLock {
    pub table: LockTable,
    /// The table in the lock table: scheme, bucket and path without a slash at the end, nothing encoded.
    pub table_path: String,
    /// The same with the other scheme, which no writer may use beside ours.
    pub other_path: String,
    /// As they are: whoever lists through it sees no further than the store.
    pub objects: Arc<dyn ObjectStore>,
    pub root: Path,
}

impl DynamoLock {
    /// Claims a version. Once the entry is there the commit is decided, whatever fails afterwards.
    pub async fn claim(&self, version: u64, commit: &[u8]) -> Result<Claim> {
        if let Some(before) = version.checked_sub(1) {
            match self.table.get(&self.table_path, before).await? {
                Some(entry) if !entry.complete => self.finish(&entry).await?,
                Some(_) => {}
                None if self.read(before).await?.is_some() => {}
                None => {
                    let message = format!("table {} has no version {before} any more", self.table_path);
                    return Err(Error::new(Code::TableReplaced, message));
                }
            }
        }
        if let Some(there) = self.read(version).await? {
            return Ok(Claim::won_if(there == commit));
        }
        let temp = format!(".tmp/{}.{}", file_name(version), Uuid::new_v4());
        self.overwrite(&self.in_log(&temp), commit).await?;
        let added = self.table.add(&self.table_path, version, &temp).await;
        let entry = match added {
            Ok(true) => None,
            // Refused, or refused to the retry of a request that had gone through, or no reply at all.
            refused => match (self.table.get(&self.table_path, version).await?, refused) {
                (Some(entry), _) if entry.temp == temp => None,
                (Some(entry), _) => Some(entry),
                (None, Err(error)) => return Err(error),
                (None, Ok(_)) => {
                    let message = format!("the entry for version {version} came and went");
                    return Err(Error::new(Code::StoreIo, message));
                }
            },
        };
        match entry {
            None => Ok(self.finish_own(version, commit).await),
            Some(entry) => {
                if !entry.complete {
                    self.finish(&entry).await?;
                }
                // Ours from before, if an earlier claim with the same commit got no reply.
                Ok(Claim::won_if(self.read(version).await?.is_some_and(|there| there == commit)))
            }
        }
    }

    /// The entry is there: the commit is won even if it cannot be finished now, unless a writer without the lock has
    /// put another one in its place.
    async fn finish_own(&self, version: u64, commit: &[u8]) -> Claim {
        for attempt in 1..=FINISH_TRIES {
            let finished = async {
                let ours = self.publish(version, commit).await?;
                self.table.complete(&self.table_path, version).await?;
                Ok::<_, Error>(ours)
            };
            match finished.await {
                Ok(ours) => return Claim::won_if(ours),
                Err(error) => {
                    warn!(
                        "version {version} of {} is committed and not finished yet: {error}",
                        self.table_path
                    );
                    tokio::time::sleep(Duration::from_millis(100) * attempt).await;
                }
            }
        }
        Claim::Won
    }

    /// Finishes what a writer has decided, be it dead or only slower than we are.
    async fn finish(&self, entry: &Entry) -> Result<()> {
        if self.read(entry.version).await?.is_none() {
            let temp = self.in_log(&entry.temp);
            match self.objects.get(&temp).await {
                Ok(found) => {
                    let commit = found.bytes().await.map_err(|e| self.unreadable(&temp, &e))?;
                    self.publish(entry.version, &commit).await?;
                    info!("finished version {} of {} for another writer", entry.version, self.table_path);
                }
                // Its own writer was faster after all.
                Err(object_store::Error::NotFound { .. }) if self.read(entry.version).await?.is_some() => {}
                Err(object_store::Error::NotFound { .. }) => {
                    let message = format!(
                        "the DynamoDB table {} says that version {} of {} is in {temp}, which is not there",
                        self.table.name, entry.version, self.table_path
                    );
                    return Err(Error::new(Code::TableCorrupt, message));
                }
                Err(error) => return Err(self.unreadable(&temp, &error)),
            }
        }
        self.table.complete(&self.table_path, entry.version).await
    }

    /// Makes the newest version that is decided one that everybody can read.
    pub async fn settle(&self) -> Result<()> {
        match self.table.latest(&self.table_path).await? {
            Some(entry) if !entry.complete => self.finish(&entry).await,
            _ => Ok(()),
        }
    }

    /// What has to hold before the table is written.
    pub async fn check(&self) -> Result<()> {
        self.table.ensure().await?;
        if self.table.latest(&self.other_path).await?.is_some() {
            let message = format!(
                "the DynamoDB table {} has entries for {}, and this connector would write {}: the two do not see each \
                 other. Set delta.dynamodb.path.scheme as the other writers have it",
                self.table.name, self.other_path, self.table_path
            );
            return Err(Error::new(Code::CommitLock, message));
        }
        let Some(entry) = self.table.latest(&self.table_path).await? else { return Ok(()) };
        let next = entry.version + 1;
        let expired = entry.expires.is_some_and(|at| at <= seconds_since_epoch());
        if expired || self.read(next).await?.is_none() {
            return Ok(());
        }
        // Its entry may have been written since.
        if self.table.latest(&self.table_path).await?.is_some_and(|newest| newest.version >= next) {
            return Ok(());
        }
        let message = format!(
            "version {next} of {} has no entry in the DynamoDB table {}, whose newest is for version {}: a writer commits \
             without the lock. Stop all writers, give them the same lock, delete this table's entries, then start them again",
            self.table_path, self.table.name, entry.version
        );
        Err(Error::new(Code::CommitLock, message))
    }

    fn in_log(&self, name: &str) -> Path {
        name.split('/').fold(self.root.clone().join("_delta_log"), |path, part| path.join(part))
    }

    async fn read(&self, version: u64) -> Result<Option<Vec<u8>>> {
        let path = commit_path(&self.root, version);
        match self.objects.get(&path).await {
            Ok(found) => {
                let bytes = found.bytes().await.map_err(|e| self.unreadable(&path, &e))?;
                Ok(Some(bytes.to_vec()))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.unreadable(&path, &error)),
        }
    }

    /// Writes a decided commit to its place. The protocol does not ask for a conditional put here; where the store has one it
    /// keeps a commit that was made without the lock. Whether what is there then is this commit.
    async fn publish(&self, version: u64, commit: &[u8]) -> Result<bool> {
        let path = commit_path(&self.root, version);
        let created = put_if_absent(&self.objects, &path, commit).await;
        if let Ok(true) = created {
            return Ok(true);
        }
        match (self.read(version).await?, created) {
            (Some(there), _) => Ok(there == commit),
            (None, Err(_)) => self.overwrite(&path, commit).await.map(|()| true),
            (None, Ok(_)) => {
                let message = format!("cannot write {path} while another put of it is on its way");
                Err(Error::new(Code::StoreIo, message))
            }
        }
    }

    async fn overwrite(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let put = self.objects.put(path, bytes.to_vec().into()).await;
        put.map(|_| ()).map_err(|e| store_error(&format!("cannot write {path}"), &e))
    }

    fn unreadable(&self, path: &Path, error: &object_store::Error) -> Error {
        store_error(&format!("cannot read {path}"), error)
    }
}
