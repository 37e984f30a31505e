//! A second listener of a broker, with TLS and SASL: for clients that have to get through both.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::Result;
use crate::java::{java_home_tool, run};
use crate::ports::free_ports;

const USER: &str = "kate";
const PASSWORD: &str = "wide-open";
const STORE_PASSWORD: &str = "not-secret";

#[derive(Debug)]
pub struct Secured {
    port: u16,
    keys: PathBuf,
    /// What clients have to trust, in PEM.
    certificate: PathBuf,
}

impl Secured {
    /// Makes keys in `folder`.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        let [port] = free_ports()?;
        let secured =
            Secured { port, keys: folder.join("keys.p12"), certificate: folder.join("certificate.pem") };
        let keytool = |word: &str| {
            let mut keytool = Command::new(java_home_tool("keytool"));
            keytool.args([word, "-alias", "broker", "-storepass", STORE_PASSWORD, "-keystore"]);
            keytool.arg(&secured.keys);
            keytool
        };
        let mut make = keytool("-genkeypair");
        make.args(["-storetype", "PKCS12", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", "30"]);
        make.args(["-dname", "CN=broker", "-ext", "SAN=ip:127.0.0.1"]);
        let mut export = keytool("-exportcert");
        export.args(["-rfc", "-file"]).arg(&secured.certificate);
        for command in [make, export] {
            run(&command, &folder.join("keytool.log"), Duration::from_secs(60))?;
        }
        Ok(secured)
    }

    /// Lines for the broker's settings, after those that they replace.
    pub(crate) fn settings(&self, port: u16, controller: u16) -> String {
        let (secured, keys) = (self.port, self.keys.display());
        let modules = "org.apache.kafka.common.security";
        format!(
            "listeners=PLAINTEXT://127.0.0.1:{port},SECURED://127.0.0.1:{secured},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port},SECURED://127.0.0.1:{secured}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL,CONTROLLER:PLAINTEXT\n\
             listener.name.secured.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
             listener.name.secured.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";\n\
             listener.name.secured.scram-sha-256.sasl.jaas.config={modules}.scram.ScramLoginModule required;\n\
             listener.name.secured.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;\n\
             listener.name.secured.ssl.keystore.type=PKCS12\n\
             listener.name.secured.ssl.keystore.location={keys}\n\
             listener.name.secured.ssl.keystore.password={STORE_PASSWORD}\n\
             listener.name.secured.ssl.key.password={STORE_PASSWORD}\n"
        )
    }

    /// Arguments by which the broker's folder is formatted with the user.
    pub(crate) fn users() -> [String; 4] {
        let user = |mechanism: &str| format!("{mechanism}=[name={USER},password={PASSWORD}]");
        let add = || "--add-scram".to_owned();
        [add(), user("SCRAM-SHA-256"), add(), user("SCRAM-SHA-512")]
    }

    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A client's properties, for one of `PLAIN`, `SCRAM-SHA-256` and `SCRAM-SHA-512`.
    pub fn client(&self, mechanism: &str) -> String {
        let module = match mechanism {
            "PLAIN" => "plain.PlainLoginModule",
            _ => "scram.ScramLoginModule",
        };
        format!(
            "security.protocol=SASL_SSL\n\
             sasl.mechanism={mechanism}\n\
             sasl.jaas.config=org.apache.kafka.common.security.{module} required username=\"{USER}\" password=\"{PASSWORD}\";\n\
             ssl.truststore.type=PEM\n\
             ssl.truststore.location={}\n",
            self.certificate.display()
        )
    }
}
