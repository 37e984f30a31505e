//! How the store of the tables is reached, and how versions of their logs are claimed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::aliases;
use super::choices::{BillingMode, CommitLock, PathScheme, PathStyle, ServerSideEncryption};
use super::declare;
use super::reader::{Reader, SettingError};
use super::secret::Secret;

/// The same for all tables of a connector. Equal settings share their clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoreSettings {
    pub lock: CommitLock,
    /// It may hold a password.
    pub proxy_url: Option<Secret>,
    pub ca_file: Option<PathBuf>,
    pub connect_timeout: Duration,
    pub request_timeout: Duration,
    pub upload_part_bytes: u64,
    pub s3: S3Settings,
    pub dynamodb: DynamoDbSettings,
    pub azure: AzureSettings,
    pub gcs: GcsSettings,
}

/// Fixed keys of AWS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AwsKeys {
    pub access_key_id: Secret,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct S3Settings {
    pub region: Option<String>,
    pub endpoint: Option<String>,
    pub path_style: PathStyle,
    pub keys: Option<AwsKeys>,
    pub profile: Option<String>,
    pub role: Option<AwsRole>,
    pub encryption: ServerSideEncryption,
    pub kms_key_id: Option<String>,
    pub bucket_key: bool,
}

/// A role that the credentials found otherwise, or a web identity, are exchanged for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AwsRole {
    pub arn: String,
    pub session_name: Option<String>,
    pub external_id: Option<String>,
    pub web_identity_token_file: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DynamoDbSettings {
    pub table: String,
    pub region: Option<String>,
    pub endpoint: Option<String>,
    pub keys: Option<AwsKeys>,
    pub path_scheme: PathScheme,
    pub auto_create: bool,
    pub billing_mode: BillingMode,
    /// How long a completed entry stays.
    pub ttl: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AzureSettings {
    pub account_name: Option<String>,
    pub account_key: Option<Secret>,
    pub sas_token: Option<Secret>,
    pub tenant_id: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub federated_token_file: Option<PathBuf>,
    pub endpoint: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GcsSettings {
    pub service_account_file: Option<PathBuf>,
    pub service_account_key: Option<Secret>,
    pub endpoint: Option<String>,
}

impl StoreSettings {
    /// None after an error, which the reader keeps.
    pub(super) fn read(read: &mut Reader) -> Option<StoreSettings> {
        let lock = read.choice(declare::COMMIT_LOCK);
        let ca_file = read.path(declare::STORE_CA_FILE);
        let connect_timeout = Duration::from_millis(read.long(declare::STORE_CONNECT_TIMEOUT_MS));
        let request_timeout = Duration::from_millis(read.long(declare::STORE_REQUEST_TIMEOUT_MS));
        let upload_part_bytes = read.long(declare::STORE_UPLOAD_PART_BYTES);
        let s3 = s3(read);
        let dynamodb = dynamodb(read);
        let azure = AzureSettings {
            account_name: text(read, declare::AZURE_ACCOUNT_NAME),
            account_key: secret(read, declare::AZURE_ACCOUNT_KEY),
            sas_token: secret(read, declare::AZURE_SAS_TOKEN),
            tenant_id: text(read, declare::AZURE_TENANT_ID),
            client_id: text(read, declare::AZURE_CLIENT_ID),
            client_secret: secret(read, declare::AZURE_CLIENT_SECRET),
            federated_token_file: read.path(declare::AZURE_FEDERATED_TOKEN_FILE),
            endpoint: endpoint(read, declare::AZURE_ENDPOINT),
        };
        let gcs = GcsSettings {
            service_account_file: read.path(declare::GCS_SERVICE_ACCOUNT_FILE),
            service_account_key: secret(read, declare::GCS_SERVICE_ACCOUNT_KEY),
            endpoint: endpoint(read, declare::GCS_ENDPOINT),
        };
        Some(StoreSettings {
            lock: lock?,
            proxy_url: secret(read, declare::STORE_PROXY_URL),
            ca_file,
            connect_timeout,
            request_timeout,
            upload_part_bytes,
            s3: s3?,
            dynamodb: dynamodb?,
            azure,
            gcs,
        })
    }
}

impl StoreSettings {
    /// Those of a connector's settings, whatever else is in them.
    pub fn parse(given: &BTreeMap<String, String>) -> Result<StoreSettings, Vec<SettingError>> {
        let (given, mut errors) = aliases::resolve(given);
        let mut read = Reader::new(&given);
        let settings = StoreSettings::read(&mut read);
        errors.append(&mut read.errors);
        settings.filter(|_| errors.is_empty()).ok_or(errors)
    }

    /// With parts so large that 10,000 of them, as many as S3 takes, hold twice the target size of a file.
    pub(super) fn for_files_of(mut self, target_bytes: u64) -> StoreSettings {
        self.upload_part_bytes = self.upload_part_bytes.max(target_bytes / 5_000);
        self
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        StoreSettings::parse(&BTreeMap::new()).unwrap_or_else(|_| unreachable!("defaults are valid"))
    }
}

fn s3(read: &mut Reader) -> Option<S3Settings> {
    let path_style = read.choice(declare::S3_PATH_STYLE_ACCESS);
    let encryption = read.choice(declare::S3_SSE);
    let bucket_key = read.boolean(declare::S3_SSE_BUCKET_KEY);
    let kms_key_id = text(read, declare::S3_SSE_KMS_KEY_ID);
    let with_kms = matches!(encryption, Some(ServerSideEncryption::Kms | ServerSideEncryption::KmsTwice));
    if kms_key_id.is_some() && !with_kms {
        read.invalid(declare::S3_SSE_KMS_KEY_ID, "a key needs delta.s3.sse=aws:kms or aws:kms:dsse");
    }
    if with_kms && kms_key_id.is_none() {
        read.invalid(declare::S3_SSE, "it needs delta.s3.sse.kms.key.id");
    }
    let endpoint = endpoint(read, declare::S3_ENDPOINT);
    let token_file = read.path(declare::S3_WEB_IDENTITY_TOKEN_FILE);
    let role = text(read, declare::S3_ROLE_ARN).map(|arn| AwsRole {
        arn,
        session_name: text(read, declare::S3_ROLE_SESSION_NAME),
        external_id: text(read, declare::S3_ROLE_EXTERNAL_ID),
        web_identity_token_file: token_file,
    });
    Some(S3Settings {
        region: text(read, declare::S3_REGION),
        endpoint,
        path_style: path_style?,
        keys: keys(
            read,
            [declare::S3_ACCESS_KEY_ID, declare::S3_SECRET_ACCESS_KEY, declare::S3_SESSION_TOKEN],
        ),
        profile: text(read, declare::S3_PROFILE),
        role,
        encryption: encryption?,
        kms_key_id,
        bucket_key,
    })
}

fn dynamodb(read: &mut Reader) -> Option<DynamoDbSettings> {
    let path_scheme = read.choice(declare::DYNAMODB_PATH_SCHEME);
    let billing_mode = read.choice(declare::DYNAMODB_BILLING_MODE);
    let auto_create = read.boolean(declare::DYNAMODB_TABLE_AUTO_CREATE);
    let ttl = Duration::from_millis(read.long(declare::DYNAMODB_TTL_MS));
    let endpoint = endpoint(read, declare::DYNAMODB_ENDPOINT);
    Some(DynamoDbSettings {
        table: read.text_or_default(declare::DYNAMODB_TABLE).to_owned(),
        region: text(read, declare::DYNAMODB_REGION),
        endpoint,
        keys: keys(
            read,
            [
                declare::DYNAMODB_ACCESS_KEY_ID,
                declare::DYNAMODB_SECRET_ACCESS_KEY,
                declare::DYNAMODB_SESSION_TOKEN,
            ],
        ),
        path_scheme: path_scheme?,
        auto_create,
        billing_mode: billing_mode?,
        ttl,
    })
}

pub(super) fn text(read: &Reader, key: &str) -> Option<String> {
    read.any_text(key).map(str::to_owned)
}

pub(super) fn secret(read: &Reader, key: &str) -> Option<Secret> {
    read.any_text(key).map(Secret::new)
}

fn keys(read: &Reader, [id, secret_key, token]: [&str; 3]) -> Option<AwsKeys> {
    Some(AwsKeys {
        access_key_id: secret(read, id)?,
        secret_access_key: secret(read, secret_key)?,
        session_token: secret(read, token),
    })
}

fn endpoint(read: &mut Reader, key: &str) -> Option<String> {
    read.text(key, |url| match url.strip_prefix("http://").or(url.strip_prefix("https://")) {
        Some(rest) if !rest.is_empty() && !rest.contains('@') => Ok(url.trim_end_matches('/').to_owned()),
        _ => Err("an endpoint is written http://host:port or https://host".into()),
    })
}
