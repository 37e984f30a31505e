//! The servers of one registry: which one is asked, and what its answers mean before anybody looks into them.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::header::ACCEPT;
use sluice_core::settings::registry::{RegistryUrl, RegistryUser};
use sluice_core::settings::{RegistryApi, RegistrySettings};
use sluice_core::{Code, Error, Result};
use url::Url;

use crate::access::{Access, Credentials};
use crate::gate::{Gate, Pauses};
use crate::http::{Http, Miss, Reply};
use crate::shared::{Asking, Failure};

pub struct Hosts {
    hosts: Vec<Host>,
    /// The one that answered last.
    good: AtomicUsize,
    accept: &'static str,
    http: Http,
    access: Access,
    gate: Gate,
}

pub struct Host {
    /// Up to what a path is added to.
    pub url: String,
    user: Option<RegistryUser>,
}

/// What a host says, if it says something of use.
pub struct Answer {
    /// For messages.
    pub url: String,
    pub reply: Reply,
}

impl Hosts {
    pub fn new(settings: RegistrySettings, pauses: Pauses) -> Result<Hosts> {
        let host = |url: &RegistryUrl| {
            Url::parse(&url.url).map_err(|e| {
                Error::new(Code::ConfigInvalid, format!("delta.registry.url: {} is not a URL: {e}", url.url))
            })?;
            let apicurio = settings.api == RegistryApi::Apicurio && !url.url.contains("/apis/registry/");
            let path = if apicurio { "/apis/registry/v3" } else { "" };
            Ok(Host { url: format!("{}{path}", url.url), user: url.user.clone() })
        };
        let hosts: Vec<_> = settings.urls.iter().map(host).collect::<Result<_>>()?;
        let accept = match settings.api {
            RegistryApi::Confluent => {
                "application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json; q=0.9, \
                 application/json; q=0.8"
            }
            RegistryApi::Apicurio => "*/*",
        };
        let names: Vec<_> = hosts.iter().map(|host| host.url.as_str()).collect();
        Ok(Hosts {
            gate: Gate::new(names.join(", "), pauses),
            good: AtomicUsize::new(0),
            access: Access::new(settings.access.clone()),
            http: Http::new(settings)?,
            hosts,
            accept,
        })
    }

    /// Asks until there is an answer, for as long as somebody wants it.
    pub async fn ask(&self, path: impl Fn(&Host) -> String, asking: &Asking<'_>) -> Result<Answer, Failure> {
        loop {
            let pass = self.gate.enter().await;
            if !asking.is_wanted() {
                return Err(Failure::Abandoned);
            }
            match self.ask_each(&path, asking.pass_over).await {
                Ok(answer) => {
                    self.gate.well();
                    return Ok(answer);
                }
                Err(Miss::Passing(why)) => {
                    self.gate.failed(&pass, &why);
                    asking.note(&why);
                }
                Err(Miss::Untrusted(why)) => {
                    return Err(Failure::Refused(Error::new(Code::RegistryRefused, why)));
                }
                Err(Miss::Refused(error)) => {
                    self.gate.well();
                    return Err(Failure::Refused(error));
                }
            }
        }
    }

    /// Whether there are credentials to ask with: a token may have to be fetched for them.
    pub async fn has_access(&self) -> Result<(), Miss> {
        self.access.credentials(&self.http).await.map(drop)
    }

    /// Asks once.
    pub async fn ask_once(&self, path: &str) -> Result<Answer, Miss> {
        self.ask_each(&|_: &Host| path.to_owned(), 0).await
    }

    /// Why the registry does not answer, while it does not.
    pub fn outage(&self) -> Option<String> {
        self.gate.outage()
    }

    /// Goes on to the next host only from one that does not answer.
    async fn ask_each(&self, path: &impl Fn(&Host) -> String, pass_over: usize) -> Result<Answer, Miss> {
        let (first, count) = (self.good.load(Ordering::Relaxed) + pass_over, self.hosts.len());
        let (mut reasons, mut may_pass) = (Vec::new(), false);
        for number in (0..count).map(|more| (first + more) % count) {
            let host = &self.hosts[number];
            let url = format!("{}{}", host.url, path(host));
            match self.ask_one(host, &url).await {
                Ok(reply) => {
                    if pass_over == 0 {
                        self.good.store(number, Ordering::Relaxed);
                    }
                    return Ok(Answer { url, reply });
                }
                Err(Miss::Passing(why)) => {
                    may_pass = true;
                    reasons.push(why);
                }
                Err(Miss::Untrusted(why)) => reasons.push(why),
                Err(refused) => return Err(refused),
            }
        }
        let reasons = reasons.join("; ");
        Err(if may_pass { Miss::Passing(reasons) } else { Miss::Untrusted(reasons) })
    }

    /// A token that is refused is renewed once.
    async fn ask_one(&self, host: &Host, url: &str) -> Result<Reply, Miss> {
        let mut is_first = true;
        loop {
            let credentials = match &host.user {
                Some(user) => Credentials::User(user.clone()),
                None => self.access.credentials(&self.http).await?,
            };
            let request =
                |client: &reqwest::Client| credentials.put_into(client.get(url).header(ACCEPT, self.accept));
            let reply = self.http.send(request).await;
            let reply = reply.map_err(|miss| match miss {
                Miss::Passing(why) => Miss::Passing(format!("{url}: {why}")),
                Miss::Untrusted(why) => Miss::Untrusted(format!("{url}: {why}")),
                refused => refused,
            })?;
            let told = |what: &str| format!("{url}{what}: {}", reply.tells());
            let refused = |what: String| Miss::Refused(Error::new(Code::RegistryRefused, what));
            match reply.status {
                401 if is_first && matches!(credentials, Credentials::Token(_)) => {
                    is_first = false;
                    if let Credentials::Token(token) = &credentials {
                        self.access.forget(token).await;
                    }
                }
                401 | 403 => return Err(refused(told(&format!(", asked {credentials}")))),
                300..=399 => return Err(refused(told(", which leads elsewhere and is not followed"))),
                408 | 429 | 500.. => return Err(Miss::Passing(told(""))),
                _ => return Ok(reply),
            }
        }
    }
}

impl Answer {
    /// What answers is no registry, or none of this kind.
    pub fn is_foreign(&self, api: &str) -> Failure {
        let message = format!(
            "{}: {}, which is not how {api} answers; see that delta.registry.url has the right path and \
             delta.registry.api is right",
            self.url,
            self.reply.tells()
        );
        Failure::Refused(Error::new(Code::RegistryRefused, message))
    }

    pub fn is_absent(&self, what: &str) -> Failure {
        Failure::Absent(format!("the schema registry has no {what} ({}: {})", self.url, self.reply.tells()))
    }
}
