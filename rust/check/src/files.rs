//! The files that the settings name.

use std::path::{Path, PathBuf};

use sluice_core::raw;
use sluice_core::schema::Schema;
use sluice_core::settings::declare::{
    AZURE_FEDERATED_TOKEN_FILE, GCS_SERVICE_ACCOUNT_FILE, RAW_SCHEMA_FILE, REGISTRY_CA_FILE,
    REGISTRY_TLS_CERT_FILE, REGISTRY_TLS_KEY_FILE, S3_WEB_IDENTITY_TOKEN_FILE, SCHEMA_FILE, STORE_CA_FILE,
};
use sluice_core::settings::{SchemaSource, Settings};
use sluice_core::{Code, Error, Result};

use crate::Given;
use crate::rules::key_of;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// The setting that names it.
    pub key: String,
    pub path: PathBuf,
    holds: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    TableSchema,
    RecordSchema,
    Certificates,
    Other,
}

/// Each once.
pub fn files(settings: &Settings, given: &Given) -> Vec<File> {
    let file = |key: String, path: &Path, holds| File { key, path: path.to_owned(), holds };
    let mut files = Vec::new();
    let of_tables = settings.of_tables.iter().map(|(name, table)| (Some(name.as_str()), table));
    for (name, table) in std::iter::once((None, &settings.of_any_table)).chain(of_tables) {
        if let SchemaSource::File(path) = &table.schema {
            files.push(file(key_of(SCHEMA_FILE, name, given), path, Content::TableSchema));
        }
    }
    if let raw::Given::File(path) = &settings.raw.given {
        files.push(file(RAW_SCHEMA_FILE.to_owned(), path, Content::RecordSchema));
    }
    let store = &settings.store;
    let registry = settings.registry.as_ref();
    let identity = registry.and_then(|registry| registry.identity.as_ref());
    let others = [
        (STORE_CA_FILE, store.ca_file.as_ref(), Content::Certificates),
        (
            S3_WEB_IDENTITY_TOKEN_FILE,
            store.s3.role.as_ref().and_then(|role| role.web_identity_token_file.as_ref()),
            Content::Other,
        ),
        (AZURE_FEDERATED_TOKEN_FILE, store.azure.federated_token_file.as_ref(), Content::Other),
        (GCS_SERVICE_ACCOUNT_FILE, store.gcs.service_account_file.as_ref(), Content::Other),
        (REGISTRY_CA_FILE, registry.and_then(|registry| registry.ca_file.as_ref()), Content::Certificates),
        (REGISTRY_TLS_CERT_FILE, identity.map(|identity| &identity.cert_file), Content::Certificates),
        (REGISTRY_TLS_KEY_FILE, identity.map(|identity| &identity.key_file), Content::Other),
    ];
    files
        .extend(others.into_iter().filter_map(|(key, path, holds)| Some(file(key.to_owned(), path?, holds))));
    files.sort_unstable();
    files.dedup();
    files
}

impl File {
    /// Whether it can be read, and holds what it should.
    pub fn check(&self, settings: &Settings) -> Result<()> {
        match self.holds {
            Content::TableSchema => {
                let text = String::from_utf8(read(&self.path)?);
                Schema::parse(&text.map_err(|_| wrong(&self.path, "it is not UTF-8"))?).map(drop)
            }
            Content::RecordSchema => settings.raw.as_ref().clone().read_schema_file(|path| read(path)),
            Content::Certificates => certificates(&self.path),
            Content::Other => read(&self.path).map(drop),
        }
    }
}

pub fn certificates(path: &Path) -> Result<()> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    match read(path)?.windows(BEGIN.len()).any(|part| part == BEGIN) {
        true => Ok(()),
        false => Err(wrong(path, "it holds no certificate in PEM")),
    }
}

fn wrong(path: &Path, why: &str) -> Error {
    Error::new(Code::ConfigInvalid, format!("{}: {why}", path.display()))
}

pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|e| Error::new(Code::ConfigInvalid, format!("cannot read the file {}: {e}", path.display())))
}
