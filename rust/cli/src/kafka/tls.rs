//! TLS by rustls.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::Result;

/// PEM texts.
pub struct Certificates {
    /// None: those of the system.
    pub roots: Option<String>,
    pub chain: Option<String>,
    pub key: Option<String>,
}

pub fn config(certificates: &Certificates) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match &certificates.roots {
        Some(pem) => {
            for certificate in parsed(pem)? {
                roots.add(certificate).map_err(|e| format!("a trusted certificate cannot be used: {e}"))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err("there is no trusted certificate: set ssl.truststore.location to a PEM file".to_owned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots);
    let config = match (&certificates.chain, &certificates.key) {
        (Some(chain), Some(key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| {
                format!("the client's key cannot be read (an encrypted one is not supported): {e}")
            })?;
            let chain = parsed(chain)?;
            builder.with_client_auth_cert(chain, key).map_err(|e| format!("the client's certificate: {e}"))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn parsed(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    certificates.map_err(|e| format!("a certificate cannot be read: {e}"))
}
