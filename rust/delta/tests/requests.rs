//! What goes over the wire where no real service can be had: Google Cloud Storage, encryption by KMS, a proxy, a certificate
//! of one's own. A server on the loopback address answers as the service would.
#![allow(clippy::disallowed_methods, reason = "in the real world")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock};

use sluice_core::Code;
use sluice_core::settings::StoreSettings;
use sluice_delta::store::{Claim, Clients, Store};
use sluice_testkit::{Fault, FaultProxy, Reply, Request};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap());

fn store(uri: &str, settings: &[(&str, &str)]) -> Arc<dyn Store> {
    let settings: BTreeMap<_, _> = settings.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let settings = StoreSettings::parse(&settings).unwrap();
    Clients::new(RUNTIME.handle().clone()).store(uri, &settings).unwrap()
}

/// A server that answers by itself, and what it was asked.
fn server(answer: fn(&Request) -> Reply) -> (FaultProxy, Receiver<Request>) {
    let server = FaultProxy::start("http://127.0.0.1:9").unwrap();
    let (sender, asked) = channel();
    server.rule(move |request| {
        sender.send(request.clone()).unwrap();
        Some(Fault::Answer(answer(request)))
    });
    (server, asked)
}

fn put_reply(status: u16) -> Reply {
    let mut reply = Reply::new(status, "application/xml", "");
    reply.headers.push(("ETag".into(), "\"1\"".into()));
    reply.headers.push(("x-goog-generation".into(), "1".into()));
    reply
}

const GCS_KEY: &str =
    r#"{"disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}"#;

/// <https://cloud.google.com/storage/docs/xml-api/reference-headers#xgoogifgenerationmatch>
#[test]
fn google_claims_a_version_by_its_generation() {
    let (server, asked) = server(|_| put_reply(200));
    let settings = [("delta.gcs.endpoint", &*server.endpoint()), ("delta.gcs.service.account.key", GCS_KEY)];
    assert_eq!(store("gs://lake/events/", &settings).claim(7, b"ours"), Ok(Claim::Won));
    let put = asked.recv().unwrap();
    assert_eq!(
        (&*put.method, &*put.target),
        ("PUT", "/lake/events%2F%5Fdelta%5Flog%2F00000000000000000007%2Ejson")
    );
    assert_eq!(put.header("x-goog-if-generation-match"), Some("0"));
    assert_eq!(put.body, b"ours");
    assert!(asked.try_recv().is_err(), "one request for a claim");
}

#[test]
fn google_says_that_a_version_is_taken() {
    for (there, claim) in [("theirs", Claim::Taken), ("ours", Claim::Won)] {
        let answer: fn(&Request) -> Reply = match there {
            "ours" => |request| if request.method == "PUT" { put_reply(412) } else { object("ours") },
            _ => |request| if request.method == "PUT" { put_reply(412) } else { object("theirs") },
        };
        let (server, _asked) = server(answer);
        let settings =
            [("delta.gcs.endpoint", &*server.endpoint()), ("delta.gcs.service.account.key", GCS_KEY)];
        assert_eq!(store("gs://lake/events/", &settings).claim(7, b"ours"), Ok(claim));
    }
}

fn object(body: &str) -> Reply {
    let mut reply = put_reply(200);
    reply.body = body.as_bytes().to_vec();
    reply.headers.push(("Last-Modified".into(), "Sun, 22 Nov 2026 00:00:00 GMT".into()));
    reply
}

const KEYS: [(&str, &str); 2] = [("delta.s3.access.key.id", "id"), ("delta.s3.secret.access.key", "secret")];

#[test]
fn encryption_is_asked_for_with_every_object() {
    for (kind, key, expected) in [
        ("aws:kms", "alias/lake", "aws:kms"),
        ("aws:kms:dsse", "alias/lake", "aws:kms:dsse"),
        ("AES256", "", "AES256"),
    ] {
        let (server, asked) = server(|_| put_reply(200));
        let endpoint = server.endpoint();
        let settings = [
            KEYS[0],
            KEYS[1],
            ("delta.s3.endpoint", &endpoint),
            ("delta.s3.sse", kind),
            ("delta.s3.sse.kms.key.id", key),
            ("delta.s3.sse.bucket.key", if kind == "aws:kms" { "true" } else { "false" }),
        ];
        assert_eq!(store("s3://lake/events/", &settings).claim(0, b"ours"), Ok(Claim::Won));
        let put = asked.recv().unwrap();
        assert_eq!(put.header("x-amz-server-side-encryption"), Some(expected));
        let of_kms = (kind != "AES256").then_some(key);
        assert_eq!(put.header("x-amz-server-side-encryption-aws-kms-key-id"), of_kms);
        let bucket_key = (kind == "aws:kms").then_some("true");
        assert_eq!(put.header("x-amz-server-side-encryption-bucket-key-enabled"), bucket_key);
        assert_eq!(put.header("If-None-Match"), Some("*"));
    }
}

/// S3 through a proxy that asks for a password, and the lock table too.
#[test]
fn a_proxy_is_used_for_the_store_and_the_lock_table() {
    let (proxy, asked) = server(|request| match request.header("X-Amz-Target") {
        Some(_) => Reply::dynamodb(400, "ResourceNotFoundException"),
        None => Reply::new(
            200,
            "application/xml",
            "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
        ),
    });
    let url = proxy.endpoint().replace("http://", "http://user:hunter2@");
    let settings = [
        KEYS[0],
        KEYS[1],
        ("delta.store.proxy.url", &*url),
        ("delta.s3.endpoint", "http://s3.example"),
        ("delta.commit.lock", "dynamodb"),
        ("delta.dynamodb.endpoint", "http://dynamodb.example"),
    ];
    let locked = store("s3://lake/events/", &settings);
    let error = locked.check().unwrap_err();
    assert_eq!(error.code, Code::LockTable);
    assert!(!error.message.contains("hunter2"));
    locked.delete("part.parquet").unwrap_err();
    let requests: Vec<Request> = asked.try_iter().collect();
    for host in ["http://s3.example/", "http://dynamodb.example/"] {
        let request = requests.iter().find(|request| request.target.starts_with(host));
        let request = request.unwrap_or_else(|| panic!("nothing for {host}: {requests:?}"));
        assert_eq!(request.header("Proxy-Authorization"), Some("Basic dXNlcjpodW50ZXIy"), "{host}");
    }
}

#[test]
fn settings_that_give_no_client_are_named() {
    let settings: BTreeMap<_, _> =
        [("delta.store.ca.file", "/nowhere.pem")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let settings = StoreSettings::parse(&settings).unwrap();
    let error = Clients::new(RUNTIME.handle().clone()).store("s3://lake/events/", &settings).err().unwrap();
    assert!(error.code == Code::ConfigInvalid && error.message.contains("delta.store.ca.file"), "{error}");
}
