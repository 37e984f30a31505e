//! TLS: whom the client trusts, and by what the server knows it.

use std::process::Command;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;

use super::*;

/// Signs others' certificates.
struct Authority(Files);

/// PEM texts.
struct Signed {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Authority {
        let authority = Authority(Files::new());
        authority.make("authority", &["basicConstraints=critical,CA:TRUE"], &[]);
        authority
    }

    fn pem(&self) -> String {
        self.0.read("authority.pem")
    }

    /// A certificate for a name such as `DNS:localhost` or `IP:127.0.0.1`.
    fn sign(&self, name: &str) -> Signed {
        let [pem, key] = ["authority.pem", "authority.key"].map(|file| self.0.path(file));
        let extensions = ["basicConstraints=critical,CA:FALSE", &format!("subjectAltName={name}")];
        self.make("signed", &extensions, &["-CA", &pem, "-CAkey", &key]);
        Signed { certificate: self.0.read("signed.pem"), key: self.0.read("signed.key") }
    }

    fn make(&self, file: &str, extensions: &[&str], by: &[&str]) {
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-days", "2", "-subj", &format!("/CN={file}")]);
        openssl.args(extensions.iter().flat_map(|extension| ["-addext", extension])).args(by);
        openssl.args(["-keyout", &self.0.path(&format!("{file}.key"))]);
        openssl.args(["-out", &self.0.path(&format!("{file}.pem"))]);
        let output = openssl.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn server_config(signed: &Signed, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap()];
    builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap()).unwrap()
}

struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_ones_own_is_trusted_when_it_is_given() {
    let (authority, files) = (Authority::new(), Files::new());
    let server = Server::start_tls(server_config(&authority.sign("IP:127.0.0.1"), None), |_| schema()).await;
    let message = refused(&registry(&[("url", &server.url())]), SEVEN).await;
    assert!(message.contains(&server.url()) && message.contains("UnknownIssuer"), "{message}");
    let ca = files.write("ca.pem", &authority.pem());
    known(&registry(&[("url", &server.url()), ("ca.file", &ca)]), SEVEN).await;
    let other = Server::start_tls(server_config(&authority.sign("DNS:localhost"), None), |_| schema()).await;
    let message = refused(&registry(&[("url", &other.url()), ("ca.file", &ca)]), SEVEN).await;
    assert!(message.contains("not valid for name"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_ones_own_is_shown_when_it_is_given() {
    let (authority, files) = (Authority::new(), Files::new());
    let config = server_config(&authority.sign("IP:127.0.0.1"), Some(&authority));
    let server = Server::start_tls(config, |_| schema()).await;
    let ca = files.write("ca.pem", &authority.pem());
    let given = [("url", server.url()), ("ca.file", ca)];
    let given = given.each_ref().map(|(key, value)| (*key, value.as_str()));
    let message = refused(&registry(&given), SEVEN).await;
    assert!(message.contains("CertificateRequired"), "{message}");
    let stranger = Authority::new().sign("DNS:client");
    let [cert, key] =
        [files.write("client.pem", &stranger.certificate), files.write("client.key", &stranger.key)];
    let identity = [("tls.cert.file", cert.as_str()), ("tls.key.file", key.as_str())];
    let with_identity = [&given[..], &identity].concat();
    let known_later = registry(&with_identity);
    refused(&known_later, SEVEN).await;
    // It is renewed while the task runs.
    let client = authority.sign("DNS:client");
    files.write("client.pem", &client.certificate);
    files.write("client.key", &client.key);
    known(&known_later, SchemaKey::Id(8)).await;
    known(&registry(&with_identity), SEVEN).await;
    // One file for both.
    let both = files.write("both.pem", &format!("{}{}", client.key, client.certificate));
    let identity = [("tls.cert.file", both.as_str()), ("tls.key.file", both.as_str())];
    known(&registry(&[&given[..], &identity].concat()), SEVEN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_to_a_server_that_speaks_none_is_a_mistake_in_the_settings() {
    let server = Server::start(|_| schema()).await;
    let url = server.url().replace("http:", "https:");
    let message = refused(&registry(&[("url", &url)]), SEVEN).await;
    assert!(message.contains(&url), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_are_named_at_once() {
    let (authority, files) = (Authority::new(), Files::new());
    let signed = authority.sign("DNS:client");
    let pem = files.write("cert.pem", &signed.certificate);
    let other = files.write("other.key", &authority.sign("DNS:client").key);
    let empty = files.write("empty.pem", "");
    for (given, named) in [
        (vec![("ca.file", "/nowhere/ca.pem")], "delta.registry.ca.file /nowhere/ca.pem"),
        (vec![("ca.file", empty.as_str())], "no certificate"),
        (
            vec![("tls.cert.file", pem.as_str()), ("tls.key.file", pem.as_str())],
            "delta.registry.tls.key.file",
        ),
        (
            vec![("tls.cert.file", pem.as_str()), ("tls.key.file", other.as_str())],
            "delta.registry.tls.key.file",
        ),
    ] {
        let settings = settings(&[&[("url", "https://127.0.0.1:9")][..], &given].concat());
        let error = Registry::new(settings, Handle::current()).err().unwrap();
        assert_eq!(error.code, Code::ConfigInvalid);
        assert!(error.message.contains(named), "{}", error.message);
    }
}
