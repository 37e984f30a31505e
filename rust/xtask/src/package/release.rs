//! What is published: a zip for each platform and one for all, a bill of materials of each, and their checksums.

use std::fs;
use std::path::{Path, PathBuf};

use sluice_testkit::{Context, Error, Result};

use super::cross::{self, Zig};
use super::hub::{self, Archive};
use super::licenses::{self, Part};
use super::platform::{PLATFORMS, Platform};
use super::sbom::{self, PackedFile};
use super::{Options, crates, jar, library, trial};
use crate::checkout::{Checkout, empty, shown};
use crate::{install, step};

const BILL: &str = "doc/sluice.cdx.json";
const CHECKSUMS: &str = "SHA256SUMS";

pub fn release(checkout: &Checkout, options: Options) -> Result<()> {
    let platforms = options.platforms.as_slice();
    install::programs(checkout)?;
    let zig = Zig::install(checkout)?;
    let folder = checkout.target().join("packages");
    empty(&folder)?;
    let libraries = folder.join("libraries");
    for platform in platforms {
        let built = zig.build(checkout, platform)?;
        let to = libraries.join(platform.name);
        fs::create_dir_all(&to).at(&to)?;
        library::place_for(checkout, platform, &built, &to.join("libsluice.so"))?;
    }
    jar(checkout)?;

    let mut javas = trial::with_own(options.javas);
    if options.emulate {
        javas.push(trial::emulated(checkout)?);
    }
    let others = [cross::standard_library_part(checkout)?, zig.part()?];
    let mut zips = Vec::new();
    for platform in platforms {
        zips.push((pack(checkout, &folder, &[platform], Some(platform.name), &others)?, vec![*platform]));
    }
    if platforms.len() == PLATFORMS.len() {
        zips.push((pack(checkout, &folder, platforms, None, &others)?, platforms.to_vec()));
    }
    checksums(checkout, &folder)?;
    let mut untried = Vec::new();
    for (zip, holds) in &zips {
        for platform in holds {
            match javas.iter().find(|java| java.platform == *platform) {
                Some(java) => trial::run(checkout, java, zip)?,
                None if holds.len() == 1 => untried.push(platform.name),
                None => {}
            }
        }
    }
    for part in ["libraries", "stages"] {
        fs::remove_dir_all(folder.join(part)).at(&folder)?;
    }
    println!("packages: {}", shown(&folder));
    if !untried.is_empty() {
        println!(
            "not loaded, only read, as there is no Java of theirs here (--java): {}",
            untried.join(", ")
        );
    }
    Ok(())
}

/// The zip, with its bill beside it.
fn pack(
    checkout: &Checkout,
    folder: &Path,
    platforms: &[&Platform],
    suffix: Option<&str>,
    others: &[Part; 2],
) -> Result<PathBuf> {
    let archive = Archive::new(&folder.join("stages"), &checkout.version, suffix)?;
    let mut packed = Vec::new();
    for platform in platforms {
        let path = format!("lib/native/{}/libsluice.so", platform.name);
        archive.link(&path, &folder.join("libraries").join(platform.name).join("libsluice.so"))?;
        packed.push(path);
    }
    let jar = format!("sluice-connect-{}.jar", checkout.version);
    packed.push(format!("lib/{jar}"));
    archive.add(&format!("lib/{jar}"), &checkout.plugin().join(&jar))?;
    for file in ["LICENSE", "README.md", "CHANGELOG.md"] {
        archive.add(&format!("doc/{file}"), &checkout.root.join(file))?;
    }
    archive.add("doc/RUST-COPYRIGHT.html", &cross::standard_library_copyright(checkout)?)?;
    let examples = checkout.root.join("connect-config");
    for entry in fs::read_dir(&examples).at(&examples)? {
        let example = entry.at(&examples)?.path();
        archive.add(&format!("etc/{}", example.file_name().unwrap_or_default().display()), &example)?;
    }

    let crates = crates::linked(checkout, platforms)?;
    let mut parts = Vec::new();
    for fetched in crates.iter().filter(|linked| linked.checksum.is_some()) {
        parts.push(Part::of(fetched)?);
    }
    parts.extend(others.iter().cloned());
    archive.write("doc/THIRD-PARTY-LICENSES.txt", &licenses::report(&checkout.version, &parts)?)?;
    let files = hashes(checkout, &archive.root, packed)?;
    let bill = serde_json::to_string_pretty(&sbom::bill(&checkout.version, &files, &crates, others));
    let bill = bill.context(|| "the bill of materials".into())?;
    archive.write(BILL, &bill)?;
    let beside = folder.join(format!("{}.cdx.json", archive.name));
    fs::write(&beside, bill).at(&beside)?;
    let names: Vec<_> = platforms.iter().map(|platform| platform.name).collect();
    archive.write("manifest.json", &format!("{:#}\n", hub::manifest(&checkout.version, &names)))?;
    println!("    {} crates are linked into it", crates.len());
    archive.zip(checkout, folder)
}

fn hashes(checkout: &Checkout, root: &Path, paths: Vec<String>) -> Result<Vec<PackedFile>> {
    let said = sha256sum(checkout, root, &paths)?;
    let files = said.lines().filter_map(|line| {
        let (sha256, path) = line.split_once("  ")?;
        Some(PackedFile { path: path.to_owned(), sha256: sha256.to_owned() })
    });
    let files: Vec<_> = files.collect();
    match files.len() == paths.len() {
        true => Ok(files),
        false => Err(Error::new(format!("sha256sum says of {} files: {said}", paths.len()))),
    }
}

/// Of all that is published, in a file that `sha256sum --check` takes.
fn checksums(checkout: &Checkout, folder: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        if path.is_file() {
            names.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    names.sort();
    let said = sha256sum(checkout, folder, &names)?;
    let file = folder.join(CHECKSUMS);
    fs::write(&file, &said).at(&file)?;
    step::head("checksums", CHECKSUMS);
    print!("{said}");
    Ok(())
}

fn sha256sum(checkout: &Checkout, folder: &Path, names: &[String]) -> Result<String> {
    let mut command = checkout.command("sha256sum", &[]);
    let output =
        command.args(names).current_dir(folder).output().context(|| "cannot run sha256sum".into())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::new(String::from_utf8_lossy(&output.stderr).trim())),
    }
}
