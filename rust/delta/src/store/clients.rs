//! The way from a table's URI and the settings to its store. Tables in one bucket share a client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig};
use sluice_core::settings::store::S3Settings;
use sluice_core::settings::{CommitLock, PathScheme, PathStyle, ServerSideEncryption, StoreSettings};
use sluice_core::{Code, Error, Result};
use tokio::runtime::Handle;
use url::Url;

use super::cloud::{CloudStore, ConditionalPut, Lock};
use super::dynamodb::DynamoLock;
use super::http::Connector;
use super::lock_table::{Entries, LockTable};
use super::look::{Looking, Opened, Part, Trouble};
use super::upload::Uploads;
use super::{LocalStore, Store, aws, path_of, store_error};
use crate::budget::Budget;
use crate::measure::Requests;
use crate::world::{Tokio, World};

/// How often and how long one request is tried again by the client.
#[derive(Debug, Clone, Copy)]
struct Retries {
    count: usize,
    time: Duration,
    /// Of a request to DynamoDB or STS, the first one included.
    of_aws: u32,
}

/// What then fails is tried again as a whole.
const FOR_A_TASK: Retries = Retries { count: 6, time: Duration::from_secs(30), of_aws: 5 };
/// For somebody who waits.
const FOR_A_LOOK: Retries = Retries { count: 1, time: Duration::from_secs(3), of_aws: 2 };

/// The clients of a process.
pub struct Clients {
    world: Arc<dyn World>,
    budget: Arc<Budget>,
    requests: Arc<Requests>,
    retries: Retries,
    known: Mutex<HashMap<(String, StoreSettings), Client>>,
}

/// A bucket or container.
#[derive(Clone)]
struct Client {
    objects: Arc<dyn ObjectStore>,
    /// Of S3 only.
    lock_table: Option<LockTable>,
}

impl Clients {
    pub fn new(runtime: Handle) -> Self {
        let world = Tokio::world(runtime);
        Clients::in_world(world.clone(), Budget::unlimited(), Requests::new(world))
    }

    pub fn in_world(world: Arc<dyn World>, budget: Arc<Budget>, requests: Arc<Requests>) -> Self {
        Clients { world, budget, requests, retries: FOR_A_TASK, known: Mutex::default() }
    }

    /// For [`Clients::looking`]: they give up soon.
    pub fn for_a_look(runtime: Handle) -> Self {
        Clients { retries: FOR_A_LOOK, ..Clients::new(runtime) }
    }

    /// The store of a table. Asks no service; where the settings leave the region open, it may ask the instance.
    pub fn store(&self, uri: &str, settings: &StoreSettings) -> Result<Arc<dyn Store>> {
        Ok(match self.open(uri, settings)? {
            Opened::Local(local) => Arc::new(local),
            Opened::Cloud(cloud) => Arc::new(cloud),
        })
    }

    /// The same, to look at. Blocks; not for threads of the runtime.
    pub fn looking(&self, uri: &str, settings: &StoreSettings) -> Result<Looking, Trouble> {
        let opened = self.open(uri, settings).map_err(|error| {
            let part = if error.code == Code::CommitLock { Part::Lock } else { Part::Client };
            Trouble { part, error }
        })?;
        if let Opened::Local(local) = &opened {
            local.look_at_folder().map_err(Trouble::of(Part::Objects))?;
        }
        Ok(Looking(opened))
    }

    fn open(&self, uri: &str, settings: &StoreSettings) -> Result<Opened> {
        let url = Url::parse(uri)
            .map_err(|e| Error::new(Code::ConfigInvalid, format!("table URI {uri} is not a URL: {e}")))?;
        let on_s3 = matches!(url.scheme(), "s3" | "s3a");
        if settings.lock == CommitLock::DynamoDb && !on_s3 {
            let message = format!("table URI {uri}: delta.commit.lock=dynamodb is for tables on S3");
            return Err(Error::new(Code::ConfigInvalid, message));
        }
        if url.scheme() == "file" {
            return Ok(Opened::Local(LocalStore::in_world(url, self.world.clone())?));
        }
        if on_s3 {
            refuse_unheard_lock(settings)?;
        }
        let client = self.client(&url, settings)?;
        let uploads = Uploads {
            objects: client.objects.clone(),
            world: self.world.clone(),
            part_bytes: settings.upload_part_bytes as usize,
            budget: self.budget.clone(),
        };
        let lock = lock(&url, settings, client, &self.world)?;
        Ok(Opened::Cloud(CloudStore::new(url, uploads, lock)?))
    }

