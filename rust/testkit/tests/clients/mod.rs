//! Clients of the stores, and a folder for each test.

#![allow(dead_code)]

use std::path::PathBuf;
use std::time::Duration;

use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, RetryConfig};
use sluice_testkit::{Azurite, S3Server};

pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("testkit-{name}-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Runs a future to its end.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), future).await.unwrap() })
}

/// A client that does not retry, of the server itself or of a proxy before it.
pub fn s3(server: &S3Server, endpoint: &str) -> AmazonS3 {
    let options = server.options();
    AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_region(S3Server::REGION)
        .with_bucket_name(&options.bucket)
        .with_access_key_id(&options.access_key)
        .with_secret_access_key(&options.secret_key)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
        .build()
        .unwrap()
}

pub fn azure(server: &Azurite, container: &str) -> MicrosoftAzure {
    MicrosoftAzureBuilder::new()
        .with_account(Azurite::ACCOUNT)
        .with_access_key(Azurite::ACCOUNT_KEY)
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_container_name(container)
        .build()
        .unwrap()
}

pub fn conditional_put_and_multipart_work(store: &impl ObjectStore) {
    wait(async {
        let one = Path::from("table/_delta_log/00000000000000000001.json");
        store.put_opts(&one, "first".into(), PutMode::Create.into()).await.unwrap();
        let second = store.put_opts(&one, "second".into(), PutMode::Create.into()).await.unwrap_err();
        assert!(matches!(second, Error::AlreadyExists { .. }), "{second}");
        assert_eq!(store.get(&one).await.unwrap().bytes().await.unwrap(), "first");

        let large = Path::from("table/large.parquet");
        let mut upload = store.put_multipart(&large).await.unwrap();
        upload.put_part(vec![1; 5 << 20].into()).await.unwrap();
        upload.put_part(vec![2; 100].into()).await.unwrap();
        upload.complete().await.unwrap();
        assert_eq!(store.head(&large).await.unwrap().size, (5 << 20) + 100);

        let listed: Vec<_> = store.list(Some(&Path::from("table"))).try_collect().await.unwrap();
        assert_eq!(listed.len(), 2, "{listed:?}");
        store.delete(&large).await.unwrap();
        assert!(matches!(store.head(&large).await.unwrap_err(), Error::NotFound { .. }));
    });
}

/// One call of DynamoDB's API: the status and the answer. DynamoDB Local does not check signatures.
pub fn dynamodb(endpoint: &str, operation: &str, body: &serde_json::Value) -> (u16, String) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let credential =
        "Credential=key/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
    let mut answer = agent
        .post(endpoint)
        .header("Authorization", format!("AWS4-HMAC-SHA256 {credential}"))
        .header("X-Amz-Target", format!("DynamoDB_20120810.{operation}"))
        .header("Content-Type", "application/x-amz-json-1.0")
        .send(body.to_string())
        .unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}
