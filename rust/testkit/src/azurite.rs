use std::path::Path;
use std::process::Command;

use crate::components::{Components, installed};
use crate::error::{Context, Result};
use crate::leash::Leashed;
use crate::ports::free_ports;
use crate::serve::serve;

/// Microsoft's emulator of Azure's blobs. Only after `cargo xtask install --all-stores`.
pub struct Azurite {
    port: u16,
    process: Leashed,
}

impl Azurite {
    pub const ACCOUNT: &str = "testaccount";
    pub const ACCOUNT_KEY: &str = "c2x1aWNlIHRlc3QgYWNjb3VudCBrZXk=";
    /// A shared access signature by this key; allows everything on blobs.
    pub const SIGNATURE: &str = "sv=2018-03-28&ss=b&srt=sco&sp=rwdlac&se=2100-01-01T00%3A00%3A00Z&sig=iQ%2FHSRrSHU1wQMmoKzJ9YOxKCkiIfP%2BoDoh1ht1TEqo%3D";

    /// With an empty container. Its data and its log are in `folder`; ready when this returns.
    pub fn start(components: &Components, folder: &Path, container: &str) -> Result<Self> {
        std::fs::create_dir_all(folder).at(folder)?;
        let [port] = free_ports()?;
        let mut azurite = Command::new(installed(components.azurite(), "cargo xtask install --all-stores")?);
        azurite.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--location"]).arg(folder);
        // Clients of Azure ask for newer versions of the protocol than the emulator has seen.
        azurite.args(["--silent", "--skipApiVersionCheck", "--disableTelemetry"]);
        azurite.env("AZURITE_ACCOUNTS", format!("{}:{}", Self::ACCOUNT, Self::ACCOUNT_KEY));
        let process = serve("Azurite", &azurite, port, &folder.join("azurite.log"))?;
        let azurite = Azurite { port, process };
        let put = format!("{}/{container}?restype=container&{}", azurite.endpoint(), Self::SIGNATURE);
        ureq::put(put).send_empty().context(|| format!("cannot make the container {container}"))?;
        Ok(azurite)
    }

    /// With the account in its path, as there is no host name for it.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{}", self.port, Self::ACCOUNT)
    }

    /// To pause, kill or release it.
    pub fn process(&mut self) -> &mut Leashed {
        &mut self.process
    }
}
