use std::path::Path;
use std::process::Command;

use crate::components::{Components, installed};
use crate::error::{Context, Result};
use crate::java::java_home_tool;
use crate::leash::Leashed;
use crate::ports::free_ports;
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

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// To pause, kill or release it.
    pub fn process(&mut self) -> &mut Leashed {
        &mut self.process
    }

    pub fn into_process(self) -> Leashed {
        self.process
    }
}
