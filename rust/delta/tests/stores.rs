//! The contract of [`Store`], over every way of claiming a version: in memory, by link, by conditional put on a real S3
//! server, under the DynamoDB lock. I5 as in `docs/exactly-once.md`.
#![allow(clippy::disallowed_methods, reason = "in the real world")]
#![allow(clippy::unwrap_used)]

mod servers;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use servers::{Place, other_places, places, runtime};
use sluice_core::Code;
use sluice_delta::store::{Claim, Store, commit_path, commit_version, delete_all, object_path, root_path};
use sluice_delta::world::Tokio;
use sluice_testkit::{Fault, Kind, Reply, Request};

fn read(store: &dyn Store, version: u64) -> Option<Vec<u8>> {
    let path = commit_path(&root_path(store).unwrap(), version);
    runtime().block_on(async {
        match store.objects().get(&path).await {
            Ok(found) => Some(found.bytes().await.unwrap().to_vec()),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    })
}

/// As the Delta kernel does: whatever is listed can be read.
fn versions(store: &dyn Store) -> Vec<u64> {
    let root = root_path(store).unwrap();
    let log = root.clone().join("_delta_log");
    let listed = runtime().block_on(store.objects().list(Some(&log)).try_collect::<Vec<_>>()).unwrap();
    let mut versions: Vec<_> = listed
        .iter()
        .filter_map(|object| {
            commit_version(object.location.as_ref().strip_prefix(root.as_ref())?.strip_prefix('/')?)
        })
        .collect();
    versions.sort_unstable();
    versions
}

/// What every place promises, each on a table of its own.
const CONTRACT: [fn(&Place); 6] = [
    of_many_claims_one_wins_and_its_bytes_are_there,
    a_commit_that_is_there_is_won_again,
    a_reader_never_sees_half_a_commit,
    data_files_of_any_size_arrive_whole_and_unfinished_ones_do_not,
    a_file_takes_the_place_of_another_as_a_whole,
    many_files_are_deleted_at_once_and_no_others,
];

#[test]
fn every_place_keeps_the_contract() {
    for promise in CONTRACT {
        places().iter().for_each(promise);
    }
}

#[test]
#[ignore = "needs `cargo xtask install --all-stores`"]
fn other_servers_keep_the_contract() {
    for promise in CONTRACT {
        other_places().iter().for_each(promise);
    }
    other_places().iter().for_each(|place| place.open().check().unwrap());
}

fn of_many_claims_one_wins_and_its_bytes_are_there(place: &Place) {
    for version in 0..10 {
        let won: Vec<usize> = thread::scope(|scope| {
            let claims: Vec<_> = (0..8)
                .map(|writer| {
                    let store = place.open();
                    scope.spawn(move || store.claim(version, format!("writer {writer}").as_bytes()))
                })
                .collect();
            let claims = claims.into_iter().map(|claim| claim.join().unwrap()).enumerate();
            claims.filter(|(_, claim)| *claim == Ok(Claim::Won)).map(|(writer, _)| writer).collect()
        });
        assert_eq!(won.len(), 1, "{}: version {version}", place.name);
        let there = String::from_utf8(read(&*place.open(), version).unwrap()).unwrap();
        assert_eq!(there, format!("writer {}", won[0]), "{}", place.name);
    }
    assert_eq!(versions(&*place.open()), (0..10).collect::<Vec<_>>(), "{}", place.name);
}

/// A reply may be lost, so whoever claims again with the same commit hears that it is won.
fn a_commit_that_is_there_is_won_again(place: &Place) {
    assert_eq!(place.open().claim(0, b"ours"), Ok(Claim::Won), "{}", place.name);
    assert_eq!(place.open().claim(0, b"ours"), Ok(Claim::Won), "{}", place.name);
    assert_eq!(place.open().claim(0, b"theirs"), Ok(Claim::Taken), "{}", place.name);
    assert_eq!(read(&*place.open(), 0).unwrap(), b"ours", "{}", place.name);
}

fn a_reader_never_sees_half_a_commit(place: &Place) {
    const SIZE: usize = 1 << 20;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let store = place.open();
            while !done.load(Ordering::SeqCst) {
                for version in versions(&*store) {
                    assert_eq!(
                        read(&*store, version).map(|commit| commit.len()),
                        Some(SIZE),
                        "{}",
                        place.name
                    );
                }
            }
        });
        for version in 0..8 {
            assert_eq!(place.open().claim(version, &[b'x'; SIZE]), Ok(Claim::Won), "{}", place.name);
        }
        done.store(true, Ordering::SeqCst);
    });
}

