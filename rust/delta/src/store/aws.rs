//! AWS as the settings, the environment and the machine say: region, credentials, HTTP.

#![expect(clippy::disallowed_methods, reason = "a simulation has no AWS")]

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{
    Credentials, ProvideCredentials, SharedCredentialsProvider, SharedHttpClient,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use object_store::aws::AwsCredential;
use sluice_core::settings::StoreSettings;
use sluice_core::settings::store::{AwsKeys, AwsRole};
use sluice_core::{Code, Error, Result};
use tokio::sync::Mutex;
use tracing::warn;
use url::Url;

/// Credentials are fetched again when they have less than this left.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// What S3 and DynamoDB clients are made from. Looks at files and at the instance, not at any service. `attempts`: how often one
/// request to DynamoDB or STS is made.
pub async fn config(settings: &StoreSettings, attempts: u32) -> Result<SdkConfig> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(settings)?)
        .retry_config(RetryConfig::standard().with_max_attempts(attempts))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(settings.connect_timeout)
                .operation_attempt_timeout(settings.request_timeout)
                .build(),
        );
    let s3 = &settings.s3;
    if let Some(region) = &s3.region {
        loader = loader.region(Region::new(region.clone()));
    } else if s3.endpoint.is_some() {
        // Not AWS: the instance is not asked.
        let named = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new());
        loader = loader.region(named.or_else(ProfileFileRegionProvider::new()).or_else("us-east-1"));
    }
    if let Some(profile) = &s3.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(keys) = &s3.keys {
        loader = loader.credentials_provider(fixed(keys));
    }
    let config = loader.load().await;
    let credentials = match (&s3.profile, &s3.role) {
        // A profile that is asked for is used, whatever the environment holds.
        (Some(profile), None) => SharedCredentialsProvider::new(of_profile(&config, profile)),
        (_, Some(role)) => of_role(&config, role, s3.profile.as_deref()).await,
        (None, None) => return Ok(with_region(config)),
    };
    Ok(with_region(config.into_builder().credentials_provider(credentials).build()))
}

fn with_region(config: SdkConfig) -> SdkConfig {
    match config.region() {
        Some(_) => config,
        None => config.into_builder().region(Region::new("us-east-1")).build(),
    }
}

/// Keys of the lock table's own.
pub fn fixed(keys: &AwsKeys) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new(
        keys.access_key_id.expose(),
        keys.secret_access_key.expose(),
        keys.session_token.as_ref().map(|token| token.expose().to_owned()),
        None,
        "settings",
    ))
}

fn provider_config(config: &SdkConfig) -> ProviderConfig {
    let http = config.http_client();
    let provider = ProviderConfig::default().with_region(config.region().cloned());
    match http {
        Some(http) => provider.with_http_client(http),
        None => provider,
    }
}

fn of_profile(config: &SdkConfig, profile: &str) -> ProfileFileCredentialsProvider {
    ProfileFileCredentialsProvider::builder()
        .configure(&provider_config(config))
        .profile_name(profile)
        .build()
}

async fn of_role(config: &SdkConfig, role: &AwsRole, profile: Option<&str>) -> SharedCredentialsProvider {
    let session = role.session_name.as_deref().unwrap_or("sluice");
    if let Some(file) = &role.web_identity_token_file {
        let identity = StaticConfiguration {
            web_identity_token_file: file.clone(),
            role_arn: role.arn.clone(),
            session_name: session.to_owned(),
        };
        return SharedCredentialsProvider::new(
            WebIdentityTokenCredentialsProvider::builder()
                .configure(&provider_config(config))
                .static_configuration(identity)
                .build(),
        );
    }
    let mut builder = AssumeRoleProvider::builder(&role.arn).session_name(session).configure(config);
    if let Some(id) = &role.external_id {
        builder = builder.external_id(id);
    }
    SharedCredentialsProvider::new(match (profile, config.credentials_provider()) {
        (Some(profile), _) => builder.build_from_provider(of_profile(config, profile)).await,
        (None, Some(base)) => builder.build_from_provider(base).await,
        (None, None) => builder.build().await,
    })
}