    fn client(&self, url: &Url, settings: &StoreSettings) -> Result<Client> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let root = format!("{}://{}", url.scheme(), url.authority());
        let key = (root, settings.clone());
        if let Some(client) = known.get(&key) {
            return Ok(client.clone());
        }
        let client = self.connect(url, settings)?;
        known.insert(key, client.clone());
        Ok(client)
    }

    fn connect(&self, url: &Url, settings: &StoreSettings) -> Result<Client> {
        let requests = &self.requests;
        let connector = Connector(requests.clone());
        let (objects, lock_table): (Arc<dyn ObjectStore>, _) = match url.scheme() {
            "s3" | "s3a" => {
                let config = self.world.wait(aws::config(settings, self.retries.of_aws))?;
                let lock_table = LockTable::new(&config, settings, requests.clone());
                (s3(url, settings, &config, connector, self.retries)?, Some(lock_table))
            }
            "az" | "azure" | "abfs" | "abfss" => (azure(url, settings, connector, self.retries)?, None),
            "gs" => (gcs(url, settings, connector, self.retries)?, None),
            other => {
                let message = format!("table URI {url}: there is no store for {other}");
                return Err(Error::new(Code::ConfigInvalid, message));
            }
        };
        Ok(Client { objects, lock_table })
    }
}

/// delta-rs ignores this variable since it has no DynamoDB lock any more, and loses commits by it.
fn refuse_unheard_lock(settings: &StoreSettings) -> Result<()> {
    let asks = std::env::var("AWS_S3_LOCKING_PROVIDER").is_ok_and(|lock| lock == "dynamodb");
    if asks && settings.lock != CommitLock::DynamoDb {
        let message = "the environment asks for the DynamoDB lock (AWS_S3_LOCKING_PROVIDER=dynamodb), and \
                       delta.commit.lock does not: set delta.commit.lock=dynamodb, or unset the variable";
        return Err(Error::new(Code::CommitLock, message));
    }
    Ok(())
}

fn lock(url: &Url, settings: &StoreSettings, client: Client, world: &Arc<dyn World>) -> Result<Lock> {
    let Some(table) = client.lock_table.map(Arc::new) else {
        return Ok(Lock::ConditionalPut(ConditionalPut::default()));
    };
    let root = path_of(url)?;
    let named = |scheme: &str| format!("{scheme}://{}/{root}", url.authority());
    Ok(match settings.lock {
        CommitLock::Store => {
            // An endpoint of S3's without one of DynamoDB's: there is none.
            let reachable = settings.dynamodb.endpoint.is_some() || settings.s3.endpoint.is_none();
            let other = reachable.then(|| (table as Arc<dyn Entries>, vec![named("s3"), named("s3a")]));
            Lock::ConditionalPut(ConditionalPut { may_be_ignored: true, other })
        }
        CommitLock::DynamoDb => {
            let scheme = match settings.dynamodb.path_scheme {
                PathScheme::Auto => url.scheme(),
                PathScheme::S3 => "s3",
                PathScheme::S3a => "s3a",
            };
            let other = if scheme == "s3" { "s3a" } else { "s3" };
            Lock::DynamoDb(Arc::new(DynamoLock {
                world: world.clone(),
                entries: table,
                table_path: named(scheme),
                other_path: named(other),
                objects: client.objects,
                root,
            }))
        }
    })
}

fn s3(
    url: &Url,
    settings: &StoreSettings,
    config: &SdkConfig,
    connector: Connector,
    retries: Retries,
) -> Result<Arc<dyn ObjectStore>> {
    let s3 = &settings.s3;
    // The names that AWS's own programs look at, the one for S3 alone first.
    let of_environment = || config.endpoint_url().map(str::to_owned);
    let of_environment = || std::env::var("AWS_ENDPOINT_URL_S3").ok().or_else(of_environment);
    let endpoint = s3.endpoint.clone().or_else(of_environment);
    let virtual_hosted = match s3.path_style {
        PathStyle::Auto => endpoint.is_none(),
        PathStyle::Always => false,
        PathStyle::Never => true,
    };
    let region = config.region().map_or("us-east-1", |region| region.as_ref());
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(url.authority())
        .with_region(region)
        // A bucket with dots in its name has no certificate of its own.
        .with_virtual_hosted_style_request(
            virtual_hosted && !(endpoint.is_none() && url.authority().contains('.')),
        )
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retries.config())
        .with_http_connector(connector)
        .with_client_options(http(settings, endpoint.as_deref())?);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(of_bucket(&endpoint, url.authority(), virtual_hosted));
    }
    if let Some(credentials) = config.credentials_provider() {
        builder = builder.with_credentials(Arc::new(aws::S3Credentials::new(credentials)));
    }
    Ok(Arc::new(with_encryption(builder, s3).build().map_err(|e| unusable(url, &e))?))
}

