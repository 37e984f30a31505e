//! Which setting an error of a store is about.

use sluice_core::Code;
use sluice_core::settings::StoreSettings;
use sluice_core::settings::declare::{
    AZURE_ACCOUNT_KEY, AZURE_ACCOUNT_NAME, AZURE_CLIENT_ID, AZURE_ENDPOINT, AZURE_SAS_TOKEN, COMMIT_LOCK,
    DYNAMODB_ACCESS_KEY_ID, DYNAMODB_ENDPOINT, DYNAMODB_PATH_SCHEME, DYNAMODB_TABLE, GCS_ENDPOINT,
    GCS_SERVICE_ACCOUNT_FILE, GCS_SERVICE_ACCOUNT_KEY, S3_ACCESS_KEY_ID, S3_ENDPOINT, S3_PROFILE,
    S3_ROLE_ARN, STORE_CA_FILE, STORE_PROXY_URL, TABLE_URI,
};
use sluice_delta::store::{Part, Trouble};

use crate::files::certificates;

/// `uri` is the table's.
pub fn blamed(trouble: &Trouble, uri: &str, settings: &StoreSettings) -> &'static str {
    match (trouble.part, trouble.error.code) {
        (Part::Lock, _) => COMMIT_LOCK,
        (Part::PathScheme, _) => DYNAMODB_PATH_SCHEME,
        (Part::LockTable, Code::LockTable) => DYNAMODB_TABLE,
        (Part::LockTable, Code::StoreDenied) => {
            let own = settings.dynamodb.keys.as_ref().map(|_| DYNAMODB_ACCESS_KEY_ID);
            own.or_else(|| credentials(uri, settings)).unwrap_or(DYNAMODB_TABLE)
        }
        (Part::LockTable, _) => {
            let endpoint = settings.dynamodb.endpoint.as_ref().map(|_| DYNAMODB_ENDPOINT);
            endpoint.or_else(|| proxy(settings)).unwrap_or(DYNAMODB_TABLE)
        }
        (Part::Objects, Code::StoreDenied) => credentials(uri, settings).unwrap_or(TABLE_URI),
        (Part::Objects, Code::StoreIo) => way(uri, settings),
        (Part::Objects, _) => TABLE_URI,
        (Part::Client, _) => client(uri, settings),
    }
}

/// By which a store is reached; what is asked when it does not answer.
pub fn way(uri: &str, settings: &StoreSettings) -> &'static str {
    let (endpoint, name) = match store_of(uri) {
        Kind::S3 => (&settings.s3.endpoint, S3_ENDPOINT),
        Kind::Azure => (&settings.azure.endpoint, AZURE_ENDPOINT),
        Kind::Gcs => (&settings.gcs.endpoint, GCS_ENDPOINT),
        Kind::Local => return TABLE_URI,
    };
    endpoint.as_ref().map(|_| name).or_else(|| proxy(settings)).unwrap_or(TABLE_URI)
}

enum Kind {
    S3,
    Azure,
    Gcs,
    Local,
}

fn store_of(uri: &str) -> Kind {
    match uri.split_once(':').map_or("", |(scheme, _)| scheme) {
        "s3" | "s3a" => Kind::S3,
        "az" | "azure" | "abfs" | "abfss" => Kind::Azure,
        "gs" => Kind::Gcs,
        _ => Kind::Local,
    }
}

fn proxy(settings: &StoreSettings) -> Option<&'static str> {
    settings.proxy_url.as_ref().map(|_| STORE_PROXY_URL)
}

/// None: they are not the settings'.
fn credentials(uri: &str, settings: &StoreSettings) -> Option<&'static str> {
    let (s3, azure, gcs) = (&settings.s3, &settings.azure, &settings.gcs);
    let given: &[(bool, &'static str)] = match store_of(uri) {
        Kind::S3 => &[
            (s3.role.is_some(), S3_ROLE_ARN),
            (s3.keys.is_some(), S3_ACCESS_KEY_ID),
            (s3.profile.is_some(), S3_PROFILE),
        ],
        Kind::Azure => &[
            (azure.account_key.is_some(), AZURE_ACCOUNT_KEY),
            (azure.sas_token.is_some(), AZURE_SAS_TOKEN),
            (azure.client_id.is_some(), AZURE_CLIENT_ID),
        ],
        Kind::Gcs => &[
            (gcs.service_account_file.is_some(), GCS_SERVICE_ACCOUNT_FILE),
            (gcs.service_account_key.is_some(), GCS_SERVICE_ACCOUNT_KEY),
        ],
        Kind::Local => &[],
    };
    given.iter().find(|(is_given, _)| *is_given).map(|(_, name)| *name)
}

