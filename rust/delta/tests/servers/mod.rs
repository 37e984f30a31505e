//! Real servers for the tests of one process, and places for tables on them.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use object_store::memory::InMemory;
use serde_json::Value;
use sluice_core::settings::StoreSettings;
use sluice_delta::budget::Budget;
use sluice_delta::store::{Clients, CloudStore, ConditionalPut, LocalStore, Lock, Store, Uploads};
use sluice_delta::world::Tokio;
use sluice_testkit::{Azurite, Components, DynamoDb, FaultProxy, S3Options, S3Program, S3Server};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use url::Url;
use uuid::Uuid;

struct Servers {
    folder: TempDir,
    s3: S3Server,
    dynamodb: DynamoDb,
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
});

/// They end with the process.
static SERVERS: LazyLock<Servers> = LazyLock::new(|| {
    let components = Components::find().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let s3 = S3Server::start(&components, &folder.path().join("s3"), S3Options::default()).unwrap();
    let dynamodb = DynamoDb::start(&components, &folder.path().join("dynamodb")).unwrap();
    Servers { folder, s3, dynamodb }
});

static MINIO: LazyLock<S3Server> = LazyLock::new(|| {
    let options = S3Options { program: S3Program::Minio, ..S3Options::default() };
    S3Server::start(&Components::find().unwrap(), &SERVERS.folder.path().join("minio"), options).unwrap()
});

static AZURITE: LazyLock<Azurite> = LazyLock::new(|| {
    Azurite::start(&Components::find().unwrap(), &SERVERS.folder.path().join("azurite"), "lake").unwrap()
});

pub fn runtime() -> &'static Runtime {
    &RUNTIME
}

