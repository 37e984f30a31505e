//! TLS by rustls, with files that may be renewed while a task runs.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sluice_core::settings::RegistrySettings;
use sluice_core::settings::declare::{
    REGISTRY_CA_FILE, REGISTRY_TLS_CERT_FILE, REGISTRY_TLS_KEY_FILE, REGISTRY_URL,
};
use sluice_core::{Code, Error, Result};

/// A file that cannot be used.
pub struct Unusable {
    /// The setting that names it.
    pub setting: &'static str,
    pub error: Error,
}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Error {
        unusable.error
    }
}

/// Reads the files. The system's certificates are read only where something is reached by TLS at all.
pub fn config(settings: &RegistrySettings, is_used: bool) -> Result<ClientConfig, Unusable> {
    let mut roots = RootCertStore::empty();
    if is_used {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if let Some(file) = &settings.ca_file {
        for certificate in certificates(REGISTRY_CA_FILE, file)? {
            roots.add(certificate).map_err(|e| refused(REGISTRY_CA_FILE, file, &e))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Unusable {
            setting: REGISTRY_URL,
            error: Error::new(Code::ConfigInvalid, format!("TLS: {e}")),
        })?
        .with_root_certificates(roots);
    let Some(identity) = &settings.identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(REGISTRY_TLS_CERT_FILE, &identity.cert_file)?;
    let refused = |e: &dyn std::fmt::Display| refused(REGISTRY_TLS_KEY_FILE, &identity.key_file, e);
    let pem = std::fs::read(&identity.key_file).map_err(|e| refused(&e))?;
    let key = PrivateKeyDer::from_pem_slice(&pem);
    let key = key.map_err(|e| refused(&format!("no private key without a password in PEM: {e}")))?;
    builder.with_client_auth_cert(chain, key).map_err(|e| refused(&e))
}

fn certificates(setting: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let pem = std::fs::read(file).map_err(|e| refused(setting, file, &e))?;
    let certificates: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|e| refused(setting, file, &e))?;
    match certificates.is_empty() {
        true => Err(refused(setting, file, &"it holds no certificate in PEM")),
        false => Ok(certificates),
    }
}

fn refused(setting: &'static str, file: &Path, why: &dyn std::fmt::Display) -> Unusable {
    let error = Error::new(Code::ConfigInvalid, format!("{setting} {}: {why}", file.display()));
    Unusable { setting, error }
}
