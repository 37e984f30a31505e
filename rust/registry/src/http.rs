//! Single requests. What goes wrong is told with its causes, and never with a secret.

use std::sync::Mutex;
use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use sluice_core::settings::RegistrySettings;
use sluice_core::settings::registry::RegistryAccess;
use sluice_core::{Code, Error, Result};
use tracing::warn;

use crate::{locked, tls};

/// A longer body is not read.
pub const LONGEST_BODY: usize = 8 << 20;
const LONGEST_CONNECT: Duration = Duration::from_secs(5);
const MOST_REDIRECTS: usize = 5;
/// Of what a server says about an error.
const QUOTED: usize = 300;

pub struct Http {
    settings: RegistrySettings,
    client: Mutex<Client>,
}

pub struct Reply {
    pub status: u16,
    pub content_type: String,
    /// In Apicurio.
    pub artifact_type: Option<String>,
    /// None where it is too long.
    pub body: Option<Vec<u8>>,
}

/// Why a request has no reply.
#[derive(Debug)]
pub enum Miss {
    /// It may have one later.
    Passing(String),
    /// One of the two does not trust the other's certificate.
    Untrusted(String),
    Refused(Error),
}

impl Http {
    pub fn new(settings: RegistrySettings) -> Result<Http> {
        let client = Mutex::new(client(&settings)?);
        Ok(Http { settings, client })
    }

    /// Where a certificate is not trusted, the files are read again: they may have been renewed.
    pub async fn send(&self, request: impl Fn(&Client) -> RequestBuilder) -> Result<Reply, Miss> {
        let first = request(&locked(&self.client));
        match send(first).await {
            Err(Miss::Untrusted(why)) => {
                match client(&self.settings) {
                    Ok(client) => *locked(&self.client) = client,
                    Err(error) => {
                        warn!("{}", error.message);
                        return Err(Miss::Untrusted(why));
                    }
                }
                let second = request(&locked(&self.client));
                send(second).await
            }
            other => other,
        }
    }
}

fn client(settings: &RegistrySettings) -> Result<Client> {
    let token_url = match &settings.access {
        RegistryAccess::OAuth(oauth) => Some(oauth.token_url.as_str()),
        _ => None,
    };
    let mut urls = settings.urls.iter().map(|url| url.url.as_str()).chain(token_url);
    let uses_tls = urls.any(|url| url.starts_with("https:"));
    let client = Client::builder()
        .tls_backend_preconfigured(tls::config(settings, uses_tls)?)
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::custom(follow))
        .connect_timeout(settings.request_timeout.min(LONGEST_CONNECT))
        .timeout(settings.request_timeout)
        .build();
    client.map_err(|e| {
        Error::new(
            Code::ConfigInvalid,
            format!("no client for the schema registry: {}", chain(&e.without_url())),
        )
    })
}

/// Only to the same server: another one would get the credentials, or the certificate.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let to = attempt.url().origin();
    let is_same = attempt.previous().iter().all(|from| from.origin() == to);
    if is_same && attempt.previous().len() <= MOST_REDIRECTS { attempt.follow() } else { attempt.stop() }
}

async fn send(request: RequestBuilder) -> Result<Reply, Miss> {
    let mut response = request.send().await.map_err(missed)?;
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let content_type = header("content-type").unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let artifact_type = header("x-registry-artifacttype").map(str::to_owned);
    let status = response.status().as_u16();
    let mut body = Some(Vec::new());
    while let Some(bytes) = &mut body {
        match response.chunk().await.map_err(missed)? {
            None => break,
            Some(chunk) if bytes.len() + chunk.len() > LONGEST_BODY => body = None,
            Some(chunk) => bytes.extend_from_slice(&chunk),
        }
    }
    Ok(Reply { status, content_type, artifact_type, body })
}

fn missed(error: reqwest::Error) -> Miss {
    // Its text would hold the URL, which is named already.
    let error = error.without_url();
    let text = match error.is_timeout() {
        true => format!("no answer in time: {}", chain(&error)),
        false => chain(&error),
    };
    if is_of_tls(&error) { Miss::Untrusted(text) } else { Miss::Passing(text) }
}

fn is_of_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // What such an error holds is not its source.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

/// An error with its causes; reqwest's own text names only the outermost.
fn chain(error: &dyn std::error::Error) -> String {
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

impl Reply {
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.body.as_ref()?).ok()
    }

    /// `HTTP 404, error code 40403: Schema 7 not found`. Of bodies in other forms only the type: they could hold anything.
    pub fn tells(&self) -> String {
        let status = self.status;
        let json = self.json().unwrap_or_default();
        let code = match (json["error_code"].as_u64(), json["error"].as_str().or(json["name"].as_str())) {
            (Some(code), _) if code != u64::from(status) => format!(", error code {code}"),
            (_, Some(name)) => format!(", {name}"),
            _ => String::new(),
        };
        let texts = ["message", "title", "error_description", "detail"].into_iter();
        let text = texts.filter_map(|key| json[key].as_str()).find(|text| !text.is_empty());
        let text = match text {
            Some(text) => format!(": {}", shortened(text)),
            None if code.is_empty() && !self.content_type.is_empty() => format!(" ({})", self.content_type),
            None => String::new(),
        };
        format!("HTTP {status}{code}{text}")
    }
}

fn shortened(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(QUOTED + 1).collect();
    match text.char_indices().nth(QUOTED) {
        Some((at, _)) => format!("{} ...", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, content_type: &str, body: &str) -> Reply {
        let content_type = content_type.to_owned();
        Reply { status, content_type, artifact_type: None, body: Some(body.as_bytes().to_vec()) }
    }

    #[test]
    fn errors_of_each_kind_of_server_are_told() {
        for (status, body, told) in [
            (
                404,
                r#"{"error_code":40403,"message":"Schema 7 not found"}"#,
                "HTTP 404, error code 40403: Schema 7 not found",
            ),
            (404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#, "HTTP 404: HTTP 404 Not Found"),
            (
                404,
                r#"{"status":404,"name":"ContentNotFoundException","title":"No content"}"#,
                "HTTP 404, ContentNotFoundException: No content",
            ),
            (400, r#"{"error":"invalid_client","error_description":"no"}"#, "HTTP 400, invalid_client: no"),
            (401, "", "HTTP 401 (text/html)"),
            (502, "<h1>Authorization: Basic c2VjcmV0</h1>", "HTTP 502 (text/html)"),
            (500, "[1]", "HTTP 500 (text/html)"),
        ] {
            assert_eq!(reply(status, "text/html", body).tells(), told);
        }
        let long = format!(r#"{{"message":"{}\n"}}"#, "\u{e4}".repeat(1_000));
        let told = reply(500, "", &long).tells();
        assert!(told.ends_with("\u{e4} ...") && told.chars().count() < 330, "{told}");
    }
}