fn http_client(settings: &StoreSettings) -> Result<SharedHttpClient> {
    let refused =
        |setting: &str, e: &dyn std::fmt::Display| Error::new(Code::ConfigInvalid, format!("{setting}: {e}"));
    let mut trusted = TrustStore::default();
    if let Some(pem) = ca_pem(settings)? {
        trusted = trusted.with_pem_certificate(pem);
    }
    let tls = TlsContext::builder().with_trust_store(trusted).build();
    let tls = tls.map_err(|e| refused("delta.store.ca.file", &e))?;
    let proxy = match &settings.proxy_url {
        Some(url) => Some(proxy(url.expose()).map_err(|e| refused("delta.store.proxy.url", &e))?),
        None => None,
    };
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder();
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(proxy.clone());
        connector.tls_provider(Provider::rustls(CryptoMode::AwsLc)).tls_context(tls.clone()).build()
    }))
}

/// The error never holds the URL: it may have a password.
fn proxy(url: &str) -> std::result::Result<ProxyConfig, &'static str> {
    let mut url = Url::parse(url).map_err(|_| "it is not a URL")?;
    let (user, password) = (url.username().to_owned(), url.password().map(str::to_owned));
    if url.set_username("").and(url.set_password(None)).is_err() {
        return Err("it has no host");
    }
    let proxy = ProxyConfig::all(url.as_str()).map_err(|_| "it is not a proxy's URL")?;
    Ok(match password {
        Some(password) => proxy.with_basic_auth(user, password),
        None => proxy,
    })
}

pub fn ca_pem(settings: &StoreSettings) -> Result<Option<Vec<u8>>> {
    let Some(file) = &settings.ca_file else { return Ok(None) };
    fs::read(file).map(Some).map_err(|e| {
        Error::new(Code::ConfigInvalid, format!("cannot read delta.store.ca.file {}: {e}", file.display()))
    })
}

/// Hands the SDK's credentials to the S3 client, which asks for them with each request.
#[derive(Debug)]
pub struct S3Credentials {
    provider: SharedCredentialsProvider,
    known: Mutex<Option<(Arc<AwsCredential>, Option<SystemTime>)>>,
}

impl S3Credentials {
    pub fn new(provider: SharedCredentialsProvider) -> Self {
        S3Credentials { provider, known: Mutex::default() }
    }
}

#[async_trait]
impl object_store::CredentialProvider for S3Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut known = self.known.lock().await;
        let left = |expiry: &Option<SystemTime>| {
            expiry.map_or(Duration::MAX, |at| at.duration_since(SystemTime::now()).unwrap_or_default())
        };
        if let Some((credential, expiry)) = &*known
            && left(expiry) > RENEW_BEFORE
        {
            return Ok(credential.clone());
        }
        match self.provider.provide_credentials().await {
            Ok(fresh) => {
                let credential = Arc::new(AwsCredential {
                    key_id: fresh.access_key_id().to_owned(),
                    secret_key: fresh.secret_access_key().to_owned(),
                    token: fresh.session_token().map(str::to_owned),
                });
                *known = Some((credential.clone(), fresh.expiry()));
                Ok(credential)
            }
            Err(error) => match &*known {
                Some((credential, expiry)) if !left(expiry).is_zero() => {
                    warn!("cannot renew the AWS credentials yet: {}", chain(&error));
                    Ok(credential.clone())
                }
                _ => Err(no_credentials(&error)),
            },
        }
    }
}

fn no_credentials(error: &dyn std::error::Error) -> object_store::Error {
    object_store::Error::Unauthenticated {
        path: String::new(),
        source: format!("no AWS credentials: {}", chain(error)).into(),
    }
}

/// An error with its causes. The SDK's own texts name only the outermost.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}