fn data_files_of_any_size_arrive_whole_and_unfinished_ones_do_not(place: &Place) {
    for size in [0, 1, (8 << 20) - 1, 8 << 20, (20 << 20) + 7] {
        let store = place.open();
        let name = format!("p=a%2Fb/ ü=1/part-{size}.parquet");
        let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let mut file = store.create(&name).unwrap();
        bytes.chunks(100_003).for_each(|chunk| file.write_all(chunk).unwrap());
        assert_eq!(file.finish(), Ok(size as u64), "{}", place.name);
        let root = root_path(&*store).unwrap();
        let path = object_store::path::Path::parse(format!("{root}/{name}")).unwrap();
        let path = match place.name {
            "local" => object_store::path::Path::from_absolute_path(format!("/{root}/{name}")).unwrap(),
            _ => path,
        };
        let there = runtime().block_on(async { store.objects().get(&path).await?.bytes().await });
        assert!(there.unwrap() == bytes, "{}: {size}", place.name);
        store.delete(&name).unwrap();
        let gone = runtime().block_on(store.objects().head(&path));
        assert!(matches!(gone, Err(object_store::Error::NotFound { .. })), "{}", place.name);

        let mut dropped = store.create(&name).unwrap();
        dropped.write_all(&bytes).unwrap();
        drop(dropped);
        let gone = runtime().block_on(store.objects().head(&path));
        assert!(matches!(gone, Err(object_store::Error::NotFound { .. })), "{}", place.name);
    }
}

fn a_file_takes_the_place_of_another_as_a_whole(place: &Place) {
    let store = place.open();
    let name = "_delta_log/_last_checkpoint";
    let path = object_path(&root_path(&*store).unwrap(), name).unwrap();
    let read = || {
        runtime().block_on(async {
            let found = store.objects().get(&path).await.ok()?;
            Some(found.bytes().await.unwrap().to_vec())
        })
    };
    let sizes = [3, 12 << 20, 5];
    for (n, size) in sizes.into_iter().enumerate() {
        let before = read();
        let mut dropped = store.replace(name).unwrap();
        dropped.write_all(b"half").unwrap();
        drop(dropped);
        let mut file = store.replace(name).unwrap();
        file.write_all(&vec![n as u8; size]).unwrap();
        assert_eq!(read(), before, "{}", place.name);
        assert_eq!(file.finish(), Ok(size as u64), "{}", place.name);
        assert!(read() == Some(vec![n as u8; size]), "{}: {size} bytes", place.name);
    }
}

fn many_files_are_deleted_at_once_and_no_others(place: &Place) {
    let store = place.open();
    let names: Vec<_> = (0..40).map(|n| format!("p=a%20b/{n} +.parquet")).collect();
    for name in names.iter().skip(1).chain(["p=a%20b/kept".to_owned()].iter()) {
        let mut file = store.create(name).unwrap();
        file.write_all(b"rows").unwrap();
        file.finish().unwrap();
    }
    // One was never there.
    delete_all(&*store, &*Tokio::world(runtime().handle().clone()), &names).unwrap();
    let folder = object_path(&root_path(&*store).unwrap(), "p=a%20b").unwrap();
    let left = runtime().block_on(store.objects().list(Some(&folder)).try_collect::<Vec<_>>()).unwrap();
    let left: Vec<_> = left.iter().map(|object| object.location.filename().unwrap()).collect();
    assert_eq!(left, ["kept"], "{}", place.name);
}