/// Of the settings no client could be made.
fn client(uri: &str, settings: &StoreSettings) -> &'static str {
    if settings.ca_file.as_ref().is_some_and(|file| certificates(file).is_err()) {
        return STORE_CA_FILE;
    }
    match store_of(uri) {
        Kind::Azure if settings.azure.account_name.is_none() && !uri.starts_with("abfs") => {
            AZURE_ACCOUNT_NAME
        }
        Kind::Azure | Kind::Gcs => credentials(uri, settings).unwrap_or_else(|| way(uri, settings)),
        Kind::S3 | Kind::Local => way(uri, settings),
    }
}

#[cfg(test)]
mod tests {
    use sluice_core::Error;
    use sluice_core::settings::declare::SETTINGS;

    use super::*;
    use crate::tests::given;

    #[test]
    fn the_setting_that_can_mend_it_is_blamed() {
        use Code::{CommitLock, ConfigInvalid, LockTable, StoreDenied, StoreIo, StoreMissing};
        let keys = [("delta.s3.access.key.id", "a"), ("delta.s3.secret.access.key", "b")];
        let role = [&keys[..], &[("delta.s3.role.arn", "r")]].concat();
        let endpoint =
            [&keys[..], &[("delta.s3.endpoint", "http://x"), ("delta.dynamodb.endpoint", "http://x")]]
                .concat();
        let proxy = [("delta.store.proxy.url", "http://x")];
        let (s3, az, gs) = ("s3://b/x/", "az://c/x/", "gs://b/x/");
        type Given<'a> = &'a [(&'a str, &'a str)];
        let cases: &[(Part, Code, &str, Given, &str)] = &[
            (Part::Objects, StoreDenied, s3, &[], "delta.table.uri"),
            (Part::Objects, StoreDenied, s3, &keys, "delta.s3.access.key.id"),
            (Part::Objects, StoreDenied, s3, &role, "delta.s3.role.arn"),
            (Part::Objects, StoreMissing, s3, &endpoint, "delta.table.uri"),
            (Part::Objects, StoreIo, s3, &endpoint, "delta.s3.endpoint"),
            (Part::Objects, StoreIo, s3, &proxy, "delta.store.proxy.url"),
            (Part::Objects, StoreIo, s3, &keys, "delta.table.uri"),
            (Part::Objects, StoreIo, "file:///x/", &endpoint, "delta.table.uri"),
            (Part::Objects, StoreDenied, az, &[("delta.azure.sas.token", "t")], "delta.azure.sas.token"),
            (
                Part::Objects,
                StoreDenied,
                gs,
                &[("delta.gcs.service.account.key", "t")],
                "delta.gcs.service.account.key",
            ),
            (Part::Client, ConfigInvalid, az, &[], "delta.azure.account.name"),
            (
                Part::Client,
                ConfigInvalid,
                gs,
                &[("delta.gcs.service.account.key", "{")],
                "delta.gcs.service.account.key",
            ),
            (Part::Client, ConfigInvalid, s3, &[("delta.store.ca.file", "/nowhere")], "delta.store.ca.file"),
            (Part::Lock, CommitLock, s3, &[], "delta.commit.lock"),
            (Part::PathScheme, CommitLock, s3, &[], "delta.dynamodb.path.scheme"),
            (Part::LockTable, LockTable, s3, &endpoint, "delta.dynamodb.table"),
            (Part::LockTable, StoreIo, s3, &endpoint, "delta.dynamodb.endpoint"),
            (Part::LockTable, StoreDenied, s3, &keys, "delta.s3.access.key.id"),
            (Part::LockTable, StoreDenied, s3, &[], "delta.dynamodb.table"),
        ];
        for (part, code, uri, more, expected) in cases {
            let settings = StoreSettings::parse(&given(more)).unwrap();
            let trouble = Trouble { part: *part, error: Error::new(*code, "x") };
            let name = blamed(&trouble, uri, &settings);
            assert_eq!(name, *expected, "{part:?} {code:?} {more:?}");
            assert!(SETTINGS.iter().any(|setting| setting.name == name));
        }
    }
}
