//! What all tests share.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use sluice_testkit::{Broker, Components, Connect, Worker, WorkerOptions, java_home_tool};

use crate::mounts;

/// The version that the previous plugin bears, so that a connector can ask for it.
pub const PREVIOUS_VERSION: &str = "0.0.1-previous";
/// Names the folder of a package of another commit. Without it the previous plugin is a copy of the one that is tested, and differs from
/// it in its version alone.
const PREVIOUS: &str = "SLUICE_PREVIOUS_PLUGIN";

pub struct Cluster {
    pub components: Components,
    pub folder: PathBuf,
    pub broker: Broker,
    /// `plugin.path` for the previous plugin.
    pub previous: PathBuf,
    /// Has the previous plugin too; a connector that names no version gets the newer one. Has a converter for Avro besides.
    pub worker: Worker,
    _lock: File,
}

static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);

pub fn cluster() -> &'static Cluster {
    &CLUSTER
}

impl Cluster {
    fn start() -> Self {
        let mut components = Components::find().unwrap();
        let target = components.plugins.parent().unwrap().to_owned();
        let packaged = components.plugins.join("sluice");
        assert!(packaged.is_dir(), "there is no {}; run `cargo xtask package` first", packaged.display());
        let folder = target.join("e2e");
        let lock = File::create(target.join("e2e.lock")).unwrap();
        lock.try_lock().expect("the end-to-end tests already run in this checkout");
        mounts::unmount_below(&folder);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        // A copy, so that no build changes what is being tested.
        components.plugins = folder.join("plugins");
        copy_folder(&packaged, &components.plugins.join("sluice"));
        let previous = folder.join("previous-plugins");
        let of_another_commit = std::env::var_os(PREVIOUS).map(PathBuf::from);
        copy_folder(of_another_commit.as_ref().unwrap_or(&packaged), &previous.join("sluice"));
        set_version(&previous.join("sluice"), PREVIOUS_VERSION);

        let broker = Broker::start_secured(&components, &folder.join("broker")).unwrap();
        let converters = components.converters();
        let plugins = plugin_path(&[&components.plugins, &previous, &converters]);
        let options =
            WorkerOptions { settings: file_provider(), plugins: Some(plugins), ..WorkerOptions::default() };
        let worker =
            Worker::start(&components, &broker.bootstrap(), &folder.join("worker"), &options).unwrap();
        Cluster { components, folder, broker, previous, worker, _lock: lock }
    }

    /// The shared worker's REST interface.
    pub fn connect(&self) -> Connect {
        self.worker.connect()
    }

    /// A further worker, in a group of its own or with others that a test starts. It may not be ready yet.
    pub fn spawn_worker(&self, name: &str, group: &str, jvm: &[&str]) -> Worker {
        let jvm = jvm.iter().map(|argument| (*argument).to_owned()).collect();
        self.spawn_worker_with(name, group, WorkerOptions { jvm, ..WorkerOptions::default() })
    }

    /// The same with other plugins, settings or another Kafka.
    pub fn spawn_worker_with(&self, name: &str, group: &str, options: WorkerOptions) -> Worker {
        let settings = [file_provider(), options.settings.clone()].concat();
        let options = WorkerOptions { group: group.into(), heap: "512m".into(), settings, ..options };
        let folder = self.folder.join(group).join(name);
        Worker::spawn(&self.components, &self.broker.bootstrap(), &folder, &options).unwrap()
    }
}

/// As a worker takes several folders.
pub fn plugin_path(folders: &[&Path]) -> PathBuf {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(",").into()
}

/// Lets connectors take values from files: `${file:/path:key}`.
fn file_provider() -> Vec<(String, String)> {
    let class = "org.apache.kafka.common.config.provider.FileConfigProvider";
    [("config.providers", "file"), ("config.providers.file.class", class)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn set_version(plugin: &Path, version: &str) {
    let is_jar = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jar");
    let jar = fs::read_dir(plugin).unwrap().map(|entry| entry.unwrap().path()).find(is_jar).unwrap();
    let name = "io/sluice/connect/version.properties";
    let file = plugin.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, format!("version={version}\n")).unwrap();
    let mut update = Command::new(java_home_tool("jar"));
    update.arg("uf").arg(&jar).arg("-C").arg(plugin).arg(name);
    assert!(update.status().unwrap().success(), "{update:?}");
    fs::remove_dir_all(plugin.join("io")).unwrap();
}