/// With virtual hosts the client takes the bucket's name for a part of the endpoint already.
fn of_bucket(endpoint: &str, bucket: &str, virtual_hosted: bool) -> String {
    match (virtual_hosted, endpoint.split_once("://")) {
        (true, Some((scheme, host))) => format!("{scheme}://{bucket}.{host}"),
        _ => endpoint.to_owned(),
    }
}

fn with_encryption(builder: AmazonS3Builder, s3: &S3Settings) -> AmazonS3Builder {
    let key = s3.kms_key_id.as_deref().unwrap_or_default();
    let builder = match s3.encryption {
        ServerSideEncryption::None => builder,
        ServerSideEncryption::Aes256 => match "aws_server_side_encryption".parse::<AmazonS3ConfigKey>() {
            Ok(key) => builder.with_config(key, "AES256"),
            Err(_) => builder,
        },
        ServerSideEncryption::Kms => builder.with_sse_kms_encryption(key),
        ServerSideEncryption::KmsTwice => builder.with_dsse_kms_encryption(key),
    };
    match s3.bucket_key {
        true => builder.with_bucket_key(true),
        false => builder,
    }
}

fn azure(
    url: &Url,
    settings: &StoreSettings,
    connector: Connector,
    retries: Retries,
) -> Result<Arc<dyn ObjectStore>> {
    let azure = &settings.azure;
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_url(url.as_str())
        .with_retry(retries.config())
        .with_http_connector(connector)
        .with_client_options(http(settings, azure.endpoint.as_deref())?);
    let given = |value: &Option<sluice_core::settings::Secret>| value.as_ref().map(|v| v.expose().to_owned());
    if let Some(name) = &azure.account_name {
        builder = builder.with_account(name);
    }
    if let Some(key) = given(&azure.account_key) {
        builder = builder.with_access_key(key);
    }
    if let Some(token) = given(&azure.sas_token) {
        use object_store::azure::AzureConfigKey;
        builder = builder.with_config(AzureConfigKey::SasKey, token);
    }
    if let Some(tenant) = &azure.tenant_id {
        builder = builder.with_tenant_id(tenant);
    }
    if let Some(id) = &azure.client_id {
        builder = builder.with_client_id(id);
    }
    if let Some(secret) = given(&azure.client_secret) {
        builder = builder.with_client_secret(secret);
    }
    if let Some(file) = &azure.federated_token_file {
        builder = builder.with_federated_token_file(file.to_string_lossy());
    }
    if let Some(endpoint) = &azure.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    Ok(Arc::new(builder.build().map_err(|e| unusable(url, &e))?))
}

fn gcs(
    url: &Url,
    settings: &StoreSettings,
    connector: Connector,
    retries: Retries,
) -> Result<Arc<dyn ObjectStore>> {
    let gcs = &settings.gcs;
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(url.authority())
        .with_retry(retries.config())
        .with_http_connector(connector)
        .with_client_options(http(settings, gcs.endpoint.as_deref())?);
    if let Some(file) = &gcs.service_account_file {
        builder = builder.with_application_credentials(file.to_string_lossy());
    }
    if let Some(key) = &gcs.service_account_key {
        builder = builder.with_service_account_key(key.expose());
    }
    if let Some(endpoint) = &gcs.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    Ok(Arc::new(builder.build().map_err(|e| unusable(url, &e))?))
}

impl Retries {
    fn config(self) -> RetryConfig {
        RetryConfig { backoff: BackoffConfig::default(), max_retries: self.count, retry_timeout: self.time }
    }
}

fn http(settings: &StoreSettings, endpoint: Option<&str>) -> Result<ClientOptions> {
    let mut options = ClientOptions::new()
        .with_connect_timeout(settings.connect_timeout)
        .with_timeout(settings.request_timeout)
        .with_allow_http(endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")));
    if let Some(proxy) = &settings.proxy_url {
        options = options.with_proxy_url(proxy.expose());
    }
    if let Some(pem) = aws::ca_pem(settings)? {
        let refused =
            |e: &dyn std::fmt::Display| Error::new(Code::ConfigInvalid, format!("delta.store.ca.file: {e}"));
        for certificate in Certificate::from_pem_bundle(&pem).map_err(|e| refused(&e))? {
            options = options.with_root_certificate(certificate);
        }
    }
    Ok(options)
}

fn unusable(url: &Url, error: &object_store::Error) -> Error {
    let error = store_error(&format!("the settings do not give a client for {url}"), error);
    Error::new(Code::ConfigInvalid, error.message)
}
