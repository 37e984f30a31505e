//! The layout of Confluent Hub's archives, which any Connect worker takes as a plugin's folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sluice_testkit::{Context, Error, Result, java_home_tool};

use crate::checkout::Checkout;
use crate::step;

const OWNER: &str = "sluice";
const NAME: &str = "kafka-connect-delta";

/// A folder that becomes a zip.
pub struct Archive {
    /// Of the zip, without its ending.
    pub name: String,
    /// Holds the one folder that the zip has.
    stage: PathBuf,
    pub root: PathBuf,
}

impl Archive {
    /// `suffix` tells one for a single platform from that for all.
    pub fn new(stages: &Path, version: &str, suffix: Option<&str>) -> Result<Self> {
        let folder = format!("{OWNER}-{NAME}-{version}");
        let name = suffix.map_or(folder.clone(), |suffix| format!("{folder}-{suffix}"));
        let stage = stages.join(&name);
        let root = stage.join(folder);
        for part in ["lib", "doc", "etc"] {
            fs::create_dir_all(root.join(part)).at(&root)?;
        }
        Ok(Archive { name, stage, root })
    }

    /// `path` is that in the archive.
    pub fn add(&self, path: &str, from: &Path) -> Result<()> {
        let to = self.file(path)?;
        fs::copy(from, &to).at(from).map(|_| ())
    }

    /// Not copied: libraries are large, and each is in two archives.
    pub fn link(&self, path: &str, from: &Path) -> Result<()> {
        let to = self.file(path)?;
        fs::hard_link(from, &to).at(&to)
    }

    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let to = self.file(path)?;
        fs::write(&to, text).at(&to)
    }

    fn file(&self, path: &str) -> Result<PathBuf> {
        let file = self.root.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).at(folder)?;
        }
        Ok(file)
    }

    /// The zip in `folder`.
    pub fn zip(&self, checkout: &Checkout, folder: &Path) -> Result<PathBuf> {
        let zip = folder.join(format!("{}.zip", self.name));
        let mut jar = checkout.command(java_home_tool("jar"), &["cfM"]);
        jar.arg(&zip).arg("-C").arg(&self.stage).arg(self.root.file_name().unwrap_or_default());
        let what = format!("packing {}.zip", self.name);
        step::run(&what, "seconds", &jar, &checkout.log(&format!("zip-{}", self.name)), step::nothing)?;
        Ok(zip)
    }
}

/// Unpacks the zip into the folder and gives the one folder that it has.
pub fn unpack(checkout: &Checkout, zip: &Path, into: &Path) -> Result<PathBuf> {
    let mut jar = checkout.command(java_home_tool("jar"), &["xf"]);
    let output = jar.arg(zip).current_dir(into).output().context(|| "cannot run jar".into())?;
    if !output.status.success() {
        return Err(Error::new(format!(
            "{}: {}",
            zip.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    let entries: Vec<_> = fs::read_dir(into).at(into)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    match entries.as_slice() {
        [folder] if folder.join("manifest.json").is_file() => Ok(folder.clone()),
        _ => Err(Error::new(format!("{} has to have one folder, with a manifest", zip.display()))),
    }
}

pub fn manifest(version: &str, platforms: &[&str]) -> Value {
    let runs_on = platforms.join(", ");
    json!({
        "name": NAME,
        "version": version,
        "title": "Sluice: a sink for Delta Lake",
        "description": "Streams topics into Delta Lake tables on S3, Azure, Google Cloud and file systems, exactly once: the \
            offsets of the records are part of the commit that has their rows.",
        "owner": {"username": OWNER, "type": "organization", "name": "Sluice"},
        "tags": ["delta", "delta lake", "lakehouse", "parquet", "exactly once", "s3", "json", "avro", "protobuf"],
        "features": {
            "supported_encodings": ["any"],
            "single_message_transforms": true,
            "kafka_connect_api": true,
            "delivery_guarantee": ["exactly_once"],
        },
        "requirements": ["Java 17 or newer", format!("one of these platforms: {runs_on}")],
        "license": [{"name": "Apache License 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}],
        "component_types": ["sink"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_what_the_hub_takes() {
        let manifest = manifest("0.1.0", &["linux-x86_64-gnu", "linux-aarch64-musl"]);
        for field in ["name", "version", "title", "description"] {
            assert!(manifest[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
        }
        let owner = manifest["owner"]["username"].as_str().unwrap();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!((2..=255).contains(&owner.len()) && owner.bytes().all(allowed), "{owner}");
        assert_eq!(manifest["component_types"], json!(["sink"]));
        assert!(manifest["requirements"][1].as_str().unwrap().contains("linux-aarch64-musl"));
    }

    #[test]
    fn the_folder_of_every_archive_is_the_one_that_the_hub_names() {
        let stages = std::env::temp_dir().join(format!("xtask-hub-{}", std::process::id()));
        let all = Archive::new(&stages, "0.1.0", None).unwrap();
        let one = Archive::new(&stages, "0.1.0", Some("linux-aarch64-gnu")).unwrap();
        one.write("lib/deep/er/file", "x").unwrap();
        assert!(one.root.join("lib/deep/er/file").is_file());
        fs::remove_dir_all(&stages).unwrap();
        assert_eq!(all.name, "sluice-kafka-connect-delta-0.1.0");
        assert_eq!(one.name, "sluice-kafka-connect-delta-0.1.0-linux-aarch64-gnu");
        assert_eq!(all.root.file_name(), one.root.file_name());
    }
}
