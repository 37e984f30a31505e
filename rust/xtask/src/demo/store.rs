//! Where the demo's table is, and the servers that takes.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Value, json};
use sluice_testkit::{Components, DynamoDb, Leashed, Result, S3Options, S3Server};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Store {
    /// A folder.
    #[default]
    Local,
    /// An S3 server; versions are claimed by conditional put.
    S3,
    /// The same under the lock in DynamoDB.
    S3DynamoDb,
}

impl FromStr for Store {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "local" => Ok(Store::Local),
            "s3" => Ok(Store::S3),
            "s3-dynamodb" => Ok(Store::S3DynamoDb),
            _ => Err("it is one of local, s3, s3-dynamodb"),
        }
    }
}

/// The table, and the servers that it needs.
pub struct Place {
    /// As the connector knows the table.
    pub uri: String,
    /// The table's files: the S3 server keeps objects as files.
    pub table: PathBuf,
    s3: Option<S3Server>,
    dynamodb: Option<DynamoDb>,
}

impl Place {
    pub fn start(store: Store, components: &Components, folder: &Path) -> Result<Self> {
        if store == Store::Local {
            let table = folder.join("table");
            return Ok(Place { uri: table.display().to_string(), table, s3: None, dynamodb: None });
        }
        println!("==> starting an S3 server (versitygw, 127.0.0.1 only)");
        let s3 = S3Server::start(components, &folder.join("s3"), S3Options::default())?;
        println!("    {}, bucket `{}`", s3.endpoint(), s3.options().bucket);
        let dynamodb = match store {
            Store::S3DynamoDb => {
                println!("==> starting DynamoDB Local (127.0.0.1 only; about 5 s)");
                let dynamodb = DynamoDb::start(components, &folder.join("dynamodb"))?;
                println!("    {}", dynamodb.endpoint());
                Some(dynamodb)
            }
            _ => None,
        };
        let (uri, table) = (format!("s3://{}/table", s3.options().bucket), s3.bucket_folder().join("table"));
        Ok(Place { uri, table, s3: Some(s3), dynamodb })
    }

    /// What a connector needs to reach the table.
    pub fn settings(&self) -> Value {
        let mut settings = json!({"delta.table.uri": self.uri});
        if let Some(s3) = &self.s3 {
            settings["delta.s3.endpoint"] = s3.endpoint().into();
            settings["delta.s3.region"] = S3Server::REGION.into();
            settings["delta.s3.access.key.id"] = s3.options().access_key.clone().into();
            settings["delta.s3.secret.access.key"] = s3.options().secret_key.clone().into();
        }
        if let Some(dynamodb) = &self.dynamodb {
            settings["delta.commit.lock"] = "dynamodb".into();
            settings["delta.dynamodb.endpoint"] = dynamodb.endpoint().into();
            settings["delta.dynamodb.region"] = DynamoDb::REGION.into();
            settings["delta.dynamodb.table.auto.create"] = "true".into();
        }
        settings
    }

    /// The servers with how they are called.
    pub fn into_processes(self) -> Vec<(String, Leashed)> {
        let mut processes = Vec::new();
        if let Some(s3) = self.s3 {
            processes.push((format!("S3:             {}", s3.endpoint()), s3.into_process()));
        }
        if let Some(dynamodb) = self.dynamodb {
            processes.push((format!("DynamoDB:       {}", dynamodb.endpoint()), dynamodb.into_process()));
        }
        processes
    }
}
