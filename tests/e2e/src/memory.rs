//! What the rows of a worker's connectors hold in native memory stays within one budget while their store stands still: no rebalance,
//! nothing fails, nothing is lost (I1), and all goes on once the store does.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sluice_testkit::{Fault, FaultProxy, SAY_HEAP_RANGE, TableLog, heap_range, resident_memory};

use crate::cluster::cluster;
use crate::scenario::Scenario;
use crate::stores::stores;

const BUDGET: u64 = 64 << 20;
/// What may come on top of it: batches in hand, and what the allocator keeps.
const BESIDE: u64 = 64 << 20;
/// Of one text each, the first ones before the store stands still.
struct Load {
    name: &'static str,
    connectors: usize,
    first: usize,
    records: usize,
    text: fn(usize) -> String,
}

/// `SLUICE_LONG_OUTAGE=1` makes it five minutes, which is longer than `max.poll.interval.ms`.
fn standstill() -> Duration {
    Duration::from_secs(if std::env::var_os("SLUICE_LONG_OUTAGE").is_some() { 310 } else { 15 })
}

/// More than all of them together may hold, were it not for the budget: 32 MiB each.
#[test]
fn a_store_that_stands_still_fills_the_memory_budget_and_no_more() {
    stands_still(&Load {
        name: "memory",
        connectors: 6,
        first: 100,
        records: 5_000,
        text: |_| "x".repeat(10_000),
    });
}

#[test]
fn records_of_ten_megabytes_fill_it_and_no_more() {
    stands_still(&Load {
        name: "memory-large",
        connectors: 4,
        first: 1,
        records: 20,
        text: |seed| incompressible(seed, 10_000_000),
    });
}

/// So that a fetch has no more of them than its bytes allow.
fn incompressible(seed: usize, bytes: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ seed as u64;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + (state >> 58) as u8 % 60)
    };
    // Without the quotation mark and the backslash of JSON.
    (0..bytes).map(letter).map(|letter| if letter == '\\' { 'x' } else { letter }).collect()
}

fn stands_still(load: &Load) {
    let name = load.name;
    let proxy = FaultProxy::start(&stores().s3.endpoint()).unwrap();
    let mut worker = cluster().spawn_worker(name, name, &[SAY_HEAP_RANGE]);
    worker.wait_until_ready().unwrap();
    cluster().broker.create_topic(name, 1, &[("max.message.bytes", "16777216")]).unwrap();
    let source = Scenario::without_topic(worker.connect(), name);
    let line = |id: usize| format!(r#"{{"id":{id},"text":"{id} {}"}}"#, (load.text)(id));
    source.send_lines(&(0..load.first).map(line).collect::<Vec<_>>());
    let connectors: Vec<_> = (0..load.connectors)
        .map(|n| Scenario::without_topic(worker.connect(), &format!("{name}-{n}")).on_s3())
        .collect();
    let mut configs = Vec::new();
    for connector in &connectors {
        let config = connector
            .small_config()
            .with_s3(&proxy.endpoint())
            .set("topics", &source.name)
            .set("delta.memory.budget.bytes", BUDGET)
            .set("delta.parquet.compression", "none")
            .set("delta.store.request.timeout.ms", 5_000)
            .set("consumer.override.max.poll.records", 200)
            .set("consumer.override.fetch.max.bytes", 4 << 20)
            .set("consumer.override.max.partition.fetch.bytes", 4 << 20);
        connector.put(&config);
        connector.topic_reaches_the_end(&source.name, &connector.table);
        configs.push(config);
    }
    let pid = worker.process().pid();
    let log = || fs::read_to_string(worker.log()).unwrap();
    let heap = heap_range(&log()).unwrap();
    let native = || resident_memory(pid, &heap).unwrap().native;
    let joins = || log().lines().filter(|line| line.contains("(Re-)joining group")).count();
    let (before, joined) = (native(), joins());

    proxy.always(|_| true, Fault::Delay(Duration::from_secs(3_600)));
    source.send_lines(&(load.first..load.records).map(line).collect::<Vec<_>>());
    let until = Instant::now() + standstill();
    let mut most = 0;
    while Instant::now() < until {
        most = most.max(native());
        sleep(Duration::from_millis(200));
    }
    let grown = most.saturating_sub(before);
    println!("native memory grew by {} MiB while the store stood still", grown >> 20);
    assert!(grown < BUDGET + BESIDE, "native memory grew by {} MiB", grown >> 20);
    assert!(grown > BUDGET / 4, "the standstill was never felt: native memory grew by {grown} bytes");
    assert_eq!(joins(), joined, "a rebalance");

    proxy.heal();
    for (connector, config) in connectors.iter().zip(&configs) {
        connector.topic_reaches_the_end(&source.name, &connector.table);
        connector.audit_by_uri_is_clean(config);
        let mut table = TableLog::new(&connector.table);
        table.refresh().unwrap();
        assert_eq!(table.rows, load.records as i64);
    }
    worker.stop().unwrap();
}