/// What a claim asks of the servers, one after the other, when nothing goes wrong.
fn steps(place: &Place, kinds: &[Kind]) -> Vec<Kind> {
    assert_eq!(place.open().claim(0, b"first"), Ok(Claim::Won));
    let proxy = place.proxies();
    proxy.iter().for_each(|proxy| proxy.forget_requests());
    assert_eq!(place.open().claim(1, b"second"), Ok(Claim::Won));
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    for (kind, count) in proxy.iter().flat_map(|proxy| proxy.counts()) {
        *counts.entry(kind).or_default() += count;
    }
    let mut expected: BTreeMap<Kind, usize> = BTreeMap::new();
    kinds.iter().for_each(|kind| *expected.entry(*kind).or_default() += 1);
    assert_eq!(counts, expected, "{}", place.name);
    kinds.to_vec()
}

#[test]
fn an_uncontended_claim_is_one_conditional_put() {
    steps(&Place::conditional_put().through_proxies(), &[Kind::PutObject]);
}

/// The entry before, the version itself, the commit's temporary place, the entry, the commit's own place, completion.
const LOCKED: [Kind; 6] =
    [Kind::GetItem, Kind::GetObject, Kind::PutObject, Kind::PutItem, Kind::PutObject, Kind::UpdateItem];

#[test]
fn an_uncontended_claim_under_the_lock_is_six_requests() {
    steps(&Place::dynamodb().through_proxies(), &LOCKED);
}

/// Counts all requests of one claim and harms the one at `step`.
fn harm(place: &Place, step: usize, fault: impl Fn(&Request) -> Fault + Clone + Send + 'static) {
    let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    for proxy in place.proxies() {
        let (seen, fault) = (seen.clone(), fault.clone());
        proxy.rule(move |request| (seen.fetch_add(1, Ordering::SeqCst) == step).then(|| fault(request)));
    }
}

fn of_server(request: &Request, status: u16, s3: &str, dynamodb: &str) -> Reply {
    match request.header("X-Amz-Target") {
        Some(_) => Reply::dynamodb(status, dynamodb),
        None => Reply::s3(status, s3),
    }
}

/// Each request of a claim fails in each way, once. What the claim says is what the log holds, and the next version can
/// be claimed by anybody.
#[test]
fn a_lost_reply_and_a_failed_request_are_resolved() {
    type Harm = fn(&Request) -> Fault;
    let faults: [(&str, Harm); 6] = [
        ("refused", |request| Fault::Answer(of_server(request, 503, "SlowDown", "InternalServerError"))),
        ("throttled", |request| match request.header("X-Amz-Target") {
            Some(_) => Fault::Answer(Reply::dynamodb(400, "ProvisionedThroughputExceededException")),
            None => Fault::Answer(Reply::s3(429, "TooManyRequests")),
        }),
        ("done and refused", |request| {
            Fault::AnswerAfter(of_server(request, 500, "InternalError", "InternalServerError"))
        }),
        ("reset", |_| Fault::Reset),
        ("done and reset", |_| Fault::ResetAfter),
        ("slow", |_| Fault::DelayReply(Duration::from_millis(300))),
    ];
    let places: [(fn() -> Place, usize); 2] = [(Place::conditional_put, 1), (Place::dynamodb, LOCKED.len())];
    thread::scope(|scope| {
        for (place, steps) in places {
            for (name, fault) in faults {
                scope.spawn(move || {
                    for step in 0..steps {
                        let place = place().through_proxies();
                        assert_eq!(place.direct().claim(0, b"first"), Ok(Claim::Won));
                        harm(&place, step, fault);
                        let claim = place.open().claim(1, b"ours");
                        let what = format!("{} {name} at {step}: {claim:?}", place.name);
                        place.proxies().iter().for_each(|proxy| proxy.heal());
                        let store = place.direct();
                        assert_eq!(versions(&*store)[0], 0, "{what}");
                        match claim {
                            Ok(Claim::Won) => {}
                            Ok(Claim::Taken) => panic!("{what}: there is nobody else"),
                            // Nobody knows; asked again it says.
                            Err(error) => {
                                assert_eq!(error.code, Code::StoreIo, "{what}");
                                assert_eq!(place.open().claim(1, b"ours"), Ok(Claim::Won), "{what}");
                            }
                        }
                        assert_eq!(store.claim(1, b"theirs"), Ok(Claim::Taken), "{what}");
                        assert_eq!(store.claim(2, b"next"), Ok(Claim::Won), "{what}");
                        assert_eq!(read(&*store, 1).unwrap(), b"ours", "{what}");
                        assert_eq!(versions(&*store), [0, 1, 2], "{what}");
                    }
                });
            }
        }
    });
}

