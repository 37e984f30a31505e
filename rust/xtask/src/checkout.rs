use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use sluice_testkit::{Components, Context, Error, Result, cache_folder};

/// Where everything is.
pub struct Checkout {
    pub root: PathBuf,
    pub cache: PathBuf,
    /// Cargo's target folder for all but xtask itself.
    pub cargo_target: PathBuf,
    pub version: String,
}

impl Checkout {
    pub fn find() -> Result<Self> {
        let from = match std::env::var_os("CARGO_MANIFEST_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => std::env::current_dir().context(|| "no current folder".into())?,
        };
        let root = from.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
        let root =
            root.ok_or_else(|| Error::new(format!("{} is not in a checkout", from.display())))?.to_owned();
        let cache = std::path::absolute(cache_folder()?).context(|| "the cache folder".into())?;
        std::fs::create_dir_all(&cache).at(&cache)?;
        let cargo_target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| cache.join("target"), |folder| root.join(folder));
        Ok(Checkout { root, cache, cargo_target, version: env!("CARGO_PKG_VERSION").to_owned() })
    }

    pub fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// Nobody else is about this in the checkout while the file is kept; an error that says so where somebody is.
    pub fn alone(&self, about: &str, otherwise: &str) -> Result<File> {
        let lock = self.target().join(format!("{about}.lock"));
        fs::create_dir_all(self.target()).at(&lock)?;
        let lock = File::create(&lock).at(&lock)?;
        lock.try_lock().map_err(|_| Error::new(otherwise))?;
        Ok(lock)
    }

    /// The log of a step, replaced by its next run.
    pub fn log(&self, name: &str) -> PathBuf {
        self.target().join("xtask").join(format!("{name}.log"))
    }

    pub fn plugin(&self) -> PathBuf {
        self.target().join("plugin/sluice")
    }

    pub fn components(&self) -> Components {
        Components {
            folder: self.cache.join("components"),
            plugins: self.target().join("plugin"),
            sluice: self.cargo_target.join("release/sluice"),
        }
    }

    pub fn cargo(&self, args: &[&str]) -> Command {
        let mut cargo = self.command(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), args);
        cargo.env("CARGO_TARGET_DIR", &self.cargo_target).env("SLUICE_CACHE", &self.cache);
        // Cargo tells us these about xtask. Handed on, they make ring and all above it compile again: its build script
        // watches them, and a cargo that was started by hand has none.
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
            {
                cargo.env_remove(name);
            }
        }
        cargo
    }

    /// Without Gradle's daemon: it would outlive us, and it is started rarely.
    pub fn gradle(&self, args: &[&str]) -> Command {
        let mut gradle = self.command("gradle", &["--no-daemon", "--console=plain"]);
        gradle.args(args);
        gradle
    }

    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.root);
        command
    }
}

/// Leaves the folder there, with nothing in it.
pub fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).at(folder)?;
    }
    std::fs::create_dir_all(folder).at(folder)
}

/// As a user would type it: relative to the current folder where that is shorter.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    relative.unwrap_or(path).display().to_string()
}
