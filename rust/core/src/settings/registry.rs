//! How the schema registry is reached.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::choices::RegistryApi;
use super::declare;
use super::reader::Reader;
use super::secret::Secret;
use super::store::{secret, text};
use crate::error::Code;

/// Equal settings share their client, and with it what was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistrySettings {
    /// At least one, in the order in which they are tried.
    pub urls: Vec<RegistryUrl>,
    pub api: RegistryApi,
    /// For URLs that have no user of their own.
    pub access: RegistryAccess,
    /// Trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    pub identity: Option<RegistryIdentity>,
    pub request_timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryUrl {
    /// `http://` or `https://`, without a user, and without a slash at its end.
    pub url: String,
    /// The one that the setting's URL holds.
    pub user: Option<RegistryUser>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryUser {
    pub name: String,
    pub password: Secret,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RegistryAccess {
    /// To everybody, or by certificate.
    Open,
    User(RegistryUser),
    Bearer(Secret),
    OAuth(RegistryOAuth),
}

/// The client credentials that a token is fetched with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryOAuth {
    pub token_url: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub scope: Option<String>,
}

/// PEM files; one may hold both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryIdentity {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

impl RegistrySettings {
    /// None without a URL, and after an error, which the reader keeps.
    pub(super) fn read(read: &mut Reader) -> Option<RegistrySettings> {
        let urls = urls(read);
        let api = read.choice(declare::REGISTRY_API);
        let ca_file = read.path(declare::REGISTRY_CA_FILE);
        let cert_file = read.path(declare::REGISTRY_TLS_CERT_FILE);
        let key_file = read.path(declare::REGISTRY_TLS_KEY_FILE);
        let request_timeout = Duration::from_millis(read.long(declare::REGISTRY_REQUEST_TIMEOUT_MS));
        let access = access(read);
        let urls = urls?;
        if urls.iter().any(|url| url.user.is_some()) && access != RegistryAccess::Open {
            let message =
                "it holds a user, and the access to the registry is given otherwise too; give one of the two";
            read.error(declare::REGISTRY_URL, Code::ConfigInvalid, message);
            return None;
        }
        let identity = cert_file.zip(key_file);
        let identity = identity.map(|(cert_file, key_file)| RegistryIdentity { cert_file, key_file });
        Some(RegistrySettings { urls, api: api?, access, ca_file, identity, request_timeout })
    }
}

/// None where none is given, and after an error. What is refused is not printed: it may hold a password.
fn urls(read: &mut Reader) -> Option<Vec<RegistryUrl>> {
    let given: Vec<_> = read.any_text(declare::REGISTRY_URL)?.split(',').map(str::trim).collect();
    let mut urls = Vec::new();
    for (number, one) in (1..).zip(&given) {
        match url(one) {
            Some(url) => urls.push(url),
            None => {
                let which =
                    if given.len() == 1 { String::new() } else { format!("number {number} of the list: ") };
                let message = format!(
                    "{which}a registry's URL is written http://host:port or https://host, with a path where the \
                     registry has one; several are separated by commas"
                );
                read.error(declare::REGISTRY_URL, Code::ConfigInvalid, message);
            }
        }
    }
    (urls.len() == given.len()).then_some(urls)
}

fn url(given: &str) -> Option<RegistryUrl> {
    let (scheme, rest) = given.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    let rest = rest.trim_end_matches('/');
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if host.is_empty() || rest.contains(['?', '#']) || rest.contains(|c: char| c.is_whitespace()) {
        return None;
    }
    let decoded = |part| percent_decode_str(part).decode_utf8().ok();
    let user = match user {
        Some(user) => {
            let (name, password) = user.split_once(':')?;
            let password = Secret::new(decoded(password)?);
            Some(RegistryUser { name: decoded(name)?.into_owned(), password })
        }
        None => None,
    };
    Some(RegistryUrl { url: format!("{scheme}://{host}{path}"), user })
}

fn token_url(read: &mut Reader) -> Option<String> {
    match url(read.any_text(declare::REGISTRY_OAUTH_TOKEN_URL)?) {
        Some(url) if url.user.is_none() => Some(url.url),
        _ => {
            let message = "it is written https://host/path, without a user and without a query";
            read.error(declare::REGISTRY_OAUTH_TOKEN_URL, Code::ConfigInvalid, message);
            None
        }
    }
}

/// The rules between the settings see to it that at most one way is given.
fn access(read: &mut Reader) -> RegistryAccess {
    let token_url = token_url(read);
    let user = text(read, declare::REGISTRY_USERNAME).zip(secret(read, declare::REGISTRY_PASSWORD));
    if let Some((name, password)) = user {
        return RegistryAccess::User(RegistryUser { name, password });
    }
    if let Some(token) = secret(read, declare::REGISTRY_BEARER_TOKEN) {
        return RegistryAccess::Bearer(token);
    }
    let client = text(read, declare::REGISTRY_OAUTH_CLIENT_ID)
        .zip(secret(read, declare::REGISTRY_OAUTH_CLIENT_SECRET))
        .zip(token_url);
    match client {
        Some(((client_id, client_secret), token_url)) => {
            let scope = text(read, declare::REGISTRY_OAUTH_SCOPE);
            RegistryAccess::OAuth(RegistryOAuth { token_url, client_id, client_secret, scope })
        }
        None => RegistryAccess::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn read(given: &[(&str, &str)]) -> (Option<RegistrySettings>, Vec<String>) {
        let given: BTreeMap<_, _> =
            given.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let mut read = Reader::new(&given);
        let settings = RegistrySettings::read(&mut read);
        read.check_rules();
        (settings, read.errors.iter().map(ToString::to_string).collect())
    }

    fn good(given: &[(&str, &str)]) -> RegistrySettings {
        let (settings, errors) = read(given);
        assert_eq!(errors, [""; 0]);
        settings.unwrap()
    }

    const URL: (&str, &str) = ("delta.registry.url", "http://a:8081");

    #[test]
    fn without_a_url_there_is_no_registry() {
        assert_eq!(read(&[("delta.registry.api", "apicurio")]), (None, vec![]));
        assert_eq!(read(&[("delta.registry.url", " ")]), (None, vec![]));
        let (settings, errors) = read(&[("delta.registry.bearer.token", "t")]);
        assert_eq!(settings, None);
        assert!(errors.len() == 1 && errors[0].starts_with("delta.registry.bearer.token"), "{errors:?}");
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let settings = good(&[URL]);
        assert_eq!(
            settings,
            RegistrySettings {
                urls: vec![RegistryUrl { url: "http://a:8081".into(), user: None }],
                api: RegistryApi::Confluent,
                access: RegistryAccess::Open,
                ca_file: None,
                identity: None,
                request_timeout: Duration::from_secs(10),
            }
        );
    }

    #[test]
    fn urls_are_taken_apart() {
        let settings = good(&[("delta.registry.url", "https://a/sub/ , http://ka%40te:p%3Aw:@[::1]:80//")]);
        assert_eq!(settings.urls[0], RegistryUrl { url: "https://a/sub".into(), user: None });
        assert_eq!(settings.urls[1].url, "http://[::1]:80");
        let user = settings.urls[1].user.as_ref().unwrap();
        assert_eq!((user.name.as_str(), user.password.expose()), ("ka@te", "p:w:"));
    }

    #[test]
    fn a_url_that_is_refused_is_not_printed() {
        for wrong in [
            "ftp://u:hunter2@a",
            "http://u:hunter2@",
            "http://hunter2@a",
            "http://u:hunter2@a?x",
            "u:hunter2@a",
        ] {
            let (settings, errors) = read(&[("delta.registry.url", &format!("http://a,{wrong}"))]);
            assert_eq!((settings, errors.len()), (None, 1), "{wrong}");
            assert!(
                errors[0].contains("number 2 of the list") && !errors[0].contains("hunter2"),
                "{errors:?}"
            );
        }
        let (settings, errors) = read(&[("delta.registry.url", "http://a,")]);
        assert_eq!((settings, errors.len()), (None, 1));
        let mut token_url = oauth("s");
        token_url[1].1 = "https://u:hunter2@id/token";
        let (_, errors) = read(&token_url);
        assert!(errors.len() == 1 && !errors[0].contains("hunter2"), "{errors:?}");
    }

    #[test]
    fn secrets_are_not_printed() {
        let url = ("delta.registry.url", "http://u:hunter2@a");
        let user = [URL, ("delta.registry.username", "u"), ("delta.registry.password", "hunter2")];
        let bearer = [URL, ("delta.registry.bearer.token", "hunter2")];
        for given in [&[url][..], &user, &bearer, &oauth("hunter2")] {
            let settings = good(given);
            assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");
        }
    }

    fn oauth(secret: &str) -> [(&str, &str); 4] {
        [
            URL,
            ("delta.registry.oauth.token.url", "https://id/token"),
            ("delta.registry.oauth.client.id", "sluice"),
            ("delta.registry.oauth.client.secret", secret),
        ]
    }

    #[test]
    fn each_way_of_access_is_read() {
        let user = good(&[URL, ("delta.registry.username", "u"), ("delta.registry.password", "p")]);
        let expected = RegistryUser { name: "u".into(), password: Secret::new("p") };
        assert_eq!(user.access, RegistryAccess::User(expected));
        let bearer = good(&[URL, ("delta.registry.bearer.token", "t")]);
        assert_eq!(bearer.access, RegistryAccess::Bearer(Secret::new("t")));
        let scope = ("delta.registry.oauth.scope", "registry:read");
        let with_token = good(&[&oauth("s")[..], &[scope]].concat());
        let expected = RegistryOAuth {
            token_url: "https://id/token".into(),
            client_id: "sluice".into(),
            client_secret: Secret::new("s"),
            scope: Some("registry:read".into()),
        };
        assert_eq!(with_token.access, RegistryAccess::OAuth(expected));
        let files = [("delta.registry.tls.cert.file", "/c.pem"), ("delta.registry.tls.key.file", "/k.pem")];
        let by_certificate = good(&[&[URL][..], &files, &[("delta.registry.ca.file", "/ca.pem")]].concat());
        let identity = RegistryIdentity { cert_file: "/c.pem".into(), key_file: "/k.pem".into() };
        assert_eq!(by_certificate.identity, Some(identity));
        assert_eq!(by_certificate.ca_file, Some("/ca.pem".into()));
    }

    #[test]
    fn contradictions_are_refused() {
        let user = [("delta.registry.username", "u"), ("delta.registry.password", "p")];
        let token = ("delta.registry.bearer.token", "t");
        let with_user = ("delta.registry.url", "http://u:p@a");
        for (given, key) in [
            (vec![URL, user[0]], "delta.registry.username"),
            (vec![URL, user[1]], "delta.registry.password"),
            (vec![URL, user[0], user[1], token], "delta.registry.bearer.token"),
            ([&oauth("s")[..], &[token]].concat(), "delta.registry.oauth.token.url"),
            ([&oauth("s")[..], &user].concat(), "delta.registry.oauth.token.url"),
            (oauth("s")[..2].to_vec(), "delta.registry.oauth.token.url"),
            (oauth("s")[..3].to_vec(), "delta.registry.oauth.client.id"),
            (vec![URL, ("delta.registry.oauth.scope", "s")], "delta.registry.oauth.scope"),
            (vec![URL, ("delta.registry.tls.cert.file", "/c")], "delta.registry.tls.cert.file"),
            (vec![URL, ("delta.registry.tls.key.file", "/k")], "delta.registry.tls.key.file"),
            (vec![with_user, token], "delta.registry.url"),
            (vec![with_user, user[0], user[1]], "delta.registry.url"),
        ] {
            let (_, errors) = read(&given);
            assert!(errors.iter().any(|error| error.starts_with(&format!("{key}: "))), "{key}: {errors:?}");
        }
    }
}
