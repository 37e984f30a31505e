//! What a package is made of, as CycloneDX has it.

use serde_json::{Value, json};

use super::crates::{Crate, Id};
use super::licenses::Part;

/// A file of the package, by the SHA-256 of its content.
pub struct PackedFile {
    pub path: String,
    pub sha256: String,
}

/// Without a time and a serial number: two builds of one thing have the same bill.
pub fn bill(version: &str, files: &[PackedFile], crates: &[Crate], others: &[Part]) -> Value {
    let us = us(version);
    let mut components: Vec<_> = files.iter().map(file).collect();
    components.extend(crates.iter().map(of_crate));
    components.extend(others.iter().map(other));
    let linked = crates.iter().filter(|linked| linked.checksum.is_none()).map(|own| purl(&own.id));
    let all: Vec<_> = linked.chain(others.iter().map(other_purl)).collect();
    let mut dependencies = vec![json!({"ref": us, "dependsOn": all})];
    dependencies.extend(crates.iter().map(|linked| {
        json!({"ref": purl(&linked.id), "dependsOn": linked.needs.iter().map(purl).collect::<Vec<_>>()})
    }));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "build"}],
            "component": {
                "type": "library",
                "bom-ref": us,
                "name": "sluice",
                "version": version,
                "purl": us,
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": components,
        "dependencies": dependencies,
    })
}

fn us(version: &str) -> String {
    format!("pkg:generic/sluice@{version}")
}

fn file(file: &PackedFile) -> Value {
    json!({
        "type": "file",
        "bom-ref": format!("file:{}", file.path),
        "name": file.path,
        "hashes": [{"alg": "SHA-256", "content": file.sha256}],
    })
}

fn of_crate(linked: &Crate) -> Value {
    let purl = purl(&linked.id);
    let mut component = json!({
        "type": "library",
        "bom-ref": purl,
        "name": linked.id.0,
        "version": linked.id.1,
        "purl": purl,
        "licenses": [{"expression": linked.license}],
    });
    if let Some(checksum) = &linked.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    component
}

fn other(part: &Part) -> Value {
    let purl = other_purl(part);
    json!({
        "type": "library",
        "bom-ref": purl,
        "name": part.name,
        "version": part.version,
        "purl": purl,
        "licenses": [{"expression": part.license}],
    })
}

/// A plus in a version is escaped.
fn purl((name, version): &Id) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

fn other_purl(part: &Part) -> String {
    format!("pkg:generic/{}@{}", part.name, part.version)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::crates::tests::id;
    use super::*;

    #[test]
    fn every_reference_of_a_bill_has_its_component() {
        let linked = |name: &str, version: &str, checksum: Option<&str>, needs: &[Id]| Crate {
            id: id(name, version),
            license: "MIT".into(),
            folder: "/host/path".into(),
            checksum: checksum.map(str::to_owned),
            needs: needs.iter().cloned().collect(),
        };
        let crates = [
            linked("sluice-jni", "0.1.0", None, &[id("zstd-sys", "2.1+zstd.1.5")]),
            linked("zstd-sys", "2.1+zstd.1.5", Some("c0ffee"), &[]),
        ];
        let std = Part { name: "std".into(), version: "1.95.0".into(), license: "MIT".into(), texts: vec![] };
        let library = PackedFile { path: "lib/libsluice.so".into(), sha256: "abc".into() };
        let bill = bill("0.1.0", &[library], &crates, &[std]);
        let components = bill["components"].as_array().unwrap();
        let mut known: BTreeSet<_> = components.iter().map(|one| one["bom-ref"].as_str().unwrap()).collect();
        known.insert(bill["metadata"]["component"]["bom-ref"].as_str().unwrap());
        assert_eq!(known.len(), 5);
        for dependency in bill["dependencies"].as_array().unwrap() {
            let to = dependency["dependsOn"].as_array().unwrap().iter();
            for reference in to.chain([&dependency["ref"]]) {
                assert!(known.contains(reference.as_str().unwrap()), "{reference}");
            }
        }
        assert_eq!(
            bill["dependencies"][0]["dependsOn"],
            json!(["pkg:cargo/sluice-jni@0.1.0", "pkg:generic/std@1.95.0"])
        );
        assert_eq!(bill["dependencies"][1]["dependsOn"], json!(["pkg:cargo/zstd-sys@2.1%2Bzstd.1.5"]));
        assert_eq!(components[2]["hashes"], json!([{"alg": "SHA-256", "content": "c0ffee"}]));
        assert!(!bill.to_string().contains("/host/path"));
    }
}
