//! `small-files FOLDER VERSIONS` makes a table as a stream leaves it: so many versions of two small files each, real ones by the product's own
//! writer, and no checkpoint. It prints as JSON what queries on it have to find. `cargo xtask bench --upkeep` runs it.
#![allow(clippy::disallowed_methods, reason = "in the real world")]

mod rows;
mod unsynced;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sluice_core::offsets::{Interval, TopicPartition};
use sluice_core::settings::{Maintenance, Settings, StoreSettings};
use sluice_core::table::TableInfo;
use sluice_core::task::{Event, Table};
use sluice_delta::budget::Budget;
use sluice_delta::store::Store;
use sluice_delta::world::Tokio;
use sluice_delta::{BLOCKING_THREADS, Hub, Spec};
use url::Url;

use rows::Rows;
use unsynced::Unsynced;

const CONNECTOR: &str = "small";
const TOPIC: &str = "events";
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, versions] = &words[..] else { panic!("small-files FOLDER VERSIONS, not {words:?}") };
    let (folder, versions) = (PathBuf::from(folder), versions.parse().expect("a number"));
    std::fs::create_dir_all(&folder).expect("a folder");
    let uri = Url::from_directory_path(std::fs::canonicalize(&folder).expect("a folder")).expect("a URL");

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .expect("a runtime");
    let open = |uri: &str, _: &StoreSettings| -> sluice_core::Result<Arc<dyn Store>> {
        Ok(Arc::new(Unsynced::new(Url::parse(uri).expect("a URL"))?))
    };
    let world = Tokio::world(runtime.handle().clone());
    let hub = Hub::with_stores(world, 2, Budget::unlimited(), Box::new(open));
    let spec = Spec {
        schema: Some(rows::schema()),
        auto_create: true,
        partition_by: rows::PARTITION_BY.map(str::to_owned).into(),
        maintenance: Maintenance { enabled: false, ..Maintenance::default() },
        ..Spec::default()
    };
    let mut table = hub.tables_for(&settings(uri.as_str())).open_as(uri.as_str(), spec);
    let mut rows = Rows::new(versions);
    fill(&mut table, versions, &mut rows);
    println!("{}", rows.expected());
}

fn fill(table: &mut impl Table, versions: u64, rows: &mut Rows) {
    let partition = TopicPartition::new(TOPIC, 0);
    let app_id = partition.app_id(CONNECTOR);
    table.load(vec![app_id.clone()]);
    let Event::Loaded { table: Some(info), .. } = answer(table) else { panic!("no table was made") };
    let write = |table: &mut _, info: &Arc<TableInfo>, rows: &mut Rows, version: u64| {
        Table::write(table, info, rows.of_version(version));
    };
    write(table, &info, rows, 1);
    for version in 1..=versions {
        let [from, to] = [version - 1, version].map(|end| (end * rows::ROWS) as i64);
        let expected = (version > 1).then_some(from);
        let (partition, app_id) = (partition.clone(), app_id.clone());
        table.commit(vec![Interval {
            partition,
            app_id,
            expected,
            from,
            to,
            rows: rows::ROWS,
            taken_over: None,
        }]);
        // The next unit's rows are encoded while this one is committed.
        if version < versions {
            write(table, &info, rows, version + 1);
        }
        match answer(table) {
            Event::Committed { version: made, .. } if made == version => {}
            other => panic!("version {version}: {other:?}"),
        }
    }
}

fn settings(uri: &str) -> Settings {
    let settings = [("name", CONNECTOR), ("delta.table.uri", uri), ("topics", TOPIC)];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Settings::parse(&settings).expect("valid settings")
}

fn answer(table: &mut impl Table) -> Event {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "no answer");
        match table.poll() {
            Some(Event::Failed(error)) => panic!("{error}"),
            Some(event) => return event,
            None => sleep(Duration::from_micros(50)),
        }
    }
}
