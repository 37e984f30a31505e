use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};

/// Where the parts that `cargo xtask install` fetches and builds are.
#[derive(Debug, Clone)]
pub struct Components {
    /// What `cargo xtask install` leaves: jars, the compiled programs of `tests/tools` in `tools`, and the servers.
    pub folder: PathBuf,
    /// The packaged plugin's parent: `plugin.path` of a worker that is to run Sluice.
    pub plugins: PathBuf,
    /// The `sluice` command line program.
    pub sluice: PathBuf,
}

impl Components {
    /// In the cache folder, and in the checkout that this crate was built from.
    pub fn find() -> Result<Self> {
        let cache = cache_folder()?;
        let checkout = checkout();
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache.join("target"), PathBuf::from);
        let components = Components {
            folder: cache.join("components"),
            plugins: checkout.join("target/plugin"),
            sluice: target.join("release/sluice"),
        };
        for part in [components.kafka_libs(), components.kernel_libs(), components.tools()] {
            installed(part, "cargo xtask install")?;
        }
        Ok(components)
    }

    pub fn kafka_libs(&self) -> PathBuf {
        self.folder.join("kafka/libs")
    }

    /// The jars of the oldest Kafka Connect that runs the plugin.
    pub fn oldest_worker(&self) -> Result<PathBuf> {
        installed(self.folder.join("workers/oldestWorker"), "cargo xtask install")
    }

    /// Those of the newest that is to be had.
    pub fn newest_worker(&self) -> Result<PathBuf> {
        installed(self.folder.join("workers/newestWorker"), "cargo xtask install")
    }

    /// `plugin.path` for Kafka's own file connectors, to try a broker and a worker without Sluice.
    pub fn file_plugins(&self) -> PathBuf {
        self.folder.join("kafka/plugins")
    }

    pub fn kernel_libs(&self) -> PathBuf {
        self.folder.join("kernel/libs")
    }

    pub fn dynamodb_libs(&self) -> PathBuf {
        self.folder.join("dynamodb/libs")
    }

    /// The agent by which Prometheus reads a JVM's MBeans.
    pub fn jmx_exporter(&self) -> Result<PathBuf> {
        let folder = installed(self.folder.join("jmx-exporter"), "cargo xtask install")?;
        let mut entries =
            std::fs::read_dir(&folder).at(&folder)?.filter_map(|entry| Some(entry.ok()?.path()));
        let jar = entries.find(|path| path.extension().is_some_and(|extension| extension == "jar"));
        jar.ok_or_else(|| Error::new(format!("there is no jar in {}", folder.display())))
    }

    /// Apicurio Registry.
    pub fn registry(&self) -> PathBuf {
        self.folder.join("apicurio")
    }

    /// `plugin.path` for Confluent's converter for Avro, as Apicurio has it.
    pub fn converters(&self) -> PathBuf {
        self.folder.join("converters")
    }

    /// A newer runtime than the JDK here may be, for what needs one.
    pub fn new_java(&self) -> PathBuf {
        self.folder.join("java/runtime/bin/java")
    }

    /// `plugin.path` for the Apache Iceberg sink, which only `cargo xtask bench` fetches.
    pub fn iceberg_plugins(&self) -> PathBuf {
        self.folder.join("iceberg")
    }

    /// The same with what it needs for tables on S3, which only `cargo xtask bench --requests` fetches.
    pub fn iceberg_s3_plugins(&self) -> PathBuf {
        self.folder.join("iceberg-s3")
    }

    /// Holds `versitygw` and, when asked for, `minio`.
    pub fn go_programs(&self) -> PathBuf {
        self.folder.join("bin")
    }

    pub fn azurite(&self) -> PathBuf {
        self.folder.join("azurite/node_modules/.bin/azurite-blob")
    }

    pub fn tools(&self) -> PathBuf {
        self.folder.join("tools")
    }
}

/// The part, if it is there; `command` is what puts it there.
pub(crate) fn installed(part: PathBuf, command: &str) -> Result<PathBuf> {
    if part.exists() {
        return Ok(part);
    }
    Err(Error::new(format!("there is no {}; run `{command}` first", part.display())))
}

/// `$SLUICE_CACHE`, or `~/.cache/sluice`.
pub fn cache_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("SLUICE_CACHE") {
        return Ok(PathBuf::from(folder));
    }
    let home = std::env::var_os("HOME").ok_or_else(|| Error::new("neither SLUICE_CACHE nor HOME is set"))?;
    Ok(Path::new(&home).join(".cache/sluice"))
}

fn checkout() -> PathBuf {
    // Cargo sets the variable for what it runs; the path of the build serves a program that was started by hand.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.ancestors().find(|folder| folder.join("Cargo.lock").is_file()).unwrap_or(&manifest).to_owned()
}
