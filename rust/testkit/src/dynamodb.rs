use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::components::{Components, installed};
use crate::error::{Context, Result};
use crate::java::java_home_tool;
use crate::leash::Leashed;
use crate::ports::free_ports;
use crate::post::post;
use crate::serve::serve;

/// DynamoDB Local, empty at first. Takes any secret key; has other tables for each access key and region.
pub struct DynamoDb {
    port: u16,
    process: Leashed,
}

impl DynamoDb {
    /// Its log is in `folder`; ready when this returns.
    pub fn start(components: &Components, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).at(folder)?;
        let libs = installed(components.dynamodb_libs(), "cargo xtask install")?;
        let [port] = free_ports()?;
        let mut java = Command::new(java_home_tool("java"));
        java.args(["-Xmx256m", "-XX:+DisableAttachMechanism", "-XX:-UsePerfData"]);
        java.arg(format!("-Djava.library.path={}", libs.display()));
        java.arg("-cp").arg(format!("{}/*:{}", libs.display(), components.tools().display()));
        java.args(["DynamoDbLocal", &port.to_string()]).current_dir(folder);
        let process = serve("DynamoDB Local", &java, port, &folder.join("dynamodb.log"))?;
        Ok(DynamoDb { port, process })
    }

    /// What its items are kept under, with a region; see [`DynamoDb`].
    pub const ACCESS_KEY: &str = "testaccesskey";
    pub const REGION: &str = "us-east-1";

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All items of a table of [`DynamoDb::ACCESS_KEY`]'s, in DynamoDB's JSON; of at most 1 MB.
    pub fn items(&self, table: &str) -> Result<Vec<Value>> {
        let scan = json!({"TableName": table, "ConsistentRead": true});
        Ok(self.call("Scan", &scan)?["Items"].as_array().cloned().unwrap_or_default())
    }

    /// One operation, such as `PutItem`.
    pub fn call(&self, operation: &str, body: &Value) -> Result<Value> {
        let (key, region) = (Self::ACCESS_KEY, Self::REGION);
        // Signatures are not checked.
        let credential = format!("Credential={key}/20260101/{region}/dynamodb/aws4_request");
        let authorization = format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0");
        let request = ureq::http::Request::builder()
            .uri(self.endpoint())
            .header("Content-Type", "application/x-amz-json-1.0")
            .header("X-Amz-Target", format!("DynamoDB_20120810.{operation}"))
            .header("Authorization", authorization);
        post(&format!("DynamoDB's {operation}"), request, body)
    }

    /// To pause, kill or release it.
    pub fn process(&mut self) -> &mut Leashed {
        &mut self.process
    }

    pub fn into_process(self) -> Leashed {
        self.process
    }
}