/// A writer dies after each request of its claim. The next writer, and every reader, finds the version either free or
/// taken by the whole of its commit, and completes what was decided.
#[test]
fn a_crash_at_every_step_is_completed_or_undone_by_the_next() {
    // Who comes next is a reader that lists, or at once a writer.
    for (step, is_read_first) in (0..=LOCKED.len()).flat_map(|step| [(step, true), (step, false)]) {
        let place = Place::dynamodb().through_proxies();
        assert_eq!(place.direct().claim(0, b"first"), Ok(Claim::Won));
        let died = Arc::new(AtomicBool::new(false));
        let requests = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        for proxy in place.proxies() {
            let (died, requests) = (died.clone(), requests.clone());
            proxy.rule(move |_| {
                if requests.fetch_add(1, Ordering::SeqCst) >= step {
                    died.store(true, Ordering::SeqCst);
                    return Some(Fault::Reset);
                }
                None
            });
        }
        let dying = place.open();
        let writer = thread::spawn(move || dying.claim(1, b"ours"));
        while !died.load(Ordering::SeqCst) && !writer.is_finished() {
            thread::sleep(Duration::from_millis(1));
        }
        let decided = step > 3;
        let store = place.direct();
        if is_read_first {
            let seen = versions(&*store);
            assert_eq!(seen, if decided { vec![0, 1] } else { vec![0] }, "after step {step}");
        }
        let expected = if decided { Claim::Taken } else { Claim::Won };
        assert_eq!(store.claim(1, b"theirs"), Ok(expected), "after step {step}");
        let there = read(&*store, 1).unwrap();
        assert_eq!(there, if decided { &b"ours"[..] } else { b"theirs" }, "after step {step}");
        assert_eq!(store.claim(2, b"next"), Ok(Claim::Won), "after step {step}");
        assert_eq!(
            place.items().iter().map(|item| item["complete"]["S"] == "true").collect::<Vec<_>>(),
            [true; 3]
        );
        // It wakes up again with whatever it was about to do.
        place.proxies().iter().for_each(|proxy| proxy.heal());
        let woken = writer.join().unwrap();
        assert!(matches!(woken, Err(_) | Ok(Claim::Taken)) || decided, "after step {step}: {woken:?}");
        assert_eq!(read(&*store, 1).unwrap(), there, "after step {step}");
    }
}

/// Decided is decided: with S3 gone right after the entry was written the commit is not reported as failed, and is there for
/// whoever lists the log or, as its own writer does, reads it.
#[test]
fn a_decided_commit_is_never_reported_as_failed() {
    decided_and_seen(|store| assert_eq!(versions(store), [0, 1]));
    // Found by `cargo xtask sim --seed 15121`.
    decided_and_seen(|store| assert_eq!(read(store, 1).as_deref(), Some(&b"ours"[..])));
}

fn decided_and_seen(see: impl Fn(&dyn Store)) {
    let place = Place::dynamodb().through_proxies();
    assert_eq!(place.direct().claim(0, b"first"), Ok(Claim::Won));
    let decided = Arc::new(AtomicBool::new(false));
    let [s3, dynamodb] = place.proxies()[..] else { panic!() };
    let seen = decided.clone();
    dynamodb.rule(move |request| {
        seen.fetch_or(request.kind == Kind::PutItem, Ordering::SeqCst);
        None
    });
    s3.rule(move |_| decided.load(Ordering::SeqCst).then(|| Fault::Answer(Reply::s3(403, "AccessDenied"))));
    assert_eq!(place.open().claim(1, b"ours"), Ok(Claim::Won));
    assert!(place.items().iter().any(|item| item["complete"]["S"] == "false"));
    s3.heal();
    see(&*place.direct());
    assert!(place.items().iter().all(|item| item["complete"]["S"] == "true"));
    assert_eq!(read(&*place.direct(), 1).unwrap(), b"ours");
}

