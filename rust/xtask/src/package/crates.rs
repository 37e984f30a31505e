//! What is linked into the native library: Cargo's word for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sluice_testkit::{Context, Error, Result};

use super::platform::Platform;
use crate::checkout::Checkout;

/// Name and version.
pub type Id = (String, String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crate {
    pub id: Id,
    /// In SPDX's terms.
    pub license: String,
    /// Of its sources.
    pub folder: PathBuf,
    /// SHA-256 of what Cargo fetched; nothing for our own.
    pub checksum: Option<String>,
    pub needs: BTreeSet<Id>,
}

/// All that is linked into the library on any of `platforms`, by name. Neither macros nor what builds need is.
pub fn linked(checkout: &Checkout, platforms: &[&Platform]) -> Result<Vec<Crate>> {
    let mut tree = checkout.cargo(&["tree", "--locked", "--package", "sluice-jni"]);
    tree.args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]);
    let mut metadata = checkout.cargo(&["metadata", "--locked", "--format-version", "1"]);
    for platform in platforms {
        tree.args(["--target", platform.triple]);
        metadata.args(["--filter-platform", platform.triple]);
    }
    let lock = checkout.root.join("Cargo.lock");
    let checksums = checksums(&fs::read_to_string(&lock).at(&lock)?);
    let metadata = output(&mut metadata)?;
    let metadata: Value = serde_json::from_str(&metadata).context(|| "what cargo metadata says".into())?;
    select(&ids(&output(&mut tree)?), &metadata, &checksums)
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().context(|| "cannot run cargo".into())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::new(String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Of the metadata, which is of the whole workspace, those that the tree has.
fn select(tree: &BTreeSet<Id>, metadata: &Value, checksums: &BTreeMap<Id, String>) -> Result<Vec<Crate>> {
    let packages = || items(&metadata["packages"]);
    let ids: BTreeMap<_, _> = packages().map(|package| (text(&package["id"]), id_of(package))).collect();
    let nodes: BTreeMap<_, _> =
        items(&metadata["resolve"]["nodes"]).map(|node| (text(&node["id"]), &node["deps"])).collect();
    let mut crates = Vec::new();
    for package in packages() {
        let id = id_of(package);
        if !tree.contains(&id) {
            continue;
        }
        let needs = nodes.get(text(&package["id"])).into_iter().flat_map(|needs| items(needs));
        // A kind is null for what is linked.
        let needs = needs
            .filter(|dependency| items(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null()))
            .filter_map(|dependency| ids.get(text(&dependency["pkg"])))
            .filter(|id| tree.contains(id))
            .cloned()
            .collect();
        let license = package["license"]
            .as_str()
            .ok_or_else(|| Error::new(format!("{} {} does not say under which license it is", id.0, id.1)))?;
        crates.push(Crate {
            license: in_spdx(license),
            folder: Path::new(text(&package["manifest_path"])).with_file_name(""),
            checksum: checksums.get(&id).cloned(),
            needs,
            id,
        });
    }
    crates.sort_by(|a, b| a.id.cmp(&b.id));
    match crates.len() == tree.len() {
        true => Ok(crates),
        false => Err(Error::new(format!(
            "cargo tree has {} packages and cargo metadata {} of them",
            tree.len(),
            crates.len()
        ))),
    }
}

fn id_of(package: &Value) -> Id {
    (text(&package["name"]).to_owned(), text(&package["version"]).to_owned())
}

fn items(array: &Value) -> impl Iterator<Item = &Value> {
    array.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Of lines such as `ahash v0.8.12 (*)`.
fn ids(tree: &str) -> BTreeSet<Id> {
    let id = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
    };
    tree.lines().filter_map(id).collect()
}

/// Of what Cargo.lock has of each package.
fn checksums(lock: &str) -> BTreeMap<Id, String> {
    let value = |part: &str, name: &str| {
        let line = part.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
        line.and_then(|line| line.strip_suffix('"')).map(str::to_owned)
    };
    let parts = lock.split("[[package]]");
    parts
        .filter_map(|part| Some(((value(part, "name")?, value(part, "version")?), value(part, "checksum")?)))
        .collect()
}

/// Older crates have a slash where SPDX has `OR`.
fn in_spdx(license: &str) -> String {
    license.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn id(name: &str, version: &str) -> Id {
        (name.to_owned(), version.to_owned())
    }

    #[test]
    fn only_what_is_linked_is_taken_with_its_needs_and_checksum() {
        let tree = "top v1.0.0 (/x/top)\nbytes v1.2.3\nbytes v1.2.3 (*)\n";
        let lock = "version = 4\n\n[[package]]\nname = \"bytes\"\nversion = \"1.2.3\"\nsource = \"registry\"\nchecksum = \"c0ffee\"\n\n[[package]]\nname = \"top\"\nversion = \"1.0.0\"\ndependencies = [\n \"bytes\",\n]\n";
        let metadata = r#"{"packages": [
            {"id": "T", "name": "top", "version": "1.0.0", "license": "Apache-2.0", "manifest_path": "/x/top/Cargo.toml"},
            {"id": "B", "name": "bytes", "version": "1.2.3", "license": "MIT / Apache-2.0", "manifest_path": "/y/bytes/Cargo.toml"},
            {"id": "M", "name": "macros", "version": "9.0.0", "license": "GPL-3.0", "manifest_path": "/y/macros/Cargo.toml"}],
          "resolve": {"nodes": [
            {"id": "T", "deps": [{"pkg": "M", "dep_kinds": [{"kind": null}]}, {"pkg": "B", "dep_kinds": [{"kind": "dev"}, {"kind": null}]}]},
            {"id": "B", "deps": [{"pkg": "T", "dep_kinds": [{"kind": "dev"}]}]}]}}"#;
        let crates = select(&ids(tree), &serde_json::from_str(metadata).unwrap(), &checksums(lock)).unwrap();
        let bytes = Crate {
            id: id("bytes", "1.2.3"),
            license: "MIT OR Apache-2.0".into(),
            folder: "/y/bytes/".into(),
            checksum: Some("c0ffee".into()),
            needs: BTreeSet::new(),
        };
        let top = Crate {
            id: id("top", "1.0.0"),
            license: "Apache-2.0".into(),
            folder: "/x/top/".into(),
            checksum: None,
            needs: [id("bytes", "1.2.3")].into(),
        };
        assert_eq!(crates, [bytes, top]);
    }

    #[test]
    fn a_crate_without_a_license_and_one_that_metadata_lacks_are_errors() {
        let tree = [id("a", "1.0.0")].into();
        let metadata = |packages: &str| -> Value {
            serde_json::from_str(&format!(r#"{{"packages": [{packages}], "resolve": {{"nodes": []}}}}"#))
                .unwrap()
        };
        let package = r#"{"id": "A", "name": "a", "version": "1.0.0", "license": null, "manifest_path": "/a/Cargo.toml"}"#;
        let error = select(&tree, &metadata(package), &BTreeMap::new()).unwrap_err().to_string();
        assert!(error.contains("a 1.0.0"), "{error}");
        let error = select(&tree, &metadata(""), &BTreeMap::new()).unwrap_err().to_string();
        assert!(error.contains("1 packages") && error.contains("0 of them"), "{error}");
    }
}
