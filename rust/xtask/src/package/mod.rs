//! The plugin's folder, as a worker's `plugin.path` takes it, and the same as a zip.

mod crates;
mod cross;
mod hub;
mod library;
mod licenses;
mod platform;
mod release;
mod sbom;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};

use sluice_testkit::{Components, Context, Error, Result, java_home_tool};

use crate::args::Args;
use crate::checkout::{Checkout, shown};
use crate::stamp::Stamp;
use crate::{install, step};
use platform::{PLATFORMS, Platform};
use trial::Java;

/// Builds the native library and the `sluice` program, with what `cargo` is given.
pub const BUILD: [&str; 7] = ["build", "--release", "--locked", "-p", "sluice-jni", "-p", "sluice-cli"];

/// The C library that is built for: this machine's.
pub const LIBC: &str = if cfg!(target_env = "musl") { "musl" } else { "gnu" };

pub struct Options {
    /// None: for this machine alone.
    platforms: Vec<&'static Platform>,
    javas: Vec<Java>,
    emulate: bool,
}

impl Options {
    pub fn take(args: &mut Args) -> Result<Self> {
        let mut platforms = Vec::new();
        while let Some(platform) = args.value("--platform")? {
            platforms.push(platform);
        }
        if args.flag("--all") {
            platforms = PLATFORMS.iter().collect();
        }
        let mut javas = Vec::new();
        while let Some(java) = args.value::<Java>("--java")? {
            javas.push(java);
        }
        if let Some(java) = javas.iter().find(|java| !platforms.contains(&java.platform)) {
            return Err(Error::new(format!(
                "`--java {}`: there will be no package for that platform; `--all` or `--platform` makes one",
                java.platform.name
            )));
        }
        let emulate = args.flag("--emulate");
        if emulate && !platforms.contains(&"linux-aarch64-gnu".parse()?) {
            return Err(Error::new("`--emulate` wants a package for linux-aarch64-gnu"));
        }
        Ok(Options { platforms, javas, emulate })
    }
}

/// For this machine, `target/plugin/sluice/` and the zip; with platforms what is to be published.
pub fn package(checkout: &Checkout, options: Options) -> Result<()> {
    if !options.platforms.is_empty() {
        return release::release(checkout, options);
    }
    zip(checkout).map(|_| ())
}

/// The zip for this machine, and `target/plugin/sluice/`.
pub fn zip(checkout: &Checkout) -> Result<PathBuf> {
    plugin(checkout)?;
    let zip = checkout.target().join(format!("sluice-{}.zip", checkout.version));
    let _ = fs::remove_file(&zip);
    let mut jar = checkout.command(java_home_tool("jar"), &["cfM"]);
    jar.arg(&zip).arg("-C").arg(checkout.target().join("plugin")).arg("sluice");
    step::run("packing the zip", "a few seconds", &jar, &checkout.log("zip"), step::nothing)?;
    println!("plugin folder: {}\nzip:           {}", shown(&checkout.plugin()), shown(&zip));
    Ok(zip)
}

/// `target/plugin/sluice/`, and the `sluice` program in the Cargo target folder. Does only what has changed.
pub fn plugin(checkout: &Checkout) -> Result<()> {
    install::programs(checkout)?;
    let why = "Rust; up to ten minutes when nothing is compiled yet, seconds after that";
    let native_log = checkout.log("native");
    step::run("building the native library", why, &checkout.cargo(&BUILD), &native_log, step::cargo_lines)?;
    jar(checkout)?;
    let plugin = checkout.plugin();
    let native = plugin.join("native").join(platform::here());
    fs::create_dir_all(&native).at(&native)?;
    library::place(checkout, &built_library(checkout), &native.join("libsluice.so"))?;
    for file in ["LICENSE", "README.md"] {
        let source = checkout.root.join(file);
        fs::copy(&source, plugin.join(file)).at(&source)?;
    }
    Ok(())
}

/// The components, with copies in `folder` of the plugin and the program: the next build does not change those.
pub fn copied(checkout: &Checkout, folder: &Path) -> Result<Components> {
    let mut components = checkout.components();
    components.plugins = folder.join("plugins");
    copy_folder(&checkout.plugin(), &components.plugins.join("sluice"))?;
    let sluice = folder.join("sluice");
    fs::copy(&components.sluice, &sluice).at(&components.sluice)?;
    components.sluice = sluice;
    Ok(components)
}

pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).at(to)?;
    for entry in fs::read_dir(from).at(from)? {
        let path = entry.at(from)?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            fs::copy(&path, &target).at(&path)?;
        }
    }
    Ok(())
}

/// The native library as Cargo built it, with line tables for readable backtraces.
pub fn built_library(checkout: &Checkout) -> PathBuf {
    checkout.cargo_target.join("release/libsluice.so")
}

fn jar(checkout: &Checkout) -> Result<()> {
    let sources = ["java-shim", "gradle", "settings.gradle", "Cargo.toml"];
    let stamp = Stamp::over(checkout.target().join("xtask/jar.stamp"), &checkout.root, &sources)?;
    let plugin = checkout.plugin();
    let built = fs::read_dir(&plugin).is_ok_and(|mut files| {
        files.any(|file| file.is_ok_and(|file| file.path().extension().is_some_and(|e| e == "jar")))
    });
    if stamp.is_fresh() && built {
        return Ok(());
    }
    stamp.clear();
    let why = "Gradle; half a minute, only when its sources have changed";
    step::run("building the jar", why, &checkout.gradle(&["plugin"]), &checkout.log("jar"), step::nothing)?;
    stamp.set()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::parsed;

    #[test]
    fn platforms_are_chosen_one_by_one_or_all() {
        let names = |line: &str| -> Vec<_> {
            parsed(line, Options::take).unwrap().platforms.iter().map(|platform| platform.name).collect()
        };
        assert_eq!(names(""), [""; 0]);
        assert_eq!(names("--platform linux-x86_64-musl"), ["linux-x86_64-musl"]);
        assert_eq!(names("--platform linux-aarch64-gnu --platform=linux-x86_64-gnu").len(), 2);
        assert_eq!(names("--all"), PLATFORMS.each_ref().map(|platform| platform.name));
        let refused = |line: &str| parsed(line, Options::take).err().unwrap().to_string();
        assert!(refused("--platform windows").contains("linux-x86_64-gnu"));
        assert!(refused("--java linux-x86_64-musl=java").contains("--all"));
        assert!(refused("--platform linux-x86_64-musl --emulate").contains("linux-aarch64-gnu"));
        assert!(parsed("--all --emulate", Options::take).unwrap().emulate);
    }
}
