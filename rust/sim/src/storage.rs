//! The store of all processes, with the lock of its tables.

use std::sync::Arc;

use object_store::path::Path;
use sluice_delta::budget::Budget;
use sluice_delta::store::{CloudStore, ConditionalPut, DynamoLock, Lock, Store, Uploads};
use url::Url;

use crate::bucket::Bucket;
use crate::entries::LockTable;
use crate::machine::ProcessId;
use crate::net::Net;
use crate::objects::Objects;

pub struct Storage {
    pub net: Arc<Net>,
    pub objects: Arc<Bucket>,
    pub locks: LockTable,
    pub under_dynamodb: bool,
}

impl Storage {
    pub fn table(&self, process: ProcessId, uri: &str) -> sluice_core::Result<Arc<dyn Store>> {
        let world = self.net.sim.world(process);
        let objects = Arc::new(Objects { net: self.net.clone(), process, inner: self.objects.clone() });
        let uri = uri.trim_end_matches('/');
        let url = Url::parse(&format!("{uri}/"))
            .map_err(|e| sluice_core::Error::new(sluice_core::Code::ConfigInvalid, e.to_string()))?;
        let root = Path::from_url_path(url.path()).unwrap_or_default();
        let lock = match self.under_dynamodb {
            false => Lock::ConditionalPut(ConditionalPut::default()),
            true => Lock::DynamoDb(Arc::new(DynamoLock {
                world: world.clone(),
                entries: self.locks.seen_by(&self.net, process),
                table_path: uri.to_owned(),
                other_path: uri.replacen("s3://", "s3a://", 1),
                objects: objects.clone(),
                root,
            })),
        };
        let uploads = Uploads { objects, world, part_bytes: 64 << 20, budget: Budget::unlimited() };
        Ok(Arc::new(CloudStore::new(url, uploads, lock)?))
    }
}
