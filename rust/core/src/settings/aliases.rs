//! Names that users of delta-rs and of Delta's DynamoDB log store know, taken for ours.

use std::collections::BTreeMap;

use super::declare;
use super::reader::SettingError;
use crate::error::Code;

/// A name, the setting that it stands for, and how its value reads there.
type Alias = (&'static str, &'static str, fn(&str) -> Option<String>);

/// In the order of preference where several names stand for one setting.
pub const ALIASES: &[Alias] = &[
    ("AWS_REGION", declare::S3_REGION, same),
    ("AWS_DEFAULT_REGION", declare::S3_REGION, same),
    ("AWS_ENDPOINT_URL", declare::S3_ENDPOINT, same),
    ("AWS_ENDPOINT_URL_S3", declare::S3_ENDPOINT, same),
    ("AWS_ACCESS_KEY_ID", declare::S3_ACCESS_KEY_ID, same),
    ("AWS_SECRET_ACCESS_KEY", declare::S3_SECRET_ACCESS_KEY, same),
    ("AWS_SESSION_TOKEN", declare::S3_SESSION_TOKEN, same),
    ("AWS_PROFILE", declare::S3_PROFILE, same),
    ("AWS_IAM_ROLE_ARN", declare::S3_ROLE_ARN, same),
    ("AWS_ROLE_ARN", declare::S3_ROLE_ARN, same),
    ("AWS_IAM_ROLE_SESSION_NAME", declare::S3_ROLE_SESSION_NAME, same),
    ("AWS_ROLE_SESSION_NAME", declare::S3_ROLE_SESSION_NAME, same),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", declare::S3_WEB_IDENTITY_TOKEN_FILE, same),
    ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", declare::S3_PATH_STYLE_ACCESS, not),
    ("AWS_SERVER_SIDE_ENCRYPTION", declare::S3_SSE, same),
    ("AWS_SSE_KMS_KEY_ID", declare::S3_SSE_KMS_KEY_ID, same),
    ("AWS_SSE_BUCKET_KEY_ENABLED", declare::S3_SSE_BUCKET_KEY, same),
    ("AWS_S3_LOCKING_PROVIDER", declare::COMMIT_LOCK, same),
    ("DELTA_DYNAMO_TABLE_NAME", declare::DYNAMODB_TABLE, same),
    ("DELTA_DYNAMO_BILLING_MODE", declare::DYNAMODB_BILLING_MODE, upper),
    ("AWS_ENDPOINT_URL_DYNAMODB", declare::DYNAMODB_ENDPOINT, same),
    ("AWS_REGION_DYNAMODB", declare::DYNAMODB_REGION, same),
    ("AWS_ACCESS_KEY_ID_DYNAMODB", declare::DYNAMODB_ACCESS_KEY_ID, same),
    ("AWS_SECRET_ACCESS_KEY_DYNAMODB", declare::DYNAMODB_SECRET_ACCESS_KEY, same),
    ("AWS_SESSION_TOKEN_DYNAMODB", declare::DYNAMODB_SESSION_TOKEN, same),
    ("AZURE_STORAGE_ACCOUNT_NAME", declare::AZURE_ACCOUNT_NAME, same),
    ("AZURE_STORAGE_ACCOUNT_KEY", declare::AZURE_ACCOUNT_KEY, same),
    ("AZURE_STORAGE_SAS_TOKEN", declare::AZURE_SAS_TOKEN, same),
    ("AZURE_STORAGE_TENANT_ID", declare::AZURE_TENANT_ID, same),
    ("AZURE_STORAGE_CLIENT_ID", declare::AZURE_CLIENT_ID, same),
    ("AZURE_STORAGE_CLIENT_SECRET", declare::AZURE_CLIENT_SECRET, same),
    ("GOOGLE_SERVICE_ACCOUNT", declare::GCS_SERVICE_ACCOUNT_FILE, same),
    ("GOOGLE_SERVICE_ACCOUNT_KEY", declare::GCS_SERVICE_ACCOUNT_KEY, same),
];

fn same(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn upper(value: &str) -> Option<String> {
    Some(value.to_uppercase())
}

fn not(value: &str) -> Option<String> {
    match value.to_lowercase().as_str() {
        "true" => Some("false".to_owned()),
        "false" => Some("true".to_owned()),
        _ => None,
    }
}

/// The settings with our names in place of the aliases.
pub(super) fn resolve(given: &BTreeMap<String, String>) -> (BTreeMap<String, String>, Vec<SettingError>) {
    let mut resolved = given.clone();
    let mut errors = Vec::new();
    for (alias, setting, reads_as) in ALIASES {
        let Some(value) = resolved.remove(*alias) else { continue };
        let refused =
            |message: String| SettingError { key: (*alias).to_owned(), code: Code::ConfigInvalid, message };
        match reads_as(value.trim()) {
            None => errors.push(refused("it has to be true or false".to_owned())),
            Some(value) => match resolved.get(*setting) {
                Some(other) if *other != value => {
                    errors.push(refused(format!("it stands for {setting}, which is given otherwise too")));
                }
                _ => {
                    resolved.insert((*setting).to_owned(), value);
                }
            },
        }
    }
    (resolved, errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(given: &[(&str, &str)]) -> Result<BTreeMap<String, String>, String> {
        let given = given.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let (resolved, errors) = resolve(&given);
        match errors.first() {
            None => Ok(resolved),
            Some(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn aliases_stand_for_declared_settings() {
        for (alias, setting, _) in ALIASES {
            assert!(declare::SETTINGS.iter().any(|declared| declared.name == *setting), "{alias}");
            assert!(!alias.starts_with(declare::PREFIX), "{alias}");
        }
    }

    #[test]
    fn values_are_read_as_ours() {
        let settings = resolved(&[
            ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "True"),
            ("DELTA_DYNAMO_BILLING_MODE", "pay_per_request"),
            ("AWS_S3_LOCKING_PROVIDER", "dynamodb"),
        ]);
        let settings = settings.unwrap();
        assert_eq!(settings["delta.s3.path.style.access"], "false");
        assert_eq!(settings["delta.dynamodb.billing.mode"], "PAY_PER_REQUEST");
        assert_eq!(settings["delta.commit.lock"], "dynamodb");
        assert_eq!(settings.len(), 3);
    }

    #[test]
    fn an_alias_beside_its_setting_is_refused_where_they_differ() {
        let both = |other| resolved(&[("AWS_REGION", "eu-west-1"), ("delta.s3.region", other)]);
        assert!(both("eu-west-1").is_ok());
        assert!(both("us-east-1").unwrap_err().contains("delta.s3.region"));
        let secret = resolved(&[("AWS_SECRET_ACCESS_KEY", "hunter2"), ("delta.s3.secret.access.key", "x")]);
        assert!(!secret.unwrap_err().contains("hunter2"));
    }
}
