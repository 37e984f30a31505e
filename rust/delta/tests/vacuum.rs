//! VACUUM over every kind of store: names are what they are in each, and times are the store's.
#![allow(clippy::disallowed_methods, reason = "in the real world")]
#![allow(clippy::unwrap_used)]

mod servers;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use serde_json::{Value, json};
use servers::{Place, other_places, places, runtime};
use sluice_delta::maintain::vacuum::{Vacuumed, Vacuuming, vacuum};
use sluice_delta::maintain::{Maintained, Quiet};
use sluice_delta::store::{Claim, Store, root_path};
use sluice_delta::world::Tokio;

/// Names in the store, and the URI references to them.
const NAMES: [(&str, &str); 7] = [
    ("a b.parquet", "a%20b.parquet"),
    ("p=x%2Fy/f.parquet", "p=x%252Fy/f.parquet"),
    ("p=%25/f.parquet", "p=%2525/f.parquet"),
    ("100%.parquet", "100%25.parquet"),
    ("ü/ñ.parquet", "ü/ñ.parquet"),
    ("a+b&c=d;e'f.parquet", "a+b&c=d;e'f.parquet"),
    ("q#r[s].parquet", "q%23r%5Bs%5D.parquet"),
];

fn commit(store: &dyn Store, version: u64, actions: &[Value]) {
    let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
    assert_eq!(store.claim(version, text.as_bytes()).unwrap(), Claim::Won);
}

/// Of all but the log and what is hidden.
fn there(store: &dyn Store) -> BTreeSet<String> {
    let root = root_path(store).unwrap();
    let listed = runtime().block_on(store.objects().list(Some(&root)).try_collect::<Vec<_>>()).unwrap();
    let below = |object: &object_store::ObjectMeta| {
        object.location.as_ref().strip_prefix(root.as_ref()).unwrap().trim_start_matches('/').to_owned()
    };
    listed.iter().map(below).filter(|name| !name.starts_with(['.', '_'])).collect()
}

fn vacuumed(place: &Place, delete: bool) -> Vacuumed {
    let maintained = Maintained::new(place.open(), Tokio::world(runtime().handle().clone()));
    let (retention, unreferenced) = (Some(Duration::ZERO), Duration::ZERO);
    vacuum(&maintained, &Vacuuming { delete, retention, shorter: true, unreferenced }, &Quiet).unwrap()
}

fn of_the_same_names_the_needed_ones_stay(place: &Place) {
    let store = place.open();
    let metadata = json!({"metaData": {"id": "0", "format": {"provider": "parquet", "options": {}},
        "schemaString": r#"{"type":"struct","fields":[{"name":"v","type":"long","nullable":true,"metadata":{}}]}"#, "partitionColumns": [], "configuration": {}}});
    commit(&*store, 0, &[json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}), metadata]);
    let of = |folder: &'static str| {
        NAMES.map(|(name, path)| (format!("{folder}/{name}"), format!("{folder}/{path}")))
    };
    let (live, removed, orphans) = (of("live"), of("removed"), of("orphans"));
    for (name, _) in live.iter().chain(&removed).chain(&orphans) {
        store.create(name).unwrap().finish().unwrap();
    }
    let add = |(_, path): &(String, String)| json!({"add": {"path": path, "size": 0, "partitionValues": {}, "modificationTime": 0, "dataChange": true}});
    let remove = |(_, path): &(String, String)| json!({"remove": {"path": path, "deletionTimestamp": 1, "dataChange": true}});
    commit(&*store, 1, &live.iter().chain(&removed).map(add).collect::<Vec<_>>());
    commit(&*store, 2, &removed.iter().map(remove).collect::<Vec<_>>());

    // The store's times may be those of whole seconds.
    let begun = Instant::now();
    while vacuumed(place, false).found.files < 14 {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", place.name);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(there(&*store).len(), 21, "{}", place.name);
    while vacuumed(place, true).listed.files > 7 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", place.name);
    }
    let names = live.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    assert_eq!(there(&*store), names, "{}", place.name);
}

#[test]
fn every_place_keeps_what_is_needed() {
    places().iter().for_each(of_the_same_names_the_needed_ones_stay);
}

#[test]
#[ignore = "needs `cargo xtask install --all-stores`"]
fn other_servers_keep_what_is_needed() {
    other_places().iter().for_each(of_the_same_names_the_needed_ones_stay);
}
