//! The native library for other processors and C libraries, compiled and linked by zig.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use sluice_testkit::{Context, Error, Result};

use super::licenses::Part;
use super::platform::{OLDEST_GLIBC, Platform};
use crate::checkout::{Checkout, shown};
use crate::{python, step};

const REQUIREMENTS: &str = "rust/xtask/src/package/zig.txt";

pub struct Zig {
    folder: PathBuf,
    /// Of zig and cargo-zigbuild.
    programs: PathBuf,
}

impl Zig {
    pub fn install(checkout: &Checkout) -> Result<Self> {
        let folder = checkout.cache.join("zig");
        let why = "compiles and links for other machines, 100 MB; a minute, once";
        let programs = python::programs(checkout, &folder, REQUIREMENTS, why)?;
        Ok(Zig { folder, programs })
    }

    /// The library with the profile of all other builds, and where Cargo left it.
    pub fn build(&self, checkout: &Checkout, platform: &Platform) -> Result<PathBuf> {
        standard_library(checkout, platform)?;
        // Not in the folder of the other builds, whose lock would keep them waiting for this one.
        let target = checkout.cargo_target.join("cross");
        let triple = triple_for_zig(platform);
        let mut cargo = checkout.cargo(&[
            "zigbuild",
            "--release",
            "--locked",
            "--package",
            "sluice-jni",
            "--target",
            &triple,
        ]);
        cargo.env("PATH", self.path()?).env("CARGO_TARGET_DIR", &target);
        cargo.env("CARGO_ZIGBUILD_CACHE_DIR", self.folder.join("zigbuild"));
        cargo.env("ZIG_GLOBAL_CACHE_DIR", self.folder.join("cache"));
        // These would be taken instead of those of the target.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo.env(rustflags_name(platform), rustflags(platform));
        let what = format!("building the native library for {}", platform.name);
        let why = "Rust and C by zig; half an hour when nothing is compiled yet";
        let log = checkout.log(&format!("native-{}", platform.name));
        step::run(&what, why, &cargo, &log, step::cargo_lines)?;
        Ok(target.join(platform.triple).join("release/libsluice.so"))
    }

    /// What zig links into the library: how a stack is unwound, and what the processor cannot do by itself.
    pub fn part(&self) -> Result<Part> {
        let packages = self.folder.join("venv/lib");
        let entries = fs::read_dir(&packages).at(&packages)?;
        let mut folders = entries.filter_map(|entry| Some(entry.ok()?.path().join("site-packages/ziglang")));
        let zig = folders.find(|folder| folder.is_dir());
        let zig = zig.ok_or_else(|| Error::new(format!("there is no zig in {}", packages.display())))?;
        let version = include_str!("zig.txt").lines().find_map(|line| line.strip_prefix("ziglang=="));
        Ok(Part {
            name: "zig-runtime".into(),
            version: version.unwrap_or_default().into(),
            license: "MIT AND (Apache-2.0 WITH LLVM-exception)".into(),
            texts: vec![zig.join("LICENSE"), zig.join("lib/libunwind/LICENSE.TXT")],
        })
    }

    /// With `cargo zigbuild`, and with the Python that has zig before any other.
    fn path(&self) -> Result<OsString> {
        let others = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(self.programs.clone()).chain(std::env::split_paths(&others));
        std::env::join_paths(all).context(|| self.programs.display().to_string())
    }
}

/// Rust's own library for the platform: rustup fetches it.
fn standard_library(checkout: &Checkout, platform: &Platform) -> Result<()> {
    if is_there(checkout, platform)? {
        return Ok(());
    }
    let rustup = checkout.command("rustup", &["target", "add", platform.triple]);
    let what = format!("fetching Rust's standard library for {}", platform.triple);
    let log = checkout.log(&format!("rustup-{}", platform.name));
    let outcome = step::run(&what, "30 MB; seconds, once", &rustup, &log, step::nothing);
    outcome.map_err(|e| {
        let way = "without it no library can be built for that platform. Other ones are chosen with --platform NAME";
        Error::new(format!("{e}\n{way}"))
    })?;
    match is_there(checkout, platform)? {
        true => Ok(()),
        false => Err(Error::new(format!(
            "rustup has fetched {}, but not for the Rust that Cargo runs with; see {}",
            platform.triple,
            shown(&log)
        ))),
    }
}

fn is_there(checkout: &Checkout, platform: &Platform) -> Result<bool> {
    Ok(sysroot(checkout)?.join("lib/rustlib").join(platform.triple).join("lib").is_dir())
}

/// Who has what in Rust's own library.
pub fn standard_library_copyright(checkout: &Checkout) -> Result<PathBuf> {
    Ok(sysroot(checkout)?.join("share/doc/rust/COPYRIGHT-library.html"))
}

pub fn standard_library_part(checkout: &Checkout) -> Result<Part> {
    let said = rustc(checkout, &["--version"])?;
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    let version = said.split(' ').nth(1).unwrap_or_default().to_owned();
    let texts = sysroot(checkout)?.join("share/doc/rust/licenses");
    Ok(Part {
        name: "rust-std".into(),
        version,
        license: "MIT OR Apache-2.0".into(),
        texts: ["MIT.txt", "Apache-2.0.txt"].map(|name| texts.join(name)).into(),
    })
}

fn sysroot(checkout: &Checkout) -> Result<PathBuf> {
    rustc(checkout, &["--print", "sysroot"]).map(PathBuf::from)
}

fn rustc(checkout: &Checkout, args: &[&str]) -> Result<String> {
    let said = checkout.command("rustc", args).output().context(|| "cannot run rustc".into())?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// cargo-zigbuild takes the version of glibc behind the target's name.
fn triple_for_zig(platform: &Platform) -> String {
    match platform.musl {
        true => platform.triple.to_owned(),
        false => format!("{}.{}.{}", platform.triple, OLDEST_GLIBC.0, OLDEST_GLIBC.1),
    }
}

fn rustflags_name(platform: &Platform) -> String {
    format!("CARGO_TARGET_{}_RUSTFLAGS", platform.triple.replace('-', "_").to_uppercase())
}

/// The linker leaves the symbols out, because the `strip` of this machine may not know the other's files.
fn rustflags(platform: &Platform) -> &'static str {
    match platform.musl {
        // By default Rust links all of musl into what it makes for it, and then cannot make a library.
        true => "-C strip=symbols -C target-feature=-crt-static",
        false => "-C strip=symbols",
    }
}

#[cfg(test)]
mod tests {
    use super::super::platform::PLATFORMS;
    use super::*;

    #[test]
    fn cargo_is_asked_for_the_old_glibc_and_for_a_dynamic_musl() {
        let triples = PLATFORMS.each_ref().map(triple_for_zig);
        assert_eq!(
            triples,
            [
                "x86_64-unknown-linux-gnu.2.17",
                "aarch64-unknown-linux-gnu.2.17",
                "x86_64-unknown-linux-musl",
                "aarch64-unknown-linux-musl"
            ]
        );
        assert!(rustflags(&PLATFORMS[2]).contains("-crt-static"));
        assert!(!rustflags(&PLATFORMS[0]).contains("-crt-static"));
        assert_eq!(rustflags_name(&PLATFORMS[3]), "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS");
    }
}