/// The settings that reach the servers, with or without proxies.
pub fn settings(s3: &str, dynamodb: &str) -> BTreeMap<String, String> {
    let options = SERVERS.s3.options();
    [
        ("delta.s3.endpoint", s3),
        ("delta.s3.region", S3Server::REGION),
        ("delta.s3.access.key.id", &options.access_key),
        ("delta.s3.secret.access.key", &options.secret_key),
        ("delta.dynamodb.endpoint", dynamodb),
        ("delta.dynamodb.region", DynamoDb::REGION),
        ("delta.dynamodb.table.auto.create", "true"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

fn azure_settings() -> BTreeMap<String, String> {
    [
        ("delta.azure.endpoint", AZURITE.endpoint().as_str()),
        ("delta.azure.account.name", Azurite::ACCOUNT),
        ("delta.azure.account.key", Azurite::ACCOUNT_KEY),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// Where a table of its own may be.
pub struct Place {
    pub name: &'static str,
    pub table: String,
    kind: Way,
    proxies: Option<Arc<[FaultProxy; 2]>>,
    extra: BTreeMap<String, String>,
    bucket: &'static str,
}

#[derive(Clone)]
enum Way {
    Local(Arc<TempDir>),
    Memory(Arc<InMemory>),
    /// Versitygw, with DynamoDB Local beside it.
    S3,
    Minio,
    Azure,
}

pub fn places() -> [Place; 4] {
    [
        Place::local(),
        Place::new("memory", Way::Memory(Arc::default())),
        Place::conditional_put(),
        Place::dynamodb(),
    ]
}

/// On servers that take long to install.
pub fn other_places() -> [Place; 2] {
    [Place::new("minio", Way::Minio), Place::new("azurite", Way::Azure)]
}

impl Place {
    fn new(name: &'static str, kind: Way) -> Place {
        let table = format!("tables/{}", Uuid::new_v4());
        Place { name, table, kind, proxies: None, extra: BTreeMap::new(), bucket: "lake" }
    }

    pub fn local() -> Place {
        Place::new("local", Way::Local(Arc::new(tempfile::tempdir().unwrap())))
    }

    pub fn conditional_put() -> Place {
        Place::new("conditional put", Way::S3)
    }

    pub fn dynamodb() -> Place {
        Place::new("dynamodb", Way::S3).with(&[("delta.commit.lock", "dynamodb")])
    }

    pub fn with(mut self, extra: &[(&str, &str)]) -> Place {
        self.extra.extend(extra.iter().map(|(key, value)| (key.to_string(), value.to_string())));
        self
    }

    /// The same table with other settings.
    fn again(&self) -> Place {
        let extra = self.extra.clone();
        Place {
            name: self.name,
            table: self.table.clone(),
            kind: self.kind.clone(),
            proxies: None,
            extra,
            bucket: self.bucket,
        }
    }

    pub fn with_conditional_put(&self, knows_lock_table: bool) -> Place {
        let mut place = self.again().with(&[("delta.commit.lock", "store")]);
        if !knows_lock_table {
            place.extra.insert("delta.dynamodb.table".into(), "empty".into());
        }
        place
    }

    pub fn in_bucket(mut self, bucket: &'static str) -> Place {
        self.bucket = bucket;
        self
    }

    pub fn with_scheme(&self, scheme: &str) -> Place {
        self.again().with(&[("delta.dynamodb.path.scheme", scheme)])
    }

    /// Requests go through proxies of this place's own from now on, to S3 and to DynamoDB.
    pub fn through_proxies(mut self) -> Place {
        let proxy = |server: String| FaultProxy::start(&server).unwrap();
        self.proxies = Some(Arc::new([proxy(SERVERS.s3.endpoint()), proxy(SERVERS.dynamodb.endpoint())]));
        self
    }

    pub fn proxies(&self) -> Vec<&FaultProxy> {
        let all = self.proxies.as_deref().map_or(&[][..], |proxies| &proxies[..]);
        all.iter().take(if self.name == "dynamodb" { 2 } else { 1 }).collect()
    }

    pub fn uri(&self) -> String {
        match &self.kind {
            Way::Local(folder) => {
                Url::from_directory_path(folder.path().join(&self.table)).unwrap().to_string()
            }
            Way::Memory(_) => format!("memory:///{}/", self.table),
            Way::S3 | Way::Minio => format!("s3://{}/{}/", self.bucket, self.table),
            Way::Azure => format!("az://lake/{}/", self.table),
        }
    }

    fn map(&self, proxies: bool) -> BTreeMap<String, String> {
        let mut map = match (&self.kind, self.proxies.as_deref().filter(|_| proxies)) {
            (Way::Local(_) | Way::Memory(_), _) => BTreeMap::new(),
            (Way::Minio, _) => settings(&MINIO.endpoint(), &SERVERS.dynamodb.endpoint()),
            (Way::Azure, _) => azure_settings(),
            (_, Some([s3, dynamodb])) => settings(&s3.endpoint(), &dynamodb.endpoint()),
            (_, None) => settings(&SERVERS.s3.endpoint(), &SERVERS.dynamodb.endpoint()),
        };
        map.extend(self.extra.clone());
        map
    }

    /// The connector settings that reach the place.
    pub fn connector(&self) -> Vec<(String, String)> {
        let mut map = self.map(true);
        map.insert("delta.table.uri".into(), self.uri());
        map.into_iter().collect()
    }

    /// A handle as another process would have it.
    pub fn open(&self) -> Arc<dyn Store> {
        self.store(true)
    }

    /// Past the proxies.
    pub fn direct(&self) -> Arc<dyn Store> {
        self.store(false)
    }

    fn store(&self, proxies: bool) -> Arc<dyn Store> {
        let url = Url::parse(&self.uri()).unwrap();
        match &self.kind {
            Way::Local(_) => Arc::new(LocalStore::new(url).unwrap()),
            Way::Memory(objects) => {
                let uploads = Uploads {
                    objects: objects.clone(),
                    world: Tokio::world(runtime().handle().clone()),
                    part_bytes: 8 << 20,
                    budget: Budget::unlimited(),
                };
                let lock = Lock::ConditionalPut(ConditionalPut::default());
                Arc::new(CloudStore::new(url, uploads, lock).unwrap())
            }
            Way::S3 | Way::Minio | Way::Azure => {
                let settings = StoreSettings::parse(&self.map(proxies)).unwrap();
                let store = Clients::new(runtime().handle().clone()).store(url.as_str(), &settings).unwrap();
                if self.name == "dynamodb"
                    && self.extra.get("delta.commit.lock").is_some_and(|l| l == "dynamodb")
                {
                    ensure_lock_table();
                }
                store
            }
        }
    }

    /// The table's folder: the S3 server keeps objects as files.
    pub fn folder(&self) -> PathBuf {
        match &self.kind {
            Way::Local(folder) => folder.path().join(&self.table),
            _ => SERVERS.s3.bucket_folder().join(&self.table),
        }
    }

    /// The table's items in the lock table, as DynamoDB's JSON.
    pub fn items(&self) -> Vec<Value> {
        ensure_lock_table();
        let path = format!("s3://lake/{}", self.table);
        SERVERS
            .dynamodb
            .items("delta_log")
            .unwrap()
            .into_iter()
            .filter(|item| item["tablePath"]["S"] == path.as_str())
            .collect()
    }
}

static LOCK_TABLE: LazyLock<()> = LazyLock::new(|| {
    let map = Place::dynamodb().map(false);
    let settings = StoreSettings::parse(&map).unwrap();
    let clients = Clients::new(runtime().handle().clone());
    clients.store("s3://lake/none/", &settings).unwrap().check().unwrap();
});

fn ensure_lock_table() {
    LazyLock::force(&LOCK_TABLE);
}
