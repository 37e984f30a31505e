//! How a broker is reached, from a file of client properties as Kafka's own tools take it (`--command-config`).

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ClientConfig;

use super::Result;
use super::sasl::{Mechanism, Sasl};
use super::tls::{self, Certificates};

/// How connections are made safe. Not printable: it holds a password.
#[derive(Clone, Default)]
pub struct Security {
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) sasl: Option<Sasl>,
}

/// Properties that change nothing for the audit, or nothing that it does otherwise.
const HARMLESS: [&str; 4] =
    ["ssl.truststore.type", "ssl.keystore.type", "ssl.protocol", "ssl.enabled.protocols"];

impl Security {
    pub fn from_file(file: &str) -> Result<Security> {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
        Security::parse(&text).map_err(|e| format!("{file}: {e}"))
    }

    fn parse(text: &str) -> Result<Security> {
        let mut properties = properties(text);
        let protocol = properties.remove("security.protocol").unwrap_or_else(|| "PLAINTEXT".to_owned());
        let (secret, named) = match protocol.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => (false, false),
            "SSL" => (true, false),
            "SASL_PLAINTEXT" => (false, true),
            "SASL_SSL" => (true, true),
            _ => return Err(format!("there is no security.protocol {protocol}")),
        };
        let of_use = |key: &String| secret && key.starts_with("ssl.") || named && key.starts_with("sasl.");
        properties.retain(|key, _| of_use(key) && !HARMLESS.contains(&key.as_str()));
        let sasl = named.then(|| sasl(&mut properties)).transpose()?;
        let tls = secret.then(|| tls(&mut properties)).transpose()?;
        match properties.into_keys().next() {
            Some(key) => Err(format!("{key} is not supported by sluice audit")),
            None => Ok(Security { tls, sasl }),
        }
    }
}

fn sasl(properties: &mut BTreeMap<String, String>) -> Result<Sasl> {
    let mechanism = properties.remove("sasl.mechanism").or_else(|| properties.remove("sasl.mechanisms"));
    let mechanism = mechanism.unwrap_or_else(|| "GSSAPI".to_owned());
    let mechanism = Mechanism::named(&mechanism).ok_or_else(|| {
        format!("sasl.mechanism {mechanism} is not supported: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are")
    })?;
    let jaas = properties.remove("sasl.jaas.config").unwrap_or_default();
    let mut given = |key: &str| {
        let other = properties.remove(&format!("sasl.{key}"));
        jaas_option(&jaas, key).or(other).ok_or_else(|| format!("sasl.jaas.config has no {key}"))
    };
    Ok(Sasl { mechanism, user: given("username")?, password: given("password")? })
}

/// `key="value"` of `…LoginModule required key="value" …;`
fn jaas_option(jaas: &str, key: &str) -> Option<String> {
    let at = jaas.match_indices(key).find(|(at, _)| {
        jaas[..*at].ends_with(char::is_whitespace) && jaas[at + key.len()..].trim_start().starts_with('=')
    })?;
    let value = jaas[at.0 + key.len()..].trim_start().strip_prefix('=')?.trim_start();
    match value.strip_prefix('"') {
        Some(quoted) => {
            let mut text = String::new();
            let mut characters = quoted.chars();
            loop {
                match characters.next()? {
                    '"' => return Some(text),
                    '\\' => text.push(characters.next()?),
                    other => text.push(other),
                }
            }
        }
        None => value.split(|c: char| c.is_whitespace() || c == ';').next().map(str::to_owned),
    }
}

fn tls(properties: &mut BTreeMap<String, String>) -> Result<Arc<ClientConfig>> {
    if let Some(algorithm) = properties.remove("ssl.endpoint.identification.algorithm")
        && !algorithm.eq_ignore_ascii_case("https")
    {
        return Err("ssl.endpoint.identification.algorithm: the broker's name is always checked".to_owned());
    }
    let mut pem = |inline: &str, files: [&str; 2]| -> Result<Option<String>> {
        if let Some(text) = properties.remove(inline) {
            return Ok(Some(text));
        }
        let Some(file) = files.iter().find_map(|key| properties.remove(*key)) else {
            return Ok(None);
        };
        let bytes = std::fs::read(&file).map_err(|e| format!("{file}: {e}"))?;
        match String::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN")) {
            Some(text) => Ok(Some(text)),
            None => Err(format!(
                "{file} is not PEM: make it by keytool -exportcert -rfc, or openssl pkcs12 -nodes"
            )),
        }
    };
    let roots = pem("ssl.truststore.certificates", ["ssl.truststore.location", "ssl.ca.location"])?;
    let chain = pem("ssl.keystore.certificate.chain", ["ssl.keystore.location", "ssl.certificate.location"])?;
    let key = pem("ssl.keystore.key", ["ssl.key.location", "ssl.key.location"])?;
    // A truststore's password protects nothing that PEM has.
    properties.remove("ssl.truststore.password");
    // One file may have both.
    let key = key.or_else(|| chain.clone());
    tls::config(&Certificates { roots, chain, key })
}

/// The format of `java.util.Properties`, without its Unicode escapes.
fn properties(text: &str) -> BTreeMap<String, String> {
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines().map(str::trim_start) {
        if !goes_on && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let (line, more) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| goes_on) {
            Some(last) => last.push_str(line),
            None => lines.push(line.to_owned()),
        }
        goes_on = more;
    }
    let pairs = lines.iter().map(|line| line.split_once(['=', ':']).unwrap_or((line, "")));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().replace("\\n", "\n"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Security::parse(text).err().unwrap()
    }

    #[test]
    fn what_kafkas_tools_take_is_understood() {
        let security = Security::parse(
            "# a comment\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism : SCRAM-SHA-512\nsasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required \\\n  username=\"kate\" \\\n  \
             password=\"a\\\"b=;c\";\nclient.id=x\n",
        );
        let sasl = security.ok().unwrap().sasl.unwrap();
        assert_eq!(
            (sasl.mechanism, sasl.user.as_str(), sasl.password.as_str()),
            (Mechanism::Scram512, "kate", "a\"b=;c")
        );
        let librdkafka =
            "security.protocol=sasl_plaintext\nsasl.mechanisms=PLAIN\nsasl.username=u\nsasl.password=p";
        assert!(Security::parse(librdkafka).is_ok());
        let plain = Security::parse("ssl.keystore.location=/none\nbootstrap.servers=x").ok().unwrap();
        assert!(plain.tls.is_none() && plain.sasl.is_none());
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        assert_eq!(refused("security.protocol=TLS"), "there is no security.protocol TLS");
        assert!(refused("security.protocol=SASL_SSL").contains("sasl.mechanism GSSAPI is not supported"));
        let callback = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=u\nsasl.password=p\n\
                        sasl.login.callback.handler.class=x";
        assert!(refused(callback).starts_with("sasl.login.callback.handler.class is not supported"));
        let trusting = "security.protocol=SSL\nssl.endpoint.identification.algorithm=";
        assert!(refused(trusting).contains("always checked"));
        let folder = tempfile::tempdir().unwrap();
        let jks = folder.path().join("trust.jks");
        std::fs::write(&jks, [0xfe, 0xed, 0xfe, 0xed]).unwrap();
        assert!(
            refused(&format!("security.protocol=SSL\nssl.truststore.location={}", jks.display()))
                .contains("not PEM")
        );
    }

    #[test]
    fn a_password_is_never_in_a_message() {
        let secret = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=x required password=\"hunter2\";";
        assert_eq!(refused(secret), "sasl.jaas.config has no username");
    }
}
