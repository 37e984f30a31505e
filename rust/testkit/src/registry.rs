use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::components::{Components, installed};
use crate::error::{Context, Error, Result};
use crate::leash::Leashed;
use crate::ports::free_ports;
use crate::serve::serve;

/// Apicurio Registry, empty at first, with its own API and the one that it has for Confluent's clients.
pub struct SchemaRegistry {
    port: u16,
    java: Command,
    log: std::path::PathBuf,
    process: Leashed,
}

impl SchemaRegistry {
    /// What is registered and its log are in `folder`; ready when this returns.
    pub fn start(components: &Components, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).at(folder)?;
        let [port, management] = free_ports()?;
        let program = installed(components.registry().join("quarkus-run.jar"), "cargo xtask install")?;
        let mut java = Command::new(installed(components.new_java(), "cargo xtask install")?);
        java.args(["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
        java.args(["-XX:+DisableAttachMechanism", "-XX:-UsePerfData"]);
        // Without an address of its own the management interface listens on all of them.
        for (name, port) in [("http", port), ("management", management)] {
            java.args([format!("-Dquarkus.{name}.host=127.0.0.1"), format!("-Dquarkus.{name}.port={port}")]);
        }
        // Written at once: what was registered outlives a kill too.
        let database = format!("jdbc:h2:file:{}/registry;WRITE_DELAY=0", folder.display());
        java.arg(format!("-Dapicurio.datasource.url={database}"));
        java.args(["-Dapicurio.datasource.jdbc.initial-size=2", "-Dapicurio.datasource.jdbc.min-size=2"]);
        java.arg("-jar").arg(program).current_dir(folder);
        let log = folder.join("registry.log");
        let process = serve("the schema registry", &java, port, &log)?;
        Ok(SchemaRegistry { port, java, log, process })
    }

    /// After it was stopped or killed: at the same place, with what it had.
    pub fn restart(&mut self) -> Result<()> {
        self.process.stop(Duration::from_secs(20))?;
        self.process = serve("the schema registry", &self.java, self.port, &self.log)?;
        Ok(())
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The API for Confluent's clients.
    pub fn confluent_url(&self) -> String {
        format!("{}/apis/ccompat/v7", self.url())
    }

    /// Registers a schema as Confluent's serializers do and gives its id. `schema` has `schema`, and `schemaType` and
    /// `references` where there are any.
    pub fn register(&self, subject: &str, schema: &Value) -> Result<u32> {
        let url = format!("{}/subjects/{subject}/versions", self.confluent_url());
        let id = post(&url, schema)?["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| Error::new(format!("{url} gave no id")))
    }

    /// Makes an artifact with one version, which is called 1, and gives its global id and its content id.
    pub fn create(
        &self,
        group: &str,
        artifact: &str,
        kind: &str,
        text: &str,
        references: &Value,
    ) -> Result<(u64, u64)> {
        let content_type = if kind == "PROTOBUF" { "application/x-protobuf" } else { "application/json" };
        let content = json!({"content": text, "contentType": content_type, "references": references});
        let version = json!({"version": "1", "content": content});
        let body = json!({"artifactId": artifact, "artifactType": kind, "firstVersion": version});
        let url = format!("{}/apis/registry/v3/groups/{group}/artifacts", self.url());
        let version = &post(&url, &body)?["version"];
        let ids = version["globalId"].as_u64().zip(version["contentId"].as_u64());
        ids.ok_or_else(|| Error::new(format!("{url} gave no ids")))
    }

    /// To pause, kill or release it.
    pub fn process(&mut self) -> &mut Leashed {
        &mut self.process
    }

    pub fn into_process(self) -> Leashed {
        self.process
    }
}

fn post(url: &str, body: &Value) -> Result<Value> {
    let request = ureq::http::Request::builder().uri(url).header("Content-Type", "application/json");
    crate::post::post(&format!("POST {url}"), request, body)
}
