//! How the registry knows who asks.

use std::fmt;
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use reqwest::header::CONTENT_TYPE;
use sluice_core::settings::Secret;
use sluice_core::settings::registry::{RegistryAccess, RegistryOAuth, RegistryUser};
use sluice_core::{Code, Error};
use tokio::sync::Mutex;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::http::{Http, Miss};

/// Of a token that does not say how long it lasts.
const USUAL_LIFE: Duration = Duration::from_secs(300);
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

pub struct Access {
    given: RegistryAccess,
    token: Mutex<Option<Token>>,
}

struct Token {
    value: Secret,
    /// When a tenth of its life is left.
    renewed: Instant,
}

pub enum Credentials {
    Nothing,
    User(RegistryUser),
    Fixed(Secret),
    /// A new one can be had when it is refused.
    Token(Secret),
}

impl Access {
    pub fn new(given: RegistryAccess) -> Access {
        Access { given, token: Mutex::default() }
    }

    pub async fn credentials(&self, http: &Http) -> Result<Credentials, Miss> {
        match &self.given {
            RegistryAccess::Open => Ok(Credentials::Nothing),
            RegistryAccess::User(user) => Ok(Credentials::User(user.clone())),
            RegistryAccess::Bearer(token) => Ok(Credentials::Fixed(token.clone())),
            RegistryAccess::OAuth(oauth) => {
                // Held while a token is fetched, so that all wait for the same one.
                let mut token = self.token.lock().await;
                if let Some(token) = &*token
                    && Instant::now() < token.renewed
                {
                    return Ok(Credentials::Token(token.value.clone()));
                }
                let fresh = fetch(oauth, http).await?;
                let value = fresh.value.clone();
                *token = Some(fresh);
                Ok(Credentials::Token(value))
            }
        }
    }

    /// The registry has refused the token.
    pub async fn forget(&self, refused: &Secret) {
        let mut token = self.token.lock().await;
        if token.as_ref().is_some_and(|token| token.value == *refused) {
            *token = None;
        }
    }
}

impl Credentials {
    pub fn put_into(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Credentials::Nothing => request,
            Credentials::User(user) => request.basic_auth(&user.name, Some(user.password.expose())),
            Credentials::Fixed(token) | Credentials::Token(token) => request.bearer_auth(token.expose()),
        }
    }
}

/// What was sent, for the text of a refusal.
impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::Nothing => "without credentials",
            Credentials::User(_) => "with user and password",
            Credentials::Fixed(_) => "with delta.registry.bearer.token",
            Credentials::Token(_) => "with a token of delta.registry.oauth.token.url",
        })
    }
}

async fn fetch(oauth: &RegistryOAuth, http: &Http) -> Result<Token, Miss> {
    let form = form(oauth);
    // RFC 6749, 2.3.1: both are encoded as in a form before they are put together.
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let (id, secret) = (encoded(&oauth.client_id), encoded(oauth.client_secret.expose()));
    let asked = Instant::now();
    let reply = http
        .send(|client| {
            let request = client.post(&oauth.token_url).basic_auth(&id, Some(&secret));
            request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.clone())
        })
        .await;
    let here = |what: String| format!("no token from {}: {what}", oauth.token_url);
    let reply = reply.map_err(|miss| match miss {
        Miss::Passing(why) => Miss::Passing(here(why)),
        Miss::Untrusted(why) => Miss::Untrusted(here(why)),
        refused => refused,
    })?;
    if matches!(reply.status, 408 | 429 | 500..) {
        return Err(Miss::Passing(here(reply.tells())));
    }
    let refused = |what| Miss::Refused(Error::new(Code::RegistryRefused, here(what)));
    if reply.status != 200 {
        return Err(refused(reply.tells()));
    }
    let json = reply.json().unwrap_or_default();
    let value = json["access_token"].as_str();
    let value = value.ok_or_else(|| refused("the answer has no access_token".to_owned()))?;
    let seconds = json["expires_in"].as_u64().or_else(|| json["expires_in"].as_str()?.parse().ok());
    let life = seconds.map_or(USUAL_LIFE, Duration::from_secs).min(LONGEST_LIFE);
    Ok(Token { value: Secret::new(value), renewed: asked + life.mul_f64(0.9) })
}

fn form(oauth: &RegistryOAuth) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = &oauth.scope {
        form.append_pair("scope", scope);
    }
    form.finish()
}