/// S3 answers 409 while another conditional put of the same key is on its way.
#[test]
fn a_conflict_without_a_winner_is_not_taken_for_a_lost_race() {
    let place = Place::conditional_put().through_proxies();
    place.proxies()[0].next(1, |_| true, Fault::Answer(Reply::s3(409, "ConditionalRequestConflict")));
    assert_eq!(place.open().claim(0, b"ours").unwrap_err().code, Code::StoreIo);
    assert_eq!(place.open().claim(0, b"ours"), Ok(Claim::Won));
}

/// The same where a reader finishes a commit at the same moment as its writer: the entry is not complete before its commit
/// can be read, and the commit is won.
#[test]
fn a_conflict_while_a_decided_commit_is_put_does_not_undo_it() {
    let place = Place::dynamodb().through_proxies();
    assert_eq!(place.direct().claim(0, b"first"), Ok(Claim::Won));
    let to_its_place = |request: &Request| {
        request.kind == Kind::PutObject && request.target.ends_with("_delta_log/00000000000000000001.json")
    };
    place.proxies()[0].next(1, to_its_place, Fault::Answer(Reply::s3(409, "ConditionalRequestConflict")));
    assert_eq!(place.open().claim(1, b"ours"), Ok(Claim::Won));
    assert_eq!(read(&*place.direct(), 1).unwrap(), b"ours");
}

#[test]
fn a_store_that_does_not_mind_the_condition_is_refused() {
    let place = Place::conditional_put().through_proxies();
    place.open().check().unwrap();
    let careless = Place::conditional_put().through_proxies();
    careless.proxies()[0].always(|request| request.kind == Kind::PutObject, Fault::Answer(ok()));
    let error = careless.open().check().unwrap_err();
    assert_eq!(error.code, Code::StoreUnconditional);
    assert!(error.message.contains("delta.commit.lock=dynamodb"), "{error}");
}

fn ok() -> Reply {
    let mut reply = Reply::new(200, "text/plain", "");
    reply.headers.push(("ETag".into(), "\"0\"".into()));
    reply
}

/// No fall-back: each sign of the other lock is an error that says what to do.
#[test]
fn a_table_under_another_lock_is_refused() {
    let locked = Place::dynamodb();
    assert_eq!(locked.open().claim(0, b"first"), Ok(Claim::Won));
    for place in [locked.with_conditional_put(true), locked.with_conditional_put(false)] {
        let error = place.open().check().unwrap_err();
        assert_eq!(error.code, Code::CommitLock, "{error}");
        assert!(error.message.contains("delta.commit.lock=dynamodb"), "{error}");
    }
    // The entry alone is a sign, and so is the temporary commit alone.
    let log = locked.folder().join("_delta_log");
    std::fs::remove_dir_all(log.join(".tmp")).unwrap();
    assert_eq!(locked.with_conditional_put(true).open().check().unwrap_err().code, Code::CommitLock);
    locked.with_conditional_put(false).open().check().unwrap();

    // The other way: a version without an entry.
    let place = Place::dynamodb();
    assert_eq!(place.open().claim(0, b"first"), Ok(Claim::Won));
    place.open().check().unwrap();
    std::fs::write(place.folder().join("_delta_log/00000000000000000001.json"), "{}").unwrap();
    let error = place.open().check().unwrap_err();
    assert!(error.code == Code::CommitLock && error.message.contains("version 1"), "{error}");

    // Entries under the other scheme.
    let place = Place::dynamodb();
    assert_eq!(place.with_scheme("s3a").open().claim(0, b"first"), Ok(Claim::Won));
    let error = place.open().check().unwrap_err();
    assert!(
        error.code == Code::CommitLock && error.message.contains("delta.dynamodb.path.scheme"),
        "{error}"
    );
}

#[test]
fn a_lock_table_is_created_as_spark_creates_it_and_a_missing_one_is_named() {
    for (table, billing) in [("on-request", "PAY_PER_REQUEST"), ("provisioned", "PROVISIONED")] {
        let settings = [("delta.dynamodb.table", table), ("delta.dynamodb.billing.mode", billing)];
        let place = Place::dynamodb().through_proxies().with(&settings);
        let [_, dynamodb] = place.proxies()[..] else { panic!() };
        let (sender, created) = std::sync::mpsc::channel();
        dynamodb.rule(move |request| {
            if matches!(request.kind, Kind::CreateTable | Kind::UpdateTimeToLive) {
                let json: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
                sender.send(json).unwrap();
            }
            None
        });
        place.open().check().unwrap();
        let (create, expiry) = (created.recv().unwrap(), created.recv().unwrap());
        let keys = serde_json::json!([
            {"AttributeName": "tablePath", "KeyType": "HASH"}, {"AttributeName": "fileName", "KeyType": "RANGE"}
        ]);
        assert_eq!(create["KeySchema"], keys);
        let units = serde_json::json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 5});
        match billing {
            "PROVISIONED" => assert_eq!(create["ProvisionedThroughput"], units),
            _ => assert_eq!(create["BillingMode"], billing),
        }
        let by = serde_json::json!({"AttributeName": "expireTime", "Enabled": true});
        assert_eq!(expiry["TimeToLiveSpecification"], by);
        // It is there now, and another task makes nothing.
        place.open().check().unwrap();
        assert!(created.try_recv().is_err());
    }
    let missing = [("delta.dynamodb.table", "missing"), ("delta.dynamodb.table.auto.create", "false")];
    let error = Place::dynamodb().with(&missing).open().check().unwrap_err();
    assert!(error.code == Code::LockTable && error.message.contains("missing"), "{error}");
}

/// To the byte: what Spark and delta-rs read.
#[test]
fn an_entry_is_that_of_the_protocol() {
    let place = Place::dynamodb();
    assert_eq!(place.open().claim(0, b"first"), Ok(Claim::Won));
    let items = place.items();
    let item = items.first().unwrap();
    assert_eq!(item["tablePath"]["S"], format!("s3://lake/{}", place.table));
    assert_eq!(item["fileName"]["S"], "00000000000000000000.json");
    assert_eq!(item["complete"]["S"], "true");
    let temp = item["tempPath"]["S"].as_str().unwrap();
    assert!(temp.starts_with(".tmp/00000000000000000000.json."), "{temp}");
    assert_eq!(std::fs::read(place.folder().join("_delta_log").join(temp)).unwrap(), b"first");
    let expires: u64 = item["expireTime"]["N"].as_str().unwrap().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((now + 86_390..=now + 86_400).contains(&expires), "{expires}");
    assert_eq!(item.as_object().unwrap().len(), 5);
}

#[test]
fn files_take_as_few_requests_as_they_can() {
    let place = Place::conditional_put().through_proxies();
    let [s3] = place.proxies()[..] else { panic!() };
    let write = |name: &str, size: usize| {
        let store = place.open();
        let mut file = store.create(name).unwrap();
        file.write_all(&vec![7; size]).unwrap();
        file
    };
    write("small.parquet", 1 << 20).finish().unwrap();
    assert_eq!(s3.counts(), BTreeMap::from([(Kind::PutObject, 1)]));
    s3.forget_requests();
    write("large.parquet", 20 << 20).finish().unwrap();
    let parts = [(Kind::CreateMultipart, 1), (Kind::PutPart, 3), (Kind::CompleteMultipart, 1)];
    assert_eq!(s3.counts(), BTreeMap::from(parts));
    s3.forget_requests();
    drop(write("dropped.parquet", 20 << 20));
    let aborted = || s3.counts().get(&Kind::AbortMultipart) == Some(&1);
    for _ in 0..500 {
        if aborted() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert!(aborted(), "{:?}", s3.counts());
}

#[test]
fn refused_credentials_and_missing_buckets_have_codes_of_their_own() {
    let denied = Place::conditional_put().with(&[("delta.s3.secret.access.key", "hunter2-hunter2")]);
    let error = denied.open().check().unwrap_err();
    assert_eq!(error.code, Code::StoreDenied, "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let missing = Place::conditional_put().in_bucket("nowhere").open().check().unwrap_err();
    assert_eq!(missing.code, Code::StoreMissing, "{missing}");
}
